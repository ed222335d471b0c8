//! The plan: everything that will be done, as data.
//!
//! `plan` is pure and deterministic. Each [`Step`] carries the complete request, the steps it needs first and its
//! reason in words, so that a plan can be printed, saved, compared and executed without a further decision. Deploying
//! twice plans nothing the second time; tearing down is a plan like any other.

mod build;
mod common;
mod desired;
pub mod diff;
mod grant;
mod lookup;
mod teardown;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::build::{RESOURCES_API, plan, tag_request};
pub use self::common::{IDENTITY, IDENTITY_API, STORAGE, STORAGE_API, identity, keyless_storage};
pub use self::desired::{Absent, Checkpoint, Desired, Early, GroupWish, How, Order, Update, Wanted};
pub use self::diff::Change;
pub(crate) use self::grant::owner_of;
pub use self::grant::{AUTHORIZATION_API, Grant, Principal, ROLE_ASSIGNMENT, Role, roles, scope_of};
pub use self::lookup::{Lookup, lookup, lookups, replace};
pub use self::teardown::{TeardownOptions, plan_teardown};
use crate::arm::Request;
use crate::error::Hint;
use crate::ids::ResourceId;

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Makes a resource that is not there.
    Create,
    /// Changes fields of an existing resource.
    Update,
    /// Starts a stopped machine.
    Start,
    /// Stops a machine and releases its cores.
    Stop,
    /// Changes a pool's node counts.
    Resize,
    /// Removes a resource.
    Delete,
    /// Waits until a condition holds; changes nothing.
    Await,
}

impl Verb {
    /// The verb in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Resize => "resize",
            Self::Delete => "delete",
            Self::Await => "await",
        }
    }
}

/// How a step is carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub enum Action {
    /// Sends a request and follows its long-running operation to the end.
    Send {
        /// The request.
        request: Request,
    },
    /// Repeats a read until the condition holds.
    Poll {
        /// The read.
        request: Request,
        /// What must hold.
        until: Condition,
    },
    /// Runs a command in the guest (a long-running POST) and judges its one line of JSON.
    Ask {
        /// The run-command request.
        request: Request,
        /// The member of the answer that must be `true`.
        expect: String,
    },
    /// Deletes the resource group if nothing is left in it at that moment; otherwise removes our tag from it.
    DeleteEmptyGroup(Box<GroupRequests>),
}

/// The requests of [`Action::DeleteEmptyGroup`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRequests {
    /// Lists what is inside.
    pub list: Request,
    /// Deletes the group.
    pub delete: Request,
    /// Removes our tag instead.
    pub untag: Request,
}

/// A predicate on a resource as it is read; absence is a legal input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// Provisioning has ended well.
    Settled,
    /// The resource is gone.
    Gone,
    /// A Batch pool's allocation is steady; resize errors are reported, not fatal.
    PoolSteady,
    /// A scale set has no machines, or is gone.
    NoMachines,
    /// A Batch account's own core quota suffices (`dedicatedCoreQuota`, `lowPriorityCoreQuota`).
    BatchCores {
        /// Dedicated cores needed.
        dedicated: u32,
        /// Spot cores needed.
        spot: u32,
    },
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Unique within the plan, such as `create virtualNetworks/farm-vnet`.
    pub id: String,
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub resource: ResourceId,
    /// What the resource is for, in words.
    pub purpose: String,
    /// Why the step is there, in words.
    pub reason: String,
    /// The fields an update changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Ids of the steps that must be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// How.
    pub action: Action,
}

impl Step {
    /// The id of a step.
    pub fn id_of(verb: Verb, resource: &ResourceId) -> String {
        let mut back = resource.as_str().rsplit('/');
        let mut segment = || back.next().unwrap_or_default();
        let (name, kind, above, key) = (segment(), segment(), segment(), segment());
        let verb = verb.as_str();
        // A child is told by its parent's name too: two networks may both have a subnet `workers`.
        if ["providers", "subscriptions"].iter().any(|top| key.eq_ignore_ascii_case(top)) {
            format!("{verb} {kind}/{name}")
        } else {
            format!("{verb} {kind}/{above}/{name}")
        }
    }
}

/// A difference that Azure cannot change in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// The resource.
    pub resource: ResourceId,
    /// The differences.
    pub changes: Vec<Change>,
    /// What the user can do about it.
    pub remedy: String,
}

