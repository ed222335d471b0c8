//! A small Azure of scale sets, written apart from the crate: it shares the vocabulary and no decision.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "each test binary uses its part"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

pub mod harness;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;
use vmss_scaler::observe::{Instance, InstanceState, Provisioning, RenderView, ScaleSet, Seal};
use vmss_scaler::reconcile::Action;
use vmss_scaler::spec::Placement;

#[derive(Clone)]
pub struct Machine {
    pub id: String,
    pub vm: Uuid,
    pub created: Timestamp,
    pub state: InstanceState,
    /// What it is before a deletion that fails.
    before: InstanceState,
    next: Option<(Timestamp, Next)>,
}

#[derive(Clone, Copy)]
enum Next {
    Up,
    Fail,
    Gone,
    StayAfterAll,
}

#[derive(Clone)]
pub struct Set {
    pub name: String,
    pub generation: u64,
    pub placement: Placement,
    pub capacity: u32,
    pub etag: u64,
    pub seal: Option<Seal>,
    pub failed: bool,
    pub machines: Vec<Machine>,
    /// The running operation: when its machines appear (none once they did) and when it ends.
    op: Option<(Option<Timestamp>, Timestamp)>,
    index: u32,
}

impl Set {
    fn present(&self) -> u32 {
        self.machines.iter().filter(|one| one.state != InstanceState::Deleting).count() as u32
    }

    /// Machines that will appear without being asked for again.
    pub fn coming(&self) -> u32 {
        match self.op {
            Some((Some(_), _)) => self.capacity.saturating_sub(self.present()),
            _ => 0,
        }
    }
}

/// How a request ended.
pub enum Answer {
    Accepted,
    /// Refused with this code.
    Refused(&'static str),
}

pub struct World {
    pub now: Timestamp,
    pub rng: ChaCha8Rng,
    pub sets: BTreeMap<String, Set>,
    /// How many more machines each placement gives.
    pub room: BTreeMap<Placement, u32>,
    /// Boots may be slow or fail, deletions may fail.
    pub rough: bool,
    /// Failures of operations that nobody fetched yet.
    pub failures: Vec<(Placement, &'static str)>,
    /// Machines whose deletion failed after it was accepted.
    pub undeleted: Vec<Uuid>,
    /// Machines whose deletion was accepted and has not failed.
    pub told: BTreeSet<Uuid>,
    /// Machines whose deletion failed after it was accepted, ever.
    pub back: BTreeSet<Uuid>,
    pub past: VecDeque<(Timestamp, BTreeMap<String, Set>)>,
    pub names: BTreeSet<String>,
    pub writes: u64,
    pub trace: Vec<String>,
}

pub const PLENTY: u32 = 1_000_000;

impl World {
    pub fn new(seed: u64, placements: &[Placement]) -> Self {
        Self {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            sets: BTreeMap::new(),
            room: placements.iter().map(|one| (one.clone(), PLENTY)).collect(),
            rough: false,
            failures: Vec::new(),
            undeleted: Vec::new(),
            told: BTreeSet::new(),
            back: BTreeSet::new(),
            past: VecDeque::new(),
            names: BTreeSet::new(),
            writes: 0,
            trace: Vec::new(),
        }
    }

