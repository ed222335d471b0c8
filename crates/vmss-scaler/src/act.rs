//! Carries out what [`reconcile`](crate::reconcile::reconcile) decided: one request per action, never one that changes
//! nothing, each under what it depends on (an etag, a machine's VM id).

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Operation, Request};
use flamenco_azure_core::ids::ResourceId;
use jiff::Timestamp;
use serde_json::Value;

use crate::buckets::{Buckets, Class};
use crate::desired::{self, set_id};
use crate::look::{self, Look};
use crate::read::{self, Listed};
use crate::reconcile::{Action, Decision, Planned, Victim};
use crate::skus::Catalog;
use crate::spec::{Placement, Policy};
use crate::store::Lease;
use crate::template::{Mode, Template};
use crate::wire::{self, COMPUTE_API};

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Azure accepted it; the operation that it started.
    Accepted(Box<Operation>),
    /// What it asks for is so already: nothing was sent, or Azure said so.
    Moot,
    /// Somebody changed the set in between. Nothing happened; the next pass decides anew.
    Stale,
    /// Azure refused it: it surely did not happen.
    Refused(Box<ArmError>),
    /// The answer was lost.
    Unknown(Box<ArmError>),
    /// Not sent: the lease is too old to be sure of.
    Late,
}

/// What requests are made from.
#[derive(Debug, Clone, Copy)]
pub struct Hands<'a> {
    /// Sends requests once.
    pub client: &'a ArmClient,
    /// The resource group.
    pub group: &'a ResourceId,
    /// The policy.
    pub policy: &'a Policy,
    /// What machines are made of.
    pub template: &'a Template,
    /// What sizes can do.
    pub catalog: &'a Catalog,
    /// What the last look showed.
    pub look: &'a Look,
    /// What allows to write.
    pub lease: Option<&'a Lease>,
}

/// The bucket that an action's request is taken from, and the set it is about.
pub fn cost(action: &Action) -> (Class, &str) {
    match action {
        Action::Create { set, .. } => (Class::SetCreate, set),
        Action::Grow { set, .. } | Action::Seal { set, .. } => (Class::SetUpdate, set),
        Action::Delete { set, .. } | Action::Remove { set, .. } => (Class::SetDelete, set),
    }
}

/// Takes out of a decision what Azure's buckets would refuse now, before it is written down as asked for. Returns what
/// was put off, and when the first of it may be sent.
pub fn afford(decision: &mut Decision, buckets: &mut Buckets, now: Timestamp) -> Option<(usize, Timestamp)> {
    let mut put_off: Option<(usize, Timestamp)> = None;
    decision.actions.retain(|planned| {
        let (class, set) = cost(&planned.action);
        let next = buckets.next(class, Some(set), now);
        if next <= now {
            buckets.take(class, Some(set), now);
            return true;
        }
        let (count, first) = put_off.unwrap_or((0, next));
        put_off = Some((count + 1, first.min(next)));
        false
    });
    put_off
}

