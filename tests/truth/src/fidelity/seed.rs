//! The simulator's state before a request: from earlier interactions of the recording and fixed defaults, never from the
//! answer under test.
//!
//! Recordings are subsequences: what made a resource may be left out. The rules, in this order:
//!
//! 1. A resource that an earlier answer showed is there (as that answer showed it), until a request deletes it.
//! 2. A template deployment makes the resources of its template when it is sent: its *request* is read.
//! 3. What a request stands on is there: the resource group, the parents of a child, the Batch account of a host; under a
//!    read, only what the recording does not make later.
//! 4. What a request's body refers to is there, in its plainest form.
//! 5. What is acted on (POST, PATCH, DELETE) is there, in its plainest form. What is read or PUT is not.
//! 6. A group that is read is there, unless the recording makes it later.
//!
//! A resource deleted by an earlier request is not made again by rules 3 to 5. Of what rules 3 to 6 made, the contents are
//! unknown: its body is not compared until an answer has shown it, and that answer then takes the plain form's place.

use std::collections::{BTreeMap, BTreeSet};

use azure_sim::{Resource, SimRequest, SimResponse, Tags, World};
use flamenco_azure_core::arm::Method;
use serde_json::{Value, json};
use url::Url;

use super::catalogue::{REGION, region, substituted};
use super::names::{cased, collect_ids, group_of, is_group, kind, normal, owner, parent, simulated};
use crate::recording::Interaction;

const ARM: &str = "https://management.azure.com";

/// What the recording told so far.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Bodies of resources, by id in lower case.
    seen: BTreeMap<String, Value>,
    /// Resources and groups that a request deleted.
    gone: BTreeSet<String>,
    /// What is being put into the world just now: bodies name themselves, and one another.
    busy: BTreeSet<String>,
    /// Made in plain form by default, and not shown yet.
    plain: BTreeSet<String>,
    /// Region of what is made by default: that of the request at hand.
    pub(super) place: Option<String>,
    /// Scale sets whose instances a list has shown.
    numbered: BTreeSet<String>,
    /// How many plain subnets were made.
    pub(super) subnets: usize,
}

/// Hands a request to the world. A simulator that breaks down over a recorded body has answered wrongly, and the judge
/// goes on.
pub(super) fn ask(world: &mut World, request: &SimRequest) -> SimResponse {
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.handle(request)));
    answer.unwrap_or_else(|_| SimResponse::arm_error(599, "SimulatorBrokeDown", "the simulator panicked"))
}

/// A request to the world that nobody recorded.
pub(super) fn send(world: &mut World, method: &str, path: &str, body: Option<&Value>) -> Option<SimResponse> {
    let url = Url::parse(&format!("{ARM}{path}?api-version=2024-01-01")).ok()?;
    let request = SimRequest::new(method, url).header("authorization", "Bearer any");
    let request = match body {
        Some(body) => request.json_body(body),
        None => request,
    };
    Some(ask(world, &request))
}

/// Ends what an answer began.
pub(super) fn settle(world: &mut World, answer: &SimResponse) {
    for name in ["azure-asyncoperation", "location"] {
        if let Some(link) = answer.header(name).and_then(|link| Url::parse(link).ok()) {
            world.end_operation(&link);
        }
    }
    world.advance_to(world.now());
}

impl Memory {
    pub(super) fn was_shown(&self, id: &str) -> bool {
        self.seen.contains_key(&id.to_lowercase())
    }

    fn is_gone(&self, id: &str) -> bool {
        let id = id.to_lowercase();
        self.gone.iter().any(|gone| id == *gone || id.starts_with(&format!("{gone}/")))
    }

    /// A request deleted this.
    pub(super) fn forget(&mut self, id: &str) {
        let id = id.to_lowercase();
        self.seen.retain(|known, _| *known != id && !known.starts_with(&format!("{id}/")));
        self.gone.insert(id);
    }

    /// An answer was judged: from now on it is what is known. Puts into the world what it shows and the world lacks.
    pub(super) fn take(&mut self, world: &mut World, interaction: &Interaction) {
        if interaction.method == Method::Delete || !interaction.response.is_success() {
            return;
        }
        let Some(body) = &interaction.response.body else { return };
        self.number(world, interaction.url.path(), body);
        let items = body.get("value").and_then(Value::as_array);
        let shown: Vec<&Value> = items.map_or_else(|| vec![body], |items| items.iter().collect());
        for resource in shown {
            self.show(world, resource);
        }
    }

