//! The wire of one scaler's process: it can be cut, slowed, paused and listened to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use azure_sim::{Action, Fault, Match, OperationFault, Spoil, World};
use flamenco_azure_core::clock::{Clock as _, TokioClock};
use jiff::Timestamp;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::yard::Yard;

/// Where in a call a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The request has not reached Azure.
    Before,
    /// The change is made, its answer never arrives.
    After,
}

/// What a call was, for those who listen.
#[derive(Debug, Clone)]
pub struct Call {
    /// The process.
    pub process: String,
    /// Upper-case method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The body.
    pub body: String,
    /// Whether it carried `If-Match` or `If-None-Match`.
    pub conditional: bool,
    /// The header `x-ms-lease-action`.
    pub lease: Option<String>,
    /// When the process sent it.
    pub sent: Timestamp,
    /// When it reached Azure: later, if the process was paused in between.
    pub arrived: Timestamp,
}

impl Call {
    /// Whether it asks ARM to change something.
    pub fn writes(&self) -> bool {
        self.is_arm() && !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Whether it goes to ARM.
    pub fn is_arm(&self) -> bool {
        self.url.starts_with("https://management.azure.com/")
    }
}

/// Somebody who listens to all processes.
pub trait Listener: Send {
    /// A request is about to be taken by Azure.
    fn before(&mut self, world: &World, call: &Call);
    /// It was answered with this status; 0 is a broken connection.
    fn after(&mut self, world: &World, call: &Call, status: u16);
}

/// What goes wrong on the wire, in so many calls of 1,000.
#[derive(Debug)]
pub struct Weather {
    /// How often.
    pub per_mille: u32,
    /// Whether operations may fail too.
    pub operations: bool,
    /// What cannot be read (a part of its URL), until when.
    pub outages: Vec<(String, Timestamp)>,
    /// What, and when.
    pub rng: ChaCha8Rng,
}

impl Weather {
    fn strike(&mut self, call: &Call) -> Option<Action> {
        let out =
            |(part, until): &(String, Timestamp)| *until > call.arrived && call.url.contains(part.as_str());
        if self.outages.iter().any(out) {
            return Some(Action::error(503, "ServiceUnavailable", "The service is unavailable."));
        }
        if self.rng.random_range(0..1000) >= self.per_mille {
            return None;
        }
        let codes = [
            (
                "AllocationFailed",
                "Allocation failed. We do not have sufficient capacity for the requested VM size.",
            ),
            (
                "OverconstrainedZonalAllocationRequest",
                "Allocation failed. Constraints applied are: - Availability Zone",
            ),
            ("InternalExecutionError", "An internal execution error occurred. Please retry later."),
            (
                "OperationNotAllowed",
                "Operation could not be completed as it results in exceeding approved LowPriorityCores quota.",
            ),
        ];
        let (code, words) = codes[self.rng.random_range(0..codes.len())];
        let operation = self.operations && call.writes();
        Some(match self.rng.random_range(0..12) {
            0 | 1 => Action::LoseResponse,
            2 => Action::Reset,
            3 => Action::error(503, "ServiceUnavailable", "The service is unavailable."),
            4 => Action::error(500, "InternalServerError", "The server encountered an internal error."),
            5 => Action::throttled(self.rng.random_range(1..90)),
            6 => Action::ExpiredToken,
            7 if !call.writes() => Action::Spoil(Spoil::Truncated),
            8 if !call.writes() => Action::Page(502),
            7 | 8 => Action::Slow(self.rng.random_range(1_000..30_000)),
            9 if operation => Action::Operation(OperationFault::Takes(self.rng.random_range(30..900))),
            10 if operation => Action::operation_fails(code, words),
            11 if operation => Action::error(409, code, words),
            _ => Action::Slow(self.rng.random_range(100..12_000)),
        })
    }
}

#[derive(Debug, Default)]
struct Life {
    calls: u64,
    cut: Option<(u64, Cut)>,
    paused_until: Option<Timestamp>,
    hangs: bool,
}

/// The process as the driver sees it.
#[derive(Debug, Clone, Default)]
pub struct Handle(Arc<Mutex<Life>>);

impl Handle {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process hangs at its so-many-th call from now, and is to be dropped then.
    pub fn cut_in(&self, calls: u64, cut: Cut) {
        let mut life = self.life();
        life.cut = Some((life.calls + calls.max(1), cut));
    }

