//! A scaler in the world, with everything that can go wrong around it, and the checkers that judge each tick.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flamenco_azure_core::arm::classify::classify;
use jiff::Timestamp;
use rand::Rng;
use uuid::Uuid;
use vmss_scaler::ledger::{Fate, Verdict};
use vmss_scaler::observe::{Instance, InstanceState, Observed};
use vmss_scaler::reconcile::{Action, Decision, VictimWhy};
use vmss_scaler::spec::{Placement, Policy};
use vmss_scaler::state::State;
use vmss_scaler::{reconcile, request, target};

use super::{Answer, Machine, PLENTY, World, seen, view};

pub struct Farm {
    pub world: World,
    pub policy: Policy,
    /// The stored document; all that survives a crash.
    pub stored: String,
    /// The group's tags; none while they cannot be read.
    pub tag: Option<String>,
    pub tag_readable: bool,
    pub queue: Vec<String>,
    /// Messages that were ever sent, for repeating them late.
    pub sent: Vec<String>,
    pub poisoned: Vec<String>,
    pub busy: BTreeMap<Uuid, bool>,
    /// Percent of requests that are lost, answers that are lost, and crashes before a request.
    pub loss: u32,
    /// Percent of looks that are old, and that are incomplete.
    pub blur: u32,
    pub last: Option<Decision>,
    /// Machines whose deletion was asked for while they were there.
    pub asked_to_go: BTreeSet<Uuid>,
    /// Machines that were to be deleted as broken.
    pub given_up: BTreeSet<Uuid>,
}

impl Farm {
    pub fn new(seed: u64, policy: Policy) -> Self {
        let world = World::new(seed, &policy.placements);
        let stored = State::starting(world.now).write().unwrap();
        Self {
            world,
            policy,
            stored,
            tag: None,
            tag_readable: true,
            queue: Vec::new(),
            sent: Vec::new(),
            poisoned: Vec::new(),
            busy: BTreeMap::new(),
            loss: 0,
            blur: 0,
            last: None,
            asked_to_go: BTreeSet::new(),
            given_up: BTreeSet::new(),
        }
    }

    pub fn state(&self) -> State {
        State::read(&self.stored).unwrap()
    }

    fn store(&mut self, state: &State) {
        self.stored = state.write().unwrap();
    }

    pub fn want(&mut self, nodes: &str) {
        self.world.log(&format!("TOTAL_NODES = {nodes:?}"));
        self.tag = Some(nodes.to_owned());
    }

    pub fn message(&mut self, text: String) {
        self.world.log(&format!("message {text}"));
        self.sent.push(text.clone());
        self.queue.push(text);
    }

    pub fn ask_to_go(&mut self, vm: Uuid, request: &str) {
        let (set, id) = self
            .world
            .all()
            .find(|(_, one)| one.vm == vm)
            .map(|(set, one)| (set.name.clone(), one.id.clone()))
            .unwrap();
        self.message(request::write(request, &set, &id, vm));
    }

    pub fn running(&self) -> Vec<Uuid> {
        let up = |(_, one): &(_, &Machine)| one.state == InstanceState::Running;
        self.world.all().filter(up).map(|(_, one)| one.vm).collect()
    }

    /// What the scaler sees: as it is, or, in rough times, as it was, or in part.
    fn look(&mut self, state: &State) -> Observed {
        let (when, sets) = if self.blur == 0 {
            (self.world.now, self.world.sets.clone())
        } else {
            self.world.snapshot();
            let last = self.world.past.len() - 1;
            let old = self.world.chance(self.blur);
            let at = if old { self.world.rng.random_range(0..=last) } else { last };
            self.world.past[at].clone()
        };
        let mut observed = Observed {
            as_of: when,
            sets_complete: true,
            sets: seen(&sets),
            view: view(&self.busy),
            room: None,
            asked: state.asked.clone(),
            growing: BTreeSet::new(),
        };
        if self.world.chance(self.blur / 2) {
            match self.world.rng.random_range(0..3) {
                0 => {
                    observed.sets_complete = false;
                    let keep = self.world.rng.random_range(0..=observed.sets.len());
                    observed.sets.truncate(keep);
                }
                1 => {
                    for set in &mut observed.sets {
                        if self.world.rng.random_bool(0.3) {
                            set.instances = None;
                        }
                    }
                }
                _ => {
                    for set in &mut observed.sets {
                        if self.world.rng.random_bool(0.3)
                            && let Some(instances) = &mut set.instances
                            && let Some(first) = instances.first().cloned()
                        {
                            instances.push(first);
                        }
                    }
                }
            }
        }
        observed
    }

