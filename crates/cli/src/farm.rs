//! Puts the crates together: the whole farm as wanted, as observed, paused and resumed. Pure but for [`observe`].

use std::collections::BTreeMap;

use batch_pool::desired::Surroundings;
use batch_pool::formula::Running;
use flamenco_azure_core::arm::{ArmClient, ArmError, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Provisioning};
use flamenco_azure_core::plan::{
    Absent, Action, Condition, GroupWish, Order, TeardownOptions, Verb, Wanted, tag_request,
};
use flamenco_azure_core::pool::Count;
use flamenco_azure_core::spec::{Farm, Fleet};
use flamenco_azure_core::tags::{self, Tags};
use manager_vm::spec::{Names, share, subnets};
use manager_vm::{guest, wire};
use serde_json::json;
use vmss_scaler::file::ScalerFile;
use vmss_scaler::surroundings;

use crate::failure::Outcome;
use crate::fleets;
use crate::session::Session;

/// vCPUs by size, lower-cased.
pub type Cores = BTreeMap<String, u32>;

/// Node counts by pool.
pub type Counts = BTreeMap<String, Count>;

/// Reads everything of the group that the planner compares.
pub async fn observe(client: &ArmClient, group: &ResourceId) -> Result<Inventory, ArmError> {
    let mut inventory = Inventory::default();
    manager_vm::observe::observe(client, group, &mut inventory).await?;
    batch_pool::observe::observe(client, group, &mut inventory).await?;
    surroundings::observe(client, &mut inventory).await?;
    Ok(inventory)
}

fn group_wish(farm: &Farm) -> GroupWish {
    let mut tags: Tags = farm.tags.clone();
    tags.retain(|name, _| !tags::is_reserved(name));
    GroupWish { id: farm.group_id(), location: farm.location.clone(), tags }
}

fn batch_surroundings(farm: &Farm, cores: &Cores) -> Result<Surroundings, manager_vm::Error> {
    let names = Names::of(farm);
    let mut beside = vec![names.vm()];
    beside.extend(share(farm));
    Ok(Surroundings {
        subnet: subnets(farm).1,
        // With its NAT gateway: the nodes have no other way out.
        after: vec![names.vnet()],
        beside,
        start_task: guest::start_task_command(&manager_vm::desired::guest_config(farm))?,
        cores: cores.clone(),
    })
}

/// The farm as the farm file wants it.
pub fn wanted(farm: &Farm, cores: &Cores, inventory: &Inventory) -> Result<Wanted, manager_vm::Error> {
    let around = batch_surroundings(farm, cores)?;
    let mut resources = manager_vm::desired::resources(farm)?;
    resources.extend(batch_pool::desired::resources(farm, &around));
    let mut checkpoints = manager_vm::desired::checkpoints(farm)?;
    checkpoints.extend(batch_pool::desired::checkpoints(farm, &around));
    let mut wanted = Wanted { resources, checkpoints, ..nothing_but_orders(farm) };
    batch_pool::desired::let_nodes_read_packages(farm, inventory, &mut wanted);
    Ok(wanted)
}

fn nothing_but_orders(farm: &Farm) -> Wanted {
    Wanted {
        farm: farm.name.to_string(),
        group: group_wish(farm),
        resources: Vec::new(),
        orders: Vec::new(),
        absent: Vec::new(),
        checkpoints: Vec::new(),
    }
}

/// The Batch account alone, for what is added to it.
pub fn batch_account_only(farm: &Farm) -> Wanted {
    Wanted { resources: vec![batch_pool::desired::batch_account(farm)], ..nothing_but_orders(farm) }
}

