//! All running and finished operations, found by any of their paths.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::operation::{Operation, later};

/// Azure forgets finished operations after about a day, seconds.
const KEPT: u64 = 86_400;
/// Finished ones are looked for when the list is this long, and again when it has doubled.
const LEAST: usize = 512;

/// Operations in the order of their beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Operation>", into = "Vec<Operation>")]
pub(crate) struct Operations {
    list: Vec<Operation>,
    /// By status path and by result path, in lower case; the latest of a path.
    by_path: BTreeMap<String, usize>,
    prune_at: usize,
}

impl Default for Operations {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl Operations {
    /// Adds one; now and then lets go of those that ended more than a day ago.
    pub(crate) fn push(&mut self, operation: Operation, now: Timestamp) {
        if self.list.len() >= self.prune_at {
            let list = std::mem::take(&mut self.list);
            let kept = |o: &Operation| o.ends.is_none_or(|ends| later(ends, KEPT) > now);
            *self = Self::from(list.into_iter().filter(kept).collect::<Vec<_>>());
        }
        self.index(&operation, self.list.len());
        self.list.push(operation);
    }

    fn index(&mut self, operation: &Operation, at: usize) {
        for path in [&operation.path, &operation.result_path] {
            if !path.is_empty() {
                self.by_path.insert(path.to_ascii_lowercase(), at);
            }
        }
    }

    /// The latest operation of a status or result path, in any casing, unless it is forgotten.
    pub(crate) fn find(&self, path: &str, now: Timestamp) -> Option<&Operation> {
        let operation = self.list.get(*self.by_path.get(&path.to_ascii_lowercase())?)?;
        operation.ends.is_none_or(|ends| later(ends, KEPT) > now).then_some(operation)
    }

    /// The same, for change.
    pub(crate) fn find_mut(&mut self, path: &str) -> Option<&mut Operation> {
        self.list.get_mut(*self.by_path.get(&path.to_ascii_lowercase())?)
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Operation> {
        self.list.iter()
    }

    /// All of them, for change.
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Operation> {
        self.list.iter_mut()
    }
}

impl From<Vec<Operation>> for Operations {
    fn from(list: Vec<Operation>) -> Self {
        let prune_at = LEAST.max(list.len() * 2);
        let mut operations = Self { list: Vec::new(), by_path: BTreeMap::new(), prune_at };
        for operation in list {
            operations.index(&operation, operations.list.len());
            operations.list.push(operation);
        }
        operations
    }
}

impl From<Operations> for Vec<Operation> {
    fn from(operations: Operations) -> Self {
        operations.list
    }
}
