//! Each request to delete a machine counts once or not at all.
//!
//! On receipt a request is first written to the ledger and counted, both in one write of the state; then its machine is
//! deleted; its message goes when the machine is seen to be gone. Whatever is lost in between, the message comes back
//! and finds its entry. Entries are keyed by request id and VM id, and a machine counts once whoever asks.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::asked::later;
use crate::observe::{Instance, Observed, VmId};
use crate::request::Request;
use crate::target::Count;

/// Failed deletions after which a request is given up. The queue's `DequeueCount` is no measure: a message is received
/// again for many reasons that say nothing about the deletion.
pub const MOST_FAILURES: u32 = 5;
/// How long a finished entry is kept: far longer than any list shows a machine that is gone.
const KEEP: Duration = Duration::from_hours(24);

/// One request that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The sender's id of the first request for this machine; empty in the old text form.
    pub request: String,
    /// The scale set.
    pub set: String,
    /// The instance in it.
    pub instance: String,
    /// The machine.
    pub vm: VmId,
    /// When it was counted.
    pub accepted: Timestamp,
    /// The count's epoch then.
    pub epoch: u64,
    /// Whether the target went down by it: below nothing it cannot.
    pub counted: bool,
    /// How often its deletion failed.
    pub failures: u32,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The machine is to go.
    Leaving,
    /// The machine is gone.
    Gone {
        /// Since when.
        at: Timestamp,
    },
    /// Given up; the count was taken back and the machine stays.
    Poisoned {
        /// Since when.
        at: Timestamp,
        /// The last failure.
        reason: String,
    },
}

/// What is to happen to a received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays on the queue, invisible while the deletion runs.
    Keep,
    /// It is deleted.
    Drop,
    /// It moves to the poison queue.
    Poison {
        /// Why.
        reason: String,
    },
}

/// What a received request turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// New: counted, and its machine leaves.
    Counted(VmId),
    /// Its machine is in the ledger already.
    Duplicate(VmId),
    /// There is no such machine any more, so there is nothing to count.
    AlreadyGone,
    /// Another machine has this instance id now; it is left alone.
    Reused,
    /// This look cannot tell; the message comes back.
    Later,
}

/// The requests that were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(std::collections::BTreeMap<VmId, Entry>);

impl Ledger {
    /// The entry of a machine.
    pub fn get(&self, vm: VmId) -> Option<&Entry> {
        self.0.get(&vm)
    }

    /// All entries, by machine.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    /// The machines that are to go, and since when. One that is gone stays among them for as long as its entry lives,
    /// in case that a list shows it once more.
    pub fn leaving(&self) -> std::collections::BTreeMap<VmId, Timestamp> {
        let going = |entry: &&Entry| !matches!(entry.stage, Stage::Poisoned { .. });
        self.0.values().filter(going).map(|entry| (entry.vm, entry.accepted)).collect()
    }

    /// Takes in a request: counts it if its machine is there and was not counted before. The caller stores the state
    /// before anything is done about it, and settles the target's tag before calling.
    pub fn receive(
        &mut self,
        count: &mut Count,
        request: &Request,
        observed: &Observed,
        now: Timestamp,
    ) -> (Verdict, Fate) {
        let vm = match find(request, observed) {
            Found::Machine(vm) => vm,
            Found::Other => return self.known(request, Verdict::Reused),
            Found::Nothing => return self.known(request, Verdict::AlreadyGone),
            Found::Unsure => return self.known(request, Verdict::Later),
        };
        if self.0.contains_key(&vm) {
            return (Verdict::Duplicate(vm), self.fate(vm));
        }
        // Without a target there is nothing to count down from.
        if count.base.is_none() {
            return (Verdict::Later, Fate::Keep);
        }
        let entry = Entry {
            request: request.request.clone().unwrap_or_default(),
            set: request.set.clone(),
            instance: request.instance.clone(),
            vm,
            accepted: now,
            epoch: count.epoch,
            counted: count.lower(),
            failures: 0,
            stage: Stage::Leaving,
        };
        self.0.insert(vm, entry);
        (Verdict::Counted(vm), Fate::Keep)
    }

