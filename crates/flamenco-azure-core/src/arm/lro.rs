//! Long-running operations as a pure state machine.
//!
//! Feed it answers, it says what to do next; it neither sends nor waits nor reads a clock. It serialises, so that an
//! interrupted run takes it up again. Protocol: Microsoft's page "Track asynchronous Azure operations" and the ARM RPC
//! addendum on async operations, as seen in recorded traffic:
//!
//! * `Azure-AsyncOperation` is preferred (compute, network), then `Location` (resource groups, storage, Batch), then
//!   `properties.provisioningState` of the resource itself.
//! * A status document with HTTP 200 may say `Failed`; a `Location` may answer 409 when the operation failed
//!   (Batch account quota).
//! * Unknown states are states in progress: services keep inventing them.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::classify::Kind;
use super::error::{ArmError, Fault};
use super::redact;
use super::request::{Method, Plane, Request};
use super::response::Response;
use super::shape;

/// Wait between polls when Azure names none.
pub const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Overall deadline when the caller sets none.
pub const DEADLINE: Duration = Duration::from_hours(2);
/// How often in a row a poll may answer 404 for something that is being made: Azure's reads lag behind its writes.
const MAX_MISSES: u32 = 3;

/// A long-running operation: a resumable handle. Its URLs may carry signatures: store it in private files only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    method: Method,
    plane: Plane,
    url: Url,
    watch: Watch,
    /// Where a POST's result will be, beside the status document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Url>,
    state: State,
    status: String,
    started: Timestamp,
    deadline: Timestamp,
    due: Timestamp,
    polls: u32,
    misses: u32,
}

/// What is polled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Watch {
    /// A status document.
    AsyncOperation(Url),
    /// A link that answers 202 until it is done.
    Location(Url),
    /// The resource itself.
    Resource,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    Running,
    /// Succeeded; the result is still to be read.
    Fetching(Url),
    Done(Option<Value>),
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Failure {
    fault: Fault,
    status: u16,
    request_id: Option<String>,
}

/// What to do next with an operation.
#[derive(Debug, Clone)]
pub enum Next {
    /// GET `url`, not before `at`, and hand the answer to [`Operation::observe`].
    Poll {
        /// The link to poll.
        url: Url,
        /// The earliest time.
        at: Timestamp,
    },
    /// It succeeded: GET `url` for the result, not before `at`, and hand the answer to [`Operation::observe`].
    Final {
        /// The resource or the result link.
        url: Url,
        /// The earliest time.
        at: Timestamp,
    },
    /// It succeeded. The resource after a PUT or PATCH, the action's output after a POST, nothing after a DELETE.
    Done(Option<Value>),
    /// It failed or was cancelled.
    Failed(Box<ArmError>),
    /// It did not end in time. It may still end: observe the resource.
    DeadlinePassed,
}

impl Operation {
    /// The operation that the answer to `request` (sent to `url`) starts. Synchronous answers are operations that are
    /// done at once. Errors: the answer is a failure, or its link is no URL.
    pub fn start(
        request: &Request,
        url: &Url,
        response: &Response,
        now: Timestamp,
    ) -> Result<Self, ArmError> {
        if !response.is_success() {
            return Err(ArmError::from_response(request.method, url, response, now));
        }
        let link =
            |name: &str| match response.headers.get(name).map(str::trim).filter(|link| !link.is_empty()) {
                None => Ok(None),
                Some(link) => url.join(link).map(Some).map_err(|_| {
                    ArmError::ours(
                        request.method,
                        url.as_str(),
                        Kind::Unreadable,
                        format!("azure's {name} header is no link"),
                    )
                }),
            };
        let asynchronous = link("azure-asyncoperation")?;
        let location = link("location")?;
        let state = provisioning_state(response.body.as_ref());
        let mut operation = Self {
            method: request.method,
            plane: request.plane.clone(),
            url: url.clone(),
            watch: Watch::Resource,
            result: None,
            state: State::Running,
            status: state.unwrap_or(if response.status == 202 { "Accepted" } else { "Succeeded" }).to_owned(),
            started: now,
            deadline: now + DEADLINE,
            due: now + response.retry_after(now).unwrap_or(POLL_INTERVAL),
            polls: 0,
            misses: 0,
        };
        // A Location on 201 is where the new resource lives (Batch data plane), not an operation, unless nothing else is there.
        let bare_creation = response.status == 201 && response.body.is_none() && request.plane == Plane::Arm;
        if let Some(url) = asynchronous {
            operation.watch = Watch::AsyncOperation(url);
            operation.result = location.filter(|_| request.method == Method::Post);
        } else if let Some(url) = location.filter(|_| response.status == 202 || bare_creation) {
            operation.watch = Watch::Location(url);
        } else if operation.understands(response) {
            operation.judge_resource(response);
        }
        Ok(operation)
    }

