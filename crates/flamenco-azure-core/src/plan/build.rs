//! From wanted and observed to steps.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::desired::{Absent, Checkpoint, Desired, GroupWish, How, Order, Update, Wanted};
use super::diff::{at, at_mut, diff, merge};
use super::grant::{ROLE_ASSIGNMENT, twin};
use super::lookup::{lookups, resolve};
use super::{Action, Blocked, Change, Condition, Plan, PlanError, Step, Verb, without_nulls};
use crate::arm::Request;
use crate::ids::ResourceId;
use crate::inventory::{Inventory, Observed, Provisioning};
use crate::tags;

/// The api-version of resource groups and tags
/// (<https://learn.microsoft.com/rest/api/resources/resource-groups>).
pub const RESOURCES_API: &str = "2021-04-01";

/// Plans the way from `inventory` to `wanted`. Pure: the same input gives the same plan.
///
/// # Errors
/// [`PlanError::Foreign`] when a wanted name is taken by a resource of someone else; nothing is planned then.
pub fn plan(wanted: &Wanted, inventory: &Inventory) -> Result<Plan, PlanError> {
    refuse_foreign(wanted, inventory)?;
    let resources: Vec<Desired> =
        wanted.resources.iter().map(|desired| resolved(desired, inventory)).collect();
    let mut builder = Builder {
        group: wanted.group.id.clone(),
        chains: Vec::new(),
        index: HashMap::new(),
        blocked: Vec::new(),
    };
    builder.group(&wanted.farm, &wanted.group, inventory)?;
    for desired in &resources {
        builder.desired(desired, inventory);
    }
    for order in &wanted.orders {
        builder.order(order);
    }
    for absent in &wanted.absent {
        builder.absent(absent, inventory);
    }
    for checkpoint in &wanted.checkpoints {
        builder.checkpoint(checkpoint, inventory);
    }
    builder.finish(&wanted.farm)
}

fn refuse_foreign(wanted: &Wanted, inventory: &Inventory) -> Result<(), PlanError> {
    let ids: Vec<_> = wanted
        .resources
        .iter()
        // The id of an assignment is made of the farm's name: who has it is the farm.
        .filter(|desired| !desired.id.is_kind(ROLE_ASSIGNMENT))
        .filter_map(|desired| inventory.get(&desired.id))
        .filter(|observed| inventory.owner(observed).as_deref() != Some(&wanted.farm))
        .map(|observed| observed.id.clone())
        .collect();
    if ids.is_empty() { Ok(()) } else { Err(PlanError::Foreign { ids, farm: wanted.farm.clone() }) }
}

/// The wanted resource with what is known in place of lookups, after the resources of the others.
fn resolved(desired: &Desired, inventory: &Inventory) -> Desired {
    let body = resolve(&desired.body, inventory);
    let mut after = desired.after.clone();
    after.extend(lookups(&desired.body).into_iter().map(|lookup| lookup.resource));
    Desired { body, after, ..desired.clone() }
}

/// The steps on one resource, one after the other, and the resources that come first.
#[derive(Debug, Default)]
struct Chain {
    /// Folded ids.
    after: Vec<String>,
    beside: Vec<String>,
    steps: Vec<Step>,
    /// How many of the steps make or change the resource; the others complete it or are checkpoints.
    making: usize,
    /// What the first of those others waits for besides.
    before_checkpoints: Vec<String>,
}

#[derive(Debug)]
struct Builder {
    group: ResourceId,
    chains: Vec<Chain>,
    /// Where the chain of a resource is, by its folded id.
    index: HashMap<String, usize>,
    blocked: Vec<Blocked>,
}

impl Builder {
    fn chain(&mut self, resource: &ResourceId) -> &mut Chain {
        let index = *self.index.entry(resource.key()).or_insert_with(|| {
            self.chains.push(Chain::default());
            self.chains.len() - 1
        });
        &mut self.chains[index]
    }

    fn push(&mut self, after: &[ResourceId], step: Step) {
        let resource = step.resource.clone();
        self.push_checkpoint(after, step);
        let chain = self.chain(&resource);
        chain.making = chain.steps.len();
    }

    fn push_checkpoint(&mut self, after: &[ResourceId], mut step: Step) {
        let group = self.group.clone();
        let chain = self.chain(&step.resource);
        let same = chain.steps.iter().filter(|s| s.verb == step.verb).count();
        if same > 0 {
            step.id = format!("{} #{}", step.id, same + 1);
        }
        chain.after.extend(after.iter().filter(|id| **id != step.resource).map(ResourceId::key));
        if step.resource != group {
            chain.after.push(group.key());
        }
        chain.steps.push(step);
    }

