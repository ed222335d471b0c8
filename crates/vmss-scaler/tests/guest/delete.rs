//! `delete-this-node` under dash against the stub.

use std::fs;

use vmss_scaler::guest::delete_this_node;
use vmss_scaler::request;

use super::machine::{Machine, reason, said};
use super::stub::{Answer, CLIENT, TOKEN, VM, answer};

fn script() -> String {
    delete_this_node().unwrap()
}

/// The messages as the scaler reads them.
fn messages(machine: &Machine) -> Vec<request::Request> {
    let text = |body: &str| {
        let inner = body.strip_prefix("<QueueMessage><MessageText>").unwrap();
        inner.strip_suffix("</MessageText></QueueMessage>").unwrap().to_owned()
    };
    machine.stub.writes().iter().map(|seen| request::read(&text(&seen.body)).unwrap()).collect()
}

#[test]
fn a_node_asks_for_its_deletion_with_its_own_identity() {
    let machine = Machine::node();
    let output = machine.run(&script(), &[]);
    let sent = messages(&machine);
    assert!(output.status.success(), "{:?}", said(&output));
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].set.as_str(), sent[0].instance.as_str()), ("crunch-spot", "12"));
    assert_eq!(sent[0].vm, Some(VM.parse().unwrap()));
    let id = sent[0].request.clone().unwrap();
    assert!(id.parse::<uuid::Uuid>().is_ok());
    assert_eq!(
        said(&output).0,
        format!("flamenco-azure: asked for the deletion of 12 in crunch-spot (request {id})\n")
    );

    let write = &machine.stub.writes()[0];
    assert_eq!(write.headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(write.headers["content-type"], "application/xml");
    assert!(write.headers["x-ms-version"].as_str() >= "2017-11-09", "the first version with Entra tokens");
    assert!(write.headers["x-ms-date"].ends_with(" GMT"));
    let asked = &machine.stub.seen("/token")[0].target;
    assert!(asked.to_lowercase().contains("resource=https%3a%2f%2fstorage.azure.com%2f&"), "{asked}");
    assert!(asked.contains(&format!("client_id={CLIENT}")), "{asked}");
}

#[test]
fn uniform_and_flexible_names_give_the_instance_id() {
    let group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute";
    let uniform =
        |index: &str| format!("{group}/virtualMachineScaleSets/crunch-spot/virtualMachines/{index}");
    let flexible = |name: &str| format!("{group}/virtualMachines/{name}");
    for (name, resource, instance) in [
        ("crunch-spot_12", None, "12"),
        ("crunch-spot_0", None, "0"),
        ("crunch-spot_1a2b3c4d", None, "crunch-spot_1a2b3c4d"),
        // Eight digits: without a resource id it is taken for a flexible one, sets do not count that far.
        ("crunch-spot_12345678", None, "crunch-spot_12345678"),
        ("crunch-spot_12345678", Some(flexible("crunch-spot_12345678")), "crunch-spot_12345678"),
        ("crunch-spot_12345678", Some(uniform("12345678").to_lowercase()), "12345678"),
        ("crunch-spot_12", Some(uniform("12")), "12"),
        // A machine that was attached to a flexible set has a name of its own.
        ("render-left", None, "render-left"),
        ("crunch-spot_12", Some(flexible("crunch-spot_12")), "crunch-spot_12"),
    ] {
        let machine = Machine::node();
        machine.stub.compute("name", name);
        if let Some(resource) = &resource {
            machine.stub.compute("resourceId", resource);
        }
        let output = machine.run(&script(), &[]);
        assert!(output.status.success(), "{:?}", said(&output));
        let sent = messages(&machine);
        assert_eq!(
            (sent[0].set.as_str(), sent[0].instance.as_str()),
            ("crunch-spot", instance),
            "{resource:?}"
        );
    }
}

#[test]
fn every_try_on_one_machine_sends_the_same_request_id() {
    let machine = Machine::node();
    // Accepted, but the answer is lost: the node cannot know.
    machine.stub.first("/messages", [answer(0, ""), answer(503, "<Error><Code>ServerBusy</Code></Error>")]);
    assert!(machine.run(&script(), &[]).status.success());
    assert!(machine.run(&script(), &[]).status.success());
    let sent = messages(&machine);
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|request| *request == sent[0]));

    // An image that was made of this machine brings its files along: another machine, another id.
    machine.stub.compute("vmId", "aaaaaaaa-bbbb-4ccc-8ddd-000000000000");
    assert!(machine.run(&script(), &[]).status.success());
    assert_ne!(messages(&machine)[4].request, sent[0].request);
}