    /// With an overall deadline of `limit` from its start.
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        self.deadline = self.started + limit;
        self
    }

    /// An operation that has ended well, with nothing to show: the wanted state was there before.
    pub(crate) fn settled(request: &Request, url: &Url, now: Timestamp) -> Self {
        Self {
            method: request.method,
            plane: request.plane.clone(),
            url: url.clone(),
            watch: Watch::Resource,
            result: None,
            state: State::Done(None),
            status: "Succeeded".to_owned(),
            started: now,
            deadline: now + DEADLINE,
            due: now,
            polls: 0,
            misses: 0,
        }
    }

    /// Moves the deadline so that at least `least` is left at `now`: a handle taken up again gets a last look.
    pub fn leave(&mut self, least: Duration, now: Timestamp) {
        self.deadline = self.deadline.max(now + least);
    }

    /// What to do next, at `now`.
    pub fn next(&self, now: Timestamp) -> Next {
        match &self.state {
            State::Done(value) => Next::Done(value.clone()),
            State::Failed(failure) => Next::Failed(Box::new(self.error(failure))),
            State::Running | State::Fetching(_) if now >= self.deadline => Next::DeadlinePassed,
            State::Fetching(url) => Next::Final { url: url.clone(), at: self.due },
            State::Running => {
                let url = match &self.watch {
                    Watch::AsyncOperation(url) | Watch::Location(url) => url,
                    Watch::Resource => &self.url,
                };
                Next::Poll { url: url.clone(), at: self.due }
            }
        }
    }

    /// Takes the answer to the GET that [`Self::next`] asked for.
    pub fn observe(&mut self, response: &Response, now: Timestamp) {
        if matches!(self.state, State::Done(_) | State::Failed(_)) {
            return;
        }
        self.polls += 1;
        self.due = now + response.retry_after(now).unwrap_or(POLL_INTERVAL);
        if matches!(response.status, 401 | 408 | 429 | 500 | 502..=504) {
            return; // says nothing about the operation
        }
        if self.tolerates_absence(response) {
            return;
        }
        if !self.understands(response) {
            return; // neither does this
        }
        if let State::Fetching(_) = self.state {
            return self.take_result(response);
        }
        match self.watch {
            Watch::AsyncOperation(_) => self.judge_status_document(response),
            Watch::Location(_) => self.judge_location(response),
            Watch::Resource => self.judge_resource(response),
        }
    }

    /// Whether an answer about the state is one: a state of another type than text must not count as none, which would
    /// mean that all is well. An action's result may be any JSON.
    fn understands(&self, response: &Response) -> bool {
        let result = self.method == Method::Post && matches!(self.state, State::Fetching(_));
        match &response.body {
            Some(body) if response.is_success() && !result => {
                shape::odd(body).is_none() && body.get("status").is_none_or(|s| s.is_string() || s.is_null())
            }
            _ => true,
        }
    }

    /// A 404: the end of a DELETE, a result that is gone, or a read that lags behind. Whether it is settled.
    fn tolerates_absence(&mut self, response: &Response) -> bool {
        if response.status != 404 {
            self.misses = 0;
            return false;
        }
        match (self.method, &self.state) {
            (Method::Delete, _) | (Method::Post, State::Fetching(_)) => {
                self.succeed("Succeeded", None);
                true
            }
            _ => {
                self.misses += 1;
                self.misses <= MAX_MISSES
            }
        }
    }

    fn take_result(&mut self, response: &Response) {
        match response.status {
            202 => {}
            200..=299 => self.succeed("Succeeded", response.body.clone()),
            _ => self.fail("Failed", response),
        }
    }

    fn judge_status_document(&mut self, response: &Response) {
        if !response.is_success() {
            return self.fail("Failed", response);
        }
        self.follow_moved_link(response);
        let body = response.body.as_ref();
        let status = body
            .and_then(|body| body.get("status"))
            .and_then(Value::as_str)
            .or_else(|| provisioning_state(body));
        match (status.map(Verdict::of), status) {
            (Some(Verdict::Succeeded), Some(status)) => {
                let status = status.to_owned();
                match self.method {
                    Method::Put | Method::Patch => self.fetch(&status, self.url.clone()),
                    Method::Post if self.result.is_some() => {
                        if let Some(url) = self.result.take() {
                            self.fetch(&status, url);
                        }
                    }
                    Method::Post => self.succeed(&status, body.and_then(|body| output(body)).cloned()),
                    _ => self.succeed(&status, None),
                }
            }
            (Some(Verdict::Failed), Some(status)) => self.fail(status, response),
            (Some(Verdict::Running), Some(status)) => status.clone_into(&mut self.status),
            // Without a status: 202 goes on, an error document has failed, anything else has ended well.
            _ if response.status == 202 => {}
            _ if body.is_some_and(|body| body.get("error").is_some_and(|error| !error.is_null())) => {
                self.fail("Failed", response);
            }
            _ if matches!(self.method, Method::Put | Method::Patch) => {
                self.fetch("Succeeded", self.url.clone());
            }
            _ => self.succeed("Succeeded", None),
        }
    }

    fn judge_location(&mut self, response: &Response) {
        if !response.is_success() {
            return self.fail("Failed", response);
        }
        self.follow_moved_link(response);
        let state = provisioning_state(response.body.as_ref());
        match state.map(Verdict::of) {
            _ if response.status == 202 => state.unwrap_or("InProgress").clone_into(&mut self.status),
            Some(Verdict::Running) if self.method != Method::Delete => {
                // The link already shows the resource, which is still at work.
                state.unwrap_or_default().clone_into(&mut self.status);
            }
            Some(Verdict::Failed) => self.fail(state.unwrap_or("Failed"), response),
            _ if response.body.is_none() && matches!(self.method, Method::Put | Method::Patch) => {
                self.fetch("Succeeded", self.url.clone());
            }
            _ => self.succeed("Succeeded", response.body.clone().filter(|_| self.method != Method::Delete)),
        }
    }

    /// The answer is (or should be) the resource itself: the first answer without links, or a GET of the resource.
    fn judge_resource(&mut self, response: &Response) {
        if !response.is_success() {
            return self.fail("Failed", response);
        }
        let state = provisioning_state(response.body.as_ref());
        match (self.method, state.map(Verdict::of)) {
            // Still there. On the first answer: 202 has begun a deletion, 200 and 204 are its end.
            (Method::Delete, _) if self.polls > 0 || response.status == 202 => {
                "Deleting".clone_into(&mut self.status);
            }
            (Method::Delete, _) => self.succeed("Succeeded", None),
            (Method::Put | Method::Patch, Some(Verdict::Running)) => {
                state.unwrap_or_default().clone_into(&mut self.status);
            }
            (Method::Put | Method::Patch, Some(Verdict::Failed)) => {
                self.fail(state.unwrap_or("Failed"), response);
            }
            (Method::Put | Method::Patch, None) if response.status == 202 => {}
            _ => self.succeed(state.unwrap_or("Succeeded"), response.body.clone()),
        }
    }

    /// Polls may name a new link, which replaces the old one.
    fn follow_moved_link(&mut self, response: &Response) {
        let (current, name) = match &mut self.watch {
            Watch::AsyncOperation(url) => (url, "azure-asyncoperation"),
            Watch::Location(url) => (url, "location"),
            Watch::Resource => return,
        };
        if let Some(moved) = response.headers.get(name).and_then(|link| current.join(link.trim()).ok()) {
            *current = moved;
        }
    }

    fn fetch(&mut self, status: &str, url: Url) {
        status.clone_into(&mut self.status);
        self.due = self.started; // at once
        self.state = State::Fetching(url);
    }

    fn succeed(&mut self, status: &str, value: Option<Value>) {
        status.clone_into(&mut self.status);
        self.state = State::Done(value);
    }

    fn fail(&mut self, status: &str, response: &Response) {
        status.clone_into(&mut self.status);
        let fault = failure(response, status);
        let request_id = response.request_id().map(str::to_owned);
        self.state = State::Failed(Failure { fault, status: response.status, request_id });
    }

    fn error(&self, failure: &Failure) -> ArmError {
        ArmError::from_fault(
            self.method,
            &self.url,
            failure.fault.clone(),
            failure.status,
            failure.request_id.clone(),
            None,
        )
    }

    /// The method that started it.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The endpoint it runs on.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// The URL that the request went to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Azure's word for where it is, such as `InProgress`, `Creating`, `Succeeded`.
    pub fn state(&self) -> &str {
        &self.status
    }

    /// When waiting for it ends.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// How many polls were observed.
    pub fn polls(&self) -> u32 {
        self.polls
    }

    /// When it was started.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Whether it ended, well or not.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_) | State::Failed(_))
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("method", &self.method)
            .field("url", &redact::url(&self.url))
            .field("status", &self.status)
            .field("polls", &self.polls)
            .field("started", &self.started)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// What a state's name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Running,
    Succeeded,
    Failed,
}

