//! Independent judges: what must hold at every moment of a farm's life, told from the world and the wire alone. They
//! know nothing of what a scaler keeps in mind.
//!
//! A scaler cannot know more than its last look showed, so each bound is that of a short time back: [`WINDOW`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use azure_sim::{InstanceView, ProvisioningState, SetView, World};
use flamenco_azure_core::tags;
use jiff::Timestamp;
use serde_json::{Value, json};
use vmss_scaler::scaler::Pool;
use vmss_scaler::spec::Policy;
use vmss_scaler::store::WRITE_WITHIN;
use vmss_scaler::target::{TOTAL_NODES_NOW, parse};

use crate::tap::{Call, LATE, Listener};
use crate::yard::Yard;

/// How far back a scaler may have looked: the age of what it decides from, a slow pass, and Azure's lag.
pub const WINDOW: Duration = Duration::from_secs(150);
/// How long a target that was set may go unread, as when the tags cannot be read.
const UNREAD: Duration = Duration::from_mins(20);

/// What a pool may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The resource group's id.
    pub group: String,
    /// The farm, as in the ownership tag.
    pub farm: String,
    /// Most nodes.
    pub max_nodes: u32,
    /// How many more while nodes are missing.
    pub overprovision: u32,
    /// How long a machine may be in the making.
    pub boot_budget: Duration,
    /// Nodes per set.
    pub density: u32,
    /// Places.
    pub placements: usize,
}

impl Limits {
    /// What this pool of a yard's farm may do.
    pub fn of(yard: &Yard, pool: &Pool) -> Self {
        let Policy { max_nodes, overprovision, boot_budget, density, .. } = pool.policy;
        Self {
            group: yard.group.to_string(),
            farm: pool.policy.farm.clone(),
            max_nodes,
            overprovision,
            boot_budget,
            density,
            placements: pool.policy.placements.len(),
        }
    }
}

/// Judges one farm.
#[derive(Debug)]
pub struct Judge {
    limits: Limits,
    /// What was found wrong, the first one first.
    pub wrong: Vec<String>,
    /// When each good target was set.
    wanted: Vec<(Timestamp, u32)>,
    /// What [`TOTAL_NODES_NOW`] said, and since when.
    shown: Vec<(Timestamp, u32)>,
    /// Machines whose deletion was asked for, and when first.
    asked: BTreeMap<String, Timestamp>,
    /// Nodes there were at a time.
    live: VecDeque<(Timestamp, u32)>,
    /// Machines that were deleted without having been asked to go.
    let_go: VecDeque<(Timestamp, String)>,
    /// Machines whose deletion Azure accepted: until it can be known that it failed, nobody counts them.
    promised: VecDeque<(Timestamp, String)>,
    /// More nodes that somebody else is to blame for, until when.
    blame: Vec<(Timestamp, u32)>,
    /// Sets that are no longer ours, and since when.
    disowned: BTreeMap<String, Timestamp>,
    /// The identity behind each name of a set that ever was.
    names: BTreeMap<String, String>,
    /// When each process sent the last renewal of the lease that it knows of.
    leases: BTreeMap<String, Timestamp>,
    /// What is not ours, as it was in the beginning.
    foreign: BTreeMap<String, Value>,
    /// Machines in sets whose deletion is on its way.
    doomed: BTreeMap<(String, String), usize>,
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

impl Judge {
    /// A judge of a farm with these limits. What is there now and is not the farm's is foreign.
    pub fn new(limits: Limits, world: &World) -> Self {
        let mut judge = Self {
            limits,
            wrong: Vec::new(),
            wanted: vec![(world.now(), 0)],
            shown: Vec::new(),
            asked: BTreeMap::new(),
            live: VecDeque::new(),
            let_go: VecDeque::new(),
            promised: VecDeque::new(),
            blame: Vec::new(),
            disowned: BTreeMap::new(),
            names: BTreeMap::new(),
            leases: BTreeMap::new(),
            foreign: BTreeMap::new(),
            doomed: BTreeMap::new(),
        };
        judge.foreign = Self::others(world);
        judge
    }

    /// A target was set that is one.
    pub fn wants(&mut self, now: Timestamp, nodes: u32) {
        self.wanted.push((now, nodes));
    }

    /// A message names this machine.
    pub fn asks(&mut self, now: Timestamp, vm: &str) {
        self.asked.entry(vm.to_owned()).or_insert(now);
    }

