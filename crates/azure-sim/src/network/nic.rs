//! Network interfaces and private addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{NIC, NSG, SUBNET, natgw, refs, subnet};
use crate::resource::{Resource, key, reference};
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn read(world: &mut World, body: &Value, nic: &mut Resource) -> Result<(), SimResponse> {
    let sent = body.get("properties").cloned().unwrap_or(Value::Null);
    let configurations = sent.get("ipConfigurations").and_then(Value::as_array).cloned().unwrap_or_default();
    if configurations.is_empty() {
        return Err(SimResponse::network_error(
            400,
            "NetworkInterfaceMustHaveAtLeastOneIpConfiguration",
            &format!("Network interface {} must have at least one IP configuration.", nic.id),
        ));
    }
    let mut stored = Vec::new();
    for (index, configuration) in configurations.iter().enumerate() {
        stored.push(read_configuration(world, configuration, nic, index == 0)?);
    }
    nic.set("ipConfigurations", json!(stored));
    let servers = sent.pointer("/dnsSettings/dnsServers").cloned().unwrap_or(json!([]));
    // Derived once from the interface's own id, so that a world stays the same when it is asked again.
    let suffix: String =
        nic.text("/resourceGuid").unwrap_or_default().replace('-', "").chars().take(26).collect();
    nic.set(
        "dnsSettings",
        json!({
            "dnsServers": servers,
            "appliedDnsServers": [],
            "internalDomainNameSuffix": format!("{suffix}.bx.internal.cloudapp.net"),
        }),
    );
    nic.set("vnetEncryptionSupported", json!(false));
    let mode = sent.get("auxiliaryMode").cloned().unwrap_or(json!("None"));
    nic.set("auxiliaryMode", mode);
    for member in ["enableAcceleratedNetworking", "enableIPForwarding"] {
        nic.set(member, sent.get(member).cloned().unwrap_or(json!(false)));
    }
    match reference(sent.get("networkSecurityGroup")) {
        Some(id) => {
            if let Some(refusal) = refs::missing(world, &nic.id, id) {
                return Err(refusal);
            }
            if world.resource(id).is_none_or(|r| !r.is(NSG)) {
                return Err(SimResponse::network_error(
                    400,
                    "InvalidRequestFormat",
                    &format!("Resource {id} is no {NSG}."),
                ));
            }
            nic.set("networkSecurityGroup", json!({"id": id}));
        }
        None => {
            if let Some(properties) = nic.properties.as_object_mut() {
                properties.remove("networkSecurityGroup");
            }
        }
    }
    nic.set("hostedWorkloads", json!([]));
    nic.set("tapConfigurations", json!([]));
    nic.set("nicType", json!("Standard"));
    Ok(())
}