impl Verdict {
    fn of(status: &str) -> Self {
        match status.to_ascii_lowercase().as_str() {
            "succeeded" => Self::Succeeded,
            "failed" | "canceled" | "cancelled" => Self::Failed,
            _ => Self::Running,
        }
    }
}

fn provisioning_state(body: Option<&Value>) -> Option<&str> {
    body?.get("properties")?.get("provisioningState")?.as_str()
}

/// An action's output inside its status document.
fn output(document: &Value) -> Option<&Value> {
    let properties = document.get("properties")?;
    Some(properties.get("output").unwrap_or(properties))
}

/// The reason of a failed operation: its error, or the best that can be said.
fn failure(response: &Response, status: &str) -> Fault {
    if !response.is_success() {
        return Fault::of(response);
    }
    let body = response.body.as_ref();
    let inside = |name: &str| body?.get("properties")?.get(name);
    let found = [
        body.and_then(|body| body.get("error")),
        inside("error"),
        inside("statusMessage"),
        inside("provisioningError"),
    ];
    found.into_iter().flatten().find_map(Fault::from_body).unwrap_or_else(|| Fault {
        code: if status.to_ascii_lowercase().starts_with("cancel") {
            "OperationCanceled"
        } else {
            "OperationFailed"
        }
        .to_owned(),
        message: format!("the operation ended as {status} and azure gave no reason"),
        ..Fault::default()
    })
}
