//! Scale sets and their instances as the compute service knows them beyond the sets' resources. Instances are kept in a
//! few words each: what they have in common stands once, in the set.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::resource::ProvisioningState;

/// All scale sets by lower-cased resource id, and how machines boot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ScaleSets {
    pub(super) sets: BTreeMap<String, ScaleSet>,
    /// Bodies of sets that are gone and that lagging lists still show: until when, and the text.
    #[serde(default)]
    pub(super) ghosts: BTreeMap<String, (Timestamp, String)>,
    #[serde(default)]
    pub(super) boots: super::boot::Boots,
    /// What happens to the next machines that boot, in this order.
    #[serde(default)]
    pub(super) fates: Vec<super::boot::NextBoots>,
    #[serde(default)]
    pub(super) spot: super::spot::SpotMarket,
    #[serde(skip)]
    pub(super) texts: super::cache::Texts,
}

/// How a scale set keeps its machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Instances are numbered and belong to the set.
    Uniform,
    /// Instances are virtual machines that name their set.
    Flexible,
}

/// One scale set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScaleSet {
    /// Resource id in the casing of its creation.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) location: String,
    pub(super) mode: Mode,
    /// VM size as the catalogue spells it.
    pub(super) size: String,
    pub(super) vcpus: u32,
    /// Micro-USD per hour of a regular and of a Spot machine.
    pub(super) price: [u64; 2],
    pub(super) capacity: u32,
    /// The profile's priority is Spot.
    pub(super) spot: bool,
    /// An evicted machine is deleted; otherwise it is deallocated and stays.
    pub(super) eviction_deletes: bool,
    /// Spot Priority Mix: regular machines first, and percent of regular ones above that.
    pub(super) mix: Option<(u32, u32)>,
    /// `1` to `3`; empty is regional, zone 0.
    pub(super) zones: Vec<u8>,
    /// Lower-cased subnet id.
    pub(super) subnet: Option<String>,
    /// Number of the next instance; never given twice.
    pub(super) next: u64,
    /// Makes the names of Flexible instances out of their numbers.
    pub(super) salt: u32,
    pub(super) instances: BTreeMap<u64, Instance>,
    /// Instances that are gone and that lagging lists still show, with the end of that.
    #[serde(default)]
    pub(super) ghosts: BTreeMap<u64, (Timestamp, Instance)>,
    /// Counts changes of what is announced to the machines.
    #[serde(default)]
    pub(super) incarnation: u32,
    /// The etag.
    pub(super) version: u64,
    /// Counts changes of the model.
    pub(super) model: u32,
    /// Path of the operation at hand.
    pub(super) running: Option<String>,
    /// Counts operations, so that a stale event is known as one.
    pub(super) round: u64,
    /// Allocated machines by zone: regular and Spot.
    held: BTreeMap<u8, [u32; 2]>,
}

/// What is being done to an instance, or was done last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Doing {
    #[serde(rename = "c")]
    Creating,
    #[serde(rename = "u")]
    Updating,
    #[serde(rename = "d")]
    Deleting,
}

/// Power of an instance that has booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Power {
    #[serde(rename = "r")]
    Running,
    #[serde(rename = "s")]
    Stopped,
    #[serde(rename = "d")]
    Deallocated,
}

/// An announced eviction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) event: Uuid,
    pub(super) not_before: Timestamp,
    pub(super) started: bool,
}

/// One machine of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Instance {
    #[serde(rename = "v")]
    pub(super) vm_id: Uuid,
    #[serde(rename = "c")]
    pub(super) created: Timestamp,
    #[serde(rename = "d")]
    pub(super) doing: Doing,
    /// When what is being done is done; `None` is never.
    #[serde(rename = "r")]
    pub(super) ready: Option<Timestamp>,
    /// It ends Failed.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) fails: bool,
    #[serde(rename = "p")]
    pub(super) power: Power,
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) spot: bool,
    #[serde(rename = "z", default)]
    pub(super) zone: u8,
    /// The model that it was made of.
    #[serde(rename = "m")]
    pub(super) model: u32,
    /// Last change of its state.
    #[serde(rename = "t")]
    pub(super) since: Timestamp,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) notice: Option<Notice>,
}

