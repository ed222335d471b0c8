//! Nodes of a pool as Batch describes them.

use flamenco_azure_core::pool::{Node, NodeState};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// A node, in Batch's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchNode {
    /// Its id, such as `tvmps_…_d`, which is also its Worker's name.
    pub id: String,
    /// Batch's word for its state, in lower case
    /// (<https://learn.microsoft.com/rest/api/batchservice/nodes/list-nodes>, "BatchNodeState").
    pub state: String,
    /// Since when it is in that state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Dedicated or Spot.
    pub dedicated: bool,
    /// Its address in the pool's subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it last booted: it runs since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booted: Option<Timestamp>,
    /// How its start task fares; `None` before it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_task: Option<StartTask>,
    /// What Batch says is wrong with the node itself, such as a package that could not be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A node's last start task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartTask {
    /// Whether it still runs.
    pub running: bool,
    /// Its exit code, once it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Why it failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How often Batch ran it again.
    pub retries: u64,
}

impl BatchNode {
    /// Reads a node from its data-plane body. What Batch always says (id, state) has to be there, and what decides
    /// about money (`isDedicated`) has to be readable.
    pub fn read(body: &Value) -> Option<Self> {
        let time = |name: &str| body.get(name)?.as_str()?.parse().ok();
        Some(Self {
            id: body.get("id")?.as_str()?.to_owned(),
            state: body.get("state")?.as_str()?.to_ascii_lowercase(),
            since: time("stateTransitionTime"),
            dedicated: match body.get("isDedicated") {
                None | Some(Value::Null) => true,
                Some(value) => value.as_bool()?,
            },
            address: text(body, "/ipAddress"),
            booted: time("lastBootTime"),
            start_task: body.get("startTaskInfo").filter(|info| info.is_object()).map(StartTask::read),
            trouble: body.pointer("/errors/0").and_then(words),
        })
    }

    /// What the state means to whoever scales.
    pub fn kind(&self) -> NodeState {
        kind_of(&self.state)
    }

    /// Whether a Worker may run on it, up or not. It is a service that comes back at each boot, before the start task, and
    /// of which Batch knows nothing. A node that never came as far as its first boot has none.
    pub fn may_render(&self) -> bool {
        match self.kind() {
            NodeState::Ready => true,
            NodeState::Leaving | NodeState::Preempted => false,
            NodeState::Starting | NodeState::Failed => {
                self.state != "creating" && (self.booted.is_some() || self.start_task.is_some())
            }
        }
    }

    /// Whether its start task failed.
    pub fn start_task_failed(&self) -> bool {
        self.state == "starttaskfailed"
    }

    /// Why it does no work, in words; `None` for a node that did not fail.
    pub fn failure(&self) -> Option<String> {
        if self.kind() != NodeState::Failed {
            return None;
        }
        let task = self.start_task.as_ref().and_then(|task| task.failure.clone());
        task.or_else(|| self.trouble.clone())
    }
}

/// What Batch's word for a node's state means to whoever scales.
pub(crate) fn kind_of(state: &str) -> NodeState {
    match state {
        "idle" | "running" => NodeState::Ready,
        "starttaskfailed" | "unusable" | "offline" | "unknown" => NodeState::Failed,
        "preempted" | "deallocated" | "deallocating" => NodeState::Preempted,
        "leavingpool" => NodeState::Leaving,
        _ => NodeState::Starting,
    }
}

impl From<&BatchNode> for Node {
    fn from(node: &BatchNode) -> Self {
        Self {
            id: node.id.clone(),
            state: node.kind(),
            may_render: node.may_render(),
            dedicated: node.dedicated,
            trouble: node.failure(),
        }
    }
}

impl StartTask {
    fn read(info: &Value) -> Self {
        let running = text(info, "/state").is_some_and(|state| state.eq_ignore_ascii_case("running"));
        Self {
            running,
            // Of a retried task the exit code is that of the run before.
            exit_code: info.get("exitCode").and_then(Value::as_i64).filter(|_| !running),
            failure: info.get("failureInfo").filter(|_| !running).and_then(words),
            retries: info.get("retryCount").and_then(Value::as_u64).unwrap_or(0),
        }
    }
}

fn text(body: &Value, pointer: &str) -> Option<String> {
    body.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// An error in words: its message, or its code where there is none, and what its details say beyond that.
fn words(error: &Value) -> Option<String> {
    let say =
        |name: &str| error.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let mut said = say("message").or_else(|| say("code"))?.trim_end_matches('.').to_owned();
    let details = ["details", "errorDetails"].iter().find_map(|name| error.get(*name)?.as_array());
    let values = details.into_iter().flatten().filter_map(|detail| detail.get("value")?.as_str());
    for value in values.map(str::trim) {
        if !value.is_empty() && !said.contains(value) {
            said = format!("{said}: {value}");
        }
    }
    Some(said)
}

/// Why a word names no single node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    /// No node's id begins so.
    #[error("no node's id is or begins with `{0}`")]
    Nobody(String),
    /// Several do.
    #[error("`{word}` is the beginning of {count} nodes' ids")]
    Several {
        /// What was given.
        word: String,
        /// How many they are.
        count: usize,
    },
}

/// The node that is meant by its id or the beginning of it, with or without the `tvmps_` that all of them begin with.
pub fn named<'a>(nodes: &'a [BatchNode], word: &str) -> Result<&'a BatchNode, Unnamed> {
    if let Some(exact) = nodes.iter().find(|node| node.id == word) {
        return Ok(exact);
    }
    let begins = |node: &&BatchNode| {
        let rest = node.id.split_once('_').map_or("", |(_, rest)| rest);
        !word.is_empty() && (node.id.starts_with(word) || rest.starts_with(word))
    };
    let found: Vec<&BatchNode> = nodes.iter().filter(begins).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Unnamed::Nobody(word.to_owned())),
        many => Err(Unnamed::Several { word: word.to_owned(), count: many.len() }),
    }
}
