//! Subnets.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{NATGW, NSG, SUBNET, refs, vnet};
use crate::resource::{Resource, parent_of, reference};
use crate::wire::SimResponse;
use crate::world::World;

/// The subnet's prefix.
pub(super) fn prefix(subnet: &Resource) -> Option<IpNet> {
    let first = subnet.text("/addressPrefix").or_else(|| subnet.text("/addressPrefixes/0"))?;
    first.parse().ok()
}

pub(super) fn read(world: &mut World, body: &Value, subnet: &mut Resource) -> Result<(), SimResponse> {
    let sent = body.get("properties").cloned().unwrap_or(Value::Null);
    let text =
        sent.get("addressPrefix").or_else(|| sent.pointer("/addressPrefixes/0")).and_then(Value::as_str);
    let Some(text) = text else {
        return Err(SimResponse::network_error(
            400,
            "InvalidRequestFormat",
            &format!("Address prefix of subnet {} is missing.", subnet.name),
        ));
    };
    let net = vnet::parse(text, &subnet.id)?;
    check_range(world, subnet, net)?;
    for member in ["addressPrefix", "addressPrefixes", "defaultOutboundAccess"] {
        if let Some(value) = sent.get(member) {
            subnet.set(member, value.clone());
        }
    }
    for (member, kind) in [("networkSecurityGroup", NSG), ("natGateway", NATGW)] {
        if let Some(id) = reference(sent.get(member)) {
            check_reference(world, subnet, id, kind)?;
            subnet.set(member, json!({"id": id}));
        }
    }
    let location = parent_of(&subnet.id).and_then(|id| world.resource(id)).and_then(|v| v.location.clone());
    if let Some(endpoints) = sent.get("serviceEndpoints").and_then(Value::as_array) {
        let endpoints: Vec<Value> = endpoints
            .iter()
            .map(|e| json!({"provisioningState": "Succeeded", "service": e.get("service"), "locations": e.get("locations").filter(|l| !l.is_null()).cloned().unwrap_or_else(|| json!([location]))}))
            .collect();
        subnet.set("serviceEndpoints", json!(endpoints));
    }
    let delegations = sent.get("delegations").cloned().unwrap_or(json!([]));
    subnet.set("delegations", delegations);
    for member in ["privateEndpointNetworkPolicies", "privateLinkServiceNetworkPolicies"] {
        if let Some(value) = sent.get(member).filter(|value| !value.is_null()) {
            subnet.set(member, value.clone());
        }
    }
    Ok(())
}

fn check_range(world: &World, subnet: &Resource, net: IpNet) -> Result<(), SimResponse> {
    let parent = parent_of(&subnet.id).unwrap_or_default();
    let Some(parent) = world.resource(parent) else { return Ok(()) };
    if !vnet::prefixes(parent).iter().any(|n| n.contains(&net)) {
        return Err(vnet::outside(&subnet.name, &parent.name));
    }
    if matches!(net, IpNet::V4(v4) if v4.prefix_len() > 29) {
        return Err(SimResponse::network_error(
            400,
            "NetcfgInvalidSubnet",
            &format!("Subnet '{}' is not valid in virtual network '{}'.", subnet.name, parent.name),
        ));
    }
    let overlaps = |other: &Resource| prefix(other).is_some_and(|n| n.contains(&net) || net.contains(&n));
    if world.children(&parent.id, SUBNET).any(|s| s.key() != subnet.key() && overlaps(s)) {
        return Err(SimResponse::network_error(
            400,
            "NetcfgSubnetRangesOverlap",
            &format!(
                "Subnet '{}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{}'.",
                subnet.name, parent.name
            ),
        ));
    }
    let before = world.resource(&subnet.id).and_then(prefix);
    if before.is_some_and(|b| b != net) && !refs::users_of_subnet(world, &subnet.id).is_empty() {
        return Err(SimResponse::network_error(
            400,
            "InUsePrefixCannotBeDeleted",
            &format!(
                "IpPrefix {} on Subnet {} has active allocations and cannot be deleted.",
                before.map_or(net, |b| b),
                subnet.name
            ),
        ));
    }
    Ok(())
}

fn check_reference(world: &World, subnet: &Resource, id: &str, kind: &str) -> Result<(), SimResponse> {
    let same_kind = world.resource(id).is_none_or(|r| r.is(kind));
    match refs::missing(world, &subnet.id, id) {
        Some(refusal) => Err(refusal),
        None if same_kind => Ok(()),
        None => Err(SimResponse::network_error(
            400,
            "InvalidRequestFormat",
            &format!("Resource {id} is no {kind}."),
        )),
    }
}

pub(super) fn complete(world: &World, subnet: &Resource, properties: &mut Value) {
    // Recorded: the default changed between the api-versions 2021-02-01 and 2022-01-01.
    let endpoints = if world.speaks_before("2021-08-01") { "Enabled" } else { "Disabled" };
    for (member, usual) in
        [("privateEndpointNetworkPolicies", endpoints), ("privateLinkServiceNetworkPolicies", "Enabled")]
    {
        if properties.get(member).is_none() {
            properties[member] = json!(usual);
        }
    }
    let users: Vec<Value> = refs::users_of_subnet(world, &subnet.id)
        .into_iter()
        .filter(|id| id.contains("/ipConfigurations/"))
        .map(|id| json!({"id": id}))
        .collect();
    if !users.is_empty() {
        properties["ipConfigurations"] = json!(users);
    }
}
