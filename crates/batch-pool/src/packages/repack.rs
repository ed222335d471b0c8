//! Makes a package of a folder or archive: a zip that Batch unpacks, the same bytes each time.

use std::fs::File as OpenFile;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flamenco_azure_core::exec::Reporter;
use sha2::{Digest as _, Sha256};

use super::archive::{self, Opened};
use super::error::PackError;
use super::limits::Limits;
use super::meter::Meter;
use super::squeeze::squeeze;
use super::tree::{File, Item};
use super::verify::verify;
use super::zipfile::{Entry, ZipFile};

/// How to pack.
#[derive(Debug, Clone)]
pub struct PackOptions {
    /// Where to put what does not fit into memory: files without names, as large as what is unpacked and what is packed.
    /// They are gone when they are no longer needed, however the process ends.
    pub work: PathBuf,
    /// How large a package may be.
    pub limits: Limits,
    /// Threads that compress; the bytes are the same for any number.
    pub threads: usize,
    /// The SHA-256 that the archive has to have, as its publisher gives it: hexadecimal digits in any case.
    pub sha256: Option<String>,
}

impl Default for PackOptions {
    /// In the system's folder for temporary files, on all cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { work: std::env::temp_dir(), limits: Limits::default(), threads, sha256: None }
    }
}

/// A package, ready to be pushed.
#[derive(Debug)]
pub struct Packed {
    pub(super) file: Arc<OpenFile>,
    size: u64,
    sha256: String,
    entries: usize,
    unpacked: u64,
    programs: Vec<String>,
}

impl Packed {
    /// Bytes of the zip.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the zip, in lower-case hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Files and empty folders in it.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes of its files, unpacked.
    pub fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Executables at its top level, where the nodes' start task looks for them, sorted.
    pub fn programs(&self) -> &[String] {
        &self.programs
    }

    /// Copies the zip.
    pub fn copy_to(&self, to: &mut dyn std::io::Write) -> std::io::Result<()> {
        let mut at = 0;
        let mut buffer = vec![0; 1 << 20];
        while at < self.size {
            let part = (self.size - at).min(buffer.len() as u64) as usize;
            archive::read_exact_at(&self.file, &mut buffer[..part], at)?;
            to.write_all(&buffer[..part])?;
            at += part as u64;
        }
        Ok(())
    }
}

/// Packs a folder, or repacks a .zip, .tar.xz, .tar.gz or .tar (known by how they begin). A single top folder is taken
/// away, links become what they point to, executables stay such, entries are sorted and have no times of their own.
///
/// Takes as long as compression does and blocks meanwhile. Memory: pieces of 1 MiB, a few for each thread, what an
/// archive's own compression needs (65 MiB for `xz -9`), and the names. Says how far it is under the name `what`.
pub fn pack(
    source: &Path,
    options: &PackOptions,
    what: &str,
    reporter: &dyn Reporter,
) -> Result<Packed, PackError> {
    if options.sha256.is_some() {
        // What is checked is what is packed: one file, opened once.
        let archive = OpenFile::open(source).map_err(PackError::io(source))?;
        return pack_archive(archive, source, options, what, reporter);
    }
    let mut reading = Meter::new(format!("read {what}"), reporter);
    let opened = archive::open(source, &options.work, &options.limits, &mut |done, total| {
        reading.tell(done, total);
    })?;
    squeezed(opened, source, options, what, reporter)
}

/// The same with an archive that is open, from its first byte; `name` is what errors call it.
pub fn pack_archive(
    archive: OpenFile,
    name: &Path,
    options: &PackOptions,
    what: &str,
    reporter: &dyn Reporter,
) -> Result<Packed, PackError> {
    if let Some(sha256) = &options.sha256 {
        verify(&archive, name, sha256)?;
    }
    let mut reading = Meter::new(format!("read {what}"), reporter);
    let opened = archive::open_file(archive, name, &options.work, &options.limits, &mut |done, total| {
        reading.tell(done, total);
    })?;
    squeezed(opened, name, options, what, reporter)
}