    /// Somebody made so many nodes, or hid so many, by hand.
    pub fn blames(&mut self, until: Timestamp, nodes: u32) {
        self.blame.push((until, nodes));
    }

    /// Somebody took the tags off a set.
    pub fn disowns(&mut self, now: Timestamp, set: &str) {
        self.disowned.insert(set.to_ascii_lowercase(), now);
    }

    fn blamed(&self, now: Timestamp) -> u32 {
        self.blame.iter().filter(|(until, _)| *until > now).map(|(_, nodes)| nodes).sum()
    }

    /// The farm's sets.
    pub fn sets(&self, world: &World) -> Vec<SetView> {
        let own = |set: &SetView| {
            let tags = world.resource(&set.id).and_then(|one| one.tags.as_ref());
            tags.is_some_and(|all| tags_of(all, &self.limits.farm))
        };
        world.scale_sets().into_iter().filter(own).collect()
    }

    /// Whether a machine is one that counts: not on its way out, not asked to go, not broken.
    fn counts(&self, one: &InstanceView, now: Timestamp) -> bool {
        let fit = match one.state {
            ProvisioningState::Deleting | ProvisioningState::Failed => false,
            ProvisioningState::Creating => {
                now.duration_since(one.created).unsigned_abs() < self.limits.boot_budget
            }
            _ => true,
        };
        fit && one.allocated && !self.asked.contains_key(&one.vm_id)
    }

    fn nodes(&self, world: &World) -> u32 {
        let now = world.now();
        let count = |set: &SetView| {
            world.set_instances(&set.id).iter().filter(|one| self.counts(one, now)).count() as u32
        };
        self.sets(world).iter().map(count).sum()
    }

    /// The targets that a scaler may go by now: what it shows, and what was set since.
    fn targets(&self, now: Timestamp) -> Vec<u32> {
        let from = before(now, WINDOW);
        let mut all = Vec::new();
        // A value lasts until the next one.
        for (index, (_, nodes)) in self.shown.iter().enumerate() {
            let ends = self.shown.get(index + 1).map_or(Timestamp::MAX, |(at, _)| *at);
            if ends >= from {
                all.push(*nodes);
            }
        }
        let shown_since = self.shown.last().map_or(Timestamp::MIN, |(at, _)| *at);
        for (index, (at, nodes)) in self.wanted.iter().enumerate() {
            let ends = self.wanted.get(index + 1).map_or(Timestamp::MAX, |(at, _)| *at);
            if ends >= from && (*at >= from || *at >= shown_since) {
                all.push(*nodes);
            }
        }
        all.iter().map(|nodes| (*nodes).min(self.limits.max_nodes)).collect()
    }

    fn say(&mut self, now: Timestamp, what: impl std::fmt::Display) {
        self.wrong.push(format!("{}: {what}", now.strftime("%H:%M:%S")));
    }

    fn note_live(&mut self, world: &World) -> u32 {
        let (now, live) = (world.now(), self.nodes(world));
        self.live.push_back((now, live));
        let from = before(now, WINDOW);
        while self.live.len() > 1 && self.live[1].0 < from {
            self.live.pop_front();
        }
        for recent in [&mut self.let_go, &mut self.promised] {
            while recent.front().is_some_and(|(at, _)| *at < from) {
                recent.pop_front();
            }
        }
        live
    }

    /// Looks at the world between two calls.
    pub fn tick(&mut self, world: &World) {
        self.note_live(world);
        self.names(world);
        self.count(world);
        let now = Self::others(world);
        let changed: Vec<&String> =
            self.foreign.keys().filter(|id| now.get(*id) != self.foreign.get(*id)).collect();
        if !changed.is_empty() {
            self.say(world.now(), format!("what is not ours has changed: {changed:?}"));
        }
    }

