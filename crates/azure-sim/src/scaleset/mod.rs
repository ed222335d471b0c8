//! Microsoft.Compute/virtualMachineScaleSets in both orchestration modes: sets, their instances, evictions, the market.
//!
//! A set is a resource like any other; its instances are kept in a few words each (`state`) and rendered when someone
//! asks. What takes time is told apart from what is done: an instance knows when it will be up, so that nothing has to
//! happen then. Bodies, status codes and headers follow recorded traffic.

mod actions;
mod body;
pub(crate) mod boot;
mod cache;
mod check;
mod evict;
mod grow;
mod instance;
mod list;
mod member;
mod model;
pub(crate) mod pokes;
mod put;
mod render;
mod shrink;
pub(crate) mod spot;
mod state;
mod template;
mod throttle;
pub(crate) mod vm;

use serde_json::{Value, json};

use crate::operation::{Effect, Operation, Outcome, Spec, later};
use crate::resource::{ProvisioningState, Resource, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

pub(crate) use member::{Announcement, Member, consent, member, notices};
use state::ScaleSet;
pub(crate) use state::ScaleSets;
pub(crate) use throttle::take_poll;

/// Full type of scale sets.
pub(crate) const SET: &str = "Microsoft.Compute/virtualMachineScaleSets";

/// Answers for everything at and below scale sets.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match throttle::take(world, request) {
        Err(refusal) => refusal,
        Ok(left) => dispatch(world, request).with_header("x-ms-ratelimit-remaining-resource", &left),
    }
}

fn dispatch(world: &mut World, request: &Request) -> SimResponse {
    let kind = request.kind();
    let below = kind.strip_prefix("virtualmachinescalesets").unwrap_or_default();
    match (request.method.as_str(), below) {
        ("GET", "") if request.is_collection() => list::sets(world, request),
        ("GET", "") => put::get(world, request),
        ("PUT" | "PATCH", "") if request.body.is_object() => put::write(world, request),
        ("DELETE", "") => actions::delete_set(world, request),
        ("GET", "/instanceview") => list::summary(world, request),
        ("GET", "/skus") => list::skus(world, request),
        ("GET", "/osupgradehistory") => list::history(world, request),
        ("GET", "/virtualmachines") if request.is_collection() => list::instances(world, request),
        (_, "/virtualmachines") => instance::handle(world, request),
        ("GET", "/virtualmachines/instanceview") => instance::view(world, request),
        ("POST", below) if below.starts_with("/virtualmachines/") => instance::act(world, request),
        ("POST", _) if request.is_collection() => actions::handle(world, request),
        _ => request.no_such_method(),
    }
}

/// A stored set as the provider renders it.
pub(crate) fn body(world: &World, resource: &Resource) -> Value {
    match world.scale.get(&resource.id) {
        Some(set) => body::json(resource, set),
        None => resource.body(),
    }
}

/// A set's resource is gone.
pub(crate) fn on_removed(world: &mut World, resource: &Resource) {
    let Some(set) = world.scale.sets.remove(&resource.key()) else { return };
    let (now, lag) = (world.now(), world.list_lag_s);
    world.scale.ghosts.retain(|_, (until, _)| *until > now);
    if lag > 0 {
        let text = body::text(resource, &set);
        world.scale.ghosts.insert(resource.key(), (later(now, lag), text));
    }
}

/// Something on the calendar is due.
pub(crate) fn on_effect(world: &mut World, data: &Value) {
    if let Some(place) = data.get("spot").and_then(Value::as_str) {
        return spot::on_effect(world, place, data);
    }
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let set = text("set");
    let numbers = || data["ids"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    match text("do") {
        "end" => {
            let (grown, failed) = (data["grows"] == json!(true), data["failed"] == json!(true));
            end(world, set, data["round"].as_u64().unwrap_or(0), grown, failed);
        }
        "gone" => {
            numbers().for_each(|number| shrink::gone(world, set, number));
        }
        "evict" => evict::carry_out(world, set, data["id"].as_u64().unwrap_or(u64::MAX), text("event")),
        "power" => {
            let failed = data["failed"] == json!(true);
            actions::power_changed(world, set, &numbers().collect::<Vec<_>>(), text("to"), failed);
        }
        _ => {}
    }
}

/// An entry on the calendar of a set.
fn effect(data: Value) -> Effect {
    Effect::Provider { namespace: "microsoft.compute".to_owned(), data }
}

/// An operation of a set has ended; one that was preempted has no say any more.
fn end(world: &mut World, key: &str, round: u64, grown: bool, failed: bool) {
    let now = world.now();
    let Some(set) = world.scale.sets.get_mut(key).filter(|set| set.round == round) else { return };
    set.running = None;
    if grown && !failed {
        // A growth that was ended early has its machines up all the same.
        for instance in set.instances.values_mut() {
            instance.ready = instance.ready.map(|ready| ready.min(now));
        }
    }
    if failed && world.resource(key).is_some_and(|resource| resource.state == ProvisioningState::Deleting) {
        restore(world, key);
    }
    let mut first = false;
    if let Some(resource) = world.resource_mut(key) {
        first = resource.state == ProvisioningState::Creating;
        resource.state = if failed { ProvisioningState::Failed } else { ProvisioningState::Succeeded };
        resource.ready_at = None;
    }
    // Recorded: the first etag that is seen of a Uniform set is "2", of a Flexible one "1".
    if let Some(set) = world.scale.sets.get_mut(key).filter(|set| first && set.mode == state::Mode::Uniform) {
        set.version += 1;
    }
}

/// A set whose deletion failed has its machines still.
fn restore(world: &mut World, key: &str) {
    let now = world.now();
    let Some(set) = world.scale.sets.get_mut(key) else { return };
    for instance in set.instances.values_mut().filter(|instance| instance.doing == state::Doing::Deleting) {
        instance.doing = state::Doing::Updating;
        instance.ready = Some(now);
    }
}

/// What an operation does to a set while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Its first machines come.
    Creation,
    /// Machines come, or could have.
    Growth,
    /// All else.
    Other,
    /// It is being deleted.
    Deletion,
}