#[test]
fn several_at_once_agree_on_the_request_id() {
    let text = script();
    // With nothing there, and with what a power cut left.
    for (round, left) in [None, Some("")].into_iter().cycle().take(8).enumerate() {
        let machine = Machine::node();
        // Whatever a script may bring a file into its place with, or away.
        for program in ["cat", "ln", "mktemp", "mv", "rm"] {
            machine.dawdle(program);
        }
        if let Some(left) = left {
            machine.write(&format!("/var/lib/flamenco-azure/delete-request-{VM}"), left);
        }
        std::thread::scope(|scope| {
            for name in ["one", "two", "three", "four"] {
                let (machine, text) = (&machine, &text);
                scope.spawn(move || {
                    let path = machine.path(name);
                    fs::write(&path, text).unwrap();
                    let output = machine.spawn(&path).wait_with_output().unwrap();
                    assert!(output.status.success(), "round {round}: {:?}", said(&output));
                });
            }
        });
        let sent = messages(&machine);
        assert_eq!(sent.len(), 4);
        assert!(sent.iter().all(|request| request.request == sent[0].request), "round {round}: {sent:?}");
    }
}

#[test]
fn an_interrupted_first_try_leaves_no_empty_id() {
    let machine = Machine::node();
    machine.write(&format!("/var/lib/flamenco-azure/delete-request-{VM}"), "");
    assert!(machine.run(&script(), &[]).status.success());
    assert!(messages(&machine)[0].request.is_some());
}

#[test]
fn passing_failures_are_waited_out_with_growing_pauses() {
    for status in [408, 429, 500, 502, 503, 504, 0] {
        let machine = Machine::node();
        machine.stub.first("/messages", vec![answer(status, ""); 5]);
        assert!(machine.run(&script(), &[]).status.success(), "{status}");
        let pauses = machine.pauses();
        assert_eq!(pauses.len(), 5, "{pauses:?}");
        for (pause, least) in pauses.iter().zip([1, 2, 4, 8, 16]) {
            assert!((least..2 * least + 1).contains(pause), "{pauses:?}");
        }
    }
}

#[test]
fn the_server_says_how_long_to_wait() {
    let machine = Machine::node();
    let asked = |header: &str| Answer { status: 429, headers: header.into(), body: String::new() };
    machine.stub.first(
        "/messages",
        [
            asked("Retry-After: 7\r\n"),
            asked("retry-after:  1\r\n"),
            asked("Retry-After: 86400\r\n"),
            // A date is not understood: the usual pause.
            asked("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"),
        ],
    );
    assert!(machine.run(&script(), &[]).status.success());
    let pauses = machine.pauses();
    assert_eq!(pauses[..3], [7, 1, 300]);
    assert!((8..=16).contains(&pauses[3]), "{pauses:?}");
}

#[test]
fn a_lasting_failure_ends_with_a_clear_reason() {
    let machine = Machine::node();
    let body = "\u{feff}<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code><Message>The server is busy.\nTime:x</Message></Error>";
    machine.stub.first("/messages", vec![answer(503, body); 20]);
    let url = &machine.stub.url;
    let why = reason(&machine.run(&script(), &[]));
    let expected = "ServerBusy: The server is busy. Time:x (HTTP status 503)";
    assert_eq!(why, format!("cannot put a message on {url}/deletions: {expected}"));
    assert_eq!(machine.stub.writes().len(), 8, "bounded");
}

#[test]
fn refusals_are_not_repeated_and_say_what_is_missing() {
    for (status, code, expected) in [
        (403, "AuthorizationPermissionMismatch", "(role Storage Queue Data Message Sender)"),
        (401, "InvalidAuthenticationInfo", "refuses identity 11111111-2222-4333-8444-555555555555"),
        (404, "QueueNotFound", "there is no queue"),
        (400, "InvalidXmlDocument", "cannot put a message on"),
        (302, "", "no reason given (HTTP status 302)"),
        (200, "", "(HTTP status 200)"),
    ] {
        let machine = Machine::node();
        let body =
            if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
        machine.stub.first("/messages", vec![answer(status, &body); 20]);
        let why = reason(&machine.run(&script(), &[]));
        assert!(why.contains(expected) && why.contains(code), "{why}");
        assert_eq!(machine.stub.writes().len(), 1, "{status}");
        assert!(machine.pauses().is_empty());
    }
}

