//! Virtual networks; their subnets are resources of their own, rendered inline.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{SUBNET, refs, subnet};
use crate::resource::{ProvisioningState, Resource, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// CIDR prefixes of `addressSpace`.
pub(super) fn prefixes(vnet: &Resource) -> Vec<IpNet> {
    let listed = vnet.property("/addressSpace/addressPrefixes").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).filter_map(|p| p.parse().ok()).collect()
}

/// Parses a prefix as strictly as Azure does: no host bits.
pub(super) fn parse(prefix: &str, owner: &str) -> Result<IpNet, SimResponse> {
    let bad = |message: &str| SimResponse::network_error(400, "InvalidCIDRNotation", message);
    let Ok(net) = prefix.parse::<IpNet>() else {
        return Err(bad(&format!(
            "The address prefix {prefix} in resource {owner} has an invalid CIDR notation."
        )));
    };
    if net.trunc() != net {
        let should = net.trunc();
        return Err(bad(&format!(
            "The address prefix {prefix} in resource {owner} has an invalid CIDR notation. For the given prefix length, the address prefix should be {should}."
        )));
    }
    Ok(net)
}

pub(super) fn read(world: &mut World, body: &Value, vnet: &mut Resource) -> Result<(), SimResponse> {
    let sent = body.pointer("/properties/addressSpace/addressPrefixes").and_then(Value::as_array);
    let Some(sent) = sent.filter(|list| !list.is_empty()) else {
        return Err(SimResponse::network_error(
            400,
            "InvalidRequestFormat",
            &format!("Address space of virtual network {} is missing.", vnet.name),
        ));
    };
    let mut nets: Vec<IpNet> = Vec::new();
    for prefix in sent.iter().filter_map(Value::as_str) {
        let net = parse(prefix, &vnet.id)?;
        if nets.iter().any(|n| n.contains(&net) || net.contains(n)) {
            return Err(SimResponse::network_error(
                400,
                "NetcfgInvalidVirtualNetworkSite",
                &format!("Address prefixes of virtual network {} overlap.", vnet.name),
            ));
        }
        nets.push(net);
    }
    for child in world.children(&vnet.id, SUBNET) {
        if let Some(net) = subnet::prefix(child)
            && !nets.iter().any(|n| n.contains(&net))
            && body.pointer("/properties/subnets").is_none()
        {
            return Err(outside(&child.name, &vnet.name));
        }
    }
    vnet.set("addressSpace", json!({"addressPrefixes": sent}));
    for member in ["dhcpOptions", "encryption", "flowTimeoutInMinutes"] {
        if let Some(value) = body.pointer(&format!("/properties/{member}")) {
            vnet.set(member, value.clone());
        }
    }
    if vnet.property("/dhcpOptions").is_some_and(|o| o.is_object() && o.get("dnsServers").is_none()) {
        vnet.properties["dhcpOptions"]["dnsServers"] = json!([]);
    }
    let ddos = body.pointer("/properties/enableDdosProtection").and_then(Value::as_bool).unwrap_or(false);
    vnet.set("enableDdosProtection", json!(ddos));
    let policies = body.pointer("/properties/privateEndpointVNetPolicies").filter(|v| !v.is_null()).cloned();
    vnet.set("privateEndpointVNetPolicies", policies.unwrap_or(json!("Disabled")));
    Ok(())
}

pub(super) fn outside(subnet: &str, vnet: &str) -> SimResponse {
    SimResponse::network_error(
        400,
        "NetcfgSubnetRangeOutsideVnet",
        &format!(
            "Subnet '{subnet}' is not valid because its IP address range is outside the IP address range of virtual network '{vnet}'."
        ),
    )
}

/// Applies the inline subnets of a PUT, all or none: those sent are put, those left out go, unless the member
/// is absent as a whole. Returns the ids that the operation settles.
pub(super) fn put_subnets(world: &mut World, body: &Value, vnet: &str) -> Result<Vec<String>, SimResponse> {
    let Some(sent) = body.pointer("/properties/subnets").and_then(Value::as_array) else {
        return Ok(Vec::new());
    };
    let before: Vec<Resource> = world.children(vnet, SUBNET).cloned().collect();
    let result = replace_subnets(world, sent, vnet, &before);
    if result.is_err() {
        let now: Vec<String> = world.children(vnet, SUBNET).map(|s| s.id.clone()).collect();
        for id in &now {
            world.remove(id);
        }
        for subnet in before {
            world.put(subnet);
        }
    }
    result
}