    fn group(&mut self, farm: &str, wish: &GroupWish, inventory: &Inventory) -> Result<(), PlanError> {
        let Some(observed) = &inventory.group else {
            let mut all = wish.tags.clone();
            all.insert(tags::group_tag(farm), tags::CREATED.to_owned());
            let body = json!({"location": wish.location.as_str(), "tags": all});
            let request = Request::put(wish.id.as_str(), body).api_version(RESOURCES_API);
            self.push(
                &[],
                step(Verb::Create, &wish.id, "resource group", "does not exist", Action::Send { request }),
            );
            return Ok(());
        };
        let have: String =
            observed.text("/location").unwrap_or_default().to_ascii_lowercase().replace(' ', "");
        if have != wish.location.as_str() {
            return Err(PlanError::GroupElsewhere {
                group: wish.id.name().to_owned(),
                have,
                want: wish.location.to_string(),
            });
        }
        if tags::get(&observed.tags(), &tags::group_tag(farm)).is_none() {
            let request = tag_request(&wish.id, "Merge", &json!({ tags::group_tag(farm): tags::JOINED }));
            let reason = "exists; marked as used by this farm, never deleted with it";
            self.push(&[], step(Verb::Update, &wish.id, "resource group", reason, Action::Send { request }));
        }
        Ok(())
    }

    fn desired(&mut self, desired: &Desired, inventory: &Inventory) {
        self.compare(desired, inventory);
        // Only a chain that there is has something to wait with.
        if let Some(&index) = self.index.get(&desired.id.key()) {
            self.chains[index].beside.extend(desired.beside.iter().map(ResourceId::key));
        }
    }

    fn compare(&mut self, desired: &Desired, inventory: &Inventory) {
        let Some(observed) = inventory.get(&desired.id) else {
            if twin(desired, &desired.body, inventory).is_some() {
                return;
            }
            return self.create(desired, "does not exist");
        };
        let wait = |until| Action::Poll { request: get(&desired.id, desired.api_version), until };
        match observed.provisioning() {
            Provisioning::Deleting => {
                let reason = "is being deleted";
                self.push(
                    &desired.after,
                    step(Verb::Await, &desired.id, desired.purpose, reason, wait(Condition::Gone)),
                );
                return self.create(desired, "must be made anew");
            }
            Provisioning::InProgress => {
                let reason = "an earlier change is still under way";
                self.push(
                    &desired.after,
                    step(Verb::Await, &desired.id, desired.purpose, reason, wait(Condition::Settled)),
                );
            }
            Provisioning::Settled | Provisioning::Failed => {}
        }
        let (blocked, changes) = self::changes(desired, observed);
        if !blocked.is_empty() {
            let remedy = desired.replace_remedy.to_owned();
            self.blocked.push(Blocked { resource: desired.id.clone(), changes: blocked, remedy });
        }
        let failed = observed.provisioning() == Provisioning::Failed;
        if changes.is_empty() && !failed {
            return;
        }
        if desired.update == Update::Anew {
            let request = Request::delete(desired.id.as_str()).api_version(desired.api_version);
            let mut delete = step(
                Verb::Delete,
                &desired.id,
                desired.purpose,
                "cannot be changed",
                Action::Send { request },
            );
            delete.changes = changes;
            self.push(&desired.after, delete);
            return self.create(desired, "must be made anew");
        }
        let reason = if failed { "its last change failed" } else { "differs from the farm file" };
        // A creation that failed is asked for again as a whole: a PATCH would change half of nothing.
        let request = if failed && matches!(desired.update, Update::Patch(_)) {
            Request::put(desired.id.as_str(), without_nulls(&desired.body)).api_version(desired.api_version)
        } else {
            update_request(desired, observed)
        };
        let mut update = step(Verb::Update, &desired.id, desired.purpose, reason, Action::Send { request });
        update.changes = changes;
        self.push(&desired.after, update);
    }