/// A newer operation on the same set ends the one at hand (`OperationPreempted`); then it begins.
fn begin(world: &mut World, key: &str, change: Change, spec: Spec, api_version: &str) -> Operation {
    let now = world.now();
    let running = world.scale.sets.get_mut(key).and_then(|set| {
        set.round += 1;
        set.running.take()
    });
    let older = running.and_then(|path| world.operations.find_mut(&path));
    if let Some(older) = older.filter(|older| older.ends.is_none_or(|ends| ends > now)) {
        older.ends = Some(now);
        older.outcome = Outcome::Failed {
            status: 409,
            code: "OperationPreempted".to_owned(),
            message: "Operation execution has been preempted by a more recent operation.".to_owned(),
        };
    }
    let round = world.scale.sets.get(key).map_or(0, |set| set.round);
    let grows = matches!(change, Change::Creation | Change::Growth);
    if let Some(resource) = world.resource_mut(key) {
        resource.state = match change {
            Change::Creation => ProvisioningState::Creating,
            Change::Growth | Change::Other => ProvisioningState::Updating,
            Change::Deletion => ProvisioningState::Deleting,
        };
    }
    let operation = world.begin(
        spec.effect(effect(json!({"set": key, "do": "end", "round": round, "grows": grows}))),
        api_version,
    );
    if let Some(set) = world.scale.sets.get_mut(key) {
        set.running = Some(operation.path.clone());
    }
    operation
}

/// The set has a new etag.
fn changed(world: &mut World, key: &str) {
    if let Some(set) = world.scale.sets.get_mut(key) {
        set.version += 1;
    }
}

/// Changes the wanted number, where lists of resources show it too.
fn set_capacity(world: &mut World, key: &str, capacity: u32) {
    if let Some(set) = world.scale.sets.get_mut(key) {
        set.capacity = capacity;
    }
    if let Some(sku) = world.resource_mut(key).and_then(|resource| resource.extra.get_mut("sku"))
        && sku.is_object()
    {
        sku["capacity"] = json!(capacity);
    }
}

/// The set that a path names, of its own or of a child: its key.
fn named(world: &World, request: &Request) -> Option<String> {
    let name = request.names.first()?;
    let group = request.group.as_deref()?;
    let key = key(&format!("{}/providers/{SET}/{name}", world.group_id(group)));
    world.scale.sets.contains_key(&key).then_some(key)
}

/// 404 for a set that is not there.
fn no_set(request: &Request) -> SimResponse {
    let name = request.names.first().map_or("", String::as_str);
    let group = request.group.as_deref().unwrap_or_default();
    SimResponse::arm_error(
        404,
        "ResourceNotFound",
        &format!(
            "The Resource '{SET}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
    .by_gateway()
}

/// Micro-USD per hour of a set's machines, by the set's key: what is allocated costs, whether or not it is of use.
pub(crate) fn rate(world: &World, key: &str) -> Option<u64> {
    world.scale.sets.get(key).map(ScaleSet::rate)
}

/// Machines that hold an address in a subnet.
pub(crate) fn machines_in(world: &World, subnet: &str) -> u32 {
    let subnet = key(subnet);
    world
        .scale
        .iter()
        .filter(|(_, set)| set.subnet.as_ref() == Some(&subnet))
        .map(|(_, set)| set.machines())
        .sum()
}

/// Machines of sets in this network that have booted and whose customData is about Flamenco: their names, and since when
/// they are up.
pub(crate) fn workers_in(world: &World, network: &str) -> Vec<(String, jiff::Timestamp)> {
    let now = world.now();
    let mut found = Vec::new();
    for (key, set) in world.scale.iter() {
        let near =
            set.subnet.as_deref().and_then(crate::resource::parent_of).is_some_and(|net| net == network);
        if !near
            || !world.resource(key).is_some_and(|set| crate::compute::custom_data(set).contains("flamenco"))
        {
            continue;
        }
        for (number, one) in &set.instances {
            let up = one.ready.filter(|ready| *ready <= now && one.has_booted(now));
            let works = one.doing != state::Doing::Deleting && one.power == state::Power::Running;
            found.extend(up.filter(|_| works).map(|up| (set.instance_name(*number), up)));
        }
    }
    found
}
