//! Queue services and queues, the control plane (Microsoft's examples): the same queues as in the data plane.

use serde_json::{Value, json};

use super::ACCOUNT;
use crate::resource::{Resource, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

const SERVICE: &str = "Microsoft.Storage/storageAccounts/queueServices";
/// Full type of queues.
pub(super) const QUEUE: &str = "Microsoft.Storage/storageAccounts/queueServices/queues";

fn account_of<'w>(world: &'w World, id: &str) -> Option<&'w Resource> {
    world.resource(id).filter(|r| r.is(ACCOUNT))
}

/// `GET …/queueServices`, `GET` and `PUT …/queueServices/default`
pub(super) fn service(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let account =
        if request.is_collection() { Some(id.as_str()) } else { parent_of(&id) }.unwrap_or_default();
    if account_of(world, account).is_none() {
        return request.parent_not_found(account);
    }
    let default = format!("{account}/queueServices/default");
    if request.is_collection() {
        return SimResponse::json(200, &json!({"value": [service_body(world, &default)]}));
    }
    match request.method.as_str() {
        "GET" => SimResponse::json(200, &service_body(world, &default)),
        "PUT" => {
            let mut service = Resource::new(&default, SERVICE, world.now());
            service.properties = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
            world.put(service);
            SimResponse::json(200, &service_body(world, &default))
        }
        _ => request.no_such_method(),
    }
}

fn service_body(world: &World, id: &str) -> Value {
    let mut properties = json!({"cors": {"corsRules": []}});
    let stored = world.resource(id).and_then(|r| r.properties.as_object());
    for (name, value) in stored.into_iter().flatten() {
        properties[name] = value.clone();
    }
    json!({"id": id, "name": "default", "type": SERVICE, "properties": properties})
}

/// `…/queueServices/default/queues[/{q}]`
pub(super) fn queues(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let service = if request.is_collection() { Some(id.as_str()) } else { parent_of(&id) };
    let account = service.and_then(parent_of).unwrap_or_default();
    if account_of(world, account).is_none() {
        return request.parent_not_found(account);
    }
    if request.is_collection() {
        let all: Vec<Value> = world.children(&id, QUEUE).map(body).collect();
        return page(request, all);
    }
    let found = world.resource(&id).cloned();
    match (request.method.as_str(), found) {
        ("GET", Some(queue)) => SimResponse::json(200, &body(&queue)),
        ("PUT", found) => put(world, request, &id, found),
        ("PATCH", Some(queue)) => put(world, request, &id, Some(queue)),
        ("GET" | "PATCH" | "DELETE", None) => {
            SimResponse::arm_error(404, "QueueNotFound", "The specified queue does not exist.")
        }
        ("DELETE", Some(_)) => {
            world.remove(&id);
            SimResponse::empty(204)
        }
        _ => request.no_such_method(),
    }
}

fn is_legal(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    (3..=63).contains(&name.len()) && plain && !hyphens
}

fn put(world: &mut World, request: &Request, id: &str, found: Option<Resource>) -> SimResponse {
    if !is_legal(crate::resource::last_segment(id)) {
        let message = "The specified resource name contains invalid characters.";
        return SimResponse::arm_error(400, "InvalidResourceName", message);
    }
    let mut queue = found.unwrap_or_else(|| Resource::new(id, QUEUE, world.now()));
    if let Some(metadata) = request.body.pointer("/properties/metadata").filter(|m| m.is_object()) {
        queue.set("metadata", metadata.clone());
    }
    let response = SimResponse::json(200, &body(&queue));
    world.put(queue);
    response
}

/// A queue as Azure sends it.
pub(super) fn body(queue: &Resource) -> Value {
    let metadata = queue.property("/metadata").cloned().unwrap_or_else(|| json!({}));
    json!({"id": queue.id, "name": queue.name, "type": QUEUE, "properties": {"metadata": metadata}})
}
