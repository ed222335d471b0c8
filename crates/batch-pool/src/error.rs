//! Resize errors in words.

use flamenco_azure_core::pool::ResizeError;

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
