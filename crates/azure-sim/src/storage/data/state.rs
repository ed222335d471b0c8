//! What is in queues and containers.

use std::collections::BTreeMap;

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
    /// Blocks that are staged and not committed, by blob.
    pub(super) staged: BTreeMap<String, BTreeMap<String, Vec<Block>>>,
    /// Leases on containers.
    pub(super) leases: BTreeMap<String, Lease>,
    /// Until when the name of a deleted container or queue cannot be used again.
    pub(super) vanishing: BTreeMap<String, Timestamp>,
    /// Counts up: the order of messages, and what makes receipts differ.
    pub(super) sequence: u64,
}

impl Store {
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
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub(super) data: Vec<u8>,
    pub(super) content_type: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) etag: String,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// The committed blocks: id and size. None for a blob that was put at once.
    pub(super) blocks: Vec<(String, u64)>,
    pub(super) lease: Lease,
}

/// A staged block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    pub(super) id: String,
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub(super) data: Vec<u8>,
}

fn write_bytes<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

fn read_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}
