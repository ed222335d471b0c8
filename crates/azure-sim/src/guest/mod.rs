//! Inside the Manager VM: how its set-up comes along, and what `flamenco-azure-ctl` answers from a small model
//! of Flamenco workers. One worker per pool node whose start task ended well, named by the node's id.

mod ctl;
mod fleet;
mod scaler;
mod workers;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::compute;
use crate::resource::Resource;
use crate::world::World;

pub(crate) use workers::{connect, disconnect, wiped};

/// What the simulator keeps about guests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Guests {
    /// Workers by name.
    workers: BTreeMap<String, Worker>,
    /// Workers whose machines lost their disks, and their credentials with them: name and Manager. They never come back,
    /// and the machines register as new ones of the same names.
    #[serde(default)]
    former: Vec<(String, String)>,
    /// Set-ups that fail, by VM id in lower case: the reason.
    failures: BTreeMap<String, String>,
    /// Set-ups that never end, by VM id in lower case.
    stuck: std::collections::BTreeSet<String>,
}

/// One Flamenco worker as its Manager sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Worker {
    /// Id of the Manager's VM, lower case.
    manager: String,
    /// Until when it renders.
    rendering_until: Option<Timestamp>,
    /// When a lazy offline request takes effect, or when it went away.
    offline_at: Option<Timestamp>,
    /// Of a machine of a scale set.
    #[serde(default)]
    of_scale_set: bool,
}

/// What a script printed, and how long it took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) seconds: u64,
}

/// How far a VM's set-up is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetUp {
    /// Done at this moment, which may be in the future.
    Done(Timestamp),
    /// It will never be done; the words say why, when there are any.
    Never(Option<String>),
}

/// How far the set-up of a VM is. It takes its time from the first boot, less after later ones, and its mounts must work.
pub(crate) fn set_up(world: &World, vm: &Resource) -> SetUp {
    let key = vm.key();
    if let Some(reason) = world.guests.failures.get(&key) {
        return SetUp::Never(Some(reason.clone()));
    }
    if world.guests.stuck.contains(&key) {
        return SetUp::Never(None);
    }
    if let Some(reason) = mount_trouble(world, vm) {
        return SetUp::Never(Some(reason));
    }
    compute::ready_at(vm).map_or(SetUp::Never(None), SetUp::Done)
}

fn mount_trouble(world: &World, vm: &Resource) -> Option<String> {
    let subnet = subnet_of(world, vm)?;
    crate::storage::mount_trouble(world, &compute::custom_data(vm), &subnet)
}

/// The subnet of a VM's first interface.
pub(crate) fn subnet_of(world: &World, vm: &Resource) -> Option<String> {
    let nic = compute::interfaces_of(&vm.properties).first().and_then(|id| world.resource(id))?;
    let subnet = nic.property("/ipConfigurations/0/properties/subnet");
    crate::resource::reference(subnet).map(str::to_owned)
}

/// `KEY=value` of the environment file inside the customData.
pub(crate) fn setting(custom_data: &str, name: &str) -> Option<String> {
    custom_data.lines().find_map(|line| {
        let value = line.trim().strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim().trim_matches(['\'', '"']).to_owned())
    })
}

/// Whether a VM is a Flamenco Manager.
pub(crate) fn is_manager(vm: &Resource) -> bool {
    vm.is(compute::VM) && setting(&compute::custom_data(vm), "FLAMENCO_VERSION").is_some()
}

/// Runs a script: `flamenco-azure-ctl VERB …` is answered, everything else is silent.
pub(crate) fn run(world: &mut World, vm: &Resource, script: &str) -> Answer {
    let refreshed = refresh(world, vm, script);
    let vm = refreshed.as_ref().unwrap_or(vm);
    let call = script.lines().find_map(|line| line.trim().strip_prefix("flamenco-azure-ctl "));
    match call {
        Some(call) if is_manager(vm) => {
            fleet::sync(world, vm);
            ctl::answer(world, vm, call)
        }
        Some(_) => {
            Answer { stderr: "flamenco-azure-ctl: command not found\n".to_owned(), ..Answer::default() }
        }
        None => scaler::install(world, vm, script).or_else(|| probe(world, vm, script)).unwrap_or_default(),
    }
}

