//! `scale --wait`: until the nodes are up, or what hinders them is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use batch_pool::error::explain_in;
use batch_pool::files::{START_STDERR, START_STDOUT};
use batch_pool::wire::resize_minutes;
use batch_pool::{BatchNode, BatchPool};
use flamenco_azure_core::error::chain;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::pool::{Count, NodeState, PoolState, WorkerPool as _};
use manager_vm::ManagerHost;
use serde_json::json;

use super::batch::free_of;
use super::live::Live;
use crate::failure::{Failure, Outcome};
use crate::session::{Session, Target};
use crate::shortage;
use crate::show::count;
use crate::text::last_lines;

/// How often the pool is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long nodes may take once they are allocated: a start task waits up to 20 minutes for the Manager's set-up, and Batch
/// runs it three times before it calls it failed.
pub const PATIENCE: Duration = Duration::from_mins(90);
/// As much of a failed start task's output is shown.
const TAIL_LINES: usize = 15;
const TAIL_BYTES: u64 = 8 << 10;
/// Failed nodes whose output is shown; the others fail in the same way more often than not.
const TAILS: usize = 3;

/// What waiting needs besides the pool.
pub(super) struct Around<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a Target,
    pub(super) inventory: &'a Inventory,
    pub(super) manager: &'a dyn ManagerHost,
    pub(super) force: bool,
}

/// Waits until all nodes are up. Those whose start task fails are shown and replaced, at most `retries` times.
pub(super) async fn wait(around: &Around<'_>, pool: &BatchPool, wanted: Count, retries: u32) -> Outcome<()> {
    let printer = around.session.printer;
    let mut left = retries;
    let mut shown = BTreeSet::new();
    loop {
        let (state, nodes) = settle(around.session, pool, &mut shown).await?;
        let failed: Vec<&BatchNode> = nodes.iter().filter(|node| node.start_task_failed()).collect();
        if failed.is_empty() {
            return told(around, pool, wanted, &state, &nodes).await;
        }
        if left == 0 {
            return Err(gave_up(pool.name(), failed.len(), retries));
        }
        left -= 1;
        let ids: Vec<String> = failed.iter().map(|node| node.id.clone()).collect();
        // Also a node whose start task failed at a later boot may have a Worker that renders.
        let (free, rendering) = free_of(printer, around.manager, &ids, ids.len(), around.force).await?;
        for node in &rendering {
            printer.warn(format!("{node}: its Worker renders, left alone"));
        }
        if free.is_empty() {
            return Err(gave_up(pool.name(), failed.len(), retries - left - 1));
        }
        printer.info(format!(
            "replacing {} (try {} of {retries})",
            count(free.len(), "node"),
            retries - left
        ));
        pool.delete_nodes(&free).await?;
        pool.until_steady().await?;
        pool.resize(wanted).await?;
        super::tidy(around.session, around.target, around.manager, around.force).await?;
    }
}

/// Waits until nothing comes or goes. Nodes whose start task fails meanwhile are shown at once, each only the first time.
async fn settle(
    session: &Session,
    pool: &BatchPool,
    shown: &mut BTreeSet<String>,
) -> Outcome<(PoolState, Vec<BatchNode>)> {
    let begun = session.clock.now();
    let mut live = Live::new(session.printer);
    loop {
        let state = pool.observe().await?;
        let nodes = pool.list_nodes().await?;
        let kinds = kinds(&nodes);
        let number = |kind| kinds.get(&kind).copied().unwrap_or(0);
        if live.show(line(pool.name(), &state, &kinds)) {
            let members = json!({
                "pool": pool.name(), "steady": state.steady, "target": state.target, "allocated": state.current,
                "nodes": kinds,
            });
            session.printer.event("scaling", members);
        }
        let failed: Vec<&BatchNode> =
            nodes.iter().filter(|node| node.start_task_failed() && !shown.contains(&node.id)).collect();
        if !failed.is_empty() {
            live.clear();
            show_failed(session, pool, &failed, TAILS.saturating_sub(shown.len())).await;
            shown.extend(failed.iter().map(|node| node.id.clone()));
        }
        if state.steady && number(NodeState::Starting) + number(NodeState::Leaving) == 0 {
            return Ok((state, nodes));
        }
        let limit = PATIENCE + Duration::from_mins(resize_minutes(state.target.total()));
        if session.clock.now().duration_since(begun).unsigned_abs() >= limit {
            let minutes = limit.as_secs() / 60;
            let message = format!("{} after {minutes} minutes", line(pool.name(), &state, &kinds));
            return Err(Failure::azure(message)
                .hint(format!("`flamenco-azure pool nodes {}` shows which nodes hang", pool.name())));
        }
        session.clock.sleep(LOOK).await;
    }
}

