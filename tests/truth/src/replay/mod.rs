//! Replay: every recorded interaction through the client's own code.
//!
//! Each session is driven by the real [`ArmClient`] over a wire that answers with what was recorded: the request is
//! formed by the client, and the wire has an answer only where method, host, path and query are those of the recording.
//! Writes start operations, which the client polls to their end (the tape gives the polls in recorded order); lists are
//! read page by page; errors are classified. Every operation is stored and taken up again between its first answer and
//! its first poll. What the client makes of it is compared with what the raw answers say, read by a few lines of our own.
//!
//! All operations are judged here, those too that the simulator does not have: the client is one and the same for all.

mod batch;
mod scale;
mod typed;
mod verdict;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use flamenco_azure_core::arm::page::page;
use flamenco_azure_core::arm::{
    ArmClient, ArmError, ArmOptions, Cloud, Kind, Method, Operation, Plane, Request, RetryPolicy,
};
use flamenco_azure_core::clock::{Clock, TokioClock};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::operations::{Class, classify};
use crate::recording::{Interaction, Malformed, Recording};
use crate::report::{Floors, Outcome, Report};
use verdict::Truth;
use wire::{AnyToken, EXHAUSTED, Tape};

/// Every operation in scope passes.
pub const FLOORS: Floors = Floors { passed: 100, covered: 100 };

/// Response headers that the client reads.
pub(crate) const HEADERS: &[&str] = &[
    "content-type",
    "etag",
    "location",
    "azure-asyncoperation",
    "retry-after",
    "x-ms-request-id",
    "x-ms-failure-cause",
];

/// Error codes that stay [`Kind::Other`], with the reason: failures of services that the farm does not use.
const UNCLASSIFIED: &[(&str, &str)] = &[
    ("ApplianceProvisioningFailed", "managed applications"),
    ("SubscriptionNotAuthorized", "a private preview of ExpressRoute"),
];

/// Judges recordings.
pub fn judge(recordings: &[Recording], malformed: Vec<Malformed>) -> Report {
    let mut report = Report::new("replay", FLOORS);
    report.malformed = malformed;
    let mut kinds = std::collections::BTreeSet::new();
    for recording in recordings {
        for session in recording.sessions() {
            let judged = judge_session(session);
            for (index, interaction) in session.iter().enumerate() {
                let place = format!("{} n={}", recording.name, interaction.n);
                let class = classify(interaction.method, &interaction.url);
                let outcome = |failures: &Vec<String>| match failures.as_slice() {
                    [] => Outcome::Passed,
                    _ => Outcome::Failed(failures.clone()),
                };
                match class {
                    Class::InScope(name) => report.add(&place, name, outcome(&judged[index])),
                    Class::Poll => report.add(&place, "operation poll", outcome(&judged[index])),
                    Class::Later(name, _) | Class::Next(name, _) => {
                        report.add(&place, &name, outcome(&judged[index]));
                    }
                    Class::OutOfScope(name, reason) => {
                        report.add(&place, &name, Outcome::OutOfScope(reason.to_owned()));
                        // Not ours, and yet a free test of the client.
                        if !judged[index].is_empty() && owned(interaction) {
                            report.add(&place, &name, Outcome::Failed(judged[index].clone()));
                        }
                    }
                    Class::Unknown(name) => {
                        report.add(
                            &place,
                            &format!("{name}\n      {}", interaction.line()),
                            Outcome::Unknown,
                        );
                    }
                }
                if let Some(error) = error_of(interaction) {
                    kinds.insert(format!("{:?} {}", error.kind(), error.code()));
                }
            }
        }
        for (status, body) in &recording.quotes {
            let url = "https://management.azure.com/quoted";
            if let Ok(url) = Url::parse(url) {
                let response = flamenco_azure_core::arm::Response::new(
                    *status,
                    flamenco_azure_core::arm::Headers::default(),
                    body.to_string().as_bytes(),
                );
                let error = ArmError::from_response(Method::Put, &url, &response, start());
                let failures = judge_error(&error, *status);
                let outcome = if failures.is_empty() { Outcome::Passed } else { Outcome::Failed(failures) };
                report.add(&recording.name, "quoted error", outcome);
            }
        }
    }
    report.notes.push(format!("{} different errors were classified", kinds.len()));
    report
}

