//! Pools and nodes as both planes of the service send them.

use jiff::{SignedDuration, Timestamp};
use rand::RngCore;
use serde_json::{Map, Value, json};

use super::state::{Node, NodeState, Pool};
use crate::resource::{Resource, key, last_segment};
use crate::world::World;

/// A new etag in the service's form, without quotes.
pub(super) fn new_etag(world: &mut World) -> String {
    format!("0x8DE{:012X}", world.rng().next_u64() & 0xFFFF_FFFF_FFFF)
}

/// The etag as the data plane writes it.
pub(super) fn plain_etag(resource: &Resource) -> String {
    resource.etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// The subnet of a pool.
pub(super) fn subnet_of(world: &World, pool: &str) -> Option<String> {
    world.resource(pool)?.text("/networkConfiguration/subnetId").map(str::to_owned)
}

fn iso(seconds: u64) -> String {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0)).to_string()
}

/// HTTP date of a moment.
pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The control plane's body.
pub(super) fn arm_pool(world: &World, resource: &Resource) -> Value {
    let mut body = json!({
        "id": resource.id,
        "name": resource.name,
        "type": super::POOL,
        "etag": resource.etag,
    });
    for (name, value) in &resource.extra {
        body[name] = value.clone();
    }
    let mut properties = Map::new();
    if let Some(pool) = world.batch.pools.get(&resource.key()) {
        let state = if pool.deleting { "Deleting" } else { "Succeeded" };
        let scale = match &pool.formula {
            Some(formula) => {
                json!({"autoScale": {"formula": formula, "evaluationInterval": iso(interval(pool))}})
            }
            None => json!({"fixedScale": {
                "targetDedicatedNodes": pool.dedicated,
                "targetLowPriorityNodes": pool.spot,
                "resizeTimeout": iso(pool.timeout),
            }}),
        };
        let own = [
            ("lastModified", json!(pool.modified.to_string())),
            ("creationTime", json!(pool.created.to_string())),
            ("provisioningState", json!(state)),
            ("provisioningStateTransitionTime", json!(pool.created.to_string())),
            ("allocationState", json!(pool.allocation.arm())),
            ("allocationStateTransitionTime", json!(pool.allocation_since.to_string())),
            ("scaleSettings", scale),
            ("resizeOperationStatus", resize_status(pool)),
            ("currentDedicatedNodes", json!(present(pool, false))),
            ("currentLowPriorityNodes", json!(present(pool, true))),
        ];
        for (name, value) in own {
            properties.insert(name.into(), value);
        }
        if let Some(run) = &pool.run {
            properties.insert("autoScaleRun".into(), run.body("evaluationTime"));
        }
    }
    for (name, value) in resource.properties.as_object().into_iter().flatten() {
        properties.insert(name.clone(), value.clone());
    }
    body["properties"] = Value::Object(properties);
    body
}

/// Seconds between evaluations.
fn interval(pool: &Pool) -> u64 {
    pool.scaling.as_ref().map_or(super::autoscale::INTERVAL, |scaling| scaling.interval)
}

/// Nodes that are there, leaving ones included.
fn present(pool: &Pool, spot: bool) -> usize {
    pool.nodes.values().filter(|n| n.spot == spot).count()
}

fn resize_status(pool: &Pool) -> Value {
    let mut status = json!({
        "targetDedicatedNodes": pool.dedicated,
        "nodeDeallocationOption": pool.option,
        "resizeTimeout": iso(pool.timeout),
        "startTime": pool.resize_started.to_string(),
    });
    if pool.spot > 0 {
        status["targetLowPriorityNodes"] = json!(pool.spot);
    }
    if !pool.errors.is_empty() {
        let errors: Vec<Value> =
            pool.errors.iter().map(|e| json!({"code": e.code, "message": e.message})).collect();
        status["errors"] = json!(errors);
    }
    status
}

