//! What the world costs: list prices of `catalogue::prices` over virtual time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::{self, Location, prices};
use crate::compute::{DISK, VM, quota};
use crate::network::{NATGW, PIP};
use crate::resource::{Resource, parent_of};
use crate::storage::SHARE;
use crate::world::World;

/// Accumulated cost, in micro-USD per hour times milliseconds, so that sums are exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meter {
    spent: BTreeMap<String, u64>,
}

/// Milliseconds of an hour times micro-USD of a dollar.
const UNIT: f64 = 3_600_000.0 * 1_000_000.0;

/// Cost of one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct CostLine {
    /// Resource id; nodes are counted at their pool, instances at their scale set.
    pub id: String,
    /// USD since the world began (per hour, in [`World::hourly_rate`]).
    pub usd: f64,
}

impl World {
    /// What every resource has cost since the world began, sorted by id, gone ones included.
    /// Approximate list prices: see [`crate::catalogue::prices`]. Traffic is not counted.
    pub fn cost(&self) -> Vec<CostLine> {
        let line = |(id, spent): (&String, &u64)| CostLine { id: id.clone(), usd: *spent as f64 / UNIT };
        self.meter.spent.iter().map(line).collect()
    }

    /// All of [`World::cost`] in USD.
    pub fn total_cost(&self) -> f64 {
        self.meter.spent.values().sum::<u64>() as f64 / UNIT
    }

    /// What every resource costs per hour right now; free ones are left out.
    pub fn hourly_rate(&self) -> Vec<CostLine> {
        let line = |(resource, micro): (&Resource, u64)| CostLine {
            id: resource.id.clone(),
            usd: micro as f64 / 1e6,
        };
        rates(self).map(line).collect()
    }

    /// Lets the meter run to a moment.
    pub(crate) fn run_meter(&mut self, to: Timestamp) {
        let passed = u64::try_from(to.duration_since(self.now()).as_millis()).unwrap_or(0);
        if passed == 0 {
            return;
        }
        let mut spent = std::mem::take(&mut self.meter.spent);
        for (resource, micro) in rates(self) {
            match spent.get_mut(&resource.id) {
                Some(sum) => *sum += micro * passed,
                None => _ = spent.insert(resource.id.clone(), micro * passed),
            }
        }
        self.meter.spent = spent;
    }
}

/// Micro-USD per hour of everything that costs something.
fn rates(world: &World) -> impl Iterator<Item = (&Resource, u64)> {
    let one = |(key, resource): (&String, &'_ Resource)| {
        crate::scaleset::rate(world, key).unwrap_or_else(|| rate(world, resource))
    };
    let all = world.resources().iter().filter(|(_, resource)| !resource.foreign);
    all.map(move |entry| (entry.1, one(entry))).filter(|(_, micro)| *micro > 0)
}

fn rate(world: &World, resource: &Resource) -> u64 {
    let place = || resource.location.as_deref().and_then(catalogue::location);
    let per_month = |micro: u64| micro / prices::HOURS_PER_MONTH;
    match resource.kind.as_str() {
        VM => place().map_or(0, |place| machine(resource, place)),
        DISK => place().map_or(0, |place| {
            let kind = resource.extra.get("sku").and_then(|s| s.get("name")).and_then(|n| n.as_str());
            let gib = resource.property("/diskSizeGB").and_then(serde_json::Value::as_u64).unwrap_or(30);
            per_month(prices::disk_month(kind.unwrap_or_default(), u32::try_from(gib).unwrap_or(0), place).1)
        }),
        PIP => prices::PUBLIC_IP,
        NATGW => prices::NAT_HOUR,
        SHARE => {
            let account = parent_of(&resource.id).and_then(parent_of).and_then(|id| world.resource(id));
            let premium = account
                .filter(|a| a.extra.get("kind").and_then(|k| k.as_str()) == Some("FileStorage"))
                .and_then(|a| catalogue::location(a.location.as_deref()?));
            let gib = resource.property("/shareQuota").and_then(serde_json::Value::as_u64).unwrap_or(0);
            premium.map_or(0, |place| per_month(prices::premium_files_gib_month(place) * gib))
        }
        crate::batch::POOL => pool(world, resource),
        _ => 0,
    }
}

/// Stopped machines cost as much as running ones, deallocated ones nothing.
fn machine(vm: &Resource, place: Location) -> u64 {
    let billed = matches!(vm.text("/_sim/power"), Some("running" | "stopped"));
    let tier = if quota::is_spot(vm) { prices::Tier::Spot } else { prices::Tier::Dedicated };
    match quota::size_of(vm) {
        Some(size) if billed => prices::machine(&size, place, tier),
        _ => 0,
    }
}

fn pool(world: &World, resource: &Resource) -> u64 {
    let Some(pool) = world.batch.pools.get(&resource.key()) else { return 0 };
    let (Some(place), Some(size)) = (catalogue::location(&pool.location), catalogue::size(&pool.size)) else {
        return 0;
    };
    let price = |spot: bool| {
        let tier = if spot { prices::Tier::Spot } else { prices::Tier::Dedicated };
        prices::machine(&size, place, tier)
    };
    let billed =
        |spot: bool| pool.nodes.values().filter(|n| n.is_spot() == spot && n.is_billed()).count() as u64;
    billed(false) * price(false) + billed(true) * price(true)
}
