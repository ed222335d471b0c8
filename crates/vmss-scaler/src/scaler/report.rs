//! What a pass tells: data for logs, `scaler status` and metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::reconcile::{Decision, Planned};

/// Whether this scaler leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It holds the lease.
    Leading,
    /// Another one does.
    Waiting {
        /// Who, as it calls itself.
        by: String,
    },
    /// Nobody can be known to: the state could not be read or the lease not be had.
    Unsure,
}

/// An action and what became of it, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What was sent.
    pub planned: Planned,
    /// What became of it.
    pub outcome: Ending,
    /// Azure's words where it was not accepted.
    pub words: String,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ending {
    /// Azure accepted it.
    Accepted,
    /// It was so already.
    Moot,
    /// Somebody changed the set in between.
    Stale,
    /// Azure refused it.
    Refused,
    /// The answer was lost.
    Unknown,
    /// Not sent: the lease was too old to be sure of.
    NotSent,
}

impl Ending {
    /// One word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Moot => "moot",
            Self::Stale => "stale",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::NotSent => "not sent",
        }
    }
}

/// One pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Whether this scaler leads.
    pub standing: Standing,
    /// What was decided; none where nothing could be.
    pub decision: Option<Decision>,
    /// What was sent.
    pub done: Vec<Done>,
    /// Operations that ended as failed since the last pass, in words.
    pub failed: Vec<String>,
    /// Requests to delete machines that were counted in this pass.
    pub counted: u32,
    /// What went wrong, in words.
    pub troubles: Vec<String>,
    /// What the tag says when it is no number, in words.
    pub malformed: Option<String>,
    /// When to look again.
    pub next_look: Timestamp,
}

impl Pass {
    pub(super) fn beginning(standing: Standing, next_look: Timestamp) -> Self {
        Self {
            standing,
            decision: None,
            done: Vec::new(),
            failed: Vec::new(),
            counted: 0,
            troubles: Vec::new(),
            malformed: None,
            next_look,
        }
    }

    /// Whether the pool has as many nodes as wanted, all up, and nothing goes on.
    pub fn settled(&self) -> bool {
        let calm = |decision: &Decision| decision.calm && decision.target == Some(decision.nodes);
        self.decision.as_ref().is_some_and(calm) && self.done.is_empty()
    }
}

/// Sums over a scaler's life, for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Passes.
    pub passes: u64,
    /// Passes that could not decide.
    pub blind: u64,
    /// Actions by kind and ending.
    pub actions: BTreeMap<(&'static str, &'static str), u64>,
    /// Requests to delete machines that were counted.
    pub deletions: u64,
    /// Messages that were given up.
    pub poisoned: u64,
    /// Operations that failed.
    pub failures: u64,
}
