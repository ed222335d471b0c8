//! What a pass decides, as data that can be printed.

use std::fmt;

use jiff::Timestamp;

use crate::marks::Rejection;
use crate::observe::{SealReason, VmId};
use crate::spec::Placement;

/// What one pass decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to send, in this order.
    pub actions: Vec<Planned>,
    /// What was noticed, also where nothing follows from it.
    pub notes: Vec<Note>,
    /// Which placements were not used, why, and until when.
    pub rejected: Vec<Rejection>,
    /// The target after the cap; none if there is none.
    pub target: Option<u32>,
    /// Nodes that are up.
    pub nodes: u32,
    /// Nodes that are up, on their way or asked for.
    pub pledged: u32,
    /// Nothing is missing, nothing is on its way in or out, nothing is to be done.
    pub calm: bool,
    /// When to look again.
    pub next_look: Timestamp,
}

impl Decision {
    pub(super) fn nothing(now: Timestamp) -> Self {
        Self {
            actions: Vec::new(),
            notes: Vec::new(),
            rejected: Vec::new(),
            target: None,
            nodes: 0,
            pledged: 0,
            calm: false,
            next_look: now,
        }
    }
}

/// An action and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to send.
    pub action: Action,
    /// Why.
    pub why: Why,
}

/// One request to Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make a scale set; to be sent with `If-None-Match: *`.
    Create {
        /// Its name.
        set: String,
        /// The generation in it.
        generation: u64,
        /// Where.
        placement: Placement,
        /// With so many nodes.
        capacity: u32,
    },
    /// Raise a set's capacity, and remove its seal in the same request; to be sent with `If-Match`.
    Grow {
        /// Its name.
        set: String,
        /// Its generation.
        generation: u64,
        /// Where it is.
        placement: Placement,
        /// Its etag as seen.
        etag: Option<String>,
        /// Its capacity as seen.
        from: u32,
        /// The new one. The same as `from` asks once more for what a failed operation still owes.
        to: u32,
        /// Whether the set is sealed now.
        unseal: bool,
    },
    /// Delete these machines, all in one request.
    Delete {
        /// Their scale set.
        set: String,
        /// Which.
        victims: Vec<Victim>,
    },
    /// Tag a set: it is grown no more.
    Seal {
        /// Its name.
        set: String,
        /// Its etag as seen.
        etag: Option<String>,
        /// The reason in the tag.
        reason: SealReason,
        /// The time in the tag.
        at: Timestamp,
    },
    /// Delete an empty scale set; to be sent with `If-Match`.
    Remove {
        /// Its name.
        set: String,
        /// Its etag as seen.
        etag: Option<String>,
    },
}

/// A machine to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// Its instance id.
    pub instance: String,
    /// Which machine it has to be; another one under this instance id is left alone.
    pub vm: VmId,
    /// Why it goes.
    pub why: VictimWhy,
}

/// Why a machine goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VictimWhy {
    /// Its deletion was asked for by message.
    Requested,
    /// Azure failed to make or boot it.
    Failed,
    /// It has been in the making for longer than the boot budget.
    Stuck,
    /// It is stopped and would cost quota for ever.
    Stopped,
    /// There are more nodes than wanted, and it does not boot yet.
    SurplusBooting,
    /// There are more nodes than wanted, and it is idle.
    SurplusIdle,
    /// There are more nodes than wanted, none of them is idle, and it is among the newest.
    SurplusNewest,
}

/// Why an action is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Nodes are missing.
    Missing {
        /// How many in all.
        missing: u32,
    },
    /// See each victim.
    Victims,
    /// The set's placement has no capacity or quota and nodes are missing.
    Walled,
    /// Fewer sets would do.
    Fragmented,
    /// The set's placement is no longer in the farm file.
    Unlisted,
    /// The set has no machines and is not wanted.
    Empty,
}

/// Something noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The observation is too old to decide from.
    TooOld {
        /// How old.
        as_of: Timestamp,
    },
    /// The list of scale sets is incomplete.
    SetsUnread,
    /// The instances of a set are not known, or were listed twice.
    InstancesUnread {
        /// The set.
        set: String,
    },
    /// No target was ever read.
    NoTarget,
    /// The target is above `maxNodes`.
    Capped {
        /// The target.
        wanted: u32,
        /// The cap.
        most: u32,
    },
    /// Nodes are missing and quotas leave room for fewer at this placement.
    QuotaLeaves {
        /// Where.
        placement: Placement,
        /// So many fit.
        nodes: u32,
    },
    /// Nodes are missing and no placement can have them.
    Short {
        /// How many.
        missing: u32,
    },
    /// Nodes are missing, and places for them come free in sets that are there.
    Waiting {
        /// How many.
        places: u32,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { missing } => write!(f, "{missing} nodes are missing"),
            Self::Victims => f.write_str("machines that have to go"),
            Self::Walled => f.write_str("no capacity or quota to bring it back to its size"),
            Self::Fragmented => f.write_str("fewer scale sets would do"),
            Self::Unlisted => f.write_str("its placement is not in the farm file"),
            Self::Empty => f.write_str("it is empty and not wanted"),
        }
    }
}

impl fmt::Display for VictimWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "asked for by message",
            Self::Failed => "failed to start",
            Self::Stuck => "not up within the boot budget",
            Self::Stopped => "stopped",
            Self::SurplusBooting => "more nodes than wanted, not up yet",
            Self::SurplusIdle => "more nodes than wanted, idle",
            Self::SurplusNewest => "more nodes than wanted, none idle, the newest",
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { set, placement, capacity, .. } => {
                write!(f, "create {set} with {capacity} nodes ({placement})")
            }
            Self::Grow { set, from, to, unseal, .. } => {
                write!(f, "grow {set} from {from} to {to}{}", if *unseal { " and unseal it" } else { "" })
            }
            Self::Delete { set, victims } => {
                write!(f, "delete from {set}:")?;
                victims.iter().try_for_each(|victim| write!(f, " {} ({})", victim.instance, victim.why))
            }
            Self::Seal { set, .. } => write!(f, "seal {set}"),
            Self::Remove { set, .. } => write!(f, "remove {set}"),
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.why)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOld { as_of } => write!(f, "what is known is of {as_of}: too old to decide from"),
            Self::SetsUnread => f.write_str("the list of scale sets is incomplete: nothing is decided"),
            Self::InstancesUnread { set } => {
                write!(f, "the instances of {set} are not known: nothing is deleted")
            }
            Self::NoTarget => f.write_str("no target was ever read: nothing is started or removed"),
            Self::Capped { wanted, most } => write!(f, "{wanted} nodes are wanted, maxNodes allows {most}"),
            Self::QuotaLeaves { placement, nodes } => {
                write!(f, "{placement}: quotas leave room for {nodes} more nodes")
            }
            Self::Short { missing } => write!(f, "{missing} nodes are missing and no placement has room"),
            Self::Waiting { places } => write!(f, "{places} places come free in scale sets that are there"),
        }
    }
}
