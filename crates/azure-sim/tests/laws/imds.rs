//! Laws of the metadata service of machines: who asks, tokens and rights by identity, notices of evictions.

use azure_sim::{SimRequest, SimResponse, World};
use serde_json::{Value, json};

use crate::fleet::*;
use crate::support::*;

fn ask(world: &mut World, machine: &str, method: &str, path: &str, body: Option<&Value>) -> SimResponse {
    let url = format!("http://169.254.169.254{path}").parse().unwrap();
    let mut request = SimRequest::new(method, url).header("Metadata", "true");
    if let Some(body) = body {
        request = request.json_body(body);
    }
    world.handle_on(machine, &request)
}

fn identity(world: &mut World, name: &str) -> (String, Value) {
    let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", group_path());
    let made = put(world, &path, &tagged(json!({})));
    (path, made.json_body()["properties"].clone())
}

fn with_identities(world: &mut World, mode: &str, ids: &[&str]) {
    let mut body = body(mode, 2);
    let assigned: serde_json::Map<String, Value> =
        ids.iter().map(|id| ((*id).to_owned(), json!({}))).collect();
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": assigned});
    assert_eq!(put(world, &set("farm"), &body).status, 201);
    world.advance_by(400);
}

const TOKEN: &str =
    "/metadata/identity/oauth2/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";

#[test]
fn a_machine_reads_who_it_is() {
    for mode in ["Uniform", "Flexible"] {
        let mut w = ground();
        settled(&mut w, "farm", mode, 2);
        let one = w.set_instances(&set("farm"))[1].clone();
        let path = "/metadata/instance?api-version=2021-02-01";
        let facts = ask(&mut w, &one.vm_id, "GET", path, None).json_body();
        assert_eq!(facts["compute"]["vmId"], one.vm_id);
        assert_eq!(facts["compute"]["vmScaleSetName"], "farm");
        assert_eq!(facts["compute"]["priority"], "Spot");
        assert_eq!(facts["compute"]["resourceGroupName"], "Farm");
        let name =
            if mode == "Uniform" { format!("farm_{}", one.instance_id) } else { one.instance_id.clone() };
        assert_eq!(facts["compute"]["name"], name);
        let leaf = "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
        assert_eq!(ask(&mut w, &one.vm_id, "GET", leaf, None).body, name.into_bytes());
        let id = facts["compute"]["resourceId"].as_str().unwrap().to_owned();
        assert_eq!(ask(&mut w, &id, "GET", path, None).json_body(), facts);

        let bare = SimRequest::new("GET", format!("http://169.254.169.254{path}").parse().unwrap());
        assert_eq!(w.handle_on(&one.vm_id, &bare).status, 400);
        assert_eq!(ask(&mut w, &one.vm_id, "GET", "/metadata/instance", None).status, 400);
        assert!(ask(&mut w, "00000000-0000-4000-8000-000000000000", "GET", path, None).lost);
    }
}

#[test]
fn a_machine_that_does_not_run_is_not_answered() {
    let mut w = ground();
    put(&mut w, &set("farm"), &body("Uniform", 1));
    let machine = w.set_instances(&set("farm"))[0].vm_id.clone();
    let path = "/metadata/instance?api-version=2021-02-01";
    assert!(ask(&mut w, &machine, "GET", path, None).lost, "it is still booting");
    w.advance_by(400);
    assert_eq!(ask(&mut w, &machine, "GET", path, None).status, 200);
    send(&mut w, "POST", &format!("{}/deallocate", set("farm")), Some(&json!({"instanceIds": ["0"]})));
    w.advance_by(60);
    assert!(ask(&mut w, &machine, "GET", path, None).lost);
}

#[test]
fn tokens_are_of_the_identity_that_was_asked_for() {
    let mut w = ground();
    let (node, node_facts) = identity(&mut w, "node");
    let (other, other_facts) = identity(&mut w, "other");
    with_identities(&mut w, "Flexible", &[&node, &other]);
    let machine = w.set_instances(&set("farm"))[0].vm_id.clone();
    let several = ask(&mut w, &machine, "GET", TOKEN, None);
    assert_eq!(several.status, 400);
    assert!(several.json_body()["error_description"].as_str().unwrap().starts_with("Multiple user assigned"));
    for facts in [&node_facts, &other_facts] {
        let client = facts["clientId"].as_str().unwrap();
        let path = format!("{TOKEN}&client_id={client}");
        let token = ask(&mut w, &machine, "GET", &path, None).json_body();
        assert_eq!(token["client_id"], client);
        assert_eq!(w.principal_of(token["access_token"].as_str().unwrap()), facts["principalId"]);
    }
    let stranger = format!("{TOKEN}&client_id=00000000-0000-4000-8000-000000000000");
    assert_eq!(ask(&mut w, &machine, "GET", &stranger, None).status, 400);
    assert_ne!(w.principal_of("any"), node_facts["principalId"]);
}

