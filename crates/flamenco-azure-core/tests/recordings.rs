//! Recorded Azure traffic through the client's own code: every write starts an operation, its polls are fed to it in
//! recorded order, every error is classified, every list is read as pages, every link is judged.
//!
//! The recordings are other people's data and stay where they are: `AZURE_TRUTH_DIR`, default `../shared/azure` from
//! the project's root. Without them this says so and passes, unless `FLAMENCO_AZURE_REQUIRE_ALL=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flamenco_azure_core::arm::page::page;
use flamenco_azure_core::arm::{
    ArmError, Cloud, Headers, Kind, Method, Next, Operation, Plane, Request, Response,
};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

/// Errors that stay [`Kind::Other`], with the reason: failures of services that the farm does not use.
const UNCLASSIFIED: &[(&str, &str)] = &[
    ("ApplianceProvisioningFailed", "managed applications"),
    ("SubscriptionNotAuthorized", "a private preview of ExpressRoute"),
];

struct Interaction {
    method: Method,
    url: Url,
    body: Option<Value>,
    response: Response,
}

/// The folder of recordings, or `None` after saying so.
fn recordings() -> Option<PathBuf> {
    let truth = std::env::var_os("AZURE_TRUTH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/azure"), PathBuf::from);
    let folder = truth.join("recordings");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "recordings are required and not at {}", folder.display());
    println!("SKIPPED: no recorded Azure traffic at {} (set AZURE_TRUTH_DIR)", folder.display());
    None
}

fn files(folder: &Path) -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
    };
    paths.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")).map(read).collect()
}

fn interactions(file: &Value) -> Vec<Interaction> {
    let all = file.get("interactions").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|raw| {
        let method = serde_json::from_value(raw["request"]["method"].clone()).ok()?;
        let url = Url::parse(raw["request"]["uri"].as_str()?).ok()?;
        let headers = raw["response"]["headers"].as_object()?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let headers: Headers =
            headers.iter().map(|(name, value)| (name, text(value.get(0).unwrap_or(value)))).collect();
        let body = &raw["response"]["body"];
        let bytes = match body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        };
        let status = raw["response"]["status"].as_u64()?.try_into().ok()?;
        let request_body = Some(raw["request"]["body"].clone()).filter(|body| !body.is_null());
        Some(Interaction {
            method,
            url,
            body: request_body,
            response: Response::new(status, headers, &bytes),
        })
    })
    .collect()
}

fn request(interaction: &Interaction) -> Request {
    let path = interaction.url.as_str();
    let body = interaction.body.clone();
    let mut request = match interaction.method {
        Method::Get => Request::get(path),
        Method::Head => Request::head(path),
        Method::Put => Request::put(path, body.unwrap_or_default()),
        Method::Patch => Request::patch(path, body.unwrap_or_default()),
        Method::Post => Request::post(path, body),
        Method::Delete => Request::delete(path),
    };
    request.plane = plane(&interaction.url);
    request
}

fn plane(url: &Url) -> Plane {
    match url.host_str() {
        Some(host) if host.ends_with(".batch.azure.com") => Plane::Batch(host.to_owned()),
        _ => Plane::Arm,
    }
}

/// `PUT Microsoft.Network/virtualNetworks/subnets`: the operation without names.
fn label(method: Method, url: &Url) -> String {
    let path = url.path().to_owned();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if url.host_str().is_some_and(|host| host.ends_with(".batch.azure.com")) {
        let kinds: Vec<&str> = segments.step_by(2).collect();
        return format!("{method} batch:{}", kinds.join("/"));
    }
    let Some((head, tail)) = path.rsplit_once("/providers/") else {
        let group = segments.any(|segment| segment.eq_ignore_ascii_case("resourceGroups"));
        return format!("{method} {}", if group { "resourceGroups" } else { "subscriptions" });
    };
    let _ = head;
    let mut tail = tail.split('/');
    let namespace = tail.next().unwrap_or_default();
    let kinds: Vec<&str> = tail.step_by(2).collect();
    let action = path.rsplit('/').next().filter(|_| method == Method::Post).unwrap_or_default();
    format!("{method} {namespace}/{} {action}", kinds.join("/")).to_lowercase().trim_end().to_owned()
}

