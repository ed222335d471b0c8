//! One machine of a set, as its own metadata service needs it.

use serde_json::json;
use uuid::Uuid;

use super::state::{Instance, Mode, Power};
use super::{effect, render};
use crate::compute::VM;
use crate::resource::key;
use crate::world::World;

/// What a machine of a set knows about itself.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Id of its set.
    pub(crate) set: String,
    number: u64,
    pub(crate) name: String,
    pub(crate) resource_id: String,
    pub(crate) vm_id: String,
    pub(crate) size: String,
    pub(crate) zone: String,
    pub(crate) computer: String,
    pub(crate) spot: bool,
    /// Private address; empty when there is none to tell.
    pub(crate) address: String,
}

/// An announced eviction as the metadata service shows it.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) event: Uuid,
    pub(crate) machine: String,
    pub(crate) not_before: String,
    pub(crate) started: bool,
}

fn is_up(instance: &Instance, now: jiff::Timestamp) -> bool {
    instance.power == Power::Running && instance.has_booted(now)
}

/// A running machine by vmId, or by resource id in either mode.
pub(crate) fn member(world: &World, id: &str) -> Option<Member> {
    let now = world.now();
    let (key, number) = if id.contains('/') { by_id(world, id)? } else { by_vm_id(world, id.parse().ok()?)? };
    let set = world.scale.sets.get(&key)?;
    let instance = set.instances.get(&number).filter(|instance| is_up(instance, now))?;
    let resource = world.resource(&key)?;
    let name = set.instance_name(number);
    let resource_id = match set.mode {
        Mode::Uniform => format!("{}/virtualMachines/{number}", set.id),
        Mode::Flexible => format!("{}/providers/{VM}/{name}", world.group_id(&resource.group)),
    };
    let prefix = resource.text("/virtualMachineProfile/osProfile/computerNamePrefix").unwrap_or_default();
    Some(Member {
        set: set.id.clone(),
        number,
        name,
        resource_id,
        vm_id: instance.vm_id.to_string(),
        size: set.size.clone(),
        zone: if instance.zone == 0 { String::new() } else { instance.zone.to_string() },
        computer: render::computer_name(prefix, set, number),
        spot: instance.spot,
        address: String::new(),
    })
}

fn by_vm_id(world: &World, vm_id: Uuid) -> Option<(String, u64)> {
    world.scale.iter().find_map(|(key, set)| {
        let found = set.instances.iter().find(|(_, instance)| instance.vm_id == vm_id);
        found.map(|(number, _)| (key.clone(), *number))
    })
}

fn by_id(world: &World, id: &str) -> Option<(String, u64)> {
    let (front, name) = id.trim_end_matches('/').rsplit_once('/')?;
    let set =
        front.strip_suffix("/virtualMachines").map(key).filter(|set| world.scale.sets.contains_key(set));
    if let Some(set) = set {
        let number = world.scale.sets.get(&set)?.find(name)?;
        return Some((set, number));
    }
    super::vm::find(world, crate::resource::group_of(id)?, name)
}

/// The events that a machine sees: its own, and in Uniform sets those of the whole placement group (Microsoft Learn
/// "Scheduled Events").
pub(crate) fn notices(world: &World, member: &Member) -> (u32, Vec<Announcement>) {
    let Some(set) = world.scale.get(&member.set) else { return (1, Vec::new()) };
    let sees = |number: u64| set.mode == Mode::Uniform || number == member.number;
    let notices =
        set.instances.iter().filter(|(number, _)| sees(**number)).filter_map(|(number, instance)| {
            let notice = instance.notice.as_ref()?;
            Some(Announcement {
                event: notice.event,
                machine: set.instance_name(*number),
                not_before: notice.not_before.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
                started: notice.started,
            })
        });
    (set.incarnation, notices.collect())
}

/// A machine lets an announced eviction begin early. `false` when it sees no such event.
pub(crate) fn consent(world: &mut World, member: &Member, event: &str) -> bool {
    let now = world.now();
    let key = key(&member.set);
    let Some(set) = world.scale.sets.get_mut(&key) else { return false };
    let uniform = set.mode == Mode::Uniform;
    let seen = set.instances.iter_mut().find(|(number, instance)| {
        let is_it = instance.notice.as_ref().is_some_and(|notice| notice.event.to_string() == event);
        is_it && (uniform || **number == member.number)
    });
    let Some((number, instance)) = seen else { return false };
    let number = *number;
    if let Some(notice) = &mut instance.notice {
        notice.started = true;
        notice.not_before = now;
    }
    set.tell();
    world.schedule(now, effect(json!({"set": key, "do": "evict", "id": number, "event": event})));
    true
}
