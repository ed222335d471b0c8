//! Sends a packed file in blocks: in parallel, each with its sum, none that is there already.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_core::Bytes;
use flamenco_azure_core::storage::StorageError;
use futures::stream::{self, TryStreamExt as _};

use super::archive::read_exact_at;
use super::blob::Blob;
use super::lanes::Lanes;
use super::meter::Meter;
use super::repack::Packed;

/// Bytes of a block. azure_core's transport gives up on an answer after 60 s, in which a block has to pass even on a slow
/// line: alone, as [`Lanes`] has it there, it needs 0.6 Mbit/s.
pub(super) const BLOCK: u64 = 4 << 20;
/// Blocks on their way at a time.
const PARALLEL: usize = 4;

/// Why an upload ended early.
#[derive(Debug)]
pub(super) enum UploadError {
    Blob(StorageError),
    Read(io::Error),
}

impl From<StorageError> for UploadError {
    fn from(error: StorageError) -> Self {
        Self::Blob(error)
    }
}

/// What one push knows of its upload, over all links.
#[derive(Debug)]
pub(super) struct Upload {
    /// The blocks that were sent and wait to be put together: a link that cannot read does not tell.
    sent: Mutex<BTreeSet<u64>>,
    /// Bytes that were sent.
    moved: AtomicU64,
    lanes: Lanes,
}

impl Upload {
    pub(super) fn new() -> Self {
        Self { sent: Mutex::default(), moved: AtomicU64::new(0), lanes: Lanes::new(PARALLEL) }
    }

    /// How many blocks were sent, each counted once.
    pub(super) fn blocks(&self) -> usize {
        self.sent().len()
    }

    /// How many bytes were sent.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// What was sent is not there any more.
    pub(super) fn forget(&self) {
        self.sent().clear();
    }

    fn sent(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is missing and puts the blocks together. `may_list` is false for a link that cannot read: then all is sent
    /// that this push did not send before.
    pub(super) async fn run(
        &self,
        packed: &Packed,
        blob: &Blob,
        may_list: bool,
        meter: &Mutex<Meter<'_>>,
    ) -> Result<(), UploadError> {
        let size = packed.size();
        let count = size.div_ceil(BLOCK).max(1);
        let ids: Vec<Vec<u8>> = (0..count).map(|index| block_id(index, packed.sha256())).collect();
        let length = |index: u64| BLOCK.min(size - index * BLOCK);
        let there: BTreeSet<u64> = if may_list {
            let staged = blob.staged().await?;
            (0..count).filter(|index| staged.get(&ids[*index as usize]) == Some(&length(*index))).collect()
        } else {
            self.sent().clone()
        };
        let missing: Vec<u64> = (0..count).filter(|index| !there.contains(index)).collect();
        let done = AtomicU64::new(there.iter().map(|index| length(*index)).sum());
        let tell = |done: u64| meter.lock().unwrap_or_else(PoisonError::into_inner).tell(done, size);
        tell(done.load(Ordering::Relaxed));
        stream::iter(missing.iter().map(Ok))
            .try_for_each_concurrent(PARALLEL, |index| {
                let (id, length) = (&ids[*index as usize], length(*index));
                let (done, tell) = (&done, &tell);
                async move {
                    let (bytes, crc64) =
                        read(packed, index * BLOCK, length).await.map_err(UploadError::Read)?;
                    blob.stage(id, bytes, crc64, &self.lanes).await?;
                    self.sent().insert(*index);
                    self.moved.fetch_add(length, Ordering::Relaxed);
                    tell(done.fetch_add(length, Ordering::Relaxed) + length);
                    Ok::<(), UploadError>(())
                }
            })
            .await?;
        Ok(blob.commit(&ids, packed.sha256()).await?)
    }
}

/// The name of a block: where it is and of which file. All ids of a blob have the same length, at most 64 bytes ("Put
/// Block"). The same file has the same ids each time, another one has others, so whatever an earlier attempt left can be
/// told apart without a note of it on this machine.
fn block_id(index: u64, sha256: &str) -> Vec<u8> {
    format!("{index:08x}-{}", &sha256[..sha256.len().min(48)]).into_bytes()
}

/// A block and its sum, off the runtime's threads.
async fn read(packed: &Packed, at: u64, length: u64) -> io::Result<(Bytes, u64)> {
    let file = Arc::clone(&packed.file);
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length as usize];
        read_exact_at(&file, &mut bytes, at)?;
        let mut sum = crc64fast_nvme::Digest::new();
        sum.write(&bytes);
        Ok((Bytes::from(bytes), sum.sum64()))
    });
    read.await.map_err(io::Error::other)?
}
