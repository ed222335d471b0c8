//! Microsoft.ManagedIdentity: user-assigned identities.

use serde_json::{Value, json};

use crate::durations::IDENTITY_REPLICATION;
use crate::operation::later;
use crate::resource::Resource;
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The body: this provider sends no provisioningState and spells `resourcegroups` small (recorded traffic).
pub(crate) fn body(identity: &Resource) -> Value {
    let mut body = identity.envelope();
    body.insert("id".into(), json!(wire_id(identity)));
    body.insert("properties".into(), identity.properties.clone());
    Value::Object(body)
}

fn wire_id(identity: &Resource) -> String {
    identity.id.replace("/resourceGroups/", "/resourcegroups/")
}

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    if request.is_collection() {
        let below = format!("{}/", crate::resource::key(&request.scope));
        let value: Vec<Value> = world
            .resources()
            .iter()
            .filter(|(k, r)| k.starts_with(&below) && r.is(&request.collection_kind()))
            .map(|(_, r)| body(r))
            .collect();
        return SimResponse::json(200, &json!({"value": value}));
    }
    let id = request.id(world);
    match request.method.as_str() {
        "GET" => {
            world.resource(&id).map_or_else(|| request.not_found(), |r| SimResponse::json(200, &body(r)))
        }
        "PUT" | "PATCH" => put(world, request, &id),
        // Recorded: 200 at once, 204 when there is none.
        "DELETE" if world.resource(&id).is_none() => SimResponse::empty(204),
        "DELETE" => {
            world.remove(&id);
            SimResponse::empty(200)
        }
        _ => request.no_such_method(),
    }
}

fn put(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    if let Some(identity) = world.resource_mut(id) {
        if tags.is_some() || request.method == "PUT" {
            identity.tags = Some(tags.unwrap_or_default());
        }
        let body = body(identity);
        return SimResponse::json(200, &body);
    }
    let (Some(location), "PUT") = (request.location(), request.method.as_str()) else {
        return request.not_found();
    };
    let principal = world.guid();
    let now = world.now();
    let mut identity = Resource::new(id, &request.full_kind(), now);
    identity.location = Some(location);
    identity.tags = Some(tags.unwrap_or_default());
    identity.properties = json!({
        "tenantId": world.config.tenant_id,
        "principalId": principal,
        "clientId": world.guid(),
    });
    world.directory.insert(principal, later(now, IDENTITY_REPLICATION));
    let response = SimResponse::json(201, &body(&identity)).with_header("location", &wire_id(&identity));
    world.put(identity);
    response
}
