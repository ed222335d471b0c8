//! Long-running operations in every style Azure was recorded to use.
//!
//! | style | accepted with | polled at |
//! |---|---|---|
//! | compute | `Azure-AsyncOperation`, for POST and DELETE also `Location` (same URL and `monitor=true`) | body with startTime, status, name |
//! | network | `Azure-AsyncOperation`, for DELETE also `Location` (`operationResults`) | body with status alone |
//! | resource group | `Location` | 202 until 200 with an empty body |
//! | storage, batch | 202 with an empty body and `Location` | 202 until 200 with the resource |

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::resource::ProvisioningState;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Where links point.
pub const ARM: &str = "https://management.azure.com";

/// The family of conventions an operation follows on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// Microsoft.Compute: signed opaque query, full status body.
    Compute,
    /// Microsoft.Network: status body with `status` alone.
    Network,
    /// Deletion of a resource group.
    Group,
    /// Microsoft.Storage: `Location` with `monitor=true`, Retry-After 17.
    Storage,
    /// Microsoft.Batch: `Location`, Retry-After 15.
    Batch,
}

/// How an operation ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// As asked.
    Succeeded,
    /// With an error; `status` is what a `Location` poll answers (`Azure-AsyncOperation` polls are 200 always).
    Failed {
        /// HTTP status of a `Location` poll.
        status: u16,
        /// Error code.
        code: String,
        /// Error message.
        message: String,
    },
}

/// What the `Location` URL answers at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum End {
    /// 200 with an empty body.
    Empty,
    /// 204.
    NoContent,
    /// 200 with the body of a resource, read at that moment.
    Resource(String),
    /// 200 with this JSON.
    Json(Value),
}

/// A change that happens when its time has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// The resource is ready (or Failed, when its operation failed).
    Settle(String),
    /// The resource and its children are gone.
    Remove(String),
    /// The group with all in it is gone.
    RemoveGroup(String),
    /// The resource stays, in state Failed.
    Fail(String),
    /// The group stays, no longer Deleting.
    FailGroup(String),
    /// The provider namespace is registered.
    Register(String),
    /// Handed to `providers::on_effect` of the namespace.
    Provider {
        /// Provider namespace, lower case.
        namespace: String,
        /// What the provider stored for itself.
        data: Value,
    },
}

/// A running or finished operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Opaque id, the last segment of its URL unless a path was given.
    pub id: String,
    /// Wire conventions.
    pub style: Style,
    /// Path of the status (or only) URL.
    pub path: String,
    /// Path of the `Location` URL where it differs.
    pub result_path: String,
    /// api-version of the request that started it.
    pub api_version: String,
    /// When it was accepted.
    pub started: Timestamp,
    /// When it ends; `None` is never.
    pub ends: Option<Timestamp>,
    /// How it ends.
    pub outcome: Outcome,
    /// `Retry-After` of the accepting answer, seconds; 0 sends none.
    pub retry_after: u32,
    /// What `Location` gives at the end.
    pub end: End,
    /// `properties.output` of the compute status body.
    pub output: Option<Value>,
    /// Done when it succeeds; on failure the settled resources become Failed.
    pub effects: Vec<Effect>,
}

/// What a provider asks for.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    style: Style,
    location: String,
    seconds: u64,
    path: Option<String>,
    retry_after: u32,
    end: End,
    outcome: Outcome,
    output: Option<Value>,
    effects: Vec<Effect>,
}

impl Spec {
    /// An operation in a region that takes so many virtual seconds.
    pub(crate) fn new(style: Style, location: &str, seconds: u64) -> Self {
        let retry_after = match style {
            Style::Compute | Style::Network => 10,
            Style::Storage => 17,
            Style::Group | Style::Batch => 15,
        };
        let end = match style {
            Style::Network => End::NoContent,
            _ => End::Empty,
        };
        Self {
            style,
            location: location.to_owned(),
            seconds,
            path: None,
            retry_after,
            end,
            outcome: Outcome::Succeeded,
            output: None,
            effects: Vec::new(),
        }
    }

