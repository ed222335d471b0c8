//! What the scaler asked Azure for and has perhaps not seen yet.
//!
//! Written to the state *before* the first request of a pass is sent, so that neither a crash between two requests nor
//! a list that lags behind makes the next pass ask for the same nodes again. An entry ends when a look that is surely
//! younger than the request's acceptance is there, when the request was refused, or after
//! [`Policy::redo_after`](crate::spec::Policy::redo_after) if its outcome was never heard.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::first_generation;
use crate::observe::{Observed, VmId};
use crate::reconcile::{Action, Decision};
use crate::spec::{Placement, Policy};

/// The requests on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The generation of the next scale set.
    pub next_generation: u64,
    /// Sets that were created or grown.
    pub sets: BTreeMap<String, AskedSet>,
    /// Machines that were told to go.
    pub deletions: BTreeMap<VmId, AskedAt>,
    /// Sets that were told to go.
    pub removals: BTreeMap<String, AskedAt>,
}

/// A set that was created or grown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedSet {
    /// The capacity that was asked for.
    pub capacity: u32,
    /// Where.
    pub placement: Placement,
    /// Its generation.
    pub generation: u64,
    /// When.
    pub when: AskedAt,
}

/// When something was asked for and accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedAt {
    /// When it was decided first.
    pub first: Timestamp,
    /// When it was decided last.
    pub at: Timestamp,
    /// When Azure accepted it; none while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Timestamp>,
    /// When it was heard that Azure did not do what it had accepted; none while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Timestamp>,
}

impl AskedAt {
    fn new(now: Timestamp) -> Self {
        Self { first: now, at: now, accepted: None, failed: None }
    }

    /// Whether the request is known to have failed before the look that is true as of `as_of`: what that shows of the
    /// machine is how it stays.
    pub fn failed_before(self, as_of: Timestamp) -> bool {
        self.failed.is_some_and(|failed| as_of > failed)
    }

    /// Whether a look that is true as of `as_of` shows what became of the request.
    pub fn shown(self, as_of: Timestamp, policy: &Policy) -> bool {
        self.accepted.is_some_and(|accepted| as_of > accepted)
            || later(self.at, policy.redo_after).is_some_and(|end| as_of > end)
    }
}

impl Asked {
    /// Nothing asked for yet.
    pub fn starting(now: Timestamp) -> Self {
        Self {
            next_generation: first_generation(now),
            sets: BTreeMap::new(),
            deletions: BTreeMap::new(),
            removals: BTreeMap::new(),
        }
    }

    /// Takes in what was decided; to be stored before any of it is sent.
    pub fn note(&mut self, decision: &Decision, now: Timestamp) {
        let when = AskedAt::new(now);
        for planned in &decision.actions {
            match &planned.action {
                Action::Create { set, generation, placement, capacity } => {
                    self.next_generation = self.next_generation.max(generation + 1);
                    let entry = AskedSet {
                        capacity: *capacity,
                        placement: placement.clone(),
                        generation: *generation,
                        when,
                    };
                    self.sets.insert(set.clone(), entry);
                }
                Action::Grow { set, to, placement, generation, .. } => {
                    let entry = AskedSet {
                        capacity: *to,
                        placement: placement.clone(),
                        generation: *generation,
                        when,
                    };
                    // A removal that was given up must not come to mind again by an older look.
                    self.removals.remove(set);
                    self.sets.insert(set.clone(), entry);
                }
                Action::Delete { victims, .. } => {
                    for victim in victims {
                        let first = self.deletions.get(&victim.vm).map_or(now, |old| old.first);
                        self.deletions.insert(victim.vm, AskedAt { first, ..when });
                    }
                }
                Action::Remove { set, .. } => {
                    self.removals.insert(set.clone(), when);
                }
                Action::Seal { .. } => {}
            }
        }
    }

    /// Azure accepted it.
    pub fn accepted(&mut self, action: &Action, now: Timestamp) {
        let accept = |when: &mut AskedAt| when.accepted = Some(now);
        match action {
            Action::Create { set, .. } | Action::Grow { set, .. } => {
                if let Some(entry) = self.sets.get_mut(set) {
                    accept(&mut entry.when);
                }
            }
            Action::Delete { victims, .. } => {
                for victim in victims {
                    if let Some(when) = self.deletions.get_mut(&victim.vm) {
                        accept(when);
                    }
                }
            }
            Action::Remove { set, .. } => {
                if let Some(when) = self.removals.get_mut(set) {
                    accept(when);
                }
            }
            Action::Seal { .. } => {}
        }
    }

    /// Azure gave up the deletion that it accepted at `accepted`. Part of it may have happened, so that only a younger look
    /// tells which machines are nodes again. A request that was sent once more since is not touched.
    pub fn failed(&mut self, action: &Action, accepted: Timestamp, now: Timestamp) {
        let Action::Delete { victims, .. } = action else { return };
        for victim in victims {
            if let Some(when) =
                self.deletions.get_mut(&victim.vm).filter(|when| when.accepted == Some(accepted))
            {
                when.failed = Some(now);
            }
        }
    }

    /// Azure refused it: it surely did not happen. Not to be called when the outcome is unknown.
    pub fn refused(&mut self, action: &Action) {
        match action {
            Action::Create { set, .. } | Action::Grow { set, .. } => {
                self.sets.remove(set);
            }
            Action::Delete { victims, .. } => {
                for victim in victims {
                    self.deletions.remove(&victim.vm);
                }
            }
            Action::Remove { set, .. } => {
                self.removals.remove(set);
            }
            Action::Seal { .. } => {}
        }
    }

    /// Forgets requests whose outcome every look shows that may still be used: an older look can come after a younger
    /// one. Deletions are kept while their machine is listed.
    pub fn forget(&mut self, observed: &Observed, policy: &Policy, now: Timestamp) {
        let Ok(oldest) = now.checked_sub(policy.max_age) else { return };
        self.sets.retain(|_, entry| !entry.when.shown(oldest, policy));
        self.removals.retain(|_, when| !when.shown(oldest, policy));
        if observed.complete() {
            let listed: std::collections::BTreeSet<VmId> = observed
                .sets
                .iter()
                .flat_map(|set| set.instances.iter().flatten())
                .map(|one| one.vm)
                .collect();
            self.deletions.retain(|vm, when| listed.contains(vm) || !when.shown(oldest, policy));
        }
    }
}

/// A moment later by `by`; none beyond the end of time.
pub(crate) fn later(from: Timestamp, by: std::time::Duration) -> Option<Timestamp> {
    from.checked_add(by).ok()
}
