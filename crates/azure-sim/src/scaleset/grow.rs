//! More machines: as many as the market has, booting at their own times.

use rand::Rng;
use uuid::Uuid;

use super::boot::{self, Boot};
use super::shrink;
use super::state::{Doing, Instance, ScaleSet};
use crate::fault::OperationFault;
use crate::operation::later;
use crate::resource::Resource;
use crate::world::World;

/// Why not all machines came, as the operation says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortage {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// What a growth came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Growth {
    /// Seconds until the last new machine is up, or has failed.
    pub(super) seconds: u64,
    /// Why the operation ends Failed.
    pub(super) failure: Option<Shortage>,
}

/// How long Azure waits for a system that does not come up, seconds.
const PROVISIONING: u64 = 2400;
/// How soon a failed allocation is known, seconds.
const ALLOCATION: u64 = 40;

/// Makes as many machines as the capacity lacks.
pub(super) fn fill(world: &mut World, key: &str) -> Growth {
    let Some(mut set) = world.scale.sets.remove(key) else { return Growth::default() };
    let missing = set.capacity.saturating_sub(shrink::staying(&set));
    let growth = grow(world, &mut set, key, missing);
    world.scale.sets.insert(key.to_owned(), set);
    growth
}

fn grow(world: &mut World, set: &mut ScaleSet, key: &str, missing: u32) -> Growth {
    let mut growth = Growth::default();
    if missing == 0 {
        return growth;
    }
    let custom = world.resource(key).is_some_and(is_custom);
    let mut rooms = rooms(world, set);
    let mut left = if denied(world) { 0 } else { world.market.left(&set.location, &set.size) };
    let before = left;
    let mut short = None;
    for _ in 0..missing {
        let spot = next_is_spot(set);
        let room = rooms
            .iter_mut()
            .filter(|room| left > 0 && (!spot || room.spot > 0))
            .min_by_key(|room| (room.machines, room.zone));
        let Some(room) = room else {
            short = Some(spot);
            break;
        };
        room.machines += 1;
        room.spot = room.spot.saturating_sub(u32::from(spot));
        left = left.saturating_sub(1);
        let zone = room.zone;
        let boot = next_boot(world, set, key, custom);
        growth.note(boot, set);
        let instance = new_instance(world, set, zone, spot, boot);
        let number = set.next;
        set.insert(number, instance);
    }
    world.market.sell(&set.location, &set.size, before.saturating_sub(left));
    if let Some(spot) = short {
        growth.seconds = growth.seconds.max(ALLOCATION);
        let ephemeral = world.resource(key).is_some_and(|set| {
            set.property("/virtualMachineProfile/storageProfile/osDisk/diffDiskSettings").is_some()
        });
        growth.failure = Some(shortage(set, spot, ephemeral));
    }
    growth
}

/// A fault that refuses the allocation lets no machine come.
fn denied(world: &World) -> bool {
    matches!(
        &world.operation_fault,
        Some(OperationFault::Fails { code, .. }) if code.contains("Allocation") || code == "SkuNotAvailable"
    )
}

/// How many machines a zone has, and how many more Spot ones it takes.
#[derive(Debug, Clone, Copy)]
struct Room {
    zone: u8,
    machines: u32,
    spot: u32,
}

/// The set itself is not among the world's sets at this moment.
fn rooms(world: &World, set: &ScaleSet) -> Vec<Room> {
    let zones = if set.zones.is_empty() { vec![0] } else { set.zones.clone() };
    let room = |zone: u8| {
        let [regular, spot] = set.allocated_in(zone);
        let held = world.scale.spot_running(&set.location, &set.size, zone) + spot;
        let capacity = world.scale.spot.capacity(&set.location, &set.size, zone);
        Room { zone, machines: regular + spot, spot: capacity.saturating_sub(held) }
    };
    zones.into_iter().map(room).collect()
}

/// Whether any Spot machine of this kind is to be had at all.
pub(super) fn has_spot(world: &World, set: &ScaleSet) -> bool {
    world.market.left(&set.location, &set.size) > 0 && rooms(world, set).iter().any(|room| room.spot > 0)
}