    /// Everything foreign that stays as it is when nobody touches it.
    fn others(world: &World) -> BTreeMap<String, Value> {
        let own = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.contains("/virtualmachinescalesets/") && !name.contains("foreign")
        };
        let mut all = BTreeMap::new();
        for (id, one) in world.resources().iter().filter(|(id, _)| !own(id)) {
            all.insert(
                id.clone(),
                json!({"tags": one.tags, "sku": one.extra.get("sku"), "properties": one.properties}),
            );
        }
        for set in world.scale_sets().iter().filter(|set| set.id.contains("foreign")) {
            let machines: Vec<String> =
                world.set_instances(&set.id).into_iter().map(|one| one.vm_id).collect();
            all.insert(format!("{}/machines", set.id), json!([set.capacity, machines]));
        }
        for (name, group) in world.groups() {
            let tags: BTreeMap<_, _> =
                group.tags.iter().flatten().filter(|(name, _)| !name.starts_with("TOTAL_NODES")).collect();
            all.insert(name.clone(), json!(tags));
        }
        all
    }

    /// Names are never used twice.
    fn names(&mut self, world: &World) {
        for set in world.scale_sets() {
            let unique = world.resource(&set.id).and_then(|one| one.text("/uniqueId")).unwrap_or_default();
            let known = self.names.entry(set.id.to_ascii_lowercase()).or_insert_with(|| unique.to_owned());
            if known != unique {
                unique.clone_into(known);
                self.say(world.now(), format!("the name of {} is used again", set.id));
            }
        }
    }

    /// The target that is shown is one that was set, less at most the machines that were asked to go.
    fn count(&mut self, world: &World) {
        let now = world.now();
        let tags = world.groups().values().find(|one| self.limits.group.ends_with(&one.name));
        let text = tags.and_then(|one| one.tags.as_ref()).and_then(|all| all.get(TOTAL_NODES_NOW));
        let Some(nodes) = text.and_then(|text| parse(text).ok()) else { return };
        if self.shown.last().is_some_and(|(_, last)| *last == nodes) {
            return;
        }
        self.shown.push((now, nodes));
        let from = before(now, UNREAD);
        let possible = self.wanted.iter().enumerate().any(|(index, (at, base))| {
            let in_force = self.wanted.get(index + 1).is_none_or(|(next, _)| *next >= from);
            let asked = self.asked.values().filter(|when| **when >= before(*at, UNREAD)).count() as u32;
            in_force && nodes <= *base && base - nodes <= asked
        });
        if !possible {
            let recent: Vec<_> = self.wanted.iter().rev().take(3).map(|(_, nodes)| nodes).collect();
            self.say(now, format!("the target is {nodes}, which nobody asked for: {recent:?} were set last"));
        }
    }

    fn secrets(&mut self, call: &Call) {
        const MARKS: [&str; 6] = ["sim-token", "Bearer ", "AccountKey", "SharedKey", "sig=", "PRIVATE KEY"];
        for mark in MARKS {
            if call.url.contains(mark) || call.body.contains(mark) {
                self.say(call.arrived, format!("a secret ({mark}) in {} {}", call.method, call.url));
            }
        }
    }

    fn lease(&mut self, call: &Call) {
        let sure = self
            .leases
            .get(&call.process)
            .is_some_and(|renewed| call.sent.duration_since(*renewed).unsigned_abs() <= WRITE_WITHIN);
        if !sure {
            let last = self.leases.get(&call.process).copied();
            self.say(
                call.sent,
                format!(
                    "{} writes without a fresh lease ({last:?}): {} {}",
                    call.process, call.method, call.url
                ),
            );
        }
    }

    /// The set that a write is about, and the machines that it would delete.
    fn aim(call: &Call) -> Aim {
        let path =
            call.url.split('?').next().unwrap_or_default().trim_start_matches("https://management.azure.com");
        let parts: Vec<&str> = path.split('/').collect();
        let place = |word: &str| parts.iter().position(|part| part.eq_ignore_ascii_case(word));
        if let Some(at) = place("virtualMachineScaleSets") {
            let set = parts[..=at + 1].join("/");
            let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
            let named = body["instanceIds"].as_array().into_iter().flatten();
            let named = || named.clone().filter_map(|id| Some(id.as_str()?.to_owned())).collect();
            return match (call.method.as_str(), parts.get(at + 2), parts.get(at + 3)) {
                ("DELETE", None, _) => Aim::Removal(set),
                ("POST", Some(verb), None) if verb.eq_ignore_ascii_case("delete") => {
                    Aim::Machines(set, named())
                }
                ("DELETE", Some(_), Some(id)) => Aim::Machines(set, vec![(*id).to_owned()]),
                ("PUT" | "PATCH", None, _) => Aim::Change(set),
                _ => Aim::Other,
            };
        }
        if let Some(at) = place("virtualMachines")
            && call.method == "DELETE"
            && let Some(name) = parts.get(at + 1)
            && let Some((set, _)) = name.rsplit_once('_')
        {
            let set = format!("{}/virtualMachineScaleSets/{set}", parts[..at].join("/"));
            return Aim::Machines(set, vec![(*name).to_owned()]);
        }
        if path.to_ascii_lowercase().ends_with("/tags/default") && call.method == "PATCH" {
            return Aim::Tags;
        }
        Aim::Other
    }