    /// Another `Retry-After` than the style's usual.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = seconds;
        self
    }

    /// The resource becomes ready at the end; a `Location` poll then answers with it.
    pub(crate) fn settles(mut self, id: &str) -> Self {
        self.effects.push(Effect::Settle(id.to_owned()));
        if matches!(self.style, Style::Storage | Style::Batch) {
            self.end = End::Resource(id.to_owned());
        }
        self
    }

    /// The resource is gone at the end.
    pub(crate) fn removes(mut self, id: &str) -> Self {
        self.effects.push(Effect::Remove(id.to_owned()));
        self
    }

    /// Some other effect at the end.
    pub(crate) fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// A URL path of its own instead of the style's usual one; `{id}` stands for the operation id.
    pub(crate) fn at(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// What the `Location` URL gives at the end.
    pub(crate) fn ends_with(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// `properties.output` of the status body (run-command).
    pub(crate) fn output(mut self, output: Value) -> Self {
        self.output = Some(output);
        self
    }

    /// The operation ends in an error that the provider knows of now.
    pub(crate) fn fails(mut self, status: u16, code: &str, message: &str) -> Self {
        self.outcome = Outcome::Failed { status, code: code.to_owned(), message: message.to_owned() };
        self
    }
}

impl Operation {
    fn status_url(&self) -> String {
        let base = format!("{ARM}{}?", self.path);
        match self.style {
            Style::Compute => format!(
                "{base}p={}&api-version={}&t={}&c=sim&s=sim&h={}",
                &self.id[..8],
                self.api_version,
                self.started.as_second(),
                &self.id[24..]
            ),
            Style::Storage => format!("{base}monitor=true&api-version={}", self.api_version),
            _ => format!("{base}api-version={}", self.api_version),
        }
    }

    fn result_url(&self) -> String {
        match self.style {
            Style::Compute => format!("{}&monitor=true", self.status_url()),
            Style::Network => format!("{ARM}{}?api-version={}", self.result_path, self.api_version),
            _ => self.status_url(),
        }
    }

    /// Headers of the answer that accepts a PUT or PATCH.
    pub fn put_headers(&self) -> Vec<(String, String)> {
        let link = match self.style {
            Style::Compute | Style::Network => ("azure-asyncoperation", self.status_url()),
            _ => ("location", self.result_url()),
        };
        self.with_retry(vec![(link.0.to_owned(), link.1)])
    }

    /// Headers of the 202 that accepts a POST or DELETE.
    pub fn action_headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("location".to_owned(), self.result_url())];
        if matches!(self.style, Style::Compute | Style::Network) {
            headers.push(("azure-asyncoperation".to_owned(), self.status_url()));
        }
        self.with_retry(headers)
    }

    fn with_retry(&self, mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
        if self.retry_after > 0 {
            headers.push(("retry-after".to_owned(), self.retry_after.to_string()));
        }
        headers
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    fn status_body(&self, now: Timestamp) -> Value {
        let over = self.is_over(now);
        let status = match (over, &self.outcome) {
            (false, _) => "InProgress",
            (true, Outcome::Succeeded) => "Succeeded",
            (true, Outcome::Failed { .. }) => "Failed",
        };
        let mut body = Map::new();
        if self.style == Style::Compute {
            body.insert("startTime".into(), json!(self.started.to_string()));
            if let (true, Some(ends)) = (over, self.ends) {
                body.insert("endTime".into(), json!(ends.to_string()));
            }
        }
        body.insert("status".into(), json!(status));
        if over {
            match &self.outcome {
                Outcome::Failed { code, message, .. } => {
                    let error = match self.style {
                        Style::Network => json!({"code": code, "message": message, "details": []}),
                        _ => json!({"code": code, "message": message}),
                    };
                    body.insert("error".into(), error);
                }
                Outcome::Succeeded => {
                    if let Some(output) = &self.output {
                        body.insert("properties".into(), json!({"output": output}));
                    }
                }
            }
        }
        if self.style == Style::Compute {
            body.insert("name".into(), json!(self.id));
        }
        Value::Object(body)
    }
}

/// Path segments before the id that mark a polling URL.
const MARKS: &[&str] = &[
    "operations",
    "operationresults",
    "asyncoperations",
    "diskoperations",
    "accountoperationresults",
    "pooloperationresults",
    "operationstatuses",
];

