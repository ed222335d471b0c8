//! Recorded traffic of storage, compute and Batch sent into the simulator: same status, same links, same members.
//!
//! See `recordings.rs` for where the recordings are. Only requests to these services are replayed; what they refer to
//! and the recorder left out (groups, accounts, interfaces) is put into the world first.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use azure_sim::{Resource, SimRequest, Tags, World, WorldConfig};
use serde_json::Value;

const ZERO: &str = "00000000-0000-0000-0000-000000000000";

/// File, the part of the URL that is replayed, and the least number of pairs.
const FILES: &[(&str, &str, usize)] = &[
    ("azcli2024__storage_create_with_min_tls.json", "Microsoft.Storage/", 20),
    ("azcli2024__storage_account_with_shared_key_access.json", "Microsoft.Storage/", 12),
    ("azcli2024__storage_share_rm_with_access_tier.json", "Microsoft.Storage/", 6),
    ("fluentnet__CanCreateBlobContainers.json", "Microsoft.Storage/", 3),
    ("azcli2024__batch_general_arm_cmd.json", "Microsoft.Batch/", 20),
    ("sdist__mgmt_batch_mgmt_batch_subscription_quota.json", "Microsoft.Batch/", 1),
    ("fluentnet__CanRunScriptOnVM.json", "Microsoft.Compute/", 8),
    ("fluentnet__ManageVirtualMachineTest.json", "Microsoft.Compute/", 14),
    ("azcli2024__vm_usage.json", "/usages", 1),
];

/// Requests that the simulator does not answer: blob containers, and the list of outbound dependencies.
const NOT_OURS: &[&str] = &["/blobServices/", "/outboundNetworkDependenciesEndpoints"];

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

/// Names of members, two levels deep: what a client's model would miss.
fn members(body: &Value) -> BTreeSet<String> {
    let top = body.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let inner =
        body["properties"].as_object().into_iter().flatten().map(|(name, _)| format!("properties.{name}"));
    top.chain(inner).collect()
}

/// Puts into the world what the recorded request takes for granted.
fn prepare(world: &mut World, path: &str, body: &Value) {
    let group = path.split("/resourceGroups/").nth(1).and_then(|rest| rest.split('/').next());
    if let Some(group) = group
        && !world.groups().contains_key(&group.to_ascii_lowercase())
    {
        world.add_group(group, "eastus", Tags::new());
    }
    if let Some((account, _)) =
        path.trim_start_matches("https://management.azure.com").split_once("/fileServices/")
        && world.resource(account).is_none()
    {
        let mut resource = Resource::new(account, "Microsoft.Storage/storageAccounts", world.now());
        resource.location = Some("eastus".to_owned());
        world.add_foreign(resource);
    }
    let interfaces = body.pointer("/properties/networkProfile/networkInterfaces").and_then(Value::as_array);
    for interface in interfaces.into_iter().flatten() {
        let id = interface["id"].as_str().unwrap();
        let mut nic = Resource::new(id, "Microsoft.Network/networkInterfaces", world.now());
        nic.location = body["location"].as_str().map(str::to_owned);
        if world.resource(id).is_none() {
            world.add_foreign(nic);
        }
    }
}

/// The body, with a size that the catalogue has and without what was drawn at random when it was recorded.
fn body_of(interaction: &Value) -> Value {
    let text = interaction["request"]["body"].to_string().replace("Basic_A0", "Standard_D2_v2");
    let mut body: Value = serde_json::from_str(&text).unwrap();
    if interaction["request"]["method"] == "PATCH"
        && let Some(storage) =
            body.pointer_mut("/properties/storageProfile/osDisk").and_then(Value::as_object_mut)
    {
        storage.remove("name");
    }
    body
}

/// What tells polling URLs apart: the path, and whether it is the one with `monitor=true`.
fn link_key(url: &str) -> String {
    let path = url.split('?').next().unwrap();
    if url.contains("monitor=true") { format!("{path} monitor") } else { path.to_owned() }
}

/// Pairs that were compared, and what differed.
fn replay(name: &str, part: &str, interactions: &[Value]) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    let mut world = World::new(WorldConfig::new(ZERO));
    world.throttling(false);
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    let mut compared = 0;
    for interaction in interactions {
        let method = interaction["request"]["method"].as_str().unwrap();
        let recorded = interaction["request"]["uri"].as_str().unwrap();
        let path = recorded.split('?').next().unwrap();
        let poll = links.get(&link_key(recorded)).cloned();
        if NOT_OURS.iter().any(|p| path.contains(p)) || poll.is_none() && !recorded.contains(part) {
            continue;
        }
        let status = interaction["response"]["status"].as_u64().unwrap();
        let theirs = &interaction["response"]["body"];
        let body = body_of(interaction);
        prepare(&mut world, path, &body);
        // A poll waits until our operation has come as far as the recorded one had.
        let over = poll.is_some() && status != 202 && theirs["status"] != "InProgress";
        world.advance_by(match (&poll, over) {
            (_, true) => 200,
            (None, _) => 60,
            _ => 1,
        });
        let url = poll.unwrap_or_else(|| recorded.to_owned());
        let mut request = SimRequest::new(method, url.parse().unwrap()).header("authorization", "Bearer any");
        if body.is_object() {
            request = request.json_body(&body);
        }
        let answer = world.handle(&request);
        let what = format!("{name} n={} {method} {path}", interaction["n"]);
        compared += 1;
        if u64::from(answer.status) != status {
            wrong.push(format!("{what}: {} instead of {status}: {}", answer.status, answer.json_body()));
            continue;
        }
        for link in ["azure-asyncoperation", "location"] {
            let theirs = interaction["response"]["headers"].get(link).and_then(Value::as_str);
            if answer.header(link).is_some() != theirs.is_some() {
                wrong.push(format!("{what}: {link} {:?} instead of {theirs:?}", answer.header(link)));
            }
            if let (Some(theirs), Some(ours)) = (theirs, answer.header(link)) {
                links.insert(link_key(theirs), ours.to_owned());
            }
        }
        let missing: Vec<String> =
            members(theirs).difference(&members(&answer.json_body())).cloned().collect();
        if !missing.is_empty() {
            wrong.push(format!("{what}: lacks {missing:?}"));
        }
    }
    (compared, wrong)
}

#[test]
fn recorded_requests_get_the_recorded_answers() {
    let Some(folder) = truth() else { return };
    for (name, part, least) in FILES {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let (compared, wrong) = replay(name, part, file["interactions"].as_array().unwrap());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(compared >= *least, "{name}: only {compared} pairs");
        println!("{name}: {compared} pairs alike");
    }
}
