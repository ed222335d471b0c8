//! Microsoft.Network: virtual networks with subnets, security groups, public addresses, NAT gateways, interfaces.
//!
//! Recorded traffic is the measure: PUT answers 201 or 200 with state Updating and `Azure-AsyncOperation`
//! (a new interface is Succeeded at once), DELETE 202 with both links or 204, deletes of used things are 400.

mod names;
mod natgw;
mod nic;
mod nsg;
mod pip;
mod put;
mod reach;
mod refs;
mod subnet;
mod vnet;

use serde_json::{Value, json};

use crate::durations::{Verb, seconds};
use crate::operation::{Effect, Spec, Style};
use crate::resource::{ProvisioningState, Resource, key, parent_of};
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

pub(crate) use nic::addresses_in;
pub(crate) use reach::internet_reaches;
pub(crate) use refs::missing;

pub(crate) const VNET: &str = "Microsoft.Network/virtualNetworks";
pub(crate) const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets";
pub(crate) const NSG: &str = "Microsoft.Network/networkSecurityGroups";
pub(crate) const PIP: &str = "Microsoft.Network/publicIPAddresses";
pub(crate) const NATGW: &str = "Microsoft.Network/natGateways";
pub(crate) const NIC: &str = "Microsoft.Network/networkInterfaces";

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match request.kind().as_str() {
        "locations/checkdnsnameavailability" => names::check(world, request),
        "locations/usages" => names::usages(world, request),
        "networksecuritygroups/securityrules" => nsg::rules(world, request),
        "virtualnetworks/checkipaddressavailability" if request.method == "GET" => {
            vnet::check_address(world, request)
        }
        "virtualnetworks/usages" if request.method == "GET" => vnet::usages(world, request),
        _ if request.is_collection() => list(world, request),
        _ => one(world, request),
    }
}

fn list(world: &World, request: &Request) -> SimResponse {
    if request.method != "GET" {
        return request.no_such_method();
    }
    let kind = request.collection_kind();
    let within = if request.names.is_empty() {
        key(&request.scope)
    } else {
        let parent = request.id(world);
        if world.resource(&parent).is_none() {
            return request.not_found();
        }
        key(&parent)
    };
    let below = format!("{within}/");
    let value: Vec<Value> = world
        .resources()
        .iter()
        .filter(|(k, r)| k.starts_with(&below) && r.is(&kind))
        .map(|(_, r)| body(world, r))
        .collect();
    crate::resources::page(request, value)
}

fn one(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let found = world.resource(&id).cloned();
    match (request.method.as_str(), found) {
        ("PUT", _) => put::put(world, request, &id),
        ("DELETE", None) => SimResponse::empty(204),
        ("GET" | "PATCH", None)
            if parent_of(&id).is_some_and(|p| request.names.len() > 1 && world.resource(p).is_none()) =>
        {
            request.not_found()
        }
        ("GET" | "PATCH", None) => absent(request),
        ("GET", Some(r)) => SimResponse::json(200, &body(world, &r)).with_header("etag", &r.etag),
        ("PATCH", Some(_)) => patch(world, request, &id),
        ("DELETE", Some(r)) => delete(world, request, &r),
        _ => request.no_such_method(),
    }
}

/// A child's 404 comes from the network provider itself, without the gateway header.
fn absent(request: &Request) -> SimResponse {
    if request.names.len() < 2 {
        return request.not_found();
    }
    let name = request.names.last().map_or("", String::as_str);
    let message = format!("Resource {name} not found.");
    SimResponse::network_error(404, "NotFound", &message)
}

/// PATCH changes tags alone, at once.
fn patch(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let etag = world.etag();
    if let Some(resource) = world.resource_mut(id) {
        resource.tags = tags.or_else(|| resource.tags.take());
        resource.etag = etag;
    }
    match crate::providers::body(world, id) {
        Some(body) => SimResponse::json(200, &body),
        None => request.not_found(),
    }
}

fn delete(world: &mut World, request: &Request, resource: &Resource) -> SimResponse {
    if let Some(refusal) = request.precondition(Some(&resource.etag)) {
        return refusal;
    }
    let removal = Effect::Remove(resource.id.clone());
    if resource.state == ProvisioningState::Deleting
        && let Some(running) = world.operations.iter().rev().find(|o| o.effects.contains(&removal))
    {
        return SimResponse::empty(202).with_headers(&running.action_headers());
    }
    if let Some(refusal) = refs::refuse_delete(world, resource) {
        return refusal;
    }
    if let Some(refusal) = refuse_busy(world, &resource.id, resource) {
        return refusal;
    }
    let location = location_of(world, resource);
    let spec =
        Spec::new(Style::Network, &location, seconds(&resource.kind, Verb::Delete)).removes(&resource.id);
    let operation = world.begin(spec, &request.api_version);
    if let Some(stored) = world.resource_mut(&resource.id) {
        stored.state = ProvisioningState::Deleting;
    }
    SimResponse::empty(202)
        .with_headers(&operation.action_headers())
        .with_header("x-ms-request-id", &operation.id)
}

/// Region of a resource, of the parent for a child.
fn location_of(world: &World, resource: &Resource) -> String {
    let parent = parent_of(&resource.id).and_then(|id| world.resource(id));
    let own = resource.location.clone();
    own.or_else(|| parent.and_then(|p| p.location.clone())).unwrap_or_default()
}

/// The 429 while another operation holds the resource; subnets and their virtual network exclude each other.
fn refuse_busy(world: &World, id: &str, resource: &Resource) -> Option<SimResponse> {
    let root = if resource.is(SUBNET) { parent_of(id).unwrap_or(id) } else { id };
    if !world.is_busy(root) {
        return None;
    }
    let message = format!(
        "Another operation on this or dependent resource is in progress. Resource: {root}. The call can be retried in 5 seconds."
    );
    let error = json!({"error": {
        "code": "RetryableError",
        "message": "A retryable error occurred.",
        "details": [{"code": "RetryableErrorDueToAnotherOperation", "message": message}],
    }});
    Some(SimResponse::json(429, &error).with_header("retry-after", "5"))
}

/// A stored resource as the provider renders it.
pub(crate) fn body(world: &World, resource: &Resource) -> Value {
    let mut envelope = resource.envelope();
    envelope.insert("etag".into(), json!(resource.etag));
    let mut properties = resource.properties_body();
    match resource.kind.as_str() {
        VNET => vnet::complete(world, resource, &mut properties),
        SUBNET => subnet::complete(world, resource, &mut properties),
        NSG => nsg::complete(world, resource, &mut properties),
        PIP => pip::complete(world, resource, &mut properties),
        NATGW => natgw::complete(world, resource, &mut properties),
        NIC => nic::complete(world, resource, &mut properties),
        _ => {}
    }
    envelope.insert("properties".into(), properties);
    Value::Object(envelope)
}

/// An operation on a network resource ended.
pub(crate) fn on_settled(world: &mut World, id: &str) {
    if world.resource(id).is_some_and(|r| r.is(PIP)) {
        pip::allocate(world, id);
    }
}
