//! POST actions on a set, and its deletion. Recorded: 202 with both links and an empty body.

use serde_json::{Value, json};

use super::state::{Doing, Power};
use super::{Change, begin, changed, effect, grow, named, no_set, shrink};
use crate::compute::check as machine;
use crate::durations::{Verb, seconds};
use crate::fault::OperationFault;
use crate::operation::{Spec, Style, later};
use crate::resource::ProvisioningState;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The verb of a path in lower case.
pub(super) fn verb(request: &Request) -> String {
    request.types.last().map(|verb| verb.to_ascii_lowercase()).unwrap_or_default()
}

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let Some(key) = named(world, request) else { return no_set(request) };
    let verb = verb(request);
    if world.resource(&key).is_some_and(|set| set.state == ProvisioningState::Deleting) {
        return deleting(request, &verb);
    }
    match verb.as_str() {
        "delete" => delete_instances(world, request, &key),
        "deallocate" | "start" | "poweroff" | "restart" | "reimage" | "reimageall" | "redeploy" => {
            with_ids(world, request, &key, |world, numbers| power(world, request, &key, &verb, numbers))
        }
        "manualupgrade" => {
            with_ids(world, request, &key, |world, numbers| upgrade(world, request, &key, numbers))
        }
        "performmaintenance" => {
            let name = world.scale.sets.get(&key).and_then(|set| {
                let (number, _) = set.instances.first_key_value()?;
                Some(set.instance_name(*number))
            });
            no_maintenance(&name.unwrap_or_default())
        }
        "converttosingleplacementgroup" => convert(world, &key),
        "setorchestrationservicestate" => {
            accepted(world, request, &key, Spec::new(Style::Compute, &location(world, &key), 5))
        }
        _ => request.no_such_type(),
    }
}

fn deleting(request: &Request, verb: &str) -> SimResponse {
    let name = request.names.first().map_or("", String::as_str);
    SimResponse::arm_error(
        409,
        "OperationNotAllowed",
        &format!(
            "Operation '{verb}' is not allowed on Virtual Machine Scale Set '{name}' since the Virtual Machine Scale Set is marked for deletion."
        ),
    )
}

/// Recorded.
pub(super) fn no_maintenance(name: &str) -> SimResponse {
    SimResponse::arm_error(
        409,
        "OperationNotAllowed",
        &format!(
            "Operation 'performMaintenance' is not allowed on VM '{name}' since the Subscription of this VM is not eligible."
        ),
    )
}

fn location(world: &World, key: &str) -> String {
    world.scale.sets.get(key).map(|set| set.location.clone()).unwrap_or_default()
}

