//! Laws of the world itself: determinism, persistence, faults, throttling, checkers, the transport.

use std::sync::{Arc, Mutex};

use azure_core::http::{HttpClient, Method, Request};
use azure_sim::{Action, CallFate, Fault, Finding, Match, Phase, Resource, SimTransport, World, WorldConfig};
use serde_json::json;

use crate::support::*;

#[test]
fn same_seed_and_requests_give_the_same_bytes() {
    let run = |seed: u64| {
        let mut config = WorldConfig::new(SUB);
        config.seed = seed;
        let mut w = World::new(config);
        network(&mut w);
        (format!("{:?}", w.log()), w.to_json().unwrap(), w.canonical())
    };
    let (one, two, other) = (run(1), run(1), run(2));
    assert_eq!(one, two);
    assert_ne!(one.0, other.0);
    assert_eq!(one.2, other.2, "the canonical state does not depend on the seed");
}

#[test]
fn a_world_read_back_behaves_the_same() {
    let mut original = world();
    network(&mut original);
    // In the middle of an operation, with a fault still waiting.
    let accepted = delete(&mut original, &net("networkInterfaces/nic"));
    original
        .inject(Fault::once(Match::on("DELETE", "natGateways"), Action::error(503, "ServerTimeout", "x")));
    let mut copy = World::from_json(&original.to_json().unwrap()).unwrap();
    assert!(copy.log().is_empty());
    let poll = accepted.header("azure-asyncoperation").unwrap().to_owned();
    for w in [&mut original, &mut copy] {
        assert_eq!(get(w, &poll).json_body()["status"], "InProgress");
        w.advance_by(30);
        assert_eq!(get(w, &poll).json_body()["status"], "Succeeded");
        assert_eq!(delete(w, &net("natGateways/nat")).status, 503);
        assert_eq!(get(w, &net("networkInterfaces/nic")).status, 404);
    }
    assert_eq!(original.to_json().unwrap(), copy.to_json().unwrap());
}

#[test]
fn a_lost_response_has_changed_the_world_and_a_reset_has_not() {
    let mut w = world();
    group(&mut w);
    w.inject(Fault::once(Match::on("PUT", "/lost"), Action::LoseResponse));
    w.inject(Fault::once(Match::on("PUT", "/reset"), Action::Reset));
    assert!(put(&mut w, &net("networkSecurityGroups/lost"), &tagged(json!({}))).lost);
    assert!(put(&mut w, &net("networkSecurityGroups/reset"), &tagged(json!({}))).lost);
    assert_eq!(get(&mut w, &net("networkSecurityGroups/lost")).status, 200);
    assert_eq!(get(&mut w, &net("networkSecurityGroups/reset")).status, 404);
    assert!(w.faults().is_empty());
}

#[test]
fn faults_strike_the_nth_match_or_a_call_number() {
    let mut w = world();
    w.inject(Fault::once(Match::on("GET", "/subscriptions").nth(2), Action::throttled(7)));
    w.inject(Fault::once(Match::call(4), Action::ExpiredToken));
    let path = format!("/subscriptions/{SUB}");
    let statuses: Vec<u16> = (0..5).map(|_| get(&mut w, &path).status).collect();
    assert_eq!(statuses, [200, 429, 200, 401, 200]);
}

#[test]
fn an_operation_can_hang_for_ever() {
    let mut w = world();
    group(&mut w);
    w.inject(Fault::once(Match::on("PUT", "nsg"), Action::Operation(azure_sim::OperationFault::NeverEnds)));
    let accepted = put(&mut w, &net("networkSecurityGroups/nsg"), &tagged(json!({})));
    w.advance_by(100_000);
    let poll = accepted.header("azure-asyncoperation").unwrap().to_owned();
    assert_eq!(get(&mut w, &poll).json_body()["status"], "InProgress");
}

