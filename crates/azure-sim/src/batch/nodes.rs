//! A node's life: creating → starting → waitingforstarttask → idle, or what goes wrong.

use rand::RngCore;
use serde_json::json;

use super::package::Unread;
use super::state::{Node, NodeState, TaskFailure, Trouble};
use super::task::{self, Outlook};
use crate::operation::{Effect, later};
use crate::world::World;

/// How long a node waits for the node setup script on the share before its start task gives up, seconds.
const PATIENCE: u64 = 1200;
/// How often it looks.
const LOOK: u64 = 15;

pub(super) fn event(pool: &str, node: &str, round: u64, to: &str) -> Effect {
    Effect::Provider {
        namespace: "microsoft.batch".to_owned(),
        data: json!({"do": "node", "pool": pool, "node": node, "round": round, "to": to}),
    }
}

fn at_random(world: &mut World, least: u64, spread: u64) -> u64 {
    least + u64::from(world.rng().next_u32()) % spread
}

/// A new node. Ids are as recorded: `tvmps_`, 64 hexadecimal digits, `_d` for dedicated and `_p` for Spot.
pub(super) fn create(world: &mut World, pool_key: &str, spot: bool, address: String) {
    let mut part = || world.rng().next_u64();
    let (a, b, c, d) = (part(), part(), part(), part());
    let id = format!("tvmps_{a:016x}{b:016x}{c:016x}{d:016x}_{}", if spot { 'p' } else { 'd' });
    let now = world.now();
    let node = Node {
        id: id.clone(),
        spot,
        state: NodeState::Creating,
        since: now,
        allocated: now,
        booted: None,
        address,
        round: 0,
        task_started: None,
        task_retries: 0,
        task_ended: None,
        task_failure: None,
        trouble: None,
        files: std::collections::BTreeMap::new(),
        users: std::collections::BTreeMap::new(),
    };
    if let Some(pool) = world.batch.pools.get_mut(pool_key) {
        pool.nodes.insert(id.clone(), node);
    }
    let seconds = at_random(world, 15, 20);
    world.schedule(later(now, seconds), event(pool_key, &id, 0, "start"));
}

/// Changes a node unless the event is of an earlier boot; gives back its new round.
pub(super) fn change(world: &mut World, pool: &str, id: &str, change: impl FnOnce(&mut Node)) -> Option<u64> {
    let node = world.batch.pools.get_mut(pool)?.nodes.get_mut(id)?;
    change(node);
    Some(node.round)
}

/// A node's event is due.
pub(super) fn step(world: &mut World, pool: &str, id: &str, round: u64, to: &str) {
    let now = world.now();
    let current = world.batch.pools.get(pool).and_then(|p| p.nodes.get(id)).map(|n| n.round);
    if current != Some(round) {
        return;
    }
    match to {
        "start" => {
            change(world, pool, id, |node| node.set(NodeState::Starting, now));
            let seconds = at_random(world, 20, 20);
            world.schedule(later(now, seconds), event(pool, id, round, "booted"));
        }
        "booted" => booted(world, pool, id, round),
        "task" => run_task(world, pool, id, round),
        "done" => {
            change(world, pool, id, |node| {
                node.task_ended = Some(now);
                node.task_failure = None;
                node.set(NodeState::Idle, now);
            });
            if let Some(manager) = task::manager_of(world, pool) {
                crate::guest::connect(world, id, &manager);
            }
        }
        "restore" => restore(world, pool, id),
        "deallocated" => become_state(world, pool, id, NodeState::Deallocated),
        _ => {}
    }
}

fn booted(world: &mut World, pool: &str, id: &str, round: u64) {
    let now = world.now();
    let no_packages = |world: &World| {
        let missing = super::reference::trouble(world, pool)?;
        Some(Trouble::new("ApplicationPackageError", &missing))
    };
    let cut_off = task::no_way_out(world, pool).map(|words| Trouble::new("NodeNotReady", &words));
    if let Some(trouble) = cut_off.or_else(|| no_packages(world)) {
        change(world, pool, id, |node| {
            node.trouble = Some(trouble);
            node.set(NodeState::Unusable, now);
        });
        return;
    }
    if super::reference::unread(world, pool).iter().any(|(_, what)| *what == Unread::Stays) {
        return;
    }
    let (has_task, waits) = task::shape(world, pool);
    let next = if has_task && waits { NodeState::WaitingForStartTask } else { NodeState::Idle };
    change(world, pool, id, |node| {
        node.booted = Some(now);
        node.task_started = has_task.then_some(now);
        node.task_retries = 0;
        node.task_ended = None;
        node.task_failure = None;
        node.set(next, now);
    });
    if has_task {
        world.schedule(now, event(pool, id, round, "task"));
    }
}

