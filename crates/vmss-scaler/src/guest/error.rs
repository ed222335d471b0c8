//! Errors of rendering.

/// Why a document for the machines cannot be rendered. Rendering does nothing but make text, so each of these is a
/// fault of the input (or, for the placeholder ones, of a template in this crate).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestError {
    /// A value that could not be written safely into a script, unit or settings file.
    #[error("{field} is {value:?}: expected {expected}")]
    InvalidValue {
        /// The field, as its struct calls it.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold, in words.
        expected: &'static str,
    },
    /// The idle watch needs the right to ask for deletion.
    #[error("a node that may not ask for its deletion cannot be deleted when it is idle")]
    IdleWithoutQueue,
    /// A template names a placeholder that has no value.
    #[error("template {template} has the unknown placeholder @{name}@")]
    UnknownPlaceholder {
        /// File name of the template.
        template: &'static str,
        /// The placeholder's name.
        name: String,
    },
    /// A document is longer than Azure takes.
    #[error("the {document} has {length} bytes in base64, Azure takes {limit}")]
    TooLong {
        /// Which document.
        document: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most that it may have.
        limit: usize,
    },
}