#[test]
fn the_bucket_of_writes_empties_and_fills_again() {
    let mut w = world();
    let body = json!({"location": "westeurope"});
    let mut left = Vec::new();
    let refused = loop {
        let answer = put(&mut w, &group_path(), &body);
        if answer.status == 429 {
            break answer;
        }
        left.push(answer.header("x-ms-ratelimit-remaining-subscription-writes").unwrap().to_owned());
    };
    assert_eq!((left.len(), left[0].as_str(), left[199].as_str()), (200, "199", "0"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.error_code().as_deref(), Some("SubscriptionRequestsThrottled"));
    assert_eq!(get(&mut w, &group_path()).status, 200, "reads have a bucket of their own");
    w.advance_by(1);
    assert_eq!((0..11).filter(|_| put(&mut w, &group_path(), &body).status == 200).count(), 10);
}

#[test]
fn checkers_are_silent_on_a_sound_world_and_speak_otherwise() {
    let mut w = world();
    network(&mut w);
    assert_eq!(
        w.check(),
        [Finding::Orphan(net("networkInterfaces/nic"))],
        "no machine holds the interface yet"
    );
    let machine = net("x").replace("Microsoft.Network/x", "Microsoft.Compute/virtualMachines/vm");
    let mut machine = Resource::new(&machine, "Microsoft.Compute/virtualMachines", w.now());
    machine.properties =
        json!({"networkProfile": {"networkInterfaces": [{"id": net("networkInterfaces/nic")}]}});
    w.add_foreign(machine);
    assert_eq!(w.check(), []);
    assert_eq!(delete(&mut w, &net("networkInterfaces/nic")).error_code().as_deref(), Some("NicInUse"));
    let stray = net("publicIPAddresses/stray");
    w.add_foreign(Resource::new(
        &net("publicIPAddresses/theirs"),
        "Microsoft.Network/publicIPAddresses",
        w.now(),
    ));
    assert_eq!(w.check(), [], "foreign resources are nobody's fault");
    let mut body = standard(json!({"publicIPAllocationMethod": "Static"}));
    body["tags"] = json!({"AccountKey=": "\"password\""});
    let made = put(&mut w, &stray, &body);
    assert_eq!(made.status, 201, "{}", made.json_body());
    let found = w.check();
    assert!(found.contains(&Finding::Untagged(stray.clone())), "{found:?}");
    assert!(found.contains(&Finding::Orphan(stray.clone())), "{found:?}");
    assert!(found.iter().any(|f| matches!(f, Finding::Secret { kind: "AccountKey=", .. })), "{found:?}");
}

fn transport(world: World) -> SimTransport {
    let start = world.now();
    let origin = tokio::time::Instant::now();
    let now = move || {
        let passed = tokio::time::Instant::now().duration_since(origin);
        start.checked_add(jiff::SignedDuration::try_from(passed).unwrap()).unwrap()
    };
    SimTransport::new(Arc::new(Mutex::new(world)), Arc::new(now))
}

fn group_put() -> Request {
    let url = format!("https://management.azure.com{}?api-version=2024-03-01", group_path());
    let mut request = Request::new(url.parse().unwrap(), Method::Put);
    request.insert_header("authorization", "Bearer any");
    request.set_body(json!({"location": "westeurope"}).to_string());
    request
}

#[tokio::test(start_paused = true)]
async fn the_transport_takes_virtual_time_and_shows_lost_responses_as_io_errors() {
    let sim = transport(world());
    let before = tokio::time::Instant::now();
    let answer = sim.execute_request(&group_put()).await.unwrap();
    assert_eq!(u16::from(answer.status()), 201);
    assert_eq!(before.elapsed().as_millis(), 250);
    sim.world().inject(Fault::once(Match::any(), Action::LoseResponse));
    assert!(sim.execute_request(&group_put()).await.is_err());
    assert_eq!(sim.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_cut_before_or_after_its_effect() {
    for (phase, groups) in [(Phase::Before, 0), (Phase::After, 1)] {
        let hook = move |_call: u64, at: Phase| if at == phase { CallFate::Hang } else { CallFate::Continue };
        let sim = transport(world()).on_call(Arc::new(hook));
        let request = group_put();
        let call = sim.execute_request(&request);
        let cut = tokio::time::timeout(std::time::Duration::from_secs(5), call).await;
        assert!(cut.is_err());
        assert_eq!(sim.world().groups().len(), groups);
    }
}