/// The steps to take, in an order that respects `needs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The farm's name.
    pub farm: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// Differences that need a replacement; nothing is done about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// What stays, and why (teardown).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
}

/// A resource that a teardown leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// The resource.
    pub resource: ResourceId,
    /// Why it stays.
    pub why: String,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether what exists differs from what is wanted: changes to make or differences that block. Waiting for what is
    /// already under way is neither.
    pub fn has_drift(&self) -> bool {
        self.steps.iter().any(|step| step.verb != Verb::Await) || !self.blocked.is_empty()
    }

    /// The step with this id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Puts the steps into an order in which each comes after those it needs. Stable: independent steps keep their
    /// order.
    ///
    /// # Errors
    /// [`PlanError::Cycle`] when steps need one another, [`PlanError::UnknownNeed`] when a needed step is missing.
    pub fn sort(&mut self) -> Result<(), PlanError> {
        let index: BTreeMap<&str, usize> =
            self.steps.iter().enumerate().map(|(index, step)| (step.id.as_str(), index)).collect();
        let mut missing = vec![0_usize; self.steps.len()];
        let mut waited_for: Vec<Vec<usize>> = vec![Vec::new(); self.steps.len()];
        for (at, step) in self.steps.iter().enumerate() {
            for need in &step.needs {
                let Some(&first) = index.get(need.as_str()) else {
                    return Err(PlanError::UnknownNeed { step: step.id.clone(), need: need.clone() });
                };
                missing[at] += 1;
                waited_for[first].push(at);
            }
        }
        let mut ready: BTreeSet<usize> = (0..self.steps.len()).filter(|&at| missing[at] == 0).collect();
        let mut order = Vec::with_capacity(self.steps.len());
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for &later in &waited_for[at] {
                missing[later] -= 1;
                if missing[later] == 0 {
                    ready.insert(later);
                }
            }
        }
        if order.len() < self.steps.len() {
            let steps = self.steps.iter().zip(&missing).filter(|(_, missing)| **missing > 0);
            return Err(PlanError::Cycle { steps: steps.map(|(step, _)| step.id.clone()).collect() });
        }
        let mut steps: Vec<Option<Step>> = std::mem::take(&mut self.steps).into_iter().map(Some).collect();
        self.steps = order.into_iter().filter_map(|at| steps[at].take()).collect();
        Ok(())
    }
}

/// Why no plan could be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Resources with the wanted names exist and belong to someone else.
    #[error("{}", foreign_message(.ids, .farm))]
    Foreign {
        /// The resources.
        ids: Vec<ResourceId>,
        /// The farm that wanted these names.
        farm: String,
    },
    /// The group exists in another region.
    #[error("resource group `{group}` is in `{have}`, the farm file says `{want}`")]
    GroupElsewhere {
        /// The group's name.
        group: String,
        /// Its region.
        have: String,
        /// The region asked for.
        want: String,
    },
    /// Steps need one another: a defect in a desired state.
    #[error("steps need one another: {}", .steps.join(", "))]
    Cycle {
        /// The steps in the cycle.
        steps: Vec<String>,
    },
    /// A step needs a step that is not in the plan: a defect, or a plan file that was edited.
    #[error("step `{step}` needs `{need}`, which is not in the plan")]
    UnknownNeed {
        /// The step.
        step: String,
        /// The missing one.
        need: String,
    },
}

fn foreign_message(ids: &[ResourceId], farm: &str) -> String {
    let names: Vec<_> = ids.iter().map(|id| format!("{} `{}`", id.kind(), id.name())).collect();
    format!("not owned by farm `{farm}` but in the way: {}", names.join(", "))
}

impl PlanError {
    /// The next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Foreign { .. } => Some(Hint::new(
                "choose other names in the farm file (`virtualMachine`, `storageAccountName`, `batchAccountName`), \
                 or another `resourceGroup`; nothing was changed",
            )),
            Self::GroupElsewhere { have, .. } => Some(Hint::new(format!(
                "set `location: {have}`, or choose another `resourceGroup`; nothing was changed"
            ))),
            Self::Cycle { .. } | Self::UnknownNeed { .. } => None,
        }
    }
}

/// Removes every `null` member: a wanted body says "absent" with null, a request says it by silence.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k.clone(), without_nulls(v)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
