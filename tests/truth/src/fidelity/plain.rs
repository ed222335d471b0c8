//! The plainest form of each type: what stands where nothing was recorded.

use azure_sim::World;
use flamenco_azure_core::arm::Method;
use serde_json::{Value, json};

use super::catalogue::{REGION, SIZE};
use super::names::{group_of, kind};
use super::seed::Memory;

/// Somebody in the directory, where the request does not say who.
pub(super) const PRINCIPAL: &str = "11111111-2222-4333-8444-555555555555";

impl Memory {
    /// What a PUT or PATCH asks for whose body was not recorded: the plainest form of its type.
    pub(super) fn default_body(&mut self, world: &mut World, path: &str, method: Method) -> Value {
        let place = group_of(path)
            .and_then(|group| world.groups().get(&group.to_lowercase()).map(|g| g.location.clone()));
        let body = match kind(path).as_deref() {
            Some("microsoft.resources/tags") => json!({"operation": "Merge", "properties": {"tags": {}}}),
            _ if method == Method::Patch => json!({"properties": {}}),
            Some("microsoft.authorization/roleassignments") => json!({"properties": {
                "principalId": PRINCIPAL,
                "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c",
            }}),
            Some(kind) => self.plain_body(world, path, kind),
            None => json!({"location": REGION}),
        };
        let there = world.resource(path).and_then(|resource| resource.location.clone());
        let mut body = body;
        if let Some(place) = there.or(place).filter(|_| body.get("location").is_some()) {
            body["location"] = json!(place);
        }
        self.referred(world, &body);
        body
    }

    /// The plainest body of a type.
    pub(super) fn plain_body(&mut self, world: &mut World, id: &str, kind: &str) -> Value {
        let place = self.place.clone().unwrap_or_else(|| REGION.to_owned());
        match kind {
            "microsoft.network/virtualnetworks" => {
                json!({"location": place, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}}})
            }
            "microsoft.network/virtualnetworks/subnets" => {
                self.subnets += 1;
                json!({"properties": {
                    "addressPrefix": format!("10.{}.0.0/24", 100 + self.subnets % 100),
                    "serviceEndpoints": [{"service": "Microsoft.Storage"}],
                }})
            }
            "microsoft.network/networksecuritygroups/securityrules" => json!({"properties": {
                "protocol": "*", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "sourcePortRange": "*",
                "destinationPortRange": "*", "access": "Deny", "priority": 4096, "direction": "Inbound",
            }}),
            "microsoft.authorization/roleassignments" => json!({"properties": {
                "principalId": PRINCIPAL,
                "principalType": "User",
                "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
            }}),
            "microsoft.network/publicipaddresses" | "microsoft.network/natgateways" => {
                json!({"location": place, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}})
            }
            "microsoft.network/networkinterfaces" => {
                let group = group_of(id).unwrap_or_default();
                let subnet = format!(
                    "/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/plain/subnets/plain",
                    world.subscription_id()
                );
                json!({"location": place, "properties": {"ipConfigurations": [{"name": "ipconfig1", "properties": {"subnet": {"id": subnet}}}]}})
            }
            "microsoft.storage/storageaccounts" => {
                json!({"location": place, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}})
            }
            "microsoft.compute/virtualmachines" => {
                let nic = id.to_lowercase().find("/providers/").map_or("", |at| &id[..at]);
                let name = id.rsplit('/').next().unwrap_or_default();
                json!({"location": place, "properties": {
                    "hardwareProfile": {"vmSize": SIZE},
                    "storageProfile": {"imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}, "osDisk": {"createOption": "FromImage"}},
                    "osProfile": {"computerName": name, "adminUsername": "azureuser", "adminPassword": "REDACTED-Aa1!"},
                    "networkProfile": {"networkInterfaces": [{"id": format!("{nic}/providers/Microsoft.Network/networkInterfaces/{name}-nic")}]},
                }})
            }
            "microsoft.compute/virtualmachinescalesets" => plain_set(world, id, &place),
            "microsoft.batch/batchaccounts/pools" => json!({"properties": {
                "vmSize": SIZE,
                "deploymentConfiguration": {"virtualMachineConfiguration": {
                    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
                    "nodeAgentSkuId": "batch.node.ubuntu 24.04",
                }},
                "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 2}},
            }}),
            _ => json!({"location": place, "properties": {}}),
        }
    }
}

/// A scale set of two machines.
fn plain_set(world: &World, id: &str, place: &str) -> Value {
    let group = group_of(id).unwrap_or_default();
    let subnet = format!(
        "/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/plain/subnets/plain",
        world.subscription_id()
    );
    json!({"location": place, "sku": {"name": SIZE, "tier": "Standard", "capacity": 2}, "properties": {
        "upgradePolicy": {"mode": "Manual"},
        "virtualMachineProfile": {
            "storageProfile": {"imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}, "osDisk": {"createOption": "FromImage"}},
            "osProfile": {"computerNamePrefix": "node", "adminUsername": "azureuser", "adminPassword": "REDACTED-Aa1!"},
            "networkProfile": {"networkInterfaceConfigurations": [{"name": "nic", "properties": {"primary": true, "ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet}}}]}}]},
        },
    }})
}
