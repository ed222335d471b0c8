//! Compresses files on all cores: each is cut into pieces of a fixed size that are deflated on their own and put together
//! again, so the bytes do not depend on how many cores there are. Few pieces are in memory at a time.

use std::collections::BTreeMap;
use std::fs::File as OpenFile;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use flate2::{Compress, Compression, FlushCompress, Status};

use super::archive::{Spool, read_exact_at};
use super::error::PackError;
use super::tree::{Content, File};

/// Bytes of a piece, before. Larger ones compress a little better, smaller ones occupy more cores with one file.
const PIECE: u64 = 1 << 20;
/// Threads at most, and pieces that may wait for the one that is written: with as many cores as there are, memory stays the
/// same.
const MOST: usize = 24;

/// Pieces that may be ahead of the one that is written: each thread's, and three for each that wait.
fn ahead(threads: usize) -> usize {
    threads + (threads * 3).min(MOST)
}

/// A part of a file.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Which file.
    file: usize,
    /// Where in it.
    at: u64,
    len: u64,
    last: bool,
}

/// A part of a file, compressed.
#[derive(Debug)]
pub(super) struct Squeezed {
    /// Which file.
    pub(super) file: usize,
    /// Deflated bytes, to be appended to those before.
    pub(super) bytes: Vec<u8>,
    /// The sum of what was compressed.
    pub(super) crc: crc32fast::Hasher,
    /// How much that was.
    pub(super) from: u64,
    /// Whether it is the file's first.
    pub(super) first: bool,
    /// Whether it is the file's last.
    pub(super) last: bool,
}

fn pieces(files: &[&File]) -> Vec<Piece> {
    let cut = |(file, size): (usize, u64)| {
        // An empty file is one piece too.
        let count = size.div_ceil(PIECE).max(1);
        (0..count).map(move |index| {
            let at = index * PIECE;
            Piece { file, at, len: PIECE.min(size - at), last: index + 1 == count }
        })
    };
    files.iter().enumerate().map(|(index, file)| (index, file.size)).flat_map(cut).collect()
}

/// What the threads share.
#[derive(Debug, Default)]
struct Progress {
    /// The next piece that nobody has.
    next: usize,
    /// How many are written.
    written: usize,
    ready: BTreeMap<usize, Result<Squeezed, PackError>>,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, progress: MutexGuard<'a, Progress>) -> MutexGuard<'a, Progress> {
        self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece to compress, once it is not too far ahead.
    fn claim(&self, count: usize, ahead: usize) -> Option<usize> {
        let mut progress = self.lock();
        loop {
            if progress.stop || progress.next >= count {
                return None;
            }
            if progress.next < progress.written + ahead {
                progress.next += 1;
                return Some(progress.next - 1);
            }
            progress = self.wait(progress);
        }
    }

    fn put(&self, index: usize, piece: Result<Squeezed, PackError>) {
        self.lock().ready.insert(index, piece);
        self.changed.notify_all();
    }

    fn take(&self, index: usize) -> Result<Squeezed, PackError> {
        let mut progress = self.lock();
        loop {
            if let Some(piece) = progress.ready.remove(&index) {
                progress.written = index + 1;
                self.changed.notify_all();
                return piece;
            }
            progress = self.wait(progress);
        }
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }
}

/// Compresses `files` with so many threads and gives the pieces to `write` in their order.
pub(super) fn squeeze(
    files: &[&File],
    spool: &Spool,
    threads: usize,
    write: &mut dyn FnMut(Squeezed) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let pieces = pieces(files);
    let threads = threads.min(MOST).clamp(1, pieces.len().max(1));
    let shared = Shared::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // One for all pieces of a thread: the allocator keeps what is given back for each thread on its own.
                let mut plain = Vec::new();
                let mut compress = Compress::new(Compression::default(), false);
                while let Some(index) = shared.claim(pieces.len(), ahead(threads)) {
                    let piece = pieces[index];
                    let done = deflate(piece, files[piece.file], spool, &mut plain, &mut compress);
                    shared.put(index, done);
                }
            });
        }
        let written = (0..pieces.len()).try_for_each(|index| write(shared.take(index)?));
        shared.stop();
        written
    })
}

fn deflate(
    piece: Piece,
    file: &File,
    spool: &Spool,
    plain: &mut Vec<u8>,
    compress: &mut Compress,
) -> Result<Squeezed, PackError> {
    plain.resize(piece.len as usize, 0);
    match &file.content {
        Content::Spool(at) => {
            read_exact_at(spool.file(), plain, at + piece.at).map_err(PackError::io("the spool"))?;
        }
        Content::File(path) => {
            let open = OpenFile::open(path).map_err(PackError::io(path))?;
            read_exact_at(&open, plain, piece.at).map_err(PackError::io(path))?;
        }
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(plain);
    let bytes = raw_deflate(plain, piece.last, compress).map_err(PackError::io("the compressor"))?;
    let first = piece.at == 0;
    Ok(Squeezed { file: piece.file, bytes, crc, from: piece.len, first, last: piece.last })
}

/// One stretch of a deflate stream, which ends at a whole byte: after it another may follow unless it is the last.
fn raw_deflate(plain: &[u8], last: bool, compress: &mut Compress) -> std::io::Result<Vec<u8>> {
    compress.reset();
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut out = Vec::with_capacity(plain.len() / 2 + 1024);
    loop {
        let taken = compress.total_in() as usize;
        let status = compress.compress_vec(&plain[taken..], &mut out, flush)?;
        let done = match status {
            Status::StreamEnd => true,
            // With room left over there is nothing more to come.
            _ => !last && compress.total_in() as usize == plain.len() && out.len() < out.capacity(),
        };
        if done {
            out.shrink_to_fit();
            return Ok(out);
        }
        out.reserve(out.capacity().max(4096));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn stretches_make_one_stream() {
        let noise: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let samples: [&[u8]; 4] = [b"", b"x", &[7; 10_000], &noise];
        let (mut stream, mut wanted) = (Vec::new(), Vec::new());
        for (index, plain) in samples.iter().enumerate() {
            let mut compress = Compress::new(Compression::default(), false);
            stream.extend(raw_deflate(plain, index == 3, &mut compress).unwrap());
            wanted.extend_from_slice(plain);
        }
        let mut got = Vec::new();
        flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut got).unwrap();
        assert!(got == wanted);
    }
}
