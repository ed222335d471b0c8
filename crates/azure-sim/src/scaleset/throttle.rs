//! The compute provider's token buckets for scale sets: sizes from Microsoft's page "Compute throttling limits", names
//! and assignment of the requests from recorded traffic of 2024.

use crate::route::Request;
use crate::throttle::{Limit, compute_refused};
use crate::wire::SimResponse;
use crate::world::World;

/// One class of requests.
#[derive(Debug, Clone, Copy)]
struct Class {
    name: &'static str,
    /// Per minute, for one resource; a full bucket holds three minutes' worth.
    resource: Option<u64>,
    /// Per minute, for the subscription in a region.
    subscription: u64,
}

fn class(request: &Request) -> Class {
    let class = |name, resource, subscription| Class { name, resource, subscription };
    let kind = request.kind();
    let below = kind.strip_prefix("virtualmachinescalesets").unwrap_or_default();
    let instance =
        below.starts_with("/virtualmachines/") || (below == "/virtualmachines" && !request.is_collection());
    let ends = |verbs: &[&str]| verbs.iter().any(|verb| kind.ends_with(verb));
    let read = matches!(request.method.as_str(), "GET" | "HEAD");
    match (read, instance) {
        (true, true) => class("GetVMScaleSetVM", Some(12), 2000),
        // The lists of all sets have no resource of their own.
        (true, false) if below.is_empty() && request.is_collection() => {
            class("HighCostGetVMScaleSet", None, 360)
        }
        (true, false) if ends(&["/instanceview", "/virtualmachines"]) => {
            class("HighCostGetVMScaleSet", Some(10), 360)
        }
        (true, false) => class("GetVMScaleSet", Some(12), 800),
        (false, true) if request.method == "DELETE" || ends(&["/poweroff", "/deallocate"]) => {
            class("DeleteVMScaleSetVM", Some(4), 500)
        }
        (false, true) => class("VMScaleSetVMActions", Some(4), 500),
        // Recorded: a PUT of a set that is there counts as a creation.
        (false, false) if request.method == "PUT" => class("CreateVMScaleSet", Some(4), 125),
        (false, false) if request.method == "DELETE" || ends(&["/poweroff", "/deallocate"]) => {
            class("DeleteVMScaleSet", Some(4), 175)
        }
        // Recorded: the deletion of instances too.
        (false, false) => class("VMScaleSetActions", Some(4), 500),
    }
}

/// Takes a request out of its buckets: what remains, as the header says it, or the 429.
pub(super) fn take(world: &mut World, request: &Request) -> Result<String, SimResponse> {
    let class = class(request);
    let now = world.now();
    let limit = |per_minute: u64| Limit { capacity: per_minute * 3, per_minute };
    let mut buckets =
        vec![(format!("{}SubscriptionMaximum", class.name), String::new(), limit(class.subscription))];
    if let Some(per_minute) = class.resource {
        let id = request.id(world).to_ascii_lowercase();
        buckets.push((format!("{}Resource", class.name), id, limit(per_minute)));
    }
    let mut left = Vec::new();
    for (name, scope, limit) in buckets {
        match world.throttle.take(&format!("compute/{name}/{scope}"), limit, now) {
            Ok(count) => left.push(format!("Microsoft.Compute/{name};{count}")),
            Err(seconds) => return Err(compute_refused(&name, limit, seconds)),
        }
    }
    Ok(left.join(","))
}

/// Polls of scale sets' operations have buckets too: per operation and per subscription.
pub(crate) fn take_poll(world: &mut World, operation: &str) -> Result<String, SimResponse> {
    let now = world.now();
    let mut left = Vec::new();
    for (name, scope, per_minute) in
        [("GetOperationResource", operation, 15), ("GetOperationSubscriptionMaximum", "", 5000)]
    {
        let limit = Limit { capacity: per_minute * 3, per_minute };
        match world.throttle.take(&format!("compute/{name}/{scope}"), limit, now) {
            Ok(count) => left.push(format!("Microsoft.Compute/{name};{count}")),
            Err(seconds) => return Err(compute_refused(name, limit, seconds)),
        }
    }
    Ok(left.join(","))
}