/// A moment to begin at: nothing depends on which.
fn start() -> Timestamp {
    Timestamp::new(1_795_248_000, 0).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether the cloud's own hosts answered: others are not called by the client.
fn owned(interaction: &Interaction) -> bool {
    Cloud::public().owns(&interaction.plane(), &interaction.url)
}

/// Per interaction of a session, what went wrong.
pub fn judge_session(session: &[Interaction]) -> Vec<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => runtime.block_on(drive(session)),
        Err(error) => vec![vec![format!("no runtime: {error}")]; session.len()],
    }
}

fn client(tape: &Arc<Tape>) -> ArmClient {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start()));
    // One try each: every recorded answer is looked at by itself.
    let retry = RetryPolicy { max_tries: 1, patience: Duration::ZERO, ..RetryPolicy::default() };
    ArmClient::new(ArmOptions {
        cloud: Cloud::public(),
        credential: Arc::new(AnyToken),
        transport: Some(Arc::clone(tape) as Arc<dyn azure_core::http::HttpClient>),
        clock,
        seed: 1,
        retry,
    })
}

async fn drive(session: &[Interaction]) -> Vec<Vec<String>> {
    let tape = Tape::new(session);
    let client = client(&tape);
    let mut failures: Vec<Vec<String>> = vec![Vec::new(); session.len()];
    for (index, interaction) in session.iter().enumerate() {
        if !owned(interaction) {
            continue; // never called by the client
        }
        failures[index].extend(judge_shape(interaction));
        if tape.is_used(index) {
            continue; // a poll or a page of something before
        }
        tape.seek(index);
        let request = request_of(interaction);
        let found = if interaction.method.is_read() {
            read(&client, &tape, session, index, &request).await
        } else {
            write(&client, &tape, session, index, &request).await
        };
        failures[index].extend(found);
    }
    failures
}

/// The request as the client forms it: path, query and api-version apart.
fn request_of(interaction: &Interaction) -> Request {
    let url = &interaction.url;
    let host = url.host_str().unwrap_or_default();
    let path = match interaction.plane() {
        Plane::Arm if host != "management.azure.com" => url[..url::Position::AfterPath].to_owned(),
        _ => url.path().to_owned(),
    };
    let body = interaction.body.clone();
    let mut request = match interaction.method {
        Method::Get => Request::get(path),
        Method::Head => Request::head(path),
        Method::Put => Request::put(path, body.unwrap_or_default()),
        Method::Patch => Request::patch(path, body.unwrap_or_default()),
        Method::Post => Request::post(path, body),
        Method::Delete => Request::delete(path),
    };
    request.plane = interaction.plane();
    for (name, value) in url.query_pairs().into_owned() {
        if name == "api-version" && request.api_version.is_none() {
            request.api_version = Some(value);
        } else {
            request.query.push((name, value));
        }
    }
    request
}

async fn read(
    client: &ArmClient,
    tape: &Tape,
    session: &[Interaction],
    index: usize,
    request: &Request,
) -> Vec<String> {
    let recorded = &session[index].response;
    let is_list = recorded.body.as_ref().is_some_and(|body| body.get("value").is_some_and(Value::is_array));
    let outcome = if is_list {
        client.list(request).await.map(|items| Some(Value::Array(items)))
    } else {
        client.send(request).await.map(|answer| answer.body)
    };
    if tape.given().first() != Some(&index) {
        return vec![unformed(tape)];
    }
    match outcome {
        Ok(_) if !recorded.is_success() => vec![format!("{} was read as a success", recorded.status)],
        Ok(value) if is_list => {
            let wanted: usize = tape
                .given()
                .iter()
                .filter_map(|i| session[*i].response.body.as_ref()?.get("value")?.as_array().map(Vec::len))
                .sum();
            let got = value.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
            if got == wanted { Vec::new() } else { vec![format!("{got} items were read, {wanted} recorded")] }
        }
        Ok(value) => {
            if value == recorded.body {
                Vec::new()
            } else {
                vec!["another body was read".to_owned()]
            }
        }
        // The next page is not in the recording.
        Err(_) if recorded.is_success() && is_list && !tape.unanswered().is_empty() => Vec::new(),
        Err(error) if recorded.is_success() && recorded.text.is_some() => {
            judge_error(&error, recorded.status)
        }
        Err(error) if recorded.is_success() => vec![format!("a success was read as an error: {error}")],
        Err(error) => judge_error(&error, recorded.status),
    }
}

fn unformed(tape: &Tape) -> String {
    match tape.unanswered().first() {
        Some(sent) => format!("the client formed another request: {sent}"),
        None => "the client did not send the request".to_owned(),
    }
}

