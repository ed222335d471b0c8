//! What a test or a scenario does to the nodes of Batch pools.

use super::files::PutFile;
use super::nodes::{change, event, task_failed};
use super::state::{NextFailures, Node, NodeState, TaskFailure, Trouble};
use crate::operation::later;
use crate::resource::key;
use crate::world::World;

/// Until Batch has capacity again for a preempted node, seconds.
const RESTORE: u64 = 20 * 60;
/// Until a node that is deallocated is gone from its machine, seconds.
const DEALLOCATE: u64 = 60;

impl World {
    fn pool_of(&self, node: &str) -> Option<String> {
        let found = self.batch.pools.iter().find(|(_, pool)| pool.nodes.contains_key(node));
        found.map(|(key, _)| key.clone())
    }

    /// Preempts a Spot node: it stays listed as `preempted`, costs nothing, and comes back after 20 minutes when the
    /// region has capacity. `false` when there is no such Spot node.
    pub fn preempt_node(&mut self, node: &str) -> bool {
        let Some(pool) = self.pool_of(node) else { return false };
        let spot = self.batch.pools.get(&pool).and_then(|p| p.nodes.get(node)).is_some_and(|n| n.spot);
        if !spot {
            return false;
        }
        self.stop_node(&pool, node, NodeState::Preempted, RESTORE, "restore");
        true
    }

    /// Takes a node's machine away: it is in `state` until, so many seconds later, `then` happens.
    fn stop_node(&mut self, pool: &str, node: &str, state: NodeState, seconds: u64, then: &str) {
        let now = self.now();
        let round = change(self, pool, node, |node| {
            node.round += 1;
            node.set(state, now);
        });
        crate::guest::disconnect(self, node);
        if let Some(round) = round {
            self.schedule(later(now, seconds), event(pool, node, round, then));
        }
    }

    /// Breaks a node: `unusable`, its worker offline. It stays and is billed until someone removes it.
    pub fn lose_node(&mut self, node: &str) -> bool {
        let now = self.now();
        let Some(pool) = self.pool_of(node) else { return false };
        change(self, &pool, node, |node| {
            node.round += 1;
            let words = "The node agent lost contact with the Batch service";
            node.trouble = Some(Trouble::new("NodeNotReady", words));
            node.set(NodeState::Unusable, now);
        });
        crate::guest::disconnect(self, node);
        true
    }

    /// Start tasks of a pool (resource id) fail from now on, with this reason; `None` repairs them.
    pub fn fail_start_tasks(&mut self, pool: &str, reason: Option<&str>) {
        match reason {
            Some(reason) => self.batch.failing.insert(key(pool), reason.to_owned()),
            None => self.batch.failing.remove(&key(pool)),
        };
    }

    /// The next start tasks of a pool (resource id) fail at once, so many of them, with this exit code and all this on stderr.
    pub fn fail_next_start_tasks(&mut self, pool: &str, times: u32, exit_code: i32, stderr: &str) {
        let failure = TaskFailure { exit_code, stderr: stderr.to_owned() };
        self.batch.next_failures.insert(key(pool), NextFailures { left: times, failure });
    }

    /// The start task of a node has failed, whatever it did before: exit code and all that it wrote to stderr.
    pub fn fail_start_task(&mut self, node: &str, exit_code: i32, stderr: &str) -> bool {
        let now = self.now();
        let Some(pool) = self.pool_of(node) else { return false };
        change(self, &pool, node, |node| {
            node.round += 1;
            node.task_started.get_or_insert(now);
        });
        let failure = TaskFailure { exit_code, stderr: stderr.to_owned() };
        task_failed(self, &pool, node, failure);
        crate::guest::disconnect(self, node);
        true
    }

    /// Batch hears nothing more of a node: `unknown`. It stays and is billed until someone removes it.
    pub fn lose_contact(&mut self, node: &str) -> bool {
        let now = self.now();
        let Some(pool) = self.pool_of(node) else { return false };
        change(self, &pool, node, |node| {
            node.round += 1;
            node.set(NodeState::Unknown, now);
        });
        true
    }

    /// A node's system is upgraded: `upgradingos`, and then it boots as after a reboot.
    pub fn upgrade_node(&mut self, node: &str) -> bool {
        let Some(pool) = self.pool_of(node) else { return false };
        super::nodes::boot_again(self, &pool, node, NodeState::UpgradingOs);
        true
    }

    /// Somebody deallocates a node: `deallocating`, and a minute later `deallocated`. It stays so, is not billed, and its
    /// worker is offline.
    pub fn deallocate_node(&mut self, node: &str) -> bool {
        let Some(pool) = self.pool_of(node) else { return false };
        self.stop_node(&pool, node, NodeState::Deallocating, DEALLOCATE, "deallocated");
        true
    }

    /// A Batch task begins or ends on an idle node: `running` or `idle` again. `false` when it is neither.
    pub fn run_on_node(&mut self, node: &str, runs: bool) -> bool {
        let now = self.now();
        let Some(pool) = self.pool_of(node) else { return false };
        let mut done = false;
        change(self, &pool, node, |node| {
            done = matches!(node.state, NodeState::Idle | NodeState::Running);
            if done {
                node.set(if runs { NodeState::Running } else { NodeState::Idle }, now);
            }
        });
        done
    }

    /// Puts a file on a node, below its root directory (`shared/flamenco-worker.log`).
    pub fn write_node_file(&mut self, node: &str, path: &str, text: &str) -> bool {
        let file = PutFile::new(text, self.now());
        let Some(pool) = self.pool_of(node) else { return false };
        change(self, &pool, node, |node| drop(node.files.insert(path.to_owned(), file))).is_some()
    }

    /// From now on a file on a node grows by this text each so many seconds, as a log does.
    pub fn grow_node_file(&mut self, node: &str, path: &str, text: &str, every_s: u64) -> bool {
        let now = self.now();
        let Some(pool) = self.pool_of(node) else { return false };
        let grow = |node: &mut Node| {
            let before = node.files.get(path).map(|file| file.text(now)).unwrap_or_default();
            node.files.insert(path.to_owned(), PutFile::new(&before, now).growing(text, every_s));
        };
        change(self, &pool, node, grow).is_some()
    }

    /// Nodes of virtual machine pools cannot be reimaged (BatchService.json says so, the service of today does it).
    pub fn refuse_reimage(&mut self, refused: bool) {
        self.batch.no_reimage = refused;
    }

    /// Ids of a pool's nodes with their states as on the wire, sorted by id.
    pub fn nodes(&self, pool: &str) -> Vec<(String, &'static str)> {
        let pool = self.batch.pools.get(&key(pool));
        pool.into_iter().flat_map(|p| p.nodes.values()).map(|n| (n.id.clone(), n.state.as_str())).collect()
    }
}