/// Whether the path is that of an operation.
pub(crate) fn is_poll(request: &Request) -> bool {
    let segments = &request.segments;
    request.method == "GET"
        && segments.len() >= 2
        && MARKS.contains(&segments[segments.len() - 2].to_ascii_lowercase().as_str())
}

/// Answers a poll.
pub(crate) fn poll(world: &mut World, request: &Request) -> SimResponse {
    let path = request.path.to_ascii_lowercase();
    let of_set =
        |effect: &Effect| matches!(effect, Effect::Provider { data, .. } if data.get("set").is_some());
    let found = world.operations.find(&path, world.now());
    let counted = found.filter(|operation| operation.effects.iter().any(of_set)).map(|o| o.id.clone());
    let left = match counted.map(|id| crate::scaleset::take_poll(world, &id)) {
        Some(Err(refusal)) => return refusal,
        Some(Ok(left)) => Some(left),
        None => None,
    };
    let response = answer_poll(world, request, &path);
    match left {
        Some(left) => response.with_header("x-ms-ratelimit-remaining-resource", &left),
        None => response,
    }
}

fn answer_poll(world: &World, request: &Request, path: &str) -> SimResponse {
    let Some(operation) = world.operations.find(path, world.now()) else {
        let id = request.segments.last().map_or("", String::as_str);
        return SimResponse::arm_error(404, "NotFound", &format!("The operation '{id}' could not be found."));
    };
    let by_location = match operation.style {
        Style::Compute => request.query("monitor") == Some("true"),
        Style::Network => path == operation.result_path.to_ascii_lowercase(),
        _ => true,
    };
    if by_location { poll_location(world, operation) } else { poll_status(world, operation) }
}

fn poll_status(world: &World, operation: &Operation) -> SimResponse {
    let response = SimResponse::json(200, &operation.status_body(world.now()));
    if operation.is_over(world.now()) {
        return response;
    }
    // Compute varies it (9 to 70 recorded); the network provider always says 10.
    let wait = if operation.style == Style::Compute { "9" } else { "10" };
    response.with_header("retry-after", wait)
}

fn poll_location(world: &World, operation: &Operation) -> SimResponse {
    if !operation.is_over(world.now()) {
        let accepted = SimResponse::empty(202).with_header("location", &operation.result_url());
        let wait = operation.retry_after.max(1).to_string();
        return accepted.with_header("retry-after", &wait);
    }
    if let Outcome::Failed { status, code, message } = &operation.outcome {
        return SimResponse::arm_error(*status, code, message);
    }
    match &operation.end {
        End::Empty => match &operation.output {
            Some(output) => SimResponse::json(200, output),
            None => SimResponse::empty(200),
        },
        End::NoContent => SimResponse::empty(204).with_headers(&[
            ("location".to_owned(), operation.result_url()),
            ("azure-asyncoperation".to_owned(), operation.status_url()),
        ]),
        End::Json(body) => SimResponse::json(200, body),
        End::Resource(id) => match crate::providers::body(world, id) {
            Some(body) => {
                let response = SimResponse::json(200, &body);
                // Recorded: Batch repeats the account's etag.
                match world.resource(id).filter(|_| operation.style == Style::Batch) {
                    Some(resource) => response.with_header("etag", &resource.etag),
                    None => response,
                }
            }
            None => SimResponse::arm_error(404, "ResourceNotFound", "The resource is gone."),
        },
    }
}