fn kinds(nodes: &[BatchNode]) -> BTreeMap<NodeState, usize> {
    let mut kinds = BTreeMap::new();
    for node in nodes {
        *kinds.entry(node.kind()).or_default() += 1;
    }
    kinds
}

/// `pool render: 3 of 5 nodes allocated; 1 idle, 2 starting`.
fn line(pool: &str, state: &PoolState, kinds: &BTreeMap<NodeState, usize>) -> String {
    let word = |kind: &NodeState| match kind {
        NodeState::Ready => "idle",
        NodeState::Starting => "starting",
        NodeState::Failed => "failed",
        NodeState::Preempted => "preempted",
        NodeState::Leaving => "leaving",
    };
    let counted: Vec<String> =
        kinds.iter().map(|(kind, number)| format!("{number} {}", word(kind))).collect();
    let counted = if counted.is_empty() { String::new() } else { format!("; {}", counted.join(", ")) };
    let (have, want) = (state.current.total(), state.target.total());
    format!("pool `{pool}`: {have} of {} allocated{counted}", count(want as usize, "node"))
}

/// The first `most` failed nodes with the end of what their start tasks wrote.
async fn show_failed(session: &Session, pool: &BatchPool, failed: &[&BatchNode], most: usize) {
    let printer = session.printer;
    for node in failed.iter().take(most) {
        let task = node.start_task.clone().unwrap_or_default();
        let code = task.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
        let tail = tail(pool, &node.id).await;
        let lines = tail.as_ref().map(|(_, lines)| lines.clone()).unwrap_or_default();
        let members = json!({
            "pool": pool.name(), "node": node.id, "exitCode": task.exit_code, "failure": task.failure, "tail": lines,
        });
        printer.event("start-task-failed", members);
        printer.info(format!("{}: its start task failed{code}", node.id));
        match tail {
            Ok((path, lines)) => {
                printer.info(format!("  the end of {path}:"));
                for line in lines {
                    printer.info(format!("    {line}"));
                }
            }
            Err(error) => printer.info(format!("  its output cannot be read: {}", chain(&error))),
        }
    }
    if failed.len() > most {
        printer.info(format!("the start task of {} failed too", count(failed.len() - most, "further node")));
    }
}

/// The last lines of stderr, or of stdout where that is empty.
async fn tail(
    pool: &BatchPool,
    node: &str,
) -> Result<(&'static str, Vec<String>), batch_pool::files::NodeError> {
    for path in [START_STDERR, START_STDOUT] {
        let lines = last_lines(&pool.read_tail(node, path, TAIL_BYTES).await?, TAIL_LINES);
        if !lines.is_empty() || path == START_STDOUT {
            return Ok((path, lines));
        }
    }
    Ok((START_STDERR, Vec::new()))
}

