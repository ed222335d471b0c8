//! Flamenco workers over time.

use jiff::Timestamp;

use super::Worker;
use crate::operation::later;
use crate::world::World;

impl Worker {
    /// Alive from its Manager's point of view.
    pub(super) fn is_awake(&self, now: Timestamp) -> bool {
        self.offline_at.is_none_or(|at| at > now)
    }

    /// Rendering a task right now.
    pub(super) fn is_busy(&self, now: Timestamp) -> bool {
        self.is_awake(now) && self.rendering_until.is_some_and(|until| until > now)
    }

    /// Awake, with a lazy offline request pending.
    pub(super) fn is_leaving(&self, now: Timestamp) -> bool {
        self.is_awake(now) && self.offline_at.is_some()
    }

    /// Starts a render; a pending request waits for its end.
    pub(super) fn render(&mut self, until: Timestamp, now: Timestamp) {
        self.rendering_until = Some(until);
        if self.is_leaving(now) {
            self.offline_at = Some(later(until, 5));
        }
    }

    /// Asks it to go offline once its task is done: an idle one asks for its next task within 20 s.
    pub(super) fn ask_to_leave(&mut self, name: &str, now: Timestamp) {
        if self.offline_at.is_some() {
            return;
        }
        let spread = name.bytes().fold(0_u64, |sum, byte| sum + u64::from(byte)) % 16;
        let busy_until = self.rendering_until.filter(|until| *until > now);
        self.offline_at = Some(busy_until.map_or_else(|| later(now, 4 + spread), |until| later(until, 5)));
    }
}

/// The worker of a node reports to its Manager.
pub(crate) fn connect(world: &mut World, node: &str, manager: &str) {
    let worker =
        Worker { manager: manager.to_owned(), rendering_until: None, offline_at: None, of_scale_set: false };
    world.guests.workers.insert(node.to_owned(), worker);
}

/// A node stopped, was lost or removed: its Manager sees the worker offline.
pub(crate) fn disconnect(world: &mut World, node: &str) {
    let now = world.now();
    if let Some(worker) = world.guests.workers.get_mut(node)
        && worker.is_awake(now)
    {
        worker.offline_at = Some(now);
        worker.rendering_until = None;
    }
}

/// The disk of a node that has stopped is written anew: what registers from it is another worker.
pub(crate) fn wiped(world: &mut World, node: &str) {
    if let Some(worker) = world.guests.workers.remove(node) {
        world.guests.former.push((node.to_owned(), worker.manager));
    }
}