    fn is_ours(&self, world: &World, set: &str) -> bool {
        self.sets(world).iter().any(|one| one.id.eq_ignore_ascii_case(set))
    }

    fn ownership(&mut self, world: &World, call: &Call, aim: &Aim) {
        let recently = |set: &str| {
            self.disowned.get(&set.to_ascii_lowercase()).is_some_and(|at| *at >= before(call.arrived, WINDOW))
        };
        let there = |set: &str| world.resource(set).is_some();
        let fine = match aim {
            Aim::Change(set) if call.method == "PUT" => call.conditional,
            Aim::Change(set) | Aim::Removal(set) => {
                call.conditional && (!there(set) || recently(set) || self.is_ours(world, set))
            }
            Aim::Machines(set, _) => !there(set) || recently(set) || self.is_ours(world, set),
            Aim::Tags => {
                let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
                let tags = body.pointer("/properties/tags").and_then(Value::as_object);
                body["operation"] == "Merge"
                    && tags.is_some_and(|all| all.keys().all(|key| key == TOTAL_NODES_NOW))
            }
            Aim::Other => false,
        };
        if !fine {
            self.say(call.arrived, format!("not ours to write: {} {} {}", call.method, call.url, call.body));
        }
    }

    /// Machines that nobody asked to go and that work: no more of them go than there are above the target.
    fn deletion(&mut self, world: &World, call: &Call, set: &str, ids: &[String]) {
        let now = world.now();
        let victims: BTreeSet<String> = world
            .set_instances(set)
            .iter()
            .filter(|one| ids.iter().any(|id| id.eq_ignore_ascii_case(&one.instance_id)))
            .filter(|one| self.counts(one, now) && !one.evicting)
            // Told once more: the first time was not heard.
            .filter(|one| self.let_go.iter().all(|(_, vm)| *vm != one.vm_id))
            .map(|one| one.vm_id.clone())
            .collect();
        if victims.is_empty() || call.arrived.duration_since(call.sent).unsigned_abs() > LATE {
            return;
        }
        self.note_live(world);
        let from = before(now, WINDOW);
        let young = |set: &SetView| {
            let all = world.set_instances(&set.id);
            all.iter().filter(|one| one.created >= from).count() as u32
        };
        let made: u32 = self.sets(world).iter().map(young).sum();
        let most = self.live.iter().map(|(_, live)| *live).max().unwrap_or(0);
        let gone = self.let_go.len() as u32;
        // What was asked for by message is counted before it is shown.
        let unshown = self.asked.values().filter(|when| **when >= before(now, UNREAD)).count() as u32;
        let floor = self.targets(now).into_iter().min().unwrap_or(0).saturating_sub(unshown);
        let allowed = (most + made + self.blamed(now)).saturating_sub(floor + gone);
        let count = victims.len() as u32;
        self.let_go.extend(victims.into_iter().map(|vm| (now, vm)));
        if count > allowed {
            self.say(
                now,
                format!(
                    "{} deletes {count} working nodes of {set} that nobody asked to go; {allowed} could go (at most {most} there, {made} made, {floor} wanted, {gone} let go)",
                    call.process
                ),
            );
        }
    }

    /// Azure accepted the deletion of these machines of a set.
    fn promise(&mut self, world: &World, set: &str, ids: &[String]) {
        let now = world.now();
        let meant = |one: &InstanceView| ids.iter().any(|id| id.eq_ignore_ascii_case(&one.instance_id));
        let all = world.set_instances(set);
        self.promised.extend(all.into_iter().filter(meant).map(|one| (now, one.vm_id)));
    }

