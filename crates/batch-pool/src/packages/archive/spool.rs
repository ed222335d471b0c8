//! Bytes of an archive's files, one after the other, in a file that has no name and goes with its handle: nothing is
//! left behind, however the process ends.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::super::error::PackError;
use super::super::limits::Limits;

/// The spool.
#[derive(Debug)]
pub(in super::super) struct Spool {
    file: File,
    work: PathBuf,
    len: u64,
    limits: Limits,
}

impl Spool {
    pub(super) fn new(work: &Path, limits: Limits) -> Result<Self, PackError> {
        let file = tempfile::tempfile_in(work).map_err(PackError::io(work))?;
        Ok(Self { file, work: work.to_owned(), len: 0, limits })
    }

    pub(in super::super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes all that `from` has: where it begins, and how much it is. The limits hold for what comes, not for what was
    /// announced. A failure to read is `bad`'s to explain.
    pub(super) fn take(
        &mut self,
        from: &mut dyn Read,
        bad: &dyn Fn(io::Error) -> PackError,
    ) -> Result<(u64, u64), PackError> {
        let at = self.len;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let got = match from.read(&mut buffer) {
                Ok(0) => return Ok((at, self.len - at)),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(bad(error)),
            };
            self.limits.check_file(self.len - at + got as u64)?;
            self.limits.check_unpacked(self.len + got as u64)?;
            self.file.write_all(&buffer[..got]).map_err(PackError::io(&self.work))?;
            self.len += got as u64;
        }
    }
}

/// Fills `buffer` from this place of the file, for several threads at a time.
pub(in super::super) fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt as _;
        let (mut filled, mut at) = (0, at);
        while filled < buffer.len() {
            let got = file.seek_read(&mut buffer[filled..], at)?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += got;
            at += got as u64;
        }
        Ok(())
    }
}
