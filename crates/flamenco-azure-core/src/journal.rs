//! Intent before effect: the record of what was begun and how it ended.
//!
//! The journal *helps*: tags and names in Azure are the truth, and everything works without it from another machine.
//! What only it knows are the handles of accepted operations, so a killed run's successor can wait for them instead
//! of meeting "another operation is in progress".
//!
//! It never holds a body. Operation URLs, which Azure signs, are why the file is private (0600).

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arm::Operation;
use crate::ids::ResourceId;
use crate::plan::Verb;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The step's id.
    pub step: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened to a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event {
    /// About to send its first request.
    Intent {
        /// What it does.
        verb: Verb,
        /// To what.
        resource: ResourceId,
    },
    /// Azure accepted it as a long-running operation.
    Accepted {
        /// The handle with which it can be waited for.
        operation: Box<Operation>,
    },
    /// Done.
    Done,
    /// Refused or failed.
    Failed {
        /// Why, in words.
        message: String,
    },
}

/// Why the journal could not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file could not be read or written.
    #[error("could not keep the journal `{}`", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An entry could not be written down.
    #[error("could not write a journal entry down")]
    Encode(#[source] serde_json::Error),
}

/// Keeps entries.
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Records an entry durably before it returns.
    fn record(&self, entry: Entry) -> Result<(), JournalError>;
    /// All entries so far, oldest first.
    fn entries(&self) -> Result<Vec<Entry>, JournalError>;
}

/// The accepted operations whose outcome is not on record.
pub fn open_operations(entries: &[Entry]) -> Vec<(String, Operation)> {
    let mut open: Vec<(String, Operation)> = Vec::new();
    for entry in entries {
        open.retain(|(step, _)| *step != entry.step);
        if let Event::Accepted { operation } = &entry.event {
            open.push((entry.step.clone(), (**operation).clone()));
        }
    }
    open
}

/// A journal in memory, for tests and one-shot tools.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Vec<Entry>>);

impl Journal for MemoryJournal {
    fn record(&self, entry: Entry) -> Result<(), JournalError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A journal as a file of JSON lines, mode 0600, flushed to disk at each entry.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    file: Mutex<File>,
}

impl FileJournal {
    /// Opens or makes the file and the directory it is in.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let fail = |source| JournalError::Io { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(fail)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(fail)?;
        Ok(Self { file: Mutex::new(file), path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fail(&self, source: std::io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }
}

impl Journal for FileJournal {
    fn record(&self, entry: Entry) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(&entry).map_err(JournalError::Encode)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(|source| self.fail(source))
    }

    /// A last line cut short by a crash is passed over: its intent was never acted on.
    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let file = File::open(&self.path).map_err(|source| self.fail(source))?;
        let mut entries = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|source| self.fail(source))?;
            entries.extend(serde_json::from_str::<Entry>(&line).ok());
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(step: &str, event: Event) -> Entry {
        Entry { at: Timestamp::UNIX_EPOCH, step: step.to_owned(), event }
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_the_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/journal.jsonl");
        let journal = FileJournal::open(&path).unwrap();
        journal.record(entry("a", Event::Done)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"at\":\"1970-01-01T00:00:00Z\",\"st").unwrap();
        assert_eq!(FileJournal::open(&path).unwrap().entries().unwrap(), [entry("a", Event::Done)]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
