//! The world: everything the simulated Azure knows, in one serialisable value.

mod pokes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::authorization::{Lock, Principal, RoleAssignment};
use crate::calendar::Calendar;
use crate::fault::{Action, Fault, OperationFault};
use crate::operation::Effect;
use crate::operations::Operations;
use crate::resource::{ProvisioningState, Resource, Tags, key};
use crate::throttle::Throttle;
use crate::wire::{Exchange, SimRequest, SimResponse};

/// What a new world starts with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldConfig {
    /// The one subscription.
    pub subscription_id: String,
    /// Its tenant.
    pub tenant_id: String,
    /// Its name.
    pub display_name: String,
    /// Virtual time at the beginning.
    pub start: Timestamp,
    /// Seed of everything random: ids, keys, which node fails.
    pub seed: u64,
    /// Cores per region, per family, spot and in Batch.
    pub quota_cores: u32,
    /// Whether Batch accounts in BatchService mode get Spot nodes (sources disagree).
    pub spot_in_batch_service: bool,
    /// Whether the resource providers are registered already.
    pub providers_registered: bool,
    /// Virtual time of one request.
    pub latency: Latency,
}

/// Virtual time between a request and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// GET and HEAD, milliseconds.
    pub read_ms: u64,
    /// All others, milliseconds.
    pub write_ms: u64,
}

impl WorldConfig {
    /// A subscription with its owner signed in, 350 cores of everything and registered providers.
    pub fn new(subscription_id: &str) -> Self {
        Self {
            subscription_id: subscription_id.to_owned(),
            tenant_id: "7e57e57e-57e5-47e5-a7e5-7e57e57e57e5".to_owned(),
            display_name: "Simulated subscription".to_owned(),
            start: Timestamp::new(1_795_248_000, 0).unwrap_or(Timestamp::UNIX_EPOCH),
            seed: 1,
            quota_cores: 350,
            spot_in_batch_service: true,
            providers_registered: true,
            latency: Latency { read_ms: 60, write_ms: 250 },
        }
    }
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name in the casing of its creation.
    pub name: String,
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: Option<Tags>,
    /// `managedBy`.
    pub managed_by: Option<String>,
    /// Succeeded or Deleting.
    pub state: ProvisioningState,
    /// When it was created.
    pub created_at: Timestamp,
    /// Put into the world by a test instead of by a request.
    pub foreign: bool,
}

/// Registration of a resource provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Registration {
    NotRegistered,
    Registering,
    Registered,
}

/// The simulated Azure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    pub(crate) config: WorldConfig,
    now: Timestamp,
    rng: ChaCha8Rng,
    calls: u64,
    sequence: u64,
    pub(crate) groups: BTreeMap<String, Group>,
    resources: BTreeMap<String, Resource>,
    pub(crate) subscription_tags: Tags,
    pub(crate) registrations: BTreeMap<String, Registration>,
    pub(crate) operations: Operations,
    events: Calendar,
    pub(crate) locks: BTreeMap<String, Lock>,
    pub(crate) role_assignments: BTreeMap<String, RoleAssignment>,
    pub(crate) principal: Principal,
    /// Directory objects and when role assignments begin to see them.
    pub(crate) directory: BTreeMap<String, Timestamp>,
    pub(crate) throttle: Throttle,
    faults: Vec<Fault>,
    pub(crate) operation_fault: Option<OperationFault>,
    tokens_seen: BTreeSet<u64>,
    tokens_expired: BTreeSet<u64>,
    /// Limits that were set, by `region/counter` in lower case.
    pub(crate) limits: BTreeMap<String, u32>,
    pub(crate) market: crate::market::Market,
    pub(crate) guests: crate::guest::Guests,
    pub(crate) batch: crate::batch::Batch,
    pub(crate) meter: crate::cost::Meter,
    #[serde(default)]
    pub(crate) scale: crate::scaleset::ScaleSets,
    /// Names taken by other subscriptions, as `kind/name` in lower case.
    pub(crate) taken_names: BTreeSet<String>,
    pub(crate) list_lag_s: u64,
    /// Messages and blobs.
    #[serde(default)]
    pub(crate) storage: crate::storage::data::Store,
    /// Batch application packages whose blob was never uploaded, by id in lower case.
    #[serde(default)]
    pub(crate) lost_packages: BTreeSet<String>,
    /// How links to upload packages to are signed.
    #[serde(default)]
    pub(crate) package_links: Option<crate::batch::PackageLinks>,
    /// api-version of the request at hand: a few bodies changed with it.
    #[serde(skip)]
    pub(crate) spoken: String,
    /// The machine whose request is at hand.
    #[serde(skip)]
    pub(crate) caller: Option<String>,
    /// Role assignments count so many seconds after they were made.
    #[serde(default)]
    pub(crate) role_lag_s: u64,
    /// Key vaults in deleted state, by name in lower case.
    #[serde(default)]
    pub(crate) deleted_vaults: BTreeMap<String, serde_json::Value>,
    /// What may be seen of the directory.
    #[serde(default)]
    pub(crate) graph: crate::graph::Directory,
    #[serde(skip)]
    log: Vec<Exchange>,
    #[serde(skip)]
    log_limit: Option<usize>,
}