fn read_configuration(
    world: &World,
    sent: &Value,
    nic: &Resource,
    first: bool,
) -> Result<Value, SimResponse> {
    let name = sent.get("name").and_then(Value::as_str).unwrap_or("ipconfig1");
    let own = format!("{}/ipConfigurations/{name}", nic.id);
    let properties = sent.get("properties").cloned().unwrap_or(Value::Null);
    let Some(subnet) = reference(properties.get("subnet")) else {
        return Err(SimResponse::network_error(
            400,
            "SubnetIdRequired",
            &format!("IP configuration {own} refers to no subnet."),
        ));
    };
    if let Some(refusal) = refs::missing(world, &nic.id, subnet) {
        return Err(refusal);
    }
    let method = properties.get("privateIPAllocationMethod").and_then(Value::as_str).unwrap_or("Dynamic");
    let wanted = properties.get("privateIPAddress").and_then(Value::as_str).filter(|_| method == "Static");
    let before = nic
        .property("/ipConfigurations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|c| c.get("name").and_then(Value::as_str) == Some(name))
        .and_then(|c| c.pointer("/properties/privateIPAddress"))
        .and_then(Value::as_str);
    let address = take_address(world, subnet, &nic.id, wanted.or(before))?;
    let mut stored = json!({
        "privateIPAddress": address,
        "privateIPAllocationMethod": method,
        "subnet": {"id": subnet},
        "primary": properties.get("primary").cloned().unwrap_or(json!(first)),
        "privateIPAddressVersion": "IPv4",
    });
    if let Some(public) = reference(properties.get("publicIPAddress")) {
        if let Some(refusal) = refs::missing(world, &nic.id, public) {
            return Err(refusal);
        }
        natgw::refuse_held(world, public, &own)?;
        stored["publicIPAddress"] = json!({"id": public});
        if let Some(option) = properties.pointer("/publicIPAddress/properties/deleteOption") {
            stored["publicIPAddress"]["properties"] = json!({"deleteOption": option});
        }
    }
    Ok(json!({"name": name, "properties": stored}))
}

/// Addresses that interfaces hold in a subnet, without those of one interface.
fn used(world: &World, subnet: &str, except: &str) -> BTreeSet<Ipv4Addr> {
    let mut taken = BTreeSet::new();
    for nic in world.resources().values().filter(|r| r.is(NIC) && key(&r.id) != key(except)) {
        let configurations = nic.property("/ipConfigurations").and_then(Value::as_array);
        for c in configurations.into_iter().flatten() {
            let here = reference(c.pointer("/properties/subnet")).is_some_and(|id| key(id) == key(subnet));
            let address = c.pointer("/properties/privateIPAddress").and_then(Value::as_str);
            if let (true, Some(Ok(address))) = (here, address.map(str::parse)) {
                taken.insert(address);
            }
        }
    }
    taken
}

/// Private addresses that interfaces hold in a subnet.
pub(crate) fn addresses_in(world: &World, subnet: &str) -> BTreeSet<Ipv4Addr> {
    used(world, subnet, "")
}

/// Whether Azure keeps an address of a subnet for itself.
pub(super) fn is_reserved(subnet: &Resource, address: Ipv4Addr) -> bool {
    match subnet::prefix(subnet) {
        Some(IpNet::V4(net)) => !net.hosts().skip(3).any(|host| host == address),
        _ => false,
    }
}

/// A private address in a subnet: the wanted one if it is free, else the first free one.
/// Azure keeps the first four and the last address of every subnet.
pub(crate) fn take_address(
    world: &World,
    subnet_id: &str,
    nic: &str,
    wanted: Option<&str>,
) -> Result<String, SimResponse> {
    let bad = |code: &str, message: String| Err(SimResponse::network_error(400, code, &message));
    let stored = world.resource(subnet_id).filter(|r| r.is(SUBNET));
    let Some((net, stored)) = stored.and_then(|s| subnet::prefix(s).map(|p| (p, s))) else {
        return bad(
            "InvalidResourceReference",
            format!("Resource {subnet_id} referenced by resource {nic} was not found."),
        );
    };
    let IpNet::V4(net4) = net else {
        return bad("InvalidRequestFormat", format!("Subnet {subnet_id} has no IPv4 prefix."));
    };
    let taken = used(world, subnet_id, nic);
    let hosts = || net4.hosts().skip(3);
    if let Some(wanted) = wanted {
        let inside = wanted.parse::<IpAddr>().is_ok_and(|ip| net.contains(&ip));
        if !inside {
            return bad(
                "PrivateIPAddressNotInSubnet",
                format!(
                    "Private static IP address {wanted} does not belong to the range of subnet prefix {net}."
                ),
            );
        }
        let Ok(address) = wanted.parse::<Ipv4Addr>() else {
            return bad("PrivateIPAddressNotInSubnet", format!("{wanted} is no IPv4 address."));
        };
        if !hosts().any(|h| h == address) {
            return bad(
                "PrivateIPAddressInReservedRange",
                format!(
                    "Private static IP address {wanted} falls within reserved IP range of subnet prefix {net}."
                ),
            );
        }
        if taken.contains(&address) {
            return bad(
                "PrivateIPAddressIsAllocated",
                format!(
                    "IP configuration on {nic} is using the private IP address {wanted} which is already allocated to another resource."
                ),
            );
        }
        return Ok(wanted.to_owned());
    }
    match hosts().find(|h| !taken.contains(h)) {
        Some(address) => Ok(address.to_string()),
        None => bad(
            "SubnetIsFull",
            format!(
                "Subnet {} with address prefix {net} does not have enough capacity for 1 IP addresses.",
                stored.name
            ),
        ),
    }
}

/// An address of Microsoft's range, the rest from the interface's own id.
fn mac_address(nic: &Resource) -> String {
    let digits: Vec<char> =
        nic.text("/resourceGuid").unwrap_or_default().chars().filter(char::is_ascii_hexdigit).collect();
    let pairs: Vec<String> =
        digits.chunks(2).take(3).map(|pair| pair.iter().collect::<String>().to_ascii_uppercase()).collect();
    format!("00-0D-3A-{}", pairs.join("-"))
}

pub(super) fn complete(world: &World, nic: &Resource, properties: &mut Value) {
    let state = nic.state.as_str();
    let stored = nic.property("/ipConfigurations").and_then(Value::as_array);
    let rendered: Vec<Value> = stored
        .into_iter()
        .flatten()
        .map(|c| {
            let name = c.get("name").and_then(Value::as_str).unwrap_or_default();
            let mut inner = json!({"provisioningState": state});
            for (member, value) in c.get("properties").and_then(Value::as_object).into_iter().flatten() {
                inner[member] = value.clone();
            }
            json!({
                "name": name,
                "id": format!("{}/ipConfigurations/{name}", nic.id),
                "etag": nic.etag,
                "type": format!("{NIC}/ipConfigurations"),
                "properties": inner,
            })
        })
        .collect();
    properties["ipConfigurations"] = json!(rendered);
    if let Some(machine) = refs::machine_of(world, &nic.id) {
        properties["virtualMachine"] = json!({"id": machine});
        properties["macAddress"] = json!(mac_address(nic));
        properties["primary"] = json!(true);
    }
}
