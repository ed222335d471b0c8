//! A tar, as it is or compressed.

use std::io::{self, Read};
use std::path::Path;

use tar::{Archive, EntryType};

use super::super::error::PackError;
use super::super::path::{clean, text};
use super::super::tree::{Content, File, Node, Tree};
use super::{Counted, Spool};

/// Most memory that unpacking may take: `xz -9` needs 65 MiB.
const MEMORY_KIB: u32 = 100 << 10;

/// The tar in a .tar.xz.
pub(super) fn xz(file: Counted<'_>) -> impl Read + '_ {
    let buffered = io::BufReader::with_capacity(256 << 10, file);
    lzma_rust2::XzReader::new_mem_limit(buffered, true, MEMORY_KIB)
}

/// The tar in a .tar.gz.
pub(super) fn gzip(file: Counted<'_>) -> impl Read + '_ {
    flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(256 << 10, file))
}

/// Reads to the end, so that the compressed file's own sums are checked too.
pub(super) fn read(
    path: &Path,
    from: impl Read,
    spool: &mut Spool,
    tree: &mut Tree,
) -> Result<(), PackError> {
    let damaged = |source: io::Error| PackError::Damaged { path: path.to_owned(), source: Box::new(source) };
    let mut archive = Archive::new(from);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let name = clean(text(&entry.path_bytes())?)?;
        let link = match entry.link_name_bytes() {
            Some(target) => text(&target)?.to_owned(),
            None => String::new(),
        };
        let node = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode().map_err(damaged)? & 0o111 != 0;
                let announced = entry.size();
                let (at, size) = spool.take(&mut entry, &damaged)?;
                if size != announced {
                    return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
                }
                Node::File(File { content: Content::Spool(at), size, executable })
            }
            EntryType::Directory => Node::Folder,
            EntryType::Symlink => Node::Link(link),
            EntryType::Link => Node::Same(clean(&link)?),
            _ => return Err(PackError::Special { name }),
        };
        tree.add(&name, node)?;
        spool.limits().check_entries(tree.len())?;
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(())
}
