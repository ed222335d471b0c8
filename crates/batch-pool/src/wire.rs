//! Api-versions and types of Azure Batch. Versions before 2025-06-01 are being retired in both planes
//! (<https://github.com/Azure/Batch/issues/140>).

use flamenco_azure_core::arm::Request;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::pool::Count;
use serde_json::{Value, json};

/// Control and data plane (<https://learn.microsoft.com/rest/api/batchmanagement>).
pub const BATCH_API: &str = "2025-06-01";

/// Batch accounts.
pub const ACCOUNT: &str = "Microsoft.Batch/batchAccounts";
/// Pools, children of accounts.
pub const POOL: &str = "Microsoft.Batch/batchAccounts/pools";
/// Virtual networks, whose `workers` subnet the nodes are in.
pub const VNET: &str = "Microsoft.Network/virtualNetworks";

/// How many minutes an allocation of so many nodes may take before Batch gives up with an error: its default of 15, and as
/// many again for each further thousand, which is Batch's own advice
/// (<https://learn.microsoft.com/azure/batch/batch-pool-vm-sizes>).
pub fn resize_minutes(nodes: u32) -> u64 {
    15 * u64::from(nodes.div_ceil(1000).max(1))
}

/// The scale settings of a fixed size. Spot nodes are still called "low priority" on the wire.
pub fn fixed_scale(target: Count) -> Value {
    json!({"fixedScale": {
        "targetDedicatedNodes": target.dedicated,
        "targetLowPriorityNodes": target.spot,
        "resizeTimeout": format!("PT{}M", resize_minutes(target.total())),
    }})
}

/// Asks for `target` nodes. A PATCH, and so safe to send again.
pub fn resize(pool: &ResourceId, target: Count) -> Request {
    let body = json!({"properties": {"scaleSettings": fixed_scale(target)}});
    Request::patch(pool.as_str(), body).api_version(BATCH_API)
}

/// The scale settings of a pool that Batch sizes by a formula
/// (<https://learn.microsoft.com/azure/batch/batch-automatic-scaling>).
pub fn auto_scale(formula: &str, evaluation_minutes: u32) -> Value {
    json!({"autoScale": {"formula": formula, "evaluationInterval": format!("PT{evaluation_minutes}M")}})
}