impl Hands<'_> {
    /// A lease is no fence: nothing is sent when it may be over before the request arrives. To be asked before each
    /// write, for a read in between may have taken long, or the process may have stood still.
    fn sure(&self) -> bool {
        self.lease.is_some_and(|lease| lease.may_write(self.client.clock().now()))
    }

    /// Sends one action.
    pub async fn act(&self, planned: &Planned) -> Outcome {
        if !self.sure() {
            return Outcome::Late;
        }
        match &planned.action {
            Action::Create { set, generation, placement, capacity } => {
                self.create(set, *generation, placement, *capacity).await
            }
            Action::Grow { set, etag, from, to, unseal, .. } => {
                let body = |listed: &Listed| desired::grow(&listed.sku, *to, unseal.then_some(&listed.tags));
                let meant =
                    |fresh: &Listed| fresh.set.capacity == *from && (fresh.set.sealed.is_some() == *unseal);
                let done =
                    |fresh: &Listed| fresh.set.capacity >= *to && from != to && fresh.set.sealed.is_none();
                self.change(set, etag.as_deref(), body, meant, done).await
            }
            Action::Seal { set, etag, reason, at } => {
                let body = |listed: &Listed| desired::seal(&listed.tags, *reason, *at);
                self.change(set, etag.as_deref(), body, |_| true, |fresh| fresh.set.sealed.is_some()).await
            }
            Action::Delete { set, victims } => self.delete(set, victims).await,
            Action::Remove { set, etag } => self.remove(set, etag.as_deref()).await,
        }
    }

    async fn create(&self, set: &str, generation: u64, placement: &Placement, capacity: u32) -> Outcome {
        let Some(sku) = self.catalog.get(&placement.sku) else { return Outcome::Stale };
        let body = desired::scale_set(self.policy, self.template, placement, sku, generation, capacity);
        let request =
            Request::put(set_id(self.group, set).as_str(), body).api_version(COMPUTE_API).if_none_match();
        match self.client.begin(&request).await {
            Ok(operation) => Outcome::Accepted(Box::new(operation)),
            // Names are never used twice: it is there because an earlier request had got through.
            Err(error) if matches!(error.kind(), Kind::PreconditionFailed | Kind::AlreadyExists) => {
                Outcome::Moot
            }
            Err(error) => failed(error),
        }
    }

    /// PATCHes a set under its etag. After a 412 once more on fresh data, if the set is still as the change means it.
    async fn change(
        &self,
        set: &str,
        etag: Option<&str>,
        body: impl Fn(&Listed) -> Value,
        meant: impl Fn(&Listed) -> bool,
        done: impl Fn(&Listed) -> bool,
    ) -> Outcome {
        let Some(listed) = self.look.sets.get(set) else { return Outcome::Stale };
        let id = set_id(self.group, set);
        let patch = |etag: Option<&str>, body: Value| {
            let request = Request::patch(id.as_str(), body).api_version(COMPUTE_API);
            match etag {
                Some(etag) => request.if_match(etag),
                None => request,
            }
        };
        let error = match self.client.begin(&patch(etag, body(listed))).await {
            Ok(operation) => return Outcome::Accepted(Box::new(operation)),
            Err(error) => error,
        };
        if *error.kind() != Kind::PreconditionFailed {
            return failed(error);
        }
        let Some(fresh) = self.fresh(&id).await else { return Outcome::Stale };
        if done(&fresh) {
            return Outcome::Moot;
        }
        if !meant(&fresh) {
            return Outcome::Stale;
        }
        if !self.sure() {
            return Outcome::Late;
        }
        match self.client.begin(&patch(fresh.set.etag.as_deref(), body(&fresh))).await {
            Ok(operation) => Outcome::Accepted(Box::new(operation)),
            Err(error) if *error.kind() == Kind::PreconditionFailed => Outcome::Stale,
            Err(error) => failed(error),
        }
    }

    /// The set as it is now, if it is there and still the pool's.
    async fn fresh(&self, id: &ResourceId) -> Option<Listed> {
        let item = self.client.get(&Request::get(id.as_str()).api_version(COMPUTE_API)).await.ok()??;
        read::set(&item, self.policy, self.catalog).ok()?
    }

    /// Deletes machines whose ids still mean the same machines: those of a list of this pass, else of a new one.
    async fn delete(&self, set: &str, victims: &[Victim]) -> Outcome {
        let Some(listed) = self.look.sets.get(set) else { return Outcome::Stale };
        let id = set_id(self.group, set);
        let there = if self.look.listed_now.contains(set) {
            None
        } else {
            let now = self.client.clock().now();
            match look::machines(self.client, &id, listed.mode, now).await {
                Ok(there) => Some(there),
                Err(look::LookError::Azure { source, .. }) if source.is_not_found() => return Outcome::Moot,
                Err(look::LookError::Azure { source, .. }) => return Outcome::Refused(source),
                Err(look::LookError::Odd { .. }) => return Outcome::Stale,
            }
        };
        let same = |victim: &&Victim| {
            there.as_ref().is_none_or(|there| {
                let mut there = there.iter().map(|one| &one.instance);
                there.any(|one| one.vm == victim.vm && one.id.eq_ignore_ascii_case(&victim.instance))
            })
        };
        let ids: Vec<&str> = victims.iter().filter(same).map(|victim| victim.instance.as_str()).collect();
        if ids.is_empty() {
            return Outcome::Moot;
        }
        if !self.sure() {
            return Outcome::Late;
        }
        match self.client.begin(&wire::delete_machines(&id, &ids)).await {
            Ok(operation) => Outcome::Accepted(Box::new(operation)),
            Err(error) if error.is_not_found() => Outcome::Moot,
            // One id that Azure does not know (any more) fails the whole batch; and machines of Flexible sets can be
            // ones that the set's own deletion does not take. One by one then.
            Err(error) if *error.kind() == Kind::InvalidRequest => {
                self.delete_singly(&id, listed.mode, &ids).await
            }
            Err(error) => failed(error),
        }
    }

    async fn delete_singly(&self, set: &ResourceId, mode: Mode, ids: &[&str]) -> Outcome {
        let mut last = Outcome::Moot;
        for id in ids {
            if !self.sure() {
                // What was sent is on its way; the others are asked for again when they are seen to stay.
                return if matches!(last, Outcome::Moot) { Outcome::Late } else { last };
            }
            let machine = match mode {
                Mode::Flexible => self.group.resource(wire::VM, id),
                Mode::Uniform => set.child("virtualMachines", id),
            };
            match self.client.begin(&Request::delete(machine.as_str()).api_version(COMPUTE_API)).await {
                Ok(operation) => last = Outcome::Accepted(Box::new(operation)),
                Err(error) if not_active(&error) => {}
                Err(error) => return failed(error),
            }
        }
        last
    }

    async fn remove(&self, set: &str, etag: Option<&str>) -> Outcome {
        let mut request = Request::delete(set_id(self.group, set).as_str()).api_version(COMPUTE_API);
        if let Some(etag) = etag {
            request = request.if_match(etag);
        }
        match self.client.begin(&request).await {
            Ok(operation) => Outcome::Accepted(Box::new(operation)),
            Err(error) if *error.kind() == Kind::PreconditionFailed => Outcome::Stale,
            Err(error) => failed(error),
        }
    }
}

/// Azure's words for a machine that is gone (quoted traffic: `The provided instanceId 3 is not an active VM instanceId`).
fn not_active(error: &ArmError) -> bool {
    error.is_not_found() || error.message().contains("not an active")
}

fn failed(error: ArmError) -> Outcome {
    match error.kind() {
        Kind::OutcomeUnknown | Kind::Unreadable => Outcome::Unknown(Box::new(error)),
        // A PUT or DELETE that may have been applied before it failed for the moment.
        Kind::Transient if error.status().is_none_or(|status| status >= 500) => {
            Outcome::Unknown(Box::new(error))
        }
        _ => Outcome::Refused(Box::new(error)),
    }
}
