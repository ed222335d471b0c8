//! Template deployments to a group, as far as clients make single resources with them (`az vm create`): a list of
//! resources with literal values, carried out in the order of `dependsOn`. Template expressions are refused.
//!
//! Answers follow recorded traffic: 201 with `Azure-AsyncOperation`, whose body has a status alone.

use serde_json::{Map, Value, json};
use url::Url;

use crate::operation::{ARM, Effect, later};
use crate::resource::{ProvisioningState, Resource, key};
use crate::route::Request;
use crate::wire::{SimRequest, SimResponse};
use crate::world::World;

/// Full type of deployments, which no list of resources shows.
pub(crate) const DEPLOYMENT: &str = "Microsoft.Resources/deployments";

/// Between two looks at what has become ready, seconds.
const LOOK: u64 = 5;

/// Answers for deployments and their operations.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    match (request.method.as_str(), request.kind().as_str()) {
        ("GET", "deployments") if request.is_collection() => {
            let below = format!("{}/", key(&request.scope));
            let mut all: Vec<&Resource> = world.resources().values().filter(|r| r.is(DEPLOYMENT)).collect();
            all.retain(|r| r.key().starts_with(&below));
            let all: Vec<Value> = all.into_iter().map(body).collect();
            super::page(request, all)
        }
        ("PUT", "deployments") => put(world, request, &id),
        ("GET", "deployments") => match world.resource(&id) {
            Some(deployment) => SimResponse::json(200, &body(deployment)),
            None => not_found(request),
        },
        ("GET", "deployments/operationstatuses") => {
            let parent = crate::resource::parent_of(&id).unwrap_or_default();
            match world.resource(parent) {
                Some(deployment) => SimResponse::json(200, &status(deployment)),
                None => not_found(request),
            }
        }
        _ => request.no_such_method(),
    }
}

fn not_found(request: &Request) -> SimResponse {
    let name = request.names.first().map_or("", String::as_str);
    SimResponse::arm_error(404, "DeploymentNotFound", &format!("Deployment '{name}' could not be found."))
        .by_gateway()
}

fn body(deployment: &Resource) -> Value {
    json!({
        "id": deployment.id,
        "name": deployment.name,
        "type": DEPLOYMENT,
        "properties": deployment.properties,
    })
}

/// The polling URL's body (recorded: a status alone).
fn status(deployment: &Resource) -> Value {
    let state = deployment.text("/provisioningState").unwrap_or("Accepted");
    match deployment.property("/error") {
        Some(error) => json!({"status": state, "error": error}),
        None => json!({"status": state}),
    }
}

/// One resource of a template.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Step {
    id: String,
    api_version: String,
    after: Vec<String>,
    body: Value,
}

/// What is left of a deployment.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Rest {
    deployment: String,
    waiting: Vec<Step>,
    begun: Vec<String>,
}

fn invalid(message: &str) -> SimResponse {
    SimResponse::arm_error(400, "InvalidTemplate", message).by_gateway()
}

fn put(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let group = world.group_id(request.group.as_deref().unwrap_or_default());
    let waiting = match steps(&request.body, &group) {
        Ok(steps) => steps,
        Err(message) => {
            return invalid(&format!("Deployment template validation failed: '{message}'."));
        }
    };
    let now = world.now();
    let known = world.resource(id).is_some();
    let mut deployment = Resource::new(id, DEPLOYMENT, now);
    deployment.foreign = true;
    deployment.properties = json!({
        "mode": "Incremental",
        "provisioningState": "Accepted",
        "timestamp": now.to_string(),
        "correlationId": world.guid(),
        "parameters": {},
        "providers": [],
        "dependencies": [],
    });
    let answer = body(&deployment);
    let number = now.as_millisecond();
    let poll = format!("{ARM}{id}/operationStatuses/{number:020}?api-version={}", request.api_version);
    world.put(deployment);
    go_on(world, Rest { deployment: id.to_owned(), waiting, begun: Vec::new() });
    SimResponse::json(if known { 200 } else { 201 }, &answer).with_header("azure-asyncoperation", &poll)
}

/// The steps of a template, or why it is none.
fn steps(body: &Value, group: &str) -> Result<Vec<Step>, String> {
    let resources = body.pointer("/properties/template/resources").and_then(Value::as_array);
    let resources = resources.ok_or("the template has no list of resources")?;
    if let Some(expression) = expression(&Value::Array(resources.clone())) {
        return Err(format!("the simulator does not evaluate the expression {expression}"));
    }
    resources.iter().map(|resource| step(resource, group)).collect()
}

