//! `spot-watch` and `idle-watch` under dash against the stub.

use std::fs;

use vmss_scaler::guest::{NodeGuest, SpotWatch, idle_watch, node_files, spot_watch};

use super::machine::{Machine, until};
use super::stub::{Stub, answer, event};

const ID: &str = "C7061BAC-AFDC-4513-B24B-AA5F13A16123";

fn watched(hook: Option<&str>) -> Machine {
    let machine = Machine::new();
    let spot = SpotWatch { hook: hook.map(str::to_owned), ..SpotWatch::default() };
    machine.install(&node_files(&NodeGuest { spot: Some(spot), ..NodeGuest::default() }).unwrap());
    machine
}

fn polls(machine: &Machine) -> usize {
    machine.stub.seen("/scheduledevents").iter().filter(|seen| seen.method == "GET").count()
}

fn acknowledged(stub: &Stub) -> Vec<String> {
    let posts = stub.seen("/scheduledevents").into_iter().filter(|seen| seen.method == "POST");
    posts.map(|seen| seen.body).collect()
}

fn stopped(machine: &Machine) -> usize {
    machine.log().matches("systemctl stop flamenco-worker.service\n").count()
}

fn few_more_polls(machine: &Machine) {
    let before = polls(machine);
    until("more polls", || polls(machine) > before + 3);
}

#[test]
fn an_eviction_of_this_machine_stops_the_worker_once_and_is_answered() {
    let machine = watched(None);
    let running = machine.start(spot_watch());
    few_more_polls(&machine);
    assert_eq!(stopped(&machine), 0);
    // The service knows names in another case.
    machine.stub.world.lock().unwrap().events = event(ID, "Preempt", &["Crunch-Spot_12"]);
    until("the hook runs", || stopped(&machine) == 1);
    few_more_polls(&machine);
    drop(running);
    assert_eq!(stopped(&machine), 1);
    assert_eq!(acknowledged(&machine.stub), [format!("{{\"StartRequests\":[{{\"EventId\":\"{ID}\"}}]}}")]);
    for seen in machine.stub.seen("/scheduledevents") {
        assert_eq!(seen.headers["metadata"], "true");
        assert!(seen.target.ends_with("?api-version=2020-07-01"));
    }
}

#[test]
fn events_of_others_and_of_other_kinds_are_left_alone() {
    let machine = watched(None);
    let _running = machine.start(spot_watch());
    let two = event("A-1", "Preempt", &["crunch-spot_1", "crunch-spot_120"]);
    let of_another = event("A-2", "Preempt", &["crunch-spot_112"]);
    let named_in_words = event("A-3", "Preempt", &["other"]).replace("{name}", "crunch-spot_12");
    let mut documents = vec![two, of_another, named_in_words, event("A-4", "Preempt", &[]), "{}".into()];
    for kind in ["Freeze", "Reboot", "Redeploy", "Terminate"] {
        documents.push(event("A-5", kind, &["crunch-spot_12"]));
    }
    for text in ["", "<html>", "{\"Events\":[{\"EventType\":\"Preempt\",\"Resources\":[\"crunch-spot_12"] {
        documents.push(text.into());
    }
    // The kind of one event and the machine of another make none.
    documents.push(
        r#"{"Events":[{"EventId":"A-6","EventType":"Preempt","Resources":["x"]},{"EventId":"A-7","EventType":"Freeze","Resources":["crunch-spot_12"]}]}"#
            .into(),
    );
    for document in documents {
        machine.stub.world.lock().unwrap().events = document;
        few_more_polls(&machine);
    }
    assert_eq!(stopped(&machine), 0);
    assert!(acknowledged(&machine.stub).is_empty());
}

#[test]
fn an_event_with_other_machines_is_not_hurried() {
    let machine = watched(None);
    let _running = machine.start(spot_watch());
    machine.stub.world.lock().unwrap().events = event(ID, "Preempt", &["crunch-spot_11", "crunch-spot_12"]);
    until("the hook runs", || stopped(&machine) == 1);
    few_more_polls(&machine);
    assert!(acknowledged(&machine.stub).is_empty());
}

#[test]
fn the_watch_outlives_errors_of_the_metadata_service() {
    let machine = watched(None);
    machine.stub.first("/compute/name", [answer(0, ""), answer(500, "oops"), answer(200, "")]);
    machine
        .stub
        .first("/scheduledevents", [answer(0, ""), answer(429, ""), answer(500, "x"), answer(410, "")]);
    machine.stub.world.lock().unwrap().events = event(ID, "Preempt", &["crunch-spot_12"]);
    let _running = machine.start(spot_watch());
    until("the hook runs", || stopped(&machine) == 1);
    until("the answer", || acknowledged(&machine.stub).len() == 1);
    let output = fs::read_to_string(machine.state("output")).unwrap();
    // Said once, not at every poll.
    assert_eq!(output.matches("the metadata service does not answer; asking on").count(), 2, "{output}");
    assert_eq!(output.matches("answers again").count(), 1, "{output}");
}

#[test]
fn a_hook_that_fails_runs_again_and_nothing_is_answered_before() {
    let hook = r#"echo run >>"$STATE/hook"; [ "$(wc -l <"$STATE/hook")" -ge 3 ]"#;
    let machine = watched(Some(hook));
    machine.stub.world.lock().unwrap().events = event(ID, "Preempt", &["crunch-spot_12"]);
    let _running = machine.start(spot_watch());
    until("the answer", || !acknowledged(&machine.stub).is_empty());
    few_more_polls(&machine);
    assert_eq!(fs::read_to_string(machine.state("hook")).unwrap(), "run\nrun\nrun\n");
    assert_eq!(stopped(&machine), 0, "the hook replaces the usual one");
}

#[test]
fn only_minutes_of_idleness_on_end_lead_to_deletion() {
    let machine = Machine::new();
    // Idle, but for the third minute.
    let check = r#"echo minute >>"$STATE/minutes"; [ "$(wc -l <"$STATE/minutes")" -ne 3 ]"#;
    let conf = format!("IDLE_CHECK={check}\nIDLE_MINUTES=3\n");
    machine.write("/etc/flamenco-azure/node.conf", &conf);
    // The first time it cannot ask.
    let delete = "#!/bin/sh\nprintf 'delete after %s\\n' \"$(wc -l <\"$STATE/minutes\")\" >>\"$LOG\"\n[ -e \"$STATE/asked\" ] || { : >\"$STATE/asked\"; exit 1; }\n";
    machine.write("/usr/local/bin/delete-this-node", delete);
    let output = machine.run(idle_watch(), &[]);
    assert!(output.status.success());
    let log = machine.log();
    let asked: Vec<&str> = log.lines().filter(|line| line.starts_with("delete")).collect();
    assert_eq!(asked, ["delete after 6", "delete after 7"], "{log}");
    assert!(machine.pauses().iter().all(|pause| *pause == 60));
}
