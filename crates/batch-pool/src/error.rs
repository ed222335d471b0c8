//! Resize errors in words.

use flamenco_azure_core::pool::{PoolState, ResizeError};
use serde_json::Value;

const NO_SPOT: &str = "this Batch-managed account does not get Spot nodes: use dedicated ones, or a user-subscription \
                       account or a scale-set pool, which can have them";

/// Sources differ about the code of this refusal: its words decide.
fn refuses_spot(message: &str) -> bool {
    let words = message.to_ascii_lowercase();
    let spot = ["spot", "low-priority", "low priority"].iter().any(|word| words.contains(word));
    spot && words.contains("not supported")
}

/// What a resize error means and what can be done about it. Batch's list of codes is not closed: an unknown one is
/// shown as it is.
pub fn explain(error: &ResizeError) -> String {
    let code = error.code.as_str();
    let advice = match code {
        _ if refuses_spot(&error.message) => NO_SPOT,
        "AccountCoreQuotaReached" => {
            "the Batch account's dedicated core quota is used up: ask for more (Azure portal: Batch account > Quotas), \
             or ask for fewer or smaller nodes"
        }
        "AccountLowPriorityCoreQuotaReached" => {
            "the Batch account's Spot core quota is used up: ask for more (Azure portal: Batch account > Quotas), or \
             use dedicated nodes"
        }
        "AccountVMSeriesCoreQuotaReached" => {
            "the Batch account's quota for this VM series is used up: ask for more, or choose a size of another series"
        }
        "SpotNotSupportedInBatchServiceMode"
        | "LowPriorityNodesNotSupported"
        | "UnsupportedLowPriorityNodes" => NO_SPOT,
        "SubnetInsufficientIPs" | "InsufficientSubnetIPs" | "SubnetIsFull" => {
            "the workers subnet has too few free addresses: use a larger `network.addressSpace` or fewer nodes"
        }
        "AllocationTimedOut" | "AllocationFailed" => {
            "Azure had no machines of this size in time: try again later, another size, or another region"
        }
        "ResizeStopped" => "the resize was stopped by someone: ask for the nodes again",
        _ if code.contains("Overconstrained") => {
            "Azure had no machines that meet all conditions: try another size, or drop Spot"
        }
        _ => "see https://learn.microsoft.com/azure/batch/batch-pool-node-error-checking",
    };
    let message = error.message.trim().trim_end_matches('.');
    if message.is_empty() { format!("{code}: {advice}") } else { format!("{code}: {message}; {advice}") }
}

/// By how much a core quota of the Batch account is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The quota's name in the account, such as `dedicatedCoreQuota`, or the VM family.
    pub quota: String,
    /// Cores that it grants.
    pub limit: u64,
    /// Nodes that did not come.
    pub nodes: u32,
    /// Cores that they need.
    pub cores: u64,
}

impl Shortage {
    /// The quota with which all nodes would have come. A few cores less may do: what is left of the quota is less than
    /// a node.
    pub fn wanted(&self) -> u64 {
        self.limit + self.cores
    }
}

/// What the account lacks, where the error is about a core quota that the account's body shows. Each node has `cores`
/// cores of `family` (as the account's `dedicatedCoreQuotaPerVMFamily` calls it). An account in user-subscription mode
/// shows none: the subscription's quotas count there.
pub fn shortage(
    error: &ResizeError,
    state: &PoolState,
    cores: u32,
    family: &str,
    account: &Value,
) -> Option<Shortage> {
    let grants = |name: &str| account.pointer(&format!("/properties/{name}")).and_then(Value::as_u64);
    let dedicated = state.target.dedicated.saturating_sub(state.current.dedicated);
    let spot = state.target.spot.saturating_sub(state.current.spot);
    let of_family = || {
        let families = account.pointer("/properties/dedicatedCoreQuotaPerVMFamily")?.as_array()?;
        let is_it = |one: &&Value| {
            one.get("name").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(family))
        };
        families.iter().find(is_it)?.get("coreQuota")?.as_u64()
    };
    let (quota, limit, nodes) = match error.code.as_str() {
        "AccountCoreQuotaReached" => ("dedicatedCoreQuota", grants("dedicatedCoreQuota")?, dedicated),
        "AccountLowPriorityCoreQuotaReached" => {
            ("lowPriorityCoreQuota", grants("lowPriorityCoreQuota")?, spot)
        }
        "AccountVMSeriesCoreQuotaReached" => (family, of_family()?, dedicated),
        _ => return None,
    };
    let needed = u64::from(nodes) * u64::from(cores);
    (needed > 0).then(|| Shortage { quota: quota.to_owned(), limit, nodes, cores: needed })
}
