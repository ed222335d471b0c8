//! Writes a zip (PKWARE's APPNOTE, without the zip64 extension): the same entries make the same bytes.
//!
//! The zip crate writes zips too, but has no place for parts that were compressed elsewhere.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};

/// 1980-01-01 00:00, the format's first moment: day 1 of month 1.
const DATE: u16 = 1 << 5 | 1;
/// Made on Unix, so that the mode is believed; format version 2.0.
const MADE_BY: u16 = 0x0300 + VERSION;
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
const DEFLATED: u16 = 8;

/// An entry as its headers describe it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// With a slash at the end for a folder.
    pub(super) name: String,
    /// Kind and rights as Unix has them.
    pub(super) mode: u32,
    pub(super) stored: bool,
    pub(super) crc: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    /// Where its header is; [`ZipFile::begin`] knows.
    pub(super) at: u32,
}

/// A zip that is being written. Entries follow each other: begin, data, end.
#[derive(Debug)]
pub(super) struct ZipFile {
    out: BufWriter<File>,
    len: u64,
    entries: Vec<Entry>,
}

fn too_large() -> io::Error {
    io::Error::other("too large for a zip")
}

impl ZipFile {
    pub(super) fn new(file: File) -> Self {
        Self { out: BufWriter::with_capacity(256 << 10, file), len: 0, entries: Vec::new() }
    }

    /// Bytes so far, and those that the directory will take.
    pub(super) fn size(&self) -> u64 {
        let directory: usize = self.entries.iter().map(|entry| 46 + entry.name.len()).sum();
        self.len + directory as u64 + 22
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins an entry. What is not known yet of sums and sizes is written at its end.
    pub(super) fn begin(&mut self, mut entry: Entry) -> io::Result<()> {
        entry.at = u32::try_from(self.len).map_err(|_| too_large())?;
        let mut header = Vec::with_capacity(30 + entry.name.len());
        put(&mut header, &[0x0403_4b50_u32.to_le_bytes().as_slice(), &VERSION.to_le_bytes()]);
        common(&mut header, &entry)?;
        put(&mut header, &[&0_u16.to_le_bytes(), entry.name.as_bytes()]);
        self.entries.push(entry);
        self.write(&header)
    }

    pub(super) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)
    }

    /// Ends the entry with the right sums; they are written into its header unless they were there from the start.
    pub(super) fn end(&mut self, crc: u32, packed: u64, size: u64) -> io::Result<()> {
        let narrow = |n: u64| u32::try_from(n).map_err(|_| too_large());
        let (packed, size) = (narrow(packed)?, narrow(size)?);
        let Some(entry) = self.entries.last_mut() else { return Ok(()) };
        if (entry.crc, entry.packed, entry.size) == (crc, packed, size) {
            return Ok(());
        }
        (entry.crc, entry.packed, entry.size) = (crc, packed, size);
        let at = u64::from(entry.at) + 14;
        self.out.seek(SeekFrom::Start(at))?;
        for number in [crc, packed, size] {
            self.out.write_all(&number.to_le_bytes())?;
        }
        self.out.seek(SeekFrom::Start(self.len))?;
        Ok(())
    }

    /// Writes the directory; the file and its size.
    pub(super) fn finish(mut self) -> io::Result<(File, u64)> {
        let begin = self.len;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            let mut header = Vec::with_capacity(46 + entry.name.len());
            put(&mut header, &[0x0201_4b50_u32.to_le_bytes().as_slice(), &MADE_BY.to_le_bytes()]);
            put(&mut header, &[&VERSION.to_le_bytes()]);
            common(&mut header, entry)?;
            // No extra field, no comment, first disk, no internal attributes.
            put(&mut header, &[&[0; 8], &(entry.mode << 16).to_le_bytes(), &entry.at.to_le_bytes()]);
            put(&mut header, &[entry.name.as_bytes()]);
            self.write(&header)?;
        }
        let narrow = |n: u64| u32::try_from(n).map_err(|_| too_large());
        let count = u16::try_from(entries.len()).map_err(|_| too_large())?;
        let mut end = Vec::with_capacity(22);
        put(&mut end, &[0x0605_4b50_u32.to_le_bytes().as_slice(), &[0; 4]]);
        put(&mut end, &[&count.to_le_bytes(), &count.to_le_bytes()]);
        put(&mut end, &[&narrow(self.len - begin)?.to_le_bytes(), &narrow(begin)?.to_le_bytes(), &[0; 2]]);
        self.write(&end)?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((file, self.len))
    }
}

/// What the two headers of an entry share, from the flags to the length of the name.
fn common(header: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
    let method = if entry.stored { 0 } else { DEFLATED };
    let name = u16::try_from(entry.name.len()).map_err(|_| too_large())?;
    for number in [FLAGS, method, 0, DATE] {
        header.extend(number.to_le_bytes());
    }
    for number in [entry.crc, entry.packed, entry.size] {
        header.extend(number.to_le_bytes());
    }
    header.extend(name.to_le_bytes());
    Ok(())
}

fn put(header: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        header.extend_from_slice(part);
    }
}