#[test]
fn an_identity_may_do_what_its_roles_say_and_not_before_they_count() {
    let mut w = ground();
    let (node, facts) = identity(&mut w, "node");
    with_identities(&mut w, "Uniform", &[&node]);
    let machine = w.set_instances(&set("farm"))[0].vm_id.clone();
    let token =
        ask(&mut w, &machine, "GET", TOKEN, None).json_body()["access_token"].as_str().unwrap().to_owned();
    let as_node = |method: &str, path: &str, body: Option<&Value>| {
        request(method, path, body).header("authorization", &format!("Bearer {token}"))
    };
    let read = as_node("GET", &set("farm"), None);
    let write = as_node("PATCH", &set("farm"), Some(&json!({"sku": {"capacity": 3}})));
    let refused = w.handle(&read);
    assert_eq!(code(&refused), (403, "AuthorizationFailed".to_owned()));
    assert!(refused.json_body().to_string().contains(facts["principalId"].as_str().unwrap()));
    let assign = |world: &mut World, name: &str, role: &str| {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", set("farm"));
        let body = json!({"properties": {
            "roleDefinitionId": format!("/subscriptions/{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": facts["principalId"], "principalType": "ServicePrincipal",
        }});
        assert_eq!(put(world, &path, &body).status, 201);
    };
    assign(&mut w, "1", "acdd72a7-3385-48ef-bd42-f606fba81ae7");
    assert_eq!(w.handle(&read).status, 200);
    assert_eq!(w.handle(&write).status, 403);
    w.role_lag(300);
    assign(&mut w, "2", "9980e02c-c2be-4d73-94e8-173b1dc7cf3c");
    assert_eq!(w.handle(&write).status, 403, "not known everywhere yet");
    w.advance_by(301);
    assert_eq!(w.handle(&write).status, 200);
    // Only where the role is.
    assert_eq!(w.handle(&as_node("GET", &machines(), None)).status, 403);
}

#[test]
fn an_eviction_is_announced_and_may_begin_early() {
    let events = "/metadata/scheduledevents?api-version=2020-07-01";
    for early in [false, true] {
        let mut w = ground();
        settled(&mut w, "farm", "Flexible", 2);
        let both = w.set_instances(&set("farm"));
        let (first, second) = (both[0].clone(), both[1].clone());
        let quiet = ask(&mut w, &first.vm_id, "GET", events, None).json_body();
        assert_eq!(quiet["Events"], json!([]));
        assert!(w.evict(&set("farm"), &first.instance_id));
        let told = ask(&mut w, &first.vm_id, "GET", events, None).json_body();
        assert_ne!(told["DocumentIncarnation"], quiet["DocumentIncarnation"]);
        let event = &told["Events"][0];
        assert_eq!((&event["EventType"], &event["EventStatus"]), (&json!("Preempt"), &json!("Scheduled")));
        assert_eq!(event["Resources"], json!([first.instance_id]));
        assert!(event["NotBefore"].as_str().unwrap().ends_with(" GMT"));
        let at_second = ask(&mut w, &second.vm_id, "GET", events, None).json_body();
        assert_eq!(at_second["Events"], json!([]), "it is the other's");
        let consent = json!({"StartRequests": [{"EventId": event["EventId"]}]});
        if early {
            assert_eq!(ask(&mut w, &first.vm_id, "POST", events, Some(&consent)).status, 200);
            w.advance_by(1);
        } else {
            w.advance_by(29);
            assert_eq!(w.set_instances(&set("farm")).len(), 2);
            w.advance_by(2);
        }
        assert_eq!(ids(&w, "farm"), [second.instance_id]);
        assert_eq!(state(&mut w, "farm").0, 1, "the capacity goes down with it");
        w.advance_by(60);
        assert_eq!(ids(&w, "farm").len(), 1, "and it happens once");
    }
}
