//! Resource groups.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::tags::read_tags;
use crate::durations::{GROUP_DELETE, Verb, seconds};
use crate::operation::{Effect, Spec, Style};
use crate::resource::{ProvisioningState, key, normal_location};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::{Group, World};

/// The 404 of an absent group (recorded traffic).
pub(crate) fn not_found(name: &str) -> SimResponse {
    SimResponse::arm_error(
        404,
        "ResourceGroupNotFound",
        &format!("Resource group '{name}' could not be found."),
    )
    .by_gateway()
}

fn body(world: &World, group: &Group) -> Value {
    let mut body = json!({
        "id": world.group_id(&group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
    });
    if let Some(tags) = &group.tags {
        body["tags"] = json!(tags);
    }
    if let Some(owner) = &group.managed_by {
        body["managedBy"] = json!(owner);
    }
    body["properties"] = json!({"provisioningState": group.state.as_str()});
    body
}

/// `GET /subscriptions/{s}/resourcegroups`
pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    if request.method != "GET" {
        return request.no_such_method();
    }
    let filter = super::listing::Filter::parse(request.query("$filter"));
    let value: Vec<Value> = world
        .groups()
        .values()
        .filter(|group| filter.tags_match(group.tags.as_ref()))
        .map(|group| body(world, group))
        .collect();
    super::listing::page(request, value)
}

/// One group.
pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let name = request.group.clone().unwrap_or_default();
    let found = world.groups().get(&name.to_ascii_lowercase()).cloned();
    match (request.method.as_str(), found) {
        ("PUT", found) => put(world, request, &name, found),
        ("HEAD", Some(_)) => SimResponse::empty(204),
        ("HEAD", None) => {
            let mut response = not_found(&name);
            response.body.clear();
            response
        }
        (_, None) => not_found(&name),
        ("GET", Some(group)) => SimResponse::json(200, &body(world, &group)),
        ("PATCH", Some(group)) => patch(world, request, group),
        ("DELETE", Some(group)) => delete(world, request, &group),
        _ => request.no_such_method(),
    }
}

/// 1 to 90 letters, digits, underscores, parentheses, hyphens and points, not ending in a point.
fn is_legal(name: &str) -> bool {
    let letters = |c: char| c.is_alphanumeric() || "-_().".contains(c);
    (1..=90).contains(&name.chars().count()) && name.chars().all(letters) && !name.ends_with('.')
}

fn put(world: &mut World, request: &Request, name: &str, found: Option<Group>) -> SimResponse {
    if !is_legal(name) {
        return SimResponse::arm_error(400, "InvalidResourceGroupName", &format!("The provided resource group name '{name}' has these invalid characters or ends with a period. The name can only be a letter, digit, '-', '.', '(', ')' or '_'.")).by_gateway();
    }
    let Some(location) = request.body.get("location").and_then(Value::as_str) else {
        return SimResponse::arm_error(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        )
        .by_gateway();
    };
    let location = normal_location(location);
    if !crate::catalogue::locations().any(|l| l.name == location) {
        return SimResponse::arm_error(
            400,
            "LocationNotAvailableForResourceGroup",
            &format!("The provided location '{location}' is not available for resource group."),
        )
        .by_gateway();
    }
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let status = match &found {
        None => 201,
        Some(group) if group.state == ProvisioningState::Deleting => {
            return SimResponse::arm_error(409, "ResourceGroupBeingDeleted", &format!("The resource group '{name}' is in deprovisioning state and cannot perform this operation.")).by_gateway();
        }
        Some(group) if group.location != location => {
            return SimResponse::arm_error(409, "InvalidResourceGroupLocation", &format!("Invalid resource group location '{location}'. The Resource group already exists in location '{}'.", group.location)).by_gateway();
        }
        Some(_) => 200,
    };
    let owner = request.body.get("managedBy").and_then(Value::as_str).map(str::to_owned);
    let group = Group {
        name: found.as_ref().map_or_else(|| name.to_owned(), |g| g.name.clone()),
        location,
        tags,
        managed_by: owner,
        state: ProvisioningState::Succeeded,
        created_at: found.as_ref().map_or(world.now(), |g| g.created_at),
        foreign: found.is_some_and(|g| g.foreign),
    };
    let body = body(world, &group);
    world.groups.insert(name.to_ascii_lowercase(), group);
    SimResponse::json(status, &body)
}

fn patch(world: &mut World, request: &Request, mut group: Group) -> SimResponse {
    match read_tags(&request.body) {
        Ok(Some(tags)) => group.tags = Some(tags),
        Ok(None) => {}
        Err(refusal) => return refusal,
    }
    let body = body(world, &group);
    world.groups.insert(group.name.to_ascii_lowercase(), group);
    SimResponse::json(200, &body)
}

fn delete(world: &mut World, request: &Request, group: &Group) -> SimResponse {
    let id = world.group_id(&group.name);
    let scope = key(&id);
    if let Some(refusal) = crate::authorization::refuse_locked_at(world, &scope, true, true) {
        return refusal;
    }
    let job = format!(
        "{{\"jobId\":\"RESOURCEGROUPDELETIONJOB-{}-{}\",\"jobLocation\":\"{}\"}}",
        group.name.to_ascii_uppercase(),
        group.location.to_ascii_uppercase(),
        group.location
    );
    let path = format!(
        "/subscriptions/{}/operationresults/{}",
        world.subscription_id(),
        URL_SAFE_NO_PAD.encode(job)
    );
    if group.state == ProvisioningState::Deleting
        && let Some(running) = world.operations.iter().rev().find(|o| o.path == path)
    {
        return SimResponse::empty(202).with_headers(&running.action_headers());
    }
    let below = format!("{scope}/");
    let slowest = world
        .resources()
        .iter()
        .filter(|(k, _)| k.starts_with(&below))
        .map(|(_, r)| seconds(&r.kind, Verb::Delete))
        .max()
        .unwrap_or(0);
    let spec = Spec::new(Style::Group, &group.location, GROUP_DELETE + slowest)
        .at(&path)
        .effect(Effect::RemoveGroup(group.name.clone()));
    let operation = world.begin(spec, &request.api_version);
    if let Some(stored) = world.groups.get_mut(&group.name.to_ascii_lowercase()) {
        stored.state = ProvisioningState::Deleting;
    }
    SimResponse::empty(202).with_headers(&operation.action_headers())
}
