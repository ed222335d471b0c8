//! The client on a scripted wire and virtual time.

use std::sync::Arc;
use std::time::Duration;

use flamenco_azure_core::arm::{ArmError, Kind, Operation, Request};
use serde_json::{Value, json};

use crate::common::{
    Script, Step, TOKEN, Tokens, answer, client, client_on, client_with, shown, with_headers,
};

const THING: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Batch/things/t";
const STATUS: &str = "https://management.azure.com/subscriptions/1/operations/7?t=LINKSECRET&sig=LINKSECRET";
const NONE: Value = Value::Null;

fn get() -> Request {
    Request::get(THING).api_version("2025-06-01")
}

fn put() -> Request {
    Request::put(THING, json!({"properties": {}})).api_version("2025-06-01")
}

fn fault(code: &str) -> Value {
    json!({"error": {"code": code, "message": format!("because of {code}")}})
}

fn ok() -> Step {
    answer(200, json!({"id": THING}))
}

#[tokio::test(start_paused = true)]
async fn failures_that_pass_are_tried_again() {
    let steps = vec![
        Step::Lost,
        Step::Refused,
        answer(500, fault("InternalServerError")),
        answer(503, NONE),
        answer(504, NONE),
        answer(408, NONE),
        ok(),
    ];
    for request in [
        get(),
        put(),
        Request::patch(THING, json!({})),
        Request::delete(THING),
        Request::post(THING, None).idempotent(),
    ] {
        let script = Script::new(steps.clone());
        let response = client(&script).send(&request).await.unwrap();
        assert_eq!(response.body.unwrap()["id"], THING);
        let sent = script.sent();
        assert_eq!(sent.len(), 7, "{}", request.method);
        assert!(sent.windows(2).all(|pair| pair[0].at < pair[1].at && pair[0].body == pair[1].body));
    }
}

#[tokio::test(start_paused = true)]
async fn tries_end_and_the_last_failure_is_told() {
    let script = Script::new(vec![answer(503, NONE); 8]);
    let error = client(&script).send(&get()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Transient);
    assert_eq!(script.sent().len(), 8);
    let script = Script::new(vec![Step::Hang; 8]);
    let error = client(&script).send(&put()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::OutcomeUnknown, "{error}");
    assert!(script.sent()[7].at >= Duration::from_secs(7 * 100));
}

