//! Short words for requests.

use azure_sim::{SimRequest, SimResponse, World, WorldConfig};
use serde_json::{Value, json};

pub const SUB: &str = "11111111-1111-4111-8111-111111111111";

pub fn world() -> World {
    World::new(WorldConfig::new(SUB))
}

pub fn group_path() -> String {
    format!("/subscriptions/{SUB}/resourceGroups/Farm")
}

pub fn net(kind_and_name: &str) -> String {
    format!("{}/providers/Microsoft.Network/{kind_and_name}", group_path())
}

pub fn request(method: &str, path: &str, body: Option<&Value>) -> SimRequest {
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = if path.starts_with("https:") {
        path.parse().unwrap()
    } else {
        format!("https://management.azure.com{path}{mark}api-version=2024-03-01").parse().unwrap()
    };
    let request = SimRequest::new(method, url).header("Authorization", "Bearer any");
    match body {
        Some(body) => request.json_body(body),
        None => request,
    }
}

pub fn send(world: &mut World, method: &str, path: &str, body: Option<&Value>) -> SimResponse {
    world.handle(&request(method, path, body))
}

pub fn get(world: &mut World, path: &str) -> SimResponse {
    send(world, "GET", path, None)
}

pub fn put(world: &mut World, path: &str, body: &Value) -> SimResponse {
    send(world, "PUT", path, Some(body))
}

pub fn delete(world: &mut World, path: &str) -> SimResponse {
    send(world, "DELETE", path, None)
}

/// PUT, expected to be accepted, and wait until it is through.
pub fn make(world: &mut World, path: &str, body: &Value) -> Value {
    let response = put(world, path, body);
    assert!(response.is_success(), "{path}: {}", response.json_body());
    world.advance_by(60);
    get(world, path).json_body()
}

pub fn group(world: &mut World) {
    let body = json!({"location": "westeurope", "tags": {"flamenco-farm": "f"}});
    assert_eq!(put(world, &group_path(), &body).status, 201);
}

pub fn tagged(properties: Value) -> Value {
    json!({"location": "westeurope", "tags": {"flamenco-farm": "f"}, "properties": properties})
}

pub fn standard(properties: Value) -> Value {
    let mut body = tagged(properties);
    body["sku"] = json!({"name": "Standard"});
    body
}

/// Group, NSG, public address, NAT gateway, VNet with one subnet, interface.
pub fn network(world: &mut World) {
    group(world);
    make(world, &net("networkSecurityGroups/nsg"), &tagged(json!({})));
    make(world, &net("publicIPAddresses/out"), &standard(json!({"publicIPAllocationMethod": "Static"})));
    let address =
        json!({"publicIPAllocationMethod": "Static", "dnsSettings": {"domainNameLabel": "manager"}});
    make(world, &net("publicIPAddresses/in"), &standard(address));
    let gateway = json!({"publicIpAddresses": [{"id": net("publicIPAddresses/out")}]});
    make(world, &net("natGateways/nat"), &standard(gateway));
    let subnet = json!({"name": "manager", "properties": {
        "addressPrefix": "10.0.0.0/24",
        "networkSecurityGroup": {"id": net("networkSecurityGroups/nsg")},
        "natGateway": {"id": net("natGateways/nat")},
    }});
    let vnet = json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]});
    make(world, &net("virtualNetworks/vnet"), &tagged(vnet));
    let nic = json!({"ipConfigurations": [{"name": "ip", "properties": {
        "subnet": {"id": net("virtualNetworks/vnet/subnets/manager")},
        "publicIPAddress": {"id": net("publicIPAddresses/in")},
    }}]});
    make(world, &net("networkInterfaces/nic"), &tagged(nic));
}

/// Status and error code of an answer of ARM or of Batch.
pub fn code(response: &SimResponse) -> (u16, String) {
    (response.status, response.error_code().unwrap_or_default())
}

/// Status and error code of an answer of a storage account.
pub fn data_code(response: &SimResponse) -> (u16, &str) {
    (response.status, response.header("x-ms-error-code").unwrap_or_default())
}
