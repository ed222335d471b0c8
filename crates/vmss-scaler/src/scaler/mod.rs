//! The scaler: one pass after the other, from what is seen to what is sent.
//!
//! A pass never fails. What could not be read leads to no deletion and no lowered target; what could not be stored is
//! not sent; what could not be sent is decided anew. See [`Scaler::pass`].

mod report;
mod running;
mod send;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flamenco_azure_core::arm::{ArmClient, ArmOptions, RetryPolicy};
use flamenco_azure_core::error::chain;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::tags::{self, Tags};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use report::{Done, Ending, Pass, Standing, Sums};
pub use running::{Ended, OperationOutcome, Operations, Running};

use crate::act;
use crate::asked::later;
use crate::buckets::Buckets;
use crate::ledger::{Fate, Verdict};
use crate::look::{Look, Looker};
use crate::observe::{RenderManager, RenderView, VmId};
use crate::queue::{DeletionQueue, MOST, Message, QueueError};
use crate::reconcile::{Action, Decision, Planned, reconcile};
use crate::request;
use crate::room::Room;
use crate::skus::Catalog;
use crate::spec::Policy;
use crate::state::State;
use crate::store::{Lease, StateBlob, StoreError};
use crate::target::{self, Reading, TagNames};
use crate::template::Template;
use crate::wire;

/// A message whose machine is being deleted is extended when less than this is left of its invisibility.
const EXTEND_BELOW: Duration = Duration::from_mins(2);
/// Receives in one pass.
const RECEIVES: usize = 8;

/// The pool that a scaler keeps.
#[derive(Debug, Clone)]
pub struct Pool {
    /// The resource group of its scale sets and of the target's tag.
    pub group: ResourceId,
    /// Whether the plain tag `TOTAL_NODES` is meant for it: the group holds no other pool.
    pub sole: bool,
    /// What is decided by.
    pub policy: Policy,
    /// What its machines are made of.
    pub template: Template,
    /// What sizes can do in its region.
    pub catalog: Catalog,
}

impl Pool {
    /// The name of its state's blob.
    pub fn blob_name(&self) -> String {
        crate::store::blob_name(&format!("{}/{}", self.policy.farm, self.policy.pool))
    }

    /// The name of its deletion queue.
    pub fn queue_name(&self) -> String {
        crate::queue::queue_name(&self.policy.farm, &self.policy.pool)
    }

    /// The names of its tags on a group with these tags.
    pub fn tags(&self, group: &Tags) -> TagNames {
        TagNames::on(group, &self.policy.farm, &self.policy.pool, self.sole)
    }
}

/// What a scaler is made of.
#[derive(Clone)]
pub struct Parts {
    /// How to reach Azure. The retry policy is the scaler's own.
    pub arm: ArmOptions,
    /// The pool.
    pub pool: Pool,
    /// Where the state is kept.
    pub store: StateBlob,
    /// Where machines ask to be deleted; none if they may not.
    pub queue: Option<Arc<DeletionQueue>>,
    /// Who knows which machines are idle.
    pub renders: Option<Arc<dyn RenderManager>>,
    /// What the scaler calls itself, for others that find the lease taken: a host and a process.
    pub holder: String,
    /// Whether a holder of that name is surely dead, such as the last process of this service on this machine: its lease is
    /// ended at once. None: nobody can tell.
    pub dead: Option<Dead>,
}

/// Tells whether a holder is dead.
pub type Dead = Arc<dyn Fn(&str) -> bool + Send + Sync>;

// What is inside prints by itself or not at all.
impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("pool", &self.pool.policy.pool)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// A message whose machine is on its way out.
#[derive(Debug)]
struct Kept {
    message: Message,
    vm: VmId,
}

/// Keeps one pool at its target.
#[derive(Debug)]
pub struct Scaler {
    parts: Parts,
    /// Reads: tries again when Azure stumbles.
    reads: ArmClient,
    /// Writes: each is sent once, so that none is sent later than it was decided.
    writes: ArmClient,
    lease: Option<Lease>,
    /// What is stored.
    state: Option<State>,
    looker: Looker,
    buckets: Buckets,
    operations: Operations,
    kept: Vec<Kept>,
    sums: Sums,
}

