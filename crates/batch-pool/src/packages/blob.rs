//! The blob of a package: its blocks, its digest. Sends again what got lost, on [`Clock`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::Bytes;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{Body, ClientOptions, HttpClient, HttpClientOptions, RetryOptions, Transport};
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders, BlockBlobClientCommitBlockListOptions,
    BlockBlobClientStageBlockOptions, BlockBlobClientStageBlockResultHeaders, BlockListType, BlockLookupList,
};
use azure_storage_blob::{BlobClient, BlobClientOptions, BlockBlobClient};
use flamenco_azure_core::arm::{ArmClient, Discreet, RetryPolicy, causes_in_words};
use flamenco_azure_core::clock::Clock;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::link::Link;

/// The metadata that holds the SHA-256 of the whole blob.
const DIGEST: &str = "sha256";
/// What a sum that does not match is called ("Blob Storage error codes"). The block was damaged on its way.
const MISMATCH: &[&str] = &["Crc64Mismatch", "Md5Mismatch"];
/// There is nothing to read.
const NOTHING: &[&str] = &["BlobNotFound", "ContainerNotFound"];

/// Why storage did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The address is not one of the cloud's storage.
    #[error("`{host}` is no address of a storage account")]
    Address {
        /// Its host.
        host: String,
    },
    /// There is no token to send.
    #[error("cannot {what}: no token could be had: {why}")]
    NoToken {
        /// What was to be done.
        what: &'static str,
        /// Why, without secrets.
        why: String,
    },
    /// Storage says no.
    #[error("cannot {what}: storage refuses with {code}: {message}")]
    Refused {
        /// What was to be done.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// Azure's code.
        code: String,
        /// Azure's message, its first line.
        message: String,
    },
    /// Storage did not answer. It may have been done.
    #[error("cannot {what}: storage did not answer: {why}")]
    NoAnswer {
        /// What was to be done.
        what: &'static str,
        /// Why, without addresses.
        why: String,
    },
    /// The answer makes no sense.
    #[error("cannot {what}: storage's answer is garbled")]
    Garbled {
        /// What was to be done.
        what: &'static str,
    },
    /// Storage has other bytes than were sent, each time.
    #[error("cannot {what}: it arrives damaged")]
    Damaged {
        /// What was to be done.
        what: &'static str,
    },
}

impl BlobError {
    /// Whether the link is over, or does not go as far: another one may do.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }

    pub(super) fn is_one_of(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    fn from_azure(what: &'static str, error: &azure_core::Error) -> Self {
        match error.kind() {
            ErrorKind::HttpResponse { status, error_code, raw_response } => {
                let body = raw_response.as_ref().map(|raw| String::from_utf8_lossy(raw.body()).into_owned());
                let message = body.as_deref().and_then(message_of).unwrap_or("no message").to_owned();
                let code = error_code.clone().unwrap_or_else(|| status.to_string());
                if MISMATCH.contains(&code.as_str()) {
                    return Self::Damaged { what };
                }
                Self::Refused { what, status: u16::from(*status), code, message }
            }
            ErrorKind::Credential => Self::NoToken { what, why: causes_in_words(error) },
            ErrorKind::DataConversion => Self::Garbled { what },
            _ => Self::NoAnswer { what, why: causes_in_words(error) },
        }
    }

    /// Whether the same request may be answered otherwise.
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            Self::NoAnswer { .. } | Self::Garbled { .. } | Self::Damaged { .. } => true,
            Self::Address { .. } | Self::NoToken { .. } => false,
        }
    }
}

/// The first line of the message in an XML error.
fn message_of(body: &str) -> Option<&str> {
    let start = body.find("<Message>")? + "<Message>".len();
    let end = body[start..].find("</Message>")?;
    body[start..start + end].lines().next()
}

/// How to reach packages' blobs.
#[derive(Clone)]
pub struct BlobOptions {
    /// Where tokens come from, for links without a signature.
    pub credential: Arc<dyn TokenCredential>,
    /// What the hosts of blob services end with, such as `.blob.core.windows.net`: tokens go nowhere else.
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
    /// On the same wire and clock as `client`, with the usual patience: 10 minutes for one try, as a block takes on the
    /// slowest line.
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
            suffix: suffix(options.cloud.name),
            transport: options.transport.clone(),
            clock: Arc::clone(&options.clock),
            seed: options.seed,
            retry,
        }
    }
}

/// What hosts of blob services end with (Microsoft's pages "Azure Government developer guide", "China developer guide").
fn suffix(cloud: &str) -> &'static str {
    match cloud {
        "AzureUSGovernment" => ".blob.core.usgovcloudapi.net",
        "AzureChinaCloud" => ".blob.core.chinacloudapi.cn",
        _ => ".blob.core.windows.net",
    }
}