    /// Everything in the process stands still until then.
    pub fn pause(&self, until: Timestamp) {
        self.life().paused_until = Some(until);
    }

    /// Whether it hangs where it was to be cut.
    pub fn hangs(&self) -> bool {
        self.life().hangs
    }
}

/// The transport of one process.
pub struct Tap<L> {
    inner: Arc<dyn HttpClient>,
    world: Arc<Mutex<World>>,
    clock: TokioClock,
    process: String,
    handle: Handle,
    listener: Arc<Mutex<L>>,
    weather: Arc<Mutex<Weather>>,
}

impl<L> std::fmt::Debug for Tap<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap").field("process", &self.process).finish_non_exhaustive()
    }
}

impl<L: Listener + 'static> Tap<L> {
    /// A yard as a process of this name sees it, and the handle on the process.
    pub fn on(
        yard: &Yard,
        process: &str,
        listener: &Arc<Mutex<L>>,
        weather: &Arc<Mutex<Weather>>,
    ) -> (Yard, Handle) {
        let handle = Handle::default();
        let tap = Self {
            inner: yard.arm.transport.clone().unwrap(),
            world: Arc::clone(&yard.world),
            clock: yard.clock,
            process: process.to_owned(),
            handle: handle.clone(),
            listener: Arc::clone(listener),
            weather: Arc::clone(weather),
        };
        let mut own = yard.clone();
        own.arm.transport = Some(Arc::new(tap));
        (own, handle)
    }

    async fn die(&self, call: u64, cut: Cut) {
        if self.handle.life().cut == Some((call, cut)) {
            self.handle.life().hangs = true;
            std::future::pending::<()>().await;
        }
    }

    async fn stand_still(&self) {
        loop {
            let until = self.handle.life().paused_until;
            match until.map(|until| until.duration_since(self.clock.now())) {
                Some(left) if left.is_positive() => self.clock.sleep(left.unsigned_abs()).await,
                _ => return,
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(self.clock.now());
        world
    }
}

fn text(request: &Request, name: &'static str) -> Option<String> {
    request.headers().get_optional_string(&azure_core::http::headers::HeaderName::from_static(name))
}

#[async_trait]
impl<L: Listener + 'static> HttpClient for Tap<L> {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let sent = self.clock.now();
        let number = {
            let mut life = self.handle.life();
            life.calls += 1;
            life.calls
        };
        self.die(number, Cut::Before).await;
        self.stand_still().await;
        let body = match request.body() {
            azure_core::http::Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            azure_core::http::Body::SeekableStream(_) => String::new(),
        };
        let call = Call {
            process: self.process.clone(),
            method: request.method().to_string(),
            url: request.url().to_string(),
            body,
            conditional: text(request, "if-match").or(text(request, "if-none-match")).is_some(),
            lease: text(request, "x-ms-lease-action"),
            sent,
            arrived: self.clock.now(),
        };
        {
            let mut world = self.world();
            self.listener.lock().unwrap_or_else(PoisonError::into_inner).before(&world, &call);
            let fault = self.weather.lock().unwrap_or_else(PoisonError::into_inner).strike(&call);
            if let Some(action) = fault {
                // The call that comes now, for nothing else runs until the world has taken it.
                let next = world.calls() + 1;
                world.inject(Fault::once(Match::call(next), action));
            }
        }
        let answer = self.inner.execute_request(request).await;
        self.die(number, Cut::After).await;
        self.stand_still().await;
        let status = answer.as_ref().map_or(0, |answer| u16::from(answer.status()));
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).after(&self.world(), &call, status);
        answer
    }
}

/// A wire on which nothing goes wrong.
pub fn fair(rng: ChaCha8Rng) -> Arc<Mutex<Weather>> {
    Arc::new(Mutex::new(Weather { per_mille: 0, operations: false, outages: Vec::new(), rng }))
}

/// How long a request may be on its way before it counts as one of a paused process: Azure's client gives up earlier.
pub const LATE: Duration = Duration::from_secs(20);
