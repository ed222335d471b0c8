//! What every PUT of the network provider has in common.

use serde_json::{Value, json};

use super::{
    NATGW, NIC, NSG, PIP, SUBNET, VNET, location_of, natgw, nic, nsg, pip, refuse_busy, subnet, vnet,
};
use crate::durations::{Verb, seconds};
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource, parent_of};
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Reads the body into the resource, or refuses.
type Reader = fn(&mut World, &Value, &mut Resource) -> Result<(), SimResponse>;

fn reader(kind: &str) -> Option<Reader> {
    Some(match kind {
        VNET => vnet::read,
        SUBNET => subnet::read,
        NSG => nsg::read,
        PIP => pip::read,
        NATGW => natgw::read,
        NIC => nic::read,
        _ => return None,
    })
}

/// `Retry-After` of an accepted PUT; none on a new interface (recorded traffic).
fn retry_after(kind: &str, new: bool) -> u32 {
    match (kind, new) {
        (NIC, true) => 0,
        (NIC, false) => 10,
        (PIP, _) => 1,
        _ => 3,
    }
}

pub(super) fn put(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let kind = request.full_kind();
    let Some(read) = reader(&kind) else { return request.no_such_type() };
    let found = world.resource(id).cloned();
    if let Some(refusal) = request.precondition(found.as_ref().map(|r| r.etag.as_str())) {
        return refusal;
    }
    let mut resource = match begin_resource(world, request, id, &kind, found.as_ref()) {
        Ok(resource) => resource,
        Err(refusal) => return refusal,
    };
    if let Some(refusal) = refuse_busy(world, id, &resource) {
        return refusal;
    }
    if let Err(refusal) = read(world, &request.body, &mut resource) {
        return refusal;
    }
    let new = found.is_none();
    let at_once = kind == NIC && new;
    resource.state = if at_once { ProvisioningState::Succeeded } else { ProvisioningState::Updating };
    resource.etag = world.etag();
    let location = location_of(world, &resource);
    world.put(resource);
    let verb = if new { Verb::Create } else { Verb::Update };
    let mut spec = Spec::new(Style::Network, &location, seconds(&kind, verb))
        .retry_after(retry_after(&kind, new))
        .settles(id);
    if kind == VNET {
        match vnet::put_subnets(world, &request.body, id) {
            Ok(subnets) => spec = subnets.iter().fold(spec, |spec, subnet| spec.settles(subnet)),
            Err(refusal) => {
                restore(world, id, found);
                return refusal;
            }
        }
    }
    let operation = world.begin(spec, &request.api_version);
    let body = crate::providers::body(world, id).unwrap_or(Value::Null);
    SimResponse::json(if new { 201 } else { 200 }, &body)
        .with_headers(&operation.put_headers())
        .with_header("x-ms-request-id", &operation.id)
}

fn restore(world: &mut World, id: &str, found: Option<Resource>) {
    match found {
        Some(before) => world.put(before),
        None => world.remove(id),
    }
}

/// The resource with its location and tags: the stored one, or a new one.
fn begin_resource(
    world: &mut World,
    request: &Request,
    id: &str,
    kind: &str,
    found: Option<&Resource>,
) -> Result<Resource, SimResponse> {
    let now = world.now();
    let mut resource = found.cloned().unwrap_or_else(|| Resource::new(id, kind, now));
    if found.is_none() {
        let guid = world.guid();
        resource.properties = json!({"resourceGuid": guid});
    }
    if kind == SUBNET {
        let parent = parent_of(id).unwrap_or_default();
        if world.resource(parent).is_none() {
            return Err(request.parent_not_found(parent));
        }
        resource.properties = json!({});
        return Ok(resource);
    }
    let location = match (request.location(), &resource.location) {
        (Some(sent), None) if crate::catalogue::locations().any(|l| l.name == sent) => sent,
        (Some(sent), None) => {
            let message =
                format!("The provided location '{sent}' is not available for resource type '{kind}'.");
            return Err(
                SimResponse::arm_error(400, "LocationNotAvailableForResourceType", &message).by_gateway()
            );
        }
        (Some(sent), Some(stored)) if sent != *stored => {
            let message = format!(
                "The resource '{}' already exists in location '{stored}' in resource group '{}'. A resource with the same name cannot be created in location '{sent}'. Please select a new resource name.",
                resource.name, resource.group
            );
            return Err(SimResponse::arm_error(409, "InvalidResourceLocation", &message).by_gateway());
        }
        (_, Some(stored)) => stored.clone(),
        (None, None) => {
            return Err(SimResponse::arm_error(
                400,
                "LocationRequired",
                "The location property is required for this definition.",
            )
            .by_gateway());
        }
    };
    resource.location = Some(location);
    resource.tags = read_tags(&request.body)?;
    Ok(resource)
}
