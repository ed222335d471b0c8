//! Who refers to whom: references that must exist, and uses that forbid a deletion.

use serde_json::{Value, json};

use super::{NATGW, NIC, NSG, PIP, SUBNET, VNET};
use crate::resource::{Resource, key, reference};
use crate::wire::SimResponse;
use crate::world::World;

/// Refuses a reference to something that does not exist (400) or is not ready yet (429, recorded traffic).
pub(crate) fn missing(world: &World, referrer: &str, target: &str) -> Option<SimResponse> {
    let Some(found) = world.resource(target) else {
        let message = format!(
            "Resource {target} referenced by resource {referrer} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."
        );
        return Some(SimResponse::network_error(400, "InvalidResourceReference", &message));
    };
    if !found.state.is_busy() {
        return None;
    }
    let state = found.state.as_str();
    let name = crate::resource::last_segment(referrer);
    let message = format!(
        "Cannot proceed with operation because resource {target} used by resource {name} is not in Succeeded state. Resource is in {state} state and the last operation that updated/is updating the resource is InternalOperation."
    );
    let error = json!({"error": {
        "code": "RetryableError",
        "message": "A retryable error occurred.",
        "details": [{"code": "ReferencedResourceNotProvisioned", "message": message}],
    }});
    Some(SimResponse::json(429, &error).with_header("retry-after", "10"))
}

/// Interface configurations (or whole resources of other kinds) that stand in a subnet.
pub(super) fn users_of_subnet(world: &World, subnet: &str) -> Vec<String> {
    let wanted = key(subnet);
    let mut users = Vec::new();
    for resource in world.resources().values() {
        if resource.is(NIC) {
            users.extend(configurations_with(resource, "subnet", &wanted));
        } else if !is_only_named(resource) && mentions(&resource.properties, &wanted) {
            users.push(resource.id.clone());
        }
    }
    users
}

/// Kinds that may name a subnet without occupying it: storage network rules do not hold it back.
fn is_only_named(resource: &Resource) -> bool {
    resource.kind.starts_with("Microsoft.Storage/") || resource.is(SUBNET) || resource.is(VNET)
}

fn mentions(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => key(text) == wanted,
        Value::Array(items) => items.iter().any(|v| mentions(v, wanted)),
        Value::Object(members) => members.values().any(|v| mentions(v, wanted)),
        _ => false,
    }
}

/// Ids of an interface's configurations whose member refers to the target.
fn configurations_with(nic: &Resource, member: &str, wanted: &str) -> Vec<String> {
    let configurations = nic.property("/ipConfigurations").and_then(Value::as_array);
    configurations
        .into_iter()
        .flatten()
        .filter(|c| {
            reference(c.pointer(&format!("/properties/{member}"))).is_some_and(|id| key(id) == wanted)
        })
        .filter_map(|c| c.get("name").and_then(Value::as_str))
        .map(|name| format!("{}/ipConfigurations/{name}", nic.id))
        .collect()
}

/// The interface configuration or NAT gateway that holds a public address.
pub(super) fn holder_of_address(world: &World, address: &str) -> Option<String> {
    let wanted = key(address);
    world.resources().values().find_map(|resource| {
        if resource.is(NIC) {
            return configurations_with(resource, "publicIPAddress", &wanted).into_iter().next();
        }
        let listed = resource.is(NATGW) && mentions(&resource.properties, &wanted);
        listed.then(|| resource.id.clone())
    })
}

/// Resources of a kind that refer to the target in one member of `properties`.
pub(super) fn referrers(world: &World, kind: &str, member: &str, target: &str) -> Vec<String> {
    let wanted = key(target);
    world
        .resources()
        .values()
        .filter(|r| r.is(kind))
        .filter(|r| reference(r.property(&format!("/{member}"))).is_some_and(|id| key(id) == wanted))
        .map(|r| r.id.clone())
        .collect()
}

/// The virtual machine that an interface is attached to.
pub(super) fn machine_of(world: &World, nic: &str) -> Option<String> {
    let wanted = key(nic);
    let machine = world.resources().values().find(|resource| {
        let interfaces = resource.property("/networkProfile/networkInterfaces");
        resource.is("Microsoft.Compute/virtualMachines")
            && interfaces
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|i| reference(Some(i)).is_some_and(|id| key(id) == wanted))
    })?;
    Some(machine.id.clone())
}

/// The 400 of a deletion of something in use (recorded traffic).
pub(super) fn refuse_delete(world: &World, resource: &Resource) -> Option<SimResponse> {
    let id = &resource.id;
    let (code, message) = match resource.kind.as_str() {
        VNET => {
            let below = world.children(id, SUBNET).find_map(|s| subnet_in_use(world, s));
            below?
        }
        SUBNET => subnet_in_use(world, resource)?,
        NSG => {
            let mut users = referrers(world, NIC, "networkSecurityGroup", id);
            users.extend(referrers(world, SUBNET, "networkSecurityGroup", id));
            if users.is_empty() {
                return None;
            }
            let users = users.join(", ");
            (
                "InUseNetworkSecurityGroupCannotBeDeleted",
                format!(
                    "Network security group {id} cannot be deleted because it is in use by the following resources: {users}. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg."
                ),
            )
        }
        PIP => {
            let holder = holder_of_address(world, id)?;
            (
                "PublicIPAddressCannotBeDeleted",
                format!(
                    "Public IP address {id} can not be deleted since it is still allocated to resource {holder}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see aka.ms/deletepublicip."
                ),
            )
        }
        NATGW => {
            let users = referrers(world, SUBNET, "natGateway", id);
            if users.is_empty() {
                return None;
            }
            let users = users.join(", ");
            (
                "InUseNatGatewayCannotBeDeleted",
                format!(
                    "NAT gateway {id} cannot be deleted because it is in use by the following resources: {users}. In order to delete the NAT gateway, remove the association with the resource(s)."
                ),
            )
        }
        NIC => {
            let machine = machine_of(world, id)?;
            (
                "NicInUse",
                format!(
                    "Network Interface {id} is used by existing resource {machine}. In order to delete the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic."
                ),
            )
        }
        _ => return None,
    };
    Some(SimResponse::network_error(400, code, &message))
}

fn subnet_in_use(world: &World, subnet: &Resource) -> Option<(&'static str, String)> {
    let users = users_of_subnet(world, &subnet.id);
    if users.is_empty() {
        return None;
    }
    let (name, users) = (&subnet.name, users.join(", "));
    Some((
        "InUseSubnetCannotBeDeleted",
        format!(
            "Subnet {name} is in use by {users} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet."
        ),
    ))
}
