//! Carries a plan out.
//!
//! Ready steps run in parallel, bounded; intent is on record before a step's first request and its outcome after the
//! last. When a step fails, steps that need it are not begun, those under way are finished, and the report says what
//! was done. Only a role assignment that may not be deleted holds nothing up. Dropping the future at any point is safe: the
//! next run observes and plans anew.

mod ask;
mod poll;
mod report;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;

pub use self::ask::guest_json;
pub use self::report::{
    ExecError, Failure, NoReporter, Outcome, Progress, QuotaShort, Report, Reporter, StepError,
};
use crate::arm::{ArmClient, ArmError, Kind, Operation, Request};
use crate::clock::Clock;
use crate::error::chain;
use crate::journal::{Entry, Event, Journal, JournalError, open_operations};
use crate::plan::{Action, Lookup, Plan, ROLE_ASSIGNMENT, Step, Verb, lookups, replace};

/// How a plan is carried out.
#[derive(Debug, Clone, Copy)]
pub struct ExecOptions {
    /// Steps at a time.
    pub parallel: usize,
    /// How long a poll or a guest command may take in all.
    pub patience: Duration,
    /// Time between two looks of a poll.
    pub interval: Duration,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self { parallel: 8, patience: Duration::from_mins(45), interval: Duration::from_secs(5) }
    }
}

/// Runs plans. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Executor {
    client: ArmClient,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    reporter: Arc<dyn Reporter>,
    options: ExecOptions,
}

impl Executor {
    /// An executor over these capabilities.
    pub fn new(
        client: ArmClient,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
        reporter: Arc<dyn Reporter>,
        options: ExecOptions,
    ) -> Self {
        Self { client, clock, journal, reporter, options }
    }

    /// Waits for the operations that an earlier, killed run had accepted and not seen the end of. How they ended
    /// shows in the next observation, so failures are only recorded.
    pub async fn settle(&self) -> Result<usize, JournalError> {
        let open = open_operations(&self.journal.entries()?);
        let count = open.len();
        for (step, mut operation) in open {
            self.reporter.report(&Progress::Resuming { step: step.clone() });
            let event = match self.client.wait(&mut operation, &mut |_| {}).await {
                Ok(_) => Event::Done,
                Err(error) => Event::Failed { message: error.to_string() },
            };
            self.record(&step, event)?;
        }
        Ok(count)
    }

    /// Carries `plan` out.
    ///
    /// # Errors
    /// [`ExecError`] with the report of what was done when a step failed or the journal could not be kept.
    pub async fn run(&self, plan: &Plan) -> Result<Report, ExecError> {
        let mut report = Report::default();
        let mut failures: Vec<Failure> = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: Vec<&Step> = plan.steps.iter().collect();
        let mut running = FuturesUnordered::new();
        self.reporter.report(&Progress::Begun { steps: plan.steps.len() });
        loop {
            let mut index = 0;
            while index < waiting.len() && running.len() < self.options.parallel {
                if waiting[index].needs.iter().all(|need| done.contains(need.as_str())) {
                    running.push(self.step(waiting.remove(index)));
                } else {
                    index += 1;
                }
            }
            let Some((step, result)) = running.next().await else { break };
            match result {
                Ok(outcome) => {
                    done.insert(&step.id);
                    report.outcomes.insert(step.id.clone(), outcome);
                }
                // What costs money is not to stay for the sake of a right that costs nothing.
                Err(StepError::Arm(error)) if withdraws(step) && is_forbidden(&error) => {
                    done.insert(&step.id);
                    report.left.push(step.resource.clone());
                }
                Err(source) => {
                    failures.push(Failure { step: step.id.clone(), purpose: step.purpose.clone(), source });
                }
            }
        }
        report.not_begun =
            waiting.iter().filter(|_| !failures.is_empty()).map(|step| step.id.clone()).collect();
        if failures.is_empty() { Ok(report) } else { Err(ExecError { failures, report }) }
    }

