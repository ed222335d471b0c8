//! Reads folders and archives into a [`Tree`]. What is in an archive goes to a spool beside it, for links can point
//! forwards and entries come in any order: memory holds names only.

mod folder;
mod spool;
mod tarball;
mod zipped;

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

pub(super) use spool::{Spool, read_exact_at};

use super::error::PackError;
use super::limits::Limits;
use super::tree::Tree;

/// A tree, and the bytes of those of its files that are not files of their own.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) tree: Tree,
    pub(super) spool: Spool,
}

/// The forms of archives, known by how they begin, whatever they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Zip,
    Xz,
    Gzip,
    Tar,
}

fn form(begin: &[u8]) -> Option<Form> {
    match begin {
        // The last is that of an empty one.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Form::Zip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Form::Xz),
        [0x1f, 0x8b, ..] => Some(Form::Gzip),
        _ if begin.get(257..262) == Some(b"ustar") => Some(Form::Tar),
        _ => None,
    }
}

/// Reads `path`; what has to be spooled goes to a file without a name in `work`.
pub(super) fn open(
    path: &Path,
    work: &Path,
    limits: &Limits,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Opened, PackError> {
    let meta = std::fs::metadata(path).map_err(PackError::io(path))?;
    if meta.is_dir() {
        let spool = Spool::new(work, *limits)?;
        let mut tree = Tree::default();
        folder::read(path, limits, &mut tree)?;
        return Ok(Opened { tree, spool });
    }
    if !meta.is_file() {
        return Err(PackError::UnknownForm { path: path.to_owned() });
    }
    open_file(File::open(path).map_err(PackError::io(path))?, path, work, limits, told)
}

/// Reads an archive that is open; `path` is what it is called.
pub(super) fn open_file(
    mut file: File,
    path: &Path,
    work: &Path,
    limits: &Limits,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Opened, PackError> {
    let mut spool = Spool::new(work, *limits)?;
    let mut tree = Tree::default();
    let size = file.metadata().map_err(PackError::io(path))?.len();
    let mut begin = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(PackError::io(path))?;
    file.by_ref().take(512).read_to_end(&mut begin).map_err(PackError::io(path))?;
    if begin.is_empty() {
        return Err(PackError::Empty { path: path.to_owned() });
    }
    file.seek(SeekFrom::Start(0)).map_err(PackError::io(path))?;
    let counted = Counted { inner: file, read: 0, size, told };
    match form(&begin) {
        Some(Form::Zip) => zipped::read(path, counted, &mut spool, &mut tree)?,
        Some(Form::Xz) => tarball::read(path, tarball::xz(counted), &mut spool, &mut tree)?,
        Some(Form::Gzip) => tarball::read(path, tarball::gzip(counted), &mut spool, &mut tree)?,
        Some(Form::Tar) => tarball::read(path, counted, &mut spool, &mut tree)?,
        None => return Err(PackError::UnknownForm { path: path.to_owned() }),
    }
    Ok(Opened { tree, spool })
}

/// Tells how much of the file was read.
struct Counted<'t> {
    inner: File,
    read: u64,
    size: u64,
    told: &'t mut dyn FnMut(u64, u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.read += got as u64;
        (self.told)(self.read, self.size);
        Ok(got)
    }
}