/// The farm at rest: no nodes, the Manager's cores released, no NAT gateway. Data and addresses stay. The counts to
/// go back to are written into a tag of the group before anything is touched.
pub fn paused(farm: &Farm, inventory: &Inventory) -> Wanted {
    let names = Names::of(farm);
    let mut wanted = nothing_but_orders(farm);
    let mut before = Vec::new();
    if paused_counts(farm.name.as_str(), inventory).is_none() {
        let mut all = pool_targets(farm, inventory);
        all.extend(fleet_targets(farm, inventory));
        let counts = encode_counts(&all);
        let mark =
            tag_request(&wanted.group.id, "Merge", &json!({tags::paused_tag(farm.name.as_str()): counts}));
        wanted.orders.push(Order {
            resource: wanted.group.id.clone(),
            verb: Verb::Update,
            purpose: "resource group",
            reason: "remembers the node counts to go back to".to_owned(),
            after: Vec::new(),
            action: Action::Send { request: mark },
        });
    }
    for (name, target) in pool_targets(farm, inventory) {
        let id = batch_pool::spec::pool(farm, &name);
        before.push(id.clone());
        let busy = inventory.get(&id).is_some_and(|pool| !batch_pool::service::state_of(&pool.body).steady);
        if busy {
            wanted.orders.push(steady(&id, "an earlier resize is still under way"));
        }
        // A fixed size of 0 also ends the evaluation of a formula.
        let sizes_itself = inventory.get(&id).is_some_and(|pool| Running::read(&pool.body).is_some());
        if target.total() > 0 || sizes_itself {
            wanted.orders.push(resize(&id, Count::default(), "no nodes while paused"));
        }
        if target.total() > 0 || has_nodes(inventory, &id) {
            wanted.orders.push(steady(&id, "until the nodes are gone"));
        }
    }
    before.extend(stop_fleets(farm, inventory, &mut wanted));
    if inventory.get(&names.vm()).is_some_and(|vm| !manager_vm::observe::is_deallocated(vm)) {
        // Workers of nodes that are gone would let jobs wait for them for ever. A Manager that does not answer has
        // nothing to forget, and is paused all the same.
        let script = vec!["flamenco-azure-ctl forget-nodes || echo '{\"done\": true}'".to_owned()];
        wanted.orders.push(Order {
            resource: names.vm(),
            verb: Verb::Update,
            purpose: "Manager VM",
            reason: "forgets the Workers of removed nodes".to_owned(),
            after: before.clone(),
            action: Action::Ask {
                request: manager_vm::desired::run_command(&names.vm(), &script),
                expect: "done".to_owned(),
            },
        });
        wanted.orders.push(power(&names, Verb::Stop, "deallocate", "releases the cores", before.clone()));
    }
    if let Some(mut vnet) =
        manager_vm::desired::vnet_without_nat(farm).filter(|v| inventory.get(&v.id).is_some())
    {
        vnet.after = before;
        vnet.after.push(names.vm());
        wanted.absent.push(Absent {
            id: names.nat(),
            api_version: wire::NETWORK_API,
            purpose: "NAT gateway",
            reason: "costs by the hour and is needed by running machines only".to_owned(),
            after: vec![vnet.id.clone()],
        });
        wanted.resources.push(vnet);
    }
    wanted
}

/// Targets at 0, and the wait until the scaler has removed the nodes. What must be over before the Manager stops.
fn stop_fleets(farm: &Farm, inventory: &Inventory, wanted: &mut Wanted) -> Vec<ResourceId> {
    let running = fleet_targets(farm, inventory).into_iter().filter(|(_, count)| count.total() > 0);
    let zero: Tags = running
        .filter_map(|(name, _)| {
            Some((
                surroundings::tag_names(farm, farm.fleet(&name)?, &group_tags(inventory)).target,
                "0".to_owned(),
            ))
        })
        .collect();
    let mut before = Vec::new();
    if !zero.is_empty() {
        let order = surroundings::set_targets(farm, &zero, "no nodes while paused".to_owned(), Vec::new());
        before.push(order.resource.clone());
        wanted.orders.push(order);
    }
    let sets = inventory.of_kind(vmss_scaler::wire::SCALE_SET);
    for set in sets.filter(|set| inventory.owner(set).as_deref() == Some(farm.name.as_str())) {
        if set.pointer("/sku/capacity").and_then(serde_json::Value::as_u64).unwrap_or(0) == 0 {
            continue;
        }
        let request = Request::get(set.id.as_str()).api_version(vmss_scaler::wire::COMPUTE_API);
        wanted.orders.push(Order {
            resource: set.id.clone(),
            verb: Verb::Await,
            purpose: "scale set",
            reason: "until the scaler has removed the nodes".to_owned(),
            after: before.clone(),
            action: Action::Poll { request, until: Condition::NoMachines },
        });
        before.push(set.id.clone());
    }
    before
}

