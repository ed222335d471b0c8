//! How many nodes are wanted: the tag that people write, less the nodes that asked to go.
//!
//! The tag `TOTAL_NODES` has one class of writer: people and the programs that act for them. The scaler never writes
//! it, so no update can be lost, although resource group tags have no etag. What it counts itself is kept in its
//! state as `{base, removed}`, and the effective target is the tag if it differs from `base` (somebody set a new
//! number), else `base - removed`.

use std::collections::BTreeMap;

use flamenco_azure_core::tags::{self, Tags};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::TargetError;
use crate::observe::VmId;

/// The tag of a group with one pool.
pub const TOTAL_NODES: &str = "TOTAL_NODES";
/// The tag in which the scaler shows the effective target. Nothing reads it back.
pub const TOTAL_NODES_NOW: &str = "TOTAL_NODES_NOW";

/// The tag in which `scale` says when it set the target: a number that is set again counts anew, although the tag of the
/// target says what it said before.
pub const TOTAL_NODES_SET: &str = "TOTAL_NODES_SET";

/// The tag of one pool among several: `TOTAL_NODES.<farm>.<pool>`.
pub fn tag(farm: &str, pool: &str) -> String {
    format!("{TOTAL_NODES}.{farm}.{pool}")
}

/// The names of a pool's tags on the resource group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagNames {
    /// The target.
    pub target: String,
    /// The effective target, for people to see.
    pub now: String,
    /// When `scale` set the target.
    pub set: String,
}

impl TagNames {
    /// The names that count on a group with these tags. Plain ones only for the one pool (`sole`) of the group's one
    /// farm, and not where a tag with farm and pool in it was set before: what is read is what is written.
    pub fn on(tags: &Tags, farm: &str, pool: &str, sole: bool) -> Self {
        Self::of(farm, pool, sole && tags::get(tags, &tag(farm, pool)).is_none() && !shared(tags, farm))
    }

    /// The plain names where the group holds one pool (`sole`), else those with farm and pool in them.
    pub fn of(farm: &str, pool: &str, sole: bool) -> Self {
        let name = |plain: &str| if sole { plain.to_owned() } else { format!("{plain}.{farm}.{pool}") };
        Self { target: name(TOTAL_NODES), now: name(TOTAL_NODES_NOW), set: name(TOTAL_NODES_SET) }
    }
}

/// What the resource group says about the target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// The tags were read and none of ours is there: no nodes are wanted.
    Absent,
    /// So many.
    Nodes(u32),
    /// Something is there that is no count.
    Malformed {
        /// The tag.
        tag: String,
        /// What it says.
        text: String,
        /// What is wrong with it.
        error: TargetError,
    },
    /// The tags could not be read.
    Unread,
}

/// Whether the group's tags name another farm too.
fn shared(tags: &Tags, farm: &str) -> bool {
    let others = tags.iter().filter(|(_, value)| [tags::CREATED, tags::JOINED].contains(&value.as_str()));
    let own = tags::group_tag(farm);
    others
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with(&tags::group_tag("")))
        .any(|(name, _)| !name.eq_ignore_ascii_case(&own))
}

/// Reads the target from the group's tags. The pool's own tag comes first; the plain one counts only where the group
/// holds one pool (`sole`). Azure does not mind the case of tag names.
pub fn read(tags: Option<&Tags>, farm: &str, pool: &str, sole: bool) -> Reading {
    let Some(tags) = tags else { return Reading::Unread };
    let name = TagNames::on(tags, farm, pool, sole).target;
    match tags::get(tags, &name).map(|text| (name, text)) {
        None => Reading::Absent,
        Some((tag, text)) => match parse(text) {
            Ok(nodes) => Reading::Nodes(nodes),
            Err(error) => Reading::Malformed { tag, text: text.to_owned(), error },
        },
    }
}

/// A node count as people write it: digits, with blanks around them forgiven. No sign, no separators, no fraction.
pub fn parse(text: &str) -> Result<u32, TargetError> {
    let digits = text.trim();
    if digits.is_empty() {
        return Err(TargetError::Empty);
    }
    if let Some(rest) = digits.strip_prefix('-')
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_digit())
    {
        return Err(TargetError::Negative);
    }
    if let Some(character) = digits.chars().find(|c| !c.is_ascii_digit()) {
        return Err(TargetError::NoDigit { character });
    }
    digits.parse().map_err(|_| TargetError::TooLarge)
}

/// The scaler's own count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The last good value of the tag; none until one was read.
    pub base: Option<u32>,
    /// How many nodes asked to go since then.
    pub removed: u32,
    /// How often `base` was set anew: what was counted in an earlier epoch is not given back in a later one.
    pub epoch: u64,
    /// When `scale` set the target, as its tag says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
}

impl Count {
    /// Takes in what the tags say now. A reading that is no number changes nothing.
    pub fn settle(&mut self, reading: &Reading) {
        let nodes = match reading {
            Reading::Absent => 0,
            Reading::Nodes(nodes) => *nodes,
            Reading::Malformed { .. } | Reading::Unread => return,
        };
        if self.base != Some(nodes) {
            self.reset(nodes);
        }
    }

    /// Takes in what the tag [`TOTAL_NODES_SET`] says, after [`Self::settle`]: a new time means that somebody set the
    /// target, even to the number that it was.
    pub fn stamped(&mut self, stamp: Option<&str>) {
        let (Some(stamp), Some(nodes)) = (stamp, self.base) else { return };
        if self.stamp.as_deref() != Some(stamp) {
            self.reset(nodes);
            self.stamp = Some(stamp.to_owned());
        }
    }

    /// Somebody set this number, even if it is the one that was there: what was removed is forgotten.
    pub fn reset(&mut self, nodes: u32) {
        *self = Self { base: Some(nodes), removed: 0, epoch: self.epoch + 1, stamp: self.stamp.take() };
    }

    /// The effective target; none until a tag was read.
    pub fn effective(&self) -> Option<u32> {
        self.base.map(|base| base.saturating_sub(self.removed))
    }

    /// Counts one node that goes. Below nothing there is nothing to count, so that giving back stays exact.
    pub(crate) fn lower(&mut self) -> bool {
        let counts = self.effective().is_some_and(|nodes| nodes > 0);
        self.removed += u32::from(counts);
        counts
    }

    /// Takes a count back that was made in `epoch`.
    pub(crate) fn give_back(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.removed = self.removed.saturating_sub(1);
        }
    }
}

/// What [`reconcile`](crate::reconcile::reconcile) is to reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// So many nodes; none when no target was ever read, and then nothing is started or removed for the count's sake.
    pub nodes: Option<u32>,
    /// VMs whose deletion was asked for and counted, and when: they go, whatever they do.
    pub leaving: BTreeMap<VmId, Timestamp>,
}

impl Target {
    /// So many nodes, nobody asked to go.
    pub fn nodes(nodes: u32) -> Self {
        Self { nodes: Some(nodes), leaving: BTreeMap::new() }
    }
}