fn replace_subnets(
    world: &mut World,
    sent: &[Value],
    vnet: &str,
    before: &[Resource],
) -> Result<Vec<String>, SimResponse> {
    let name_of = |s: &Value| s.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let ids: Vec<String> = sent.iter().map(|s| format!("{vnet}/subnets/{}", name_of(s))).collect();
    for old in before {
        if ids.iter().any(|id| key(id) == old.key()) {
            continue;
        }
        if let Some(refusal) = refs::refuse_delete(world, old) {
            return Err(refusal);
        }
        world.remove(&old.id);
    }
    for (id, body) in ids.iter().zip(sent) {
        let known = before.iter().find(|s| s.key() == key(id)).cloned();
        let now = world.now();
        let mut subnet = known.unwrap_or_else(|| Resource::new(id, SUBNET, now));
        subnet.properties = json!({});
        subnet::read(world, body, &mut subnet)?;
        subnet.state = ProvisioningState::Updating;
        subnet.etag = world.resource(vnet).map(|v| v.etag.clone()).unwrap_or_default();
        world.put(subnet);
    }
    Ok(ids)
}

/// `GET …/virtualNetworks/{v}/CheckIPAddressAvailability?ipAddress=`
pub(super) fn check_address(world: &World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(vnet) = world.resource(&id) else { return request.not_found() };
    let asked = request.query("ipaddress").and_then(|text| text.parse::<std::net::Ipv4Addr>().ok());
    let subnet = world.children(&vnet.id, SUBNET).find(|subnet| {
        asked.is_some_and(|asked| {
            subnet::prefix(subnet).is_some_and(|net| net.contains(&std::net::IpAddr::V4(asked)))
        })
    });
    let (Some(asked), Some(subnet)) = (asked, subnet) else {
        return SimResponse::network_error(
            400,
            "PrivateIPAddressNotInAnySubnet",
            &format!(
                "Private static IP address does not belong to the range of any subnet in the virtual network {}.",
                vnet.id
            ),
        );
    };
    let free = super::nic::take_address(world, &subnet.id, "", Some(&asked.to_string())).is_ok();
    let reserved = super::nic::is_reserved(subnet, asked);
    let mut body = json!({"available": free, "isPlatformReserved": reserved});
    if !free {
        let next = super::nic::take_address(world, &subnet.id, "", None);
        body["availableIPAddresses"] = json!(next.into_iter().collect::<Vec<_>>());
    }
    SimResponse::json(200, &body)
}

/// `GET …/virtualNetworks/{v}/usages`: addresses of each subnet.
pub(super) fn usages(world: &World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(vnet) = world.resource(&id) else { return request.not_found() };
    let item = |subnet: &Resource| {
        let size = match subnet::prefix(subnet) {
            Some(IpNet::V4(net)) => net.hosts().count().saturating_sub(3),
            _ => 0,
        };
        json!({
            "currentValue": super::nic::addresses_in(world, &subnet.id).len(),
            "id": subnet.id,
            "limit": size,
            "name": {"localizedValue": "Subnet size and usage", "value": "SubnetSpace"},
            "unit": "Count",
        })
    };
    let value: Vec<Value> = world.children(&vnet.id, SUBNET).map(item).collect();
    SimResponse::json(200, &json!({"value": value}))
}

pub(super) fn complete(world: &World, vnet: &Resource, properties: &mut Value) {
    let subnets: Vec<Value> =
        world.children(&vnet.id, SUBNET).map(|subnet| super::body(world, subnet)).collect();
    properties["subnets"] = json!(subnets);
    properties["virtualNetworkPeerings"] = json!([]);
    // Recorded: dropped with api-version 2020-08-01.
    if world.speaks_before("2020-08-01") {
        properties["enableVmProtection"] = json!(false);
    }
}