impl Instance {
    /// One that is up.
    pub(super) fn running(vm_id: Uuid, now: Timestamp, model: u32, spot: bool) -> Self {
        Self {
            vm_id,
            created: now,
            doing: Doing::Creating,
            ready: Some(now),
            fails: false,
            power: Power::Running,
            spot,
            zone: 0,
            model,
            since: now,
            notice: None,
        }
    }

    /// What reads show as its `provisioningState`.
    pub(super) fn state(&self, now: Timestamp) -> ProvisioningState {
        let done = self.ready.is_some_and(|ready| ready <= now);
        match self.doing {
            Doing::Deleting => ProvisioningState::Deleting,
            _ if done && self.fails => ProvisioningState::Failed,
            _ if done => ProvisioningState::Succeeded,
            Doing::Creating => ProvisioningState::Creating,
            Doing::Updating => ProvisioningState::Updating,
        }
    }

    /// Whether its system has come up.
    pub(super) fn has_booted(&self, now: Timestamp) -> bool {
        self.doing != Doing::Creating || (!self.fails && self.ready.is_some_and(|ready| ready <= now))
    }

    /// Whether it holds cores and costs money.
    pub(super) fn is_allocated(&self) -> bool {
        self.power != Power::Deallocated
    }
}

/// Odd, so that multiplying by it is undone by [`UNMIX`].
const MIX: u32 = 0x9E37_79B1;
const UNMIX: u32 = 0x0E8B_2F51;

impl ScaleSet {
    /// A set without instances and with nothing said about its machines.
    pub(super) fn new(id: &str, location: &str, mode: Mode, salt: u32) -> Self {
        Self {
            id: id.to_owned(),
            name: crate::resource::last_segment(id).to_owned(),
            location: location.to_owned(),
            mode,
            size: String::new(),
            vcpus: 0,
            price: [0; 2],
            capacity: 0,
            spot: false,
            eviction_deletes: false,
            mix: None,
            zones: Vec::new(),
            subnet: None,
            next: 0,
            salt,
            instances: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            incarnation: 1,
            version: 1,
            model: 1,
            running: None,
            round: 0,
            held: BTreeMap::new(),
        }
    }

    /// What is announced to the machines has changed.
    pub(super) fn tell(&mut self) {
        self.incarnation += 1;
    }

    /// A copy of all but the instances.
    pub(super) fn shape(&self) -> Self {
        Self {
            zones: self.zones.clone(),
            subnet: self.subnet.clone(),
            size: self.size.clone(),
            vcpus: self.vcpus,
            price: self.price,
            capacity: self.capacity,
            spot: self.spot,
            eviction_deletes: self.eviction_deletes,
            mix: self.mix,
            next: self.next,
            version: self.version,
            model: self.model,
            running: self.running.clone(),
            round: self.round,
            ..Self::new(&self.id, &self.location, self.mode, self.salt)
        }
    }

