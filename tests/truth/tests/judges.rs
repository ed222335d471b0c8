//! The judges can fail: each kind of difference, on tiny recordings of our own, is caught.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use azure_truth::fidelity::{self, Verdict};
use azure_truth::recording::{Recording, read, read_folder};
use azure_truth::replay;
use azure_truth::report::Report;
use serde_json::{Value, json};

const GROUP: &str =
    "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g";

fn pair(method: &str, path: &str, body: &Value, status: u16, headers: &Value, answer: &Value) -> Value {
    json!({
        "request": {"method": method, "uri": format!("{GROUP}{path}"), "body": body},
        "response": {"status": status, "headers": headers, "body": answer},
    })
}

const API: &str = "api-version=2024-03-01";
const OPERATION: &str = "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/westeurope/operations/1?api-version=2024-03-01";

fn date() -> Value {
    json!("Mon, 01 Jul 2024 00:00:00 GMT")
}

/// A group and a security group with its operation, as Azure answers.
fn honest() -> Vec<Value> {
    let security = "/providers/Microsoft.Network/networkSecurityGroups/nsg";
    let body = |state: &str| {
        json!({
            "name": "nsg",
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/nsg",
            "etag": "W/\"1\"",
            "type": "Microsoft.Network/networkSecurityGroups",
            "location": "westeurope",
            "tags": {"a": "b"},
            "properties": {"provisioningState": state, "resourceGuid": "1", "securityRules": []},
        })
    };
    let sent = json!({"location": "westeurope", "tags": {"a": "b"}});
    vec![
        pair(
            "PUT",
            &format!("?{API}"),
            &json!({"location": "westeurope"}),
            201,
            &json!({"date": date()}),
            &json!({"id": "/subscriptions/s/resourceGroups/g", "name": "g", "location": "westeurope", "properties": {"provisioningState": "Succeeded"}}),
        ),
        pair(
            "PUT",
            &format!("{security}?{API}"),
            &sent,
            201,
            &json!({"date": date(), "azure-asyncoperation": OPERATION, "retry-after": "3"}),
            &body("Updating"),
        ),
        json!({
            "request": {"method": "GET", "uri": OPERATION, "body": null},
            "response": {"status": 200, "headers": {"date": date()}, "body": {"status": "Succeeded"}},
        }),
        pair(
            "GET",
            &format!("{security}?{API}"),
            &Value::Null,
            200,
            &json!({"date": date(), "etag": "W/\"2\""}),
            &body("Succeeded"),
        ),
        pair(
            "GET",
            &format!("/providers/Microsoft.Network/virtualNetworks/none?{API}"),
            &Value::Null,
            404,
            &json!({"date": date()}),
            &json!({"error": {"code": "ResourceNotFound", "message": "The Resource was not found."}}),
        ),
    ]
}

fn recording(interactions: &[Value]) -> Recording {
    let (recording, wrong) = read("own", &json!({"source": "own", "interactions": interactions}));
    assert!(wrong.is_empty(), "{wrong:?}");
    recording
}

/// The judgement after one change of the honest recording.
fn changed(index: usize, pointer: &str, value: Option<Value>) -> Report {
    let mut interactions = honest();
    let target = &mut interactions[index];
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = target.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(name.to_owned(), value)),
        None => drop(parent.remove(name).unwrap()),
    }
    fidelity::judge(&[recording(&interactions)], Vec::new(), false)
}

fn only_failure(report: &Report) -> &str {
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert!(!report.shortfalls().is_empty());
    &report.failures[0]
}

#[test]
fn an_honest_recording_passes_both_judges() {
    let recordings = [recording(&honest())];
    for report in [fidelity::judge(&recordings, Vec::new(), false), replay::judge(&recordings, Vec::new())] {
        assert!(report.shortfalls().is_empty(), "{}", report.render(9));
        assert_eq!((report.total().passed, report.total().known), (5, 0), "{}", report.render(9));
    }
}

#[test]
fn a_wrong_status_is_caught() {
    assert!(only_failure(&changed(0, "/response/status", Some(json!(202)))).contains("status 202 -> 201"));
}