fn step(resource: &Value, group: &str) -> Result<Step, String> {
    let text = |name: &str| {
        let value = resource.get(name).and_then(Value::as_str);
        value.map(str::to_owned).ok_or(format!("a resource has no {name}"))
    };
    let (kind, name) = (text("type")?, text("name")?);
    let after = resource.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
    let after = after.filter_map(Value::as_str).map(|id| key(&whole_id(id, group))).collect();
    let mut body = Map::new();
    for (member, value) in resource.as_object().into_iter().flatten() {
        if !["type", "name", "apiVersion", "dependsOn"].contains(&member.as_str()) && !value.is_null() {
            body.insert(member.clone(), without_nulls(value));
        }
    }
    let id = whole_id(&format!("{kind}/{name}"), group);
    Ok(Step { id, api_version: text("apiVersion")?, after, body: Value::Object(body) })
}

/// The id of `Namespace/type/name` in a group.
fn whole_id(id: &str, group: &str) -> String {
    if id.starts_with('/') { id.to_owned() } else { format!("{group}/providers/{id}") }
}

/// The first expression in a template.
fn expression(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) if text.starts_with('[') && !text.starts_with("[[") => Some(text),
        Value::Array(items) => items.iter().find_map(expression),
        Value::Object(members) => members.values().find_map(expression),
        _ => None,
    }
}

/// A template's `null` is an absent value.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// A look is due.
pub(crate) fn on_effect(world: &mut World, data: &Value) {
    if let Ok(rest) = serde_json::from_value(data.clone()) {
        go_on(world, rest);
    }
}

/// Begins what can begin; looks again later until all of it is ready or something failed.
fn go_on(world: &mut World, mut rest: Rest) {
    if world.resource(&rest.deployment).is_none() {
        return;
    }
    let failed = |world: &World, id: &String| {
        world.resource(id).is_none_or(|resource| resource.state == ProvisioningState::Failed)
    };
    if let Some(id) = rest.begun.iter().find(|id| failed(world, id)) {
        let error = json!({"code": "ResourceDeploymentFailure", "target": id, "message": "The resource write operation failed to complete successfully."});
        return end(world, &rest.deployment, Some(error));
    }
    let waiting = std::mem::take(&mut rest.waiting);
    let missing: Vec<String> = waiting.iter().map(|step| key(&step.id)).collect();
    for step in waiting {
        let held = |id: &String| missing.contains(id) || world.is_busy(id);
        if step.after.iter().any(held) {
            rest.waiting.push(step);
            continue;
        }
        let answer = send(world, &step);
        if !answer.is_success() {
            let error = answer.json_body().get("error").cloned().unwrap_or_default();
            return end(world, &rest.deployment, Some(error));
        }
        rest.begun.push(step.id);
    }
    let over = rest.waiting.is_empty() && rest.begun.iter().all(|id| !world.is_busy(id));
    if over {
        return end(world, &rest.deployment, None);
    }
    if let Some(deployment) = world.resource_mut(&rest.deployment) {
        deployment.set("provisioningState", json!("Running"));
    }
    let at = later(world.now(), LOOK);
    let data = serde_json::to_value(&rest).unwrap_or_default();
    world.schedule(at, Effect::Provider { namespace: "microsoft.resources".into(), data });
}

/// The PUT of a resource, as ARM sends it on the deployer's behalf.
fn send(world: &mut World, step: &Step) -> SimResponse {
    let Ok(url) = Url::parse(&format!("{ARM}{}?api-version={}", step.id, step.api_version)) else {
        return invalid("a resource's name is no part of a URL");
    };
    let put = SimRequest::new("PUT", url).header("authorization", "Bearer deployment").json_body(&step.body);
    crate::route::dispatch(world, &put)
}

fn end(world: &mut World, id: &str, error: Option<Value>) {
    let Some(deployment) = world.resource_mut(id) else { return };
    let state = if error.is_some() { "Failed" } else { "Succeeded" };
    deployment.set("provisioningState", json!(state));
    if let Some(error) = error {
        let whole = json!({
            "code": "DeploymentFailed",
            "message": "At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.",
            "details": [error],
        });
        deployment.set("error", whole);
    }
}
