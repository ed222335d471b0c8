//! What is known about a pool's scale sets: data that reads fill in and [`reconcile`](crate::reconcile::reconcile)
//! looks at.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use flamenco_azure_core::tags::{self, Tags};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::room::Room;
use crate::spec::{Placement, Policy};

/// Azure's `vmId` of a machine, never used twice. Instance ids are, across scale sets; so this is what is compared.
pub type VmId = uuid::Uuid;

/// The tag on a scale set with the pool that it is of.
pub const POOL: &str = "flamenco-farm-pool";

/// The tag on a scale set that is grown no more: the time and the reason.
pub const SEAL: &str = "flamenco-farm-sealed";

/// Whether a scale set is the pool's own: only such sets are counted, grown, sealed or removed. The name alone is no
/// proof, a tag can be copied with a template: both have to fit.
pub fn owned(name: &str, tags: &Tags, policy: &Policy) -> bool {
    tags::owner(tags) == Some(policy.farm.as_str())
        && tags::get(tags, POOL) == Some(policy.pool.as_str())
        && policy.names().generation(name).is_some()
}

/// Everything one pass looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Nothing in here is older than this: when the first of the reads began, less what Azure's lists may lag behind.
    pub as_of: Timestamp,
    /// Whether the list of scale sets was read to its last page. When not, nothing at all is decided.
    pub sets_complete: bool,
    /// The pool's own scale sets: those with its ownership tags. Foreign ones are not in here.
    pub sets: Vec<ScaleSet>,
    /// What the render manager says about the machines.
    pub view: RenderView,
    /// What quotas leave free; none when that was not read.
    pub room: Option<Room>,
    /// What this scaler asked Azure for and has perhaps not seen yet.
    pub asked: Asked,
    /// Scale sets of which Azure last said that a growth this scaler asked for is still under way: why one that shows
    /// a failure has failed is not known yet.
    pub growing: BTreeSet<String>,
}

impl Observed {
    /// An empty pool, seen completely at `as_of` by a scaler that never asked for anything.
    pub fn empty(as_of: Timestamp) -> Self {
        Self {
            as_of,
            sets_complete: true,
            sets: Vec::new(),
            view: RenderView::default(),
            room: None,
            asked: Asked::starting(as_of),
            growing: BTreeSet::new(),
        }
    }

    /// Whether every set and every instance was read.
    pub fn complete(&self) -> bool {
        self.sets_complete && self.sets.iter().all(|set| set.instances.is_some())
    }
}

/// One scale set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleSet {
    /// Its name.
    pub name: String,
    /// Its generation.
    pub generation: u64,
    /// Where its nodes are.
    pub placement: Placement,
    /// Azure's `sku.capacity`.
    pub capacity: u32,
    /// What Azure says about the set itself; `Unknown` where it says nothing.
    pub provisioning: Provisioning,
    /// Since when and why the scaler grows it no more.
    pub sealed: Option<Seal>,
    /// Its etag, for `If-Match`.
    pub etag: Option<String>,
    /// Its instances; none when they could not be read to the last page.
    pub instances: Option<Vec<Instance>>,
}

/// The provisioning state of a scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioning {
    /// Nothing is going on.
    Succeeded,
    /// An operation runs; instances may be on their way.
    Updating,
    /// The last operation failed; no instances are on their way.
    Failed,
    /// The set is being deleted.
    Deleting,
    /// Azure does not say, or something new.
    Unknown,
}

impl Provisioning {
    /// Whether the last operation has ended, well or badly.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The mark on a scale set that is grown no more; kept in a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub why: SealReason,
}

/// Why a scale set is grown no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SealReason {
    /// Its placement has no capacity or no quota; the set is unsealed when the mark has run out.
    Wall,
    /// There are more partly filled sets than needed; the set is unsealed when nodes are wanted again.
    Fragment,
    /// Its placement is no longer in the farm file.
    Unlisted,
}

impl SealReason {
    /// The word in the tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Fragment => "fragment",
            Self::Unlisted => "unlisted",
        }
    }
}

impl Seal {
    /// Reads the tag. A set whose tag cannot be read is sealed all the same.
    pub fn read(text: &str) -> Self {
        let (at, why) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let why = match why.trim() {
            "fragment" => SealReason::Fragment,
            "unlisted" => SealReason::Unlisted,
            _ => SealReason::Wall,
        };
        Self { at: at.parse().unwrap_or(Timestamp::UNIX_EPOCH), why }
    }
}

/// One machine of a scale set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Azure's instance id: a number (Uniform) or the VM's name (Flexible).
    pub id: String,
    /// Which machine it is.
    pub vm: VmId,
    /// When Azure made it.
    pub created: Timestamp,
    /// What it is doing.
    pub state: InstanceState,
}

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// Being allocated or booting.
    Creating,
    /// Up.
    Running,
    /// Its allocation, boot or set-up failed.
    Failed,
    /// Stopped or deallocated: it costs quota and disk and renders nothing.
    Stopped,
    /// Being deleted.
    Deleting,
    /// Azure does not say; it counts as a node and is left alone.
    Unknown,
}

/// Who knows which machines render: a render manager. Flamenco's, or anybody's own.
#[async_trait]
pub trait RenderManager: Send + Sync {
    /// Workers by their computer's name, whatever its case, and whether each of them is busy. Machines that are not named
    /// count as busy.
    async fn workers(&self) -> Result<BTreeMap<String, bool>, Box<dyn std::error::Error + Send + Sync>>;
}

/// What the render manager says. Machines that it does not name, and all of them when it is silent, count as busy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderView {
    /// Whether each machine renders (`true`) or is idle.
    pub busy: BTreeMap<VmId, bool>,
}

impl RenderView {
    /// Whether the machine is known to be idle.
    pub fn idle(&self, vm: VmId) -> bool {
        self.busy.get(&vm) == Some(&false)
    }
}
