//! The crate's error and what to tell the user about it.

use std::fmt;

/// Anything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The farm file is unreadable or wrong; nothing was sent.
    #[error(transparent)]
    Spec(#[from] crate::spec::SpecError),
    /// Azure refused or could not be reached.
    #[error(transparent)]
    Arm(#[from] crate::arm::ArmError),
    /// The wanted farm and what exists cannot be reconciled.
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// The journal could not be written: nothing is sent without intent on record.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// An identifier was malformed.
    #[error(transparent)]
    Id(#[from] crate::ids::IdError),
}

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The next thing for the user to do about an error: one or more lines, rendered after the chain as `hint: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(pub String);

impl Hint {
    /// A hint of these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error with its causes on one line, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

impl Error {
    /// The next thing to do, if there is one to name.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Spec(error) => error.hint(),
            Self::Arm(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Journal(_) | Self::Id(_) => None,
        }
    }
}