/// The data plane's body of a pool, without `odata.metadata`.
pub(super) fn data_pool(resource: &Resource, pool: &Pool, host: &str) -> Value {
    let name = &resource.name;
    let mut body = json!({
        "id": name,
        "url": format!("https://{host}/pools/{name}"),
        "eTag": plain_etag(resource),
        "lastModified": pool.modified.to_string(),
        "creationTime": pool.created.to_string(),
        "state": if pool.deleting { "deleting" } else { "active" },
        "stateTransitionTime": pool.created.to_string(),
        "allocationState": pool.allocation.arm().to_ascii_lowercase(),
        "allocationStateTransitionTime": pool.allocation_since.to_string(),
        "vmSize": pool.size.to_ascii_lowercase(),
        "resizeTimeout": iso(pool.timeout),
        "currentDedicatedNodes": present(pool, false),
        "targetDedicatedNodes": pool.dedicated,
        "currentLowPriorityNodes": present(pool, true),
        "targetLowPriorityNodes": pool.spot,
    });
    if !pool.errors.is_empty() {
        let errors: Vec<Value> =
            pool.errors.iter().map(|e| json!({"code": e.code, "message": e.message})).collect();
        body["resizeErrors"] = json!(errors);
    }
    if let Some(name) = resource.text("/displayName") {
        body["displayName"] = json!(name);
    }
    body["enableAutoScale"] = json!(pool.formula.is_some());
    if let Some(formula) = &pool.formula {
        body["autoScaleFormula"] = json!(formula);
        body["autoScaleEvaluationInterval"] = json!(iso(interval(pool)));
    }
    if let Some(run) = &pool.run {
        body["autoScaleRun"] = run.body("timestamp");
    }
    body["enableInterNodeCommunication"] = json!(resource.text("/interNodeCommunication") == Some("Enabled"));
    if let Some(task) = resource.property("/startTask") {
        body["startTask"] = start_task(task);
    }
    for name in ["metadata", "taskSlotsPerNode", "taskSchedulingPolicy", "networkConfiguration"] {
        if let Some(value) = resource.properties.get(name) {
            body[name] = data_spelling(value);
        }
    }
    if let Some(tags) = resource.properties.get("resourceTags") {
        body["resourceTags"] = tags.clone();
    }
    if let Some(references) = resource.properties.get("applicationPackages") {
        body["applicationPackageReferences"] = super::reference::data_plane(references);
    }
    for name in ["userAccounts", "mountConfiguration", "upgradePolicy"] {
        if let Some(value) = resource.properties.get(name) {
            body[name] = data_spelling(value);
        }
    }
    if let Some(machine) = resource.property("/deploymentConfiguration/virtualMachineConfiguration") {
        body["virtualMachineConfiguration"] = data_machine(machine);
    }
    for name in ["targetNodeCommunicationMode", "currentNodeCommunicationMode"] {
        if let Some(mode) = resource.properties.get(name).and_then(Value::as_str) {
            body[name] = json!(mode.to_ascii_lowercase());
        }
    }
    body
}

