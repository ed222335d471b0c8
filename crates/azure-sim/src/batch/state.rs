//! Pools and nodes as the Batch service knows them beyond their resources.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// All pools by lower-cased resource id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) pools: BTreeMap<String, Pool>,
    /// Start tasks that fail, by pool: the reason.
    pub(super) failing: BTreeMap<String, String>,
}

/// Where a resize stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Allocation {
    Steady,
    Resizing,
    Stopping,
}

impl Allocation {
    /// The word of the control plane.
    pub(super) fn arm(self) -> &'static str {
        match self {
            Self::Steady => "Steady",
            Self::Resizing => "Resizing",
            Self::Stopping => "Stopping",
        }
    }
}

/// Why a resize ended short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResizeError {
    pub(super) code: String,
    pub(super) message: String,
}

/// A pool's allocation and nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    /// Resource id in the casing of its creation.
    pub(crate) id: String,
    /// Region of its account.
    pub(crate) location: String,
    /// VM size as the catalogue spells it.
    pub(crate) size: String,
    pub(super) allocation: Allocation,
    pub(super) allocation_since: Timestamp,
    /// Wanted nodes.
    pub(super) dedicated: u32,
    pub(super) spot: u32,
    /// Seconds a resize may take.
    pub(super) timeout: u64,
    /// `nodeDeallocationOption` of the last resize.
    pub(super) option: String,
    pub(super) resize_started: Timestamp,
    pub(super) errors: Vec<ResizeError>,
    /// Counts resizes, so that a stale event is known as one.
    pub(super) round: u64,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// Autoscale formula, when that is switched on.
    pub(super) formula: Option<String>,
    pub(super) deleting: bool,
    pub(crate) nodes: BTreeMap<String, Node>,
}

/// Node states (Microsoft Learn "ComputeNodeState").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeState {
    Creating,
    Starting,
    WaitingForStartTask,
    StartTaskFailed,
    Idle,
    Rebooting,
    Reimaging,
    Unusable,
    Preempted,
    LeavingPool,
}

impl NodeState {
    /// The word on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::WaitingForStartTask => "waitingforstarttask",
            Self::StartTaskFailed => "starttaskfailed",
            Self::Idle => "idle",
            Self::Rebooting => "rebooting",
            Self::Reimaging => "reimaging",
            Self::Unusable => "unusable",
            Self::Preempted => "preempted",
            Self::LeavingPool => "leavingpool",
        }
    }
}

/// A compute node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(super) id: String,
    pub(super) spot: bool,
    pub(super) state: NodeState,
    pub(super) since: Timestamp,
    pub(super) allocated: Timestamp,
    pub(super) booted: Option<Timestamp>,
    pub(super) address: String,
    /// Counts boots, so that a stale event is known as one.
    pub(super) round: u64,
    /// When the start task of this boot began.
    pub(super) task_started: Option<Timestamp>,
    pub(super) task_ended: Option<Timestamp>,
    /// Why the start task failed.
    pub(super) task_failure: Option<String>,
    /// What made it unusable.
    pub(super) trouble: Option<String>,
}

impl Node {
    /// Whether it costs money: preempted ones do not, broken ones do.
    pub(crate) fn is_billed(&self) -> bool {
        self.state != NodeState::Preempted
    }

    /// Whether it is Spot.
    pub(crate) fn is_spot(&self) -> bool {
        self.spot
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.state == NodeState::LeavingPool
    }

    pub(super) fn set(&mut self, state: NodeState, now: Timestamp) {
        self.state = state;
        self.since = now;
    }
}

impl Pool {
    /// Nodes of a kind that are not on their way out.
    pub(super) fn count(&self, spot: bool) -> u32 {
        let count = self.nodes.values().filter(|n| n.spot == spot && !n.is_leaving()).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(super) fn target(&self, spot: bool) -> u32 {
        if spot { self.spot } else { self.dedicated }
    }

    /// Changes the allocation state.
    pub(super) fn allocate(&mut self, allocation: Allocation, now: Timestamp) {
        self.allocation = allocation;
        self.allocation_since = now;
    }
}