/// Links carry opaque signatures that the recorder cut out: two links are the same when all but those agree.
fn same(a: &Url, b: &Url) -> bool {
    let bare = |url: &Url| {
        let query: BTreeMap<String, String> = url
            .query_pairs()
            .into_owned()
            .filter(|(key, _)| !["t", "c", "s", "h"].contains(&key.as_str()))
            .collect();
        let mut path: Vec<String> = url.path().to_lowercase().split('/').map(str::to_owned).collect();
        if let Some(at) = path.iter().position(|segment| segment == "deployments") {
            "mock-deployment".clone_into(&mut path[at + 1]); // what the recorder made of every deployment's name
        }
        (url.host_str().map(str::to_owned), path, query)
    };
    bare(a) == bare(b)
}

struct Open {
    label: String,
    operation: Operation,
    /// What the recording itself says about the last poll.
    truth: Option<bool>,
    polls: usize,
}

/// Whether a poll's answer is an end, read from the raw answer alone: `Some(true)` succeeded, `Some(false)` failed.
fn verdict(poll: &Interaction, deletes: bool) -> Option<bool> {
    let status = poll.response.status;
    let body = poll.response.body.as_ref();
    let said =
        body.and_then(|body| body["status"].as_str().or(body["properties"]["provisioningState"].as_str()));
    match (status, said.map(str::to_lowercase).as_deref()) {
        (404, _) if deletes => Some(true),
        (408 | 429 | 500.., _) => None,
        (400.., _) | (_, Some("failed" | "canceled")) => Some(false),
        (202, _) => None,
        (_, Some("succeeded") | None) => Some(true),
        _ => None,
    }
}

#[derive(Default)]
struct Tally {
    at_once: usize,
    succeeded: usize,
    failed: usize,
    unfinished: usize,
}

#[test]
fn recorded_operations_end_as_recorded() {
    let Some(folder) = recordings() else { return };
    let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut pairs = 0;
    for (name, file) in files(&folder) {
        let mut open: Vec<Open> = Vec::new();
        let settle = |open: Open, tallies: &mut BTreeMap<String, Tally>| {
            let tally = tallies.entry(open.label.clone()).or_default();
            match (open.operation.next(start), open.truth) {
                (Next::Done(_), truth) => {
                    assert_ne!(truth, Some(false), "{name}: {} failed in truth", open.label);
                    tally.succeeded += 1;
                }
                (Next::Failed(error), truth) => {
                    assert_eq!(truth, Some(false), "{name}: {} did not fail in truth: {error}", open.label);
                    tally.failed += 1;
                }
                // The recorded client did not care for the result.
                (Next::Final { .. }, Some(true)) => tally.succeeded += 1,
                (next, truth) => {
                    assert_eq!(truth, None, "{name}: {} ended in truth, not here: {next:?}", open.label);
                    assert_eq!(open.polls, 0, "{name}: {} was polled and shows no end: {next:?}", open.label);
                    tally.unfinished += 1; // the recorded client did not wait: the answer said Succeeded, or no-wait
                }
            }
        };
        for interaction in interactions(&file) {
            pairs += 1;
            if interaction.method.is_read() {
                let wanted = open.iter_mut().find(|open| match open.operation.next(start) {
                    Next::Poll { url, .. } | Next::Final { url, .. } => same(&url, &interaction.url),
                    _ => false,
                });
                if let Some(open) = wanted {
                    if matches!(open.operation.next(start), Next::Poll { .. }) {
                        open.truth = verdict(&interaction, open.operation.method() == Method::Delete);
                    }
                    open.operation.observe(&interaction.response, start);
                    open.polls += 1;
                }
                continue;
            }
            if !interaction.response.is_success() {
                continue;
            }
            let label = label(interaction.method, &interaction.url);
            let operation =
                Operation::start(&request(&interaction), &interaction.url, &interaction.response, start);
            let operation = operation.unwrap_or_else(|error| panic!("{name}: {label}: {error}"));
            // Interrupted and taken up again from its file form at every step: the same operation.
            let stored = serde_json::to_string(&operation).unwrap();
            let operation: Operation = serde_json::from_str(&stored).unwrap();
            if operation.is_done() {
                assert!(
                    matches!(operation.next(start), Next::Done(_)),
                    "{name}: {label}: {:?}",
                    operation.next(start)
                );
                tallies.entry(label).or_default().at_once += 1;
            } else {
                open.push(Open { label, operation, truth: None, polls: 0 });
            }
        }
        for open in open {
            settle(open, &mut tallies);
        }
    }
    println!("{:<75} {:>8} {:>9} {:>6} {:>10}", "operation", "at once", "succeeded", "failed", "no polls");
    let mut sum = Tally::default();
    for (label, tally) in &tallies {
        println!(
            "{label:<75} {:>8} {:>9} {:>6} {:>10}",
            tally.at_once, tally.succeeded, tally.failed, tally.unfinished
        );
        sum.at_once += tally.at_once;
        sum.succeeded += tally.succeeded;
        sum.failed += tally.failed;
        sum.unfinished += tally.unfinished;
    }
    println!(
        "{pairs} pairs; operations: {} at once, {} succeeded, {} failed, {} never polled",
        sum.at_once, sum.succeeded, sum.failed, sum.unfinished
    );
    assert!(pairs >= 1_500, "only {pairs} recorded pairs: is the folder complete?");
    assert!(sum.succeeded >= 100 && sum.failed >= 1 && sum.at_once >= 100);
    assert!(sum.unfinished * 5 < sum.succeeded, "too many operations were never polled");
}