impl World {
    /// A new world.
    pub fn new(config: WorldConfig) -> Self {
        let registration =
            if config.providers_registered { Registration::Registered } else { Registration::NotRegistered };
        let registrations = crate::providers::namespaces()
            .map(|namespace| {
                let always = crate::providers::ALWAYS_REGISTERED.contains(&namespace);
                let state = if always { Registration::Registered } else { registration };
                (namespace.to_ascii_lowercase(), state)
            })
            .collect();
        Self {
            now: config.start,
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            calls: 0,
            sequence: 0,
            groups: BTreeMap::new(),
            resources: BTreeMap::new(),
            subscription_tags: Tags::new(),
            registrations,
            operations: Operations::default(),
            events: Calendar::default(),
            locks: BTreeMap::new(),
            role_assignments: BTreeMap::new(),
            principal: Principal::owner(),
            directory: BTreeMap::new(),
            throttle: Throttle::default(),
            faults: Vec::new(),
            operation_fault: None,
            tokens_seen: BTreeSet::new(),
            tokens_expired: BTreeSet::new(),
            limits: BTreeMap::new(),
            market: crate::market::Market::default(),
            guests: crate::guest::Guests::default(),
            batch: crate::batch::Batch::default(),
            meter: crate::cost::Meter::default(),
            scale: crate::scaleset::ScaleSets::default(),
            taken_names: BTreeSet::new(),
            list_lag_s: 0,
            storage: crate::storage::data::Store::default(),
            lost_packages: BTreeSet::new(),
            package_links: None,
            spoken: String::new(),
            caller: None,
            role_lag_s: 0,
            deleted_vaults: BTreeMap::new(),
            graph: crate::graph::Directory::default(),
            log: Vec::new(),
            log_limit: None,
            config,
        }
    }

    /// Answers one request at the present virtual time.
    pub fn handle(&mut self, request: &SimRequest) -> SimResponse {
        self.run_due();
        self.calls += 1;
        let action = crate::fault::strike(&mut self.faults, request, self.calls);
        let mut response = self.answer(request, action);
        self.finish(request, &mut response);
        self.remember(request, &response);
        response
    }

    fn answer(&mut self, request: &SimRequest, action: Option<Action>) -> SimResponse {
        self.operation_fault = None;
        match action {
            Some(Action::Respond { status, headers, body }) => match body {
                Some(body) => SimResponse::json(status, &body).with_headers(&headers),
                None => SimResponse::empty(status).with_headers(&headers),
            },
            Some(Action::ExpiredToken) => crate::fault::expired_token(),
            Some(Action::Reset) => {
                let mut response = SimResponse::empty(502);
                response.lost = true;
                response
            }
            Some(Action::LoseResponse) => {
                let mut response = crate::route::dispatch(self, request);
                response.lost = true;
                response
            }
            Some(Action::Slow(milliseconds)) => {
                let mut response = crate::route::dispatch(self, request);
                response.latency = Duration::from_millis(milliseconds);
                response
            }
            Some(Action::Spoil(spoil)) => {
                let mut response = crate::route::dispatch(self, request);
                spoil.apply(&mut response);
                response
            }
            Some(Action::Page(status)) => crate::fault::page(status),
            Some(Action::Operation(fault)) => {
                self.operation_fault = Some(fault);
                crate::route::dispatch(self, request)
            }
            None => crate::route::dispatch(self, request),
        }
    }

