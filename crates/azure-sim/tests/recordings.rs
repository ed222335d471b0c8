//! Recorded Azure traffic sent into the simulator: same status, same long-running headers, same members.
//!
//! The recordings are other people's data and no part of this repository: `AZURE_TRUTH_DIR` names their
//! folder (default `../shared/azure` beside the project). Without them this says so and passes over.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use azure_sim::{SimRequest, World, WorldConfig};
use serde_json::Value;

const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// Recordings that touch only the providers of resource groups, networks, identities and roles.
const FILES: &[&str] = &[
    "fluentnet__CreateUpdate.json",
    "fluentnet__CanCreateGetListDelete.json",
    "sdist__mgmt_resource_resource_groups.json",
];

fn truth() -> Option<PathBuf> {
    let folder = std::env::var_os("AZURE_TRUTH_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/azure"),
        PathBuf::from,
    );
    let folder = folder.join("recordings");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("PASSED OVER: no Azure recordings at {} (set AZURE_TRUTH_DIR)", folder.display());
    None
}

fn header<'a>(interaction: &'a Value, name: &str) -> Option<&'a str> {
    interaction["response"]["headers"].get(name)?.as_str()
}

/// Names of members, two levels deep: what a client's model would miss.
fn members(body: &Value) -> BTreeSet<String> {
    let top = body.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let inner =
        body["properties"].as_object().into_iter().flatten().map(|(name, _)| format!("properties.{name}"));
    top.chain(inner).collect()
}

fn replay(name: &str, interactions: &[Value]) -> usize {
    let mut world = World::new(WorldConfig::new(ZERO));
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    let mut compared = 0;
    let mut last = String::new();
    for interaction in interactions {
        let method = interaction["request"]["method"].as_str().unwrap();
        let recorded = interaction["request"]["uri"].as_str().unwrap();
        let path = recorded.split('?').next().unwrap();
        let status = u16::try_from(interaction["response"]["status"].as_u64().unwrap()).unwrap();
        // A poll waits until our operation has come as far as the recorded one had.
        let poll = links.get(path).cloned();
        let over =
            poll.is_some() && status != 202 && interaction["response"]["body"]["status"] != "InProgress";
        if over {
            world.advance_by(120);
        } else if poll.is_none() && method != "GET" && last != path {
            world.advance_by(60);
        } else {
            // The same request again: it was sent while the first was still being carried out.
            world.advance_by(1);
        }
        // Only deletions were recorded twice in a row.
        last = if method == "DELETE" { path.to_owned() } else { String::new() };
        let url = poll.unwrap_or_else(|| recorded.to_owned());
        let mut request = SimRequest::new(method, url.parse().unwrap()).header("authorization", "Bearer any");
        if interaction["request"]["body"].is_object() {
            request = request.json_body(&interaction["request"]["body"]);
        }
        let answer = world.handle(&request);
        let what = format!("{name} n={} {method} {path}", interaction["n"]);
        assert_eq!(answer.status, status, "{what}: {}", answer.json_body());
        for link in ["azure-asyncoperation", "location"] {
            let theirs = header(interaction, link).filter(|l| l.starts_with("https://"));
            assert_eq!(
                answer.header(link).is_some_and(|l| l.starts_with("https://")),
                theirs.is_some(),
                "{what}: {link}"
            );
            if let (Some(theirs), Some(ours)) = (theirs, answer.header(link)) {
                links.insert(theirs.split('?').next().unwrap().to_owned(), ours.to_owned());
            }
        }
        if method != "GET" {
            // The recorder of the sdist files removed this header.
            if !name.starts_with("sdist") {
                assert_eq!(
                    answer.header("retry-after"),
                    header(interaction, "retry-after"),
                    "{what}: retry-after"
                );
            }
            let state = "/properties/provisioningState";
            assert_eq!(
                answer.json_body().pointer(state),
                interaction["response"]["body"].pointer(state),
                "{what}"
            );
            let missing: Vec<String> = members(&interaction["response"]["body"])
                .difference(&members(&answer.json_body()))
                .cloned()
                .collect();
            // Members that newer api-versions dropped.
            let missing: Vec<String> =
                missing.into_iter().filter(|m| m != "properties.enableVmProtection").collect();
            assert!(missing.is_empty(), "{what}: lacks {missing:?}");
        }
        compared += 1;
    }
    compared
}

#[test]
fn recorded_requests_get_the_recorded_answers() {
    let Some(folder) = truth() else { return };
    for name in FILES {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let compared = replay(name, file["interactions"].as_array().unwrap());
        assert!(compared >= 10, "{name}: only {compared} pairs");
        println!("{name}: {compared} pairs alike");
    }
}
