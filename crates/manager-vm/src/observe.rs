//! Reads what exists of the Manager's part: at most one read per resource type and scope.

use flamenco_azure_core::arm::{ArmClient, ArmError, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use futures::future::try_join_all;
use serde_json::Value;

use crate::wire;

/// The lists of top-level resources that carry the properties the planner compares.
const LISTS: &[(&str, &str)] = &[
    (wire::NSG, wire::NETWORK_API),
    (wire::PIP, wire::NETWORK_API),
    (wire::NAT, wire::NETWORK_API),
    (wire::VNET, wire::NETWORK_API),
    (wire::NIC, wire::NETWORK_API),
    (wire::STORAGE, wire::STORAGE_API),
    (wire::VM, wire::COMPUTE_API),
    (wire::IDENTITY, wire::IDENTITY_API),
];

/// Reads the group, the names of everything inside (foreign resources too), and the bodies of the types we make.
/// An absent group is an empty inventory.
pub async fn observe(
    client: &ArmClient,
    group: &ResourceId,
    inventory: &mut Inventory,
) -> Result<(), ArmError> {
    let read = Request::get(group.as_str()).api_version(wire::RESOURCES_API);
    let Some(body) = client.get(&read).await? else { return Ok(()) };
    inventory.group = Observed::from_body(body);
    let everything = Request::get(format!("{group}/resources")).api_version(wire::RESOURCES_API);
    let bodies = try_join_all(LISTS.iter().map(|(kind, api_version)| {
        let path = format!("{group}/providers/{kind}");
        list(client, path, api_version)
    }));
    let (names, bodies) = futures::future::try_join(client.list(&everything), bodies).await?;
    inventory.extend(names);
    inventory.extend(bodies.into_iter().flatten());
    shares_and_power(client, inventory).await
}

async fn list(client: &ArmClient, path: String, api_version: &'static str) -> Result<Vec<Value>, ArmError> {
    // The group may go away between two reads.
    client.list_if_there(&Request::get(&path).api_version(api_version)).await
}

/// Shares are children, and whether a VM runs shows only in its instance view.
async fn shares_and_power(client: &ArmClient, inventory: &mut Inventory) -> Result<(), ArmError> {
    let ours = |kind| -> Vec<ResourceId> {
        let owned = inventory.of_kind(kind).filter(|r| inventory.owner(r).is_some());
        // Nodes are many, and nobody compares their views.
        owned.filter(|r| !is_node(r)).map(|r| r.id.clone()).collect()
    };
    let (accounts, vms) = (ours(wire::STORAGE), ours(wire::VM));
    for account in accounts {
        let path = format!("{account}/fileServices/default/shares");
        inventory.extend(list(client, path, wire::STORAGE_API).await?);
    }
    for vm in vms {
        let read = Request::get(vm.as_str()).api_version(wire::COMPUTE_API).query("$expand", "instanceView");
        let body = client.get(&read).await?;
        if let Some(what) = body.as_ref().and_then(odd_view) {
            return Err(ArmError::unreadable(&read, what));
        }
        inventory.extend(body);
    }
    Ok(())
}

/// What is odd about a VM's instance view: one that cannot be read would say that the VM neither runs nor stands still.
fn odd_view(vm: &Value) -> Option<&'static str> {
    let view = vm.pointer("/properties/instanceView").filter(|view| !view.is_null())?;
    if !view.is_object() {
        return Some("its `instanceView` is no object");
    }
    let statuses = view.get("statuses").filter(|statuses| !statuses.is_null())?;
    let readable = |status: &Value| status.get("code").is_some_and(Value::is_string);
    let all = statuses.as_array().is_some_and(|statuses| statuses.iter().all(readable));
    (!all).then_some("the statuses of its `instanceView` have no codes")
}

/// Whether a VM is a node of a flexible scale set.
pub fn is_node(vm: &Observed) -> bool {
    vm.pointer("/properties/virtualMachineScaleSet/id").is_some()
}

/// Whether a VM's cores are released (`PowerState/deallocated` or on the way there).
pub fn is_deallocated(vm: &Observed) -> bool {
    power_state(vm).is_some_and(|state| state.starts_with("dealloc"))
}

/// The VM's power state such as `running`, as its instance view says.
pub fn power_state(vm: &Observed) -> Option<&str> {
    let statuses = vm.pointer("/properties/instanceView/statuses")?.as_array()?;
    statuses.iter().find_map(|status| status.get("code")?.as_str()?.strip_prefix("PowerState/"))
}
