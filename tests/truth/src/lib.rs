//! Truth without Azure: the client and the simulator judged by recorded traffic and by Microsoft's own examples.
//!
//! [`replay`] sends every recorded interaction through the client's code, [`fidelity`] sends every recorded request to
//! the simulator and compares its answer with the recorded one. [`examples`] does both with the examples of
//! Microsoft's OpenAPI specifications. All work on any folder of the documented form ([`recording`]); what is judged and what
//! is not, and why, stands in [`operations`] and is printed with counts.

pub mod examples;
pub mod fidelity;
pub mod links;
pub mod operations;
pub mod recording;
pub mod replay;
pub mod report;

use std::path::{Path, PathBuf};

/// Where recorded traffic and examples are: `AZURE_TRUTH_DIR`, else beside the project. `manifest` is this package's folder.
pub fn truth_dir(manifest: &Path) -> PathBuf {
    std::env::var_os("AZURE_TRUTH_DIR").map_or_else(|| manifest.join("../../../shared/azure"), PathBuf::from)
}
