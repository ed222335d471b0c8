//! Whether an archive is the one that its publisher speaks of.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::PackError;

/// Reads an archive whole and compares its SHA-256 (hexadecimal digits, in any case); `name` is what errors call it.
pub(super) fn verify(archive: &File, name: &Path, sha256: &str) -> Result<(), PackError> {
    if archive.metadata().map_err(PackError::io(name))?.is_dir() {
        return Err(PackError::NoArchive { path: name.to_owned() });
    }
    let mut archive = archive;
    archive.seek(SeekFrom::Start(0)).map_err(PackError::io(name))?;
    let mut digest = Sha256::new();
    io::copy(&mut archive, &mut digest).map_err(PackError::io(name))?;
    let got = format!("{:x}", digest.finalize());
    if got.eq_ignore_ascii_case(sha256) {
        return Ok(());
    }
    Err(PackError::OtherContent { path: name.to_owned(), got, wanted: sha256.to_ascii_lowercase() })
}