    /// What to do about a request that this look does not find: its own entry knows best.
    fn known(&self, request: &Request, verdict: Verdict) -> (Verdict, Fate) {
        let same = |entry: &&Entry| match request.vm {
            Some(vm) => entry.vm == vm,
            None => entry.set == request.set && entry.instance == request.instance,
        };
        if let Some(entry) = self.0.values().find(same) {
            return (Verdict::Duplicate(entry.vm), self.fate(entry.vm));
        }
        (verdict, if verdict == Verdict::Later { Fate::Keep } else { Fate::Drop })
    }

    /// What is to happen to the messages about a machine.
    pub fn fate(&self, vm: VmId) -> Fate {
        match self.0.get(&vm).map(|entry| &entry.stage) {
            Some(Stage::Leaving) => Fate::Keep,
            Some(Stage::Poisoned { reason, .. }) => Fate::Poison { reason: reason.clone() },
            Some(Stage::Gone { .. }) | None => Fate::Drop,
        }
    }

    /// A deletion failed for good or ended as failed. After [`MOST_FAILURES`] the request is given up and its count is
    /// taken back, for the machine stays; no other one is removed in its place. A machine that is not in the ledger
    /// has no request, and nothing happens.
    pub fn failed(&mut self, count: &mut Count, vm: VmId, reason: &str, now: Timestamp) {
        let Some(entry) = self.0.get_mut(&vm).filter(|entry| entry.stage == Stage::Leaving) else { return };
        entry.failures += 1;
        if entry.failures >= MOST_FAILURES {
            entry.stage = Stage::Poisoned { at: now, reason: reason.to_owned() };
            if entry.counted {
                count.give_back(entry.epoch);
            }
        }
    }

    /// Notes which machines are gone by now, and forgets what is long over. Only a complete look that is younger than
    /// the request can tell.
    pub fn settle(&mut self, observed: &Observed, now: Timestamp) {
        if !observed.complete() {
            return;
        }
        let listed: std::collections::BTreeSet<VmId> =
            observed.sets.iter().flat_map(|set| set.instances.iter().flatten()).map(|one| one.vm).collect();
        for entry in self.0.values_mut() {
            if entry.stage == Stage::Leaving && observed.as_of > entry.accepted && !listed.contains(&entry.vm)
            {
                entry.stage = Stage::Gone { at: now };
            }
        }
        let over = |at: Timestamp| later(at, KEEP).is_some_and(|end| now > end);
        self.0.retain(|vm, entry| match entry.stage {
            Stage::Leaving => true,
            Stage::Gone { at } => !over(at),
            // A poisoned machine that is still there must not be counted by the next copy of its message.
            Stage::Poisoned { at, .. } => listed.contains(vm) || !over(at),
        });
    }
}

enum Found {
    Machine(VmId),
    /// The instance id belongs to another machine.
    Other,
    Nothing,
    Unsure,
}

fn find(request: &Request, observed: &Observed) -> Found {
    // Azure does not mind the case of names; IMDS and ARM do not always agree on it.
    let Some(set) = observed.sets.iter().find(|set| set.name.eq_ignore_ascii_case(&request.set)) else {
        return if observed.sets_complete { Found::Nothing } else { Found::Unsure };
    };
    let Some(instances) = &set.instances else { return Found::Unsure };
    let names = |one: &&Instance| one.id.eq_ignore_ascii_case(&request.instance);
    match (instances.iter().find(names), request.vm) {
        (Some(one), Some(vm)) if one.vm != vm => Found::Other,
        (Some(one), _) => Found::Machine(one.vm),
        (None, _) => Found::Nothing,
    }
}
