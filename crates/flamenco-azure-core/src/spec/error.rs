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
    #[error("{what} must be {wanted}, not {found}")]
    Type {
        /// The key's path in backticks, or the file as a whole.
        what: String,
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
    #[error("the SSH key is unusable: {0}")]
    SshKey(SshKeyError),
    /// An address range that admits everyone.
    #[error(
        "`{0}` admits the whole internet, and Flamenco has no login: everyone could run code on your nodes"
    )]
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
    #[error(
        "Flamenco {0} is not supported: this tool deploys Flamenco 3, which replaced Server and Manager 2.x"
    )]
    Flamenco2(String),
    /// Any other illegal value, in words.
    #[error("{0}")]
    Value(String),
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
        self.origin.fmt(f)?;
        // These name the key themselves, or concern no single one.
        let named = matches!(
            self.problem,
            Problem::Syntax(_)
                | Problem::Duplicate(_)
                | Problem::Unknown(_)
                | Problem::Type { .. }
                | Problem::Missing(_)
        );
        if !named && !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        self.problem.fmt(f)
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

    /// What to do. Several findings have their remedies beside them in the message, so that there is no hint.
    pub fn hint(&self) -> Option<Hint> {
        match self.findings.as_slice() {
            [one] if !one.remedy.is_empty() => Some(Hint::new(&one.remedy)),
            _ => None,
        }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} problems in the farm's configuration", many.len())?;
                many.iter().try_for_each(|finding| write!(f, "\n  {finding}\n    {}", finding.remedy))
            }
        }
    }
}

impl std::error::Error for SpecError {}
