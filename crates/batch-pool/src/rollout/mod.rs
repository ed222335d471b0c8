//! Bringing the nodes of a pool to its newest definition, a few at a time.
//!
//! A changed start task or package reaches only nodes that boot from then on ("Changes to application package references
//! … do not affect compute nodes that are already in the pool until they are rebooted or reimaged", BatchManagement.json).
//! Batch does not say which definition a node booted with, but when its start task last began. So a rollout needs a
//! moment from which on the definition is the newest one. The pool's `lastModified` moves with each resize, and a
//! default version or a package's content changes without it. A [`Mark`] in the pool's metadata therefore keeps the
//! moment, beside the digest of the definition ([`recipe`]) that it is about: any call, from any machine, goes on where
//! the one before ended, and a definition that changed meanwhile begins anew.
//!
//! [`next`] decides, and is pure; [`Rollout`] reads and asks.

mod service;

use std::collections::BTreeMap;

use flamenco_azure_core::pool::NodeState;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::nodes::kind_of;

pub use self::service::{Begun, Missing, Reference, Rollout, RolloutError, references_of, resolve};

/// The metadata item that keeps the mark.
pub const MARK: &str = "flamenco-rollout";
/// Where the planner sees it: not the farm file's.
pub const MARK_POINTER: &str = "/properties/metadata/flamenco-rollout";

/// Which definition is rolled out, and since when nodes boot with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The digest of the definition.
    pub recipe: String,
    /// Nodes whose start task began then or later have it; `None` until that moment is known.
    pub since: Option<Timestamp>,
}

impl Mark {
    /// Reads it off a pool's control-plane body.
    pub fn read(body: &Value) -> Option<Self> {
        let items = body.pointer("/properties/metadata")?.as_array()?;
        let item = items.iter().find(|item| item.get("name").and_then(Value::as_str) == Some(MARK))?;
        let text = item.get("value")?.as_str()?;
        let (recipe, since) = text.split_once(' ').unwrap_or((text, ""));
        Some(Self { recipe: recipe.to_owned(), since: since.parse().ok() })
    }

    /// The pool's metadata with this mark and everything else that is there.
    fn metadata(&self, body: &Value) -> Value {
        let items = body.pointer("/properties/metadata").and_then(Value::as_array);
        let others = items.into_iter().flatten();
        let mut all: Vec<Value> =
            others.filter(|item| item.get("name").and_then(Value::as_str) != Some(MARK)).cloned().collect();
        let since = self.since.map(|at| format!(" {at}")).unwrap_or_default();
        all.push(json!({"name": MARK, "value": format!("{}{since}", self.recipe)}));
        json!(all)
    }
}

/// A digest of what a node gets of its pool when it boots: start task, its variables, and packages with the versions and
/// contents that their references stand for now.
pub fn recipe(body: &Value, packages: &[Reference]) -> String {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let variables = body.pointer("/properties/startTask/environmentSettings").and_then(Value::as_array);
    let mut variables: Vec<String> = variables.into_iter().flatten().map(Value::to_string).collect();
    variables.sort();
    let mut packages: Vec<String> =
        packages.iter().map(|p| format!("{}#{} {}", p.application, p.version, p.activated)).collect();
    packages.sort();
    let whole = json!([text("/properties/startTask/commandLine"), variables, packages]).to_string();
    let digest = Sha256::digest(whole.as_bytes());
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What a rollout has to know of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Batch's word for its state, in lower case.
    pub state: String,
    /// Since when it is in it.
    pub since: Option<Timestamp>,
    /// When its start task last began.
    pub started: Option<Timestamp>,
    /// What went wrong, in Batch's words.
    pub trouble: Option<String>,
}

impl Seen {
    /// Reads a node's data-plane body.
    pub fn read(body: &Value) -> Option<Self> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let time = |pointer: &str| text(pointer).and_then(|at| at.parse().ok());
        let trouble = ["/startTaskInfo/failureInfo/details/0/value", "/startTaskInfo/failureInfo/message"];
        let trouble = trouble.into_iter().chain(["/errors/0/message", "/errors/0/code"]).find_map(text);
        Some(Self {
            id: text("/id")?.to_owned(),
            state: text("/state")?.to_ascii_lowercase(),
            since: time("/stateTransitionTime"),
            started: time("/startTaskInfo/startTime"),
            trouble: trouble.map(str::to_owned),
        })
    }

    fn kind(&self) -> NodeState {
        kind_of(&self.state)
    }

    /// Where the node stands.
    pub fn standing(&self, since: Timestamp) -> Standing {
        let new = self.started.is_some_and(|at| at >= since);
        match (self.kind(), self.state.as_str()) {
            (NodeState::Leaving | NodeState::Preempted, _) => Standing::Away,
            (NodeState::Starting, _) => Standing::Coming,
            (NodeState::Ready, _) if new => Standing::Current,
            (NodeState::Failed, "starttaskfailed") if new => Standing::Failed,
            (NodeState::Ready, _) | (NodeState::Failed, "starttaskfailed") => Standing::Old,
            // It never came to its start task, for want of a package for example.
            (NodeState::Failed, "unusable") if self.since.is_some_and(|at| at >= since) => Standing::Failed,
            (NodeState::Failed, _) => Standing::Stuck,
        }
    }
}

