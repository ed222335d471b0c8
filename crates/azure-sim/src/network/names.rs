//! Name checks and usages.

use serde_json::{Value, json};

use super::{NATGW, NIC, NSG, PIP, VNET, pip};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// `GET …/locations/{l}/CheckDnsNameAvailability?domainNameLabel=`
pub(super) fn check(world: &World, request: &Request) -> SimResponse {
    let label = request.query("domainnamelabel").unwrap_or_default();
    if !pip::is_legal(label) {
        return SimResponse::network_error(
            400,
            "InvalidDomainNameLabel",
            &format!(
                "The domain name label {label} is invalid. It must conform to the following regular expression: ^[a-z][a-z0-9-]{{1,61}}[a-z0-9]$."
            ),
        );
    }
    let available = !pip::is_taken(world, label, &request.region(), "");
    SimResponse::json(200, &json!({"available": available}))
}

/// counter, display name, kind, default limit
const COUNTERS: &[(&str, &str, &str, u32)] = &[
    ("VirtualNetworks", "Virtual Networks", VNET, 1000),
    ("NetworkSecurityGroups", "Network Security Groups", NSG, 5000),
    ("NetworkInterfaces", "Network Interfaces", NIC, 65536),
    ("PublicIPAddresses", "Public IP Addresses", PIP, 1000),
    ("StandardSkuPublicIpAddresses", "Public IPv4 Addresses - Standard", PIP, 20),
    ("NatGateways", "NAT Gateways", NATGW, 1000),
];

/// `GET …/locations/{l}/usages`
pub(super) fn usages(world: &World, request: &Request) -> SimResponse {
    let region = request.region();
    let value: Vec<Value> = COUNTERS
        .iter()
        .map(|(counter, display, kind, otherwise)| {
            let here = |r: &&crate::resource::Resource| r.is(kind) && r.location.as_deref() == Some(region.as_str());
            let current = world.resources().values().filter(here).count();
            let limit = world.limits.get(&format!("{region}/{counter}").to_ascii_lowercase());
            json!({
                "id": format!("/subscriptions/{}/providers/Microsoft.Network/locations/{region}/usages/{counter}", world.subscription_id()),
                "currentValue": current,
                "limit": limit.unwrap_or(otherwise),
                "name": {"localizedValue": display, "value": counter},
                "unit": "Count",
            })
        })
        .collect();
    SimResponse::json(200, &json!({"value": value}))
}