/// A start task with the service's defaults (recorded traffic).
fn start_task(task: &Value) -> Value {
    let mut task = data_spelling(task);
    let usual = [
        ("maxTaskRetryCount", json!(0)),
        ("waitForSuccess", json!(true)),
        ("userIdentity", json!({"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}})),
    ];
    for (name, value) in usual {
        if task.get(name).is_none() {
            task[name] = value;
        }
    }
    task
}

/// The data plane spells `nodeAgentSKUId`.
fn data_machine(machine: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in machine.as_object().into_iter().flatten() {
        let name = if name == "nodeAgentSkuId" { "nodeAgentSKUId" } else { name };
        out.insert(name.to_owned(), data_spelling(value));
    }
    Value::Object(out)
}

/// Enums that the control plane spells `NonAdmin` and the data plane `nonadmin` (recorded; BatchService.json). `caching`
/// is not among them (recorded: `ReadWrite`).
const LOWER_CASE: &[&str] = &["scope", "elevationLevel", "provision", "dynamicVNetAssignmentScope", "policy"];

/// A part of a pool in the data plane's spelling.
fn data_spelling(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let spelled = |(name, value): (&String, &Value)| match value.as_str() {
                Some(text) if LOWER_CASE.contains(&name.as_str()) => {
                    (name.clone(), json!(text.to_ascii_lowercase()))
                }
                _ => (name.clone(), data_spelling(value)),
            };
            Value::Object(members.iter().map(spelled).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(data_spelling).collect()),
        other => other.clone(),
    }
}

/// A node of the data plane.
pub(super) fn node(resource: &Resource, pool: &Pool, node: &Node, host: &str) -> Value {
    let id = &node.id;
    let mut body = json!({
        "id": id,
        "url": format!("https://{host}/pools/{}/nodes/{id}", last_segment(&pool.id)),
        "state": node.state.as_str(),
        "schedulingState": if node.state == NodeState::Offline { "disabled" } else { "enabled" },
        "stateTransitionTime": node.since.to_string(),
    });
    if let Some(booted) = node.booted {
        body["lastBootTime"] = json!(booted.to_string());
    }
    let rest = json!({
        "allocationTime": node.allocated.to_string(),
        "ipAddress": node.address,
        "affinityId": format!("TVM:{id}"),
        "vmSize": pool.size.to_ascii_lowercase(),
        "totalTasksRun": 0,
        "totalTasksSucceeded": 0,
        "runningTasksCount": u8::from(node.state == NodeState::Running),
        "runningTaskSlotsCount": u8::from(node.state == NodeState::Running),
        "isDedicated": !node.spot,
        "endpointConfiguration": {"inboundEndpoints": [{
            "name": "SSHRule.0",
            "protocol": "tcp",
            "publicIPAddress": "20.0.0.4",
            "publicFQDN": format!("dns{}-azurebatch-cloudservice.cloudapp.azure.com", last_segment(&pool.id).to_ascii_lowercase()),
            "frontendPort": 50000,
            "backendPort": 22,
        }]},
    });
    for (name, value) in rest.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    if let (Some(task), Some(_)) = (resource.property("/startTask"), node.task_started) {
        body["startTask"] = data_spelling(task);
        body["startTaskInfo"] = task_info(node);
    }
    if let Some(trouble) = &node.trouble {
        body["errors"] = json!([{"code": trouble.code, "message": trouble.message}]);
    }
    if node.booted.is_some() {
        body["nodeAgentInfo"] = json!({"version": "1.12.2", "lastUpdateTime": node.since.to_string()});
    }
    if let Some(image) =
        resource.property("/deploymentConfiguration/virtualMachineConfiguration/imageReference")
    {
        let mut image = image.clone();
        if image.get("sku").is_some() {
            image["exactVersion"] = json!("24.04.202611180");
        }
        body["virtualMachineInfo"] = json!({"imageReference": image});
    }
    body
}

fn task_info(node: &Node) -> Value {
    let mut info = json!({"state": if node.task_ended.is_some() { "completed" } else { "running" }});
    if let Some(started) = node.task_started {
        info["startTime"] = json!(started.to_string());
    }
    if let Some(ended) = node.task_ended {
        info["endTime"] = json!(ended.to_string());
        info["exitCode"] = json!(node.task_failure.as_ref().map_or(0, |failure| failure.exit_code));
        info["result"] = json!(if node.task_failure.is_some() { "failure" } else { "success" });
    }
    if let Some(failure) = &node.task_failure {
        info["failureInfo"] = json!({
            "category": "usererror",
            "code": "FailureExitCode",
            "message": "The task exited with an exit code representing a failure",
            "details": [{"name": "Message", "value": failure.last_words()}],
        });
    }
    info["retryCount"] = json!(node.task_retries);
    info
}

/// Counts by state, as `nodecounts` lists them.
pub(super) fn counts(pool: &Pool, spot: bool) -> Value {
    let count = |state: NodeState| pool.nodes.values().filter(|n| n.spot == spot && n.state == state).count();
    let mut counts = json!({
        "creating": count(NodeState::Creating),
        "idle": count(NodeState::Idle),
        "leavingPool": count(NodeState::LeavingPool),
        "offline": count(NodeState::Offline),
        "preempted": count(NodeState::Preempted),
        "rebooting": count(NodeState::Rebooting),
        "reimaging": count(NodeState::Reimaging),
        "running": count(NodeState::Running),
        "starting": count(NodeState::Starting),
        "startTaskFailed": count(NodeState::StartTaskFailed),
        "unusable": count(NodeState::Unusable),
        "unknown": count(NodeState::Unknown),
        "upgradingOS": count(NodeState::UpgradingOs),
        "waitingForStartTask": count(NodeState::WaitingForStartTask),
        "total": present(pool, spot),
    });
    // Of api-version 2024-07-01 on; recorded answers are older and have neither.
    for (name, state) in [("deallocated", NodeState::Deallocated), ("deallocating", NodeState::Deallocating)]
    {
        if count(state) > 0 {
            counts[name] = json!(count(state));
        }
    }
    counts
}

/// The pool that the service keeps for a resource.
pub(super) fn pool<'a>(world: &'a World, id: &str) -> Option<(&'a Resource, &'a Pool)> {
    Some((world.resource(id)?, world.batch.pools.get(&key(id))?))
}
