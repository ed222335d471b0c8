//! Pools and nodes as the Batch service knows them beyond their resources.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::autoscale::{Run, Scaling};
use super::files::PutFile;

/// All pools by lower-cased resource id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) pools: BTreeMap<String, Pool>,
    /// Start tasks that fail, by pool: the reason.
    pub(super) failing: BTreeMap<String, String>,
    /// How the next start tasks of a pool fail.
    #[serde(default)]
    pub(super) next_failures: BTreeMap<String, NextFailures>,
    /// Sizes of which nodes cannot be allocated: code and message.
    #[serde(default)]
    pub(super) refusals: BTreeMap<String, (String, String)>,
    /// Nodes cannot be reimaged.
    #[serde(default)]
    pub(super) no_reimage: bool,
}

/// So many start tasks fail in this way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NextFailures {
    pub(super) left: u32,
    pub(super) failure: TaskFailure,
}

/// How a start task ended that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskFailure {
    pub(super) exit_code: i32,
    /// All that it wrote to stderr.
    pub(super) stderr: String,
}

impl TaskFailure {
    /// What the start task of a farm says when it gives up.
    pub(super) fn of_farm(reason: &str) -> Self {
        Self { exit_code: 1, stderr: format!("flamenco-azure: failed: {reason}\n") }
    }

    /// Its last line.
    pub(super) fn last_words(&self) -> &str {
        self.stderr.trim_end().lines().next_back().unwrap_or_default()
    }
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
    #[serde(default)]
    pub(super) scaling: Option<Scaling>,
    /// The last evaluation of the formula.
    #[serde(default)]
    pub(super) run: Option<Run>,
    /// What metrics are said to be.
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, u32>,
    pub(super) deleting: bool,
    pub(crate) nodes: BTreeMap<String, Node>,
}

/// Node states (Microsoft Learn "BatchNodeState").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeState {
    Creating,
    Starting,
    WaitingForStartTask,
    StartTaskFailed,
    Idle,
    Running,
    Rebooting,
    Reimaging,
    Unusable,
    Unknown,
    Offline,
    Preempted,
    LeavingPool,
    UpgradingOs,
    Deallocating,
    Deallocated,
}

impl NodeState {
    /// Whether the node agent serves files: it runs, and Batch hears of it.
    pub(super) fn serves_files(self) -> bool {
        matches!(
            self,
            Self::WaitingForStartTask | Self::StartTaskFailed | Self::Idle | Self::Running | Self::Offline
        )
    }

    /// The word on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::WaitingForStartTask => "waitingforstarttask",
            Self::StartTaskFailed => "starttaskfailed",
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Offline => "offline",
            Self::Rebooting => "rebooting",
            Self::Reimaging => "reimaging",
            Self::Unusable => "unusable",
            Self::Preempted => "preempted",
            Self::LeavingPool => "leavingpool",
            Self::UpgradingOs => "upgradingos",
            Self::Deallocating => "deallocating",
            Self::Deallocated => "deallocated",
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
    /// When the start task of this boot last began.
    pub(super) task_started: Option<Timestamp>,
    /// How often it was run again in this boot.
    #[serde(default)]
    pub(super) task_retries: u64,
    pub(super) task_ended: Option<Timestamp>,
    /// Why the start task failed.
    pub(super) task_failure: Option<TaskFailure>,
    /// What made it unusable.
    pub(super) trouble: Option<Trouble>,
    /// Files that were put on it, by path.
    #[serde(default)]
    pub(super) files: BTreeMap<String, PutFile>,
    /// Users who may sign in, with their public keys.
    #[serde(default)]
    pub(super) users: BTreeMap<String, String>,
}

/// An error of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(super) code: String,
    pub(super) message: String,
}

impl Trouble {
    pub(super) fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned() }
    }
}

impl Node {
    /// Whether it costs money: preempted and deallocated ones do not, broken ones do.
    pub(crate) fn is_billed(&self) -> bool {
        !matches!(self.state, NodeState::Preempted | NodeState::Deallocated)
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