    fn show(&mut self, world: &mut World, body: &Value) {
        let Some(id) = body.get("id").and_then(Value::as_str) else { return };
        if let Some(group) = is_group(id) {
            if self.plain.remove(&id.to_lowercase()) {
                let place = normal(body.get("location").and_then(Value::as_str).unwrap_or(REGION));
                let tags =
                    body.get("tags").and_then(|tags| serde_json::from_value::<Tags>(tags.clone()).ok());
                world.add_group(&group, &region(&place), tags.unwrap_or_default());
            }
            return;
        }
        if !simulated(id) {
            return;
        }
        if !body.get("properties").is_some_and(Value::is_object) {
            return; // a list of names
        }
        if is_instance(id) {
            self.seen.insert(id.to_lowercase(), body.clone());
            return;
        }
        let made = matches!(
            body.pointer("/properties/provisioningState").and_then(Value::as_str),
            None | Some("Succeeded")
        );
        self.gone.remove(&id.to_lowercase());
        let subnets = body.pointer("/properties/subnets").and_then(Value::as_array).cloned();
        self.seen.insert(id.to_lowercase(), body.clone());
        let plain = self.plain.contains(&id.to_lowercase());
        if plain || world.resource(id).is_none() {
            self.put(world, id, body);
        }
        if plain && made {
            self.plain.remove(&id.to_lowercase());
        }
        if kind(id).as_deref() == Some("microsoft.network/virtualnetworks") {
            for subnet in subnets.into_iter().flatten() {
                self.show(world, &subnet);
            }
        }
    }

    /// Puts a resource into the world by the front door; where that refuses, as it is.
    pub(super) fn put(&mut self, world: &mut World, id: &str, body: &Value) {
        if self.busy.insert(id.to_lowercase()) {
            self.put_it(world, id, body);
            self.busy.remove(&id.to_lowercase());
        }
    }

    fn put_it(&mut self, world: &mut World, id: &str, body: &Value) {
        self.stand(world, id);
        let mut body = substituted(body);
        if kind(id).as_deref() == Some(SET) {
            if let Some(answer) = send(world, "DELETE", id, None) {
                settle(world, &answer);
            }
            // Nobody shows a password.
            if let Some(login) = body.pointer_mut("/properties/virtualMachineProfile/osProfile") {
                login["adminPassword"] = json!("REDACTED-Aa1!");
            }
        }
        self.referred(world, &body);
        let answer = send(world, "PUT", id, Some(&body));
        if let Some(answer) = answer.filter(SimResponse::is_success) {
            return settle(world, &answer);
        }
        let Some(kind) = kind(id) else { return };
        let mut resource = Resource::new(id, &cased(&kind), world.now());
        resource.location = body.get("location").and_then(Value::as_str).map(normal);
        resource.tags = body.get("tags").and_then(|tags| serde_json::from_value::<Tags>(tags.clone()).ok());
        resource.properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
        if let Some(properties) = resource.properties.as_object_mut() {
            properties.remove("provisioningState");
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            let own =
                ["id", "name", "type", "location", "tags", "properties", "etag"].contains(&name.as_str());
            if !own {
                resource.extra.insert(name.clone(), value.clone());
            }
        }
        world.add_foreign(resource);
        // As it was shown, without what the simulator would have made of it: not to be judged before it is shown again.
        self.plain.insert(id.to_lowercase());
    }

    /// Rule 3: the group and the parents.
    pub(super) fn stand(&mut self, world: &mut World, path: &str) {
        if let Some(group) = group_of(path) {
            self.group(world, &group);
        }
        if let Some(owner) = owner(path) {
            self.ensure(world, owner);
        }
    }

    /// Whether what stands at this path was made by default, so that nobody knows what is in it.
    pub(super) fn is_plain(&self, path: &str) -> bool {
        self.plain.contains(&path.to_lowercase())
    }

    /// Rules 3 to 5: this is there, as it was shown, else in its plainest form.
    pub(super) fn ensure(&mut self, world: &mut World, id: &str) {
        let id = id.trim_end_matches('/');
        if world.resource(id).is_some() || self.is_gone(id) || self.busy.contains(&id.to_lowercase()) {
            return;
        }
        if is_instance(id) {
            return self.ensure_instance(world, id);
        }
        // Children without a body of their own (`fileServices/default`) need their parent alone.
        let Some(kind) = kind(id).filter(|_| simulated(id)) else {
            if let Some(owner) = parent(id) {
                let owner = owner.to_owned();
                self.ensure(world, &owner);
            }
            return;
        };
        if let Some(body) = self.seen.get(&id.to_lowercase()).cloned() {
            return self.put(world, id, &body);
        }
        let plain = self.plain_body(world, id, &kind);
        self.put(world, id, &plain);
        self.plain.insert(id.to_lowercase());
        if kind.ends_with("/pools") {
            // What is there from before is at rest.
            world.advance_by(3600);
        }
    }

