//! The blob of a package: its blocks, its digest.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Bytes;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::{Body, HttpClient};
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders, BlockBlobClientCommitBlockListOptions,
    BlockBlobClientStageBlockOptions, BlockBlobClientStageBlockResultHeaders, BlockListType, BlockLookupList,
};
use azure_storage_blob::{BlobClient, BlobClientOptions, BlockBlobClient};
use flamenco_azure_core::arm::{ArmClient, RetryPolicy};
use flamenco_azure_core::clock::Clock;
use flamenco_azure_core::storage::{self, Sender, StorageError};
use jiff::Timestamp;

use super::lanes::Lanes;
use super::link::Link;

/// The metadata that holds the SHA-256 of the whole blob.
const DIGEST: &str = "sha256";
/// There is nothing to read.
const NOTHING: &[&str] = &["BlobNotFound", "ContainerNotFound"];

/// How to reach packages' blobs.
#[derive(Clone)]
pub struct BlobOptions {
    /// Where tokens come from, for links without a signature.
    pub credential: Arc<dyn TokenCredential>,
    /// What storage hosts end with, such as `core.windows.net`: tokens go nowhere else.
    pub suffix: &'static str,
    /// The wire; `None` is HTTPS. URLs arrive here unchanged.
    pub transport: Option<Arc<dyn HttpClient>>,
    /// Time for waits and timeouts.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter.
    pub seed: u64,
    /// How patient to be with one request.
    pub retry: RetryPolicy,
}

impl BlobOptions {
    /// On the same wire and clock as `client`, with the usual patience: 10 minutes for one try. In them a block waits until
    /// the line is free for it, too; azure_core's transport gives up after 60 s without an answer.
    pub fn of(client: &ArmClient) -> Self {
        let options = client.options();
        let retry = RetryPolicy {
            max_tries: 6,
            first_delay: Duration::from_millis(800),
            max_delay: Duration::from_secs(30),
            budget: Duration::from_mins(5),
            try_timeout: Duration::from_mins(10),
            ..RetryPolicy::default()
        };
        Self {
            credential: Arc::clone(&options.credential),
            suffix: storage::suffix(&options.cloud),
            transport: options.transport.clone(),
            clock: Arc::clone(&options.clock),
            seed: options.seed,
            retry,
        }
    }
}

// Credentials and transports print what they like: they are left out.
impl fmt::Debug for BlobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobOptions").field("suffix", &self.suffix).finish_non_exhaustive()
    }
}

/// A blob of ours that is there.
#[derive(Debug)]
pub(super) struct There {
    /// The digest that was stored with it.
    pub(super) sha256: String,
    /// When its content was put together, to the second.
    pub(super) modified: Option<Timestamp>,
}

/// What is told of a blob.
struct Properties {
    length: Option<u64>,
    metadata: HashMap<String, String>,
    content_type: Option<String>,
    modified: Option<Timestamp>,
}

/// A package's blob, through one link.
pub(super) struct Blob {
    whole: BlobClient,
    blocks: BlockBlobClient,
    sender: Sender,
}

impl Blob {
    pub(super) fn new(link: &Link, options: &BlobOptions) -> Result<Self, StorageError> {
        let host = link.url().host_str().unwrap_or_default();
        let foreign = || StorageError::Address { text: host.to_owned() };
        if !host.strip_suffix(options.suffix).is_some_and(|name| name.ends_with(".blob.")) {
            return Err(foreign());
        }
        let client_options = storage::client_options(options.transport.clone());
        let credential = (!link.is_signed()).then(|| Arc::clone(&options.credential));
        let blob_options = BlobClientOptions { client_options, ..Default::default() };
        let whole =
            BlobClient::new(link.url().clone(), credential, Some(blob_options)).map_err(|_| foreign())?;
        let blocks = whole.block_blob_client();
        let sender = Sender::new(Arc::clone(&options.clock), options.retry.clone(), options.seed);
        Ok(Self { whole, blocks, sender })
    }

    /// What is there. `None` when there is no blob, or none of ours.
    pub(super) async fn there(&self) -> Result<Option<There>, StorageError> {
        let properties = self.properties("look at the package").await?;
        Ok(properties.and_then(|Properties { mut metadata, modified, .. }| {
            metadata.remove(DIGEST).map(|sha256| There { sha256, modified })
        }))
    }