/// Where a node stands in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It booted with the newest definition.
    Current,
    /// It booted before that.
    Old,
    /// It is booting: with what shows when it is there.
    Coming,
    /// The newest definition failed on it.
    Failed,
    /// Batch takes no order for it: unusable, offline, unknown.
    Stuck,
    /// Evicted or leaving: should it come back, it boots anew.
    Away,
}

/// How many nodes are renewed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many.
    Nodes(u32),
    /// So much of the pool, at least one node.
    Percent(u32),
}

impl Batch {
    /// Nodes of one batch in a pool of `all`.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Nodes(nodes) => nodes as usize,
            Self::Percent(percent) => (all * percent as usize).div_ceil(100),
        }
        .max(1)
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::Percent(25)
    }
}

impl std::str::FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
        let parsed = match text.trim().strip_suffix('%') {
            Some(percent) => whole(percent).filter(|percent| *percent <= 100).map(Self::Percent),
            None => whole(text).map(Self::Nodes),
        };
        parsed.ok_or_else(|| "a number of nodes, or a share of the pool such as 25%".to_owned())
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These are booting.
    Wait(Vec<String>),
    /// Renew so many of these: first those that are not up, then those that are. A Worker may render on any of them.
    Renew {
        /// Nodes that are not up.
        down: Vec<String>,
        /// Nodes that are up.
        working: Vec<String>,
        /// How many of both.
        count: usize,
    },
    /// What was renewed failed: nothing more is touched.
    Stop(Vec<Seen>),
    /// No node is old.
    Done {
        /// Nodes that could not be renewed.
        stuck: Vec<Seen>,
    },
}

/// An order to renew a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// How often it has been given.
    pub times: u32,
    /// When last, by the clock of whoever gave it.
    pub at: Timestamp,
    /// The node as it was seen before.
    pub was: Seen,
}

impl Ordered {
    /// The order that is given now, after the one `before`.
    pub fn again(before: Option<&Self>, was: Seen, at: Timestamp) -> Self {
        Self { times: before.map_or(0, |before| before.times) + 1, at, was }
    }
}

/// What this call has renewed.
pub type Renewed = BTreeMap<String, Ordered>;

/// How long an order may take to show in the list of nodes: after that it was lost, and is given again.
const UNTIL_SEEN: SignedDuration = SignedDuration::from_mins(3);

/// So often an order is given of which nothing shows.
const MOST_ORDERS: u32 = 5;

/// Decides. A node that an earlier call renewed and that failed is tried again, first of all.
pub fn next(nodes: &[Seen], since: Timestamp, batch: Batch, renewed: &Renewed, now: Timestamp) -> Step {
    let ordered =
        |node: &Seen| renewed.get(&node.id).is_some_and(|order| now.duration_since(order.at) < UNTIL_SEEN);
    // Failed as it was when the order was given: the order does not show yet, or was lost.
    let as_before = |node: &Seen| renewed.get(&node.id).is_some_and(|order| order.was == *node);
    let in_vain = |node: &Seen| renewed.get(&node.id).is_some_and(|order| order.times >= MOST_ORDERS);
    let stands = |node: &Seen| {
        let standing = node.standing(since);
        match standing {
            Standing::Old => {}
            Standing::Failed if as_before(node) => {}
            _ => return standing,
        }
        if ordered(node) {
            Standing::Coming
        } else if in_vain(node) {
            Standing::Stuck
        } else {
            standing
        }
    };
    let of = |wanted: Standing| nodes.iter().filter(move |node| stands(node) == wanted);
    let ids = |nodes: &[&Seen]| nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>();
    let failed: Vec<Seen> = of(Standing::Failed)
        .filter(|node| renewed.contains_key(&node.id) && !as_before(node))
        .cloned()
        .collect();
    let coming: Vec<&Seen> = of(Standing::Coming).collect();
    // Once the others of its batch have shown how they fare.
    if !failed.is_empty() && !coming.iter().any(|node| renewed.contains_key(&node.id)) {
        return Step::Stop(failed);
    }
    if !coming.is_empty() {
        return Step::Wait(ids(&coming));
    }
    // Batch reimages no unusable node.
    let (again, stuck): (Vec<&Seen>, Vec<&Seen>) =
        of(Standing::Failed).partition(|node| node.state == "starttaskfailed");
    let (down, working): (Vec<&Seen>, Vec<&Seen>) =
        of(Standing::Old).partition(|node| node.kind() == NodeState::Failed);
    if again.is_empty() && down.is_empty() && working.is_empty() {
        return Step::Done { stuck: stuck.into_iter().chain(of(Standing::Stuck)).cloned().collect() };
    }
    let all = nodes.iter().filter(|node| node.standing(since) != Standing::Away).count();
    let down = ids(&again).into_iter().chain(ids(&down)).collect::<Vec<_>>();
    let count = batch.of(all).min(down.len() + working.len());
    Step::Renew { down, working: ids(&working), count }
}
