//! Public IP addresses: Standard and static only since Basic was retired on 2025-09-30.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use rand::Rng;
use serde_json::{Value, json};

use super::{NATGW, PIP, refs};
use crate::resource::Resource;
use crate::wire::SimResponse;
use crate::world::World;

/// The DNS name of a label in a region.
pub(super) fn fqdn(label: &str, location: &str) -> String {
    format!("{label}.{location}.cloudapp.azure.com")
}

/// Whether another address or another customer has the name.
pub(super) fn is_taken(world: &World, label: &str, location: &str, except: &str) -> bool {
    let name = fqdn(label, location).to_ascii_lowercase();
    let elsewhere = format!("dns/{location}/{label}").to_ascii_lowercase();
    let here = world.resources().values().any(|r| {
        r.is(PIP)
            && r.id != except
            && r.text("/dnsSettings/fqdn").is_some_and(|f| f.eq_ignore_ascii_case(&name))
    });
    here || world.taken_names.contains(&elsewhere)
}

/// `^[a-z][a-z0-9-]{1,61}[a-z0-9]$`
pub(super) fn is_legal(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=63).contains(&label.len())
        && label.chars().all(allowed)
        && label.starts_with(|c: char| c.is_ascii_lowercase())
        && !label.ends_with('-')
}

/// Microsoft Learn "Upgrading a basic public IP address to Standard SKU".
fn basic_retired() -> Timestamp {
    civil::date(2025, 9, 30).to_zoned(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |day| day.timestamp())
}

pub(super) fn read(world: &mut World, body: &Value, pip: &mut Resource) -> Result<(), SimResponse> {
    let bad = |code: &str, message: String| Err(SimResponse::network_error(400, code, &message));
    let sku = body.pointer("/sku/name").and_then(Value::as_str).unwrap_or("Basic");
    let basic = !sku.starts_with("Standard");
    if basic && world.now() >= basic_retired() {
        return bad("IPv4BasicSkuPublicIpCountLimitReached", "Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.".to_owned());
    }
    let sent = body.get("properties").cloned().unwrap_or(Value::Null);
    let mut method = sent.get("publicIPAllocationMethod").cloned().unwrap_or(json!("Dynamic"));
    crate::compute::respell(&mut method, &["Static", "Dynamic"]);
    if !basic && method != "Static" {
        return bad(
            "StandardSkuPublicIPAddressMustBeStatic",
            format!("Standard sku publicIp {} must have AllocationMethod set to Static.", pip.id),
        );
    }
    let tier = body.pointer("/sku/tier").and_then(Value::as_str).unwrap_or("Regional");
    pip.extra.insert("sku".into(), json!({"name": sku, "tier": tier}));
    if let Some(zones) = body.get("zones") {
        pip.extra.insert("zones".into(), zones.clone());
    }
    let or = |member: &str, otherwise: Value| sent.get(member).cloned().unwrap_or(otherwise);
    pip.set("publicIPAddressVersion", or("publicIPAddressVersion", json!("IPv4")));
    pip.set("publicIPAllocationMethod", method);
    pip.set("ddosSettings", or("ddosSettings", json!({"protectionMode": "VirtualNetworkInherited"})));
    pip.set("idleTimeoutInMinutes", or("idleTimeoutInMinutes", json!(4)));
    pip.set("ipTags", or("ipTags", json!([])));
    let location = pip.location.clone().unwrap_or_default();
    match sent.pointer("/dnsSettings/domainNameLabel").and_then(Value::as_str) {
        Some(label) if !is_legal(label) => {
            return bad(
                "InvalidDomainNameLabel",
                format!(
                    "The domain name label {label} is invalid. It must conform to the following regular expression: ^[a-z][a-z0-9-]{{1,61}}[a-z0-9]$."
                ),
            );
        }
        Some(label) if is_taken(world, label, &location, &pip.id) => {
            let name = fqdn(label, &location);
            return bad("DnsRecordInUse", format!("DNS record {name} is already used by another public IP."));
        }
        Some(label) => {
            let name = fqdn(label, &location);
            pip.set("dnsSettings", json!({"domainNameLabel": label, "fqdn": name}));
        }
        None => {
            if let Some(properties) = pip.properties.as_object_mut() {
                properties.remove("dnsSettings");
            }
        }
    }
    Ok(())
}

/// A static address comes when the creation ends (the PUT's answer does not carry it yet, recorded traffic).
pub(super) fn allocate(world: &mut World, id: &str) {
    // A dynamic address comes with its user only.
    let waits = |pip: &Resource| {
        let dynamic = pip.text("/publicIPAllocationMethod") == Some("Dynamic");
        pip.text("/ipAddress").is_some() || dynamic && refs::holder_of_address(world, id).is_none()
    };
    if world.resource(id).is_none_or(waits) {
        return;
    }
    let address = loop {
        let rng = world.rng();
        let address = format!(
            "20.{}.{}.{}",
            rng.random_range(0..=255),
            rng.random_range(0..=255),
            rng.random_range(1..=254)
        );
        let used = world.resources().values().any(|r| r.text("/ipAddress") == Some(address.as_str()));
        if !used {
            break address;
        }
    };
    if let Some(pip) = world.resource_mut(id) {
        pip.set("ipAddress", json!(address));
    }
}

pub(super) fn complete(world: &World, pip: &Resource, properties: &mut Value) {
    let Some(holder) = refs::holder_of_address(world, &pip.id) else { return };
    let gateway = world.resource(&holder).is_some_and(|r| r.is(NATGW));
    let member = if gateway { "natGateway" } else { "ipConfiguration" };
    properties[member] = json!({"id": holder});
}
