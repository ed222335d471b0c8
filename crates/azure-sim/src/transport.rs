//! The simulator under any `azure_core` client in the same process: the https URLs stay as they are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use azure_core::time::{Duration, OffsetDateTime};
use futures::AsyncReadExt as _;
use jiff::Timestamp;

use crate::wire::SimRequest;
use crate::world::World;

/// Where in a call a hook is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request has not reached the service.
    Before,
    /// The change is applied, the answer not delivered yet.
    After,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFate {
    /// It goes on.
    Continue,
    /// The future never resolves: the test drops it, as a crash would.
    Hang,
}

/// Asked before and after every call, with its number from 1.
pub type CallHook = Arc<dyn Fn(u64, Phase) -> CallFate + Send + Sync>;

/// Virtual time, as the caller's clock tells it.
pub type NowFn = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An HTTP client whose other end is a [`World`].
#[derive(Clone)]
pub struct SimTransport {
    world: Arc<Mutex<World>>,
    now: NowFn,
    calls: Arc<AtomicU64>,
    on_call: Option<CallHook>,
    machine: Option<Arc<str>>,
}

impl fmt::Debug for SimTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimTransport").finish_non_exhaustive()
    }
}

impl SimTransport {
    /// A transport into a world whose clock follows `now`.
    pub fn new(world: Arc<Mutex<World>>, now: NowFn) -> Self {
        Self { world, now, calls: Arc::new(AtomicU64::new(0)), on_call: None, machine: None }
    }

    /// The same with a hook asked before and after every call.
    pub fn on_call(mut self, hook: CallHook) -> Self {
        self.on_call = Some(hook);
        self
    }

    /// The same from within a machine, named by its vmId or resource id: `http://169.254.169.254` is its metadata service.
    pub fn on_machine(mut self, machine: &str) -> Self {
        self.machine = Some(machine.into());
        self
    }

    /// Calls made through this transport and its clones.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// The world, locked.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A credential whose tokens this simulator takes. Token caches read the wall clock, so the tokens are
    /// good for years; an expired login is simulated by a fault.
    pub fn credential() -> Arc<dyn TokenCredential> {
        Arc::new(SimCredential { issued: AtomicU64::new(0) })
    }

    async fn obey(&self, call: u64, phase: Phase) {
        if let Some(hook) = &self.on_call
            && hook(call, phase) == CallFate::Hang
        {
            std::future::pending::<()>().await;
        }
    }
}

async fn wire_request(request: &Request) -> azure_core::Result<SimRequest> {
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().to_owned()))
        .collect();
    let body = match request.body() {
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::SeekableStream(stream) => {
            // From its beginning, whatever an earlier try has read of it.
            let mut stream = stream.clone();
            stream.reset().await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            bytes
        }
    };
    Ok(SimRequest { method: request.method().to_string(), url: request.url().clone(), headers, body })
}

#[async_trait]
impl HttpClient for SimTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.obey(call, Phase::Before).await;
        let wire = wire_request(request).await?;
        let response = {
            let mut world = self.world();
            world.advance_to((self.now)());
            match &self.machine {
                Some(machine) => world.handle_on(machine, &wire),
                None => world.handle(&wire),
            }
        };
        tokio::time::sleep(response.latency).await;
        self.obey(call, Phase::After).await;
        if response.lost {
            return Err(Error::with_message(ErrorKind::Io, "connection reset by peer"));
        }
        let mut headers = Headers::new();
        for (name, value) in response.headers {
            headers.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(response.status), headers, response.body))
    }
}

#[derive(Debug)]
struct SimCredential {
    issued: AtomicU64,
}

#[async_trait]
impl TokenCredential for SimCredential {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        // The year 2100: far beyond any wall clock that a test runs under.
        let expiry = OffsetDateTime::UNIX_EPOCH + Duration::days(47_482);
        Ok(AccessToken::new(format!("sim-token-{number}"), expiry))
    }
}