    /// Headers that every answer carries, and its latency.
    fn finish(&mut self, request: &SimRequest, response: &mut SimResponse) {
        let read = matches!(request.method.as_str(), "GET" | "HEAD");
        let latency = &self.config.latency;
        let usual = if read { latency.read_ms } else { latency.write_ms };
        response.latency += Duration::from_millis(usual);
        if response.header("x-ms-request-id").is_none() {
            let id = self.guid();
            response.set_header("x-ms-request-id", &id);
        }
        let date = self.now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.set_header("date", &date);
    }

    fn remember(&mut self, request: &SimRequest, response: &SimResponse) {
        if let Some(limit) = self.log_limit.map(|limit| limit.max(1))
            && self.log.len() >= limit * 2
        {
            self.log.drain(..=self.log.len() - limit);
        }
        // Of an upload or a download only the beginning: packages would fill the memory.
        let beginning = |body: &[u8]| body[..body.len().min(LOGGED)].to_vec();
        let request = SimRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: beginning(&request.body),
        };
        let response = SimResponse {
            status: response.status,
            headers: response.headers.clone(),
            body: if is_content(&request) { beginning(&response.body) } else { response.body.clone() },
            lost: response.lost,
            latency: response.latency,
        };
        self.log.push(Exchange { request, response });
    }

    /// Moves the virtual clock forward (never backwards) and lets everything happen that was due.
    pub fn advance_to(&mut self, to: Timestamp) {
        loop {
            match self.events.next() {
                Some(at) if at <= to => {
                    self.move_clock(at);
                    self.run_due();
                }
                _ => break,
            }
        }
        self.move_clock(to);
    }

    /// The one place where time passes: the cost meter runs along.
    fn move_clock(&mut self, to: Timestamp) {
        let to = self.now.max(to);
        self.run_meter(to);
        self.now = to;
    }

    /// Moves the virtual clock forward by some seconds.
    pub fn advance_by(&mut self, seconds: u64) {
        self.advance_to(crate::operation::later(self.now, seconds));
    }

    fn run_due(&mut self) {
        while let Some(effect) = self.events.take_due(self.now) {
            self.apply(effect);
        }
    }

    /// Lets something happen later.
    pub(crate) fn schedule(&mut self, at: Timestamp, effect: Effect) {
        self.sequence += 1;
        self.events.add(at, self.sequence, effect);
    }

    /// What was to happen then does not.
    pub(crate) fn unschedule(&mut self, at: Timestamp, effect: &Effect) {
        self.events.cancel(at, effect);
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Settle(id) => self.settle(&id, ProvisioningState::Succeeded),
            Effect::Fail(id) => self.settle(&id, ProvisioningState::Failed),
            Effect::Remove(id) if crate::batch::stays(self, &id) => {}
            Effect::Remove(id) => self.remove(&id),
            Effect::RemoveGroup(name) => self.remove_group(&name),
            Effect::FailGroup(name) => {
                if let Some(group) = self.groups.get_mut(&name.to_ascii_lowercase()) {
                    group.state = ProvisioningState::Succeeded;
                }
            }
            Effect::Register(namespace) => {
                let key = namespace.to_ascii_lowercase();
                self.registrations.insert(key, Registration::Registered);
            }
            Effect::Provider { namespace, data } => {
                crate::providers::on_effect(self, &namespace, &data);
            }
        }
    }

    fn settle(&mut self, id: &str, state: ProvisioningState) {
        let etag = self.etag();
        let now = self.now;
        if let Some(resource) = self.resource_mut(id) {
            // A later operation on the same resource is still running.
            if resource.ready_at.is_some_and(|ready| ready > now) {
                return;
            }
            resource.state = state;
            resource.ready_at = None;
            resource.etag = etag;
            crate::providers::on_settled(self, id);
        }
    }

    /// Takes a resource with its children out of the world at once.
    pub(crate) fn remove(&mut self, id: &str) {
        let wanted = key(id);
        let below = format!("{wanted}/");
        let gone: Vec<String> =
            self.resources.keys().filter(|k| **k == wanted || k.starts_with(&below)).cloned().collect();
        for key in gone {
            if let Some(resource) = self.resources.remove(&key) {
                crate::providers::on_removed(self, &resource);
            }
        }
        self.forget_scope(&wanted);
    }

    fn remove_group(&mut self, name: &str) {
        let Some(group) = self.groups.remove(&name.to_ascii_lowercase()) else {
            return;
        };
        let scope = key(&self.group_id(&group.name));
        let below = format!("{scope}/");
        let gone: Vec<String> = self.resources.keys().filter(|k| k.starts_with(&below)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
        self.forget_scope(&scope);
    }

    /// Locks and role assignments end with their scope.
    fn forget_scope(&mut self, scope: &str) {
        let below = format!("{scope}/");
        self.locks.retain(|id, _| !id.starts_with(&below));
        self.role_assignments.retain(|id, _| !id.starts_with(&below));
    }

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How many requests came in so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The moment of the next thing due, if any.
    pub fn next_event(&self) -> Option<Timestamp> {
        self.events.next()
    }

    /// The subscription's id.
    pub fn subscription_id(&self) -> &str {
        &self.config.subscription_id
    }

    /// What the world was made with.
    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// All requests and responses of this process, unless bounded by [`World::limit_log`].
    pub fn log(&self) -> &[Exchange] {
        let kept = self.log_limit.map_or(self.log.len(), |limit| limit.max(1));
        &self.log[self.log.len().saturating_sub(kept)..]
    }

    /// Takes the log out: what comes after begins a new one.
    pub fn take_log(&mut self) -> Vec<Exchange> {
        let kept = self.log().len();
        let mut log = std::mem::take(&mut self.log);
        log.drain(..log.len() - kept);
        log
    }

    /// Keeps only the last so many exchanges.
    pub fn limit_log(&mut self, exchanges: usize) {
        self.log_limit = Some(exchanges);
    }

    /// All resources by lower-cased id.
    pub fn resources(&self) -> &BTreeMap<String, Resource> {
        &self.resources
    }

    /// All resource groups by lower-cased name.
    pub fn groups(&self) -> &BTreeMap<String, Group> {
        &self.groups
    }

    /// A resource by id, in any casing.
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.get(&key(id))
    }

    /// A resource for change.
    pub(crate) fn resource_mut(&mut self, id: &str) -> Option<&mut Resource> {
        let key = key(id);
        self.scale.resource_changed(&key);
        self.resources.get_mut(&key)
    }

    /// Stores a resource under its id with a new etag.
    pub(crate) fn put(&mut self, mut resource: Resource) {
        if resource.etag.is_empty() {
            resource.etag = self.etag();
        }
        let key = resource.key();
        self.scale.resource_changed(&key);
        self.resources.insert(key, resource);
    }

    /// Children of a type directly below a parent.
    pub(crate) fn children<'a>(&'a self, parent: &str, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        let below = format!("{}/", key(parent));
        self.resources.iter().filter(move |(k, r)| k.starts_with(&below) && r.is(kind)).map(|(_, r)| r)
    }

    /// The id of a resource group.
    pub(crate) fn group_id(&self, name: &str) -> String {
        format!("/subscriptions/{}/resourceGroups/{name}", self.subscription_id())
    }

    /// Whether the request at hand speaks an api-version before this one.
    pub(crate) fn speaks_before(&self, version: &str) -> bool {
        !self.spoken.is_empty() && self.spoken.as_str() < version
    }

    /// A new GUID from the world's generator.
    pub(crate) fn guid(&mut self) -> String {
        let mut bytes = [0_u8; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// A new network-style etag.
    pub(crate) fn etag(&mut self) -> String {
        format!("W/\"{}\"", self.guid())
    }

    /// The world's generator.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// Notes a token; says whether it is still good. Only its hash is kept.
    pub(crate) fn accepts_token(&mut self, token: &str) -> bool {
        let hash = fingerprint(token);
        if self.tokens_expired.contains(&hash) {
            return false;
        }
        self.tokens_seen.insert(hash);
        true
    }

    /// The whole world as JSON text, for a file between two commands. The log is not part of it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The world of a JSON text.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// How much of a request's body the log keeps: more than Azure takes anywhere but for uploads.
const LOGGED: usize = 4 * 1024 * 1024;

/// Whether the answer is the content of a blob.
fn is_content(request: &SimRequest) -> bool {
    request.url.host_str().is_some_and(|host| host.ends_with(".blob.core.windows.net"))
}

/// FNV-1a: a stable hash, so that tokens themselves never stand in a world file.
fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
