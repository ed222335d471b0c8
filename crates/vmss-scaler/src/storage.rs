//! What the two storage clients share: where they go, and the one retry that waits on [`Clock`].
//!
//! The clients of `azure_storage_blob` and `azure_storage_queue` measure the wall clock when they wait, so they are
//! told never to repeat a request; that is done here.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{ClientOptions, HttpClient, RetryOptions, Transport, Url};
use flamenco_azure_core::arm::{Cloud, RetryPolicy};
use flamenco_azure_core::clock::Clock;
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How to reach an account's blobs and queues.
#[derive(Clone)]
pub struct StorageOptions {
    /// The account's name.
    pub account: String,
    /// What its hosts end with, such as `core.windows.net`.
    pub suffix: &'static str,
    /// Where tokens come from.
    pub credential: Arc<dyn TokenCredential>,
    /// The wire; `None` is HTTPS. URLs arrive here unchanged.
    pub transport: Option<Arc<dyn HttpClient>>,
    /// Time for waits, timeouts and the lease.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter.
    pub seed: u64,
    /// How patient to be with one request.
    pub retry: RetryPolicy,
}

impl StorageOptions {
    /// The usual patience, which is short: a lease runs out after a minute.
    pub fn new(
        account: &str,
        cloud: &Cloud,
        credential: Arc<dyn TokenCredential>,
        transport: Option<Arc<dyn HttpClient>>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let retry = RetryPolicy {
            max_tries: 5,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(8),
            budget: Duration::from_secs(20),
            try_timeout: Duration::from_secs(10),
            ..RetryPolicy::default()
        };
        let account = account.to_owned();
        Self { account, suffix: suffix(cloud), credential, transport, clock, seed, retry }
    }

    pub(crate) fn url(&self, service: &str, path: &[&str]) -> Result<Url, StorageError> {
        let text = format!("https://{}.{service}.{}", self.account, self.suffix);
        let bad = || StorageError::Name { text: text.clone() };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if self.account.is_empty() || !self.account.chars().all(legal) {
            return Err(bad());
        }
        let mut url = Url::parse(&text).map_err(|_| bad())?;
        url.path_segments_mut().map_err(|()| bad())?.clear().extend(path);
        Ok(url)
    }

    pub(crate) fn client(&self) -> ClientOptions {
        ClientOptions {
            retry: RetryOptions::none(), // ours runs on `Clock`
            transport: self.transport.clone().map(Transport::new),
            ..ClientOptions::default()
        }
    }
}

// Credentials and transports print what they like: they are left out.
impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StorageOptions");
        shown.field("account", &self.account).field("suffix", &self.suffix).finish_non_exhaustive()
    }
}

/// What storage hosts end with (Microsoft's page "Azure Government developer guide", "China developer guide").
fn suffix(cloud: &Cloud) -> &'static str {
    match cloud.name {
        "AzureUSGovernment" => "core.usgovcloudapi.net",
        "AzureChinaCloud" => "core.chinacloudapi.cn",
        _ => "core.windows.net",
    }
}

/// Why a request to storage failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The account's name makes no address.
    #[error("`{text}` is no address of a storage account")]
    Name {
        /// What it would be.
        text: String,
    },
    /// There is no token to send.
    #[error("cannot {what}: no token could be had")]
    NoToken {
        /// What was to be done.
        what: &'static str,
        /// Why.
        #[source]
        source: azure_core::Error,
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
    #[error("cannot {what}: storage did not answer")]
    NoAnswer {
        /// What was to be done.
        what: &'static str,
        /// Why, if it was not just time.
        #[source]
        source: Option<azure_core::Error>,
    },
    /// The answer makes no sense.
    #[error("cannot {what}: storage's answer is garbled")]
    Garbled {
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

    /// Whether a data role is missing, or was given so recently that it is not known everywhere yet.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }

    pub(crate) fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }

    fn from_azure(what: &'static str, error: azure_core::Error) -> Self {
        match error.kind() {
            ErrorKind::HttpResponse { status, error_code, raw_response } => {
                let body = raw_response.as_ref().map(|raw| String::from_utf8_lossy(raw.body()).into_owned());
                let message = body.as_deref().and_then(message_of).unwrap_or("no message").to_owned();
                let code = error_code.clone().unwrap_or_else(|| status.to_string());
                Self::Refused { what, status: u16::from(*status), code, message }
            }
            ErrorKind::Credential => Self::NoToken { what, source: error },
            ErrorKind::DataConversion => Self::Garbled { what },
            _ => Self::NoAnswer { what, source: Some(error) },
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
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    /// When the request that was answered was sent.
    pub(crate) sent: Timestamp,
}

/// A failure, after all tries.
pub(crate) struct Failure {
    pub(crate) error: StorageError,
    /// Some try was sent and not answered with a clear no: it may have been carried out, or may be yet.
    pub(crate) maybe_done: bool,
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Sends requests, again if need be.
pub(crate) struct Sender {
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
    pub(crate) fn new(options: &StorageOptions) -> Self {
        let jitter = Mutex::new(ChaCha8Rng::seed_from_u64(options.seed));
        Self { clock: Arc::clone(&options.clock), retry: options.retry.clone(), jitter }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Sends until there is an answer worth giving.
    pub(crate) async fn send<T, F>(
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
    pub(crate) async fn send_while<T, F>(
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
                    maybe_done = true;
                    Err(azure_core::Error::with_message(ErrorKind::Io, "no answer in time"))
                }
            };
            let error = match outcome {
                Ok(value) => return Ok(Answer { value, sent }),
                Err(error) => error,
            };
            let asked = retry_after(&error);
            let unsent = matches!(error.kind(), ErrorKind::Connection | ErrorKind::Credential);
            let error = StorageError::from_azure(what, error);
            tracing::debug!(what, tries, %error, "storage did not do it");
            let passes = match &error {
                // The token may have been withdrawn before its time: the next try fetches a fresh one.
                StorageError::Refused { status: 401, .. } if !resent_after_401 => {
                    resent_after_401 = true;
                    true
                }
                StorageError::Refused { status, .. } => {
                    maybe_done |= *status >= 500;
                    matches!(status, 408 | 429 | 500 | 502..=504)
                }
                StorageError::NoAnswer { .. } | StorageError::Garbled { .. } => {
                    maybe_done |= !unsent;
                    true
                }
                _ => false,
            };
            let jitter = self.jitter.lock().unwrap_or_else(PoisonError::into_inner).random();
            let delay = self.retry.delay(tries, asked, jitter);
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
