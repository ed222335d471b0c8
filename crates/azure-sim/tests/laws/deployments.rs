//! Template deployments, as `az vm create` sends them.

use serde_json::{Value, json};

use crate::support::*;

fn path(name: &str) -> String {
    format!("{}/providers/Microsoft.Resources/deployments/{name}", group_path())
}

fn template(resources: &Value) -> Value {
    json!({"properties": {"mode": "incremental", "parameters": {}, "template": {"resources": resources}}})
}

/// An address and, after it, a gateway that uses it.
fn gateway() -> Value {
    let address = net("publicIPAddresses/ip");
    json!([
        {
            "type": "Microsoft.Network/natGateways", "name": "nat", "apiVersion": "2024-03-01",
            "location": "westeurope", "dependsOn": ["Microsoft.Network/publicIpAddresses/ip"],
            "sku": {"name": "Standard"}, "tags": null,
            "properties": {"publicIpAddresses": [{"id": address}], "idleTimeoutInMinutes": null},
        },
        {
            "type": "Microsoft.Network/publicIPAddresses", "name": "ip", "apiVersion": "2024-03-01",
            "location": "westeurope", "sku": {"name": "Standard"},
            "properties": {"publicIPAllocationMethod": "Static"},
        },
    ])
}

#[test]
fn resources_come_in_the_order_of_what_they_depend_on() {
    let mut w = world();
    group(&mut w);
    let accepted = put(&mut w, &path("d"), &template(&gateway()));
    assert_eq!(accepted.status, 201);
    let poll = accepted.header("azure-asyncoperation").unwrap().to_owned();
    assert!(poll.contains("/deployments/d/operationStatuses/"), "{poll}");
    assert_eq!(get(&mut w, &poll).json_body(), json!({"status": "Running"}));
    assert_eq!(get(&mut w, &net("publicIPAddresses/ip")).status, 200);
    assert_eq!(get(&mut w, &net("natGateways/nat")).status, 404);
    w.advance_by(60);
    assert_eq!(get(&mut w, &poll).json_body(), json!({"status": "Succeeded"}));
    assert_eq!(
        get(&mut w, &net("natGateways/nat")).json_body()["properties"]["provisioningState"],
        "Succeeded"
    );
    assert_eq!(get(&mut w, &path("d")).json_body()["properties"]["provisioningState"], "Succeeded");
    let listed = get(&mut w, &format!("{}/resources", group_path())).json_body();
    assert_eq!(listed["value"].as_array().unwrap().len(), 2, "a deployment is no resource of the list");
}

#[test]
fn a_refused_resource_fails_the_deployment_with_its_error() {
    let mut w = world();
    group(&mut w);
    let mut resources = gateway();
    resources[1]["location"] = json!("atlantis");
    let poll = put(&mut w, &path("d"), &template(&resources));
    let poll = poll.header("azure-asyncoperation").unwrap().to_owned();
    let status = get(&mut w, &poll).json_body();
    assert_eq!(status["status"], "Failed");
    assert_eq!(status["error"]["code"], "DeploymentFailed");
    assert!(status["error"]["details"][0]["code"].is_string(), "{status}");
    w.advance_by(60);
    assert_eq!(get(&mut w, &net("natGateways/nat")).status, 404);
}

#[test]
fn expressions_are_refused() {
    let mut w = world();
    group(&mut w);
    let mut resources = gateway();
    resources[1]["location"] = json!("[resourceGroup().location]");
    let refused = put(&mut w, &path("d"), &template(&resources));
    assert_eq!((refused.status, refused.error_code().as_deref()), (400, Some("InvalidTemplate")));
    assert_eq!(get(&mut w, &path("d")).error_code().as_deref(), Some("DeploymentNotFound"));
}
