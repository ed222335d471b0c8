//! Resource providers and their registration, which takes about half a minute.

use serde_json::{Value, json};

use crate::operation::{Effect, later};
use crate::providers::TYPES;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::{Registration, World};

fn body(world: &World, row: &(&str, &str, &[&str])) -> Value {
    let (namespace, version, types) = row;
    let state = match world.registrations.get(&namespace.to_ascii_lowercase()) {
        Some(Registration::Registered) => "Registered",
        Some(Registration::Registering) => "Registering",
        _ => "NotRegistered",
    };
    let locations: Vec<&str> = crate::catalogue::locations().map(|l| l.display).collect();
    let types: Vec<Value> = types
        .iter()
        .map(|kind| {
            json!({
                "resourceType": kind,
                "locations": locations,
                "apiVersions": [version],
                "capabilities": "SupportsTags, SupportsLocation",
            })
        })
        .collect();
    json!({
        "id": format!("/subscriptions/{}/providers/{namespace}", world.subscription_id()),
        "namespace": namespace,
        "authorizations": [],
        "resourceTypes": types,
        "registrationState": state,
        "registrationPolicy": "RegistrationRequired",
    })
}

/// `GET /subscriptions/{s}/providers`
pub(super) fn list(world: &World) -> SimResponse {
    let value: Vec<Value> = TYPES.iter().map(|row| body(world, row)).collect();
    SimResponse::json(200, &json!({"value": value}))
}

fn unknown(namespace: &str) -> SimResponse {
    SimResponse::arm_error(
        404,
        "InvalidResourceNamespace",
        &format!("The resource namespace '{namespace}' is invalid."),
    )
    .by_gateway()
}

/// `GET /subscriptions/{s}/providers/{ns}`
pub(super) fn get(world: &World, request: &Request, namespace: &str) -> SimResponse {
    if request.method != "GET" {
        return request.no_such_method();
    }
    match TYPES.iter().find(|row| row.0.eq_ignore_ascii_case(namespace)) {
        Some(row) => SimResponse::json(200, &body(world, row)),
        None => unknown(namespace),
    }
}

/// `POST /subscriptions/{s}/providers/{ns}/register`
pub(super) fn register(world: &mut World, request: &Request, namespace: &str) -> SimResponse {
    if request.method != "POST" {
        return request.no_such_method();
    }
    let Some(row) = TYPES.iter().find(|row| row.0.eq_ignore_ascii_case(namespace)) else {
        return unknown(namespace);
    };
    let key = namespace.to_ascii_lowercase();
    if world.registrations.get(&key) == Some(&Registration::NotRegistered) {
        world.registrations.insert(key.clone(), Registration::Registering);
        let ready = later(world.now(), crate::durations::REGISTER);
        world.schedule(ready, Effect::Register(key));
    }
    SimResponse::json(200, &body(world, row))
}
