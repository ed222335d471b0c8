//! What is in queues and containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::lease::Lease;

/// All of it, by the lower-cased id of the container or queue.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Store {
    pub(super) messages: BTreeMap<String, Vec<Message>>,
    pub(super) blobs: BTreeMap<String, BTreeMap<String, Blob>>,
    /// Blocks that are staged and not committed, by container, blob and id.
    pub(super) staged: BTreeMap<String, BTreeMap<String, BTreeMap<String, Content>>>,
    /// Leases on containers.
    pub(super) leases: BTreeMap<String, Lease>,
    /// Until when the name of a deleted container or queue cannot be used again.
    pub(super) vanishing: BTreeMap<String, Timestamp>,
    /// Counts up: the order of messages, and what makes receipts differ.
    pub(super) sequence: u64,
}

impl Store {
    /// Whether a container (by its key) has a blob of this name.
    pub(crate) fn has(&self, container: &str, name: &str) -> bool {
        self.blobs.get(container).is_some_and(|blobs| blobs.contains_key(name))
    }

    /// The first bytes of a blob: enough to see what kind of file it is.
    pub(crate) fn beginning(&self, container: &str, name: &str) -> Option<Vec<u8>> {
        Some(self.blobs.get(container)?.get(name)?.data.cut(0, 16).bytes())
    }

    /// Takes a blob out, with the blocks that were staged for it.
    pub(crate) fn drop_blob(&mut self, container: &str, name: &str) {
        self.blobs.get_mut(container).map(|blobs| blobs.remove(name));
        self.staged.get_mut(container).map(|staged| staged.remove(name));
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.messages.remove(key);
        self.blobs.remove(key);
        self.staged.remove(key);
        self.leases.remove(key);
    }
}

/// A message on a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) sequence: u64,
    pub(super) inserted: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) visible: Timestamp,
    pub(super) receipt: String,
    pub(super) dequeued: u32,
}

/// A block blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blob {
    pub(super) data: Content,
    pub(super) content_type: String,
    /// `Content-MD5`, which is kept as it was said.
    #[serde(default)]
    pub(super) md5: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) etag: String,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// The committed blocks: id and size. None for a blob that was put at once.
    pub(super) blocks: Vec<(String, u64)>,
    pub(super) lease: Lease,
}

/// Bytes in parts that blocks, blobs and copies of the world share: a committed blob is not copied together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    parts: Vec<Arc<[u8]>>,
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self { parts: vec![bytes.into()] }
    }
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Puts other bytes behind these.
    pub(super) fn append(&mut self, other: &Self) {
        self.parts.extend(other.parts.iter().cloned());
    }

    /// The bytes from `start` to before `end`. Whole parts stay shared.
    pub(super) fn cut(&self, start: usize, end: usize) -> Self {
        let mut parts = Vec::new();
        let mut at = 0;
        for part in &self.parts {
            let (from, to) = (start.max(at), end.min(at + part.len()));
            if from < to {
                let whole = from == at && to == at + part.len();
                parts.push(if whole { part.clone() } else { part[from - at..to - at].into() });
            }
            at += part.len();
        }
        Self { parts }
    }

    /// Consecutive pieces of these sizes, as far as there are bytes. Whole parts stay shared.
    pub(super) fn split(&self, sizes: impl Iterator<Item = u64>) -> Vec<Self> {
        let mut parts = self.parts.iter().cloned();
        let mut rest: Option<Arc<[u8]>> = None;
        let mut pieces = Vec::new();
        for size in sizes {
            let mut left = usize::try_from(size).unwrap_or(usize::MAX);
            let mut piece = Self::default();
            while left > 0 {
                let Some(part) = rest.take().or_else(|| parts.next()) else { return pieces };
                if part.len() <= left {
                    left -= part.len();
                    piece.parts.push(part);
                } else {
                    piece.parts.push(part[..left].into());
                    rest = Some(part[left..].into());
                    left = 0;
                }
            }
            pieces.push(piece);
        }
        pieces
    }

    /// All bytes in one piece.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(self.bytes()))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self::from(bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn a_cut_is_what_it_is_of_the_whole() {
        let mut whole = Content::from(b"abc".as_slice());
        whole.append(&Content::default());
        whole.append(&b"defg".as_slice().into());
        let bytes = whole.bytes();
        for start in 0..=bytes.len() {
            for end in start..=bytes.len() {
                assert_eq!(whole.cut(start, end).bytes(), &bytes[start..end]);
            }
        }
        assert_eq!(whole.len(), 7);
        let pieces = |sizes: &[u64]| -> Vec<Vec<u8>> {
            whole.split(sizes.iter().copied()).iter().map(Content::bytes).collect()
        };
        assert_eq!(pieces(&[3, 4]), [b"abc".to_vec(), b"defg".to_vec()]);
        assert_eq!(pieces(&[1, 5, 1, 9]), [b"a".to_vec(), b"bcdef".to_vec(), b"g".to_vec()]);
    }
}
