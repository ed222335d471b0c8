//! NAT gateways.

use serde_json::{Value, json};

use super::{SUBNET, refs};
use crate::resource::{Resource, key, reference};
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn read(world: &mut World, body: &Value, gateway: &mut Resource) -> Result<(), SimResponse> {
    let sku = body.pointer("/sku/name").and_then(Value::as_str).unwrap_or_default();
    if !sku.starts_with("Standard") {
        return Err(SimResponse::network_error(
            400,
            "NatGatewaySkuNotSupported",
            &format!("Sku '{sku}' of NAT gateway {} is not supported; only Standard is.", gateway.id),
        ));
    }
    gateway.extra.insert("sku".into(), json!({"name": sku, "tier": "Regional"}));
    if let Some(zones) = body.get("zones") {
        gateway.extra.insert("zones".into(), zones.clone());
    }
    let sent = body.get("properties").cloned().unwrap_or(Value::Null);
    let idle = sent.get("idleTimeoutInMinutes").cloned().unwrap_or(json!(4));
    gateway.set("idleTimeoutInMinutes", idle);
    let mut addresses = Vec::new();
    for id in sent.get("publicIpAddresses").and_then(Value::as_array).into_iter().flatten() {
        let Some(id) = reference(Some(id)) else { continue };
        if let Some(refusal) = refs::missing(world, &gateway.id, id) {
            return Err(refusal);
        }
        refuse_held(world, id, &gateway.id)?;
        addresses.push(json!({"id": id}));
    }
    gateway.set("publicIpAddresses", json!(addresses));
    Ok(())
}

/// 400 when an address is allocated to something else already.
pub(super) fn refuse_held(world: &World, address: &str, user: &str) -> Result<(), SimResponse> {
    match refs::holder_of_address(world, address) {
        Some(holder) if key(&holder) != key(user) => Err(SimResponse::network_error(
            400,
            "PublicIPAddressInUse",
            &format!(
                "Resource {user} is referencing public IP address {address} that is already allocated to resource {holder}."
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn complete(world: &World, gateway: &Resource, properties: &mut Value) {
    let users = refs::referrers(world, SUBNET, "natGateway", &gateway.id);
    if !users.is_empty() {
        properties["subnets"] = users.into_iter().map(|id| json!({"id": id})).collect();
    }
}
