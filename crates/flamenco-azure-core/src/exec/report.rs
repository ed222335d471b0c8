//! What a run tells while it goes and when it ends.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::Outcomes;
use crate::arm::ArmError;
use crate::error::{Hint, chain};
use crate::ids::ResourceId;
use crate::journal::JournalError;
use crate::plan::Step;
use crate::pool::ResizeError;

/// One event of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Progress {
    /// An operation that an earlier run began is being waited for.
    Resuming {
        /// Its step.
        step: String,
    },
    /// The run begins.
    Begun {
        /// How many steps there are.
        steps: usize,
    },
    /// A step begins.
    Started {
        /// The step.
        step: Box<Step>,
    },
    /// A step waits for Azure.
    Waiting {
        /// The step's id.
        step: String,
        /// What Azure calls the state.
        note: String,
    },
    /// A step is done.
    Done {
        /// The step's id.
        step: String,
        /// How long it took.
        took: Duration,
    },
    /// A step failed.
    Failed {
        /// The step's id.
        step: String,
        /// Why, in words.
        message: String,
    },
    /// Bytes are being read, packed, fetched or sent: a hundred times at most, and at the end.
    Moved {
        /// What is done with what, such as `send blender 5.0.1`.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes there are.
        total: u64,
    },
}

/// Receives the events of a run.
pub trait Reporter: Send + Sync + std::fmt::Debug {
    /// Takes an event; must not block.
    fn report(&self, progress: &Progress);
}

/// Ignores every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReporter;

impl Reporter for NoReporter {
    fn report(&self, _: &Progress) {}
}

/// How a step ended well.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Azure's last answer.
    Answer(Option<Value>),
    /// The condition holds; a pool may still have fallen short.
    Reached {
        /// Why a pool has not as many nodes as asked for.
        shortfall: Vec<ResizeError>,
    },
    /// The group stays because it is not empty.
    GroupKept {
        /// Names of what is inside.
        inside: Vec<String>,
    },
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How each finished step ended.
    pub outcomes: Outcomes,
    /// Steps that were not begun because one they need failed.
    pub not_begun: Vec<String>,
    /// Role assignments that this sign-in may not delete. What comes after them was done all the same.
    pub left: Vec<ResourceId>,
}

impl Report {
    /// The resize errors of all pools.
    pub fn shortfalls(&self) -> impl Iterator<Item = (&str, &ResizeError)> {
        self.outcomes.iter().flat_map(|(step, outcome)| {
            let errors = match outcome {
                Outcome::Reached { shortfall } => shortfall.as_slice(),
                Outcome::Answer(_) | Outcome::GroupKept { .. } => &[],
            };
            errors.iter().map(move |error| (step.as_str(), error))
        })
    }
}

/// A quota that does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaShort {
    /// `dedicated` or `spot`.
    pub kind: &'static str,
    /// Cores needed.
    pub need: u32,
    /// Cores granted.
    pub limit: u64,
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// Azure refused or could not be reached.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// Intent or outcome could not be put on record.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What a body needs of another resource is not there.
    #[error("`{resource}` does not exist or has no {}", .pointer.rsplit('/').next().unwrap_or_default())]
    Lookup {
        /// The resource's name.
        resource: String,
        /// What was looked for, as a JSON pointer.
        pointer: String,
    },
    /// The guest answered that it is not as wanted.
    #[error("the Manager VM reports: {reason}")]
    Guest {
        /// Its reason.
        reason: String,
        /// The end of its log.
        log: Option<String>,
    },
    /// The guest's answer was not understood.
    #[error("the Manager VM's answer was not understood: {0}")]
    Garbled(String),
    /// The resource's last change failed.
    #[error("`{resource}` ended as {state}")]
    Ended {
        /// Its name.
        resource: String,
        /// Azure's word for the state.
        state: String,
    },
    /// The Batch account's own quota is smaller than the pools need.
    #[error(
        "Batch account `{account}` has a quota of {} {} cores and the pools need {}",
        .short.limit, .short.kind, .short.need
    )]
    Quota {
        /// The account.
        account: String,
        /// What is short.
        short: QuotaShort,
    },
    /// The condition did not come true in time.
    #[error("`{resource}` is still {state} after {} minutes", .patience.as_secs() / 60)]
    OutOfTime {
        /// The resource's name.
        resource: String,
        /// The last state seen.
        state: String,
        /// How long was waited.
        patience: Duration,
    },
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The step's id.
    pub step: String,
    /// What the resource is for.
    pub purpose: String,
    /// Why.
    pub source: StepError,
}

/// A run that did not reach its end.
#[derive(Debug, thiserror::Error)]
#[error("{}", failed_steps(.failures))]
pub struct ExecError {
    /// The steps that failed, in the order in which they did.
    pub failures: Vec<Failure>,
    /// What was done all the same.
    pub report: Report,
}

fn failed_steps(failures: &[Failure]) -> String {
    let lines: Vec<_> = failures
        .iter()
        .map(|f| format!("could not {} ({}): {}", f.step, f.purpose, chain(&f.source)))
        .collect();
    lines.join("\n")
}

impl ExecError {
    /// The next thing to do, from the first failure that knows one.
    pub fn hint(&self) -> Option<Hint> {
        self.failures.iter().find_map(|failure| match &failure.source {
            StepError::Arm(error) => error.hint(),
            StepError::Quota { account, short } => Some(Hint::new(format!(
                "ask for at least {} {} cores for Batch account `{account}` (Azure portal: Batch account > Quotas > \
                 Request quota increase), or lower the pools' node counts or sizes",
                short.need, short.kind
            ))),
            StepError::Lookup { .. } => {
                Some(Hint::new("something else removed it meanwhile: run the same command again, it looks first"))
            }
            StepError::Guest { log: Some(log), .. } => Some(Hint::new(format!("the end of its boot log:\n{log}"))),
            _ => None,
        })
    }
}
