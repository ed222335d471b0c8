//! Evictions: a notice of 30 seconds in the machine's metadata service, then the machine is deleted or deallocated.

use rand::Rng;
use serde_json::json;
use uuid::Uuid;

use super::state::{Doing, Instance, Notice, Power, ScaleSet};
use super::{changed, effect, shrink};
use crate::operation::later;
use crate::world::World;

/// Seconds from the notice to the end (Microsoft Learn "Scheduled Events": up to 30, best effort).
pub(super) const NOTICE: u64 = 30;

/// Spot machines that run, have no notice yet and are as asked for: set and number.
pub(super) fn candidates(world: &World, fits: impl Fn(&ScaleSet, &Instance) -> bool) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for (key, set) in world.scale.iter() {
        if set.allocated()[1] == 0 {
            continue;
        }
        for (number, instance) in &set.instances {
            let alive = instance.spot && instance.is_allocated() && instance.doing != Doing::Deleting;
            if alive && instance.notice.is_none() && fits(set, instance) {
                found.push((key.clone(), *number));
            }
        }
    }
    found
}

/// Announces the eviction of so many of these, chosen by the seed. Returns those chosen.
pub(super) fn some(
    world: &mut World,
    mut candidates: Vec<(String, u64)>,
    count: usize,
) -> Vec<(String, u64)> {
    let count = count.min(candidates.len());
    for index in 0..count {
        let other = world.rng().random_range(index..candidates.len());
        candidates.swap(index, other);
    }
    candidates.truncate(count);
    for (set, number) in &candidates {
        announce(world, set, *number, NOTICE);
    }
    candidates
}

/// Announces the eviction of one machine that ends so many seconds later. `false` when there is none.
pub(super) fn announce(world: &mut World, key: &str, number: u64, seconds: u64) -> bool {
    let not_before = later(world.now(), seconds);
    let event = world.guid().parse::<Uuid>().unwrap_or_default();
    let Some(set) = world.scale.sets.get_mut(key) else { return false };
    let Some(instance) = set.instances.get_mut(&number) else { return false };
    instance.notice = Some(Notice { event, not_before, started: false });
    set.tell();
    world.schedule(not_before, effect(json!({"set": key, "do": "evict", "id": number, "event": event})));
    true
}

/// The eviction takes place, unless the machine is gone or another notice counts now.
pub(super) fn carry_out(world: &mut World, key: &str, number: u64, event: &str) {
    let now = world.now();
    let Some(set) = world.scale.sets.get_mut(key) else { return };
    let Some(instance) = set.instances.get_mut(&number) else { return };
    let this = instance.notice.as_ref().is_some_and(|notice| notice.event.to_string() == event);
    if !this {
        return;
    }
    instance.notice = None;
    let leaving = instance.doing == Doing::Deleting;
    set.tell();
    if leaving {
        return; // someone else deletes it already, and has counted that
    }
    let Some(instance) = set.instances.get_mut(&number) else { return };
    if instance.doing == Doing::Deleting {
        return; // someone else deletes it already, and has counted that
    }
    if set.eviction_deletes {
        shrink::gone(world, key, number);
        shrink::lower(world, key, 1);
    } else {
        instance.doing = Doing::Updating;
        instance.ready = Some(now);
        instance.fails = false;
        set.set_power(number, Power::Deallocated, now);
    }
    changed(world, key);
}
