//! The capability "a pool of worker machines", whatever Azure service makes them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::arm::ArmError;

/// How many nodes of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Dedicated (pay-as-you-go) nodes.
    pub dedicated: u32,
    /// Spot nodes.
    pub spot: u32,
}

impl Count {
    /// Dedicated and Spot together.
    pub fn total(self) -> u32 {
        self.dedicated.saturating_add(self.spot)
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} dedicated + {} spot", self.dedicated, self.spot)
    }
}

/// What a node is doing, as far as every kind of pool can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Being allocated, booting or running its start task.
    Starting,
    /// Up; its Worker runs as a service outside Batch's knowledge.
    Ready,
    /// Its start task failed, or Azure calls it unusable; it costs all the same.
    Failed,
    /// Evicted.
    Preempted,
    /// On its way out.
    Leaving,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, which is also its Worker's name.
    pub id: String,
    /// What it is doing.
    pub state: NodeState,
    /// Whether a Worker may run on it, up or not: a Worker is a service of the node's that goes on whatever Azure thinks of
    /// the node. One that was never up has none.
    pub may_render: bool,
    /// Dedicated or Spot.
    pub dedicated: bool,
    /// Why it failed, in words, where Azure says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Why a pool has not as many nodes as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResizeError {
    /// Azure's code such as `AccountCoreQuotaReached`.
    pub code: String,
    /// Azure's words.
    pub message: String,
}

/// A pool as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// Whether Azure has finished the last resize.
    pub steady: bool,
    /// Wanted nodes.
    pub target: Count,
    /// Allocated nodes.
    pub current: Count,
    /// Why the last resize fell short.
    pub errors: Vec<ResizeError>,
}

impl PoolState {
    /// Whether a resize is under way that takes nodes: those on their way out count until they are gone, the target is
    /// without them.
    pub fn shrinks(&self) -> bool {
        let more = self.current.dedicated > self.target.dedicated || self.current.spot > self.target.spot;
        !self.steady && more
    }

    /// Whether a resize is under way that only brings nodes.
    pub fn grows(&self) -> bool {
        !self.steady && !self.shrinks()
    }
}

/// A pool's refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// There is no such pool.
    #[error("there is no pool `{0}`")]
    Missing(String),
    /// Azure refused or could not be reached.
    #[error("pool `{pool}`: could not {doing}")]
    Azure {
        /// The pool.
        pool: String,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: Box<ArmError>,
    },
    /// Azure's answer was not understood.
    #[error("pool `{pool}`: unexpected answer ({what})")]
    Unexpected {
        /// The pool.
        pool: String,
        /// What was odd.
        what: String,
    },
}

/// A pool of machines that each run one Flamenco Worker.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait WorkerPool: Send + Sync {
    /// The pool's name.
    fn name(&self) -> &str;

    /// State and counts; one read.
    async fn observe(&self) -> Result<PoolState, PoolError>;

    /// All nodes, in the order of their ids; one paged read.
    async fn nodes(&self) -> Result<Vec<Node>, PoolError>;

    /// Waits until no resize is under way, where removals would wait for that; the state then.
    async fn settle(&self) -> Result<PoolState, PoolError> {
        self.observe().await
    }

    /// Asks for `target` nodes. Azure chooses which ones go when it is lower: to take chosen nodes use
    /// [`WorkerPool::delete_nodes`]. A resize under way is stopped and replaced.
    async fn resize(&self, target: Count) -> Result<(), PoolError>;

    /// Removes exactly these nodes and lowers the target by as many. Nodes that are already gone count as removed.
    async fn delete_nodes(&self, ids: &[String]) -> Result<(), PoolError>;
}