/// 202 of an operation on the set.
pub(super) fn accepted(world: &mut World, request: &Request, key: &str, spec: Spec) -> SimResponse {
    let operation = begin(world, key, Change::Other, spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}

/// Quoted from public issues (onefuzz 2547): one bad id, and nothing is done.
fn not_active(instance_id: &str) -> SimResponse {
    machine::invalid(
        "instanceIds",
        &format!(
            "The provided instanceId {instance_id} is not an active Virtual Machine Scale Set VM instanceId."
        ),
    )
}

/// The instances that a body names: `*` and no list at all are all of them. Ids of Flexible instances are their names,
/// and are taken as resource ids too.
fn numbers(world: &World, request: &Request, key: &str) -> Result<Vec<u64>, SimResponse> {
    let Some(set) = world.scale.sets.get(key) else { return Err(no_set(request)) };
    let all = || set.instances.keys().copied().collect();
    let Some(ids) = request.body.get("instanceIds").filter(|ids| !ids.is_null()) else { return Ok(all()) };
    let Some(ids) = ids.as_array() else {
        return Err(machine::invalid("instanceIds", "The value of parameter instanceIds is invalid."));
    };
    let mut numbers = Vec::with_capacity(ids.len());
    for id in ids {
        let text = match id {
            Value::String(text) => crate::resource::last_segment(text).to_owned(),
            other => return Err(not_active(&other.to_string())),
        };
        if text == "*" {
            return Ok(all());
        }
        match set.find(&text) {
            Some(number) => numbers.push(number),
            None => return Err(not_active(&text)),
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn with_ids(
    world: &mut World,
    request: &Request,
    key: &str,
    act: impl FnOnce(&mut World, &[u64]) -> SimResponse,
) -> SimResponse {
    match numbers(world, request, key) {
        Ok(numbers) => act(world, &numbers),
        Err(refusal) => refusal,
    }
}

/// Takes exactly these machines; the capacity goes down by as many.
fn delete_instances(world: &mut World, request: &Request, key: &str) -> SimResponse {
    if request.body.get("instanceIds").is_none_or(Value::is_null) {
        return machine::invalid("instanceIds", "Required parameter 'instanceIds' is missing (null).");
    }
    let numbers = match numbers(world, request, key) {
        Ok(numbers) => numbers,
        Err(refusal) => return refusal,
    };
    delete(world, request, key, &numbers)
}

/// Deletes machines of a set by whatever route.
pub(super) fn delete(world: &mut World, request: &Request, key: &str, numbers: &[u64]) -> SimResponse {
    // Of an operation that is to fail, nothing happens.
    if !matches!(world.operation_fault, Some(OperationFault::Fails { .. })) {
        let deleted = shrink::delete(world, key, numbers);
        shrink::lower(world, key, deleted);
    }
    changed(world, key);
    let spec = Spec::new(Style::Compute, &location(world, key), shrink::DELETION);
    accepted(world, request, key, spec)
}

/// What an action does to power, and how long that takes: seconds are estimates.
fn power_of(verb: &str) -> (&'static str, u64) {
    match verb {
        "deallocate" => ("deallocated", 45),
        "poweroff" => ("stopped", 25),
        "start" | "restart" => ("running", 30),
        "redeploy" => ("running", 120),
        _ => ("running", 90),
    }
}

/// Changes the power of machines. Started ones come back into the quota and the market.
pub(super) fn power(
    world: &mut World,
    request: &Request,
    key: &str,
    verb: &str,
    numbers: &[u64],
) -> SimResponse {
    let (to, seconds) = power_of(verb);
    let now = world.now();
    let mut spec = Spec::new(Style::Compute, &location(world, key), seconds).retry_after(0);
    if verb == "start" {
        let Some(set) = world.scale.sets.get(key) else { return no_set(request) };
        let off =
            numbers.iter().filter(|number| set.instances.get(number).is_some_and(|i| !i.is_allocated()));
        let machines = u32::try_from(off.count()).unwrap_or(u32::MAX);
        if let Some(size) = crate::catalogue::size(&set.size).filter(|_| machines > 0) {
            let cores = size.vcpus.saturating_mul(machines);
            let refusal =
                crate::compute::quota::refuse_cores(world, &set.location, &size, set.spot, cores, None);
            if let Some(refusal) = refusal {
                return refusal;
            }
            if set.spot && !grow::has_spot(world, set) {
                let shortage = grow::shortage(set, true, false);
                spec = spec.fails(shortage.status, shortage.code, &shortage.message);
            }
        }
    }
    if let Some(set) = world.scale.sets.get_mut(key) {
        for number in numbers {
            let instance = set.instances.get_mut(number).filter(|instance| instance.doing != Doing::Deleting);
            if let Some(instance) = instance.filter(|instance| instance.has_booted(now)) {
                instance.doing = Doing::Updating;
                instance.ready = Some(later(now, seconds));
                instance.since = now;
            }
        }
    }
    spec = spec.effect(effect(json!({"set": key, "do": "power", "ids": numbers, "to": to})));
    accepted(world, request, key, spec)
}

/// A change of power has happened.
pub(super) fn power_changed(world: &mut World, key: &str, numbers: &[u64], to: &str, failed: bool) {
    let now = world.now();
    let Some(set) = world.scale.sets.get_mut(key) else { return };
    let power = match to {
        "deallocated" => Power::Deallocated,
        "stopped" => Power::Stopped,
        _ => Power::Running,
    };
    for number in numbers {
        let Some(instance) = set.instances.get_mut(number).filter(|i| i.doing != Doing::Deleting) else {
            continue;
        };
        if instance.doing == Doing::Updating {
            instance.ready = Some(now);
        }
        if !failed && instance.has_booted(now) {
            set.set_power(*number, power, now);
        }
    }
    changed(world, key);
}

/// Machines get the set's latest model.
fn upgrade(world: &mut World, request: &Request, key: &str, numbers: &[u64]) -> SimResponse {
    if let Some(set) = world.scale.sets.get_mut(key) {
        let model = set.model;
        for number in numbers {
            if let Some(instance) = set.instances.get_mut(number) {
                instance.model = model;
            }
        }
    }
    let spec = Spec::new(Style::Compute, &location(world, key), 40).retry_after(0);
    accepted(world, request, key, spec)
}

/// Microsoft Learn "Convert to single placement group": sets of more than 100 machines cannot.
fn convert(world: &mut World, key: &str) -> SimResponse {
    let machines = world.scale.sets.get(key).map_or(0, |set| set.instances.len());
    if machines > 100 {
        return SimResponse::arm_error(
            409,
            "OperationNotAllowed",
            "Virtual machine scale sets with more than 100 virtual machines cannot be converted to a single placement group.",
        );
    }
    if let Some(set) = world.resource_mut(key) {
        set.set("singlePlacementGroup", json!(true));
    }
    changed(world, key);
    SimResponse::empty(200)
}

/// DELETE of the set with all its machines.
pub(super) fn delete_set(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(resource) = world.resource(&id) else { return SimResponse::empty(204) };
    let (key, id) = (resource.key(), resource.id.clone());
    let etag = world.scale.get(&id).map(super::state::ScaleSet::etag);
    if let Some(refusal) = request.precondition(etag.as_deref()) {
        return refusal;
    }
    let forced = request.query("forcedeletion").is_some_and(|forced| forced.eq_ignore_ascii_case("true"));
    let now = world.now();
    if let Some(set) = world.scale.sets.get_mut(&key) {
        for instance in set.instances.values_mut().filter(|instance| instance.doing != Doing::Deleting) {
            instance.doing = Doing::Deleting;
            instance.ready = None;
            instance.since = now;
        }
    }
    let usual = seconds(super::SET, Verb::Delete);
    let seconds = if forced { usual / 2 } else { usual };
    let spec = Spec::new(Style::Compute, &location(world, &key), seconds).removes(&id);
    let operation = begin(world, &key, Change::Deletion, spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}