fn squeezed(
    opened: Opened,
    source: &Path,
    options: &PackOptions,
    what: &str,
    reporter: &dyn Reporter,
) -> Result<Packed, PackError> {
    let Opened { tree, spool } = opened;
    let limits = &options.limits;
    let items = tree.items(limits)?;
    drop(tree);
    let empty = || PackError::Empty { path: source.to_owned() };
    let programs = programs(&items);
    let with_files: Vec<(&Item, &File)> =
        items.iter().filter_map(|item| Some((item, item.file.as_ref()?))).collect();
    let files: Vec<&File> = with_files.iter().map(|(_, file)| *file).collect();
    if files.is_empty() {
        return Err(empty());
    }
    let unpacked = files.iter().map(|file| file.size).sum();

    let unwritable = |source| PackError::Io { path: options.work.clone(), source };
    let mut out = ZipFile::new(tempfile::tempfile_in(&options.work).map_err(unwritable)?);
    let mut packing = Meter::new(format!("pack {what}"), reporter);
    let mut folders_before = folders_before(&items).into_iter();
    let (mut done, mut sums) = (0, Sums::default());
    squeeze(&files, &spool, options.threads, &mut |piece| {
        if piece.first {
            for folder in folders_before.next().unwrap_or_default() {
                out.begin(folder).map_err(unwritable)?;
            }
            sums = Sums::default();
        }
        done += piece.from;
        sums.add(&piece.crc, piece.bytes.len(), piece.from);
        if piece.first {
            // A file of one piece has its sums in its header at once.
            let whole = if piece.last { sums.clone() } else { Sums::default() };
            out.begin(whole.entry(with_files[piece.file].0)).map_err(unwritable)?;
        }
        out.data(&piece.bytes).map_err(unwritable)?;
        if piece.last {
            out.end(sums.crc.clone().finalize(), sums.packed, sums.size).map_err(unwritable)?;
        }
        packing.tell(done, unpacked);
        limits.check_packed(out.size())
    })?;
    for folder in folders_before.next().unwrap_or_default() {
        out.begin(folder).map_err(unwritable)?;
    }
    limits.check_packed(out.size())?;
    let entries = items.len();
    let (mut file, size) = out.finish().map_err(unwritable)?;
    let sha256 = sha256(&mut file).map_err(unwritable)?;
    Ok(Packed { file: Arc::new(file), size, sha256, entries, unpacked, programs })
}

/// The empty folders before each file, and after the last one.
fn folders_before(items: &[Item]) -> Vec<Vec<Entry>> {
    let mut all = vec![Vec::new()];
    for item in items {
        match (&item.file, all.last_mut()) {
            (None, Some(folders)) => folders.push(Entry {
                name: format!("{}/", item.name),
                mode: 0o040_755,
                stored: true,
                ..Entry::default()
            }),
            _ => all.push(Vec::new()),
        }
    }
    all
}

/// Sums of a file so far.
#[derive(Debug, Clone, Default)]
struct Sums {
    crc: crc32fast::Hasher,
    packed: u64,
    size: u64,
}

impl Sums {
    fn add(&mut self, crc: &crc32fast::Hasher, packed: usize, size: u64) {
        self.crc.combine(crc);
        self.packed += packed as u64;
        self.size += size;
    }

    fn entry(&self, item: &Item) -> Entry {
        let executable = item.file.as_ref().is_some_and(|file| file.executable);
        Entry {
            name: item.name.clone(),
            mode: if executable { 0o100_755 } else { 0o100_644 },
            crc: self.crc.clone().finalize(),
            // A piece is far below 4 GiB.
            packed: self.packed as u32,
            size: self.size as u32,
            ..Entry::default()
        }
    }
}

fn programs(items: &[Item]) -> Vec<String> {
    let top = items.iter().filter(|item| !item.name.contains('/'));
    let programs = top.filter(|item| item.file.as_ref().is_some_and(|file| file.executable));
    programs.map(|item| item.name.clone()).collect()
}

fn sha256(file: &mut OpenFile) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok(format!("{:x}", digest.finalize()));
        }
        digest.update(&buffer[..got]);
    }
}
