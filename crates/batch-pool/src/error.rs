//! Resize errors in words.

use flamenco_azure_core::pool::ResizeError;

/// What a resize error means and what can be done about it. Batch's list of codes is not closed: an unknown one is
/// shown as it is.
pub fn explain(error: &ResizeError) -> String {
    let code = error.code.as_str();
    // Sources differ about the code of this refusal: its words decide.
    let words = error.message.to_ascii_lowercase();
    let spot = words.contains("spot") || words.contains("low-priority") || words.contains("low priority");
    let code_of_advice =
        if spot && words.contains("not supported") { "SpotNotSupportedInBatchServiceMode" } else { code };
    let advice = match code_of_advice {
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
        | "UnsupportedLowPriorityNodes" => {
            "this Batch-managed account does not get Spot nodes: use dedicated ones, or a user-subscription account or \
             a scale-set pool, which can have them"
        }
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