    async fn step<'a>(&self, step: &'a Step) -> (&'a Step, Result<Outcome, report::StepError>) {
        let started = self.clock.now();
        self.reporter.report(&Progress::Started { step: Box::new(step.clone()) });
        let result = self.act(step).await;
        let took = self.clock.now().duration_since(started).unsigned_abs();
        let (event, progress) = match &result {
            Ok(_) => (Event::Done, Progress::Done { step: step.id.clone(), took }),
            Err(error) => {
                let message = chain(error);
                (
                    Event::Failed { message: message.clone() },
                    Progress::Failed { step: step.id.clone(), message },
                )
            }
        };
        let recorded = self.record(&step.id, event);
        self.reporter.report(&progress);
        (step, result.and_then(|outcome| recorded.map(|()| outcome).map_err(Into::into)))
    }

    async fn act(&self, step: &Step) -> Result<Outcome, report::StepError> {
        let intent = Event::Intent { verb: step.verb, resource: step.resource.clone() };
        self.record(&step.id, intent)?;
        match &step.action {
            Action::Send { request } => self.send(step, request).await.map(Outcome::Answer),
            Action::Poll { request, until } => self.poll(step, request, *until).await,
            Action::Ask { request, expect } => {
                let answer = self.send(step, request).await?;
                ask::judge(answer.as_ref(), expect).map(|answer| Outcome::Answer(Some(answer)))
            }
            Action::DeleteEmptyGroup(group) => {
                let inside = self.client.list(&group.list).await?;
                if inside.is_empty() {
                    return self.send(step, &group.delete).await.map(Outcome::Answer);
                }
                self.send(step, &group.untag).await?;
                let names =
                    inside.iter().filter_map(|r| r.get("name")?.as_str().map(str::to_owned)).collect();
                Ok(Outcome::GroupKept { inside: names })
            }
        }
    }

    /// Sends the request and follows its operation, with the handle on record as soon as there is one.
    async fn send(&self, step: &Step, request: &Request) -> Result<Option<Value>, report::StepError> {
        let request = &*self.looked_up(request).await?;
        let mut operation = match self.client.begin(request).await {
            // The same principal has the same role here by an assignment of another name: that is what was wanted.
            Err(error) if *error.kind() == Kind::AlreadyExists && assigns(step) => return Ok(None),
            begun => begun?,
        };
        if !operation.is_done() {
            self.record(&step.id, Event::Accepted { operation: Box::new(operation.clone()) })?;
        }
        let mut on_poll = |operation: &Operation| {
            let note = operation.state().to_owned();
            self.reporter.report(&Progress::Waiting { step: step.id.clone(), note });
        };
        Ok(self.client.wait(&mut operation, &mut on_poll).await?)
    }

    /// The request with what its lookups stand for.
    async fn looked_up<'a>(&self, request: &'a Request) -> Result<Cow<'a, Request>, report::StepError> {
        let wanted = request.body.as_ref().map(lookups).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(Cow::Borrowed(request));
        }
        let mut found: Vec<(Lookup, Value)> = Vec::new();
        for lookup in wanted {
            let body = self.client.get(&lookup.request()).await?;
            let Some(value) = body.as_ref().and_then(|body| lookup.value_in(body)).cloned() else {
                let Lookup { resource, pointer, .. } = lookup;
                return Err(StepError::Lookup { resource: resource.name().to_owned(), pointer });
            };
            found.push((lookup, value));
        }
        let mut request = request.clone();
        request.body = request.body.map(|body| {
            replace(&body, &mut |lookup| {
                found.iter().find(|(l, _)| l == lookup).map(|(_, value)| value.clone())
            })
        });
        Ok(Cow::Owned(request))
    }

    fn record(&self, step: &str, event: Event) -> Result<(), JournalError> {
        self.journal.record(Entry { at: self.clock.now(), step: step.to_owned(), event })
    }
}

fn is_forbidden(error: &ArmError) -> bool {
    matches!(error.kind(), Kind::Forbidden { .. })
}

fn withdraws(step: &Step) -> bool {
    step.verb == Verb::Delete && step.resource.is_kind(ROLE_ASSIGNMENT)
}

fn assigns(step: &Step) -> bool {
    step.verb == Verb::Create && step.resource.is_kind(ROLE_ASSIGNMENT)
}

/// The outcomes of a run by step.
pub type Outcomes = BTreeMap<String, Outcome>;
