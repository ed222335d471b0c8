//! The client: reads, lists, changes, and follows long-running operations to their end.
//!
//! ```
//! # async fn example(client: flamenco_azure_core::arm::ArmClient) -> Result<(), flamenco_azure_core::arm::ArmError> {
//! use flamenco_azure_core::arm::Request;
//! let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/farm";
//! let read = Request::get(group).api_version("2021-04-01");
//! if let Some(body) = client.get(&read).await? {
//!     assert!(body["name"].is_string());
//! }
//! client.run(&Request::delete(group).api_version("2021-04-01")).await?; // ends when the deletion has
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::HttpClient;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use url::Url;

use super::classify::Kind;
use super::cloud::Cloud;
use super::error::ArmError;
use super::lro::{Next, Operation};
use super::page::{self, MAX_PAGES};
use super::request::{Method, Request};
use super::response::Response;
use super::retry::RetryPolicy;
use super::shape;
use super::wire::Wire;
use crate::clock::Clock;

/// What a client is made of.
#[derive(Clone)]
pub struct ArmOptions {
    /// The cloud: endpoints, audiences, allowed hosts.
    pub cloud: Cloud,
    /// Where tokens come from.
    pub credential: Arc<dyn TokenCredential>,
    /// The wire; `None` is HTTPS. URLs arrive here unchanged.
    pub transport: Option<Arc<dyn HttpClient>>,
    /// Time for waits, timeouts and deadlines.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter.
    pub seed: u64,
    /// How patient to be.
    pub retry: RetryPolicy,
}

/// Sends requests to Azure. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ArmClient {
    inner: Arc<Inner>,
    patience: Duration,
}

struct Inner {
    options: ArmOptions,
    wire: Wire,
    jitter: Mutex<ChaCha8Rng>,
}

// Credentials and transports print what they like: they are left out.
impl fmt::Debug for ArmOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ArmOptions");
        shown
            .field("cloud", &self.cloud.name)
            .field("seed", &self.seed)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

fn well_formed(request: &Request, body: &Value) -> Result<(), ArmError> {
    match shape::odd(body) {
        None => Ok(()),
        Some(what) => Err(ArmError::unreadable(request, &what)),
    }
}

/// A handle that is taken up after its deadline still gets this long to be looked at.
const LAST_LOOK: Duration = Duration::from_secs(30);

impl ArmClient {
    /// A client.
    pub fn new(options: ArmOptions) -> Self {
        let wire = Wire::new(&options.cloud, &options.credential, options.transport.as_ref());
        let jitter = Mutex::new(ChaCha8Rng::seed_from_u64(options.seed));
        let patience = options.retry.patience;
        Self { inner: Arc::new(Inner { options, wire, jitter }), patience }
    }

