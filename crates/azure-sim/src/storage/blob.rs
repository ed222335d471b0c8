//! Blob services and containers, the control plane (recorded traffic): the same containers as in the data plane.

use serde_json::{Value, json};

use super::ACCOUNT;
use crate::resource::{Resource, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

const SERVICE: &str = "Microsoft.Storage/storageAccounts/blobServices";
/// Full type of containers.
pub(super) const CONTAINER: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

/// `GET` and `PUT …/blobServices/default`
pub(super) fn service(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let parent = parent_of(&id).unwrap_or_default().to_owned();
    let Some(account) = world.resource(&parent).filter(|r| r.is(ACCOUNT)).cloned() else {
        return request.parent_not_found(&parent);
    };
    match request.method.as_str() {
        "GET" => {
            let mut properties = json!({
                "cors": {"corsRules": []},
                "deleteRetentionPolicy": {"allowPermanentDelete": false, "enabled": false},
            });
            let stored = world.resource(&id).and_then(|r| r.properties.as_object().cloned());
            for (name, value) in stored.into_iter().flatten() {
                properties[name] = value;
            }
            let mut body = named(&id, &properties);
            body["sku"] = account.extra.get("sku").cloned().unwrap_or_default();
            SimResponse::json(200, &body)
        }
        // Recorded: the answer shows what was asked for, and no sku.
        "PUT" => {
            let mut service = Resource::new(&id, SERVICE, world.now());
            service.properties = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
            let body = named(&id, &service.properties);
            world.put(service);
            SimResponse::json(200, &body)
        }
        _ => request.no_such_method(),
    }
}

fn named(id: &str, properties: &Value) -> Value {
    json!({"id": id, "name": "default", "type": SERVICE, "properties": properties})
}

/// `…/containers[/{c}]`
pub(super) fn containers(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let service = if request.is_collection() { Some(id.as_str()) } else { parent_of(&id) };
    let account = service.and_then(parent_of).unwrap_or_default();
    if world.resource(account).is_none_or(|r| !r.is(ACCOUNT)) {
        return request.parent_not_found(account);
    }
    if request.is_collection() {
        let all: Vec<Value> =
            world.children(&id, CONTAINER).map(|container| body(world, container)).collect();
        return page(request, all);
    }
    let found = world.resource(&id).cloned();
    match (request.method.as_str(), found) {
        ("GET", Some(container)) => {
            SimResponse::json(200, &body(world, &container)).with_header("etag", &container.etag)
        }
        ("GET" | "PATCH", None) => {
            SimResponse::arm_error(404, "ContainerNotFound", "The specified container does not exist.")
        }
        ("PUT" | "PATCH", found) => put(world, request, &id, found),
        ("DELETE", None) => SimResponse::empty(204),
        ("DELETE", Some(_)) => {
            world.remove(&id);
            SimResponse::empty(200)
        }
        _ => request.no_such_method(),
    }
}

fn put(world: &mut World, request: &Request, id: &str, found: Option<Resource>) -> SimResponse {
    let status = if found.is_none() { 201 } else { 200 };
    let now = world.now();
    let mut container = found.unwrap_or_else(|| Resource::new(id, CONTAINER, now));
    let wanted = request.body.get("properties").and_then(Value::as_object);
    for (name, value) in wanted.into_iter().flatten() {
        container.set(name, value.clone());
    }
    container.set("lastModifiedTime", json!(now.to_string()));
    container.etag = format!("\"0x8DE{}\"", &world.guid().replace('-', "").to_ascii_uppercase()[..12]);
    let response = SimResponse::json(status, &body(world, &container)).with_header("etag", &container.etag);
    world.put(container);
    response
}

/// A container as Azure sends it.
pub(super) fn body(world: &World, container: &Resource) -> Value {
    let (lease_status, lease_state) = super::data::lease_words(world, &container.id);
    let mut properties = json!({
        "publicAccess": "None",
        "leaseStatus": lease_status,
        "leaseState": lease_state,
        "deleted": false,
        "remainingRetentionDays": 0,
        "hasImmutabilityPolicy": false,
        "hasLegalHold": false,
    });
    for (name, value) in container.properties.as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    json!({
        "id": container.id,
        "name": container.name,
        "type": CONTAINER,
        "etag": container.etag,
        "properties": properties,
    })
}
