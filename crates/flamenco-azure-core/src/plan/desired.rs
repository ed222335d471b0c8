//! What is wanted, as data: the input of the planner.

use serde_json::Value;

use super::{Action, Condition, Verb};
use crate::arm::Request;
use crate::ids::{Location, ResourceId};
use crate::tags::Tags;

/// How an existing resource is brought to its wanted state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// PUT of the wanted body (tags of others are kept).
    Put,
    /// PUT of the observed body with the wanted one laid over it, keeping elements of the named list that are not
    /// ours (a virtual network's other subnets).
    PutKeeping(&'static str),
    /// PATCH that sends the values at these pointers; a difference anywhere else needs a replacement.
    Patch(&'static [&'static str]),
    /// DELETE and PUT: nothing of it can be changed, and nothing is lost with it (role assignments).
    Anew,
}

/// One wanted resource.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Its id.
    pub id: ResourceId,
    /// The api-version of its requests.
    pub api_version: &'static str,
    /// The whole body of its creation. `null` members mean "absent".
    pub body: Value,
    /// What it is for, in words.
    pub purpose: &'static str,
    /// Resources that must be there first, with their checkpoints.
    pub after: Vec<ResourceId>,
    /// How it can be created before some of `after` are there.
    pub early: Option<Early>,
    /// Resources that must be there first, whether or not their checkpoints are reached: a pool's nodes boot while
    /// the Manager does.
    pub beside: Vec<ResourceId>,
    /// Pointers that are sent at creation, not compared later and never sent again: secrets Azure does not return,
    /// counts that the scaler owns.
    pub create_only: &'static [&'static str],
    /// Pointers that Azure cannot change in place, with what the user can do about it.
    pub replace_on: &'static [&'static str],
    /// What the user can do when one of `replace_on` differs.
    pub replace_remedy: &'static str,
    /// How it is changed.
    pub update: Update,
}

impl Desired {
    /// A resource that comes after nothing, is compared whole and changed by PUT. `..Desired::new(…)` completes one of which
    /// more is to be said.
    pub fn new(id: ResourceId, api_version: &'static str, purpose: &'static str, body: Value) -> Self {
        Self {
            id,
            api_version,
            body,
            purpose,
            after: Vec::new(),
            early: None,
            beside: Vec::new(),
            create_only: &[],
            replace_on: &[],
            replace_remedy: "",
            update: Update::Put,
        }
    }
}

/// A creation in two steps: first without what takes long, so that others can go on, then whole.
#[derive(Debug, Clone)]
pub struct Early {
    /// The body of the first step.
    pub body: Value,
    /// Those of [`Desired::after`] that only the whole body needs.
    pub without: Vec<ResourceId>,
    /// Why there is a second step, in words.
    pub reason: &'static str,
}

/// A step that is taken whatever the comparison says: starting a machine, resizing a pool.
#[derive(Debug, Clone)]
pub struct Order {
    /// The resource it acts on; it comes after the update of that resource.
    pub resource: ResourceId,
    /// What it does.
    pub verb: Verb,
    /// What the resource is for, in words.
    pub purpose: &'static str,
    /// Why, in words.
    pub reason: String,
    /// Resources whose steps come first.
    pub after: Vec<ResourceId>,
    /// How.
    pub action: Action,
}

/// A resource that must not exist.
#[derive(Debug, Clone)]
pub struct Absent {
    /// The resource.
    pub id: ResourceId,
    /// The api-version of its deletion.
    pub api_version: &'static str,
    /// What it was for, in words.
    pub purpose: &'static str,
    /// Why it goes, in words.
    pub reason: String,
    /// Resources whose steps come first (those that release it).
    pub after: Vec<ResourceId>,
}

/// Something that must be reached, beyond the existence of resources.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The resource it is about; steps that list this id in `after` wait for the checkpoint too.
    pub resource: ResourceId,
    /// What it is, in words.
    pub purpose: &'static str,
    /// Resources that must be there before it can be reached, though not before its own resource is made.
    pub after: Vec<ResourceId>,
    /// How it is established.
    pub how: How,
    /// Evidence on the resource itself that it was reached before: pointer and value. Without evidence the
    /// checkpoint runs only after a step on its resource.
    pub evidence: Option<(String, Value)>,
    /// Whether it is reached anew after each step on its resource. If not, it runs only on a resource that was there
    /// before and lacks the evidence: a creation brings the evidence with it.
    pub after_each_step: bool,
    /// Written after success, so that the evidence is there next time.
    pub mark: Option<Request>,
}

/// How a checkpoint is established.
#[derive(Debug, Clone)]
pub enum How {
    /// By reading until a condition holds.
    Poll(Request, Condition),
    /// By asking the guest; the named member of the answer must be `true`.
    Ask(Request, String),
}

/// The wish about the resource group.
#[derive(Debug, Clone)]
pub struct GroupWish {
    /// Its id.
    pub id: ResourceId,
    /// Its region.
    pub location: Location,
    /// Ownership and user tags for a group that is made by us.
    pub tags: Tags,
}

/// Everything that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The farm's name.
    pub farm: String,
    /// The resource group.
    pub group: GroupWish,
    /// The resources, in any order.
    pub resources: Vec<Desired>,
    /// Steps that are taken in any case.
    pub orders: Vec<Order>,
    /// Resources that must not exist, such as a paused farm's NAT gateway.
    pub absent: Vec<Absent>,
    /// Checkpoints.
    pub checkpoints: Vec<Checkpoint>,
}
