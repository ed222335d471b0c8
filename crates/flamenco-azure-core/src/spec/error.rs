//! What is wrong with a farm file: where, which key, and what to do about it.

use std::fmt;

use super::ssh_key::SshKeyError;
use crate::error::Hint;
use crate::name::NameError;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Nowhere in particular: the key is absent.
    #[default]
    Absent,
    /// The farm file.
    File {
        /// Its name as given to [`super::FarmSpec::parse`].
        name: String,
        /// Line, counted from 1.
        line: u32,
        /// Column in characters, counted from 1.
        column: u32,
    },
    /// A command-line flag such as `--location`.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}: "),
            Self::Flag(flag) => write!(f, "{flag}: "),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not YAML; the parser's words.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// A key stands twice in one block.
    #[error("the key `{0}` is given twice")]
    Duplicate(String),
    /// No such key.
    #[error("unknown key `{0}`")]
    Unknown(String),
    /// A value of another type.
    #[error("`{key}` must be {wanted}, not {found}")]
    Type {
        /// The key's path.
        key: String,
        /// What is expected, in words.
        wanted: String,
        /// What stands there; never the value of a secret.
        found: String,
    },
    /// Keys without a default are missing.
    #[error("missing: {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// An illegal name.
    #[error("{0}")]
    Name(NameError),
    /// An unusable SSH key.
    #[error("`manager.sshPublicKey` is unusable: {0}")]
    SshKey(SshKeyError),
    /// An address range that admits everyone.
    #[error("`{0}` admits the whole internet, and Flamenco has no login: everyone could run code on your nodes")]
    OpenWorld(String),
    /// A VM size that no longer exists.
    #[error("{size} was retired on {since} ({family})")]
    RetiredSize {
        /// The size as written.
        size: String,
        /// Its family in words.
        family: &'static str,
        /// The date.
        since: jiff::civil::Date,
    },
    /// Flamenco 2 was asked for.
    #[error("Flamenco {0} is not supported: this tool deploys Flamenco 3, which replaced Server and Manager 2.x")]
    Flamenco2(String),
    /// Any other illegal value, in words.
    #[error("`{key}`: {why}")]
    Value {
        /// The key's path.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// One thing wrong with the farm file or a flag, with the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub origin: Origin,
    /// The key's path such as `manager.access.ssh`; empty for the file as a whole.
    pub key: String,
    /// What.
    pub problem: Problem,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.problem)
    }
}

/// Everything wrong with a farm file, at once. Nothing was sent to Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    findings: Vec<Finding>,
}

impl SpecError {
    /// An error of one finding.
    pub fn one(finding: Finding) -> Self {
        Self { findings: vec![finding] }
    }

    /// `Err` with all findings, `Ok` when there are none.
    pub(crate) fn unless_empty(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self { findings }) }
    }

    /// All findings, in the order of the file's keys; at least one.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What to do: one remedy a line, each once.
    pub fn hint(&self) -> Option<Hint> {
        let mut remedies: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !finding.remedy.is_empty() && !remedies.contains(&finding.remedy.as_str()) {
                remedies.push(&finding.remedy);
            }
        }
        (!remedies.is_empty()).then(|| Hint::new(remedies.join("\n")))
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} problems in the farm's configuration", many.len())?;
                many.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
        }
    }
}

impl std::error::Error for SpecError {}