fn group_tags(inventory: &Inventory) -> Tags {
    inventory.group.as_ref().map(flamenco_azure_core::inventory::Observed::tags).unwrap_or_default()
}

/// The targets of the farm's pools of scale sets whose tag is there and readable.
pub fn fleet_targets(farm: &Farm, inventory: &Inventory) -> Counts {
    let tags = group_tags(inventory);
    let target = |fleet: &Fleet| {
        let text = tags::get(&tags, &surroundings::tag_names(farm, fleet, &tags).target)?;
        let nodes = vmss_scaler::target::parse(text).ok()?;
        Some((fleet.name.clone(), Count { dedicated: 0, spot: nodes }))
    };
    farm.fleets.iter().filter_map(target).collect()
}

/// What a teardown does about the tags of pools of scale sets: targets at 0 first, all of them gone in the end.
pub fn teardown_options(farm: &str, inventory: &Inventory, keep_data: bool) -> TeardownOptions {
    let names = surroundings::target_tags(farm, inventory);
    let have =
        inventory.group.as_ref().map(flamenco_azure_core::inventory::Observed::tags).unwrap_or_default();
    let stop = names
        .iter()
        .filter(|name| {
            surroundings::is_target(name) && tags::get(&have, name).is_some_and(|n| n.trim() != "0")
        })
        .map(|name| (name.clone(), "0".to_owned()))
        .collect();
    let replacing = tags::replacing_tag(farm);
    let names = names.into_iter().chain(tags::get(&have, &replacing).map(|_| replacing.clone())).collect();
    TeardownOptions { keep_data, stop, tags: names }
}

/// A paused farm brought back: what the farm file wants, the Manager started, the pools at the counts they had.
pub fn resumed(farm: &Farm, cores: &Cores, inventory: &Inventory) -> Result<Wanted, manager_vm::Error> {
    let names = Names::of(farm);
    let mut wanted = wanted(farm, cores, inventory)?;
    let mut last = vec![names.vm()];
    start_if_stopped(farm, inventory, &mut wanted);
    for mut order in batch_pool::desired::scaling(farm, inventory) {
        order.after = vec![names.vm(), names.vnet()];
        wanted.orders.push(order);
    }
    let counts = paused_counts(farm.name.as_str(), inventory).unwrap_or_default();
    let have = pool_targets(farm, inventory);
    // A formula decides by itself again.
    let by_formula = |name: &str| farm.pool(name).is_some_and(|pool| pool.autoscale.is_some());
    for (name, target) in counts.iter().filter(|(name, _)| farm.fleet(name).is_none() && !by_formula(name)) {
        let id = batch_pool::spec::pool(farm, name);
        if have.get(name).is_some_and(|have| have != target) && !by_formula(name) {
            let mut order = resize(&id, *target, "back to the count before the pause");
            order.after = vec![names.vm(), names.vnet()];
            wanted.orders.push(order);
        }
        last.push(id);
    }
    let targets: Tags = farm
        .fleets
        .iter()
        .filter_map(|fleet| {
            let before = counts.get(&fleet.name)?.total();
            let now = fleet_targets(farm, inventory).get(&fleet.name).map_or(0, |count| count.total());
            (before != now).then(|| {
                (surroundings::tag_names(farm, fleet, &group_tags(inventory)).target, before.to_string())
            })
        })
        .collect();
    let mark = wanted.group.id.resource("Microsoft.Resources/tags", "default");
    if !targets.is_empty() {
        let reason = "back to the count before the pause".to_owned();
        wanted.orders.push(surroundings::set_targets(farm, &targets, reason, vec![names.vm(), names.vnet()]));
    }
    if paused_counts(farm.name.as_str(), inventory).is_some() {
        let tag = tags::paused_tag(farm.name.as_str());
        let group = inventory.group.as_ref();
        let value = group.and_then(|g| tags::get(&g.tags(), &tag).map(str::to_owned)).unwrap_or_default();
        // On the group's tag resource, so that it comes last and not first as steps on the group do.
        wanted.orders.push(Order {
            action: Action::Send { request: tag_request(&wanted.group.id, "Delete", &json!({tag: value})) },
            resource: mark,
            verb: Verb::Delete,
            purpose: "pause mark",
            reason: "the farm runs again".to_owned(),
            after: last,
        });
    }
    Ok(wanted)
}

