//! The next thing for the user to do, by kind of error.

use super::classify::Kind;
use crate::error::Hint;

/// What to do about an error of this kind.
pub fn hint(kind: &Kind) -> Option<Hint> {
    let _ = kind;
    None
}
