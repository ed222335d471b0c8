//! Api-versions and types of the requests this crate makes, each with its documentation.

use flamenco_azure_core::arm::Request;
use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use serde_json::{Value, json};

/// Scale sets and their machines (<https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets>). The first
/// version whose scale sets take `If-Match`.
pub const COMPUTE_API: &str = "2024-07-01";
/// Sizes and what they can do (<https://learn.microsoft.com/rest/api/compute/resource-skus/list>).
pub const SKUS_API: &str = "2021-07-01";
/// Subnets (<https://learn.microsoft.com/rest/api/virtualnetwork/subnets/get>).
pub const NETWORK_API: &str = "2024-05-01";
/// Tags (<https://learn.microsoft.com/rest/api/resources/tags>).
pub const TAGS_API: &str = "2021-04-01";
/// The network api-version that Flexible scale sets make their network interfaces with
/// (<https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets/create-or-update#networkapiversion>).
pub const NETWORK_OF_FLEXIBLE: &str = "2020-11-01";

/// Scale sets.
pub const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
/// Machines; those of Flexible scale sets are ordinary ones.
pub const VM: &str = "Microsoft.Compute/virtualMachines";

/// Reads the tags of a resource group.
pub fn tags(group: &ResourceId) -> Request {
    Request::get(tags_path(group)).api_version(TAGS_API)
}

/// Sets tags of a resource group and leaves the others as they are.
pub fn merge_tags(group: &ResourceId, tags: &Value) -> Request {
    let body = json!({"operation": "Merge", "properties": {"tags": tags}});
    Request::patch(tags_path(group), body).api_version(TAGS_API)
}

fn tags_path(group: &ResourceId) -> String {
    format!("{group}/providers/Microsoft.Resources/tags/default")
}

/// Lists what is used of a region's quotas.
pub fn usages(group: &ResourceId, location: &Location) -> Request {
    let subscription = group.subscription().unwrap_or_default();
    Request::get(format!(
        "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages"
    ))
    .api_version(COMPUTE_API)
}

/// Lists the sizes of a region.
pub fn skus(subscription: &SubscriptionId, location: &Location) -> Request {
    Request::get(format!("/subscriptions/{subscription}/providers/Microsoft.Compute/skus"))
        .query("$filter", format!("location eq '{location}'"))
        .api_version(SKUS_API)
}

/// Lists the scale sets of a resource group.
pub fn sets(group: &ResourceId) -> Request {
    Request::get(format!("{group}/providers/{SCALE_SET}")).api_version(COMPUTE_API)
}

/// Lists the machines of a scale set with their power states. Those of Uniform sets are its children; a Flexible set
/// lists only their ids that way, so its machines are asked for among all of the group (Microsoft's page
/// "Orchestration modes", and `$filter` and `$expand` of "Virtual Machines - List").
pub fn machines(set: &ResourceId, flexible: bool) -> Request {
    let request = if flexible {
        let group = set.as_str().split("/providers/").next().unwrap_or_default();
        Request::get(format!("{group}/providers/{VM}"))
            .query("$filter", format!("'virtualMachineScaleSet/id' eq '{set}'"))
    } else {
        Request::get(format!("{set}/virtualMachines"))
    };
    request.query("$expand", "instanceView").api_version(COMPUTE_API)
}

/// Deletes machines of a scale set by their ids, all in one request; its capacity goes down with them. Sent twice it
/// does no more than once: ids are never used again.
pub fn delete_machines(set: &ResourceId, ids: &[&str]) -> Request {
    Request::post(format!("{set}/delete"), Some(json!({"instanceIds": ids})))
        .api_version(COMPUTE_API)
        .idempotent()
}