async fn write(
    client: &ArmClient,
    tape: &Tape,
    session: &[Interaction],
    index: usize,
    request: &Request,
) -> Vec<String> {
    let recorded = &session[index].response;
    let begun = client.begin(request).await;
    if tape.given().first() != Some(&index) {
        return vec![unformed(tape)];
    }
    let operation = match begun {
        Ok(operation) => operation,
        Err(error) if recorded.is_success() => {
            return vec![format!("a success was read as an error: {error}")];
        }
        Err(error) => return judge_error(&error, recorded.status),
    };
    let gone = request.method == Method::Delete && recorded.status == 404;
    if !recorded.is_success() && !gone {
        return vec![format!("{} was read as a success", recorded.status)];
    }
    // Interrupted, and taken up again from its file form.
    let stored = serde_json::to_string(&operation).and_then(|text| serde_json::from_str::<Operation>(&text));
    let mut operation = match stored {
        Ok(taken_up) if taken_up == operation => taken_up,
        Ok(_) => return vec!["the stored operation is another one".to_owned()],
        Err(error) => return vec![format!("the operation cannot be stored: {error}")],
    };
    let ended = wait(client, tape, &mut operation).await;
    let truth = verdict::of(request.method, recorded, &polls(session, tape, index));
    verdict::compare(ended, truth, operation.state())
}

/// The answers of the operation's polls that the client was given.
fn polls<'a>(session: &'a [Interaction], tape: &Tape, index: usize) -> Vec<&'a Interaction> {
    tape.given().into_iter().filter(|i| *i != index).map(|i| &session[i]).collect()
}

/// Waits; an answer that says nothing about the operation (429, 5xx) is waited out, the end of the recording is an end.
async fn wait(client: &ArmClient, tape: &Tape, operation: &mut Operation) -> Truth {
    loop {
        let before = tape.given().len();
        match client.wait(operation, &mut |_| {}).await {
            Ok(_) => return Truth::Succeeded,
            Err(_) if !tape.unanswered().is_empty() => {
                // What Azure said last is all there is: the recorded client did not look further.
                let succeeded = operation.state().eq_ignore_ascii_case("succeeded");
                return if succeeded { Truth::Succeeded } else { Truth::Open };
            }
            Err(error) if operation.is_done() => return Truth::Failed(Some(Box::new(error))),
            Err(_) if tape.given().len() > before => {}
            Err(error) => return Truth::Failed(Some(Box::new(error))),
        }
    }
}

/// Links lead to Azure's own hosts, lists are pages, resources keep id, tags and state, and error bodies are errors,
/// whatever the request was.
fn judge_shape(interaction: &Interaction) -> Vec<String> {
    let cloud = Cloud::public();
    let mut failures = Vec::new();
    for (name, link) in interaction.links() {
        if !cloud.owns(&interaction.plane(), &link) {
            failures.push(format!("{name} leads elsewhere: {link}"));
        }
    }
    let body = interaction.response.body.as_ref();
    if let Some(items) = body.and_then(|body| body.get("value")?.as_array()) {
        match body.and_then(page) {
            None => failures.push("a list is not read as a page".to_owned()),
            Some(page) if page.items.len() != items.len() => failures.push("items are lost".to_owned()),
            Some(_) => {}
        }
    }
    failures.extend(typed::judge(interaction));
    if let Some(error) = error_of(interaction) {
        failures.extend(judge_error(&error, interaction.response.status));
    }
    failures
}

/// The error of an answer that is one, or of an operation that failed.
fn error_of(interaction: &Interaction) -> Option<ArmError> {
    let failed = interaction.response.body.as_ref().is_some_and(|body| body["status"] == "Failed");
    let is = owned(interaction) && (failed || interaction.response.status >= 400);
    is.then(|| ArmError::from_response(interaction.method, &interaction.url, &interaction.response, start()))
}

/// An error has a kind, a message, and no bare status.
fn judge_error(error: &ArmError, status: u16) -> Vec<String> {
    let text = error.to_string();
    let mut failures = Vec::new();
    if text.contains(EXHAUSTED) {
        failures.push("the client asked for more than was recorded".to_owned());
    }
    if error.message().is_empty() || text.contains("RequestId:") {
        failures.push(format!("the message is raw or empty: {text}"));
    }
    if text.contains(&status.to_string()) && error.code().is_empty() {
        failures.push(format!("a bare status: {text}"));
    }
    let listed = UNCLASSIFIED.iter().any(|(code, _)| *code == error.code());
    if (*error.kind() == Kind::Other) != listed {
        failures.push(format!("unclassified: {text}"));
    }
    failures
}
