//! Resizing: how many nodes a pool gets, and why not more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::json;

use super::account;
use super::state::{Allocation, NodeState, Pool, ResizeError};
use crate::catalogue::{self, Size};
use crate::compute::quota;
use crate::operation::{Effect, later};
use crate::resource::{key, parent_of};
use crate::world::World;

/// Seconds until a resize has acted: nothing to do, nodes only leave, nodes are allocated (recorded: 52 s).
const NOTHING: u64 = 2;
const SHRINK: u64 = 25;
const GROW: u64 = 45;
const STOP: u64 = 5;
/// Nothing at all can be allocated (recorded: a quota of zero shows within 5 s).
const REFUSED: u64 = 4;

/// An event of a pool's allocation.
pub(super) fn event(pool: &str, round: u64, what: &str) -> Effect {
    Effect::Provider {
        namespace: "microsoft.batch".to_owned(),
        data: json!({"do": what, "pool": pool, "round": round}),
    }
}

/// Starts a resize to these counts. Surplus nodes leave at once, oldest id first, whatever they do.
pub(super) fn begin(world: &mut World, pool_key: &str, dedicated: u32, spot: u32) {
    let now = world.now();
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    pool.dedicated = dedicated;
    pool.spot = spot;
    let mut leaving = Vec::new();
    for kind in [false, true] {
        let surplus = pool.count(kind).saturating_sub(pool.target(kind));
        let staying = pool.nodes.values_mut().filter(|n| n.spot == kind && !n.is_leaving());
        for node in staying.take(surplus as usize) {
            node.set(NodeState::LeavingPool, now);
            node.round += 1;
            leaving.push(node.id.clone());
        }
    }
    let grows = [false, true].iter().any(|kind| pool.count(*kind) < pool.target(*kind));
    let seconds = match (grows, leaving.is_empty()) {
        (true, true) if is_hopeless(world, pool_key) => REFUSED,
        (true, _) => GROW,
        (false, false) => SHRINK,
        (false, true) => NOTHING,
    };
    start(world, pool_key, seconds);
    for node in leaving {
        crate::guest::disconnect(world, &node);
    }
}

/// A resize to what is there already, over at the next request (recorded: a tenth of a second).
pub(super) fn blink(world: &mut World, pool_key: &str) {
    start(world, pool_key, 0);
}

/// Whether a limit that no time changes lets nothing of what is missing come.
fn is_hopeless(world: &World, pool_key: &str) -> bool {
    let Some(pool) = world.batch.pools.get(pool_key) else { return false };
    let Some(size) = catalogue::size(&pool.size) else { return false };
    let nothing = |spot: bool| {
        let missing = pool.target(spot).saturating_sub(pool.count(spot));
        missing == 0 || limits(world, pool, &size, spot).iter().any(|limit| limit.room == 0 && !limit.waits)
    };
    nothing(false) && nothing(true)
}

/// Takes exactly these nodes out; the targets go down with them.
pub(super) fn remove(world: &mut World, pool_key: &str, nodes: &[String]) {
    let now = world.now();
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    for id in nodes {
        if let Some(node) = pool.nodes.get_mut(id) {
            node.set(NodeState::LeavingPool, now);
            node.round += 1;
        }
    }
    pool.dedicated = pool.count(false);
    pool.spot = pool.count(true);
    start(world, pool_key, SHRINK);
    for node in nodes {
        crate::guest::disconnect(world, node);
    }
}

fn start(world: &mut World, pool_key: &str, seconds: u64) {
    let now = world.now();
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    pool.round += 1;
    pool.errors.clear();
    pool.resize_started = now;
    pool.modified = now;
    pool.allocate(Allocation::Resizing, now);
    let effect = event(pool_key, pool.round, "resize");
    world.schedule(later(now, seconds), effect);
}

/// Ends a resize early. `false` when none is running.
pub(super) fn stop(world: &mut World, pool_key: &str) -> bool {
    let now = world.now();
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return false };
    if pool.allocation != Allocation::Resizing || pool.deleting {
        return false;
    }
    pool.round += 1;
    pool.allocate(Allocation::Stopping, now);
    let effect = event(pool_key, pool.round, "stop");
    world.schedule(later(now, STOP), effect);
    true
}

