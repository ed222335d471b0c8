//! Where the clients of blobs and queues go, and how patient they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, HttpClient, Url};
use flamenco_azure_core::arm::{Cloud, RetryPolicy};
use flamenco_azure_core::clock::Clock;
use flamenco_azure_core::storage;
pub use flamenco_azure_core::storage::StorageError;
pub(crate) use flamenco_azure_core::storage::{Failure, Sender};

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
        Self { account, suffix: storage::suffix(cloud), credential, transport, clock, seed, retry }
    }

    pub(crate) fn url(&self, service: &str, path: &[&str]) -> Result<Url, StorageError> {
        let text = format!("https://{}.{service}.{}", self.account, self.suffix);
        let bad = || StorageError::Address { text: text.clone() };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if self.account.is_empty() || !self.account.chars().all(legal) {
            return Err(bad());
        }
        let mut url = Url::parse(&text).map_err(|_| bad())?;
        url.path_segments_mut().map_err(|()| bad())?.clear().extend(path);
        Ok(url)
    }

    pub(crate) fn client(&self) -> ClientOptions {
        storage::client_options(self.transport.clone())
    }

    pub(crate) fn sender(&self) -> Sender {
        Sender::new(Arc::clone(&self.clock), self.retry.clone(), self.seed)
    }
}

// Credentials and transports print what they like: they are left out.
impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StorageOptions");
        shown.field("account", &self.account).field("suffix", &self.suffix).finish_non_exhaustive()
    }
}