/// The start task looks whether it can go on.
fn run_task(world: &mut World, pool: &str, id: &str, round: u64) {
    let now = world.now();
    let started =
        world.batch.pools.get(pool).and_then(|p| p.nodes.get(id)).and_then(|n| n.task_started).unwrap_or(now);
    if let Some(failure) = next_failure(world, pool) {
        return task_failed(world, pool, id, failure);
    }
    let failure = match task::outlook(world, pool) {
        Outlook::Good => {
            // Packages, then the copy of Worker and Blender.
            let seconds = at_random(world, 40, 30);
            world.schedule(later(now, seconds), event(pool, id, round, "done"));
            return;
        }
        Outlook::Waits(_) if now < later(started, PATIENCE) => {
            world.schedule(later(now, LOOK), event(pool, id, round, "task"));
            return;
        }
        Outlook::Waits(reason) | Outlook::Bad(reason) => TaskFailure::of_farm(&reason),
    };
    if run_again(world, pool, id) {
        return world.schedule(later(now, LOOK), event(pool, id, round, "task"));
    }
    task_failed(world, pool, id, failure);
}

/// Whether a start task that failed has tries left: then it begins anew.
fn run_again(world: &mut World, pool: &str, id: &str) -> bool {
    let now = world.now();
    let most = task::retries(world, pool);
    let Some(node) = world.batch.pools.get_mut(pool).and_then(|p| p.nodes.get_mut(id)) else { return false };
    let may = node.task_retries < most;
    if may {
        node.task_retries += 1;
        node.task_started = Some(now);
    }
    may
}

/// The failure that a test ordered for the next start task of a pool.
fn next_failure(world: &mut World, pool: &str) -> Option<TaskFailure> {
    let next = world.batch.next_failures.get_mut(pool)?;
    next.left = next.left.checked_sub(1)?;
    Some(next.failure.clone())
}

pub(super) fn task_failed(world: &mut World, pool: &str, id: &str, failure: TaskFailure) {
    let now = world.now();
    let waits = task::shape(world, pool).1;
    change(world, pool, id, |node| {
        node.task_ended = Some(now);
        node.task_failure = Some(failure);
        if waits {
            node.set(NodeState::StartTaskFailed, now);
        }
    });
}

/// Boots a node again; its worker is gone until the start task has run once more.
pub(super) fn boot_again(world: &mut World, pool: &str, id: &str, state: NodeState) {
    let now = world.now();
    let seconds = if state == NodeState::Reimaging { 90 } else { 30 };
    let round = change(world, pool, id, |node| {
        node.round += 1;
        node.trouble = None;
        if state == NodeState::Reimaging {
            node.files.clear();
            node.users.clear();
        }
        node.set(state, now);
    });
    crate::guest::disconnect(world, id);
    if state == NodeState::Reimaging {
        crate::guest::wiped(world, id);
    }
    if let Some(round) = round {
        world.schedule(later(now, seconds), event(pool, id, round, "start"));
    }
}

/// Sets a node's state without any further consequence.
pub(super) fn become_state(world: &mut World, pool: &str, id: &str, state: NodeState) {
    let now = world.now();
    change(world, pool, id, |node| node.set(state, now));
}

/// Capacity came back for a preempted node.
fn restore(world: &mut World, pool: &str, id: &str) {
    let now = world.now();
    let wanted = world
        .batch
        .pools
        .get(pool)
        .is_some_and(|p| !p.deleting && !world.market.exhausted(&p.location, &p.size));
    if !wanted {
        return;
    }
    let round = change(world, pool, id, |node| {
        node.round += 1;
        node.set(NodeState::Creating, now);
    });
    if let Some(round) = round {
        world.schedule(later(now, 20), event(pool, id, round, "start"));
    }
}