#[tokio::test(start_paused = true)]
async fn azures_wish_to_wait_is_obeyed() {
    for (header, seconds) in [("1200", 1200), ("Sat, 21 Nov 2026 08:03:00 GMT", 180), ("1", 1)] {
        let throttled = with_headers(429, &[("Retry-After", header)], fault("OperationNotAllowed"));
        // A POST that must not be repeated: throttling has not let it in.
        let script = Script::new(vec![throttled, ok()]);
        client(&script).send(&Request::post(THING, None)).await.unwrap();
        let waited = script.sent()[1].at.as_secs();
        assert!((seconds..=seconds + 1).contains(&waited), "{header}: {waited}");
    }
    let worded = answer(
        429,
        json!({"error": {"code": "ResourceRequestsThrottled", "message": "Please try again after '324' seconds."}}),
    );
    let script = Script::new(vec![worded, ok()]);
    client(&script).send(&get()).await.unwrap();
    assert!(script.sent()[1].at.as_secs() >= 324);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_budget_is_refused_at_once() {
    let script = Script::new(vec![with_headers(429, &[("Retry-After", "7200")], fault("TooManyRequests"))]);
    let error = client(&script).send(&get()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Throttled { after: Some(Duration::from_hours(2)) });
    assert_eq!(script.sent().len(), 1);
    assert!(error.hint().unwrap().to_string().contains("7200"));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_once() {
    let expired = || answer(401, fault("ExpiredAuthenticationToken"));
    let script = Script::new(vec![expired(), ok(), ok()]);
    let tokens = Arc::new(Tokens::default());
    let arm = client_with(&script, tokens.clone());
    arm.send(&put()).await.unwrap();
    arm.send(&get()).await.unwrap();
    let used: Vec<String> = script.sent().into_iter().map(|sent| sent.authorization.unwrap()).collect();
    assert_eq!(used, ["1", "2", "2"].map(|n| format!("Bearer {TOKEN}-{n}")));

    let script = Script::new(vec![expired(), expired()]);
    let error = client(&script).send(&get()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unauthenticated);
    assert!(error.hint().unwrap().to_string().contains("az login"));
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_never_taken_for_a_no() {
    // What may be repeated is.
    let script = Script::new(vec![Step::Lost, ok()]);
    client(&script).send(&put()).await.unwrap();
    // What may not is reported.
    for step in [
        Step::Lost,
        Step::Hang,
        answer(500, NONE),
        answer(503, NONE),
        Step::Answer(200, vec![], "{\"cut".to_owned()),
    ] {
        let script = Script::new(vec![step.clone()]);
        let error = client(&script).send(&Request::post(THING, None)).await.unwrap_err();
        assert_eq!(*error.kind(), Kind::OutcomeUnknown, "{step:?}: {error}");
        assert_eq!(script.sent().len(), 1);
        assert!(error.hint().is_some());
    }
    // Without a connection nothing was sent.
    let script = Script::new(vec![Step::Refused, ok()]);
    client(&script).send(&Request::post(THING, None)).await.unwrap();
    // A condition that fails on its own first effect says nothing.
    let script = Script::new(vec![Step::Lost, answer(412, fault("PreconditionFailed"))]);
    let error = client(&script).send(&put().if_none_match()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::OutcomeUnknown);
    let script = Script::new(vec![answer(412, fault("PreconditionFailed"))]);
    let error = client(&script).send(&put().if_match("W/\"1\"")).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::PreconditionFailed);
    assert!(script.sent()[0].headers.contains("if-match: W/\"1\""));
}

#[tokio::test(start_paused = true)]
async fn garbled_answers_are_asked_for_again() {
    let page =
        Step::Answer(200, vec![("content-type", "text/html".to_owned())], "<html>proxy</html>".to_owned());
    let cut = Step::Answer(
        200,
        vec![("content-type", "application/json".to_owned())],
        "{\"id\": \"/sub".to_owned(),
    );
    let script = Script::new(vec![page.clone(), cut, ok()]);
    assert!(client(&script).get(&get()).await.unwrap().is_some());
    let script = Script::new(vec![page; 8]);
    let error = client(&script).get(&get()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Unreadable);
    // A page in place of a 404 does not say that the resource is absent.
    let script = Script::new(vec![Step::Answer(
        404,
        vec![("content-type", "text/html".to_owned())],
        "<html>".to_owned(),
    )]);
    assert_eq!(*client(&script).get(&get()).await.unwrap_err().kind(), Kind::Unreadable);
}

#[tokio::test(start_paused = true)]
async fn the_first_write_registers_its_provider() {
    let missing = || {
        answer(
            409,
            json!({"error": {"code": "MissingSubscriptionRegistration", "message": "The subscription is not registered to use namespace 'Microsoft.Batch'."}}),
        )
    };
    let provider =
        |state: &str| answer(200, json!({"namespace": "Microsoft.Batch", "registrationState": state}));
    let script = Script::new(vec![
        missing(),
        provider("Registering"),
        provider("Registering"),
        provider("Registered"),
        ok(),
    ]);
    client(&script).send(&put()).await.unwrap();
    let expected = [
        format!("PUT {THING}"),
        "POST /subscriptions/1/providers/Microsoft.Batch/register".to_owned(),
        "GET /subscriptions/1/providers/Microsoft.Batch".to_owned(),
        "GET /subscriptions/1/providers/Microsoft.Batch".to_owned(),
        format!("PUT {THING}"),
    ];
    assert_eq!(script.lines(), expected);

    let script = Script::new(vec![missing()]);
    let error = client(&script).get(&get()).await.unwrap_err(); // a read changes nothing
    assert_eq!(*error.kind(), Kind::NotRegistered { namespace: Some("Microsoft.Batch".to_owned()) });

    let script = Script::new(vec![missing(), answer(403, fault("AuthorizationFailed"))]);
    let error = client(&script).send(&put()).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Forbidden { .. }) && error.url().contains("/register"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn links_away_from_azure_are_refused_before_any_token() {
    let evil = "https://management.azure.com.evil.example/x?sig=LINKSECRET";
    let check = |script: &Script, error: &ArmError| {
        assert_eq!(*error.kind(), Kind::ForeignLink, "{error}");
        assert!(error.to_string().contains("evil.example"), "{error}");
        assert!(!shown(error).contains("LINKSECRET"));
        assert_eq!(script.sent().len(), 1);
    };
    let script = Script::new(vec![answer(200, json!({"value": [], "nextLink": evil}))]);
    check(&script, &client(&script).list(&get()).await.unwrap_err());
    for header in ["Azure-AsyncOperation", "Location"] {
        let script = Script::new(vec![with_headers(202, &[(header, evil)], NONE)]);
        check(&script, &client(&script).run(&put()).await.unwrap_err());
    }
    // A request of our own is no exception.
    let script = Script::new(vec![]);
    let error = client(&script).send(&Request::get("/pools").batch("evil.example")).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::ForeignLink);
    assert!(script.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_to_their_end() {
    let page = |items: Value, next: Value| answer(200, json!({"value": items, "nextLink": next}));
    let steps = vec![
        page(json!([{"n": 1}, {"n": 2}]), json!("https://management.azure.com/next?$skiptoken=a")),
        answer(503, NONE),
        page(json!([]), json!("/next?$skiptoken=b")),
        page(json!([{"n": 3}]), json!("")),
    ];
    let script = Script::new(steps);
    assert_eq!(
        client(&script).list(&get()).await.unwrap(),
        [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]
    );
    assert!(script.sent()[3].url.ends_with("/next?$skiptoken=b"), "{:?}", script.sent()[3]);

    for odd in
        [json!({"name": "no list"}), json!({"value": [1]}), json!({"value": [{"id": "/x", "tags": []}]})]
    {
        let script = Script::new(vec![answer(200, odd)]);
        assert_eq!(*client(&script).list(&get()).await.unwrap_err().kind(), Kind::Unreadable);
    }
}

#[tokio::test(start_paused = true)]
async fn absence_is_an_answer_for_reads_and_deletions() {
    let script = Script::new(vec![
        answer(404, fault("ResourceNotFound")),
        answer(404, fault("ResourceGroupNotFound")),
    ]);
    let arm = client(&script);
    assert_eq!(arm.get(&get()).await.unwrap(), None);
    assert_eq!(arm.run(&Request::delete(THING)).await.unwrap(), None);
    let script = Script::new(vec![
        answer(404, fault("SubscriptionNotFound")),
        answer(404, fault("SubscriptionNotFound")),
    ]);
    let arm = client(&script);
    assert_eq!(*arm.get(&get()).await.unwrap_err().kind(), Kind::SubscriptionUnavailable);
    assert_eq!(*arm.run(&Request::delete(THING)).await.unwrap_err().kind(), Kind::SubscriptionUnavailable);
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_followed_and_its_progress_told() {
    let steps = vec![
        with_headers(
            201,
            &[("Azure-AsyncOperation", STATUS), ("Retry-After", "10")],
            json!({"properties": {"provisioningState": "Creating"}}),
        ),
        with_headers(200, &[("Retry-After", "30")], json!({"status": "InProgress"})),
        answer(500, NONE),
        answer(200, json!({"status": "Succeeded"})),
        ok(),
    ];
    let script = Script::new(steps);
    let arm = client(&script);
    let mut states = Vec::new();
    let mut operation = arm.begin(&put()).await.unwrap();
    let body =
        arm.wait(&mut operation, &mut |operation| states.push(operation.state().to_owned())).await.unwrap();
    assert_eq!(body.unwrap()["id"], THING);
    assert_eq!(states, ["InProgress", "Succeeded", "Succeeded"]);
    let at: Vec<u64> = script.sent().iter().map(|sent| sent.at.as_secs()).collect();
    assert_eq!((at[1], at[2]), (10, 40));
    assert_eq!(script.lines()[4], format!("GET {THING}"));
    assert!(script.sent()[4].url.ends_with("api-version=2025-06-01"));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_never_ends_meets_its_deadline() {
    let started = with_headers(202, &[("Azure-AsyncOperation", STATUS), ("Retry-After", "600")], NONE);
    let mut steps = vec![started];
    steps.extend(vec![with_headers(200, &[("Retry-After", "600")], json!({"status": "InProgress"})); 11]);
    let script = Script::new(steps);
    let error = client(&script).run(&put()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::DeadlinePassed);
    assert!(error.to_string().contains("InProgress") && error.hint().is_some(), "{error}");
    assert_eq!(script.sent().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_operation_is_taken_up_by_another_client() {
    let script = Script::new(vec![with_headers(202, &[("Azure-AsyncOperation", STATUS)], NONE)]);
    let first = client(&script);
    let operation = first.begin(&put()).await.unwrap();
    let stored = serde_json::to_string(&operation).unwrap();
    tokio::time::sleep(Duration::from_hours(30)).await; // long after its deadline
    let script = Script::new(vec![answer(200, json!({"status": "Succeeded"})), ok()]);
    let mut operation: Operation = serde_json::from_str(&stored).unwrap();
    let second = client_on(&script, Arc::new(Tokens::default()), Arc::clone(first.clock()));
    assert!(second.wait(&mut operation, &mut |_| {}).await.unwrap().is_some());
    assert_eq!(script.lines()[0], "GET /subscriptions/1/operations/7");
}

#[tokio::test(start_paused = true)]
async fn a_failing_poll_leaves_the_operation_resumable() {
    let mut steps = vec![with_headers(202, &[("Location", STATUS)], NONE)];
    steps.extend(vec![Step::Lost; 8]);
    steps.extend([answer(200, NONE), ok()]);
    let script = Script::new(steps);
    let arm = client(&script);
    let mut operation = arm.begin(&put()).await.unwrap();
    let error = arm.wait(&mut operation, &mut |_| {}).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::Transient, "{error}");
    assert!(!operation.is_done());
    assert!(arm.wait(&mut operation, &mut |_| {}).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failed_operation_says_why() {
    let failed =
        json!({"status": "Failed", "error": {"code": "AllocationFailed", "message": "no room here"}});
    let script = Script::new(vec![
        with_headers(201, &[("Azure-AsyncOperation", STATUS)], NONE),
        with_headers(200, &[("x-ms-request-id", "id-9")], failed),
    ]);
    let error = client(&script).run(&put()).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::CapacityUnavailable { .. }));
    assert_eq!(
        error.to_string(),
        format!("cannot create or update {THING}: no room here (AllocationFailed, request id-9)")
    );
}

#[tokio::test(start_paused = true)]
async fn busy_resources_and_unknown_identities_are_waited_out() {
    for (status, code) in
        [(400, "PrincipalNotFound"), (409, "AnotherOperationInProgress"), (400, "NicReservedForAnotherVm")]
    {
        let mut steps = vec![answer(status, fault(code)); 24];
        steps.push(ok());
        let script = Script::new(steps);
        client(&script).run(&put()).await.unwrap();
        assert_eq!(script.sent().len(), 25, "{code}");
    }
    let script = Script::new(vec![answer(400, fault("PrincipalNotFound")); 200]);
    let error = client(&script).run(&put()).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::PrincipalNotFound);
    let last = script.sent().last().unwrap().at;
    assert!(last > Duration::from_mins(14) && last <= Duration::from_mins(16), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn each_plane_gets_its_own_token_and_prices_get_none() {
    let script = Script::new(vec![
        ok(),
        ok(),
        answer(200, json!({"Items": [{"n": 1}], "NextPageLink": "https://prices.azure.com:443/x?$skip=1"})),
        answer(200, json!({"Items": [{"n": 2}], "NextPageLink": null})),
    ]);
    let tokens = Arc::new(Tokens::default());
    let arm = client_with(&script, tokens.clone());
    arm.send(&get()).await.unwrap();
    let resize = Request::post("/pools/p/resize", Some(json!({"targetDedicatedNodes": 1})));
    arm.send(&resize.batch("farm.westeurope.batch.azure.com").api_version("2025-06-01")).await.unwrap();
    let prices = Request::get("/x").public("https://prices.azure.com");
    assert_eq!(arm.list(&prices).await.unwrap(), [json!({"n": 1}), json!({"n": 2})]);
    assert_eq!(
        *tokens.scopes.lock().unwrap(),
        ["https://management.azure.com/.default", "https://batch.core.windows.net//.default"]
    );
    let sent = script.sent();
    assert_eq!(sent[1].url, "https://farm.westeurope.batch.azure.com/pools/p/resize?api-version=2025-06-01");
    assert!(
        sent[1].headers.contains("content-type: application/json; odata=minimalmetadata"),
        "{}",
        sent[1].headers
    );
    assert!(sent[2].authorization.is_none() && sent[3].authorization.is_none());
    assert!(sent[0].authorization.is_some() && sent[1].authorization.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_waits_the_same_way() {
    let mut schedules = Vec::new();
    for _ in 0..2 {
        let script = Script::new(vec![answer(503, NONE); 8]);
        client(&script).send(&get()).await.unwrap_err();
        schedules.push(script.sent().iter().map(|sent| sent.at).collect::<Vec<_>>());
    }
    assert_eq!(schedules[0], schedules[1]);
}

#[tokio::test(start_paused = true)]
async fn futures_of_the_client_move_between_threads() {
    fn movable<T: Send>(value: T) -> T {
        value
    }
    let script = Script::new(vec![ok()]);
    let arm = client(&script);
    movable(arm.run(&put())).await.unwrap();
}
