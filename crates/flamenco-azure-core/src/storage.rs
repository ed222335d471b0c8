//! What clients of blobs and queues share: hosts, what goes wrong in words, and the one retry that waits on [`Clock`].
//!
//! Microsoft's clients of Azure Storage measure the wall clock when they wait, so they are told never to repeat a request
//! ([`client_options`]); [`Sender`] does that.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{ClientOptions, HttpClient, HttpClientOptions, RetryOptions, Transport};
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::arm::{Cloud, Discreet, RetryPolicy, causes_in_words};
use crate::clock::Clock;

/// What a sum that does not match is called ("Blob Storage error codes"). What was sent was damaged on its way.
const MISMATCH: &[&str] = &["Crc64Mismatch", "Md5Mismatch"];

/// What storage hosts of a cloud end with, such as `core.windows.net` (Microsoft's pages "Azure Government developer
/// guide", "China developer guide").
pub fn suffix(cloud: &Cloud) -> &'static str {
    match cloud.name {
        "AzureUSGovernment" => "core.usgovcloudapi.net",
        "AzureChinaCloud" => "core.chinacloudapi.cn",
        _ => "core.windows.net",
    }
}

/// Options for a client that sends each request once, over this transport (`None` is HTTPS), and whose errors quote no
/// address: it may be a signed one.
pub fn client_options(transport: Option<Arc<dyn HttpClient>>) -> ClientOptions {
    let plain =
        || azure_core::http::new_http_client(Some(HttpClientOptions { automatic_decompression: false }));
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(Discreet(transport.unwrap_or_else(plain))))),
        ..ClientOptions::default()
    }
}

/// Why a request to storage failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// That is nowhere in the cloud's storage.
    #[error("`{text}` is no address of a storage account")]
    Address {
        /// What it would be.
        text: String,
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
    /// Storage did not answer in time, or the answer was lost. It may have been done.
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
    /// Storage got other bytes than were sent, each time.
    #[error("cannot {what}: it arrives damaged")]
    Damaged {
        /// What was to be done.
        what: &'static str,
    },
    /// The time in which it was allowed had passed before it could be sent again.
    #[error("did not {what}: it was no longer allowed")]
    TooLate {
        /// What was to be done.
        what: &'static str,
    },
}

impl StorageError {
    /// Azure's code, when storage said no.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether Azure's code is one of these.
    pub fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }

    /// Whether a data role is missing, or was given so recently that it is not known everywhere yet; or, to a signed
    /// address, whether it is over or does not go as far.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
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
            Self::Address { .. } | Self::NoToken { .. } | Self::TooLate { .. } => false,
        }
    }
}

/// The first line of the message in an XML error.
fn message_of(body: &str) -> Option<&str> {
    let start = body.find("<Message>")? + "<Message>".len();
    let end = body[start..].find("</Message>")?;
    body[start..start + end].lines().next()
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<T> {
    /// What was answered.
    pub value: T,
    /// When the request that was answered was sent.
    pub sent: Timestamp,
}

/// A failure, after all tries.
#[derive(Debug)]
pub struct Failure {
    /// What the last try said.
    pub error: StorageError,
    /// Some try was sent and not answered with a clear no: it may have been carried out, or may be yet.
    pub maybe_done: bool,
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Sends requests, again if need be.
pub struct Sender {
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    jitter: Mutex<ChaCha8Rng>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender with this patience; `seed` is that of the jitter.
    pub fn new(clock: Arc<dyn Clock>, retry: RetryPolicy, seed: u64) -> Self {
        Self { clock, retry, jitter: Mutex::new(ChaCha8Rng::seed_from_u64(seed)) }
    }

    /// The time by which it waits.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Sends until there is an answer worth giving. `what` completes "cannot …".
    pub async fn send<T, F>(
        &self,
        what: &'static str,
        call: impl FnMut() -> F + Send,
    ) -> Result<Answer<T>, Failure>
    where
        T: Send,
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        self.send_while(what, |_| true, call).await
    }

    /// The same, but nothing is sent at a time that is not allowed.
    pub async fn send_while<T, F>(
        &self,
        what: &'static str,
        allowed: impl Fn(Timestamp) -> bool + Send,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<Answer<T>, Failure>
    where
        T: Send,
        F: Future<Output = azure_core::Result<T>> + Send,
    {
        let mut maybe_done = false;
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        let mut resent_after_401 = false;
        loop {
            let sent = self.clock.now();
            if !allowed(sent) {
                return Err(Failure { error: StorageError::TooLate { what }, maybe_done });
            }
            tries += 1;
            let outcome = tokio::select! {
                biased;
                outcome = call() => outcome,
                () = self.clock.sleep(self.retry.try_timeout) => {
                    Err(azure_core::Error::with_message(ErrorKind::Io, "no answer in time"))
                }
            };
            let error = match outcome {
                Ok(value) => return Ok(Answer { value, sent }),
                Err(error) => error,
            };
            let asked = retry_after(&error);
            let unsent = matches!(error.kind(), ErrorKind::Connection | ErrorKind::Credential);
            let error = StorageError::from_azure(what, &error);
            tracing::debug!(what, tries, %error, "storage did not do it");
            maybe_done |= match &error {
                StorageError::Refused { status, .. } => *status >= 500,
                StorageError::NoAnswer { .. } | StorageError::Garbled { .. } => !unsent,
                _ => false,
            };
            // The token may have been withdrawn before its time: the next try fetches a fresh one.
            let withdrawn = matches!(error, StorageError::Refused { status: 401, .. }) && !resent_after_401;
            resent_after_401 |= withdrawn;
            let jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random();
            let delay = self.retry.delay(tries, asked, jitter);
            let passes = withdrawn || error.may_pass();
            if !passes || tries >= self.retry.max_tries || waited + delay > self.retry.budget {
                return Err(Failure { error, maybe_done });
            }
            waited += delay;
            self.clock.sleep(delay).await;
        }
    }
}

/// `Retry-After` in seconds, if the answer has it.
fn retry_after(error: &azure_core::Error) -> Option<Duration> {
    let ErrorKind::HttpResponse { raw_response: Some(raw), .. } = error.kind() else { return None };
    let text = raw.headers().get_optional_str(&HeaderName::from_static("retry-after"))?;
    text.trim().parse().ok().map(Duration::from_secs)
}
