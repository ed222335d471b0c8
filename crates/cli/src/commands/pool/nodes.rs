//! `pool nodes`: a line per node.

use std::collections::BTreeMap;
use std::time::Duration;

use batch_pool::BatchNode;
use flamenco_azure_core::pool::{NodeState, WorkerPool as _};
use jiff::Timestamp;
use serde_json::json;

use super::open;
use crate::args::PoolNodesArgs;
use crate::failure::{Exit, Outcome};
use crate::printer::{Mode, Printer};
use crate::progress::seconds;
use crate::session::Session;

/// How often `--watch` looks again.
const WATCH: Duration = Duration::from_secs(5);
/// Digits of an id that are always shown.
const DIGITS: usize = 8;

/// Runs `pool nodes`. `--watch` goes on until it is interrupted; on the simulator, where time passes as fast as it can,
/// until nothing comes or goes.
pub(super) async fn run(session: &Session, args: &PoolNodesArgs) -> Outcome {
    let (_, _, pool) = open(session, args.pool.as_deref()).await?;
    loop {
        // One list, however many nodes there are.
        let nodes = pool.list_nodes().await?;
        let now = session.clock.now();
        if args.watch {
            let time = now.strftime("%H:%M:%S").to_string();
            session.printer.new_page(&format!("{time} UTC, every {} s until Ctrl-C", WATCH.as_secs()));
        }
        show(session.printer, pool.name(), &nodes, now);
        let moves = nodes.iter().any(|n| matches!(n.kind(), NodeState::Starting | NodeState::Leaving));
        if !args.watch || (session.simulator.is_some() && !moves) {
            return Ok(Exit::Done);
        }
        session.clock.sleep(WATCH).await;
    }
}

fn show(printer: Printer, pool: &str, nodes: &[BatchNode], now: Timestamp) {
    if printer.mode() == Mode::Json {
        printer.event("nodes", json!({"pool": pool, "at": now, "nodes": nodes}));
        return;
    }
    for line in table(nodes, now) {
        printer.result(line);
    }
    printer.info(format!("pool `{pool}`: {}", summary(nodes)));
}

/// `3 nodes: 2 idle, 1 starttaskfailed`.
fn summary(nodes: &[BatchNode]) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *states.entry(&node.state).or_default() += 1;
    }
    let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let all = crate::show::count(nodes.len(), "node");
    if states.is_empty() { all } else { format!("{all}: {}", states.join(", ")) }
}

/// The lines of the table, its head first; none without nodes. Columns are as wide as what is in them.
fn table(nodes: &[BatchNode], now: Timestamp) -> Vec<String> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let head = ["NODE", "STATE", "KIND", "ADDRESS", "UP FOR", "START TASK"].map(str::to_owned);
    let shorts = shorts(nodes);
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(nodes.iter().zip(shorts).map(|(node, short)| {
            [
                short,
                node.state.clone(),
                if node.dedicated { "dedicated" } else { "spot" }.to_owned(),
                node.address.clone().unwrap_or_else(|| "-".to_owned()),
                up_for(node, now),
                start_task(node),
            ]
        }))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Ids as short as they stay different: what is shown can be given back to the other commands. The nodes are in the
/// order of their ids, so it is their neighbours that they could be taken for.
fn shorts(nodes: &[BatchNode]) -> Vec<String> {
    let ids: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    let shared = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let short = |at: usize| {
        let id = ids[at];
        let before = at.checked_sub(1).map_or(0, |before| shared(id, ids[before]));
        let after = ids.get(at + 1).map_or(0, |after| shared(id, after));
        let usual = id.find('_').map_or(0, |at| at + 1) + DIGITS;
        id.get(..usual.max(before + 1).max(after + 1)).unwrap_or(id).to_owned()
    };
    (0..ids.len()).map(short).collect()
}

/// Since the last boot, for nodes that are up.
fn up_for(node: &BatchNode, now: Timestamp) -> String {
    let up = matches!(node.kind(), NodeState::Ready | NodeState::Failed);
    match node.booted.filter(|_| up) {
        Some(booted) => seconds(Duration::from_secs(now.duration_since(booted).unsigned_abs().as_secs())),
        None => "-".to_owned(),
    }
}

/// How the start task fares, and what else is wrong with the node.
fn start_task(node: &BatchNode) -> String {
    let task = match &node.start_task {
        None => "-".to_owned(),
        Some(task) if task.running => "runs".to_owned(),
        Some(task) => match (task.exit_code, &task.failure) {
            (Some(0), _) => "done".to_owned(),
            (Some(code), Some(failure)) => format!("exit code {code}: {failure}"),
            (Some(code), None) => format!("exit code {code}"),
            (None, Some(failure)) => failure.clone(),
            (None, None) => "ended".to_owned(),
        },
    };
    match &node.trouble {
        Some(trouble) => format!("{task}; node: {trouble}"),
        None => task,
    }
}
