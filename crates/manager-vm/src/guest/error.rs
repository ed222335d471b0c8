//! Errors of rendering.

/// Why a document for the machines cannot be rendered. Rendering does nothing but make text, so each of these is a
/// fault of the input (or, for the placeholder ones, of a template in this crate).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestError {
    /// A value that could not be written safely into a script, unit or settings file.
    #[error("{field} is {value:?}: expected {expected}")]
    InvalidValue {
        /// The field of [`GuestConfig`](super::GuestConfig).
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold, in words.
        expected: &'static str,
    },
    /// A template names a placeholder that has no value.
    #[error("template {template} has the unknown placeholder @{name}@")]
    UnknownPlaceholder {
        /// File name of the template.
        template: &'static str,
        /// The placeholder's name.
        name: String,
    },
    /// A value for an unquoted place holds characters that need quotes.
    #[error("placeholder @{name}@ of template {template} would need quotes")]
    UnsafeValue {
        /// File name of the template.
        template: &'static str,
        /// The placeholder's name.
        name: String,
    },
    /// A document is longer than Azure takes.
    #[error("the {document} has {length} bytes, at most {limit} fit")]
    TooLong {
        /// Which document.
        document: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most that it may have.
        limit: usize,
    },
}