#[test]
fn a_missing_key_is_caught() {
    let report = changed(3, "/response/body/properties/levitates", Some(json!(true)));
    assert!(only_failure(&report).contains("lacks properties.levitates"));
    assert!(only_failure(&report).contains("own n=3"), "{:?}", report.failures);
}

#[test]
fn a_wrong_type_is_caught() {
    let report = changed(3, "/response/body/properties/resourceGuid", Some(json!(7)));
    assert!(only_failure(&report).contains("type properties.resourceGuid: number -> string"));
    let report = changed(3, "/response/body/properties/securityRules", Some(json!({})));
    assert!(only_failure(&report).contains("type properties.securityRules: object -> array"));
}

#[test]
fn a_wrong_enumeration_is_caught() {
    let report = changed(3, "/response/body/properties/provisioningState", Some(json!("Sideways")));
    assert!(only_failure(&report).contains("enum properties.provisioningState: Sideways -> Succeeded"));
}

#[test]
fn a_wrong_error_code_is_caught() {
    let report = changed(4, "/response/body/error/code", Some(json!("VirtualNetworkNotFound")));
    assert!(only_failure(&report).contains("error code: VirtualNetworkNotFound -> ResourceNotFound"));
}

#[test]
fn missing_and_wrong_long_running_headers_are_caught() {
    let report = changed(1, "/response/headers/azure-asyncoperation", None);
    assert!(report.failures[0].contains("header azure-asyncoperation: absent -> "), "{:?}", report.failures);
    let elsewhere = OPERATION.replace("operations/1", "operationResults/1");
    let report = changed(1, "/response/headers/azure-asyncoperation", Some(json!(elsewhere)));
    assert!(report.failures[0].contains("operationresults/* -> "), "{:?}", report.failures);
    let report = changed(1, "/response/headers/location", Some(json!(OPERATION)));
    assert!(report.failures[0].contains("header location: "), "{:?}", report.failures);
    let report = changed(1, "/response/headers/retry-after", Some(json!("4")));
    assert!(only_failure(&report).contains("header retry-after: 4 -> 3"));
    let report = changed(1, "/response/headers/etag", Some(json!("x")));
    assert!(only_failure(&report).contains("header etag: present -> absent"));
}

#[test]
fn an_unknown_operation_is_a_failure_of_its_own() {
    let mut interactions = honest();
    let levitate = "/providers/Microsoft.Compute/virtualMachines/vm/levitate?api-version=2024-07-01";
    interactions.push(pair("POST", levitate, &Value::Null, 200, &json!({}), &Value::Null));
    let recordings = [recording(&interactions)];
    for report in [fidelity::judge(&recordings, Vec::new(), false), replay::judge(&recordings, Vec::new())] {
        assert_eq!(report.unknown.len(), 1);
        assert!(
            report.shortfalls().iter().any(|short| short.contains("unknown")),
            "{:?}",
            report.shortfalls()
        );
        assert!(report.render(9).contains("levitate"));
    }
}

