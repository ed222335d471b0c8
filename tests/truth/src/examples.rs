//! Microsoft's own examples of the operations: their requests to the simulator, their answers through the client.
//!
//! An example names parameters and shows one answer per status. Its request is sent to a world in which what it refers to
//! is there in its plainest form; what it reads, too. The answer's status must be one of those shown, and every member
//! that both bodies have must be of the same JSON type. The values and the completeness of examples prove nothing: they
//! are written by hand, and several do not even fit their own specification ([`EXCEPTIONS`]). Each shown answer is then
//! read by the client like a recorded one.

use std::path::Path;

use flamenco_azure_core::arm::{Headers, Method, Response};
use serde_json::{Map, Value};
use url::Url;

use crate::fidelity;
use crate::operations::{Class, classify};
use crate::recording::{Interaction, Malformed, json_files};
use crate::replay;
use crate::report::{Floors, Outcome, Report};

/// What must hold.
pub const FLOORS: Floors = Floors { passed: 95, covered: 90 };

/// Examples that the simulator refuses or answers otherwise, by the end of their file name, with the reason.
pub const EXCEPTIONS: &[(&str, &str)] = &[
    ("VirtualMachine_SimulateEviction", "the plain machine is no Spot one"),
    ("VirtualMachineRunCommand", "the plain machine runs Linux, the script is one of PowerShell"),
    (
        "VirtualMachine_Update_DetachDataDiskUsingToBeDetachedProperty",
        "says another administrator than the plain machine has",
    ),
    (
        "VirtualMachine_Create_WithNetworkInterfaceConfiguration",
        "interfaces that are made with their machine are not simulated",
    ),
    ("NodeEnableScheduling", "the plain node takes tasks already"),
    ("NetworkInterfaceCreate", "its second configuration names no subnet"),
    ("GetProvider", "a made-up provider"),
    ("PutTagsResource", "a made-up provider"),
    ("GetTagsResource", "a made-up provider"),
    (
        "StorageAccountUpdateUserAssignedEncryptionIdentityWithCMK",
        "says another kind of account than the plain one is",
    ),
    (
        "StorageAccountUpdateUserAssignedIdentityWithFederatedIdentityClientId",
        "says another kind of account than the plain one is",
    ),
];

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// One example.
struct Example {
    file: String,
    request: Interaction,
    answers: Vec<Response>,
}

/// Judges every example below a folder.
pub fn judge(folder: &Path) -> Report {
    let mut report = Report::new("examples", FLOORS);
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in json_files(folder, &mut wrong) {
        let file =
            path.strip_prefix(folder).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        match read(&file, &path) {
            Ok(example) => {
                count += 1;
                judge_one(&example, &mut report);
            }
            Err(why) => wrong.push(Malformed { file, index: None, why }),
        }
    }
    if count == 0 && wrong.is_empty() {
        let file = folder.display().to_string();
        wrong.push(Malformed { file, index: None, why: "has no examples (*.json)".to_owned() });
    }
    report.malformed = wrong;
    report.notes.push(format!("{count} examples"));
    report
}

fn judge_one(example: &Example, report: &mut Report) {
    let request = &example.request;
    let name = match classify(request.method, &request.url) {
        Class::InScope(name) => name.to_owned(),
        Class::Poll => "operation poll".to_owned(),
        Class::Later(name, reason) => {
            read_answers(example, &name, report);
            return report.add(
                &example.file,
                &format!("simulator: {name}"),
                Outcome::NotCovered(reason.to_owned()),
            );
        }
        Class::Next(name, reason) => {
            read_answers(example, &name, report);
            return report.add(
                &example.file,
                &format!("simulator: {name}"),
                Outcome::Next(reason.to_owned()),
            );
        }
        Class::OutOfScope(name, reason) => {
            return report.add(&example.file, &name, Outcome::OutOfScope(reason.to_owned()));
        }
        Class::Unknown(name) => {
            return report.add(&example.file, &format!("{name} ({})", request.line()), Outcome::Unknown);
        }
    };
    read_answers(example, &name, report);
    let exception = EXCEPTIONS.iter().find(|(file, _)| example.file.ends_with(file));
    let outcome = match (ask(example), exception) {
        (failures, None) if failures.is_empty() => Outcome::Passed,
        (failures, None) => Outcome::Failed(failures),
        (failures, Some(_)) if failures.is_empty() => {
            report.stale.push(format!("example {}", example.file));
            Outcome::Passed
        }
        (_, Some((_, reason))) => Outcome::NotCovered((*reason).to_owned()),
    };
    report.add(&example.file, &format!("simulator: {name}"), outcome);
}

/// Each answer through the client.
fn read_answers(example: &Example, name: &str, report: &mut Report) {
    for answer in &example.answers {
        let interaction = Interaction { response: answer.clone(), ..example.request.clone() };
        let failures: Vec<String> = replay::judge_session(&[interaction]).into_iter().flatten().collect();
        let outcome = if failures.is_empty() { Outcome::Passed } else { Outcome::Failed(failures) };
        report.add(&format!("{} {}", example.file, answer.status), &format!("client: {name}"), outcome);
    }
}