// Credentials and transports print what they like: they are left out.
impl fmt::Debug for BlobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobOptions").field("suffix", &self.suffix).finish_non_exhaustive()
    }
}

/// A package's blob, through one link.
pub(super) struct Blob {
    whole: BlobClient,
    blocks: BlockBlobClient,
    options: BlobOptions,
    jitter: Mutex<ChaCha8Rng>,
}

impl Blob {
    pub(super) fn new(link: &Link, options: &BlobOptions) -> Result<Self, BlobError> {
        let host = link.url().host_str().unwrap_or_default();
        let foreign = || BlobError::Address { host: host.to_owned() };
        if !host.ends_with(options.suffix) {
            return Err(foreign());
        }
        let inner = options.transport.clone().unwrap_or_else(|| {
            azure_core::http::new_http_client(Some(HttpClientOptions { automatic_decompression: false }))
        });
        let client_options = ClientOptions {
            retry: RetryOptions::none(), // ours runs on `Clock`
            transport: Some(Transport::new(Arc::new(Discreet(inner)))),
            ..ClientOptions::default()
        };
        let credential = (!link.is_signed()).then(|| Arc::clone(&options.credential));
        let blob_options = BlobClientOptions { client_options, ..Default::default() };
        let whole =
            BlobClient::new(link.url().clone(), credential, Some(blob_options)).map_err(|_| foreign())?;
        let blocks = whole.block_blob_client();
        let jitter = Mutex::new(ChaCha8Rng::seed_from_u64(options.seed));
        Ok(Self { whole, blocks, options: options.clone(), jitter })
    }

    /// The digest that was stored with the blob. `None` when there is no blob, or none of ours.
    pub(super) async fn digest(&self) -> Result<Option<String>, BlobError> {
        let what = "look at the package";
        let read = self.send(what, || async {
            let headers = self.whole.get_properties(None).await?;
            headers.metadata()
        });
        match read.await {
            Ok(mut metadata) => Ok(metadata.remove(DIGEST)),
            // To HEAD there is no body, and so no code in it.
            Err(BlobError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ids and sizes of the blocks that wait to be committed.
    pub(super) async fn staged(&self) -> Result<BTreeMap<Vec<u8>, u64>, BlobError> {
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
    pub(super) async fn stage(&self, id: &[u8], bytes: Bytes, crc64: u64) -> Result<(), BlobError> {
        let what = "send a block";
        let sum = crc64.to_le_bytes().to_vec();
        self.send(what, || async {
            let options = BlockBlobClientStageBlockOptions {
                transactional_content_crc64: Some(sum.clone()),
                ..Default::default()
            };
            let content = Body::from(bytes.clone()).into();
            let answer = self.blocks.stage_block(id, bytes.len() as u64, content, Some(options)).await?;
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
    pub(super) async fn commit(&self, ids: &[Vec<u8>], sha256: &str) -> Result<(), BlobError> {
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

    /// Forgets the blocks that wait: what is there becomes an empty blob.
    pub(super) async fn forget(&self) -> Result<(), BlobError> {
        let what = "drop the blocks of another upload";
        self.send(what, || async {
            self.blocks.commit_block_list(BlockLookupList::default().try_into()?, None).await.map(drop)
        })
        .await
    }

    /// Sends until there is an answer worth giving.
    async fn send<T, F>(&self, what: &'static str, call: impl Fn() -> F + Send) -> Result<T, BlobError>
    where
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        let Self { options: BlobOptions { clock, retry, .. }, .. } = self;
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = tokio::select! {
                biased;
                outcome = call() => outcome,
                () = clock.sleep(retry.try_timeout) => {
                    Err(azure_core::Error::with_message(ErrorKind::Io, "no answer in time"))
                }
            };
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let asked = retry_after(&error);
            let error = BlobError::from_azure(what, &error);
            tracing::debug!(what, tries, %error, "storage did not do it");
            let jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random();
            let delay = retry.delay(tries, asked, jitter);
            if !error.may_pass() || tries >= retry.max_tries || waited + delay > retry.budget {
                return Err(error);
            }
            waited += delay;
            clock.sleep(delay).await;
        }
    }
}

/// `Retry-After` in seconds, if the answer has it.
fn retry_after(error: &azure_core::Error) -> Option<Duration> {
    let ErrorKind::HttpResponse { raw_response: Some(raw), .. } = error.kind() else { return None };
    let text = raw.headers().get_optional_str(&HeaderName::from_static("retry-after"))?;
    text.trim().parse().ok().map(Duration::from_secs)
}