#[test]
fn malformed_files_are_named_and_fail() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("a_text.json", "no json at all");
    put("b_list.json", "[]");
    put("c_inner.json", &json!({"interactions": [honest()[0], {"request": {"method": "PUT"}, "response": {"status": 200}}, 7]}).to_string());
    put("d_method.json", &json!({"interactions": [{"request": {"method": "STEAL", "uri": "https://a/"}, "response": {"status": 200}}]}).to_string());
    put("notes.txt", "not a recording");
    let (recordings, wrong) = read_folder(folder.path());
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    for (line, words) in lines.iter().zip([
        &["a_text", "no JSON"][..],
        &["b_list", "has no interactions"],
        &["c_inner, interaction 1", "no uri"],
        &["c_inner, interaction 2", "no request"],
        &["d_method, interaction 0", "STEAL"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let report = fidelity::judge(&recordings, wrong, false);
    assert!(report.shortfalls().iter().any(|short| short.contains("malformed")));
    assert!(report.render(1).contains("c_inner, interaction 1"));
    let (_, wrong) = read_folder(Path::new("/no/such/folder"));
    assert!(wrong[0].to_string().contains("/no/such/folder"));
}

#[test]
fn an_empty_folder_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let (recordings, wrong) = read_folder(folder.path());
    assert!(!replay::judge(&recordings, wrong).shortfalls().is_empty());
}

/// The replay compares what the client made of an operation with what the raw answers say.
#[test]
fn the_replay_catches_an_operation_that_ends_otherwise() {
    let mut interactions = honest();
    // The link leads off Azure: the client refuses to follow it, which is not how the recording went on.
    interactions[1]["response"]["headers"]["azure-asyncoperation"] =
        json!("https://elsewhere.example/operations/1");
    let report = replay::judge(&[recording(&interactions)], Vec::new());
    assert!(report.failures.iter().any(|line| line.contains("leads elsewhere")), "{:?}", report.failures);
    let mut interactions = honest();
    // An error that nobody knows must be classified by somebody.
    interactions[2]["response"]["body"] =
        json!({"status": "Failed", "error": {"code": "TheMoonIsFull", "message": "Wait a fortnight."}});
    let report = replay::judge(&[recording(&interactions)], Vec::new());
    assert!(report.failures.iter().any(|line| line.contains("unclassified")), "{:?}", report.failures);
}

#[test]
fn the_state_never_comes_from_the_answer_under_test() {
    let honest = honest();
    let answers = |interactions: &[Value]| -> Vec<Option<(u16, Value)>> {
        let recording = recording(interactions);
        recording
            .sessions()
            .iter()
            .flat_map(|session| fidelity::judge_session(session))
            .map(|j| j.answer)
            .collect()
    };
    let expected = answers(&honest);
    for index in 0..honest.len() {
        let mut falsified = honest.clone();
        falsified[index]["response"]["status"] = json!(200);
        falsified[index]["response"]["body"] = json!({"id": "/subscriptions/x", "tags": {"no": "truth"}});
        assert_eq!(answers(&falsified)[..=index], expected[..=index], "interaction {index}");
    }
}

/// A resource that nothing made is not judged at its first sight, and is state for what follows.
#[test]
fn a_first_sight_is_not_judged_and_the_second_is() {
    let mut interactions = vec![honest()[3].clone(), honest()[3].clone()];
    for interaction in &mut interactions {
        let id = interaction["request"]["uri"].as_str().unwrap().split('?').next().unwrap();
        interaction["response"]["body"]["id"] = json!(id.trim_start_matches("https://management.azure.com"));
    }
    let recording = recording(&interactions);
    let judged: Vec<Verdict> = recording
        .sessions()
        .iter()
        .flat_map(|session| fidelity::judge_session(session))
        .map(|j| j.verdict)
        .collect();
    assert!(
        matches!(&judged[0], Verdict::NotCovered(reason) if reason.contains("first sight")),
        "{judged:?}"
    );
    assert_eq!(judged[1], Verdict::Differs(Vec::new()));
}

/// Every place of every member of a recording, as something odd: named as malformed or judged, never a breakdown.
#[test]
fn odd_recordings_break_neither_judge_nor_simulator() {
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(k, v)| places(v, &format!("{at}/{k}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(k, v)| places(v, &format!("{at}/{k}"), found));
            }
            _ => {}
        }
    }
    let file = json!({"source": "own", "interactions": honest()});
    let mut found = Vec::new();
    places(&file, "", &mut found);
    for place in found {
        for odd in
            [json!(null), json!(-7), json!(""), json!([7]), json!({"id": null}), json!("/subscriptions/")]
        {
            let mut file = file.clone();
            *file.pointer_mut(&place).unwrap() = odd.clone();
            let (recording, wrong) = read("own", &file);
            let report = fidelity::judge(std::slice::from_ref(&recording), wrong.clone(), false);
            assert!(!report.render(9).contains("SimulatorBrokeDown"), "{place} = {odd}");
            replay::judge(&[recording], wrong);
        }
    }
}
