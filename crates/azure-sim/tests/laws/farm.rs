//! A farm made by hand: network, storage, Manager VM, Batch account, pool.

use azure_sim::{SimRequest, SimResponse, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::*;

pub const HOST: &str = "farmbatch.westeurope.batch.azure.com";

pub fn provider(path: &str) -> String {
    format!("{}/providers/{path}", group_path())
}

pub fn vm() -> String {
    provider("Microsoft.Compute/virtualMachines/manager")
}

pub fn storage() -> String {
    provider("Microsoft.Storage/storageAccounts/farmstore")
}

pub fn share() -> String {
    format!("{}/fileServices/default/shares/flamenco", storage())
}

pub fn account() -> String {
    provider("Microsoft.Batch/batchAccounts/farmbatch")
}

pub fn pool() -> String {
    format!("{}/pools/render", account())
}

pub fn subnet(name: &str) -> String {
    net(&format!("virtualNetworks/vnet/subnets/{name}"))
}

pub fn subnet_body(prefix: &str) -> Value {
    json!({"properties": {
        "addressPrefix": prefix,
        "natGateway": {"id": net("natGateways/nat")},
        "defaultOutboundAccess": false,
        "serviceEndpoints": [{"service": "Microsoft.Storage"}],
    }})
}

pub fn storage_body() -> Value {
    let rule = |name: &str| json!({"id": subnet(name), "action": "Allow"});
    let mut body = tagged(json!({
        "allowSharedKeyAccess": false,
        "supportsHttpsTrafficOnly": false,
        "networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [rule("manager"), rule("workers")]},
    }));
    body["kind"] = json!("FileStorage");
    body["sku"] = json!({"name": "Premium_LRS"});
    body
}

pub fn vm_body(size: &str, nic: &str) -> Value {
    let data = "#cloud-config\nwrite_files:\n  - content: |\n      FLAMENCO_VERSION=3.8.5\n      NFS_EXPORT=farmstore.file.core.windows.net:/farmstore/flamenco\n      TLS_MODE=acme\n";
    tagged(json!({
        "hardwareProfile": {"vmSize": size},
        "storageProfile": {
            "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
            "osDisk": {
                "name": "manager-os", "createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 64,
                "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
            },
        },
        "osProfile": {
            "computerName": "manager", "adminUsername": "flamencoadmin", "customData": STANDARD.encode(data),
            "linuxConfiguration": {
                "disablePasswordAuthentication": true,
                "ssh": {"publicKeys": [{"path": "/home/flamencoadmin/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"}]},
            },
        },
        "networkProfile": {"networkInterfaces": [{"id": nic, "properties": {"primary": true}}]},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
    }))
}

pub fn pool_body(dedicated: u32, spot: u32) -> Value {
    let script = "set -e\nmount farmstore.file.core.windows.net:/farmstore/flamenco\nexec flamenco-worker\n";
    json!({"properties": {
        "vmSize": "Standard_D4as_v5",
        "deploymentConfiguration": {"virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
            "nodeAgentSkuId": "batch.node.ubuntu 24.04",
        }},
        "networkConfiguration": {
            "subnetId": subnet("workers"),
            "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
        },
        "scaleSettings": {"fixedScale": {"targetDedicatedNodes": dedicated, "targetLowPriorityNodes": spot}},
        "startTask": {"commandLine": format!("/bin/bash -c 'echo {} | base64 -d'", STANDARD.encode(script))},
    }})
}

/// Network with both subnets, storage with its share.
pub fn ground(world: &mut World, workers: &str) {
    network(world);
    make(world, &subnet("manager"), &subnet_body("10.0.0.0/24"));
    make(world, &subnet("workers"), &subnet_body(workers));
    make(world, &storage(), &storage_body());
    let body = json!({"properties": {"enabledProtocols": "NFS", "shareQuota": 100}});
    assert_eq!(put(world, &share(), &body).status, 201);
}

/// All of it, the Manager set up, no pool yet.
pub fn farm(world: &mut World) {
    ground(world, "10.0.8.0/22");
    make(world, &vm(), &vm_body("Standard_B2as_v2", &net("networkInterfaces/nic")));
    make(world, &account(), &tagged(json!({"allowedAuthenticationModes": ["AAD"]})));
    world.advance_by(200);
}

/// A pool with nodes that have all settled.
pub fn settled_pool(world: &mut World, dedicated: u32, spot: u32) {
    let response = put(world, &pool(), &pool_body(dedicated, spot));
    assert_eq!(response.status, 200, "{}", response.json_body());
    world.advance_by(400);
}

pub fn resize(world: &mut World, dedicated: u32, spot: u32) -> SimResponse {
    let body = json!({"properties": {"scaleSettings": {"fixedScale": {
        "targetDedicatedNodes": dedicated, "targetLowPriorityNodes": spot,
    }}}});
    send(world, "PATCH", &pool(), Some(&body))
}

/// A request to the data plane.
pub fn data(world: &mut World, method: &str, path: &str, body: Option<&Value>) -> SimResponse {
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = format!("https://{HOST}{path}{mark}api-version=2025-06-01").parse().unwrap();
    let mut request = SimRequest::new(method, url).header("authorization", "Bearer any");
    if let Some(body) = body {
        request = request.json_body(body);
    }
    world.handle(&request)
}

/// Runs a script on the Manager and gives back what it printed, with the seconds it took.
pub fn ctl(world: &mut World, call: &str) -> (Value, i64) {
    let body = json!({"commandId": "RunShellScript", "script": ["# a comment", "set -eu", format!("flamenco-azure-ctl {call}")]});
    let before = world.now();
    let accepted = send(world, "POST", &format!("{}/runCommand", vm()), Some(&body));
    assert_eq!(accepted.status, 202, "{}", accepted.json_body());
    let poll = accepted.header("azure-asyncoperation").unwrap().to_owned();
    let monitor = accepted.header("location").unwrap().to_owned();
    loop {
        let status = get(world, &poll).json_body();
        if status["status"] == "Succeeded" {
            break;
        }
        assert_eq!(status["status"], "InProgress");
        world.advance_by(1);
    }
    let seconds = world.now().duration_since(before).as_secs();
    let output = get(world, &monitor).json_body();
    let message = output["value"][0]["message"].as_str().unwrap().to_owned();
    let stdout = message.split("[stdout]\n").nth(1).unwrap().split("\n[stderr]\n").next().unwrap();
    (serde_json::from_str(stdout.trim()).unwrap_or(Value::Null), seconds)
}

pub fn states(world: &World) -> Vec<&'static str> {
    world.nodes(&pool()).into_iter().map(|(_, state)| state).collect()
}
