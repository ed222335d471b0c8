//! The floors hold on the real folders.
//!
//! They are other people's data and no part of this repository: `AZURE_TRUTH_DIR` names their folder (default
//! `../shared/azure` beside the project). Without them this says so and passes, unless `FLAMENCO_AZURE_REQUIRE_ALL=1`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use azure_truth::recording::read_folder;
use azure_truth::report::Report;
use azure_truth::{examples, fidelity, replay, truth_dir};

fn folder(name: &str) -> Option<PathBuf> {
    let folder = truth_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "recorded Azure traffic is required and not at {}", folder.display());
    println!("SKIPPED: no recorded Azure traffic at {} (set AZURE_TRUTH_DIR)", folder.display());
    None
}

fn hold(report: &Report, least: usize) {
    println!("{}", report.render(10));
    assert!(report.shortfalls().is_empty(), "{:?}", report.shortfalls());
    assert!(report.stale.is_empty(), "known differences that do not occur: {:?}", report.stale);
    let total = report.total();
    assert!(total.passed + total.failed >= least, "too little was judged: is the folder complete?");
}

#[test]
fn every_recorded_interaction_replays_through_the_client() {
    let Some(folder) = folder("recordings") else { return };
    let (recordings, wrong) = read_folder(&folder);
    hold(&replay::judge(&recordings, wrong), 1_500);
}

#[test]
fn the_simulator_answers_as_azure_did() {
    let Some(folder) = folder("recordings") else { return };
    let (recordings, wrong) = read_folder(&folder);
    hold(&fidelity::judge(&recordings, wrong, true), 1_200);
}

#[test]
fn microsofts_examples_are_answered_and_read() {
    let Some(folder) = folder("openapi-examples") else { return };
    hold(&examples::judge(&folder), 500);
}

/// The world that answers is made of what came before: turning one answer into nonsense changes nothing in the
/// simulator's answer to the same request.
#[test]
fn no_answer_comes_from_the_answer_under_test() {
    let Some(folder) = folder("recordings") else { return };
    let (recordings, _) = read_folder(&folder);
    let mut compared = 0;
    for recording in recordings.iter().filter(|r| r.interactions.len() > 4).step_by(4) {
        for session in recording.sessions() {
            let honest = fidelity::judge_session(session);
            for index in (0..session.len()).step_by(3) {
                let mut falsified = session.to_vec();
                let response = &mut falsified[index].response;
                response.status = 299;
                response.body =
                    Some(serde_json::json!({"made": "up", "tags": {"no": "truth"}, "status": "Sideways"}));
                let again = fidelity::judge_session(&falsified);
                assert_eq!(
                    again[index].answer, honest[index].answer,
                    "{} n={}: the answer under test leaked into the world",
                    recording.name, session[index].n
                );
                compared += usize::from(honest[index].answer.is_some());
            }
        }
    }
    println!("{compared} falsified answers left the simulator's own unchanged");
    assert!(compared > 50);
}