/// The two scripts beside the control program's that the guest knows: a mount with encryption in transit, and
/// `head -c N /dev/zero | tr '\0' x`.
fn probe(world: &World, vm: &Resource, script: &str) -> Option<Answer> {
    if let Some(count) =
        script.lines().find_map(|line| line.trim().strip_prefix("head -c ")?.split(' ').next())
    {
        let stdout = "x".repeat(count.parse::<usize>().ok()?.min(1 << 20));
        return Some(Answer { stdout, ..Answer::default() });
    }
    let mount = script.lines().find(|line| line.contains("mount -t aznfs "))?;
    let subnet = subnet_of(world, vm)?;
    let stdout = match crate::storage::mount_trouble(world, mount, &subnet) {
        None => "{\"mounted\":true}\n".to_owned(),
        Some(why) => format!("{}\n", serde_json::json!({"mounted": false, "why": why})),
    };
    Some(Answer { stdout, stderr: String::new(), seconds: 25 })
}

/// `put MODE /etc/flamenco-azure/manager.env BASE64` replaces the settings of a Manager.
fn refresh(world: &mut World, vm: &Resource, script: &str) -> Option<Resource> {
    let encoded = script.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["put", _, "/etc/flamenco-azure/manager.env", encoded] => Some(encoded.to_owned()),
        _ => None,
    })?;
    let stored = world.resource_mut(&vm.id)?;
    stored.properties["_sim"]["refreshed"] = encoded.into();
    Some(stored.clone())
}

/// A VM is gone, and with it what it knew.
pub(crate) fn forget_manager(world: &mut World, vm: &str) {
    world.guests.workers.retain(|_, worker| worker.manager != vm);
    world.guests.former.retain(|(_, manager)| manager != vm);
    world.guests.failures.remove(vm);
    world.guests.stuck.remove(vm);
}

/// What crash tests compare: how many workers are awake and offline, by Manager.
pub(crate) fn canonical(world: &World) -> serde_json::Value {
    let now = world.now();
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for worker in world.guests.workers.values() {
        let count = counts.entry(&worker.manager).or_default();
        if worker.is_awake(now) {
            count.0 += 1;
        } else {
            count.1 += 1;
        }
    }
    for (_, manager) in &world.guests.former {
        counts.entry(manager).or_default().1 += 1;
    }
    serde_json::json!(counts)
}

impl World {
    /// The set-up of a VM (id in any casing) fails with this reason.
    pub fn set_boot_failure(&mut self, vm: &str, reason: &str) {
        self.guests.failures.insert(crate::resource::key(vm), reason.to_owned());
    }

    /// The set-up of a VM never ends: its service never becomes active.
    pub fn never_ready(&mut self, vm: &str) {
        self.guests.stuck.insert(crate::resource::key(vm));
    }

    /// Takes [`World::set_boot_failure`] and [`World::never_ready`] back.
    pub fn repair_boot(&mut self, vm: &str) {
        let key = crate::resource::key(vm);
        self.guests.failures.remove(&key);
        self.guests.stuck.remove(&key);
    }

    /// The worker of a node renders until then. Says whether there is such a worker.
    pub fn set_rendering(&mut self, node: &str, until: Timestamp) -> bool {
        let now = self.now();
        let Some(worker) = self.guests.workers.get_mut(node) else { return false };
        worker.render(until, now);
        true
    }

    /// Names of the workers that a Manager lists though they do not run.
    pub fn workers_offline(&self) -> Vec<String> {
        let now = self.now();
        let offline = self.guests.workers.iter().filter(|(_, worker)| !worker.is_awake(now));
        let former = self.guests.former.iter().map(|(name, _)| name.clone());
        offline.map(|(name, _)| name.clone()).chain(former).collect()
    }

    /// Names of the workers that are awake now.
    pub fn workers_awake(&self) -> Vec<String> {
        let now = self.now();
        let awake = self.guests.workers.iter().filter(|(_, worker)| worker.is_awake(now));
        awake.map(|(name, _)| name.clone()).collect()
    }
}
