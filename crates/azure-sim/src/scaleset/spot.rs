//! How many Spot machines a place has for us, and how that changes: set, by script, or by a seeded walk.

use std::collections::BTreeMap;

use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::evict;
use crate::operation::{Effect, later};
use crate::world::World;

/// A walk of a place's Spot capacity: every so often up or down by at most `step`, within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpotWalk {
    /// Fewest machines.
    pub least: u32,
    /// Most machines.
    pub most: u32,
    /// Largest change at once.
    pub step: u32,
    /// Virtual seconds from one change to the next.
    pub every_s: u64,
}

/// Capacity by `region/size/zone` in lower case (zone 0 is a set without zones); absent is plenty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpotMarket {
    places: BTreeMap<String, u32>,
    walks: BTreeMap<String, SpotWalk>,
}

/// A place of the Spot market.
fn place(location: &str, size: &str, zone: u8) -> String {
    format!("{location}/{size}/{zone}").to_ascii_lowercase()
}

fn taken_apart(place: &str) -> Option<(&str, &str, u8)> {
    let mut words = place.split('/');
    Some((words.next()?, words.next()?, words.next()?.parse().ok()?))
}

impl SpotMarket {
    /// Machines that a place holds, running ones included.
    pub(super) fn capacity(&self, location: &str, size: &str, zone: u8) -> u32 {
        self.places.get(&place(location, size, zone)).copied().unwrap_or(u32::MAX)
    }
}

fn zone_number(zone: Option<&str>) -> u8 {
    zone.and_then(|zone| zone.parse().ok()).unwrap_or(0)
}

impl World {
    /// Says how many Spot machines of a size a zone (`None`: sets without zones) has for this subscription, those that
    /// run included. What runs above that is evicted, chosen by the seed, with the usual notice of 30 s.
    /// `None` machines is plenty again.
    pub fn spot_capacity(&mut self, location: &str, size: &str, zone: Option<&str>, machines: Option<u32>) {
        set(self, &place(location, size, zone_number(zone)), machines);
    }

    /// The same at a later moment: a script of the market.
    pub fn spot_capacity_at(
        &mut self,
        at: jiff::Timestamp,
        location: &str,
        size: &str,
        zone: Option<&str>,
        machines: Option<u32>,
    ) {
        let data =
            json!({"spot": place(location, size, zone_number(zone)), "do": "set", "machines": machines});
        self.schedule(at, effect(data));
    }

    /// Lets the capacity of a place walk from where it is (or from the most) until the world ends; `None` ends the walk.
    pub fn spot_walk(&mut self, location: &str, size: &str, zone: Option<&str>, walk: Option<SpotWalk>) {
        let place = place(location, size, zone_number(zone));
        let Some(walk) = walk else {
            self.scale.spot.walks.remove(&place);
            return;
        };
        if self.scale.spot.walks.insert(place.clone(), walk).is_none() {
            self.schedule(
                later(self.now(), walk.every_s.max(1)),
                effect(json!({"spot": place, "do": "walk"})),
            );
        }
    }
}

fn effect(data: serde_json::Value) -> Effect {
    Effect::Provider { namespace: "microsoft.compute".to_owned(), data }
}

/// A change of the market is due.
pub(super) fn on_effect(world: &mut World, place: &str, data: &serde_json::Value) {
    if data["do"] == "set" {
        let machines = data["machines"].as_u64().and_then(|machines| u32::try_from(machines).ok());
        return set(world, place, machines);
    }
    let Some(walk) = world.scale.spot.walks.get(place).copied() else { return };
    let step = i64::from(walk.step);
    let change = world.rng().random_range(-step..=step);
    let now = i64::from(world.scale.spot.places.get(place).copied().unwrap_or(walk.most).min(walk.most));
    let next = (now + change).clamp(i64::from(walk.least), i64::from(walk.most));
    set(world, place, u32::try_from(next).ok());
    world.schedule(later(world.now(), walk.every_s.max(1)), effect(json!({"spot": place, "do": "walk"})));
}

fn set(world: &mut World, place: &str, machines: Option<u32>) {
    match machines {
        Some(machines) => world.scale.spot.places.insert(place.to_owned(), machines),
        None => world.scale.spot.places.remove(place),
    };
    let (Some(machines), Some((location, size, zone))) = (machines, taken_apart(place)) else { return };
    let candidates = evict::candidates(world, |set, instance| {
        set.location == location && set.size.eq_ignore_ascii_case(size) && instance.zone == zone
    });
    // Those that have their notice already go anyway.
    let running = world.scale.spot_running(location, size, zone) as usize;
    let going = running.saturating_sub(candidates.len());
    let surplus = (running - going).saturating_sub(machines as usize);
    evict::some(world, candidates, surplus);
}
