//! Tokens for managed identities.

use serde_json::{Value, json};

use super::Machine;
use crate::resource::key;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Tokens of identities begin so; the object id follows.
const PREFIX: &str = "sim-identity-";
/// Length of an object id.
const GUID: usize = 36;
/// The year 2100. Token caches read the wall clock, which is not the world's: these tokens never expire by it. An
/// expired login is simulated by a fault.
const EXPIRY: &str = "4102444800";

/// The object id in a token of an identity.
pub(super) fn principal(token: &str) -> Option<&str> {
    token.strip_prefix(PREFIX)?.get(..GUID)
}

/// An identity that a machine has.
struct Identity {
    id: Option<String>,
    principal: String,
    client: String,
}

/// The identities of a machine's `identity`.
fn identities(world: &World, machine: &Machine) -> Vec<Identity> {
    let resource = match machine {
        Machine::Own(id) => world.resource(id),
        Machine::Member(member) => world.resource(&member.set),
    };
    let Some(identity) = resource.and_then(|resource| resource.extra.get("identity")) else {
        return Vec::new();
    };
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for (id, _) in identity.get("userAssignedIdentities").and_then(Value::as_object).into_iter().flatten() {
        // One that is deleted gives no more tokens.
        if let Some(identity) = world.resource(id) {
            found.push(Identity {
                id: Some(id.clone()),
                principal: identity.text("/principalId").unwrap_or_default().to_owned(),
                client: identity.text("/clientId").unwrap_or_default().to_owned(),
            });
        }
    }
    let own = text(identity, "principalId");
    if !own.is_empty() {
        found.push(Identity { id: None, client: own.clone(), principal: own });
    }
    found
}

fn bad(text: &str) -> SimResponse {
    SimResponse::json(400, &json!({"error": "invalid_request", "error_description": text}))
}

pub(super) fn get(world: &mut World, request: &Request, machine: &Machine) -> SimResponse {
    let Some(resource) = request.query("resource").map(str::to_owned) else {
        return bad("Required audience parameter not specified");
    };
    let all = identities(world, machine);
    let named = [
        ("client_id", request.query("client_id")),
        ("object_id", request.query("object_id").or_else(|| request.query("principal_id"))),
        ("msi_res_id", request.query("msi_res_id").or_else(|| request.query("mi_res_id"))),
    ];
    let is_it = |identity: &&Identity| {
        named.iter().all(|(name, wanted)| match (wanted, *name) {
            (None, _) => true,
            (Some(wanted), "client_id") => identity.client.eq_ignore_ascii_case(wanted),
            (Some(wanted), "object_id") => identity.principal.eq_ignore_ascii_case(wanted),
            (Some(wanted), _) => identity.id.as_deref().is_some_and(|id| key(id) == key(wanted)),
        })
    };
    let fitting: Vec<&Identity> = all.iter().filter(is_it).collect();
    let anonymous = named.iter().all(|(_, wanted)| wanted.is_none());
    let system = fitting.iter().find(|identity| identity.id.is_none() && anonymous);
    let identity = match (system, fitting.as_slice()) {
        (Some(system), _) => *system,
        (None, [one]) => *one,
        (None, []) => return bad("Identity not found"),
        (None, _) => {
            return bad(
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
            );
        }
    };
    let (principal, client) = (identity.principal.clone(), identity.client.clone());
    let token = format!("{PREFIX}{principal}-{}", world.guid());
    let not_before = world.now().as_second().to_string();
    SimResponse::json(
        200,
        &json!({
            "access_token": token,
            "client_id": client,
            "expires_in": "86399",
            "expires_on": EXPIRY,
            "ext_expires_in": "86399",
            "not_before": not_before,
            "resource": resource,
            "token_type": "Bearer",
        }),
    )
}
