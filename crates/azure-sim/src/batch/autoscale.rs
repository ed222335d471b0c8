//! Pools that size themselves: formulas switched on and off, evaluated on order and each interval.

use jiff::Timestamp;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::allocate;
use super::formula::{self, Facts, Outcome, Targets, Wrong};
use super::state::{Allocation, NodeState, Pool};
use crate::operation::later;
use crate::resource::key;
use crate::world::World;

/// Default, least and longest `evaluationInterval`, seconds (BatchService.json).
pub(super) const INTERVAL: u64 = 15 * 60;
pub(super) const LEAST_INTERVAL: u64 = 5 * 60;
pub(super) const LONGEST_INTERVAL: u64 = 168 * 3600;
/// How soon after one request to enable it another may come, seconds (BatchService.json).
const PAUSE: u64 = 30;

/// The outcome of the last evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    at: Timestamp,
    results: String,
    /// What is wrong, with its place; whether it could not be read at all.
    error: Option<(String, bool)>,
}

/// The settings of a pool that sizes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scaling {
    pub(super) interval: u64,
    /// When it was last asked for.
    asked: Timestamp,
    /// Counts settings, so that a stale event is known as one.
    round: u64,
}

impl Run {
    /// As both planes send it; they name the time differently.
    pub(super) fn body(&self, time: &str) -> Value {
        let mut body = json!({time: self.at.to_string(), "results": self.results});
        if let Some((message, syntax)) = &self.error {
            let (code, words) = words(*syntax);
            body["error"] = json!({
                "code": code,
                "message": words,
                "values": [{"name": "Message", "value": message}],
            });
        }
        body
    }
}

/// Code and message of a formula that is wrong (recorded for evaluation; "Batch status and error codes" for syntax).
pub(super) fn words(syntax: bool) -> (&'static str, &'static str) {
    if syntax {
        ("AutoScalingFormulaSyntaxError", "The specified auto-scaling formula has a syntax error.")
    } else {
        ("AutoScalingFormulaEvaluationError", "The specified auto-scaling formula has evaluation error")
    }
}

/// Evaluates a formula on a pool and changes nothing.
pub(super) fn evaluate(world: &mut World, pool_key: &str, text: &str) -> Run {
    let now = world.now();
    let chance = f64::from(world.rng().next_u32()) / f64::from(u32::MAX);
    let Some(pool) = world.batch.pools.get(pool_key) else {
        return Run { at: now, results: String::new(), error: None };
    };
    let before = Targets { dedicated: pool.dedicated, spot: pool.spot, option: "requeue".to_owned() };
    match decided(pool, text, &before, now, chance) {
        Ok(outcome) => Run { at: now, results: outcome.results, error: None },
        Err(wrong) => {
            Run { at: now, results: formula::results(&before), error: Some((wrong.message(), wrong.syntax)) }
        }
    }
}

fn decided(pool: &Pool, text: &str, before: &Targets, now: Timestamp, chance: f64) -> Result<Outcome, Wrong> {
    let metric = |name: &str| metric(pool, name);
    let facts = Facts { now, since: pool.created, chance, metric: &metric, targets: before };
    formula::evaluate(text, &facts)
}

/// The last sample of a metric. There are no Batch tasks but those that a test says there are.
fn metric(pool: &Pool, name: &str) -> Option<f64> {
    if let Some(value) = pool.metrics.get(name) {
        return Some(f64::from(*value));
    }
    let count = |test: &dyn Fn(&super::state::Node) -> bool| {
        let count = pool.nodes.values().filter(|node| test(node)).count();
        u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
    };
    match name {
        "CurrentDedicatedNodes" | "CurrentDedicated" => Some(count(&|node| !node.is_spot())),
        "CurrentLowPriorityNodes" | "CurrentLowPriority" => Some(count(&|node| node.is_spot())),
        "PreemptedNodeCount" => Some(count(&|node| node.state == NodeState::Preempted)),
        "SampleNodeCount" | "UsableNodeCount" => Some(count(&|node| node.state == NodeState::Idle)),
        "PendingTasks" | "ActiveTasks" | "RunningTasks" | "SucceededTasks" | "FailedTasks"
        | "TaskSlotsPerNode" => Some(0.0),
        _ => None,
    }
}