    /// One pass of the scaler, as a daemon would make it. Crashes lose everything but the stored document.
    pub fn pass(&mut self) {
        let mut state = self.state();
        let observed = self.look(&state);
        self.receive(&mut state, &observed);
        for vm in std::mem::take(&mut self.world.undeleted) {
            let now = self.world.now;
            state.ledger.failed(&mut state.count, vm, "the deletion failed", now);
        }
        state.ledger.settle(&observed, self.world.now);
        state.asked.forget(&observed, &self.policy, self.world.now);
        state.marks.prune(self.world.now);
        for (placement, code) in std::mem::take(&mut self.world.failures) {
            self.mark(&mut state, &placement, code);
        }
        self.store(&state);
        let observed = Observed { asked: state.asked.clone(), ..observed };
        let target = state.target();
        let decision = reconcile(&observed, &target, &state.marks, &self.policy, self.world.now);
        self.judge(&observed, &state, &decision);
        state.asked.note(&decision, self.world.now);
        self.store(&state);
        self.last = Some(decision.clone());
        self.act(&mut state, &decision);
    }

    fn receive(&mut self, state: &mut State, observed: &Observed) {
        let tags = self.tag.iter().map(|text| ("total_nodes".to_owned(), text.clone())).collect();
        let reading =
            target::read(self.tag_readable.then_some(&tags), &self.policy.farm, &self.policy.pool, true);
        state.count.settle(&reading);
        let now = self.world.now;
        let mut kept = Vec::new();
        for text in std::mem::take(&mut self.queue) {
            let fate = match request::read(&text) {
                Err(error) => Fate::Poison { reason: error.to_string() },
                Ok(request) => {
                    let before = state.count.clone();
                    let (verdict, fate) = state.ledger.receive(&mut state.count, &request, observed, now);
                    let counted = matches!(verdict, Verdict::Counted(_));
                    if let Verdict::Counted(vm) = verdict {
                        assert!(self.asked_to_go.insert(vm), "{vm} is counted twice");
                    }
                    assert!(counted || before == state.count, "{verdict:?} changed the count");
                    fate
                }
            };
            match fate {
                Fate::Keep => kept.push(text),
                Fate::Drop => {}
                Fate::Poison { reason } => self.poisoned.push(reason),
            }
        }
        self.queue = kept;
    }

    fn mark(&mut self, state: &mut State, placement: &Placement, code: &str) {
        let kind = classify(409, code, "", &[]);
        state.marks.refused(placement, code, &kind, self.world.now);
    }

    fn act(&mut self, state: &mut State, decision: &Decision) {
        for planned in &decision.actions {
            let pause = self.world.rng.random_range(50..400);
            self.world.advance(Duration::from_millis(pause));
            if self.world.chance(self.loss / 3) {
                self.world.log("the scaler crashes");
                // What was heard since the last store is lost half of the time.
                if self.world.chance(50) {
                    self.store(state);
                }
                return;
            }
            if self.world.chance(self.loss / 2) {
                self.world.log(&format!("lost: {}", planned.action));
                continue;
            }
            match self.world.send(&planned.action) {
                _ if self.world.chance(self.loss / 2) => {
                    self.world.log("the answer is lost");
                    continue;
                }
                Answer::Accepted => state.asked.accepted(&planned.action, self.world.now),
                Answer::Refused(code) => {
                    state.asked.refused(&planned.action);
                    if let Action::Create { placement, .. } | Action::Grow { placement, .. } = &planned.action
                        && code == "SkuNotAvailable"
                    {
                        self.mark(state, placement, code);
                    }
                }
            }
            if matches!(planned.action, Action::Create { .. } | Action::Grow { .. }) {
                self.judge_growth(state, planned.why.to_string().as_str());
            }
        }
        self.store(state);
    }

    fn goal(&self, state: &State) -> u32 {
        state.count.effective().unwrap_or(0).min(self.policy.max_nodes)
    }

    /// Never above: after a request for more, what is there and will come is within the limit.
    fn judge_growth(&self, state: &State, why: &str) {
        let leaving = state.ledger.leaving();
        let counts = |one: &Machine| match one.state {
            InstanceState::Creating => one.created + self.policy.boot_budget > self.world.now,
            // One that came up after all, when it had been given up, was rightly replaced.
            InstanceState::Running => !self.given_up.contains(&one.vm),
            _ => false,
        };
        let here = self.world.all().filter(|(_, one)| counts(one) && !leaving.contains_key(&one.vm)).count();
        let coming: u32 = self.world.sets.values().map(super::Set::coming).sum();
        let limit = self.goal(state) + self.policy.overprovision;
        // A deletion that failed after it was accepted brings a machine back that was rightly taken as gone.
        let back =
            self.world.all().filter(|(_, one)| counts(one) && self.world.back.contains(&one.vm)).count();
        assert!(
            here as u32 + coming <= limit + back as u32,
            "{here} here and {coming} coming is above {limit} ({back} came back), after: {why}"
        );
    }