/// Spot Priority Mix (Microsoft Learn): the base is regular, above it a share; an odd remainder is Spot.
fn next_is_spot(set: &ScaleSet) -> bool {
    let Some((base, percent)) = set.mix else { return set.spot };
    let regular = set.instances.values().filter(|i| !i.spot && i.doing != Doing::Deleting).count() as u64;
    let total = u64::from(shrink::staying(set)) + 1;
    let above = total.saturating_sub(u64::from(base));
    let wanted = total.min(u64::from(base)) + above * u64::from(percent.min(100)) / 100;
    regular >= wanted
}

/// Managed and gallery images are given by id.
pub(super) fn is_custom(set: &Resource) -> bool {
    set.text("/virtualMachineProfile/storageProfile/imageReference/id").is_some()
}

fn next_boot(world: &mut World, set: &ScaleSet, key: &str, custom: bool) -> Boot {
    let waiting =
        |next: &boot::NextBoots| next.left > 0 && next.set.as_ref().is_none_or(|wanted| wanted == key);
    if let Some(index) = world.scale.fates.iter().position(waiting) {
        let fate = &mut world.scale.fates[index];
        fate.left -= 1;
        let boot = fate.boot;
        if fate.left == 0 {
            world.scale.fates.remove(index);
        }
        return boot;
    }
    let boots = world.scale.boots;
    let (time, accident) = (world.rng().random::<f64>(), world.rng().random::<f64>());
    boot::draw(&boots, set.capacity, custom, time, accident)
}

fn new_instance(world: &mut World, set: &ScaleSet, zone: u8, spot: bool, boot: Boot) -> Instance {
    let now = world.now();
    let (ready, fails) = match boot {
        Boot::Up(seconds) => (Some(later(now, seconds)), false),
        Boot::Fails(seconds) => (Some(later(now, seconds)), true),
        Boot::Stuck => (None, false),
    };
    let vm_id = world.guid().parse::<Uuid>().unwrap_or_default();
    Instance { ready, fails, zone, ..Instance::running(vm_id, now, set.model, spot) }
}

impl Growth {
    fn note(&mut self, boot: Boot, set: &ScaleSet) {
        let (seconds, up) = match boot {
            Boot::Up(seconds) => (seconds, true),
            Boot::Fails(seconds) => (seconds, false),
            Boot::Stuck => (PROVISIONING, false),
        };
        self.seconds = self.seconds.max(seconds);
        if !up && self.failure.is_none() {
            let name = set.instance_name(set.next);
            self.failure = Some(Shortage {
                status: 409,
                code: "OSProvisioningTimedOut",
                message: format!(
                    "OS Provisioning for VM '{name}' did not finish in the allotted time. The VM may still finish provisioning successfully. Please check provisioning state later. For details on how to check current provisioning state of Windows VMs, refer to https://aka.ms/WindowsVMLifecycle and Linux VMs, refer to https://aka.ms/LinuxVMLifecycle."
                ),
            });
        }
    }
}

/// Quoted traffic for `AllocationFailed` and `SkuNotAvailable`; the others as Microsoft Learn words them.
pub(super) fn shortage(set: &ScaleSet, spot: bool, ephemeral: bool) -> Shortage {
    const GUIDANCE: &str =
        "Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance";
    let constrained = |more: &str| {
        format!(
            "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too restrictive. Please remove some constraints and try again. Constraints applied are:\n{more}"
        )
    };
    let (code, message) = match (spot, set.zones.is_empty()) {
        (true, true) => (
            "SkuNotAvailable",
            format!(
                "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {}' is currently not available in location '{}'. Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.",
                set.size, set.location
            ),
        ),
        (true, false) => (
            "OverconstrainedZonalAllocationRequest",
            constrained(
                "  - Availability Zone\n  - Low Priority VMs\n  - Preemptible VMs (VM might be preempted by another VM with a higher priority)\n  - VM Size",
            ),
        ),
        (false, true) if ephemeral => (
            "OverconstrainedAllocationRequest",
            constrained(
                "  - Differencing (Ephemeral) Disks\n  - Networking Constraints (such as Accelerated Networking or IPv6)\n  - Subscription Pinning\n  - VM Size",
            ),
        ),
        (false, true) => (
            "AllocationFailed",
            format!(
                "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. {GUIDANCE}"
            ),
        ),
        (false, false) => (
            "ZonalAllocationFailed",
            format!(
                "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone. {GUIDANCE}"
            ),
        ),
    };
    Shortage { status: 409, code, message }
}