#[test]
fn recorded_errors_have_a_kind() {
    let Some(folder) = recordings() else { return };
    let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut judge = |name: &str, method: Method, url: &Url, response: &Response| {
        let error = ArmError::from_response(method, url, response, now);
        let text = error.to_string();
        assert!(
            !text.contains(&response.status.to_string()) || !error.code().is_empty(),
            "{name}: bare status in: {text}"
        );
        assert!(!error.message().is_empty() && !text.contains("RequestId:"), "{name}: {text}");
        let listed = UNCLASSIFIED.iter().any(|(code, _)| *code == error.code());
        assert_eq!(*error.kind() == Kind::Other, listed, "{name}: {text}");
        let kind = format!("{:?}", error.kind());
        *kinds
            .entry(format!("{:<24} {}", kind.split([' ', '{']).next().unwrap(), error.code()))
            .or_default() += 1;
    };
    for (name, file) in files(&folder) {
        for interaction in interactions(&file) {
            let response = &interaction.response;
            let failed = response.body.as_ref().is_some_and(|body| body["status"] == "Failed");
            if failed || response.status >= 400 {
                judge(&name, interaction.method, &interaction.url, response);
            }
        }
        for quote in file.get("quotes").and_then(Value::as_array).into_iter().flatten() {
            let Some(error) = quote.get("error") else { continue };
            let body = serde_json::json!({ "error": error });
            let status = quote["status"].as_u64().map_or(409, |status| status.try_into().unwrap());
            let url = Url::parse("https://management.azure.com/quoted").unwrap();
            let response = Response::new(status, Headers::default(), body.to_string().as_bytes());
            judge(&name, Method::Put, &url, &response);
        }
    }
    for (kind, count) in &kinds {
        println!("{count:>4} {kind}");
    }
    assert!(kinds.len() >= 30, "only {} different errors", kinds.len());
}

#[test]
fn recorded_lists_are_pages_and_recorded_links_are_azures_own() {
    let Some(folder) = recordings() else { return };
    let cloud = Cloud::public();
    let (mut lists, mut followed, mut links) = (0, 0, 0);
    for (name, file) in files(&folder) {
        let all = interactions(&file);
        for (index, interaction) in all.iter().enumerate() {
            let plane = plane(&interaction.url);
            if !cloud.owns(&plane, &interaction.url) {
                continue; // Graph, blob and other services' own hosts: not ours to call
            }
            for header in ["azure-asyncoperation", "location"] {
                let Some(link) = interaction.response.headers.get(header) else { continue };
                let link = interaction.url.join(link).unwrap_or_else(|_| panic!("{name}: {link}"));
                assert!(cloud.owns(&plane, &link), "{name}: {link}");
                links += 1;
            }
            let Some(body) = interaction.response.body.as_ref().filter(|_| interaction.method == Method::Get)
            else {
                continue;
            };
            if !body.get("value").is_some_and(Value::is_array) {
                continue;
            }
            let page = page(body).unwrap_or_else(|| panic!("{name}: {}", interaction.url));
            assert_eq!(page.items.len(), body["value"].as_array().unwrap().len());
            lists += 1;
            if let Some(next) = page.next {
                let next = interaction.url.join(&next).unwrap();
                assert!(cloud.owns(&plane, &next), "{name}: {next}");
                followed += usize::from(all[index + 1..].iter().any(|later| same(&later.url, &next)));
            }
        }
    }
    println!("{lists} lists, {followed} recorded next pages, {links} operation links");
    assert!(lists >= 50 && links >= 300);
}