    /// Rule 4: every id in a body is there.
    pub(super) fn referred(&mut self, world: &mut World, body: &Value) {
        let mut ids = Vec::new();
        collect_ids(body, &mut ids);
        for id in ids.into_iter().filter(|id| simulated(id)) {
            self.ensure(world, &id);
        }
    }

    /// What is made by default from now on is where this request's resource is.
    pub(super) fn be_near(&mut self, world: &World, interaction: &Interaction) {
        let sent = interaction.body.as_ref().and_then(|body| body.get("location")?.as_str());
        let group =
            group_of(interaction.url.path()).and_then(|name| world.groups().get(&name.to_lowercase()));
        let place = sent.map(str::to_owned).or_else(|| group.map(|group| group.location.clone()));
        self.place = place.map(|place| normal(&region(&place)));
    }

    /// Whoever asked for this did so in words that were not recorded.
    pub(super) fn unknown(&mut self, path: &str) {
        self.plain.insert(path.to_lowercase());
    }
}

/// Scale sets.
const SET: &str = "microsoft.compute/virtualmachinescalesets";

/// Whether an id is that of an instance by the routes of its set.
fn is_instance(id: &str) -> bool {
    kind(id).as_deref() == Some("microsoft.compute/virtualmachinescalesets/virtualmachines")
}

impl Memory {
    /// The instances of a set have the numbers that a list shows: overprovisioning leaves gaps in them.
    fn number(&mut self, world: &mut World, path: &str, body: &Value) {
        let set =
            path.to_lowercase().strip_suffix("/virtualmachines").map(|set| path[..set.len()].to_owned());
        let Some(set) = set.filter(|set| kind(set).as_deref() == Some(SET)) else { return };
        let items = body.get("value").and_then(Value::as_array).into_iter().flatten();
        let numbers: Vec<u64> =
            items.filter_map(|item| item.get("instanceId")?.as_str()?.parse().ok()).collect();
        world.number_instances(&set, &numbers);
        self.numbered.insert(set.to_lowercase());
    }

    /// Rules 3 and 5 for an instance of a set that no list has shown.
    fn ensure_instance(&mut self, world: &mut World, id: &str) {
        let (Some(set), Some(number)) = (parent(id), id.rsplit('/').next()) else { return };
        self.ensure(world, set);
        let Ok(number) = number.parse::<u64>() else { return };
        let there =
            world.set_instances(set).into_iter().filter_map(|instance| instance.instance_id.parse().ok());
        let mut numbers: Vec<u64> = there.collect();
        if self.numbered.contains(&set.to_lowercase()) || numbers.contains(&number) {
            return;
        }
        numbers.push(number);
        world.number_instances(set, &numbers);
    }

    /// Rule 6.
    pub(super) fn group(&mut self, world: &mut World, name: &str) {
        let id = format!("/subscriptions/{}/resourceGroups/{name}", world.subscription_id());
        if !world.groups().contains_key(&name.to_lowercase()) && !self.is_gone(&id) {
            world.add_group(name, REGION, Tags::new());
            self.plain.insert(id.to_lowercase());
        }
    }

    /// Rules 3 and 5 on the Batch data plane: the account of the host, and the pool that is acted on. Returns the pool.
    pub(super) fn batch(
        &mut self,
        world: &mut World,
        host: &str,
        interaction: &Interaction,
    ) -> Option<String> {
        let endpoint = |resource: &&Resource| resource.text("/accountEndpoint") == Some(host);
        let account = world.resources().values().find(endpoint).map(|resource| resource.id.clone());
        let account = account.unwrap_or_else(|| {
            let mut words = host.split('.');
            let (name, place) = (words.next().unwrap_or_default(), words.next().unwrap_or(REGION));
            let id = format!(
                "/subscriptions/{}/resourceGroups/plain/providers/Microsoft.Batch/batchAccounts/{name}",
                world.subscription_id()
            );
            self.put(world, &id, &json!({"location": place, "properties": {}}));
            // The host is the account's, whatever region it is in.
            world.edit(&id, |account| account.set("accountEndpoint", json!(host)));
            id
        });
        let mut words = interaction.url.path().trim_matches('/').split('/');
        if let (Some("pools"), Some(pool)) = (words.next(), words.next()) {
            let acted_on =
                words.next().is_some() || !matches!(interaction.method, Method::Get | Method::Head);
            if acted_on {
                self.ensure(world, &format!("{account}/pools/{pool}"));
            }
            return Some(pool.to_owned());
        }
        None
    }
}

impl Memory {
    /// The pool that is read, for requests that stand alone.
    pub(super) fn read_pool(&mut self, world: &mut World, host: &str, interaction: &Interaction) {
        let mut acted = interaction.clone();
        acted.method = Method::Post;
        self.batch(world, host, &acted);
    }
}
