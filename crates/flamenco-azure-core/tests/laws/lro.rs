//! Long-running operations as tables: what was answered, and how it ends.

use std::time::Duration;

use flamenco_azure_core::arm::{Headers, Kind, Method, Next, Operation, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

const BASE: &str =
    "https://management.azure.com/subscriptions/1/resourceGroups/g/providers/Microsoft.X/things/t";
const STATUS: &str =
    "https://management.azure.com/subscriptions/1/providers/Microsoft.X/locations/we/operations/7?t=SECRET";
const RESULT: &str = "https://management.azure.com/subscriptions/1/providers/Microsoft.X/locations/we/operations/7?monitor=true&t=SECRET";

fn now() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn resource() -> Url {
    Url::parse(&format!("{BASE}?api-version=1")).unwrap()
}

fn answer(status: u16, headers: &[(&str, &str)], body: Value) -> Response {
    let headers: Headers = headers.iter().copied().collect();
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Response::new(status, headers, &bytes)
}

fn state(state: &str) -> Value {
    json!({"id": "t", "properties": {"provisioningState": state}})
}

fn request(method: Method) -> Request {
    match method {
        Method::Put => Request::put(BASE, json!({})),
        Method::Patch => Request::patch(BASE, json!({})),
        Method::Delete => Request::delete(BASE),
        _ => Request::post(BASE, None),
    }
}

#[derive(Debug, PartialEq)]
enum End {
    Done(Option<Value>),
    Failed(Kind, String),
    Open(String),
}

/// Starts with the first answer, feeds the others, checks which URL each was asked of, and says how it ended.
fn play(method: Method, first: &Response, polls: &[(&str, Response)]) -> End {
    let mut operation = Operation::start(&request(method), &resource(), first, now()).unwrap();
    for (asked, poll) in polls {
        match operation.next(now()) {
            Next::Poll { url, .. } | Next::Final { url, .. } => assert_eq!(url.as_str(), *asked),
            other => panic!("ended early: {other:?}"),
        }
        // A handle survives being written down at any point.
        operation = serde_json::from_str(&serde_json::to_string(&operation).unwrap()).unwrap();
        operation.observe(poll, now());
    }
    match operation.next(now()) {
        Next::Done(value) => End::Done(value),
        Next::Failed(error) => End::Failed(error.kind().clone(), error.code().to_owned()),
        Next::Poll { url, .. } | Next::Final { url, .. } => End::Open(url.into()),
        Next::DeadlinePassed => panic!("deadline"),
    }
}

const AAO: &[(&str, &str)] = &[("Azure-AsyncOperation", STATUS)];
const LOC: &[(&str, &str)] = &[("Location", RESULT)];
const BOTH: &[(&str, &str)] = &[("Azure-AsyncOperation", STATUS), ("Location", RESULT)];

#[test]
fn synchronous_answers_are_done_at_once() {
    let done = |value: Value| End::Done(Some(value).filter(|value| !value.is_null()));
    let table = vec![
        (Method::Put, answer(200, &[], state("Succeeded")), done(state("Succeeded"))),
        (Method::Put, answer(201, &[], json!({"id": "role"})), done(json!({"id": "role"}))),
        (Method::Patch, answer(200, &[], json!({"tags": {}})), done(json!({"tags": {}}))),
        (Method::Post, answer(200, &[], json!({"keys": []})), done(json!({"keys": []}))),
        (Method::Post, answer(202, &[], Value::Null), End::Done(None)),
        (Method::Post, answer(204, &[], Value::Null), End::Done(None)),
        (Method::Delete, answer(200, &[], Value::Null), End::Done(None)),
        (Method::Delete, answer(204, LOC, Value::Null), End::Done(None)),
        // A Location on 201 is where the new thing lives.
        (Method::Put, answer(201, LOC, state("Succeeded")), done(state("Succeeded"))),
        (
            Method::Put,
            answer(200, &[], state("Failed")),
            End::Failed(Kind::Other, "OperationFailed".to_owned()),
        ),
    ];
    for (method, first, expected) in table {
        assert_eq!(play(method, &first, &[]), expected, "{method} {first:?}");
    }
}

#[test]
fn a_status_document_is_followed_to_the_result() {
    let running = || answer(200, &[], json!({"status": "InProgress"}));
    let invented = || answer(200, &[], json!({"status": "Reticulating"}));
    let succeeded =
        || answer(200, &[], json!({"status": "Succeeded", "properties": {"output": {"value": 1}}}));
    let full = || answer(200, &[], state("Succeeded"));
    let resource = format!("{BASE}?api-version=1");
    for (method, status) in [(Method::Put, 201), (Method::Put, 200), (Method::Patch, 200), (Method::Put, 202)]
    {
        let polls =
            [(STATUS, running()), (STATUS, invented()), (STATUS, succeeded()), (resource.as_str(), full())];
        let end = play(method, &answer(status, BOTH, state("Creating")), &polls);
        assert_eq!(end, End::Done(Some(state("Succeeded"))), "{method} {status}");
    }
    // A POST's result is behind its Location, or in the document itself.
    let end = play(
        Method::Post,
        &answer(202, BOTH, Value::Null),
        &[(STATUS, running()), (STATUS, succeeded()), (RESULT, answer(200, &[], json!({"value": 2})))],
    );
    assert_eq!(end, End::Done(Some(json!({"value": 2}))));
    let end = play(Method::Post, &answer(202, AAO, Value::Null), &[(STATUS, succeeded())]);
    assert_eq!(end, End::Done(Some(json!({"value": 1}))));
    let end = play(
        Method::Post,
        &answer(202, BOTH, Value::Null),
        &[(STATUS, succeeded()), (RESULT, answer(200, &[], Value::Null))],
    );
    assert_eq!(end, End::Done(None));
    // A DELETE has none.
    let end = play(Method::Delete, &answer(202, BOTH, Value::Null), &[(STATUS, succeeded())]);
    assert_eq!(end, End::Done(None));
}

#[test]
fn a_failed_operation_carries_azures_reason() {
    let failed = |status: &str| {
        answer(
            200,
            &[],
            json!({"status": status, "error": {"code": "AllocationFailed", "message": "no room"}}),
        )
    };
    for (method, status) in [
        (Method::Put, "Failed"),
        (Method::Patch, "failed"),
        (Method::Delete, "Canceled"),
        (Method::Post, "Failed"),
    ] {
        let mut operation =
            Operation::start(&request(method), &resource(), &answer(202, AAO, Value::Null), now()).unwrap();
        operation.observe(&failed(status), now());
        let Next::Failed(error) = operation.next(now()) else { panic!("{method}") };
        assert_eq!((error.code(), error.message()), ("AllocationFailed", "no room"));
        assert!(matches!(error.kind(), Kind::CapacityUnavailable { .. }));
    }
    // At a Location the status says so (Batch account quota: recorded traffic).
    let refused =
        answer(409, &[], json!({"error": {"code": "SubscriptionQuotaExceeded", "message": "full"}}));
    let end = play(
        Method::Put,
        &answer(202, LOC, Value::Null),
        &[(RESULT, answer(202, &[], Value::Null)), (RESULT, refused)],
    );
    assert!(matches!(end, End::Failed(Kind::QuotaExceeded { .. }, _)), "{end:?}");
    // Without a reason there is still one in words.
    let end = play(
        Method::Put,
        &answer(201, AAO, Value::Null),
        &[(STATUS, answer(200, &[], json!({"status": "Canceled"})))],
    );
    assert_eq!(end, End::Failed(Kind::Other, "OperationCanceled".to_owned()));
}

#[test]
fn a_location_is_followed_while_it_answers_202() {
    let resource = format!("{BASE}?api-version=1");
    let moved = "https://management.azure.com/subscriptions/1/moved";
    let polls = [
        (RESULT, answer(202, &[], Value::Null)),
        (RESULT, answer(202, &[("Location", moved)], Value::Null)),
        (moved, answer(200, &[], state("Succeeded"))),
    ];
    assert_eq!(
        play(Method::Put, &answer(202, LOC, Value::Null), &polls),
        End::Done(Some(state("Succeeded")))
    );
    // The link may show the resource while that is still at work.
    let polls =
        [(RESULT, answer(200, &[], state("Creating"))), (RESULT, answer(200, &[], state("Succeeded")))];
    assert_eq!(
        play(Method::Put, &answer(202, LOC, Value::Null), &polls),
        End::Done(Some(state("Succeeded")))
    );
    // An empty end sends a PUT to its resource.
    let polls =
        [(RESULT, answer(200, &[], Value::Null)), (resource.as_str(), answer(200, &[], json!({"id": "t"})))];
    assert_eq!(
        play(Method::Put, &answer(202, LOC, Value::Null), &polls),
        End::Done(Some(json!({"id": "t"})))
    );
    for end in [200, 204, 404] {
        let polls = [(RESULT, answer(202, &[], Value::Null)), (RESULT, answer(end, &[], Value::Null))];
        assert_eq!(play(Method::Delete, &answer(202, LOC, Value::Null), &polls), End::Done(None), "{end}");
    }
}

#[test]
fn without_links_the_resource_itself_is_polled() {
    let resource = format!("{BASE}?api-version=1");
    let url = resource.as_str();
    let polls = [(url, answer(200, &[], state("Updating"))), (url, answer(200, &[], state("Succeeded")))];
    for status in [200, 201, 202] {
        assert_eq!(
            play(Method::Put, &answer(status, &[], state("Creating")), &polls),
            End::Done(Some(state("Succeeded")))
        );
    }
    let end =
        play(Method::Put, &answer(201, &[], state("Creating")), &[(url, answer(200, &[], state("Failed")))]);
    assert!(matches!(end, End::Failed(..)), "{end:?}");
    // The Batch data plane deletes so.
    let gone = answer(404, &[], json!({"code": "PoolNotFound", "message": {"value": "gone"}}));
    let polls = [(url, answer(200, &[], json!({"state": "deleting"}))), (url, gone)];
    assert_eq!(play(Method::Delete, &answer(202, &[], Value::Null), &polls), End::Done(None));
}

#[test]
fn reads_that_lag_behind_are_borne_for_a_while_only() {
    let resource = format!("{BASE}?api-version=1");
    let url = resource.as_str();
    let absent = || (url, answer(404, &[], json!({"error": {"code": "ResourceNotFound", "message": "no"}})));
    let first = answer(201, &[], state("Creating"));
    let end = play(Method::Put, &first, &[absent(), absent(), (url, answer(200, &[], state("Succeeded")))]);
    assert_eq!(end, End::Done(Some(state("Succeeded"))));
    let end = play(Method::Put, &first, &[absent(), absent(), absent(), absent()]);
    assert_eq!(end, End::Failed(Kind::NotFound, "ResourceNotFound".to_owned()));
}

#[test]
fn answers_that_say_nothing_about_the_operation_change_nothing() {
    for status in [401, 408, 429, 500, 502, 503, 504] {
        let noise = answer(status, &[("Retry-After", "9")], json!({"error": {"code": "X", "message": "y"}}));
        for (headers, link) in [(AAO, STATUS), (LOC, RESULT)] {
            let end = play(Method::Put, &answer(202, headers, Value::Null), &[(link, noise.clone())]);
            assert_eq!(end, End::Open(link.to_owned()), "{status}");
        }
    }
}

#[test]
fn polls_come_when_azure_asks_and_every_five_seconds_otherwise() {
    let due = |operation: &Operation| match operation.next(now()) {
        Next::Poll { at, .. } => at.duration_since(now()).as_secs(),
        other => panic!("{other:?}"),
    };
    let headers = [("Azure-AsyncOperation", STATUS), ("Retry-After", "17")];
    let mut operation =
        Operation::start(&request(Method::Put), &resource(), &answer(202, &headers, Value::Null), now())
            .unwrap();
    assert_eq!(due(&operation), 17);
    operation.observe(
        &answer(200, &[("Retry-After", "Sat, 21 Nov 2026 08:00:40 GMT")], json!({"status": "Running"})),
        now(),
    );
    assert_eq!((due(&operation), operation.state(), operation.polls()), (40, "Running", 1));
    operation.observe(&answer(200, &[], json!({"status": "Running"})), now());
    assert_eq!(due(&operation), 5);
}

#[test]
fn relative_links_are_resolved_and_broken_ones_refused() {
    let start = |link: &str| {
        Operation::start(
            &request(Method::Put),
            &resource(),
            &answer(202, &[("Location", link)], Value::Null),
            now(),
        )
    };
    let Next::Poll { url, .. } = start("/subscriptions/1/operations/9?x=1").unwrap().next(now()) else {
        panic!()
    };
    assert_eq!(url.as_str(), "https://management.azure.com/subscriptions/1/operations/9?x=1");
    assert_eq!(*start("https://[broken").unwrap_err().kind(), Kind::Unreadable);
}

#[test]
fn every_operation_has_a_deadline() {
    let operation =
        Operation::start(&request(Method::Put), &resource(), &answer(202, AAO, Value::Null), now()).unwrap();
    let mut operation = operation.with_deadline(Duration::from_mins(1));
    assert!(matches!(operation.next(now() + Duration::from_secs(59)), Next::Poll { .. }));
    assert!(matches!(operation.next(now() + Duration::from_mins(1)), Next::DeadlinePassed));
    operation.leave(Duration::from_secs(30), now() + Duration::from_hours(5));
    assert!(matches!(operation.next(now() + Duration::from_hours(5)), Next::Poll { .. }));
}

#[test]
fn a_refused_request_starts_nothing_and_a_printed_handle_shows_no_signature() {
    let refused = answer(409, &[], json!({"error": {"code": "ScopeLocked", "message": "locked"}}));
    let error = Operation::start(&request(Method::Put), &resource(), &refused, now()).unwrap_err();
    assert_eq!(*error.kind(), Kind::ScopeLocked);
    let operation =
        Operation::start(&request(Method::Post), &resource(), &answer(202, BOTH, Value::Null), now())
            .unwrap();
    assert!(!format!("{operation:?}").contains("SECRET"));
}
