//! Why something makes no package.

use std::io;
use std::path::PathBuf;

/// What an id of Batch's applications and versions may not be ([`super::limits`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// An application's id has other characters, or not 1 to 64.
    #[error("`{id}` is no application id: 1 to 64 letters, digits, `_` and `-`")]
    Application {
        /// What was given.
        id: String,
    },
    /// A version has other characters, or not 1 to 64.
    #[error(
        "`{version}` is no version of a package: 1 to 64 letters, digits, `_`, `-` and `.`, not first a `.`"
    )]
    Version {
        /// What was given.
        version: String,
    },
}

/// Why a folder or archive cannot be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// It cannot be read or written.
    #[error("cannot read or write `{path}`")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is neither a folder nor an archive of a known form.
    #[error("`{path}` is neither a folder nor a .zip, .tar.xz, .tar.gz or .tar")]
    UnknownForm {
        /// What.
        path: PathBuf,
    },
    /// The archive ends too early, or its sums do not match.
    #[error("`{path}` is cut short or damaged")]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What its reader says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder has no digest of its own.
    #[error("`{path}` is a folder, and a SHA-256 is that of an archive")]
    NoArchive {
        /// The folder.
        path: PathBuf,
    },
    /// It is not what was wanted.
    #[error("`{path}` has the SHA-256 {got}, not {wanted}")]
    OtherContent {
        /// The archive.
        path: PathBuf,
        /// Its digest.
        got: String,
        /// The digest that was asked for.
        wanted: String,
    },
    /// A file in it needs a password.
    #[error("`{name}` is encrypted")]
    Encrypted {
        /// The file.
        name: String,
    },
    /// A file in it is compressed in a way that is not read here.
    #[error("`{name}` is compressed as {method}; only stored and deflated files are read")]
    Method {
        /// The file.
        name: String,
        /// The method's name.
        method: String,
    },
    /// There is no file in it.
    #[error("`{path}` has no files in it")]
    Empty {
        /// What.
        path: PathBuf,
    },
    /// A name would be unpacked outside, or differently on different systems.
    #[error("the name `{name}` {why}")]
    Name {
        /// The name, what is no text of it replaced.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two entries have the same name.
    #[error("`{name}` is in it twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// An entry lies in what is a file or a link.
    #[error("`{name}` lies in `{above}`, which is no folder")]
    Below {
        /// The entry.
        name: String,
        /// What it lies in.
        above: String,
    },
    /// A link points out of the tree.
    #[error("the link `{name}` points outside, to `{target}`")]
    Outside {
        /// The link.
        name: String,
        /// Where it points.
        target: String,
    },
    /// A link points to nothing.
    #[error("the link `{name}` points to `{target}`, which is not there")]
    Dangling {
        /// The link.
        name: String,
        /// Where it points.
        target: String,
    },
    /// Links lead in a circle, or a link leads to a folder that holds it.
    #[error("the link `{name}` leads in a circle")]
    Circle {
        /// The link.
        name: String,
    },
    /// A device, socket or pipe.
    #[error("`{name}` is a device, socket or pipe")]
    Special {
        /// What.
        name: String,
    },
    /// It is larger than a package may be.
    #[error("{what}: a package has at most {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit with its unit.
        limit: String,
    },
}

impl PackError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
