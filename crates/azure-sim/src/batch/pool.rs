//! Pools in the control plane.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::state::{Allocation, Pool};
use super::{ACCOUNT, POOL, account, arm_error, autoscale, images, stamped, wire};
use crate::catalogue;
use crate::operation::{End, Spec, Style};
use crate::resource::{Resource, key, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

const TARGET: &str = "Pool";

/// Default and least `resizeTimeout`, seconds.
const TIMEOUT: u64 = 15 * 60;
const LEAST_TIMEOUT: u64 = 5 * 60;

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let parent = parent_of(&id).unwrap_or_default().to_owned();
    if world.resource(&parent).is_none_or(|r| !r.is(ACCOUNT)) {
        return request.parent_not_found(&parent);
    }
    match request.method.as_str() {
        "GET" => match world.resource(&id) {
            Some(pool) => {
                SimResponse::json(200, &wire::arm_pool(world, pool)).with_header("etag", &pool.etag)
            }
            None => not_found(world),
        },
        "PUT" | "PATCH" => write(world, request, &id, &parent),
        "DELETE" => delete(world, request, &id),
        _ => request.no_such_method(),
    }
}

fn not_found(world: &mut World) -> SimResponse {
    arm_error(world, 404, "PoolNotFound", "The specified pool does not exist.", TARGET)
}

pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    let account = request.id(world);
    if world.resource(&account).is_none() {
        return request.parent_not_found(&account);
    }
    let all: Vec<Value> = world.children(&account, POOL).map(|r| wire::arm_pool(world, r)).collect();
    page(request, all)
}

/// 400 as Batch words it: the property, its value and the reason (recorded at the data plane).
fn invalid(world: &mut World, property: &str, value: &str, reason: &str) -> SimResponse {
    let message =
        stamped(world, "The value provided for one of the properties in the request body is invalid.");
    SimResponse::json(
        400,
        &json!({"error": {
            "code": "InvalidPropertyValue",
            "message": message,
            "target": TARGET,
            "details": [
                {"code": "PropertyName", "message": property},
                {"code": "PropertyValue", "message": value},
                {"code": "Reason", "message": reason},
            ],
        }}),
    )
}

fn write(world: &mut World, request: &Request, id: &str, parent: &str) -> SimResponse {
    let old = world.resource(id).cloned();
    if let Some(refusal) = request.precondition(old.as_ref().map(|r| r.etag.as_str())) {
        return refusal;
    }
    match old {
        None if request.method == "PATCH" => not_found(world),
        None => create(world, request, id, parent),
        Some(old) => update(world, request, &old),
    }
}

/// A new pool.
pub(super) fn create(world: &mut World, request: &Request, id: &str, parent: &str) -> SimResponse {
    let Some(account) = world.resource(parent).cloned() else { return request.parent_not_found(parent) };
    if account.state.is_busy() {
        return arm_error(
            world,
            409,
            "AccountNotReady",
            "The specified account is being created or deleted.",
            "BatchAccount",
        );
    }
    let location = account.location.clone().unwrap_or_default();
    let name = crate::resource::last_segment(id).to_owned();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain || name.is_empty() || name.len() > 64 {
        return invalid(
            world,
            "id",
            &name,
            "The pool id may have 1 to 64 letters, numbers, hyphens and underscores.",
        );
    }
    let pools = world.children(parent, POOL).count();
    if pools >= usize::try_from(account::pool_quota(world, &location)).unwrap_or(usize::MAX) {
        return arm_error(
            world,
            409,
            "PoolQuotaReached",
            "The specified account has reached pool quota.",
            TARGET,
        );
    }
    let wanted = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let size = match check(world, &wanted, &location) {
        Ok(size) => size,
        Err(refusal) => return refusal,
    };
    let scale = match scale(world, &wanted) {
        Ok(scale) => scale.unwrap_or_default(),
        Err(refusal) => return refusal,
    };
    if let Some(references) = wanted.get("applicationPackages").cloned()
        && let Err(refusal) = super::reference::check(world, parent, &references)
    {
        return refusal;
    }
    let now = world.now();
    let mut pool = Resource::new(id, POOL, now);
    pool.etag = format!("W/\"{}\"", wire::new_etag(world));
    pool.properties = stored(&wanted, size.name);
    match crate::compute::check::identity(world, &request.body, id) {
        Ok(Some(identity)) => drop(pool.extra.insert("identity".into(), identity)),
        Ok(None) => {}
        Err(refusal) => return refusal,
    }
    let state = Pool {
        id: id.to_owned(),
        location,
        size: size.name.to_owned(),
        allocation: Allocation::Steady,
        allocation_since: now,
        dedicated: 0,
        spot: 0,
        timeout: TIMEOUT,
        option: "Requeue".to_owned(),
        resize_started: now,
        errors: Vec::new(),
        round: 0,
        created: now,
        modified: now,
        formula: None,
        scaling: None,
        run: None,
        metrics: std::collections::BTreeMap::new(),
        deleting: false,
        nodes: std::collections::BTreeMap::new(),
    };
    world.put(pool);
    world.batch.pools.insert(key(id), state);
    scale.apply(world, id);
    answer(world, id)
}

