//! Sends a packed file in blocks: in parallel, each with its sum, none that is there already.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azure_core::Bytes;
use flamenco_azure_core::storage::StorageError;
use futures::stream::{self, TryStreamExt as _};

use super::archive::read_exact_at;
use super::blob::Blob;
use super::meter::Meter;
use super::repack::Packed;

/// Bytes of a block. azure_core's transport gives up on an answer after 60 s, so what is on its way at a time has to
/// pass in one minute even on a slow line: 16 MiB need 2.2 Mbit/s.
pub(super) const BLOCK: u64 = 4 << 20;
/// Blocks on their way at a time.
const PARALLEL: usize = 4;

/// What an upload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Bytes that were sent.
    pub(super) sent: u64,
    /// Bytes that were there from an earlier attempt.
    pub(super) kept: u64,
}

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

/// The name of a block: where it is and of which file. All ids of a blob have the same length, at most 64 bytes ("Put
/// Block"). The same file has the same ids each time, another one has others, so whatever an earlier attempt left can be
/// told apart without a note of it on this machine.
fn block_id(index: u64, sha256: &str) -> Vec<u8> {
    format!("{index:08x}-{}", &sha256[..sha256.len().min(48)]).into_bytes()
}

/// Sends what is missing and puts the blocks together. `may_list` is false for a link that cannot read: then all is sent.
/// `moved` counts the bytes that are staged, also of an upload that fails.
pub(super) async fn upload(
    packed: &Packed,
    blob: &Blob,
    may_list: bool,
    moved: &AtomicU64,
    meter: &std::sync::Mutex<Meter<'_>>,
) -> Result<Sent, UploadError> {
    let size = packed.size();
    let count = size.div_ceil(BLOCK).max(1);
    let ids: Vec<Vec<u8>> = (0..count).map(|index| block_id(index, packed.sha256())).collect();
    let length = |index: u64| BLOCK.min(size - index * BLOCK);
    let staged = if may_list { blob.staged().await? } else { std::collections::BTreeMap::new() };
    let missing: Vec<u64> = (0..count)
        .filter(|index| staged.get(&ids[*index as usize]).is_none_or(|there| *there != length(*index)))
        .collect();
    let to_send: u64 = missing.iter().map(|index| length(*index)).sum();
    let kept = size - to_send;
    let sent = AtomicU64::new(0);
    let tell = |done: u64| {
        meter.lock().unwrap_or_else(std::sync::PoisonError::into_inner).tell(done, size);
    };
    tell(kept);
    stream::iter(missing.iter().map(Ok))
        .try_for_each_concurrent(PARALLEL, |index| {
            let (id, length) = (&ids[*index as usize], length(*index));
            let (sent, tell) = (&sent, &tell);
            async move {
                let (bytes, crc64) = read(packed, index * BLOCK, length).await.map_err(UploadError::Read)?;
                blob.stage(id, bytes, crc64).await?;
                moved.fetch_add(length, Ordering::Relaxed);
                tell(kept + sent.fetch_add(length, Ordering::Relaxed) + length);
                Ok::<(), UploadError>(())
            }
        })
        .await?;
    blob.commit(&ids, packed.sha256()).await?;
    Ok(Sent { sent: to_send, kept })
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