    pub fn log(&mut self, what: &str) {
        let now = self.now;
        self.trace.push(format!("{now} {what}"));
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn after(&mut self, from: u64, to: u64) -> Timestamp {
        self.now + Duration::from_secs(self.rng.random_range(from..=to))
    }

    pub fn snapshot(&mut self) {
        self.past.push_back((self.now, self.sets.clone()));
        if self.past.len() > 12 {
            self.past.pop_front();
        }
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
        let names: Vec<String> = self.sets.keys().cloned().collect();
        for name in names {
            let mut set = self.sets.remove(&name).unwrap();
            self.machines(&mut set);
            self.operation(&mut set);
            self.sets.insert(name, set);
        }
    }

    fn machines(&mut self, set: &mut Set) {
        let now = self.now;
        let mut gone = Vec::new();
        for one in &mut set.machines {
            let Some((at, next)) = one.next else { continue };
            if at > now {
                continue;
            }
            one.next = None;
            match next {
                Next::Up => one.state = InstanceState::Running,
                Next::Fail => one.state = InstanceState::Failed,
                Next::Gone => gone.push(one.vm),
                Next::StayAfterAll => {
                    one.state = one.before;
                    set.capacity += 1;
                    set.etag += 1;
                    self.undeleted.push(one.vm);
                    self.told.remove(&one.vm);
                    self.back.insert(one.vm);
                }
            }
        }
        set.machines.retain(|one| !gone.contains(&one.vm));
    }

    fn operation(&mut self, set: &mut Set) {
        let Some((appear, end)) = set.op else { return };
        if appear.is_some_and(|at| at <= self.now) {
            let wanted = set.capacity.saturating_sub(set.present());
            let room = self.room.entry(set.placement.clone()).or_insert(PLENTY);
            let given = wanted.min(*room);
            *room -= given;
            for _ in 0..given {
                let machine = self.machine(set);
                set.machines.push(machine);
            }
            set.failed = given < wanted;
            set.op = Some((None, end));
            set.etag += 1;
            if set.failed {
                self.failures.push((set.placement.clone(), "AllocationFailed"));
            }
        }
        if end <= self.now && set.op.is_some_and(|(appear, _)| appear.is_none()) {
            set.op = None;
        }
    }

    fn machine(&mut self, set: &mut Set) -> Machine {
        let id = set.index.to_string();
        set.index += 1;
        let dice = if self.rough { self.rng.random_range(0..100) } else { 100 };
        let next = match dice {
            0..3 => (self.after(20, 120), Next::Fail),
            3..6 => (self.after(2400, 4000), Next::Up),
            _ => (self.after(30, 240), Next::Up),
        };
        Machine {
            id,
            vm: Uuid::from_u128(self.rng.random()),
            created: self.now,
            state: InstanceState::Creating,
            before: InstanceState::Creating,
            next: Some(next),
        }
    }

    pub fn evict(&mut self, vm: Uuid) {
        for set in self.sets.values_mut() {
            if let Some(at) = set.machines.iter().position(|one| one.vm == vm) {
                let one = set.machines.remove(at);
                if one.state != InstanceState::Deleting {
                    set.capacity = set.capacity.saturating_sub(1);
                }
                set.etag += 1;
            }
        }
        self.log(&format!("evicted {vm}"));
    }

    pub fn all(&self) -> impl Iterator<Item = (&Set, &Machine)> {
        self.sets.values().flat_map(|set| set.machines.iter().map(move |one| (set, one)))
    }

    /// Carries an action out as Azure does.
    pub fn send(&mut self, action: &Action) -> Answer {
        self.writes += 1;
        let answer = self.carry_out(action);
        let how = match &answer {
            Answer::Accepted => "accepted",
            Answer::Refused(code) => code,
        };
        self.log(&format!("{action} -> {how}"));
        answer
    }

    fn carry_out(&mut self, action: &Action) -> Answer {
        match action {
            Action::Create { set, generation, placement, capacity } => {
                assert!(self.names.insert(set.clone()), "the name {set} was used before");
                if self.room.get(placement) == Some(&0) && self.chance(50) {
                    return Answer::Refused("SkuNotAvailable");
                }
                let op = Some((Some(self.after(1, 15)), self.after(15, 90)));
                let made = Set {
                    name: set.clone(),
                    generation: *generation,
                    placement: placement.clone(),
                    capacity: *capacity,
                    etag: 1,
                    seal: None,
                    failed: false,
                    machines: Vec::new(),
                    op,
                    index: 0,
                };
                self.sets.insert(set.clone(), made);
            }
            Action::Grow { set, etag, from, to, unseal, .. } => {
                assert!(to >= from, "capacity is lowered");
                let op = Some((Some(self.after(1, 15)), self.after(15, 90)));
                let set = match self.matching(set, etag.as_ref()) {
                    Ok(set) => set,
                    Err(refused) => return refused,
                };
                assert!(*to >= set.capacity, "capacity is lowered");
                set.capacity = *to;
                set.etag += 1;
                set.op = op;
                if *unseal {
                    set.seal = None;
                }
            }
            Action::Delete { set, victims } => return self.delete(set, victims),
            Action::Seal { set, etag, reason, at } => match self.matching(set, etag.as_ref()) {
                Ok(set) => {
                    set.seal = Some(Seal { at: *at, why: *reason });
                    set.etag += 1;
                }
                Err(refused) => return refused,
            },
            Action::Remove { set, etag } => match self.matching(set, etag.as_ref()) {
                Ok(found) => {
                    assert!(found.machines.is_empty(), "{set} is removed with machines in it");
                    self.sets.remove(set);
                }
                Err(refused) => return refused,
            },
            _ => unreachable!("an action that the world does not know"),
        }
        Answer::Accepted
    }

    fn matching(&mut self, set: &str, etag: Option<&String>) -> Result<&mut Set, Answer> {
        let set = self.sets.get_mut(set).ok_or(Answer::Refused("NotFound"))?;
        match etag {
            Some(etag) if *etag == set.etag.to_string() => Ok(set),
            _ => Err(Answer::Refused("PreconditionFailed")),
        }
    }

    /// As Azure: one unknown id and the whole request is refused. The executor compares VM ids first.
    fn delete(&mut self, name: &str, victims: &[vmss_scaler::reconcile::Victim]) -> Answer {
        let Some(mut set) = self.sets.remove(name) else { return Answer::Refused("NotFound") };
        let known = |set: &Set, victim: &vmss_scaler::reconcile::Victim| {
            set.machines.iter().any(|one| one.id == victim.instance && one.vm == victim.vm)
        };
        let answer = if victims.iter().all(|victim| known(&set, victim)) {
            for victim in victims {
                let fails = self.rough && self.chance(3);
                let at = self.after(10, 60);
                let one = set.machines.iter_mut().find(|one| one.vm == victim.vm).unwrap();
                if one.state == InstanceState::Deleting {
                    continue;
                }
                self.told.insert(one.vm);
                one.before =
                    if one.state == InstanceState::Creating { InstanceState::Failed } else { one.state };
                one.state = InstanceState::Deleting;
                one.next = Some((at, if fails { Next::StayAfterAll } else { Next::Gone }));
                set.capacity = set.capacity.saturating_sub(1);
                set.etag += 1;
            }
            Answer::Accepted
        } else {
            Answer::Refused("InstanceIdsListInvalid")
        };
        self.sets.insert(name.to_owned(), set);
        answer
    }
}

/// What a list shows of sets.
pub fn seen(sets: &BTreeMap<String, Set>) -> Vec<ScaleSet> {
    sets.values()
        .map(|set| ScaleSet {
            name: set.name.clone(),
            generation: set.generation,
            placement: set.placement.clone(),
            capacity: set.capacity,
            provisioning: match set.op {
                Some(_) => Provisioning::Updating,
                None if set.failed => Provisioning::Failed,
                None => Provisioning::Succeeded,
            },
            sealed: set.seal,
            etag: Some(set.etag.to_string()),
            instances: Some(
                set.machines
                    .iter()
                    .map(|one| Instance {
                        id: one.id.clone(),
                        vm: one.vm,
                        created: one.created,
                        state: one.state,
                    })
                    .collect(),
            ),
        })
        .collect()
}

pub fn view(busy: &BTreeMap<Uuid, bool>) -> RenderView {
    RenderView { busy: busy.clone() }
}

pub fn placement(sku: &str, vcpus: u32, zone: &str, priority: &str) -> Placement {
    Placement {
        sku: sku.to_owned(),
        family: "standardDSv5Family".to_owned(),
        vcpus,
        zone: (!zone.is_empty()).then(|| zone.to_owned()),
        priority: priority.parse().unwrap(),
    }
}
