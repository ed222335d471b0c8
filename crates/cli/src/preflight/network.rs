//! An existing network is left as it is, so it must already be what a farm needs.

use flamenco_azure_core::arm::{ArmClient, ArmError, Request};
use flamenco_azure_core::spec::network::holds;
use flamenco_azure_core::spec::{Farm, Network, Storage};
use manager_vm::{spec::subnets, wire};
use serde_json::Value;

use super::{Finding, finding};

/// Reads the network, if the farm uses an existing one, and says what it lacks.
pub(super) async fn existing(client: &ArmClient, farm: &Farm) -> Result<Vec<Finding>, ArmError> {
    let Network::Existing { vnet, manager_subnet, workers_subnet, .. } = &farm.network else {
        return Ok(Vec::new());
    };
    let (manager, _) = subnets(farm);
    let Some(id) = manager.parent() else { return Ok(Vec::new()) };
    let Some(body) = client.get(&Request::get(id.as_str()).api_version(wire::NETWORK_API)).await? else {
        return Ok(vec![finding(
            format!(
                "`network.existing`: there is no virtual network `{vnet}` in group `{}`",
                id.group_name().unwrap_or_default()
            ),
            "`az network vnet list --output table` lists those that this sign-in sees",
        )]);
    };
    let mut findings = Vec::new();
    let location = body.get("location").and_then(Value::as_str).unwrap_or_default();
    if !location.replace(' ', "").eq_ignore_ascii_case(farm.location.as_str()) {
        findings.push(finding(
            format!("`network.existing`: `{vnet}` is in {location}, the farm in {}", farm.location),
            "use a network of the farm's region, or move the farm",
        ));
    }
    let nodes = farm.most_nodes();
    for (key, name, nodes) in [("managerSubnet", manager_subnet, 1), ("workersSubnet", workers_subnet, nodes)]
    {
        let subnets = body.pointer("/properties/subnets").and_then(Value::as_array);
        let subnet = subnets.into_iter().flatten().find(|subnet| {
            subnet.get("name").and_then(Value::as_str).is_some_and(|have| have.eq_ignore_ascii_case(name))
        });
        match subnet {
            Some(subnet) => {
                findings.extend(lacks(farm, vnet, &format!("network.existing.{key}"), subnet, nodes));
            }
            None => findings.push(finding(
                format!("`network.existing.{key}`: `{vnet}` has no subnet `{name}`"),
                format!("`az network vnet subnet list --vnet-name {vnet} --resource-group … --output table`"),
            )),
        }
    }
    Ok(findings)
}

fn lacks(farm: &Farm, vnet: &str, key: &str, subnet: &Value, nodes: u32) -> Vec<Finding> {
    let name = subnet.get("name").and_then(Value::as_str).unwrap_or_default();
    let text = |pointer: &str| subnet.pointer(pointer).and_then(Value::as_str);
    let list = |pointer: &str| subnet.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let mut findings = Vec::new();
    let prefix = text("/properties/addressPrefix").or_else(|| text("/properties/addressPrefixes/0"));
    if let Some(range) = prefix.and_then(|prefix| prefix.parse().ok())
        && !holds(range, nodes)
    {
        findings.push(finding(
            format!(
                "`{key}`: {range} of `{name}` is too small for {nodes} nodes and Azure's own five addresses"
            ),
            "use a larger subnet, or lower `maxNodes`",
        ));
    }
    let storage =
        |endpoint: &&Value| endpoint.get("service").and_then(Value::as_str) == Some("Microsoft.Storage");
    if matches!(farm.storage, Storage::Own { .. })
        && !list("/properties/serviceEndpoints").any(|e| storage(&e))
    {
        findings.push(finding(
            format!("`{key}`: `{name}` has no service endpoint for Microsoft.Storage, so it could not mount the share"),
            format!(
                "`az network vnet subnet update --vnet-name {vnet} --name {name} --resource-group … \
                 --service-endpoints Microsoft.Storage` (keep those it has)"
            ),
        ));
    }
    if let Some(service) =
        list("/properties/delegations").find_map(|d| d.pointer("/properties/serviceName")?.as_str())
    {
        findings.push(finding(
            format!("`{key}`: `{name}` is delegated to {service}: no machine can be in it"),
            "use another subnet",
        ));
    }
    let closed = subnet.pointer("/properties/defaultOutboundAccess") == Some(&Value::Bool(false));
    let way_out =
        ["natGateway", "routeTable"].iter().any(|m| subnet.pointer(&format!("/properties/{m}/id")).is_some());
    if closed && !way_out {
        findings.push(finding(
            format!("`{key}`: `{name}` has no way out (private subnet without NAT gateway or route table)"),
            "give it a NAT gateway: machines must reach Batch and the download servers",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use flamenco_azure_core::spec::{FarmSpec, Overrides, validate};
    use serde_json::json;

    use super::*;

    #[test]
    fn each_thing_that_a_subnet_lacks_is_named() {
        let text = "{subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab, location: westeurope, resourceGroup: g, \
                    defaultName: f, storageAccountName: fff, batchAccountName: bbb, virtualMachine: mmm, \
                    manager: {sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 t}}";
        let spec = FarmSpec::parse("f", text).unwrap();
        let today = "2026-11-21T08:00:00Z".parse().unwrap();
        let (farm, _) = validate(&spec, &Overrides { allow_world: false, today }).unwrap();
        let lacking = |body: Value| lacks(&farm, "v", "k", &body, 30).len();
        let good = json!({"name": "w", "properties": {"addressPrefix": "10.0.0.0/24",
            "serviceEndpoints": [{"service": "Microsoft.Storage"}], "natGateway": {"id": "/n"}, "defaultOutboundAccess": false}});
        assert_eq!(lacking(good.clone()), 0);
        for (pointer, value) in [
            ("/properties/addressPrefix", json!("10.0.0.0/27")),
            ("/properties/serviceEndpoints", json!([])),
            ("/properties/natGateway", Value::Null),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert_eq!(lacking(bad), 1, "{pointer}");
        }
        let mut delegated = good;
        delegated["properties"]["delegations"] =
            json!([{"properties": {"serviceName": "Microsoft.Web/serverFarms"}}]);
        assert_eq!(lacking(delegated), 1);
    }
}
