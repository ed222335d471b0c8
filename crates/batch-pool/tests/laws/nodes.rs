//! Nodes and their files: recorded answers, odd ones, and quotas in words.

use std::path::{Path, PathBuf};

use batch_pool::BatchNode;
use batch_pool::error::{Shortage, shortage, shortages};
use batch_pool::nodes::{Unnamed, named};
use batch_pool::service::{odd, state_of};
use flamenco_azure_core::pool::{Count, Node, NodeState, PoolState, ResizeError};
use serde_json::{Value, json};

fn recordings() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/azure");
    std::env::var_os("AZURE_TRUTH_DIR").map_or_else(beside, PathBuf::from).join("recordings")
}

/// All recorded answers of the data plane, with the paths of their requests.
fn data_plane() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let Ok(folder) = std::fs::read_dir(recordings()) else { return found };
    for entry in folder.flatten() {
        let Ok(text) = std::fs::read(entry.path()) else { continue };
        let file: Value = serde_json::from_slice(&text).unwrap_or_default();
        for one in file["interactions"].as_array().into_iter().flatten() {
            let url = one["request"]["uri"].as_str().unwrap_or_default();
            let Some((_, path)) = url.split_once(".batch.azure.com/") else { continue };
            if one["response"]["status"] == 200 && one["request"]["method"] == "GET" {
                let path = path.split('?').next().unwrap_or_default().to_owned();
                found.push((path, one["response"]["body"].clone()));
            }
        }
    }
    found
}

#[test]
fn recorded_nodes_are_read_as_they_were() {
    let answers = data_plane();
    if answers.is_empty() {
        println!("SKIPPED: no recordings in {} (set AZURE_TRUTH_DIR)", recordings().display());
        return;
    }
    let (mut nodes, mut tasks) = (0, 0);
    for (path, body) in &answers {
        let parts: Vec<&str> = path.split('/').collect();
        let items: Vec<&Value> = match parts.as_slice() {
            ["pools", _, "nodes"] => body["value"].as_array().unwrap().iter().collect(),
            ["pools", _, "nodes", _] => vec![body],
            _ => continue,
        };
        for item in items {
            let node = BatchNode::read(item).unwrap();
            assert_eq!(
                (Some(node.id.as_str()), Some(node.state.as_str()), node.address.as_deref()),
                (item["id"].as_str(), item["state"].as_str(), item["ipAddress"].as_str())
            );
            assert_eq!(node.booted.is_some(), item.get("lastBootTime").is_some());
            assert_eq!(node.dedicated, node.id.ends_with("_d"), "{}", node.id);
            if let Some(task) = &node.start_task {
                assert_eq!(task.exit_code, item["startTaskInfo"]["exitCode"].as_i64());
                tasks += 1;
            }
            nodes += 1;
        }
    }
    println!("{nodes} recorded nodes, {tasks} with a start task");
    assert!(nodes >= 5 && tasks >= 2, "{nodes} nodes, {tasks} start tasks");
}

fn node(extra: &Value) -> Option<BatchNode> {
    let mut body = json!({"id": "tvmps_1f_d", "state": "idle", "isDedicated": true});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    BatchNode::read(&body)
}

#[test]
fn a_node_is_what_its_state_says() {
    for (state, kind) in [
        ("idle", NodeState::Ready),
        ("running", NodeState::Ready),
        ("creating", NodeState::Starting),
        ("starting", NodeState::Starting),
        ("waitingforstarttask", NodeState::Starting),
        ("rebooting", NodeState::Starting),
        ("reimaging", NodeState::Starting),
        ("upgradingos", NodeState::Starting),
        ("starttaskfailed", NodeState::Failed),
        ("unusable", NodeState::Failed),
        ("unknown", NodeState::Failed),
        ("offline", NodeState::Failed),
        ("preempted", NodeState::Preempted),
        ("deallocated", NodeState::Preempted),
        ("leavingpool", NodeState::Leaving),
    ] {
        // The control plane's casing too.
        for spelled in [state.to_owned(), state.to_uppercase()] {
            assert_eq!(node(&json!({"state": spelled})).unwrap().kind(), kind, "{spelled}");
        }
    }
    for odd in [json!({"id": 7}), json!({"state": null}), json!({"isDedicated": "yes"})] {
        assert_eq!(node(&odd), None, "{odd}");
    }
}

#[test]
fn why_a_node_failed_is_told_in_words() {
    let failed = json!({
        "state": "starttaskfailed",
        "startTaskInfo": {
            "state": "completed", "exitCode": 32, "retryCount": 2, "result": "failure",
            "failureInfo": {
                "category": "usererror", "code": "FailureExitCode",
                "message": "The task exited with an exit code representing a failure.",
                "details": [{"name": "Message", "value": "no share"}],
            },
        },
    });
    let said = "The task exited with an exit code representing a failure: no share";
    let read = node(&failed).unwrap();
    assert_eq!(Node::from(&read).trouble.as_deref(), Some(said));
    let task = read.start_task.unwrap();
    assert_eq!(
        (task.running, task.exit_code, task.retries, task.failure.as_deref()),
        (false, Some(32), 2, Some(said))
    );
    let errors = json!([{"code": "ApplicationPackageError", "message": "One or more packages are missing", "errorDetails": [
        {"name": "blender", "value": "5.0.1"},
    ]}]);
    let broken = node(&json!({"state": "unusable", "errors": errors})).unwrap();
    assert_eq!(broken.failure().as_deref(), Some("One or more packages are missing: 5.0.1"));
    // A task that runs again is not judged by its last run, and a node that works has no trouble.
    let again = json!({"startTaskInfo": {"state": "running", "exitCode": 1, "failureInfo": {"code": "x"}, "retryCount": 1}});
    let task = node(&again).unwrap().start_task.unwrap();
    assert_eq!((task.running, task.exit_code, task.failure), (true, None, None));
    assert_eq!(node(&json!({"errors": errors})).unwrap().failure(), None);
}