fn gave_up(pool: &str, failed: usize, replaced: u32) -> Failure {
    let tries = match replaced {
        0 => String::new(),
        times => format!(
            ", after they were replaced {}",
            if times == 1 { "once".to_owned() } else { format!("{times} times") }
        ),
    };
    Failure::azure(format!("pool `{pool}`: the start task of {} failed{tries}", count(failed, "node"))).hint(format!(
        "they cost as much as working ones: mend the cause, then `flamenco-azure pool reboot {pool} --failed` runs the \
         start task again; `flamenco-azure pool remove {pool} --failed` gives them back"
    ))
}

/// What came of it.
async fn told(
    around: &Around<'_>,
    pool: &BatchPool,
    wanted: Count,
    state: &PoolState,
    nodes: &[BatchNode],
) -> Outcome<()> {
    let printer = around.session.printer;
    let of = |kind| nodes.iter().filter(move |node| node.kind() == kind);
    for node in of(NodeState::Failed) {
        let why = node.failure().map(|why| format!(": {why}")).unwrap_or_default();
        printer.warn(format!("{}: {}{why}", node.id, node.state));
    }
    printer.result(format!("pool `{}`: {} nodes allocated", pool.name(), state.current));
    if state.errors.is_empty() {
        let down =
            Down { failed: of(NodeState::Failed).count(), preempted: of(NodeState::Preempted).count() };
        return without_reason(pool.name(), wanted, state, down);
    }
    let account = shortage::account_of(around.inventory, pool);
    let words: Vec<_> = state.errors.iter().map(|error| explain_in(error, &account)).collect();
    let failure = Failure::azure(format!(
        "pool `{}` has {} instead of {}: {}",
        pool.name(),
        state.current,
        state.target,
        words.join("; ")
    ));
    let hints = shortage::hints(around.session, around.inventory, pool, state).await;
    if hints.is_empty() {
        let again =
            "when the cause is gone, run the same command again: it asks for the nodes that are missing";
        return Err(failure.hint(again));
    }
    Err(failure.hint(hints.join("\n       ")))
}

/// Nodes that are there and do not work.
#[derive(Debug, Clone, Copy)]
struct Down {
    failed: usize,
    preempted: usize,
}

/// A pool at rest to which Batch has nothing to say: done only if all nodes are there and work.
fn without_reason(pool: &str, wanted: Count, state: &PoolState, down: Down) -> Outcome<()> {
    let all = count(wanted.total() as usize, "node");
    if state.current != wanted {
        let message =
            format!("pool `{pool}` has {} instead of {wanted}, and Batch does not say why", state.current);
        return Err(
            Failure::azure(message).hint("run the same command again: it asks for these counts again")
        );
    }
    if down.failed > 0 {
        let message = format!("pool `{pool}`: {} of {all} failed", down.failed);
        return Err(Failure::azure(message).hint(format!(
            "they cost as much as working ones: `flamenco-azure pool remove {pool} --failed` gives them back, and the same \
             `scale` then brings others"
        )));
    }
    if down.preempted > 0 {
        let message = format!("pool `{pool}`: {} of {all} preempted: Azure took them back", down.preempted);
        return Err(Failure::azure(message).hint(
            "Batch brings them back when Azure has room for Spot nodes; until then they cost nothing. Dedicated nodes are \
             not taken back",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_at_rest_is_done_only_with_all_nodes_up() {
        let wanted = Count { dedicated: 2, spot: 1 };
        let state = |current| PoolState { steady: true, target: wanted, current, errors: Vec::new() };
        let up = Down { failed: 0, preempted: 0 };
        assert!(without_reason("p", wanted, &state(wanted), up).is_ok());
        let short = without_reason("p", wanted, &state(Count { spot: 0, ..wanted }), up).unwrap_err();
        assert!(short.message.contains("2 dedicated + 0 spot instead of 2 dedicated + 1 spot"), "{short}");
        assert!(without_reason("p", wanted, &state(wanted), Down { failed: 1, ..up }).is_err());
        assert!(without_reason("p", wanted, &state(wanted), Down { preempted: 1, ..up }).is_err());
    }
}