fn answer(world: &mut World, id: &str) -> SimResponse {
    match world.resource(id) {
        Some(pool) => SimResponse::json(200, &wire::arm_pool(world, pool)).with_header("etag", &pool.etag),
        None => not_found(world),
    }
}

/// What Batch refuses at once.
fn check(world: &mut World, wanted: &Value, location: &str) -> Result<catalogue::Size, SimResponse> {
    let text = |pointer: &str| wanted.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("/vmSize");
    let offered =
        catalogue::size(&name).filter(|s| !crate::compute::quota::is_restricted(world, location, s));
    let Some(size) = offered else {
        return Err(invalid(world, "vmSize", &name, "The specified vmSize is not supported in this region."));
    };
    let machine = "/deploymentConfiguration/virtualMachineConfiguration";
    let Some(configuration) = wanted.pointer(machine) else {
        return Err(invalid(
            world,
            "deploymentConfiguration",
            "",
            "A virtualMachineConfiguration is required.",
        ));
    };
    let image = configuration.get("imageReference").cloned().unwrap_or_default();
    let agent = text(&format!("{machine}/nodeAgentSkuId"));
    if let Some((property, reason)) = images::refuse(&image, &agent) {
        return Err(invalid(world, property, &agent, &reason));
    }
    let command = text("/startTask/commandLine");
    if wanted.get("startTask").is_some_and(|t| !t.is_null()) && (command.is_empty() || command.len() > 32_768)
    {
        return Err(invalid(world, "commandLine", "", "The command line must have 1 to 32768 characters."));
    }
    let subnet = text("/networkConfiguration/subnetId");
    if subnet.is_empty() {
        if text("/networkConfiguration/publicIPAddressConfiguration/provision") == "NoPublicIPAddresses" {
            return Err(invalid(world, "subnetId", "", "Pools without public IP addresses need a subnet."));
        }
        return Ok(size);
    }
    let there = world.resource(&subnet).filter(|r| r.is(crate::network::SUBNET));
    let network = there.and_then(|r| parent_of(&r.id)).and_then(|id| world.resource(id));
    match network.map(|n| n.location.as_deref() == Some(location)) {
        Some(true) => Ok(size),
        Some(false) => Err(invalid(
            world,
            "subnetId",
            &subnet,
            "The virtual network must be in the same region as the account.",
        )),
        None => Err(invalid(world, "subnetId", &subnet, "The specified subnet does not exist.")),
    }
}