/// A Manager that someone stopped is started again: without it the farm does nothing but cost.
pub fn start_if_stopped(farm: &Farm, inventory: &Inventory, wanted: &mut Wanted) {
    let names = Names::of(farm);
    // Starting what starts already does no harm; a start that failed leaves it in between.
    let stopped = |vm| manager_vm::observe::power_state(vm).is_some_and(|state| state != "running");
    if inventory.get(&names.vm()).is_some_and(stopped) {
        let after = vec![names.vnet(), names.nic()];
        wanted.orders.push(power(&names, Verb::Start, "start", "is stopped", after));
    }
}

fn power(names: &Names, verb: Verb, action: &str, reason: &str, after: Vec<ResourceId>) -> Order {
    let request =
        Request::post(format!("{}/{action}", names.vm()), None).api_version(wire::COMPUTE_API).idempotent();
    let reason = reason.to_owned();
    Order {
        resource: names.vm(),
        verb,
        purpose: "Manager VM",
        reason,
        after,
        action: Action::Send { request },
    }
}

fn resize(pool: &ResourceId, target: Count, reason: &str) -> Order {
    Order {
        resource: pool.clone(),
        verb: Verb::Resize,
        purpose: "worker pool",
        reason: reason.to_owned(),
        after: Vec::new(),
        action: Action::Send { request: batch_pool::wire::resize(pool, target) },
    }
}

fn steady(pool: &ResourceId, reason: &str) -> Order {
    let request = Request::get(pool.as_str()).api_version(batch_pool::wire::BATCH_API);
    Order {
        resource: pool.clone(),
        verb: Verb::Await,
        purpose: "worker pool",
        reason: reason.to_owned(),
        after: Vec::new(),
        action: Action::Poll { request, until: Condition::PoolSteady },
    }
}

/// The targets of the farm's pools that exist.
pub fn pool_targets(farm: &Farm, inventory: &Inventory) -> Counts {
    let account = batch_pool::spec::account(farm);
    inventory
        .of_kind(batch_pool::wire::POOL)
        .filter(|pool| pool.id.parent().is_some_and(|parent| parent == account))
        .map(|pool| (pool.id.name().to_owned(), batch_pool::service::state_of(&pool.body).target))
        .collect()
}

fn has_nodes(inventory: &Inventory, pool: &ResourceId) -> bool {
    inventory.get(pool).is_some_and(|pool| batch_pool::service::state_of(&pool.body).current.total() > 0)
}

/// The counts a paused farm goes back to; `None` when it is not paused.
pub fn paused_counts(farm: &str, inventory: &Inventory) -> Option<Counts> {
    let tags = inventory.group.as_ref()?.tags();
    Some(decode_counts(tags::get(&tags, &tags::paused_tag(farm))?))
}

/// The nodes that a pool is to have that is being made anew; `None` when it is not.
pub fn replaced_count(farm: &str, inventory: &Inventory, pool: &str) -> Option<Count> {
    let counts = decode_counts(tags::get(&group_tags(inventory), &tags::replacing_tag(farm))?);
    counts.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(pool)).map(|(_, count)| count)
}

/// A pool's nodes to start with, in place of the farm file's.
pub fn set_counts(farm: &mut Farm, pool: &str, count: Count) {
    for one in farm.pools.iter_mut().filter(|one| one.name.eq_ignore_ascii_case(pool)) {
        (one.dedicated, one.spot) = (count.dedicated, count.spot);
    }
}

/// A pool that was removed to be made anew comes back with the nodes it had, whoever makes it.
pub fn take_up_replaced(farm: &mut Farm, inventory: &Inventory) {
    let names: Vec<String> = farm.pools.iter().map(|pool| pool.name.clone()).collect();
    for name in names {
        let pool = inventory.get(&batch_pool::spec::pool(farm, &name));
        let gone = pool.is_none_or(|pool| pool.provisioning() == Provisioning::Deleting);
        if let Some(count) = replaced_count(farm.name.as_str(), inventory, &name).filter(|_| gone) {
            set_counts(farm, &name, count);
        }
    }
}

