//! A zip.

use std::io::{self, Read as _};
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::super::error::PackError;
use super::super::path::{clean, text};
use super::super::tree::{Content, File, Node, Tree};
use super::{Counted, Spool};

/// A link's target is no longer than this (Linux: a path).
const LONGEST_TARGET: u64 = 4096;

/// Reads every file, so that its sum is checked.
pub(super) fn read(
    path: &Path,
    from: Counted<'_>,
    spool: &mut Spool,
    tree: &mut Tree,
) -> Result<(), PackError> {
    let Counted { inner: from, size: whole, told, .. } = from;
    let damaged = |source| damaged(path, source);
    let mut archive = ZipArchive::new(io::BufReader::with_capacity(64 << 10, from)).map_err(damaged)?;
    if archive.has_duplicate_names() {
        // The reader keeps one of each and does not say which.
        return Err(PackError::Twice { name: "one of its names".to_owned() });
    }
    let count = archive.len();
    spool.limits().check_entries(count)?;
    let mut done = 0;
    for index in 0..count {
        // What is encrypted cannot even be opened, nor what is compressed in another way.
        let raw = archive.by_index_raw(index).map_err(damaged)?;
        let name = clean(text(raw.name_raw())?)?;
        if raw.encrypted() {
            return Err(PackError::Encrypted { name });
        }
        done += raw.compressed_size();
        if !matches!(raw.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(PackError::Method { name, method: raw.compression().to_string() });
        }
        drop(raw);
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let unreadable = |source| PackError::Damaged { path: path.to_owned(), source: Box::new(source) };
        let node = if entry.is_symlink() {
            let mut target = Vec::new();
            entry.by_ref().take(LONGEST_TARGET).read_to_end(&mut target).map_err(unreadable)?;
            Node::Link(text(&target)?.to_owned())
        } else if entry.is_dir() {
            Node::Folder
        } else {
            let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            let (at, size) = spool.take(&mut entry, &unreadable)?;
            Node::File(File { content: Content::Spool(at), size, executable })
        };
        tree.add(&name, node)?;
        told(done.min(whole.saturating_sub(1)), whole);
    }
    told(whole, whole);
    Ok(())
}

fn damaged(path: &Path, source: ZipError) -> PackError {
    PackError::Damaged { path: path.to_owned(), source: Box::new(source) }
}