    /// `None` when there is no blob.
    async fn properties(&self, what: &'static str) -> Result<Option<Properties>, StorageError> {
        let read = self.send(what, || async {
            let headers = self.whole.get_properties(None).await?;
            let modified = headers.last_modified()?;
            Ok(Properties {
                length: headers.content_length()?,
                metadata: headers.metadata()?,
                content_type: headers.content_type()?,
                modified: modified.and_then(|at| Timestamp::from_second(at.unix_timestamp()).ok()),
            })
        });
        match read.await {
            Ok(properties) => Ok(Some(properties)),
            // To HEAD there is no body, and so no code in it.
            Err(StorageError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ids and sizes of the blocks that wait to be committed.
    pub(super) async fn staged(&self) -> Result<BTreeMap<Vec<u8>, u64>, StorageError> {
        let what = "list the blocks that are there";
        let read = self.send(what, || async {
            self.blocks.get_block_list(BlockListType::Uncommitted, None).await?.into_model()
        });
        let list = match read.await {
            Err(error) if error.is_one_of(NOTHING) => return Ok(BTreeMap::new()),
            list => list?,
        };
        let blocks = list.uncommitted_blocks.unwrap_or_default().into_iter();
        Ok(blocks.filter_map(|block| Some((block.name?, block.size?.try_into().ok()?))).collect())
    }

    /// Stages a block with its CRC-64, by which storage checks what arrives.
    pub(super) async fn stage(
        &self,
        id: &[u8],
        bytes: Bytes,
        crc64: u64,
        lanes: &Lanes,
    ) -> Result<(), StorageError> {
        let what = "send a block";
        let sum = crc64.to_le_bytes().to_vec();
        self.send(what, || async {
            let options = BlockBlobClientStageBlockOptions {
                transactional_content_crc64: Some(sum.clone()),
                ..Default::default()
            };
            let content = Body::from(bytes.clone()).into();
            let staging = self.blocks.stage_block(id, bytes.len() as u64, content, Some(options));
            let answer = lanes.pass(staging).await?;
            // Not every service computes it.
            match answer.content_crc64()? {
                Some(theirs) if theirs != sum => {
                    Err(azure_core::Error::with_message(ErrorKind::Io, "the block arrived damaged"))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// Makes the blob of these blocks, with its digest.
    pub(super) async fn commit(&self, ids: &[Vec<u8>], sha256: &str) -> Result<(), StorageError> {
        let what = "put the blocks together";
        self.send(what, || async {
            // The latest, so that a second request after a lost answer finds them too.
            let list = BlockLookupList { latest: Some(ids.to_vec()), ..Default::default() };
            let options = BlockBlobClientCommitBlockListOptions {
                blob_content_type: Some("application/zip".to_owned()),
                metadata: Some(HashMap::from([(DIGEST.to_owned(), sha256.to_owned())])),
                ..Default::default()
            };
            self.blocks.commit_block_list(list.try_into()?, Some(options)).await.map(drop)
        })
        .await
    }

    /// Drops the blocks that wait, as every commit does. A blob that is `in_use` stays as it is: its own blocks are committed
    /// again, with its metadata and type. `false` when that cannot be, for it came in one piece ("Put Blob") and has no
    /// blocks. Any other becomes an empty one.
    pub(super) async fn drop_waiting(&self, in_use: bool) -> Result<bool, StorageError> {
        let what = "drop the blocks of another upload";
        let (mut ids, mut metadata, mut content_type) = (Vec::new(), None, None);
        let there = if in_use { self.properties(what).await? } else { None };
        if let Some(there) = there {
            let list = self.send(what, || async {
                self.blocks.get_block_list(BlockListType::Committed, None).await?.into_model()
            });
            let blocks = list.await?.committed_blocks.unwrap_or_default();
            ids = blocks.into_iter().filter_map(|block| block.name).collect();
            if ids.is_empty() && there.length != Some(0) {
                return Ok(false);
            }
            (metadata, content_type) = (Some(there.metadata), there.content_type);
        }
        self.send(what, || async {
            let list = BlockLookupList { committed: Some(ids.clone()), ..Default::default() };
            let options = BlockBlobClientCommitBlockListOptions {
                blob_content_type: content_type.clone(),
                metadata: metadata.clone(),
                ..Default::default()
            };
            self.blocks.commit_block_list(list.try_into()?, Some(options)).await.map(drop)
        })
        .await?;
        Ok(true)
    }

    async fn send<T, F>(&self, what: &'static str, call: impl Fn() -> F + Send) -> Result<T, StorageError>
    where
        T: Send,
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        Ok(self.sender.send(what, call).await?.value)
    }
}