/// Keeps a pool's nodes in a tag of the group while it is made anew.
pub fn remember_replaced(
    farm: &Farm,
    inventory: &Inventory,
    pool: &ResourceId,
    count: Count,
    wanted: &mut Wanted,
) {
    let tag = tags::replacing_tag(farm.name.as_str());
    let before = tags::get(&group_tags(inventory), &tag).map(decode_counts).unwrap_or_default();
    let mut counts = before.clone();
    counts.insert(pool.name().to_owned(), count);
    let value = encode_counts(&counts);
    if counts != before {
        let mark = tag_request(&wanted.group.id, "Merge", &json!({tag: value}));
        wanted.orders.push(Order {
            resource: wanted.group.id.clone(),
            verb: Verb::Update,
            purpose: "resource group",
            reason: "remembers how many nodes the pool has".to_owned(),
            after: Vec::new(),
            action: Action::Send { request: mark },
        });
    }
    let mut others = counts;
    others.remove(pool.name());
    wanted.orders.push(forget_replaced(farm, &value, &others, &wanted.group.id, vec![pool.clone()]));
}

/// Takes pools out of the tag of replaced ones once they are there, and with the last one the tag. On the group's tag
/// resource, so that it comes last.
fn forget_replaced(
    farm: &Farm,
    value: &str,
    others: &Counts,
    group: &ResourceId,
    after: Vec<ResourceId>,
) -> Order {
    let tag = tags::replacing_tag(farm.name.as_str());
    let (verb, request) = if others.is_empty() {
        (Verb::Delete, tag_request(group, "Delete", &json!({tag: value})))
    } else {
        (Verb::Update, tag_request(group, "Merge", &json!({tag: encode_counts(others)})))
    };
    Order {
        action: Action::Send { request },
        resource: group.resource("Microsoft.Resources/tags", "default"),
        verb,
        purpose: "replacement mark",
        reason: "the pool is there again".to_owned(),
        after,
    }
}

/// What a deploy does about replacements that were cut off. Pools that it cannot make yet, for want of a package, stay
/// marked.
pub fn end_replacement(farm: &Farm, inventory: &Inventory, wanted: &mut Wanted) {
    let tags = group_tags(inventory);
    let Some(value) = tags::get(&tags, &tags::replacing_tag(farm.name.as_str())) else { return };
    let ids = farm.pools.iter().map(|pool| batch_pool::spec::pool(farm, &pool.name));
    let (made, waiting): (Vec<ResourceId>, Vec<ResourceId>) =
        ids.partition(|id| inventory.get(id).is_some() || wanted.resources.iter().any(|one| one.id == *id));
    let mut others = decode_counts(value);
    let before = others.len();
    others.retain(|name, _| waiting.iter().any(|id| id.name().eq_ignore_ascii_case(name)));
    if others.len() < before || before == 0 {
        let order = forget_replaced(farm, value, &others, &wanted.group.id, made);
        wanted.orders.push(order);
    }
}

fn encode_counts(counts: &Counts) -> String {
    let parts: Vec<_> = counts.iter().map(|(pool, c)| format!("{pool}={}+{}", c.dedicated, c.spot)).collect();
    parts.join(" ")
}

fn decode_counts(text: &str) -> Counts {
    text.split_whitespace()
        .filter_map(|part| {
            let (pool, counts) = part.split_once('=')?;
            let (dedicated, spot) = counts.split_once('+')?;
            Some((pool.to_owned(), Count { dedicated: dedicated.parse().ok()?, spot: spot.parse().ok()? }))
        })
        .collect()
}

/// The scaler's file of the farm that the farm file describes, for a scaler that runs here.
pub async fn scaler_file_of(session: &Session) -> Outcome<ScalerFile> {
    let file = session.standing_farm()?;
    let inventory = observe(&session.client, &file.farm.group_id()).await?;
    fleets::scaler_file(&file.farm, &inventory, None)
}

/// The farms that the group's tags name.
pub fn farms_in(inventory: &Inventory) -> Vec<String> {
    inventory.farms()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_the_tag() {
        let counts = Counts::from([
            ("default".to_owned(), Count { dedicated: 2, spot: 30 }),
            ("gpu_1".to_owned(), Count::default()),
        ]);
        assert_eq!(decode_counts(&encode_counts(&counts)), counts);
        assert_eq!(decode_counts("garbage a=b c=1+x"), Counts::new());
    }
}
