//! Recorded sizes, regions and images in terms of the simulator's catalogue, which sells a choice of them.

use azure_sim::catalogue;
use serde_json::{Map, Value, json};

use super::names::normal;

/// Region of what is made by default.
pub(super) const REGION: &str = "eastus";

/// A size that the simulator's catalogue has.
pub(super) const SIZE: &str = "Standard_D2_v2";

/// A body with a size and a region that the simulator's catalogue has: it sells a choice of both.
pub(super) fn substituted(body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let value = match (name.as_str(), value.as_str()) {
                    ("vmSize", Some(size)) if !known_size(size) => json!(SIZE),
                    ("sku", None) if of_a_machine(value) => json!({
                        "name": SIZE, "tier": value.get("tier"), "capacity": value.get("capacity"),
                    }),
                    ("location", Some(place)) => json!(region(place)),
                    _ => substituted(value),
                };
                (name.clone(), value)
            });
            let mut members = members.collect::<Map<_, _>>();
            // Pools of this kind are no more: the same pool on machines.
            if members.remove("cloudServiceConfiguration").is_some_and(|old| !old.is_null()) {
                let (image, agent) = offered("");
                let (name, spelling) = if members.contains_key("vmSize") {
                    ("virtualMachineConfiguration", "nodeAgentSKUId")
                } else {
                    ("virtualMachineConfiguration", "nodeAgentSkuId")
                };
                members.insert(name.to_owned(), json!({"imageReference": image, spelling: agent}));
            }
            for agent in ["nodeAgentSKUId", "nodeAgentSkuId"] {
                let retired = members.get("imageReference").is_some_and(is_of_a_known_publisher);
                if let Some(named) = members.get(agent).and_then(Value::as_str).map(str::to_owned) {
                    let (image, agent_id) = offered(&named);
                    if retired {
                        members.insert("imageReference".to_owned(), image);
                    }
                    members.insert(agent.to_owned(), json!(agent_id));
                }
            }
            Value::Object(members)
        }
        Value::Array(items) => items.iter().map(substituted).collect(),
        other => other.clone(),
    }
}

/// Whether an image was offered when it was recorded: others were sent to be refused.
fn is_of_a_known_publisher(image: &Value) -> bool {
    let publisher = image.get("publisher").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    ["canonical", "microsoftwindowsserver", "openlogic", "microsoft-azure-batch", "debian"]
        .contains(&publisher.as_str())
}

/// An image with its node agent that Batch offers in the simulator: recorded ones are out of support.
fn offered(agent: &str) -> (Value, &'static str) {
    let image = |publisher: &str, offer: &str, sku: &str| json!({"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"});
    if agent.contains("windows") {
        (image("microsoftwindowsserver", "windowsserver", "2022-datacenter"), "batch.node.windows amd64")
    } else {
        (image("canonical", "ubuntu-24_04-lts", "server"), "batch.node.ubuntu 24.04")
    }
}

/// A scale set's `sku` with a size that the catalogue does not have.
fn of_a_machine(sku: &Value) -> bool {
    let name = sku.get("name").and_then(Value::as_str).unwrap_or_default();
    let size = name.starts_with("Standard_") || name.starts_with("Basic_");
    size && sku.get("capacity").is_some() && !known_size(name)
}

fn known_size(size: &str) -> bool {
    catalogue::sizes().any(|known| known.name.eq_ignore_ascii_case(size))
}

/// The region itself, or the default one when the catalogue does not have it.
pub(super) fn region(place: &str) -> String {
    let name = normal(place);
    if catalogue::locations().any(|known| known.name == name) { place.to_owned() } else { REGION.to_owned() }
}