#[test]
fn a_node_goes_by_the_beginning_of_its_id() {
    let nodes: Vec<BatchNode> = ["tvmps_1f2e_d", "tvmps_1f3e_p", "tvmps_1f3e"]
        .iter()
        .map(|id| node(&json!({"id": id})).unwrap())
        .collect();
    for (word, id) in [
        ("tvmps_1f2", Ok(0)),
        ("1f2e", Ok(0)),
        ("tvmps_1f3e", Ok(2)),
        ("1f3e_p", Ok(1)),
        ("", Err(0)),
        ("tvmps_9", Err(0)),
        ("tvmps", Err(3)),
        ("1f", Err(3)),
    ] {
        match (named(&nodes, word), id) {
            (Ok(found), Ok(at)) => assert_eq!(found, &nodes[at], "{word}"),
            (Err(Unnamed::Nobody(said)), Err(0)) => assert_eq!(said, word),
            (Err(Unnamed::Several { count, .. }), Err(wanted)) => assert_eq!(count, wanted, "{word}"),
            (got, _) => panic!("{word}: {got:?}"),
        }
    }
}

#[test]
fn what_a_quota_lacks_is_counted_in_cores() {
    let state = PoolState {
        steady: true,
        target: Count { dedicated: 7, spot: 5 },
        current: Count { dedicated: 2, spot: 1 },
        errors: Vec::new(),
    };
    let account = json!({"properties": {
        "dedicatedCoreQuota": 20, "lowPriorityCoreQuota": 8,
        "dedicatedCoreQuotaPerVMFamily": [{"name": "standardDASv5Family", "coreQuota": 10}],
    }});
    let error = |code: &str| ResizeError { code: code.to_owned(), message: String::new() };
    let short = |quota: &str, limit, nodes, cores| Shortage {
        quota: quota.to_owned(),
        limit,
        used: None,
        nodes,
        cores,
    };
    for (code, wanted) in [
        ("AccountCoreQuotaReached", Some(short("dedicatedCoreQuota", 20, 5, 20))),
        ("AccountLowPriorityCoreQuotaReached", Some(short("lowPriorityCoreQuota", 8, 4, 16))),
        ("AccountVMSeriesCoreQuotaReached", Some(short("StandardDASv5Family", 10, 5, 20))),
        ("AllocationFailed", None),
    ] {
        let got = shortage(&error(code), &state, 4, "StandardDASv5Family", &account);
        assert_eq!(got, wanted, "{code}");
    }
    let of_subscription = json!({"properties": {"poolAllocationMode": "UserSubscription"}});
    assert_eq!(shortage(&error("AccountCoreQuotaReached"), &state, 4, "x", &of_subscription), None);
    assert_eq!(short("x", 20, 5, 20).wanted(), 40);
    // The subscription's quotas say how much is in use, and every one that is too small is named at once.
    let row = |name: &str, used: u64, limit: u64| json!({"name": {"value": name, "localizedValue": format!("vCPUs {name}")}, "currentValue": used, "limit": limit});
    let usages = [row("cores", 12, 30), row("standardDASv5Family", 10, 30), row("lowPriorityCores", 0, 15)];
    let lacks = |quota: &str, limit, used, nodes, cores| Shortage {
        used: Some(used),
        ..short(quota, limit, nodes, cores)
    };
    assert_eq!(
        shortages(&state, 4, "StandardDASv5Family", &usages),
        [lacks("vCPUs cores", 30, 12, 5, 20), lacks("vCPUs lowPriorityCores", 15, 0, 4, 16)]
    );
    assert_eq!(lacks("x", 30, 12, 5, 20).wanted(), 32);
}

#[test]
fn recorded_pools_have_states_that_are_read() {
    // The data plane's body is another one; the control plane's is what a pool is read from.
    let mut pools = 0;
    let Ok(folder) = std::fs::read_dir(recordings()) else { return };
    for entry in folder.flatten() {
        let text = std::fs::read(entry.path()).unwrap_or_default();
        let file: Value = serde_json::from_slice(&text).unwrap_or_default();
        for one in file["interactions"].as_array().into_iter().flatten() {
            let body = &one["response"]["body"];
            if body["type"] != "Microsoft.Batch/batchAccounts/pools" {
                continue;
            }
            assert_eq!(odd(body), None);
            let (state, properties) = (state_of(body), &body["properties"]);
            assert_eq!(state.steady, properties["allocationState"] == "Steady");
            assert_eq!(
                u64::from(state.current.dedicated),
                properties["currentDedicatedNodes"].as_u64().unwrap_or(0)
            );
            assert!(!(state.grows() && state.shrinks()));
            pools += 1;
        }
    }
    println!("{pools} recorded pools");
    assert!(pools >= 3 || !recordings().is_dir(), "{pools}");
}
