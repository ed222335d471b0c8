//! A value that is kept and never shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret of the farm file. It is written back to the file by [`super::FarmSpec::to_yaml`] and nowhere else: it has
/// no accessor, and its debug form is a placeholder.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