impl World {
    /// Starts an operation: takes the fault that the running request matched into account,
    /// puts its effects on the calendar and returns it for its headers.
    pub(crate) fn begin(&mut self, spec: Spec, api_version: &str) -> Operation {
        let id = self.guid();
        let subscription = self.subscription_id().to_owned();
        let region = &spec.location;
        let place = |namespace: &str, word: &str| {
            format!("/subscriptions/{subscription}/providers/{namespace}/locations/{region}/{word}/{id}")
        };
        let (path, result_path) = match (&spec.path, spec.style) {
            (Some(path), _) => (path.replace("{id}", &id), String::new()),
            (None, Style::Compute) => (place("Microsoft.Compute", "operations"), String::new()),
            (None, Style::Network) => {
                (place("Microsoft.Network", "operations"), place("Microsoft.Network", "operationResults"))
            }
            (None, Style::Storage) => (place("Microsoft.Storage", "asyncoperations"), String::new()),
            (None, Style::Batch) => (place("Microsoft.Batch", "accountOperationResults"), String::new()),
            (None, Style::Group) => {
                (format!("/subscriptions/{subscription}/operationresults/{id}"), String::new())
            }
        };
        let mut outcome = spec.outcome;
        let mut duration = Some(spec.seconds);
        match self.operation_fault.take() {
            Some(crate::fault::OperationFault::Fails { status, code, message }) => {
                outcome = Outcome::Failed { status, code, message };
            }
            Some(crate::fault::OperationFault::NeverEnds) => duration = None,
            Some(crate::fault::OperationFault::Takes(seconds)) => duration = Some(seconds),
            None => {}
        }
        let now = self.now();
        let ends = duration.map(|seconds| later(now, seconds));
        let operation = Operation {
            id,
            style: spec.style,
            path,
            result_path,
            api_version: api_version.to_owned(),
            started: now,
            ends,
            outcome,
            retry_after: spec.retry_after,
            end: spec.end,
            output: spec.output,
            effects: spec.effects,
        };
        self.schedule_operation(&operation);
        self.operations.push(operation.clone(), now);
        operation
    }

    fn schedule_operation(&mut self, operation: &Operation) {
        for effect in &operation.effects {
            if let Effect::Settle(id) | Effect::Remove(id) = effect
                && let Some(resource) = self.resource_mut(id)
            {
                resource.ready_at = operation.ends;
            }
            let Some(ends) = operation.ends else { continue };
            match (&operation.outcome, effect) {
                (Outcome::Succeeded, effect) => self.schedule(ends, effect.clone()),
                // An account whose creation fails never comes to be: its poll says why and reads find nothing.
                (Outcome::Failed { .. }, Effect::Settle(id))
                    if matches!(operation.style, Style::Storage | Style::Batch)
                        && self.resource(id).is_some_and(|r| r.state == ProvisioningState::Creating) =>
                {
                    self.schedule(ends, Effect::Remove(id.clone()));
                }
                (Outcome::Failed { .. }, Effect::Settle(id) | Effect::Remove(id)) => {
                    self.schedule(ends, Effect::Fail(id.clone()));
                }
                (Outcome::Failed { .. }, Effect::RemoveGroup(name)) => {
                    self.schedule(ends, Effect::FailGroup(name.clone()));
                }
                // A scale set learns how its operation ended.
                (Outcome::Failed { .. }, Effect::Provider { namespace, data })
                    if data.get("set").is_some() =>
                {
                    let mut data = data.clone();
                    data["failed"] = json!(true);
                    self.schedule(ends, Effect::Provider { namespace: namespace.clone(), data });
                }
                (Outcome::Failed { .. }, _) => {}
            }
        }
    }

    /// Lets operations that would never end do so a second from now.
    pub fn release_operations(&mut self) {
        let ends = later(self.now(), 1);
        let mut stuck = Vec::new();
        for operation in self.operations.iter_mut().filter(|o| o.ends.is_none()) {
            operation.ends = Some(ends);
            stuck.push(operation.clone());
        }
        for operation in stuck {
            self.schedule_operation(&operation);
        }
    }

    /// Ends one operation, named by any of its links, at this moment. `false` when there is none, or it has ended.
    pub fn end_operation(&mut self, link: &url::Url) -> bool {
        let now = self.now();
        let Some(operation) = self.operations.find_mut(link.path()) else { return false };
        if operation.ends.is_some_and(|ends| ends <= now) {
            return false;
        }
        let before = operation.ends.replace(now);
        let operation = operation.clone();
        if let Some(before) = before {
            operation.effects.iter().for_each(|effect| self.unschedule(before, effect));
        }
        self.schedule_operation(&operation);
        true
    }

    /// Whether an operation on the resource (or on one below it) is still running.
    pub fn is_busy(&self, id: &str) -> bool {
        let wanted = crate::resource::key(id);
        let below = format!("{wanted}/");
        self.resources()
            .iter()
            .any(|(key, resource)| resource.state.is_busy() && (*key == wanted || key.starts_with(&below)))
    }
}

/// A moment some seconds later.
pub(crate) fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}