    fn create(&mut self, desired: &Desired, reason: &str) {
        let put = |body| Action::Send {
            request: Request::put(desired.id.as_str(), without_nulls(body)).api_version(desired.api_version),
        };
        let Some(early) = &desired.early else {
            let create = step(Verb::Create, &desired.id, desired.purpose, reason, put(&desired.body));
            return self.push(&desired.after, create);
        };
        let first: Vec<_> = desired.after.iter().filter(|id| !early.without.contains(id)).cloned().collect();
        self.push(&first, step(Verb::Create, &desired.id, desired.purpose, reason, put(&early.body)));
        self.chain(&desired.id).before_checkpoints.extend(early.without.iter().map(ResourceId::key));
        // Like a checkpoint: whoever is content with the resource as it was made does not wait for this.
        let whole = step(Verb::Update, &desired.id, desired.purpose, early.reason, put(&desired.body));
        self.push_checkpoint(&[], whole);
    }

    fn order(&mut self, order: &Order) {
        let step = step(order.verb, &order.resource, order.purpose, &order.reason, order.action.clone());
        self.push(&order.after, step);
    }

    fn absent(&mut self, absent: &Absent, inventory: &Inventory) {
        if inventory.get(&absent.id).is_some() {
            let request = Request::delete(absent.id.as_str()).api_version(absent.api_version);
            let step =
                step(Verb::Delete, &absent.id, absent.purpose, &absent.reason, Action::Send { request });
            self.push(&absent.after, step);
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, inventory: &Inventory) {
        let touched = self.index.contains_key(&checkpoint.resource.key());
        let observed = inventory.get(&checkpoint.resource);
        let evident = match &checkpoint.evidence {
            None => true,
            Some((pointer, value)) => {
                observed.and_then(|o| o.pointer(pointer)).is_some_and(|have| have == value)
            }
        };
        let due =
            if checkpoint.after_each_step { touched || !evident } else { observed.is_some() && !evident };
        if !due {
            return;
        }
        let action = match &checkpoint.how {
            How::Poll(request, until) => Action::Poll { request: request.clone(), until: *until },
            How::Ask(request, expect) => Action::Ask { request: request.clone(), expect: expect.clone() },
        };
        let reason = if touched { "after the change" } else { "not yet known to be reached" };
        let first = checkpoint.after.iter().map(ResourceId::key);
        self.chain(&checkpoint.resource).before_checkpoints.extend(first);
        self.push_checkpoint(
            &[],
            step(Verb::Await, &checkpoint.resource, checkpoint.purpose, reason, action),
        );
        if let Some(mark) = &checkpoint.mark {
            let action = Action::Send { request: mark.clone() };
            let reason = "remembers that this was reached";
            self.push_checkpoint(
                &[],
                step(Verb::Update, &checkpoint.resource, checkpoint.purpose, reason, action),
            );
        }
    }

    /// Links chains: within a resource one step after the other; the first after the last step of every chain that
    /// must come first.
    fn finish(self, farm: &str) -> Result<Plan, PlanError> {
        let links: Vec<(Vec<String>, Vec<String>)> = self
            .chains
            .iter()
            .map(|chain| (self.first_needs(chain), self.last_of(&chain.before_checkpoints)))
            .collect();
        let mut plan = Plan { farm: farm.to_owned(), blocked: self.blocked, ..Plan::default() };
        for (chain, (first, before_checkpoints)) in self.chains.into_iter().zip(links) {
            let mut needs = first;
            for (index, mut step) in chain.steps.into_iter().enumerate() {
                let next = vec![step.id.clone()];
                step.needs.append(&mut std::mem::replace(&mut needs, next));
                if index == chain.making {
                    step.needs.extend(before_checkpoints.iter().cloned());
                }
                plan.steps.push(step);
            }
        }
        plan.sort()?;
        Ok(plan)
    }

    /// The last step on each of these resources that has one.
    fn last_of(&self, keys: &[String]) -> Vec<String> {
        let chains = keys.iter().filter_map(|key| self.index.get(key));
        chains.filter_map(|&index| Some(self.chains[index].steps.last()?.id.clone())).collect()
    }

    /// What the first step of a chain needs: the last step of each chain that comes first, or the last one that makes
    /// the resource where its checkpoints need not be waited for.
    fn first_needs(&self, chain: &Chain) -> Vec<String> {
        let chain_of = |id: &String| self.index.get(id).map(|&index| &self.chains[index]);
        let beside = chain.beside.iter().filter_map(|id| {
            let chain = chain_of(id)?;
            chain.steps[..chain.making].last()
        });
        let mut needs = self.last_of(&chain.after);
        needs.extend(beside.map(|step| step.id.clone()));
        needs.sort();
        needs.dedup();
        needs
    }
}

fn step(verb: Verb, resource: &ResourceId, purpose: &str, reason: &str, action: Action) -> Step {
    Step {
        id: Step::id_of(verb, resource),
        verb,
        resource: resource.clone(),
        purpose: purpose.to_owned(),
        reason: reason.to_owned(),
        changes: Vec::new(),
        needs: Vec::new(),
        action,
    }
}

fn get(id: &ResourceId, api_version: &'static str) -> Request {
    Request::get(id.as_str()).api_version(api_version)
}

/// A request that merges or deletes tags at a scope without touching the others
/// (<https://learn.microsoft.com/rest/api/resources/tags/update-at-scope>).
pub fn tag_request(scope: &ResourceId, operation: &str, tags: &Value) -> Request {
    let path = format!("{scope}/providers/Microsoft.Resources/tags/default");
    let body = json!({"operation": operation, "properties": {"tags": tags}});
    Request::patch(&path, body).api_version(RESOURCES_API)
}

/// The differences that block and those that can be changed.
fn changes(desired: &Desired, observed: &Observed) -> (Vec<Change>, Vec<Change>) {
    let have = match desired.update {
        Update::PutKeeping(list) => Cow::Owned(without_foreign_elements(&desired.body, &observed.body, list)),
        Update::Put | Update::Patch(_) | Update::Anew => Cow::Borrowed(&observed.body),
    };
    let below = |path: &str, pointers: &[&str]| {
        pointers.iter().any(|p| path == *p || path.strip_prefix(p).is_some_and(|rest| rest.starts_with('/')))
    };
    diff(&desired.body, &have, desired.create_only).into_iter().partition(|change| {
        let fixed = below(&change.path, desired.replace_on) || change.path == "/location";
        match desired.update {
            Update::Patch(sent) => fixed || !below(&change.path, sent),
            Update::Put | Update::PutKeeping(_) => fixed,
            Update::Anew => false,
        }
    })
}

fn named(element: &Value) -> Option<String> {
    element.get("name")?.as_str().map(str::to_ascii_lowercase)
}

fn without_foreign_elements(want: &Value, have: &Value, list: &str) -> Value {
    let wanted: Vec<_> =
        want.pointer(list).and_then(Value::as_array).into_iter().flatten().map(named).collect();
    let mut have = have.clone();
    if let Some(Value::Array(elements)) = have.pointer_mut(list) {
        elements.retain(|element| wanted.contains(&named(element)));
    }
    have
}

fn update_request(desired: &Desired, observed: &Observed) -> Request {
    let mut body = desired.body.clone();
    if body.get("tags").is_some() {
        // A PUT or PATCH replaces the tag map: keep what others put there.
        let kept = observed.body.get("tags").cloned().unwrap_or_else(|| json!({}));
        body["tags"] = merge(&kept, &body["tags"]);
    }
    // What cannot be changed is sent as it is, so that a PATCH of the tags does not claim a change that was not made.
    for pointer in desired.replace_on.iter().chain(desired.create_only) {
        if let (Some(have), Some(place)) = (at(&observed.body, pointer), at_mut(&mut body, pointer)) {
            *place = have.clone();
        }
    }
    match desired.update {
        Update::Put | Update::Anew => {
            Request::put(desired.id.as_str(), without_nulls(&body)).api_version(desired.api_version)
        }
        Update::PutKeeping(list) => {
            let wanted: Vec<_> =
                body.pointer(list).and_then(Value::as_array).into_iter().flatten().map(named).collect();
            let kept: Vec<Value> = observed
                .pointer(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter(|element| !wanted.contains(&named(element)))
                .cloned()
                .collect();
            if let Some(Value::Array(elements)) = body.pointer_mut(list) {
                elements.extend(kept);
            }
            Request::put(desired.id.as_str(), without_nulls(&body)).api_version(desired.api_version)
        }
        Update::Patch(sent) => {
            let mut patch = json!({});
            for pointer in sent {
                if let Some(value) = body.pointer(pointer) {
                    patch = merge(&patch, &nested(pointer, without_nulls(value)));
                }
            }
            Request::patch(desired.id.as_str(), patch).api_version(desired.api_version)
        }
    }
}

fn nested(pointer: &str, value: Value) -> Value {
    pointer.rsplit('/').filter(|key| !key.is_empty()).fold(value, |inner, key| json!({ key: inner }))
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
