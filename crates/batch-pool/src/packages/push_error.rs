//! Why a package cannot be fetched, pushed, listed or removed.

use std::io;

use flamenco_azure_core::arm::ArmError;
use flamenco_azure_core::storage::StorageError;

/// Why a source could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is no address, or not of https.
    #[error("`{url}` is no https address")]
    Address {
        /// Without its query.
        url: String,
    },
    /// The server has it not, or not for us.
    #[error("`{url}` answers {status} {reason}")]
    Refused {
        /// Without its query.
        url: String,
        /// HTTP status.
        status: u16,
        /// Its name.
        reason: String,
    },
    /// It leads from one address to the next.
    #[error("`{url}` leads on and on")]
    Redirects {
        /// Without its query.
        url: String,
    },
    /// The connection failed.
    #[error("`{url}` cannot be fetched: {why}")]
    Connection {
        /// Without its query.
        url: String,
        /// Why, without addresses.
        why: String,
    },
    /// The connection ended early.
    #[error("`{url}` ended after {got} of {announced} bytes")]
    Short {
        /// Without its query.
        url: String,
        /// Bytes that came.
        got: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// It is larger than a package can be.
    #[error("`{url}` is larger than {limit} bytes, the most that a package can be")]
    TooLarge {
        /// Without its query.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The file to fetch into cannot be written.
    #[error("cannot write what was fetched")]
    Write(#[source] io::Error),
}

/// Why a package could not be pushed, listed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// Batch says no, or cannot be reached.
    #[error("cannot {action}")]
    Azure {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: ArmError,
    },
    /// Batch answered with something else than documented.
    #[error("cannot {action}: batch's answer has no {what}")]
    Answer {
        /// What was tried.
        action: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// There is no such account.
    #[error("there is no Batch account `{account}`")]
    NoAccount {
        /// Its name.
        account: String,
    },
    /// The account has no storage for packages.
    #[error("Batch account `{account}` has no auto-storage account, where packages are kept")]
    NoAutoStorage {
        /// Its name.
        account: String,
    },
    /// The account has as many applications as it may.
    #[error("the Batch account has {limit} applications, the most there can be")]
    Applications {
        /// How many.
        limit: usize,
    },
    /// The application has as many packages as it may.
    #[error("application `{application}` has {limit} packages, the most there can be")]
    Packages {
        /// The application.
        application: String,
        /// How many.
        limit: usize,
    },
    /// The version is there with other content, and was not to be replaced.
    #[error("version {version} of `{application}` is there with other content")]
    Taken {
        /// The application.
        application: String,
        /// The version.
        version: String,
    },
    /// The version is there, was not to be replaced, and Batch tells no address to look at its content.
    #[error("version {version} of `{application}` is there, and its content cannot be looked at")]
    Unseen {
        /// The application.
        application: String,
        /// The version.
        version: String,
    },
    /// The application forbids that versions change.
    #[error("application `{application}` does not allow its packages to be replaced")]
    Frozen {
        /// The application.
        application: String,
    },
    /// Blocks of another tool wait at an active version. They would have to be dropped, which empties one that was sent in
    /// one piece.
    #[error(
        "another tool's unfinished upload waits at version {version} of `{application}`, and cannot be dropped without \
         the version's content"
    )]
    Unfinished {
        /// The application.
        application: String,
        /// The version.
        version: String,
    },
    /// There is no such application.
    #[error("there is no application `{application}`")]
    NoApplication {
        /// Its id.
        application: String,
    },
    /// There is no such package, or it is not active.
    #[error("there is no active version {version} of `{application}`")]
    NoPackage {
        /// The application.
        application: String,
        /// The version.
        version: String,
    },
    /// Storage did not take it.
    #[error("the upload failed")]
    Blob(#[source] StorageError),
    /// The packed file cannot be read again.
    #[error("cannot read the packed file")]
    Read(#[source] io::Error),
}

impl PushError {
    /// Whether storage does not admit whoever uploads.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Blob(error) if error.is_forbidden())
    }

    /// Whether storage does not admit the identity that the Batch account writes with (Microsoft's page "Use managed identities
    /// in an Azure Batch account or pool").
    pub fn is_batch_forbidden(&self) -> bool {
        let of = |source: &ArmError| source.code().eq_ignore_ascii_case("AutoStorageNoPermission");
        matches!(self, Self::Azure { source, .. } if of(source))
    }
}
