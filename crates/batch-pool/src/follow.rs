//! Pure: which part of a growing log to read next, through its rotation.

use flamenco_azure_core::arm::Part;

/// So much of what was read is read again, to see that it is still the same file.
const OVERLAP: u64 = 64;

/// What a reader of a log has of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follower {
    /// How many bytes were read.
    at: u64,
    /// The last of them.
    seen: Vec<u8>,
}

/// What to do next about a file of a certain size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is nothing new.
    Nothing,
    /// The file was cut or is another one: what comes is read from its beginning.
    Rotated,
    /// Read this part and give it to [`Follower::take`].
    Read(Part),
}

impl Follower {
    /// Begins at this byte of the file.
    pub fn starting_at(at: u64) -> Self {
        Self { at, seen: Vec::new() }
    }

    /// What to do about a file that has this size now, reading at most `most` new bytes of it.
    pub fn next(&mut self, size: u64, most: u64) -> Next {
        if size < self.at {
            *self = Self::default();
            return Next::Rotated;
        }
        if size == self.at {
            return Next::Nothing;
        }
        let overlap = self.seen.len() as u64;
        Next::Read(Part { from: self.at - overlap, length: (size - self.at).min(most) + overlap })
    }

    /// Takes in what was read: the new bytes, or `None` where the file is another one and has to be read from its
    /// beginning.
    pub fn take(&mut self, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        if !bytes.starts_with(&self.seen) {
            *self = Self::default();
            return None;
        }
        bytes.drain(..self.seen.len());
        self.at += bytes.len() as u64;
        self.seen.extend_from_slice(&bytes);
        let keep = usize::try_from(OVERLAP).unwrap_or(usize::MAX);
        self.seen.drain(..self.seen.len().saturating_sub(keep));
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all that is new of a file, as a client does.
    fn read(follower: &mut Follower, file: &[u8], most: u64) -> (String, bool) {
        let (mut text, mut rotated) = (Vec::new(), false);
        let size = file.len() as u64;
        loop {
            match follower.next(size, most) {
                Next::Nothing => break,
                Next::Rotated => rotated = true,
                Next::Read(part) => {
                    let from = usize::try_from(part.from).unwrap().min(file.len());
                    let end = usize::try_from(part.from + part.length).unwrap().min(file.len());
                    match follower.take(file[from..end].to_vec()) {
                        Some(more) => text.extend(more),
                        None => rotated = true,
                    }
                }
            }
        }
        (String::from_utf8(text).unwrap(), rotated)
    }

    #[test]
    fn every_byte_is_read_once_whatever_the_parts() {
        let file: Vec<u8> = (0..1000_u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        for most in [1, 7, 64, 65, 1000, 100_000] {
            let mut follower = Follower::default();
            let mut all = String::new();
            for grown in [0, 1, 63, 64, 65, 4000, 4000, file.len()] {
                let (text, rotated) = read(&mut follower, &file[..grown], most);
                assert!(!rotated);
                all += &text;
            }
            assert_eq!(all.as_bytes(), file, "{most}");
        }
    }

    #[test]
    fn a_rotated_log_is_read_from_its_beginning_whether_it_is_shorter_or_longer_than_before() {
        for after in ["", "b\n", "bbbbbbbb\n", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"] {
            let mut follower = Follower::default();
            assert_eq!(read(&mut follower, b"aaaaaaa\n", 100), ("aaaaaaa\n".to_owned(), false));
            let (text, rotated) = read(&mut follower, after.as_bytes(), 100);
            assert_eq!((text.as_str(), rotated), (after, true), "{after:?}");
        }
    }
}