/// What stands in the way of more nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    /// Nodes that still fit.
    pub(super) room: u32,
    pub(super) error: ResizeError,
    /// More may be had until the resize times out.
    pub(super) waits: bool,
}

/// Pure: how many of the missing nodes come, and the tightest limit when that is not all of them.
pub(super) fn grant(missing: u32, limits: &[Limit]) -> (u32, Option<&Limit>) {
    match limits.iter().min_by_key(|limit| limit.room) {
        Some(tightest) if tightest.room < missing => (tightest.room, Some(tightest)),
        _ => (missing, None),
    }
}

/// The allocation acts now: leaving nodes are gone, new ones come. `last` is the end of its time.
pub(super) fn act(world: &mut World, pool_key: &str, last: bool) {
    let now = world.now();
    clear_out(world, pool_key);
    let mut waits = false;
    let mut errors = Vec::new();
    for spot in [false, true] {
        let Some(pool) = world.batch.pools.get(pool_key).cloned() else { return };
        let Some(size) = catalogue::size(&pool.size) else { return };
        let missing = pool.target(spot).saturating_sub(pool.count(spot));
        if missing == 0 {
            continue;
        }
        let limits = limits(world, &pool, &size, spot);
        let (granted, short) = grant(missing, &limits);
        add(world, pool_key, spot, granted);
        if let Some(limit) = short {
            waits |= limit.waits && !last;
            errors.push(limit.error.clone());
        }
    }
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    if waits {
        let end = later(pool.resize_started, pool.timeout).max(now);
        let effect = event(pool_key, pool.round, "timeout");
        world.schedule(end, effect);
        return;
    }
    pool.errors = errors;
    pool.allocate(Allocation::Steady, now);
}

/// A stopped resize: what left is gone, nothing more comes.
pub(super) fn halt(world: &mut World, pool_key: &str) {
    let now = world.now();
    clear_out(world, pool_key);
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    pool.errors.clear();
    for (spot, word) in [(false, "dedicated"), (true, "low priority")] {
        if pool.count(spot) != pool.target(spot) {
            // Recorded.
            let message = format!(
                "Desired number of {word} nodes could not be allocated due to a stop resize operation"
            );
            pool.errors.push(ResizeError { code: "ResizeStopped".to_owned(), message });
        }
    }
    pool.allocate(Allocation::Steady, now);
}

fn clear_out(world: &mut World, pool_key: &str) {
    if let Some(pool) = world.batch.pools.get_mut(pool_key) {
        pool.nodes.retain(|_, node| !node.is_leaving());
    }
}

fn limit(room: u32, code: &str, message: String) -> Limit {
    Limit { room, error: ResizeError { code: code.to_owned(), message }, waits: false }
}

fn limits(world: &World, pool: &Pool, size: &Size, spot: bool) -> Vec<Limit> {
    let account = parent_of(&pool.id).unwrap_or_default().to_owned();
    let own_quota =
        world.resource(&account).and_then(|a| a.text("/poolAllocationMode")) != Some("UserSubscription");
    let mut limits = if own_quota {
        account_limits(world, pool, size, spot, &account)
    } else {
        subscription_limits(world, pool, size, spot)
    };
    if let Some((code, message)) = world.batch.refusals.get(&pool.size.to_ascii_lowercase()) {
        limits.push(limit(0, code, message.clone()));
    }
    let kind = if spot { "low priority" } else { "dedicated" };
    if let Some(room) = addresses_left(world, pool) {
        let message =
            "The specified subnet does not have enough IP addresses for the desired number of nodes"
                .to_owned();
        limits.push(limit(room, "SubnetInsufficientIPs", message));
    }
    limits.push(Limit {
        room: world.market.left(&pool.location, &pool.size),
        error: ResizeError {
            code: "AllocationTimedOut".to_owned(),
            message: format!(
                "Desired number of {kind} nodes could not be allocated as the resize timeout was reached"
            ),
        },
        waits: true,
    });
    limits
}