/// Whether enabling is asked for again too soon.
pub(super) fn too_soon(world: &World, pool_key: &str) -> bool {
    let asked = world.batch.pools.get(pool_key).and_then(|pool| pool.scaling.as_ref()).map(|s| s.asked);
    asked.is_some_and(|asked| world.now() < later(asked, PAUSE))
}

/// Switches autoscale on, or changes it, and evaluates at once.
pub(super) fn enable(world: &mut World, pool_key: &str, text: Option<String>, interval: Option<u64>) {
    let now = world.now();
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    if text.is_some() {
        pool.formula = text;
    }
    let before = pool.scaling.as_ref();
    pool.scaling = Some(Scaling {
        interval: interval.or(before.map(|s| s.interval)).unwrap_or(INTERVAL),
        asked: now,
        round: before.map_or(0, |s| s.round) + 1,
    });
    pool.modified = now;
    act(world, pool_key, true);
}

/// Switches autoscale off; the targets stay.
pub(super) fn disable(world: &mut World, pool_key: &str) {
    let now = world.now();
    if let Some(pool) = world.batch.pools.get_mut(pool_key) {
        pool.formula = None;
        pool.run = None;
        pool.modified = now;
    }
}

/// An evaluation is due.
pub(super) fn due(world: &mut World, pool_key: &str, round: u64) {
    let current = world.batch.pools.get(pool_key).filter(|pool| pool.formula.is_some() && !pool.deleting);
    if current.and_then(|pool| pool.scaling.as_ref()).is_some_and(|scaling| scaling.round == round) {
        act(world, pool_key, false);
    }
}

/// Evaluates the pool's own formula and sizes the pool by it. When it was just switched on a resize follows in any case
/// (recorded: the pool is `Resizing` for a moment even where nothing changes).
fn act(world: &mut World, pool_key: &str, fresh: bool) {
    let Some(text) = world.batch.pools.get(pool_key).and_then(|pool| pool.formula.clone()) else { return };
    let now = world.now();
    let chance = f64::from(world.rng().next_u32()) / f64::from(u32::MAX);
    let Some(pool) = world.batch.pools.get_mut(pool_key) else { return };
    let before = Targets { dedicated: pool.dedicated, spot: pool.spot, option: "requeue".to_owned() };
    let targets = match decided(pool, &text, &before, now, chance) {
        Ok(outcome) => {
            pool.run = Some(Run { at: now, results: outcome.results, error: None });
            outcome.targets
        }
        Err(wrong) => {
            let error = Some((wrong.message(), wrong.syntax));
            pool.run = Some(Run { at: now, results: formula::results(&before), error });
            before
        }
    };
    let differs = (targets.dedicated, targets.spot) != (pool.dedicated, pool.spot);
    let rests = pool.allocation == Allocation::Steady;
    if differs && (fresh || rests) {
        pool.option = capital(&targets.option);
        allocate::begin(world, pool_key, targets.dedicated, targets.spot);
    } else if fresh {
        allocate::blink(world, pool_key);
    }
    let Some(scaling) = world.batch.pools.get(pool_key).and_then(|pool| pool.scaling.clone()) else { return };
    let effect = allocate::event(pool_key, scaling.round, "autoscale");
    world.schedule(later(now, scaling.interval), effect);
}

/// The control plane's word for a deallocation option.
fn capital(option: &str) -> String {
    match option {
        "terminate" => "Terminate",
        "taskcompletion" => "TaskCompletion",
        "retaineddata" => "RetainedData",
        _ => "Requeue",
    }
    .to_owned()
}

impl World {
    /// Says what a metric of a pool (resource id) has been: `PendingTasks`, `ActiveTasks` or any other that formulas read.
    /// Without it tasks are 0 and nodes are counted.
    pub fn set_pool_metric(&mut self, pool: &str, metric: &str, value: u32) {
        if let Some(pool) = self.batch.pools.get_mut(&key(pool)) {
            pool.metrics.insert(metric.trim_start_matches('$').to_owned(), value);
        }
    }
}