    fn judge(&mut self, observed: &Observed, state: &State, decision: &Decision) {
        let now = self.world.now;
        let old = observed.as_of + self.policy.max_age < now;
        let mut surplus = 0;
        let mut states = BTreeMap::new();
        for set in &observed.sets {
            for one in set.instances.iter().flatten() {
                states.insert(one.vm, one);
            }
        }
        for planned in &decision.actions {
            assert!(!old && observed.sets_complete, "{planned} follows from a bad list");
            match &planned.action {
                Action::Delete { victims, .. } => {
                    assert!(observed.complete(), "{planned} follows from an incomplete list");
                    for victim in victims {
                        let one = states[&victim.vm];
                        let requested = state.ledger.get(victim.vm).is_some();
                        if matches!(victim.why, VictimWhy::Failed | VictimWhy::Stuck) {
                            self.given_up.insert(victim.vm);
                        }
                        match victim.why {
                            VictimWhy::Requested => assert!(requested, "{} was not asked to go", victim.vm),
                            VictimWhy::Failed => assert_eq!(one.state, InstanceState::Failed),
                            VictimWhy::Stopped => assert_eq!(one.state, InstanceState::Stopped),
                            VictimWhy::Stuck => assert!(one.created + self.policy.boot_budget < now),
                            _ => surplus += 1,
                        }
                    }
                }
                Action::Remove { .. } => assert!(observed.complete()),
                _ => {}
            }
        }
        // By this look at least the target is left, whatever becomes of machines that were told to go before.
        if surplus > 0 {
            let stays = |one: &&&Instance| match one.state {
                InstanceState::Running => true,
                InstanceState::Creating => one.created + self.policy.boot_budget >= now,
                _ => false,
            };
            let gone = |vm| self.world.told.contains(vm) || state.ledger.leaving().contains_key(vm);
            let left = states.values().filter(stays).filter(|one| !gone(&one.vm)).count() as u32;
            let goal = self.goal(state);
            assert!(left >= goal + surplus, "{surplus} of {left} go, {goal} are wanted");
        }
        let entries = state.asked_entries();
        if let Some(base) = state.count.base {
            assert_eq!(state.count.effective(), Some(base - entries), "counted once each");
        }
    }

    /// The time to the next pass, in which the world goes on.
    pub fn wait(&mut self, by: Duration) {
        self.world.advance(by);
    }

    pub fn calm(&mut self) {
        self.world.log("all faults end");
        self.world.rough = false;
        self.loss = 0;
        self.blur = 0;
        self.tag_readable = true;
        for room in self.world.room.values_mut() {
            *room = PLENTY;
        }
    }

    /// Passes until nothing was done for `quiet` of them; how long that took. Fails after `most`.
    pub fn converge(&mut self, step: Duration, most: Duration) -> Duration {
        let start = self.world.now;
        let mut quiet = 0;
        let mut end = start;
        while quiet < 4 {
            self.pass();
            let decision = self.last.as_ref().unwrap();
            let still = decision.actions.is_empty()
                && decision.target == Some(decision.nodes)
                && decision.pledged == decision.nodes
                && self.queue.is_empty();
            if still {
                quiet += 1;
            } else {
                quiet = 0;
                end = self.world.now;
            }
            assert!(
                self.world.now < start + most,
                "not at rest after {most:?}: {decision:?}, queue {:?}",
                self.queue
            );
            // Nothing to do but to wait for a mark to run out.
            let idle = decision.actions.is_empty() && decision.pledged == decision.nodes;
            self.wait(if idle { step * 4 } else { step });
        }
        end.duration_since(start).unsigned_abs()
    }

    /// What holds at rest.
    pub fn judge_rest(&mut self) {
        let goal = self.goal(&self.state());
        assert_eq!(self.running().len() as u32, goal, "exactly the target runs");
        assert!(
            self.world.all().all(|(_, one)| one.state == InstanceState::Running),
            "and nothing else is there"
        );
        let sealed = self.world.sets.values().filter(|set| set.seal.is_some()).count() as u32;
        let allowed = goal.div_ceil(self.policy.density) + self.policy.placements.len() as u32 + sealed;
        assert!(self.world.sets.len() as u32 <= allowed, "{} sets, {allowed} allowed", self.world.sets.len());
        assert!(self.world.sets.values().all(|set| !set.machines.is_empty()), "empty sets are gone");
        let writes = self.world.writes;
        for _ in 0..20 {
            self.pass();
            self.wait(Duration::from_mins(3));
        }
        assert_eq!(self.world.writes, writes, "a farm at rest writes nothing in an hour");
    }
}

/// How many nodes the ledger says were counted in this epoch.
pub trait Counted {
    fn asked_entries(&self) -> u32;
}

impl Counted for State {
    fn asked_entries(&self) -> u32 {
        let json: serde_json::Value = serde_json::to_value(&self.ledger).unwrap();
        let epoch = self.count.epoch;
        let counts = |entry: &&serde_json::Value| {
            entry["counted"] == true && entry["epoch"] == epoch && entry["stage"].get("poisoned").is_none()
        };
        json.as_object().unwrap().values().filter(counts).count() as u32
    }
}

pub fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}