/// Cores in use by the pools of an account (or of all accounts of a region that live on the subscription).
fn cores(world: &World, spot: bool, test: &dyn Fn(&Pool, &Size) -> bool) -> u32 {
    let of_pool = |pool: &Pool| {
        let size = catalogue::size(&pool.size).filter(|size| test(pool, size))?;
        let nodes = pool.nodes.values().filter(|n| n.spot == spot).count();
        Some(size.vcpus * u32::try_from(nodes).unwrap_or(u32::MAX))
    };
    world.batch.pools.values().filter_map(of_pool).sum()
}

/// Cores in use by `region/batch/counter`; of several accounts in a region the largest.
pub(super) fn by_account(world: &World) -> BTreeMap<String, u32> {
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    let mut note = |location: &str, counter: &str, used: u32| {
        let most = found.entry(format!("{location}/batch/{counter}").to_ascii_lowercase()).or_default();
        *most = used.max(*most);
    };
    for pool in world.batch.pools.values() {
        let Some(size) = catalogue::size(&pool.size) else { continue };
        let below = format!("{}/", key(parent_of(&pool.id).unwrap_or_default()));
        let ours = |p: &Pool| key(&p.id).starts_with(&below);
        note(&pool.location, "cores", cores(world, false, &|p, _| ours(p)));
        note(&pool.location, "lowPriorityCores", cores(world, true, &|p, _| ours(p)));
        let family = cores(world, false, &|p, s| ours(p) && s.family == size.family);
        note(&pool.location, size.family.name, family);
    }
    found
}

fn account_limits(world: &World, pool: &Pool, size: &Size, spot: bool, account: &str) -> Vec<Limit> {
    let below = format!("{}/", key(account));
    let ours = |p: &Pool| key(&p.id).starts_with(&below);
    let room = |quota: u32, used: u32| quota.saturating_sub(used) / size.vcpus;
    let quota = |counter: &str| account::core_quota(world, &pool.location, counter);
    if spot {
        let used = cores(world, true, &|p, _| ours(p));
        let mut limits = vec![limit(
            room(quota("lowPriorityCores"), used),
            "AccountLowPriorityCoreQuotaReached",
            "The specified account has reached low priority core quota".to_owned(),
        )];
        if !world.config.spot_in_batch_service {
            limits.push(limit(
                0,
                "AllocationFailed",
                "Spot nodes are not supported in accounts whose pool allocation mode is BatchService"
                    .to_owned(),
            ));
        }
        if !size.family.spot {
            limits.push(limit(
                0,
                "AllocationFailed",
                format!("The size {} is not offered as Spot", size.name),
            ));
        }
        return limits;
    }
    let all = cores(world, false, &|p, _| ours(p));
    let family = cores(world, false, &|p, s| ours(p) && s.family == size.family);
    vec![
        limit(
            room(quota("cores"), all),
            "AccountCoreQuotaReached",
            "The specified account has reached core quota".to_owned(),
        ),
        limit(
            room(quota(size.family.name), family),
            "AccountVMSeriesCoreQuotaReached",
            // Recorded.
            format!("The specified account has reached VM series core quota for {}", size.family.name),
        ),
    ]
}

/// Accounts in UserSubscription mode live on the subscription's compute quota.
fn subscription_limits(world: &World, pool: &Pool, size: &Size, spot: bool) -> Vec<Limit> {
    let used = quota::used(world, &pool.location, None);
    let limit_of = |counter: &str, used: u32, code: &str| {
        let room = quota::limit(world, &pool.location, counter).saturating_sub(used) / size.vcpus;
        let words = format!("The subscription has reached its quota of {counter} in {}", pool.location);
        limit(room, code, words)
    };
    if spot {
        return vec![limit_of("lowPriorityCores", used.low_priority, "AccountLowPriorityCoreQuotaReached")];
    }
    let family = size.family.name;
    let of_family = used.families.get(family).copied().unwrap_or(0);
    vec![
        limit_of("cores", used.cores, "AccountCoreQuotaReached"),
        limit_of(family, of_family, "AccountVMSeriesCoreQuotaReached"),
    ]
}