/// The request to the simulator.
fn ask(example: &Example) -> Vec<String> {
    let answer = fidelity::ask_alone(&example.request);
    let Some(shown) = example.answers.iter().find(|shown| shown.status == answer.status) else {
        let shown: Vec<String> = example.answers.iter().map(|shown| shown.status.to_string()).collect();
        let body = answer.json_body().to_string();
        return vec![format!(
            "status {} -> {} {}",
            shown.join(" or "),
            answer.status,
            body.get(..300).unwrap_or(&body)
        )];
    };
    let Some(body) = &shown.body else { return Vec::new() };
    let differences = fidelity::compare::bodies(body, &answer.json_body());
    differences.into_iter().filter(|difference| difference.starts_with("type ")).collect()
}

fn read(file: &str, path: &Path) -> Result<Example, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let example: Value = serde_json::from_str(&text).map_err(|error| format!("is no JSON: {error}"))?;
    let operation = example.get("x_operation").ok_or("has no x_operation")?;
    let word = |name: &str| {
        operation.get(name).and_then(Value::as_str).ok_or(format!("its operation has no {name}"))
    };
    let method = serde_json::from_value::<Method>(Value::String(word("method")?.to_ascii_uppercase()))
        .map_err(|_| "its method is none of Azure's".to_owned())?;
    let parameters = example.get("parameters").map(plain).unwrap_or_default();
    let (url, body) = request(word("path")?, parameters.as_object().unwrap_or(&Map::new()))?;
    let mut answers = Vec::new();
    for (status, shown) in example.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let Ok(status) = status.parse::<u16>() else { continue };
        let shown = plain(shown);
        let headers: Headers = shown
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name, value.as_str()?)))
            .collect();
        let body = shown.get("body").filter(|body| !body.is_null()).map(Value::to_string).unwrap_or_default();
        answers.push(Response::new(status, headers, body.as_bytes()));
    }
    // One file is a real list that its finders kept without the request.
    if let Some(body) = example.get("body") {
        answers.push(Response::new(200, Headers::default(), body.to_string().as_bytes()));
    }
    if answers.is_empty() {
        return Err("shows no answer".to_owned());
    }
    // The specifications are of 2024: what has been retired since was not.
    let dated: Headers = [("date", "Mon, 01 Jul 2024 00:00:00 GMT")].into_iter().collect();
    let response = Response { headers: dated, ..Response::new(200, Headers::default(), b"") };
    let request = Interaction { n: 0, method, url, body, response, source: None };
    Ok(Example { file: file.to_owned(), request, answers })
}

/// Placeholders of several hands for the same things: the subscription, names, hosts that stand for Azure's own.
fn plain(value: &Value) -> Value {
    const HOSTS: &[&str] =
        &["https://foo.com/", "http://serviceRoot/", "https://serviceRoot/", "https://sto1590endpoint/"];
    match value {
        Value::String(text) => {
            let mut text = text.replace(['{', '}'], "");
            for host in HOSTS {
                text = text.replace(host, "https://management.azure.com/");
            }
            Value::String(in_our_subscription(&text))
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let renamed = |(name, value): (&String, &Value)| (in_our_subscription(name), plain(value));
            Value::Object(members.iter().map(renamed).collect())
        }
        other => other.clone(),
    }
}

fn in_our_subscription(text: &str) -> String {
    let mut segments: Vec<&str> = text.split('/').collect();
    for at in 1..segments.len() {
        if segments[at - 1].eq_ignore_ascii_case("subscriptions") && !segments[at].is_empty() {
            segments[at] = SUBSCRIPTION;
        }
    }
    segments.join("/")
}

/// The URL and body that parameters make. A parameter in the path is named there; the one that is an object is the body;
/// of the others those that Azure takes in the query are known by name.
fn request(path: &str, parameters: &Map<String, Value>) -> Result<(Url, Option<Value>), String> {
    const QUERY: &[&str] =
        &["api-version", "domainNameLabel", "ipAddress", "timeout", "maxresults", "forceDeletion"];
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (mut path, mut query, mut body) = (path.to_owned(), Vec::new(), None);
    for (name, value) in parameters {
        let hole = format!("{{{name}}}");
        if path.contains(&hole) {
            let text = if name == "subscriptionId" { SUBSCRIPTION.to_owned() } else { word(value) };
            path = path.replace(&hole, text.trim_matches('/'));
        } else if value.is_object() {
            body = Some(value.clone());
        } else if name.starts_with('$') || QUERY.contains(&name.as_str()) {
            query.push((name.clone(), word(value)));
        }
    }
    let path = path.replace("{subscriptionId}", SUBSCRIPTION);
    let host = match parameters.get("batchUrl").and_then(Value::as_str) {
        Some(host) => format!("https://{}", host.trim_start_matches("https://").trim_end_matches('/')),
        None => "https://management.azure.com".to_owned(),
    };
    if !query.iter().any(|(name, _)| name == "api-version") {
        query.push(("api-version".to_owned(), "2021-07-01".to_owned()));
    }
    let mut url = Url::parse(&format!("{host}{path}")).map_err(|error| format!("makes no URL: {error}"))?;
    url.query_pairs_mut().extend_pairs(query);
    Ok((url, body))
}