    /// The same client with another [`RetryPolicy::patience`]: for questions whose answer is not worth a long wait.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), patience }
    }

    /// What the client is made of: for clients of other services on the same wire.
    pub fn options(&self) -> &ArmOptions {
        &self.inner.options
    }

    /// The clock that the client waits on.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.options.clock
    }

    /// The cloud that the client talks to.
    pub fn cloud(&self) -> &Cloud {
        &self.inner.options.cloud
    }

    pub(super) fn retry(&self) -> &RetryPolicy {
        &self.inner.options.retry
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.inner.wire
    }

    pub(super) fn jitter(&self) -> f64 {
        self.inner.jitter.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    /// Sends a request, with retries. The answer is a success (2xx).
    pub async fn send(&self, request: &Request) -> Result<Response, ArmError> {
        let url = self.url(request)?;
        self.send_to(request, &url).await
    }

    async fn send_to(&self, request: &Request, url: &Url) -> Result<Response, ArmError> {
        // On the heap: it is in the future of whoever sends anything.
        let response = Box::pin(self.exchange(request, url)).await?;
        if response.is_success() {
            return Ok(response);
        }
        let error = ArmError::from_response(request.method, url, &response, self.clock().now());
        // Reads leave the subscription as it is; the first write registers what it needs.
        if request.method.is_read() || !matches!(error.kind(), Kind::NotRegistered { .. }) {
            return Err(error);
        }
        Box::pin(self.register_provider(&error)).await?;
        let response = Box::pin(self.exchange(request, url)).await?;
        if response.is_success() {
            return Ok(response);
        }
        Err(ArmError::from_response(request.method, url, &response, self.clock().now()))
    }

    /// Reads a resource; `None` when it does not exist. What has not the shape of a resource is an error.
    pub async fn get(&self, request: &Request) -> Result<Option<Value>, ArmError> {
        match self.send(request).await {
            Ok(response) => {
                let body = response.body.unwrap_or(Value::Null);
                well_formed(request, &body)?;
                Ok(Some(body))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// [`list`](Self::list) of what may be gone by now, such as a part of a resource that was listed a moment ago: nothing
    /// then.
    pub async fn list_if_there(&self, request: &Request) -> Result<Vec<Value>, ArmError> {
        match self.list(request).await {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            other => other,
        }
    }

    /// Reads a list, all pages. An item that has not the shape of its kind is an error.
    pub async fn list(&self, request: &Request) -> Result<Vec<Value>, ArmError> {
        let first = self.url(request)?;
        let mut items = Vec::new();
        let mut url = first.clone();
        for _ in 0..MAX_PAGES {
            let response = self.send_to(request, &url).await?;
            let page = response.body.as_ref().and_then(page::page).ok_or_else(|| {
                ArmError::ours(request.method, url.as_str(), Kind::Unreadable, "azure's answer is not a list")
            })?;
            for item in &page.items {
                well_formed(request, item)?;
            }
            items.extend(page.items);
            let Some(next) = page.next else { return Ok(items) };
            url = url.join(&next).map_err(|_| {
                ArmError::ours(
                    request.method,
                    first.as_str(),
                    Kind::Unreadable,
                    "azure's link to the next page is no link",
                )
            })?;
            self.refuse_foreign(request, &url)?;
        }
        let endless = format!("the list did not end after {MAX_PAGES} pages");
        Err(ArmError::ours(request.method, first.as_str(), Kind::Unreadable, endless))
    }

    /// Sends a request that may start a long-running operation. Waits out a busy resource and an identity that the
    /// directory does not know yet, up to [`RetryPolicy::patience`], and what still uses a resource that is to go, up to
    /// [`RetryPolicy::release`]. Deleting what is not there has ended well.
    pub async fn begin(&self, request: &Request) -> Result<Operation, ArmError> {
        let url = self.url(request)?;
        let began = self.clock().now();
        loop {
            let error = match self.send_to(request, &url).await {
                Ok(response) => {
                    let operation = Operation::start(request, &url, &response, self.clock().now())?;
                    return Ok(operation.with_deadline(self.retry().operation));
                }
                Err(error) => error,
            };
            if request.method == Method::Delete && error.is_not_found() {
                return Ok(Operation::settled(request, &url, self.clock().now()));
            }
            let patience = match error.kind() {
                Kind::Busy | Kind::PrincipalNotFound => self.patience,
                Kind::InUse if request.method == Method::Delete => self.patience.min(self.retry().release),
                _ => return Err(error),
            };
            let delay = error.retry_after().unwrap_or(self.retry().patience_delay);
            let waited = self.clock().now().duration_since(began).unsigned_abs();
            if waited + delay > patience {
                return Err(error);
            }
            self.clock().sleep(delay + Duration::from_secs_f64(self.jitter())).await;
        }
    }

    /// Polls an operation to its end. `progress` is called after each poll. After an error that is not the
    /// operation's own, the operation can be waited for again.
    pub async fn wait(
        &self,
        operation: &mut Operation,
        progress: &mut (dyn FnMut(&Operation) + Send),
    ) -> Result<Option<Value>, ArmError> {
        operation.leave(LAST_LOOK, self.clock().now());
        loop {
            let (url, at) = match operation.next(self.clock().now()) {
                Next::Done(value) => return Ok(value),
                Next::Failed(error) => return Err(*error),
                Next::DeadlinePassed => {
                    let message =
                        format!("azure has not finished in time (last state: {})", operation.state());
                    let url = operation.url().as_str();
                    return Err(ArmError::ours(operation.method(), url, Kind::DeadlinePassed, message));
                }
                Next::Poll { url, at } | Next::Final { url, at } => (url, at.min(operation.deadline())),
            };
            let now = self.clock().now();
            if let Ok(pause) = Duration::try_from(at.duration_since(now)) {
                self.clock().sleep(pause).await;
            }
            if self.clock().now() >= operation.deadline() {
                continue;
            }
            self.look(operation, &url).await?;
            progress(operation);
        }
    }

    /// Polls an operation once, if a poll is due; does not wait. True when it has ended, and then [`Self::wait`] tells at
    /// once how.
    pub async fn poll(&self, operation: &mut Operation) -> Result<bool, ArmError> {
        let now = self.clock().now();
        match operation.next(now) {
            Next::Poll { url, at } | Next::Final { url, at } => {
                if at <= now {
                    self.look(operation, &url).await?;
                }
            }
            Next::Done(_) | Next::Failed(_) | Next::DeadlinePassed => return Ok(true),
        }
        Ok(!matches!(operation.next(now), Next::Poll { .. } | Next::Final { .. }))
    }

    async fn look(&self, operation: &mut Operation, url: &Url) -> Result<(), ArmError> {
        let mut poll = Request::get(url.as_str());
        poll.plane = operation.plane().clone();
        self.refuse_foreign(&poll, url)?;
        let response = Box::pin(self.exchange(&poll, url)).await?;
        let now = self.clock().now();
        if matches!(response.status, 401 | 408 | 429 | 500 | 502..=504) {
            return Err(ArmError::from_response(Method::Get, url, &response, now)); // says nothing about the operation
        }
        operation.observe(&response, now);
        Ok(())
    }

    /// [`Self::begin`] and [`Self::wait`].
    pub async fn run(&self, request: &Request) -> Result<Option<Value>, ArmError> {
        let mut operation = self.begin(request).await?;
        self.wait(&mut operation, &mut |_| {}).await
    }

    /// The request's URL, which is one of the cloud's own.
    fn url(&self, request: &Request) -> Result<Url, ArmError> {
        let url = request.url(self.cloud()).ok_or_else(|| {
            ArmError::ours(
                request.method,
                &request.path,
                Kind::InvalidRequest,
                "this path does not make a URL",
            )
        })?;
        self.refuse_foreign(request, &url)?;
        Ok(url)
    }

    fn refuse_foreign(&self, request: &Request, url: &Url) -> Result<(), ArmError> {
        if self.cloud().owns(&request.plane, url) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or("nowhere");
        let message =
            format!("the link leads to {host}, which is no address of {}: not followed", self.cloud().name);
        Err(ArmError::ours(request.method, url.as_str(), Kind::ForeignLink, message))
    }
}