    /// Takes over the instances of the set that this one comes after.
    pub(super) fn take_instances(&mut self, before: Option<Self>) {
        if let Some(before) = before {
            self.instances = before.instances;
            self.ghosts = before.ghosts;
            self.held = before.held;
            self.incarnation = before.incarnation;
        }
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// Machines that hold cores: regular and Spot.
    pub(crate) fn allocated(&self) -> [u32; 2] {
        self.held.values().fold([0, 0], |sum, held| [sum[0] + held[0], sum[1] + held[1]])
    }

    /// The same in one zone.
    pub(super) fn allocated_in(&self, zone: u8) -> [u32; 2] {
        self.held.get(&zone).copied().unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    pub(crate) fn size(&self) -> &str {
        &self.size
    }

    /// Machines, allocated or not.
    pub(crate) fn machines(&self) -> u32 {
        u32::try_from(self.instances.len()).unwrap_or(u32::MAX)
    }

    /// Micro-USD per hour of all that is allocated.
    pub(crate) fn rate(&self) -> u64 {
        let [regular, spot] = self.allocated();
        u64::from(regular) * self.price[0] + u64::from(spot) * self.price[1]
    }

    /// Number from the eight digits in the name of a Flexible instance.
    pub(super) fn number_of_suffix(&self, suffix: &str) -> Option<u64> {
        if suffix.len() != 8 {
            return None;
        }
        let suffix = u32::from_str_radix(suffix, 16).ok()?;
        Some(u64::from((suffix ^ self.salt).wrapping_mul(UNMIX)))
    }

    /// The eight digits of a Flexible instance.
    pub(super) fn suffix(&self, number: u64) -> u32 {
        (number as u32).wrapping_mul(MIX) ^ self.salt
    }

    /// The instance id as the set's own routes know it: a number, or the machine's name.
    pub(super) fn instance_id(&self, number: u64) -> String {
        match self.mode {
            Mode::Uniform => number.to_string(),
            Mode::Flexible => self.instance_name(number),
        }
    }

    /// `set_3` or `set_1f00a2b3`.
    pub(super) fn instance_name(&self, number: u64) -> String {
        match self.mode {
            Mode::Uniform => format!("{}_{number}", self.name),
            Mode::Flexible => format!("{}_{:08x}", self.name, self.suffix(number)),
        }
    }

    /// The number of an instance id, if there is such an instance. Names are taken in any casing.
    pub(super) fn find(&self, instance_id: &str) -> Option<u64> {
        let number = match self.mode {
            Mode::Uniform => instance_id.parse().ok()?,
            Mode::Flexible => {
                let (set, suffix) = instance_id.rsplit_once('_')?;
                if !set.eq_ignore_ascii_case(&self.name) {
                    return None;
                }
                self.number_of_suffix(suffix)?
            }
        };
        self.instances.contains_key(&number).then_some(number)
    }

    fn count(&mut self, zone: u8, spot: bool, more: bool) {
        let held = &mut self.held.entry(zone).or_default()[usize::from(spot)];
        *held = if more { *held + 1 } else { held.saturating_sub(1) };
    }

    /// Adds an instance under a number.
    pub(super) fn insert(&mut self, number: u64, instance: Instance) {
        self.remove(number);
        if instance.is_allocated() {
            self.count(instance.zone, instance.spot, true);
        }
        self.next = self.next.max(number + 1);
        self.instances.insert(number, instance);
    }

    /// Takes an instance out.
    pub(super) fn remove(&mut self, number: u64) -> Option<Instance> {
        let instance = self.instances.remove(&number)?;
        if instance.is_allocated() {
            self.count(instance.zone, instance.spot, false);
        }
        Some(instance)
    }

    /// Changes the power of an instance.
    pub(super) fn set_power(&mut self, number: u64, power: Power, now: Timestamp) {
        let Some(instance) = self.instances.get_mut(&number) else { return };
        let (zone, spot) = (instance.zone, instance.spot);
        let (before, after) = (instance.is_allocated(), power != Power::Deallocated);
        instance.power = power;
        instance.since = now;
        if before != after {
            self.count(zone, spot, after);
        }
    }
}

impl ScaleSets {
    /// A resource has changed, or may have: if it is that of a set, its texts are no longer good.
    pub(crate) fn resource_changed(&mut self, key: &str) {
        self.texts.forget(key);
    }

    /// A set by id, in any casing.
    pub(super) fn get(&self, id: &str) -> Option<&ScaleSet> {
        self.sets.get(&crate::resource::key(id))
    }

    /// A set for change.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut ScaleSet> {
        self.sets.get_mut(&crate::resource::key(id))
    }

    /// All sets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &ScaleSet)> {
        self.sets.iter()
    }

    /// Spot machines of a size that run in one zone of a region, in all sets.
    pub(super) fn spot_running(&self, location: &str, size: &str, zone: u8) -> u32 {
        let there = |set: &&ScaleSet| set.location == location && set.size.eq_ignore_ascii_case(size);
        self.sets.values().filter(there).map(|set| set.allocated_in(zone)[1]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_numbers() {
        let set = ScaleSet::new("/x/y/farm", "westeurope", Mode::Flexible, 0xDEAD_BEEF);
        assert_eq!(MIX.wrapping_mul(UNMIX), 1);
        for number in 0..1000 {
            let name = set.instance_name(number);
            assert_eq!(set.number_of_suffix(&name[5..]), Some(number), "{name}");
        }
    }
}
