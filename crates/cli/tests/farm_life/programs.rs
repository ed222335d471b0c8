//! For programs: `--json` and `--quiet`.

use serde_json::Value;

use crate::support::Ran;
use crate::{old_place, place};

/// The events of a run, each a line of its own and nothing else.
#[track_caller]
fn events(ran: &Ran) -> Vec<Value> {
    let event = |line: &str| -> Value {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event.is_object() && event["event"].is_string(), "{line}");
        event
    };
    ran.out.lines().map(event).collect()
}

fn named<'a>(events: &'a [Value], name: &str) -> &'a Value {
    events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("no `{name}` in {events:?}"))
}

#[test]
fn json_is_one_event_a_line_and_nothing_else() {
    let place = place();
    let run = |line: &str, code: i32| {
        let ran = place.simulate(&format!("--json {line}"));
        ran.ended(code, &[]);
        assert_eq!(ran.err, "", "{line}: programs read standard output");
        let events = events(&ran);
        assert!(!events.is_empty(), "{line} says nothing");
        events
    };
    let planned = run("plan --check", 4);
    assert!(!named(&planned, "plan")["plan"]["steps"].as_array().unwrap().is_empty());
    assert!(named(&planned, "cost")["hourlyUsd"].as_f64().unwrap() > 0.0);

    let deployed = run("deploy --yes", 0);
    let count = |name: &str| deployed.iter().filter(|event| event["event"] == name).count();
    assert_eq!(count("step-started"), count("step-done"));
    assert_eq!(named(&deployed, "step-begun")["steps"], count("step-done"));
    assert_eq!(named(&deployed, "urls")["manager"], "https://studio-vm.westeurope.cloudapp.azure.com/");
    assert_eq!(named(&deployed, "finished")["command"], "deploy");

    let again = run("deploy --yes", 0);
    assert_eq!(named(&again, "finished")["seconds"], 0);

    let scaled = run("scale --dedicated 2 --spot 0 --wait", 0);
    assert_eq!(named(&scaled, "scaled")["target"]["dedicated"], 2);

    let status = run("status", 0);
    let status = named(&status, "status");
    assert_eq!(status["exists"], true);
    assert_eq!(status["pools"][0]["current"]["dedicated"], 2);

    for line in ["urls", "whoami", "tunnel", "download", "pause --yes", "pause --yes", "resume --yes"] {
        run(line, 0);
    }
    assert!(named(&run("ssh -- ls", 0), "command")["command"].as_str().unwrap().ends_with(" ls"));
    let converted = run("shaman-url https://farm.example.com/", 0);
    assert_eq!(named(&converted, "shaman-url")["shaman"], "shaman://farm.example.com/");

    let refused = run("scale nowhere --dedicated 1", 1);
    let error = named(&refused, "error");
    assert_eq!(error["message"], "the farm has no pool `nowhere`");
    assert_eq!(error["hint"], "its pools: flamenco-workers");

    assert_eq!(named(&run("teardown --yes", 0), "finished")["command"], "teardown");
    assert_eq!(named(&run("status", 0), "status")["exists"], false);
}

#[test]
fn quiet_leaves_the_result_and_what_one_must_know() {
    let place = old_place();
    let ran = place.simulate("deploy --yes --quiet");
    ran.said(0, &["Manager      https://studio-vm.westeurope.cloudapp.azure.com/"]);
    assert!(ran.err.lines().all(|line| line.starts_with("warning: ")), "{}", ran.err);
    for line in ["scale --dedicated 2 --quiet", "pause --yes --quiet", "teardown --yes --quiet"] {
        let ran = place.simulate(line);
        ran.ended(0, &[]);
        assert_eq!(ran.err, "", "{line}");
    }
    let ran = place.simulate("ssh --quiet");
    ran.ended(1, &["error: "]);
    assert_eq!(ran.err.lines().count(), 2, "an error and its hint: {}", ran.err);
}
