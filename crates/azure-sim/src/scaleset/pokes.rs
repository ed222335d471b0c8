//! What a test or a scenario does to scale sets behind Azure's back, and what checkers see of them.

use jiff::Timestamp;

use super::boot::{Boot, Boots, NextBoots};
use super::evict;
pub use super::state::Mode;
use super::state::{Instance, ScaleSet};
use crate::resource::{ProvisioningState, key};
use crate::world::World;

/// One machine of a scale set, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// Instance id: a number in Uniform sets, the machine's name in Flexible ones.
    pub instance_id: String,
    /// GUID of the machine, never given twice.
    pub vm_id: String,
    /// Its `provisioningState`.
    pub state: ProvisioningState,
    /// When it was made.
    pub created: Timestamp,
    /// Spot or regular.
    pub spot: bool,
    /// It holds cores: it is not deallocated.
    pub allocated: bool,
    /// `1` to `3`, or none.
    pub zone: Option<u8>,
    /// Its eviction is announced.
    pub evicting: bool,
}

/// A scale set in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetView {
    /// Resource id.
    pub id: String,
    /// Orchestration mode.
    pub mode: Mode,
    /// VM size.
    pub size: String,
    /// `sku.capacity`: what is asked for.
    pub capacity: u32,
    /// Machines there are, those being deleted included.
    pub machines: u32,
    /// The set's `provisioningState`.
    pub state: ProvisioningState,
}

fn view(set: &ScaleSet, number: u64, now: Timestamp) -> Option<InstanceView> {
    let instance = set.instances.get(&number)?;
    Some(InstanceView {
        instance_id: set.instance_id(number),
        vm_id: instance.vm_id.to_string(),
        state: instance.state(now),
        created: instance.created,
        spot: instance.spot,
        allocated: instance.is_allocated(),
        zone: (instance.zone > 0).then_some(instance.zone),
        evicting: instance.notice.is_some(),
    })
}

impl World {
    /// All scale sets, by id.
    pub fn scale_sets(&self) -> Vec<SetView> {
        let view = |(key, set): (&String, &ScaleSet)| {
            let resource = self.resource(key)?;
            Some(SetView {
                id: set.id.clone(),
                mode: set.mode,
                size: set.size.clone(),
                capacity: set.capacity,
                machines: set.machines(),
                state: resource.state,
            })
        };
        self.scale.iter().filter_map(view).collect()
    }

    /// The machines of a set, oldest first; empty when there is no such set.
    pub fn set_instances(&self, set_id: &str) -> Vec<InstanceView> {
        let Some(set) = self.scale.get(set_id) else { return Vec::new() };
        set.instances.keys().filter_map(|number| view(set, *number, self.now())).collect()
    }

    /// Gives the machines of a Uniform set these numbers, in their order: on Azure overprovisioning leaves gaps. There
    /// are as many afterwards, running ones if need be.
    pub fn number_instances(&mut self, set_id: &str, numbers: &[u64]) {
        let now = self.now();
        let vm_ids: Vec<String> = numbers.iter().map(|_| self.guid()).collect();
        let Some(set) = self.scale.get_mut(set_id).filter(|set| set.mode == Mode::Uniform) else { return };
        let old: Vec<u64> = set.instances.keys().copied().collect();
        let mut there: Vec<Instance> = old.into_iter().filter_map(|number| set.remove(number)).collect();
        there.reverse();
        let (model, spot) = (set.model, set.spot);
        for (number, vm_id) in numbers.iter().zip(vm_ids) {
            let instance = there
                .pop()
                .unwrap_or_else(|| Instance::running(vm_id.parse().unwrap_or_default(), now, model, spot));
            set.insert(*number, instance);
        }
    }

    /// Announces the eviction of one machine: it goes in 30 s. `false` when there is none.
    pub fn evict(&mut self, set_id: &str, instance_id: &str) -> bool {
        self.evict_in(set_id, instance_id, evict::NOTICE)
    }

    /// The same with another notice, down to none.
    pub fn evict_in(&mut self, set_id: &str, instance_id: &str, seconds: u64) -> bool {
        let set = key(set_id);
        let number = self.scale.get(&set).and_then(|set| set.find(instance_id));
        number.is_some_and(|number| evict::announce(self, &set, number, seconds))
    }

    /// Announces the eviction of so many Spot machines of all sets, chosen by the seed: set id and instance id of each.
    pub fn evict_some(&mut self, count: usize) -> Vec<(String, String)> {
        let candidates = evict::candidates(self, |_, _| true);
        let chosen = evict::some(self, candidates, count);
        self.named_instances(chosen)
    }

    /// Announces the eviction of all Spot machines of a size in a zone (`None`: of sets without zones) of a region.
    pub fn wipe_out(&mut self, location: &str, size: &str, zone: Option<&str>) -> Vec<(String, String)> {
        let zone = zone.and_then(|zone| zone.parse().ok()).unwrap_or(0_u8);
        let candidates = evict::candidates(self, |set, instance| {
            set.location == location && set.size.eq_ignore_ascii_case(size) && instance.zone == zone
        });
        let count = candidates.len();
        let chosen = evict::some(self, candidates, count);
        self.named_instances(chosen)
    }

    fn named_instances(&self, chosen: Vec<(String, u64)>) -> Vec<(String, String)> {
        let name = |(key, number): (String, u64)| {
            let set = self.scale.sets.get(&key)?;
            Some((set.id.clone(), set.instance_id(number)))
        };
        chosen.into_iter().filter_map(name).collect()
    }

    /// How machines boot from now on.
    pub fn boots(&mut self, boots: Boots) {
        self.scale.boots = boots;
    }

    /// What becomes of the next so many machines of a set (`None`: of any set): slow, failed, stuck.
    pub fn next_boots(&mut self, set_id: Option<&str>, machines: u32, boot: Boot) {
        if machines > 0 {
            self.scale.fates.push(NextBoots { set: set_id.map(key), boot, left: machines });
        }
    }

    /// A machine's creation turns out to have failed, or (`stuck`) to go on for ever. `false` when there is none.
    pub fn break_instance(&mut self, set_id: &str, instance_id: &str, stuck: bool) -> bool {
        let now = self.now();
        let Some(set) = self.scale.get_mut(set_id) else { return false };
        let Some(number) = set.find(instance_id) else { return false };
        let Some(instance) = set.instances.get_mut(&number) else { return false };
        instance.doing = super::state::Doing::Creating;
        instance.fails = !stuck;
        instance.ready = (!stuck).then_some(now);
        instance.since = now;
        super::changed(self, &key(set_id));
        true
    }
}
