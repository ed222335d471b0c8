//! Scale sets made by hand.

use azure_sim::{SimResponse, World, WorldConfig};
use serde_json::{Value, json};

use crate::support::*;

pub const SIZE: &str = "Standard_D4as_v5";

pub fn set(name: &str) -> String {
    format!("{}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}", group_path())
}

pub fn machines() -> String {
    format!("{}/providers/Microsoft.Compute/virtualMachines", group_path())
}

/// A world with much quota, a group and a subnet for many machines.
pub fn ground() -> World {
    let mut config = WorldConfig::new(SUB);
    config.quota_cores = 100_000;
    let mut world = World::new(config);
    group(&mut world);
    let subnet = json!({"name": "workers", "properties": {"addressPrefix": "10.0.0.0/17"}});
    let vnet = json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [subnet]});
    make(&mut world, &net("virtualNetworks/vnet"), &tagged(vnet));
    world
}

/// A Spot set that deletes what is evicted.
pub fn body(mode: &str, capacity: u64) -> Value {
    let mut body = tagged(json!({
        "orchestrationMode": mode,
        "upgradePolicy": {"mode": "Manual"},
        "virtualMachineProfile": {
            "priority": "Spot",
            "evictionPolicy": "Delete",
            "billingProfile": {"maxPrice": -1},
            "osProfile": {
                "computerNamePrefix": "node", "adminUsername": "flamenco",
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": {"publicKeys": [{"path": "/home/flamenco/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}]},
                },
            },
            "storageProfile": {
                "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
                "osDisk": {"createOption": "FromImage"},
            },
            "networkProfile": {"networkInterfaceConfigurations": [{"name": "nic", "properties": {
                "primary": true,
                "ipConfigurations": [{"name": "ip", "properties": {
                    "subnet": {"id": net("virtualNetworks/vnet/subnets/workers")},
                }}],
            }}]},
        },
    }));
    body["sku"] = json!({"name": SIZE, "tier": "Standard", "capacity": capacity});
    if mode == "Flexible" {
        body["properties"]["platformFaultDomainCount"] = json!(1);
        body["properties"]["virtualMachineProfile"]["networkProfile"]["networkApiVersion"] =
            json!("2022-11-01");
    } else {
        body["properties"]["singlePlacementGroup"] = json!(false);
        body["properties"]["overprovision"] = json!(false);
    }
    body
}

/// The same with regular machines.
pub fn regular(mode: &str, capacity: u64) -> Value {
    let mut body = body(mode, capacity);
    let profile = body["properties"]["virtualMachineProfile"].as_object_mut().unwrap();
    for name in ["priority", "evictionPolicy", "billingProfile"] {
        profile.remove(name);
    }
    body
}

/// A set whose machines are all up.
pub fn settled(world: &mut World, name: &str, mode: &str, capacity: u64) {
    let response = put(world, &set(name), &body(mode, capacity));
    assert_eq!(response.status, 201, "{}", response.json_body());
    world.advance_by(800);
}

pub fn scale(world: &mut World, name: &str, capacity: u64) -> SimResponse {
    send(world, "PATCH", &set(name), Some(&json!({"sku": {"capacity": capacity}})))
}

pub fn delete_instances(world: &mut World, name: &str, ids: &[&str]) -> SimResponse {
    send(world, "POST", &format!("{}/delete", set(name)), Some(&json!({"instanceIds": ids})))
}

/// Status and error code of the operation that an answer began.
pub fn outcome(world: &mut World, accepted: &SimResponse) -> (String, String) {
    let link = accepted.header("azure-asyncoperation").unwrap().to_owned();
    let body = get(world, &link).json_body();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&body["status"]), text(&body["error"]["code"]))
}

pub fn ids(world: &World, name: &str) -> Vec<String> {
    world.set_instances(&set(name)).into_iter().map(|instance| instance.instance_id).collect()
}

pub fn state(world: &mut World, name: &str) -> (u64, String) {
    let body = get(world, &set(name)).json_body();
    let state = body["properties"]["provisioningState"].as_str().unwrap().to_owned();
    (body["sku"]["capacity"].as_u64().unwrap(), state)
}