/// Nodes of accounts in UserSubscription mode, which are machines of the subscription: their size, how many are regular
/// and how many Spot.
pub(crate) fn on_subscription(world: &World, location: &str) -> Vec<(Size, [u32; 2])> {
    let own = |pool: &&Pool| {
        let account = parent_of(&pool.id).and_then(|id| world.resource(id));
        pool.location == location
            && account.and_then(|a| a.text("/poolAllocationMode")) == Some("UserSubscription")
    };
    let nodes = |pool: &Pool, spot: bool| {
        u32::try_from(pool.nodes.values().filter(|n| n.spot == spot).count()).unwrap_or(u32::MAX)
    };
    let of_pool = |pool: &Pool| Some((catalogue::size(&pool.size)?, [nodes(pool, false), nodes(pool, true)]));
    world.batch.pools.values().filter(own).filter_map(of_pool).collect()
}

impl World {
    /// Nodes of a size cannot be allocated any more, with this resize error (`AllocationFailed`,
    /// `OverconstrainedAllocationRequestError`, `UnsupportedVMSize`); `None` as the code ends it.
    pub fn refuse_allocation(&mut self, size: &str, code: Option<&str>, message: &str) {
        let size = size.to_ascii_lowercase();
        match code {
            Some(code) => self.batch.refusals.insert(size, (code.to_owned(), message.to_owned())),
            None => self.batch.refusals.remove(&size),
        };
    }
}

/// Free addresses of the pool's subnet; `None` without a subnet.
fn addresses_left(world: &World, pool: &Pool) -> Option<u32> {
    addresses_left_in(world, &super::wire::subnet_of(world, &pool.id)?)
}

/// Free addresses of a subnet: those that interfaces, nodes and scale sets do not hold.
pub(crate) fn addresses_left_in(world: &World, subnet: &str) -> Option<u32> {
    let net = net_of(world, subnet)?;
    let held = addresses(world, subnet).len() + 5 + crate::scaleset::machines_in(world, subnet) as usize;
    let size = 1_u64 << (32 - u32::from(net.prefix_len()));
    u32::try_from(size.saturating_sub(held as u64)).ok()
}

fn net_of(world: &World, subnet: &str) -> Option<ipnet::Ipv4Net> {
    let subnet = world.resource(subnet)?;
    let prefix = subnet.text("/addressPrefix").or_else(|| subnet.text("/addressPrefixes/0"))?;
    prefix.parse().ok()
}

/// Addresses held in a subnet by interfaces and nodes.
fn addresses(world: &World, subnet: &str) -> BTreeSet<Ipv4Addr> {
    let mut held = crate::network::addresses_in(world, subnet);
    for pool in world.batch.pools.values() {
        if super::wire::subnet_of(world, &pool.id).is_some_and(|id| key(&id) == key(subnet)) {
            held.extend(pool.nodes.values().filter_map(|n| n.address.parse::<Ipv4Addr>().ok()));
        }
    }
    held
}

fn add(world: &mut World, pool_key: &str, spot: bool, count: u32) {
    let Some(pool) = world.batch.pools.get(pool_key).cloned() else { return };
    let subnet = super::wire::subnet_of(world, &pool.id);
    let held = subnet.as_ref().map(|id| addresses(world, id)).unwrap_or_default();
    let net = subnet.and_then(|id| net_of(world, &id));
    let net = net.unwrap_or_else(|| ipnet::Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 16));
    // Azure keeps the first four addresses and the last one.
    let free: Vec<Ipv4Addr> =
        net.hosts().skip(3).filter(|a| !held.contains(a)).take(count as usize).collect();
    world.market.sell(&pool.location, &pool.size, count);
    for address in free {
        super::nodes::create(world, pool_key, spot, address.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_decides_and_is_named() {
        let limits = [limit(4, "A", String::new()), limit(2, "B", String::new())];
        assert_eq!(grant(2, &limits), (2, None));
        let (granted, short) = grant(3, &limits);
        assert_eq!((granted, short.unwrap().error.code.as_str()), (2, "B"));
        assert_eq!(grant(9, &[]), (9, None));
    }
}
