//! Operations under way: followed without waiting for them, so that a slow one holds nothing up.

use std::collections::{BTreeMap, BTreeSet};

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Next, Operation};
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;

use crate::act;
use crate::buckets::{Buckets, Class};
use crate::look;
use crate::reconcile::Action;

/// Polls at once.
const AT_ONCE: usize = 8;

/// An operation and what it was for.
#[derive(Debug)]
pub struct Running {
    /// What was asked for.
    pub action: Action,
    since: Timestamp,
    operation: Operation,
    /// The last poll was answered, or none was due yet.
    heard: bool,
}

/// How an operation ended.
#[derive(Debug)]
pub struct Ended {
    /// What was asked for.
    pub action: Action,
    /// When that was.
    pub since: Timestamp,
    /// What came of it.
    pub outcome: OperationOutcome,
}

/// What came of an operation.
#[derive(Debug)]
pub enum OperationOutcome {
    /// It was done.
    Done,
    /// It gave way to a later one.
    Superseded,
    /// It failed.
    Failed(Box<ArmError>),
}

/// The operations by number, in the order in which they began.
#[derive(Debug, Default)]
pub struct Operations {
    all: BTreeMap<u64, Running>,
    next: u64,
}

impl Operations {
    /// Follows an operation.
    pub fn follow(&mut self, action: Action, operation: Operation, since: Timestamp) {
        self.all.insert(self.next, Running { action, since, operation, heard: true });
        self.next += 1;
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The scale sets that grow as far as Azure last said. One that cannot be asked about is not among them: what the
    /// set itself shows has to do then.
    pub fn growing(&self) -> BTreeSet<String> {
        let growth = |action: &Action| matches!(action, Action::Create { .. } | Action::Grow { .. });
        let heard = self.all.values().filter(|one| one.heard && growth(&one.action));
        heard.map(|one| act::cost(&one.action).1.to_owned()).collect()
    }

    /// Polls those that are due and returns those that ended.
    pub async fn poll(&mut self, client: &ArmClient, buckets: &mut Buckets) -> Vec<Ended> {
        let now = client.clock().now();
        let mut due = Vec::new();
        let all = std::mem::take(&mut self.all);
        for (number, running) in all {
            let ready = match running.operation.next(now) {
                Next::Poll { at, .. } | Next::Final { at, .. } => {
                    let free = at <= now && buckets.next(Class::Operation, None, now) <= now;
                    if free {
                        buckets.take(Class::Operation, None, now);
                    }
                    free
                }
                _ => true,
            };
            if ready {
                due.push((number, running));
            } else {
                self.all.insert(number, running);
            }
        }
        // Boxed and collected: without, the compiler does not see that the whole can run on any thread.
        let polls = due.into_iter().map(|(number, mut running)| {
            async move {
                let answer = client.poll(&mut running.operation).await;
                (number, running, answer)
            }
            .boxed()
        });
        let polls: Vec<_> = polls.collect();
        let answers: Vec<_> = futures::stream::iter(polls).buffered(AT_ONCE).collect().await;
        let mut ended = Vec::new();
        for (number, mut running, answer) in answers {
            match answer {
                Ok(true) => ended.push(end(running, client)),
                Ok(false) => {
                    running.heard = true;
                    self.all.insert(number, running);
                }
                // Says nothing about the operation: asked again in the next pass, until its deadline.
                Err(error) => {
                    look::closed(buckets, Class::Operation, None, &error, client.clock().now());
                    running.heard = false;
                    self.all.insert(number, running);
                }
            }
        }
        ended
    }
}

fn end(running: Running, client: &ArmClient) -> Ended {
    let outcome = match running.operation.next(client.clock().now()) {
        Next::Failed(error) if matches!(error.kind(), Kind::Preempted) => OperationOutcome::Superseded,
        Next::Failed(error) => OperationOutcome::Failed(error),
        _ => OperationOutcome::Done,
    };
    Ended { action: running.action, since: running.since, outcome }
}
