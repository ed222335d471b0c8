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
    explain_in(error, &Value::Null)
}

/// [`explain`] for a pool of this account, whose quotas or whose subscription's quotas count.
pub fn explain_in(error: &ResizeError, account: &Value) -> String {
    let code = error.code.as_str();
    let (whose, place) = match account.pointer("/properties/poolAllocationMode").and_then(Value::as_str) {
        None => (
            "the core quota of the Batch account, or of the subscription where nodes are in your own",
            "the Azure portal: Batch account > Quotas, or Quotas > Compute",
        ),
        Some(_) if in_own_subscription(account) => {
            ("the subscription's vCPU quota", "the Azure portal: Quotas > Compute")
        }
        Some(_) => ("the Batch account's core quota", "the Azure portal: Batch account > Quotas"),
    };
    let used_up = match code {
        "AccountCoreQuotaReached" => Some(("dedicated nodes", "ask for fewer or smaller nodes")),
        "AccountLowPriorityCoreQuotaReached" => Some(("Spot nodes", "use dedicated nodes")),
        "AccountVMSeriesCoreQuotaReached" => Some(("this VM series", "choose a size of another series")),
        _ => None,
    };
    let advice = match used_up.filter(|_| !refuses_spot(&error.message)) {
        Some((what, instead)) => {
            format!("{whose} for {what} is used up: ask for more (in {place}), or {instead}")
        }
        None => without_quota(error).to_owned(),
    };
    let message = error.message.trim().trim_end_matches('.');
    if message.is_empty() { format!("{code}: {advice}") } else { format!("{code}: {message}; {advice}") }
}

/// What can be done about a resize error that is about no core quota.
fn without_quota(error: &ResizeError) -> &'static str {
    match error.code.as_str() {
        _ if refuses_spot(&error.message) => NO_SPOT,
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
        code if code.contains("Overconstrained") => {
            "Azure had no machines that meet all conditions: try another size, or drop Spot"
        }
        _ => "see https://learn.microsoft.com/azure/batch/batch-pool-node-error-checking",
    }
}

/// Whether an account's nodes are in the subscription of its owner, whose quotas then count.
pub fn in_own_subscription(account: &Value) -> bool {
    let mode = account.pointer("/properties/poolAllocationMode").and_then(Value::as_str);
    mode.is_some_and(|mode| mode.eq_ignore_ascii_case("UserSubscription"))
}

/// Whether a resize error is about a quota.
pub fn is_quota(error: &ResizeError) -> bool {
    [&error.code, &error.message].into_iter().any(|text| text.to_ascii_lowercase().contains("quota"))
}

/// By how much a core quota is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The quota's name: in the account, such as `dedicatedCoreQuota` or the VM family; in the subscription as the portal
    /// shows it, such as `Total Regional vCPUs`.
    pub quota: String,
    /// Cores that it grants.
    pub limit: u64,
    /// Cores of it that are in use; `None` where Azure does not say.
    pub used: Option<u64>,
    /// Nodes that did not come.
    pub nodes: u32,
    /// Cores that they need.
    pub cores: u64,
}

impl Shortage {
    /// The quota with which all nodes would have come. Where it is not known how much is in use, a few cores less may do:
    /// what is left of the quota is less than a node.
    pub fn wanted(&self) -> u64 {
        self.used.unwrap_or(self.limit) + self.cores
    }
}

/// How many nodes of either kind a pool lacks: dedicated and Spot.
fn lacking(state: &PoolState) -> (u32, u32) {
    (
        state.target.dedicated.saturating_sub(state.current.dedicated),
        state.target.spot.saturating_sub(state.current.spot),
    )
}

/// What the account lacks, where the error is about a core quota that the account's body shows. Each node has `cores`
/// cores of `family` (as the account's `dedicatedCoreQuotaPerVMFamily` calls it). An account in user-subscription mode
/// shows none: see [`shortages`].
pub fn shortage(
    error: &ResizeError,
    state: &PoolState,
    cores: u32,
    family: &str,
    account: &Value,
) -> Option<Shortage> {
    let grants = |name: &str| account.pointer(&format!("/properties/{name}")).and_then(Value::as_u64);
    let (dedicated, spot) = lacking(state);
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
    (needed > 0).then(|| Shortage { quota: quota.to_owned(), limit, used: None, nodes, cores: needed })
}

/// What the subscription lacks in the pool's region, as Compute's `usages` there have it: all quotas in which the nodes that
/// did not come have no room. Batch's error names one of them, and not always by a code of its own.
pub fn shortages(state: &PoolState, cores: u32, family: &str, usages: &[Value]) -> Vec<Shortage> {
    let (dedicated, spot) = lacking(state);
    let short = |(name, nodes): (&str, u32)| {
        let is_it = |row: &&Value| {
            let value = row.pointer("/name/value").and_then(Value::as_str);
            value.is_some_and(|value| value.eq_ignore_ascii_case(name))
        };
        let row = usages.iter().find(is_it)?;
        let title = row.pointer("/name/localizedValue").and_then(Value::as_str).unwrap_or(name);
        let (limit, used) = (row.get("limit")?.as_u64()?, row.get("currentValue")?.as_u64()?);
        let needed = u64::from(nodes) * u64::from(cores);
        let lacks = needed > 0 && used + needed > limit;
        lacks.then(|| Shortage { quota: title.to_owned(), limit, used: Some(used), nodes, cores: needed })
    };
    [("cores", dedicated), (family, dedicated), ("lowPriorityCores", spot)]
        .into_iter()
        .filter_map(short)
        .collect()
}