#[test]
fn a_machine_outside_a_scale_set_sends_nothing() {
    let machine = Machine::node();
    machine.stub.compute("vmScaleSetName", "");
    assert_eq!(reason(&machine.run(&script(), &[])), "this machine is not in a scale set");
    assert!(machine.stub.writes().is_empty() && machine.stub.seen("/token").is_empty());
}

#[test]
fn odd_answers_of_the_metadata_service_send_nothing() {
    for (field, value, expected) in [
        ("name", "<html>portal</html>", "gives the names"),
        ("name", "a\"b", "gives the names"),
        ("vmId", "<html>", "the VM id"),
        ("vmId", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeeeee", "the VM id"),
        ("resourceId", "/a/virtualMachineScaleSets/b/virtualMachines/1&2", "the resource id"),
    ] {
        let machine = Machine::node();
        machine.stub.compute(field, value);
        let why = reason(&machine.run(&script(), &[]));
        assert!(why.contains(expected), "{why}");
        assert!(machine.stub.writes().is_empty());
    }
}

#[test]
fn the_metadata_service_may_take_its_time() {
    let machine = Machine::node();
    machine.stub.first("/compute/", [answer(410, ""), answer(429, ""), answer(500, ""), answer(0, "")]);
    machine.stub.first("/token", [answer(404, ""), answer(410, ""), answer(503, "")]);
    assert!(machine.run(&script(), &[]).status.success());
    assert_eq!(messages(&machine).len(), 1);
}

#[test]
fn no_token_no_message() {
    let missing = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    for (given, expected) in [
        (
            answer(400, missing),
            "assigned to this machine? invalid_request: Identity not found (HTTP status 400)",
        ),
        (answer(200, "{}"), "the answer of the token service holds no token"),
        (answer(200, r#"{"access_token":"a\"\nurl=b"}"#), "the answer of the token service holds no token"),
        (
            answer(403, ""),
            "cannot get a token for https://storage.azure.com/: no reason given (HTTP status 403)",
        ),
    ] {
        let machine = Machine::node();
        machine.stub.first("/token", [given]);
        let why = reason(&machine.run(&script(), &[]));
        assert!(why.contains(expected), "{why}");
        assert!(machine.stub.writes().is_empty());
    }
}

#[test]
fn bad_settings_send_nothing_at_all() {
    for (conf, expected) in [
        (None, "may not ask for its deletion"),
        (Some(format!("CLIENT_ID={CLIENT}\n")), "QUEUE_URL is ''"),
        (
            Some(format!("QUEUE_URL=http://crunch.example/q\nCLIENT_ID={CLIENT}\n")),
            "expected an https address",
        ),
        (Some("QUEUE_URL=https://a.example/q\nCLIENT_ID=$(touch /tmp/x)\n".into()), "CLIENT_ID is '$(touch"),
        (Some("QUEUE_URL=https://a.example/q\n".into()), "CLIENT_ID is ''"),
    ] {
        let machine = Machine::new();
        if let Some(conf) = conf {
            machine.write("/etc/flamenco-azure/node.conf", &conf);
        }
        let why = reason(&machine.run(&script(), &[]));
        assert!(why.contains(expected), "{why}");
        assert!(machine.stub.seen("").is_empty());
    }
    let machine = Machine::node();
    assert_eq!(reason(&machine.run(&script(), &["--yes"])), "usage: delete-this-node");
    assert!(machine.stub.seen("").is_empty());
}

#[test]
fn a_traced_run_shows_no_token() {
    for shell in [vec!["-x"], vec!["-xv"], vec!["-v", "-x", "-e"]] {
        let machine = Machine::node();
        // `run_as` looks for the token in the output and in every argument of curl.
        let output = machine.run_as(&script(), "traced", &[], &shell, &[]);
        assert!(output.status.success(), "{:?}", said(&output));
        assert_eq!(messages(&machine).len(), 1);
        assert!(machine.log().contains("<--config>"), "the recorder of arguments is at work");
    }
}
