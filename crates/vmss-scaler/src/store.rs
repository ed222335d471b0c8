//! The scaler's state as a blob, and the lease on it that makes one scaler the only writer.
//!
//! A lease of 60 s is renewed each 15 s. Nothing is written to Azure later than 40 s after the last renewal that is
//! known to have been made, counted from when it was *sent*: [`Lease::may_write`]. That leaves 20 s for a request on
//! its way. A lease is no fence all the same: a request that is delayed for longer may arrive in somebody else's time,
//! so every write of the state is conditional on the etag of what was read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::http::headers::HeaderName;
use azure_core::http::{Etag, RequestContent};
use azure_storage_blob::models::{
    BlobClientAcquireLeaseOptions, BlobClientBreakLeaseOptions, BlobClientDownloadOptions,
    BlobClientGetPropertiesResultHeaders, BlobClientSetMetadataOptions, BlockBlobClientUploadOptions,
    LeaseStatus,
};
use azure_storage_blob::{BlobClient, BlobClientOptions, BlobContainerClient, BlobContainerClientOptions};
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::StateError;
use crate::state::State;
use crate::storage::{Failure, Sender, StorageError, StorageOptions};

/// The container.
pub const CONTAINER: &str = "flamenco-azure";
/// The lease's length, the longest that Azure gives but an endless one ("Lease Blob").
pub const LEASE: Duration = Duration::from_mins(1);
/// A renewal is due so long after the one before.
pub const RENEW_EVERY: Duration = Duration::from_secs(15);
/// Nothing is written later than this after the last renewal.
pub const WRITE_WITHIN: Duration = Duration::from_secs(40);
/// How often a waiting scaler tries to get the lease.
const TRY_EVERY: Duration = Duration::from_secs(10);
/// The blob's metadata that says who holds the lease.
const HOLDER: &str = "holder";

/// What no longer holds a lease, or never did.
const NOT_OURS: &[&str] = &[
    "LeaseIdMismatchWithLeaseOperation",
    "LeaseNotPresentWithLeaseOperation",
    "LeaseIsBrokenAndCannotBeRenewed",
    "LeaseIsBreakingAndCannotBeChanged",
    "LeaseIdMismatchWithBlobOperation",
    "LeaseNotPresentWithBlobOperation",
    "LeaseIdMissing",
    "LeaseLost",
    "BlobNotFound",
    "ContainerNotFound",
];
/// There is nothing to read.
const NOTHING: &[&str] = &["BlobNotFound", "ContainerNotFound"];

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another scaler holds the lease.
    #[error("{by} holds the lease on the scaler's state")]
    Held {
        /// The holder's name.
        by: String,
    },
    /// The lease is gone: another scaler may be at work.
    #[error("the lease on the scaler's state is lost{}", who(by.as_ref()))]
    Lost {
        /// The holder's name, if there is one.
        by: Option<String>,
    },
    /// Somebody wrote the state in spite of the lease.
    #[error("the scaler's state was changed by someone else")]
    Changed,
    /// The stored state cannot be read. It is left as it is.
    #[error("the stored state cannot be used")]
    Unreadable(#[source] StateError),
    /// The stored state is no text. It is left as it is.
    #[error("the stored state is no text")]
    NotText,
    /// The state was not read under this lease, so it is not replaced.
    #[error("the stored state was not read before it was to be replaced")]
    NotLoaded,
    /// The state makes no document.
    #[error("the state cannot be written down")]
    Unwritable(#[source] StateError),
    /// The last renewal is too long ago to write anything.
    #[error("the lease on the scaler's state was not renewed in time")]
    NotRenewed,
    /// Storage did not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn who(by: Option<&String>) -> String {
    by.map(|by| format!(" to {by}")).unwrap_or_default()
}

/// The state as somebody else sees it, without a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The state; `None` when a scaler was there and stored nothing yet.
    pub state: Option<State>,
    /// The last scaler that had the lease.
    pub holder: Option<String>,
    /// Whether it has it now.
    pub leased: bool,
}

/// The blob. Cheap to clone.
#[derive(Clone)]
pub struct StateBlob {
    inner: Arc<Inner>,
}

struct Inner {
    blob: BlobClient,
    container: BlobContainerClient,
    sender: Sender,
    name: String,
    seed: u64,
}

impl fmt::Debug for StateBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateBlob").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// The usual name of a farm's state.
pub fn blob_name(farm: &str) -> String {
    format!("scaler/{farm}.json")
}