/// The body's properties with Batch's defaults; counts and autoscale are kept in the pool's state.
fn stored(wanted: &Value, size: &str) -> Value {
    let mut properties = Map::new();
    for (name, value) in wanted.as_object().into_iter().flatten() {
        let own = matches!(name.as_str(), "scaleSettings" | "vmSize");
        if !own && !value.is_null() {
            properties.insert(name.clone(), value.clone());
        }
    }
    // Recorded: the control plane spells sizes in capitals.
    properties.insert("vmSize".into(), json!(size.to_ascii_uppercase()));
    let mut properties = Value::Object(properties);
    let usual = [
        ("interNodeCommunication", json!("Disabled")),
        ("taskSlotsPerNode", json!(1)),
        ("taskSchedulingPolicy", json!({"nodeFillType": "Spread"})),
        ("targetNodeCommunicationMode", json!("Default")),
        ("currentNodeCommunicationMode", json!("Simplified")),
    ];
    for (name, value) in usual {
        if properties.get(name).is_none() {
            properties[name] = value;
        }
    }
    if let Some(image) =
        properties.pointer_mut("/deploymentConfiguration/virtualMachineConfiguration/imageReference")
        && image.get("sku").is_some()
        && image.get("version").is_none()
    {
        image["version"] = json!("latest");
    }
    if let Some(task) = properties.get_mut("startTask") {
        complete_task(task);
    }
    for user in properties.get_mut("userAccounts").and_then(Value::as_array_mut).into_iter().flatten() {
        complete_user(user);
    }
    // Recorded: an operating system's disk that is named has these settings, empty where nothing is asked for.
    if let Some(disk) = properties
        .pointer_mut("/deploymentConfiguration/virtualMachineConfiguration/osDisk")
        .and_then(Value::as_object_mut)
    {
        disk.entry("ephemeralOSDiskSettings").or_insert_with(|| json!({}));
    }
    properties
}

/// A user with the service's defaults and without the password (recorded traffic).
fn complete_user(user: &mut Value) {
    if let Some(members) = user.as_object_mut() {
        members.remove("password");
        members.entry("elevationLevel").or_insert_with(|| json!("NonAdmin"));
    }
}

fn complete_task(task: &mut Value) {
    if task.get("userIdentity").is_none() {
        task["userIdentity"] = json!({"autoUser": {}});
    }
    if let Some(user) = task.pointer_mut("/userIdentity/autoUser").and_then(Value::as_object_mut) {
        user.entry("scope").or_insert_with(|| json!("Pool"));
        user.entry("elevationLevel").or_insert_with(|| json!("NonAdmin"));
    }
    for (name, value) in [("maxTaskRetryCount", json!(0)), ("waitForSuccess", json!(true))] {
        if task.get(name).is_none() {
            task[name] = value;
        }
    }
}

/// `scaleSettings` of a body.
#[derive(Debug, Clone, Default)]
pub(super) struct Scale {
    pub(super) dedicated: Option<u32>,
    pub(super) spot: Option<u32>,
    pub(super) timeout: Option<u64>,
    pub(super) option: Option<String>,
    pub(super) formula: Option<String>,
    /// Of the formula's evaluation.
    pub(super) interval: Option<u64>,
}

impl Scale {
    /// Starts the resize, or switches autoscale on.
    pub(super) fn apply(self, world: &mut World, id: &str) {
        if self.formula.is_some() {
            return autoscale::enable(world, &key(id), self.formula, self.interval);
        }
        autoscale::disable(world, &key(id));
        let Some(pool) = world.batch.pools.get_mut(&key(id)) else { return };
        pool.timeout = self.timeout.unwrap_or(TIMEOUT);
        if let Some(option) = self.option {
            pool.option = option;
        }
        let (dedicated, spot) = (self.dedicated.unwrap_or(pool.dedicated), self.spot.unwrap_or(pool.spot));
        super::allocate::begin(world, &key(id), dedicated, spot);
    }
}

/// Seconds of an ISO 8601 duration.
pub(super) fn duration(text: &str) -> Option<u64> {
    let span: SignedDuration = text.parse().ok()?;
    u64::try_from(span.as_secs()).ok()
}

