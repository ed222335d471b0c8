//! Fewer machines: whom Azure chooses, and how they go.

use std::collections::BTreeMap;

use serde_json::json;

use super::effect;
use super::state::{Doing, ScaleSet};
use crate::operation::later;
use crate::world::World;

/// Seconds from the acceptance of a deletion until the machine is gone.
pub(super) const DELETION: u64 = 50;

/// Machines that are not on their way out.
pub(super) fn staying(set: &ScaleSet) -> u32 {
    let staying = set.instances.values().filter(|instance| instance.doing != Doing::Deleting).count();
    u32::try_from(staying).unwrap_or(u32::MAX)
}

/// Whom a lowered capacity takes (Microsoft Learn "Use custom scale-in policies"): zones are kept balanced first, then
/// by the rule: `Default` and `NewestVM` the highest number, `OldestVM` the lowest.
pub(super) fn victims(set: &ScaleSet, rule: &str, count: u32) -> Vec<u64> {
    let mut zones: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
    for (number, instance) in &set.instances {
        if instance.doing != Doing::Deleting {
            zones.entry(instance.zone).or_default().push(*number);
        }
    }
    if rule.eq_ignore_ascii_case("OldestVM") {
        for numbers in zones.values_mut() {
            numbers.reverse();
        }
    }
    let mut chosen = Vec::new();
    for _ in 0..count {
        let fullest = zones.values_mut().max_by_key(|numbers| (numbers.len(), numbers.last().copied()));
        match fullest.and_then(Vec::pop) {
            Some(number) => chosen.push(number),
            None => break,
        }
    }
    chosen
}

/// Marks machines as being deleted and puts their end on the calendar. Returns how many were not so already.
pub(super) fn delete(world: &mut World, key: &str, numbers: &[u64]) -> u32 {
    let now = world.now();
    let Some(set) = world.scale.sets.get_mut(key) else { return 0 };
    let mut new = Vec::new();
    for number in numbers {
        if let Some(instance) = set.instances.get_mut(number).filter(|i| i.doing != Doing::Deleting) {
            instance.doing = Doing::Deleting;
            instance.ready = None;
            instance.since = now;
            new.push(*number);
        }
    }
    let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
    if count > 0 {
        world.schedule(later(now, DELETION), effect(json!({"set": key, "do": "gone", "ids": new})));
    }
    count
}

/// A machine is gone; lagging lists go on showing it for a while.
pub(super) fn gone(world: &mut World, key: &str, number: u64) {
    let (now, lag) = (world.now(), world.list_lag_s);
    let Some(set) = world.scale.sets.get_mut(key) else { return };
    set.ghosts.retain(|_, (until, _)| *until > now);
    let Some(instance) = set.remove(number) else { return };
    if lag > 0 {
        set.ghosts.insert(number, (later(now, lag), instance));
    }
}

/// The set's capacity goes down.
pub(super) fn lower(world: &mut World, key: &str, by: u32) {
    let capacity = world.scale.sets.get(key).map_or(0, |set| set.capacity.saturating_sub(by));
    super::set_capacity(world, key, capacity);
}