/// What a blob holds.
struct Content {
    text: String,
    etag: String,
    holder: Option<String>,
    leased: bool,
}

impl Content {
    fn state(&self) -> Result<Option<State>, StoreError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        State::read(&self.text).map(Some).map_err(StoreError::Unreadable)
    }
}

impl StateBlob {
    /// The blob of this name, usually [`blob_name`], in [`CONTAINER`]. Nothing is sent yet.
    pub fn new(options: &StorageOptions, name: &str) -> Result<Self, StoreError> {
        let path: Vec<&str> = std::iter::once(CONTAINER).chain(name.split('/')).collect();
        let impossible = |_| StorageError::Address { text: name.to_owned() };
        let credential = Some(Arc::clone(&options.credential));
        let blob_options = BlobClientOptions { client_options: options.client(), ..Default::default() };
        let blob = BlobClient::new(options.url("blob", &path)?, credential.clone(), Some(blob_options));
        let container_options =
            BlobContainerClientOptions { client_options: options.client(), ..Default::default() };
        let container = options.url("blob", &[CONTAINER])?;
        let container = BlobContainerClient::new(container, credential, Some(container_options));
        let inner = Inner {
            blob: blob.map_err(impossible)?,
            container: container.map_err(impossible)?,
            sender: options.sender(),
            name: name.to_owned(),
            seed: options.seed,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads the state without a lease, for those who only look. `None` when no scaler ever ran.
    pub async fn read_only(&self) -> Result<Option<Seen>, StoreError> {
        match self.read(None).await {
            Ok(content) => {
                let state = content.state()?;
                Ok(Some(Seen { state, holder: content.holder, leased: content.leased }))
            }
            Err(StoreError::Storage(error)) if error.is_one_of(NOTHING) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gets the lease, as `holder`: a name that tells people which machine and process it is, and that no other
    /// process has. Makes container and blob where they are missing.
    pub async fn acquire(&self, holder: &str) -> Result<Lease, StoreError> {
        let inner = &self.inner;
        let id = lease_id(holder, inner.sender.clock().now(), inner.seed);
        let mut made = false;
        let acquired = loop {
            let attempt = inner.sender.send("get the lease", || {
                let proposed = BlobClientAcquireLeaseOptions {
                    proposed_lease_id: Some(id.clone()),
                    ..Default::default()
                };
                inner.blob.acquire_lease(LEASE.as_secs() as i32, Some(proposed))
            });
            let failure = match attempt.await {
                Ok(answer) => break answer,
                Err(failure) => failure,
            };
            if failure.error.is_one_of(&["LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"]) {
                let by = self.holder().await?.unwrap_or_else(|| "a scaler without a name".to_owned());
                return Err(StoreError::Held { by });
            }
            if made || !failure.error.is_one_of(NOTHING) {
                return Err(failure.error.into());
            }
            self.make().await?;
            made = true;
        };
        let lease = Lease {
            blob: self.clone(),
            id,
            holder: plain(holder),
            kept: Mutex::new(Kept { renewed: acquired.sent, ended: false, etag: None, doubtful: None }),
        };
        if let Err(error) = lease.sign().await {
            // Not to lock others out for a minute; that it fails too changes nothing.
            let _ = lease.release().await;
            return Err(error);
        }
        Ok(lease)
    }

    /// Ends the lease of a holder that is known to be dead, so that nobody waits a minute for it. Nothing happens if
    /// another one holds it by now.
    pub async fn break_dead(&self, holder: &str) -> Result<(), StoreError> {
        let inner = &self.inner;
        if self.holder().await?.as_deref() != Some(plain(holder).as_str()) {
            return Ok(());
        }
        let broken = inner.sender.send("end the lease of a dead process", || {
            let at_once = BlobClientBreakLeaseOptions { break_period: Some(0), ..Default::default() };
            inner.blob.break_lease(Some(at_once))
        });
        match broken.await {
            Ok(_) => Ok(()),
            Err(failure) if failure.error.is_one_of(NOT_OURS) => Ok(()),
            Err(failure) => Err(failure.error.into()),
        }
    }

    /// [`Self::acquire`], waiting as long as another scaler has it. `held` is told who, each time it changes.
    pub async fn wait(&self, holder: &str, held: &mut (dyn FnMut(&str) + Send)) -> Result<Lease, StoreError> {
        let mut told = None;
        loop {
            match self.acquire(holder).await {
                Err(StoreError::Held { by }) => {
                    if told.as_ref() != Some(&by) {
                        held(&by);
                        told = Some(by);
                    }
                    self.inner.sender.clock().sleep(TRY_EVERY).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Who has or had the lease.
    async fn holder(&self) -> Result<Option<String>, StoreError> {
        let inner = &self.inner;
        let answer = inner.sender.send("look who has the lease", || inner.blob.get_properties(None)).await;
        let properties = answer.map_err(|failure| failure.error)?.value;
        Ok(properties.metadata().ok().and_then(|mut metadata| metadata.remove(HOLDER)))
    }

    /// Makes container and blob. That one of them is there by now is as well.
    async fn make(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        let there = |failure: Failure| {
            let known = ["ContainerAlreadyExists", "BlobAlreadyExists", "ConditionNotMet", "LeaseIdMissing"];
            if failure.error.is_one_of(&known) { Ok(()) } else { Err(StoreError::from(failure.error)) }
        };
        let made = inner.sender.send("make the container", || inner.container.create(None)).await;
        made.map(|_| ()).or_else(there)?;
        let made = inner.sender.send("make the blob", || {
            let options = BlockBlobClientUploadOptions {
                if_none_match: Some(Etag::from("*")),
                blob_content_type: Some("application/json".to_owned()),
                ..Default::default()
            };
            inner.blob.upload(RequestContent::from(Vec::new()), Some(options))
        });
        made.await.map(|_| ()).or_else(there)
    }

    /// Reads the blob, under a lease if one is named.
    async fn read(&self, lease: Option<&str>) -> Result<Content, StoreError> {
        const WHAT: &str = "read the state";
        let inner = &self.inner;
        let answer = inner.sender.send(WHAT, || async {
            let options =
                BlobClientDownloadOptions { lease_id: lease.map(str::to_owned), ..Default::default() };
            let found = inner.blob.download(Some(options)).await?;
            let body = found.body.collect().await?;
            Ok((body, found.properties))
        });
        let (body, properties) = answer.await.map_err(|failure| failure.error)?.value;
        let mut metadata = properties.metadata;
        Ok(Content {
            text: String::from_utf8(body.to_vec()).map_err(|_| StoreError::NotText)?,
            etag: properties.etag.ok_or(StorageError::Garbled { what: WHAT })?.to_string(),
            holder: metadata.remove(HOLDER),
            leased: properties.lease_status == Some(LeaseStatus::Locked),
        })
    }
}

/// The lease's id: the same for a request that is sent again, another one for every attempt and holder.
fn lease_id(holder: &str, now: Timestamp, seed: u64) -> String {
    let text = format!("{holder}\n{}\n{seed}", now.as_nanosecond());
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

/// A name as it fits into a header.
fn plain(holder: &str) -> String {
    let fits = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    holder.trim().chars().map(fits).take(200).collect()
}

/// The lease. It can be shared between the task that renews it and the one that works under it.
#[derive(Debug)]
pub struct Lease {
    blob: StateBlob,
    id: String,
    holder: String,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// When the last renewal that succeeded was sent.
    renewed: Timestamp,
    /// Released or lost.
    ended: bool,
    /// Of the state as it was last read or written.
    etag: Option<String>,
    /// A text whose write was not answered: it may appear yet.
    doubtful: Option<String>,
}

impl Lease {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may be written to Azure at this time.
    pub fn may_write(&self, now: Timestamp) -> bool {
        let kept = self.kept();
        !kept.ended && now.duration_since(kept.renewed).as_secs_f64() <= WRITE_WITHIN.as_secs_f64()
    }

    /// When the next renewal is due.
    pub fn renewal_due(&self) -> Timestamp {
        self.kept().renewed.checked_add(RENEW_EVERY).unwrap_or(Timestamp::MAX)
    }

    /// The name it is held under.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Writes the holder's name where others look for it.
    async fn sign(&self) -> Result<(), StoreError> {
        let inner = &self.blob.inner;
        let metadata = self.metadata();
        let signed = inner.sender.send("sign the lease", || {
            let options =
                BlobClientSetMetadataOptions { lease_id: Some(self.id.clone()), ..Default::default() };
            inner.blob.set_metadata(&metadata, Some(options))
        });
        signed.await.map(|_| ()).map_err(|failure| failure.error.into())
    }

    fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([(HOLDER.to_owned(), self.holder.clone())])
    }

    /// Renews the lease. Due each [`RENEW_EVERY`]; a failure that is not [`StoreError::Lost`] may pass.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let inner = &self.blob.inner;
        let renewed =
            inner.sender.send("renew the lease", || inner.blob.renew_lease(self.id.clone(), None)).await;
        match renewed {
            Ok(answer) => {
                let mut kept = self.kept();
                kept.renewed = kept.renewed.max(answer.sent);
                Ok(())
            }
            Err(failure) => Err(self.judge(failure.error).await),
        }
    }

    /// Tells a lost lease from other failures.
    async fn judge(&self, error: StorageError) -> StoreError {
        if !error.is_one_of(NOT_OURS) {
            return error.into();
        }
        self.kept().ended = true;
        let by = self.blob.holder().await.ok().flatten().filter(|by| *by != self.holder);
        StoreError::Lost { by }
    }

    /// Gives the lease back. Nothing is written afterwards.
    pub async fn release(&self) -> Result<(), StoreError> {
        self.kept().ended = true;
        let inner = &self.blob.inner;
        let released =
            inner.sender.send("release the lease", || inner.blob.release_lease(self.id.clone(), None));
        match released.await {
            Ok(_) => Ok(()),
            Err(failure) if failure.error.is_one_of(NOT_OURS) => Ok(()),
            Err(failure) => Err(failure.error.into()),
        }
    }

    /// Reads the state; `None` when nothing was stored yet. What cannot be read is never replaced.
    pub async fn load(&self) -> Result<Option<State>, StoreError> {
        self.kept().etag = None;
        let content = match self.blob.read(Some(&self.id)).await {
            Err(StoreError::Storage(error)) => return Err(self.judge(error).await),
            other => other?,
        };
        let state = content.state()?;
        let mut kept = self.kept();
        kept.etag = Some(content.etag);
        kept.doubtful = None;
        Ok(state)
    }

    /// Stores the state in the place of the one that was last read or written under this lease. When the answer was
    /// lost, the blob is read to see what came of it.
    pub async fn save(&self, state: &State) -> Result<(), StoreError> {
        let text = state.write().map_err(StoreError::Unwritable)?;
        let mut adopted = false;
        loop {
            let base = self.kept().etag.clone().ok_or(StoreError::NotLoaded)?;
            let failure = match self.put(&text, &base).await {
                Ok(etag) => {
                    self.settle(etag);
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let conflict = failure.error.is_one_of(&["ConditionNotMet"]);
            if !conflict && !failure.maybe_done {
                return Err(match failure.error {
                    StorageError::TooLate { .. } => StoreError::NotRenewed,
                    error => self.judge(error).await,
                });
            }
            if failure.maybe_done {
                self.kept().doubtful = Some(text.clone());
            }
            let there = match self.blob.read(Some(&self.id)).await {
                Err(StoreError::Storage(error)) => return Err(self.judge(error).await),
                other => other?,
            };
            if there.text == text {
                self.settle(there.etag);
                return Ok(());
            }
            if there.etag == base {
                // It was not applied, so far. The caller has the same state still and saves again.
                return Err(match failure.error {
                    StorageError::TooLate { .. } => StoreError::NotRenewed,
                    error => self.judge(error).await,
                });
            }
            // A write of ours from before, whose answer was lost, has arrived in the meantime.
            if adopted || self.kept().doubtful.as_ref() != Some(&there.text) {
                return Err(StoreError::Changed);
            }
            self.kept().etag = Some(there.etag);
            adopted = true;
        }
    }

    fn settle(&self, etag: String) {
        let mut kept = self.kept();
        kept.etag = Some(etag);
        kept.doubtful = None;
    }

    /// Puts the text in the place of what has this etag; the new etag.
    async fn put(&self, text: &str, base: &str) -> Result<String, Failure> {
        const WHAT: &str = "store the state";
        let inner = &self.blob.inner;
        let answer = inner.sender.send_while(
            WHAT,
            |now| self.may_write(now),
            || {
                let options = BlockBlobClientUploadOptions {
                    if_match: Some(Etag::from(base)),
                    lease_id: Some(self.id.clone()),
                    metadata: Some(self.metadata()),
                    blob_content_type: Some("application/json".to_owned()),
                    // One request, whatever its size.
                    partition_size: std::num::NonZero::new(text.len() as u64 + 1),
                    ..Default::default()
                };
                let content = RequestContent::from(text.as_bytes().to_vec());
                inner.blob.upload(content, Some(options))
            },
        );
        let headers = answer.await?.value.raw_response;
        let etag = headers.headers().get_optional_str(&HeaderName::from_static("etag"));
        etag.map(str::to_owned)
            .ok_or(Failure { error: StorageError::Garbled { what: WHAT }, maybe_done: true })
    }
}