/// `resizeTimeout` of a body, or its value and what is wrong with it.
pub(super) fn timeout(body: &Value) -> Result<Option<u64>, (String, &'static str)> {
    let Some(text) = body.get("resizeTimeout").and_then(Value::as_str) else { return Ok(None) };
    match duration(text).filter(|seconds| *seconds >= LEAST_TIMEOUT) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err((text.to_owned(), "The resize timeout must be at least 5 minutes.")),
    }
}

/// The interval of evaluation in a body, by its name there.
pub(super) fn interval(body: &Value, name: &str) -> Result<Option<u64>, (String, &'static str)> {
    let Some(text) = body.get(name).and_then(Value::as_str) else { return Ok(None) };
    let legal = autoscale::LEAST_INTERVAL..=autoscale::LONGEST_INTERVAL;
    match duration(text).filter(|seconds| legal.contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err((text.to_owned(), "The evaluation interval must be between 5 minutes and 168 hours.")),
    }
}

fn scale(world: &mut World, wanted: &Value) -> Result<Option<Scale>, SimResponse> {
    let Some(settings) = wanted.get("scaleSettings").filter(|s| s.is_object()) else { return Ok(None) };
    if let Some(formula) = settings.pointer("/autoScale/formula").and_then(Value::as_str) {
        let auto = &settings["autoScale"];
        if let Err(wrong) = super::formula::check(formula) {
            let (code, message) = autoscale::words(true);
            let refusal = arm_error(world, 400, code, message, TARGET);
            return Err(super::with_details(refusal, &[("Message", &wrong.message())]));
        }
        return match interval(auto, "evaluationInterval") {
            Ok(interval) => {
                Ok(Some(Scale { formula: Some(formula.to_owned()), interval, ..Scale::default() }))
            }
            Err((value, reason)) => Err(invalid(world, "evaluationInterval", &value, reason)),
        };
    }
    let fixed = settings.get("fixedScale").cloned().unwrap_or_default();
    let count = |name: &str| fixed.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let timeout =
        timeout(&fixed).map_err(|(value, reason)| invalid(world, "resizeTimeout", &value, reason))?;
    Ok(Some(Scale {
        // Recorded: a fixed scale that names one count means zero of the other.
        dedicated: Some(count("targetDedicatedNodes").unwrap_or(0)),
        spot: Some(count("targetLowPriorityNodes").unwrap_or(0)),
        timeout,
        option: fixed.get("nodeDeallocationOption").and_then(Value::as_str).map(str::to_owned),
        ..Scale::default()
    }))
}

/// Properties that hold for the life of a pool.
const FIXED: &[&str] = &["vmSize", "deploymentConfiguration", "networkConfiguration"];

fn update(world: &mut World, request: &Request, old: &Resource) -> SimResponse {
    let wanted = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let Some(pool) = world.batch.pools.get(&old.key()).cloned() else { return not_found(world) };
    if pool.deleting {
        return arm_error(world, 409, "PoolBeingDeleted", "The specified pool is being deleted.", TARGET);
    }
    let fresh = stored(
        &wanted,
        catalogue::size(wanted.get("vmSize").and_then(Value::as_str).unwrap_or_default())
            .map_or(&pool.size, |s| s.name),
    );
    for name in FIXED {
        if wanted.get(*name).is_some() && fresh.get(*name) != old.properties.get(*name) {
            return arm_error(
                world,
                400,
                "PropertyCannotBeUpdated",
                &format!("The property {name} of an existing pool cannot be updated."),
                TARGET,
            );
        }
    }
    if let Some(references) = wanted.get("applicationPackages").cloned()
        && let Err(refusal) =
            super::reference::check(world, parent_of(&old.id).unwrap_or_default(), &references)
    {
        return refusal;
    }
    let scale = match scale(world, &wanted) {
        Ok(scale) => scale,
        Err(refusal) => return refusal,
    };
    let changes = scale.as_ref().is_some_and(|s| match &s.formula {
        Some(formula) => pool.formula.as_ref() != Some(formula),
        None => s.dedicated != Some(pool.dedicated) || s.spot != Some(pool.spot),
    });
    if changes && pool.allocation != Allocation::Steady {
        return arm_error(world, 409, "PoolBeingResized", "The specified pool is being resized.", TARGET);
    }
    let etag = format!("W/\"{}\"", wire::new_etag(world));
    let now = world.now();
    if let Some(resource) = world.resource_mut(&old.id) {
        for (name, value) in wanted.as_object().into_iter().flatten() {
            if name != "scaleSettings" && !FIXED.contains(&name.as_str()) {
                let mut value = value.clone();
                if name == "startTask" {
                    complete_task(&mut value);
                }
                resource.set(name, value);
            }
        }
        resource.etag = etag;
    }
    if let Some(pool) = world.batch.pools.get_mut(&old.key()) {
        pool.modified = now;
    }
    // The same formula again is no change; the same counts are, where the last resize fell short.
    let same_formula = scale.as_ref().is_some_and(|scale| {
        scale.formula.is_some() && scale.formula == pool.formula && scale.interval.is_none()
    });
    if let Some(scale) = scale
        && !same_formula
        && (changes || scale.formula.is_some() || !pool.errors.is_empty() || pool.formula.is_some())
    {
        scale.apply(world, &old.id);
    }
    answer(world, &old.id)
}