impl Scaler {
    /// A scaler that has done nothing yet.
    pub fn new(parts: Parts) -> Self {
        let patient = RetryPolicy {
            max_tries: 3,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(2),
            budget: Duration::from_secs(5),
            try_timeout: Duration::from_secs(20),
            patience: Duration::ZERO,
            registration: Duration::ZERO,
            ..RetryPolicy::default()
        };
        let once = RetryPolicy { max_tries: 1, ..patient.clone() };
        let client = |retry| ArmClient::new(ArmOptions { retry, ..parts.arm.clone() });
        Self {
            reads: client(patient),
            writes: client(once),
            parts,
            lease: None,
            state: None,
            looker: Looker::default(),
            buckets: Buckets::default(),
            operations: Operations::default(),
            kept: Vec::new(),
            sums: Sums::default(),
        }
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.parts.pool
    }

    /// What the scaler goes by from now on; nothing else changes.
    pub fn set_pool(&mut self, pool: Pool) {
        self.parts.pool = pool;
    }

    /// Sums since the scaler began.
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The state as last stored; none while another scaler leads.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.reads.clock().now()
    }

    /// Renews the lease if it is due. To be called at least each [`RENEW_EVERY`](crate::store::RENEW_EVERY) between passes.
    pub async fn tend(&mut self) -> Result<(), StoreError> {
        let now = self.now();
        let Some(lease) = self.lease.as_ref().filter(|lease| lease.renewal_due() <= now) else {
            return Ok(());
        };
        let answer = lease.renew().await;
        if answer.is_err() && !lease.may_write(self.reads.clock().now()) {
            self.lose();
        }
        answer
    }

    /// Gives the lease back, so that another scaler need not wait for its end.
    pub async fn release(&mut self) -> Result<(), StoreError> {
        let lease = self.lease.take();
        self.lose();
        match lease {
            Some(lease) => lease.release().await,
            None => Ok(()),
        }
    }

    /// Another scaler may lead by now: what is remembered of the state is worth nothing.
    fn lose(&mut self) {
        self.lease = None;
        self.state = None;
        self.kept.clear();
    }

    /// Takes the lease and reads the state, where that is not done.
    async fn lead(&mut self) -> Result<(), StoreError> {
        if self.lease.is_none() {
            self.lose();
            let (store, holder) = (&self.parts.store, &self.parts.holder);
            let lease = match store.acquire(holder).await {
                Err(StoreError::Held { by }) if self.parts.dead.as_ref().is_some_and(|dead| dead(&by)) => {
                    tracing::info!(by, "the process that holds the lease is dead: it is ended");
                    store.break_dead(&by).await?;
                    store.acquire(holder).await
                }
                other => other,
            };
            self.lease = Some(lease?);
        }
        self.tend().await?;
        if self.state.is_none() {
            let Some(lease) = &self.lease else { return Ok(()) };
            let stored = lease.load().await?;
            self.state = Some(stored.unwrap_or_else(|| State::starting(self.reads.clock().now())));
        }
        Ok(())
    }

    /// One pass: lead, read, decide, store, send, store.
    ///
    /// What was decided is stored before the first request of it is sent, under the lease and the state's etag; nothing
    /// is sent later than the lease allows.
    pub async fn pass(&mut self) -> Pass {
        self.sums.passes += 1;
        let again = later(self.now(), self.parts.pool.policy.busy_look).unwrap_or(Timestamp::MAX);
        if let Err(error) = self.lead().await {
            self.sums.blind += 1;
            let mut pass = match &error {
                StoreError::Held { by, .. } => Pass::beginning(Standing::Waiting { by: by.clone() }, again),
                _ => Pass::beginning(Standing::Unsure, again),
            };
            pass.troubles.push(chain(&error));
            return pass;
        }
        let Some(stored) = self.state.take() else {
            return Pass::beginning(Standing::Unsure, again);
        };
        let mut state = stored.clone();
        let mut pass = Pass::beginning(Standing::Leading, again);
        self.hear(&mut state, &mut pass).await;
        let tags = self.tags(&mut pass).await;
        self.count(tags.as_ref(), &mut state, &mut pass);
        let mut look = self.look(&state, &mut pass).await;
        let messages = self.receive(&mut state, &look, &mut pass).await;
        let now = self.now();
        state.ledger.settle(&look.observed, now);
        state.asked.forget(&look.observed, &self.parts.pool.policy, now);
        state.marks.prune(now);
        let mut decision =
            reconcile(&look.observed, &state.target(), &state.marks, &self.parts.pool.policy, now);
        if self.find_room(&decision, &mut look, &mut pass).await {
            decision = reconcile(&look.observed, &state.target(), &state.marks, &self.parts.pool.policy, now);
        }
        let put_off = act::afford(&mut decision, &mut self.buckets, now);
        state.asked.note(&decision, now);
        state.boots.note(&look.observed, &decision, &self.parts.pool.policy, &mut state.marks, now);
        pass.next_look = decision.next_look;
        if decision.target.is_none() {
            self.sums.blind += 1;
        }
        if !self.store(&state, &stored, &mut pass).await {
            // Perhaps it is stored, perhaps not: read again before anything is decided from it.
            pass.decision = Some(decision);
            return pass;
        }
        let stored = state.clone();
        self.answer(&state, messages, &mut pass).await;
        self.send(&decision, &look, &mut state, &mut pass).await;
        self.show(tags.as_ref(), &state, &mut pass).await;
        pass.decision = Some(decision);
        if self.store(&state, &stored, &mut pass).await {
            self.state = Some(state);
        }
        if let Some((count, at)) = put_off {
            pass.troubles.push(format!("{count} requests are put off until {at}: Azure's limits"));
            pass.next_look = pass.next_look.min(at);
        }
        if !self.operations.is_empty() || !pass.done.is_empty() {
            pass.next_look = pass.next_look.min(again);
        }
        self.buckets.prune(self.now());
        pass
    }

    /// Looks and decides without storing or sending anything: for `scaler explain`. The last of the answer is what the
    /// target's tag says.
    pub async fn explain(&mut self, mut state: State) -> (Look, State, Decision, (String, Reading)) {
        let mut pass = Pass::beginning(Standing::Unsure, self.now());
        let tags = self.tags(&mut pass).await;
        let reading = self.reading(tags.as_ref());
        state.count.settle(&reading);
        let mut look = self.look(&state, &mut pass).await;
        look.troubles.append(&mut pass.troubles);
        let now = self.now();
        let decide = |look: &Look| {
            reconcile(&look.observed, &state.target(), &state.marks, &self.parts.pool.policy, now)
        };
        let mut decision = decide(&look);
        if self.find_room(&decision, &mut look, &mut pass).await {
            decision = decide(&look);
        }
        let tag = self.parts.pool.tags(&tags.unwrap_or_default()).target;
        (look, state, decision, (tag, reading))
    }

    /// Before nodes are asked for: what the quotas leave. True when it is known now.
    async fn find_room(&self, decision: &Decision, look: &mut Look, pass: &mut Pass) -> bool {
        let grows = |planned: &Planned| matches!(planned.action, Action::Create { .. } | Action::Grow { .. });
        if !decision.actions.iter().any(grows) {
            return false;
        }
        let pool = &self.parts.pool;
        match self.reads.list(&wire::usages(&pool.group, &pool.template.location)).await {
            Ok(items) => {
                look.observed.room = Some(Room::read(&items));
                true
            }
            Err(error) => {
                // Azure checks too: without this answer a refusal marks the placement.
                pass.troubles.push(format!("could not read the quotas: {}", chain(&error)));
                false
            }
        }
    }

    /// Takes in operations that ended.
    async fn hear(&mut self, state: &mut State, pass: &mut Pass) {
        let now = self.now();
        for ended in self.operations.poll(&self.reads, &mut self.buckets).await {
            let growth = match &ended.action {
                Action::Create { placement, .. } | Action::Grow { placement, .. } => Some(placement),
                _ => None,
            };
            let error = match (ended.outcome, growth) {
                (OperationOutcome::Failed(error), _) => error,
                (OperationOutcome::Done, Some(placement)) => {
                    state.marks.granted(placement, ended.since);
                    continue;
                }
                _ => continue,
            };
            self.sums.failures += 1;
            let text = chain(&*error);
            match &ended.action {
                Action::Create { placement, .. } | Action::Grow { placement, .. } => {
                    state.marks.refused(placement, error.code(), error.kind(), now);
                }
                Action::Delete { victims, .. } => {
                    state.asked.failed(&ended.action, ended.since, now);
                    for victim in victims {
                        state.ledger.failed(&mut state.count, victim.vm, &text, now);
                    }
                }
                Action::Remove { .. } | Action::Seal { .. } => {}
            }
            pass.failed.push(format!("{}: {text}", ended.action));
        }
    }

    async fn tags(&mut self, pass: &mut Pass) -> Option<Tags> {
        let body = match self.reads.get(&wire::tags(&self.parts.pool.group)).await {
            Ok(Some(body)) => body,
            Ok(None) => {
                pass.troubles.push(format!("there is no resource group `{}`", self.parts.pool.group.name()));
                return None;
            }
            Err(error) => {
                pass.troubles.push(format!("could not read the group's tags: {}", chain(&error)));
                return None;
            }
        };
        let all = body.pointer("/properties/tags").and_then(Value::as_object);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(all.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect())
    }

    fn reading(&self, tags: Option<&Tags>) -> Reading {
        let pool = &self.parts.pool;
        target::read(tags, &pool.policy.farm, &pool.policy.pool, pool.sole)
    }

    fn count(&self, tags: Option<&Tags>, state: &mut State, pass: &mut Pass) {
        let reading = self.reading(tags);
        if let Reading::Malformed { tag, text, error } = &reading {
            let kept = state
                .count
                .base
                .map_or_else(|| "none was read before".to_owned(), |base| format!("{base} goes on"));
            pass.malformed = Some(format!("tag {tag} says `{text}`: {error}; {kept}"));
        }
        state.count.settle(&reading);
        let stamp = tags.and_then(|tags| tags::get(tags, &self.parts.pool.tags(tags).set));
        state.count.stamped(stamp);
    }

    async fn look(&mut self, state: &State, pass: &mut Pass) -> Look {
        let pool = &self.parts.pool;
        let leaving: BTreeSet<VmId> = state.ledger.leaving().into_keys().collect();
        let mut look = self
            .looker
            .look(
                &self.reads,
                &pool.group,
                &pool.policy,
                &pool.catalog,
                &state.asked,
                &leaving,
                &mut self.buckets,
            )
            .await;
        look.observed.growing = self.operations.growing();
        pass.troubles.append(&mut look.troubles);
        if let Some(renders) = &self.parts.renders {
            match renders.workers().await {
                Ok(workers) => {
                    let busy = workers.into_iter().filter_map(|(name, busy)| {
                        Some((*look.computers.get(&name.to_ascii_lowercase())?, busy))
                    });
                    look.observed.view = RenderView { busy: busy.collect() };
                }
                Err(error) => {
                    pass.troubles.push(format!("the render manager does not say who is idle: {error}"));
                }
            }
        }
        look
    }

    /// Receives messages and counts what they ask for. Nothing is done about them before the state is stored.
    async fn receive(
        &mut self,
        state: &mut State,
        look: &Look,
        pass: &mut Pass,
    ) -> Vec<(Message, Option<VmId>, Fate)> {
        let mut all = Vec::new();
        let Some(queue) = &self.parts.queue else { return all };
        for _ in 0..RECEIVES {
            let batch = match queue.receive(MOST).await {
                Ok(batch) => batch,
                Err(error) => {
                    pass.troubles.push(format!("could not read the deletion queue: {}", chain(&error)));
                    break;
                }
            };
            let last = batch.len() < usize::from(MOST);
            for message in batch {
                let now = self.reads.clock().now();
                match request::read(&message.text) {
                    Err(error) => all.push((message, None, Fate::Poison { reason: error.to_string() })),
                    Ok(request) => {
                        let (verdict, fate) =
                            state.ledger.receive(&mut state.count, &request, &look.observed, now);
                        if let Verdict::Counted(vm) = verdict {
                            pass.counted += 1;
                            tracing::info!(set = request.set, instance = request.instance, %vm, "a machine asks to go");
                        }
                        let vm = match verdict {
                            Verdict::Counted(vm) | Verdict::Duplicate(vm) => Some(vm),
                            _ => None,
                        };
                        all.push((message, vm, fate));
                    }
                }
            }
            if last {
                break;
            }
        }
        self.sums.deletions += u64::from(pass.counted);
        all
    }

    /// Now that the state is stored: what becomes of the messages of this pass and of those in hand.
    async fn answer(&mut self, state: &State, messages: Vec<(Message, Option<VmId>, Fate)>, pass: &mut Pass) {
        let Some(queue) = self.parts.queue.clone() else { return };
        let mut in_hand: Vec<(Message, Option<VmId>, Fate)> = Vec::new();
        for kept in self.kept.drain(..) {
            let fate = state.ledger.fate(kept.vm);
            in_hand.push((kept.message, Some(kept.vm), fate));
        }
        in_hand.extend(messages);
        for (mut message, vm, fate) in in_hand {
            let now = self.reads.clock().now();
            let answer = match (&fate, vm) {
                (Fate::Drop, _) => queue.delete(&message).await,
                (Fate::Poison { reason }, _) => {
                    self.sums.poisoned += 1;
                    queue.poison(&message, reason).await
                }
                (Fate::Keep, Some(vm)) => {
                    let soon = later(now, EXTEND_BELOW).is_none_or(|soon| message.until < soon);
                    let answer = if soon { queue.extend(&mut message).await } else { Ok(()) };
                    if answer.is_ok() {
                        self.kept.push(Kept { message, vm });
                    }
                    answer
                }
                // Cannot be told yet: it becomes visible again by itself.
                (Fate::Keep, None) => Ok(()),
            };
            match answer {
                // Somebody else sees it by now, perhaps we ourselves: its entry in the ledger is there.
                Ok(()) | Err(QueueError::NotHeld) => {}
                Err(error) => pass
                    .troubles
                    .push(format!("could not answer a message of the deletion queue: {}", chain(&error))),
            }
        }
    }

    /// Shows the effective target, where the tag shows another.
    async fn show(&mut self, tags: Option<&Tags>, state: &State, pass: &mut Pass) {
        let (Some(tags), Some(nodes)) = (tags, state.count.effective()) else { return };
        let (name, text) = (self.parts.pool.tags(tags).now, nodes.to_string());
        let shown = tags::get(tags, &name);
        // A group whose target was never set is left without our tag too.
        let silent = shown.is_none() && nodes == 0;
        if shown == Some(text.as_str()) || silent || !self.may_write() {
            return;
        }
        let request = wire::merge_tags(&self.parts.pool.group, &json!({name: text}));
        if let Err(error) = self.writes.send(&request).await {
            pass.troubles.push(format!("could not show the target in a tag: {}", chain(&error)));
        }
    }

    fn may_write(&self) -> bool {
        let now = self.now();
        self.lease.as_ref().is_some_and(|lease| lease.may_write(now))
    }

    /// Stores the state if it changed. False if it could not be: then it has to be read again.
    async fn store(&mut self, state: &State, stored: &State, pass: &mut Pass) -> bool {
        if state == stored {
            return true;
        }
        let Some(lease) = &self.lease else { return false };
        match lease.save(state).await {
            Ok(()) => true,
            Err(error) => {
                pass.troubles.push(format!("could not store the state: {}", chain(&error)));
                if !lease.may_write(self.reads.clock().now()) {
                    self.lose();
                }
                false
            }
        }
    }
}