    /// Nodes that are there only because a deletion that was accepted a short time ago fails.
    fn still_there(&self, world: &World) -> u32 {
        let now = world.now();
        let promised: BTreeSet<&String> = self.promised.iter().map(|(_, vm)| vm).collect();
        let all = self.sets(world).into_iter().flat_map(|set| world.set_instances(&set.id));
        all.filter(|one| self.counts(one, now) && promised.contains(&one.vm_id)).count() as u32
    }

    /// After a growth: no more nodes than wanted.
    fn growth(&mut self, world: &World, call: &Call) {
        let live = self.note_live(world) - self.still_there(world);
        if call.arrived.duration_since(call.sent).unsigned_abs() > LATE {
            self.blames(world.now() + WINDOW, live);
            return;
        }
        let now = world.now();
        let most = self.targets(now).into_iter().max().unwrap_or(0);
        let allowed = most + self.limits.overprovision + self.blamed(now);
        if live > allowed {
            self.say(
                now,
                format!(
                    "{live} nodes after {} {}: {most} are wanted, {allowed} allowed",
                    call.method, call.url
                ),
            );
        }
    }

    /// What is to be true when nothing happens any more: exactly so many nodes, all up, in as few sets as may be.
    pub fn rest(&self, world: &World, nodes: u32) -> Result<(), String> {
        let sets = self.sets(world);
        let all: Vec<InstanceView> = sets.iter().flat_map(|set| world.set_instances(&set.id)).collect();
        let up = all.iter().filter(|one| one.state == ProvisioningState::Succeeded).count();
        if (up, all.len()) != (nodes as usize, nodes as usize) {
            return Err(format!("{up} of {} machines are up, {nodes} are wanted", all.len()));
        }
        if self.shown.last().is_some_and(|(_, shown)| *shown != nodes) {
            return Err(format!("{:?} is shown, {nodes} are wanted", self.shown.last()));
        }
        let sealed = |set: &&SetView| {
            let tags = world.resource(&set.id).and_then(|one| one.tags.as_ref());
            tags.is_some_and(|all| all.contains_key(vmss_scaler::observe::SEAL)) && set.machines > 0
        };
        let most = nodes.div_ceil(self.limits.density) as usize
            + sets.iter().filter(sealed).count()
            + self.limits.placements;
        if sets.len() > most {
            return Err(format!("{} sets for {nodes} nodes: {most} would do", sets.len()));
        }
        Ok(())
    }
}

/// What a write is about.
#[derive(Debug)]
enum Aim {
    Change(String),
    Removal(String),
    Machines(String, Vec<String>),
    Tags,
    Other,
}

fn tags_of(all: &BTreeMap<String, String>, farm: &str) -> bool {
    tags::get(all, tags::FARM) == Some(farm)
}

impl Listener for Judge {
    fn before(&mut self, world: &World, call: &Call) {
        self.secrets(call);
        if !call.writes() {
            return;
        }
        self.lease(call);
        self.count(world);
        let aim = Self::aim(call);
        self.ownership(world, call, &aim);
        match &aim {
            Aim::Machines(set, ids) if self.is_ours(world, set) => self.deletion(world, call, set, ids),
            Aim::Removal(set) if self.is_ours(world, set) => {
                let now = world.now();
                let working = world.set_instances(set).iter().filter(|one| self.counts(one, now)).count();
                self.doomed.insert((call.process.clone(), set.clone()), working);
            }
            _ => {}
        }
    }

    fn after(&mut self, world: &World, call: &Call, status: u16) {
        let fine = (200..300).contains(&status);
        match call.lease.as_deref() {
            Some("acquire" | "renew") if fine => {
                let renewed = self.leases.entry(call.process.clone()).or_insert(call.sent);
                *renewed = (*renewed).max(call.sent);
            }
            Some("release") => {
                self.leases.remove(&call.process);
            }
            _ => {}
        }
        if !call.writes() {
            return;
        }
        match Self::aim(call) {
            // Tags alone make no nodes.
            Aim::Change(_) if (fine || status == 0) && call.body.contains("\"capacity\"") => {
                self.growth(world, call);
            }
            Aim::Removal(set) => {
                let working = self.doomed.remove(&(call.process.clone(), set.clone())).unwrap_or(0);
                if fine && working > 0 {
                    self.say(world.now(), format!("{set} was deleted with {working} working nodes in it"));
                }
            }
            Aim::Machines(set, ids) if fine => self.promise(world, &set, &ids),
            Aim::Tags => self.count(world),
            _ => {}
        }
    }
}