/// `POST …/stopResize`
pub(super) fn stop_resize(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    if !world.batch.pools.contains_key(&key(&id)) {
        return not_found(world);
    }
    if !super::allocate::stop(world, &key(&id)) {
        return arm_error(
            world,
            409,
            "PoolNotBeingResized",
            "The specified pool is not being resized.",
            TARGET,
        );
    }
    answer(world, &id)
}

/// `POST …/disableAutoScale`
pub(super) fn disable_auto_scale(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    if !world.batch.pools.contains_key(&key(&id)) {
        return not_found(world);
    }
    autoscale::disable(world, &key(&id));
    answer(world, &id)
}

fn delete(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let Some(resource) = world.resource(id).cloned() else { return SimResponse::empty(204) };
    let seconds = begin_delete(world, &resource.key());
    let account = parent_of(&resource.id).unwrap_or_default();
    let path = format!("{account}/poolOperationResults/delete-{}", resource.name);
    let location = world.batch.pools.get(&resource.key()).map(|p| p.location.clone()).unwrap_or_default();
    let spec =
        Spec::new(Style::Batch, &location, seconds).at(&path).removes(&resource.id).ends_with(End::Empty);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}

/// The nodes leave at once; how long the deletion takes.
pub(super) fn begin_delete(world: &mut World, pool: &str) -> u64 {
    let now = world.now();
    let mut leaving = Vec::new();
    if let Some(pool) = world.batch.pools.get_mut(pool) {
        pool.deleting = true;
        pool.round += 1;
        pool.allocate(Allocation::Resizing, now);
        for node in pool.nodes.values_mut() {
            node.set(super::state::NodeState::LeavingPool, now);
            node.round += 1;
            leaving.push(node.id.clone());
        }
    }
    if let Some(resource) = world.resource_mut(pool) {
        resource.state = crate::resource::ProvisioningState::Deleting;
    }
    for node in &leaving {
        crate::guest::disconnect(world, node);
    }
    if leaving.is_empty() { 20 } else { 75 }
}

/// Whether a pool that is due to be gone stays: Batch cannot delete its nodes. Then its deletion never ends (what Azure
/// does is not recorded; Microsoft's page "Azure Batch pool and node errors" has pools that stay in deletion).
pub(crate) fn stays(world: &mut World, id: &str) -> bool {
    let has_nodes = world.batch.pools.get(&key(id)).is_some_and(|pool| !pool.nodes.is_empty());
    let Some(account) = parent_of(id).filter(|_| has_nodes) else { return false };
    if !account::holds_nodes(world, account) {
        return false;
    }
    let path = format!("{account}/poolOperationResults/delete-{}", crate::resource::last_segment(id));
    if let Some(operation) = world.operations.find_mut(&path) {
        operation.ends = None;
    }
    true
}
