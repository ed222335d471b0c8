//! Microsoft.Compute: sizes, usages, virtual machines with run-command, and their disks.

pub(crate) mod check;
mod disk;
mod images;
mod power;
pub(crate) mod quota;
mod run;
mod shape;
mod view;
mod vm;

use serde_json::{Value, json};

use crate::catalogue::{self, skus};
use crate::filter::Filter;
use crate::resource::Resource;
use crate::resources::page;
use crate::route::Request;
use crate::throttle::Limit;
use crate::wire::SimResponse;
use crate::world::World;

pub(crate) use check::interfaces_of;
pub(crate) use shape::{generation_of, respell};

/// Full type of virtual machines.
pub(crate) const VM: &str = "Microsoft.Compute/virtualMachines";
/// Full type of disks.
pub(crate) const DISK: &str = "Microsoft.Compute/disks";

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    if request.kind().starts_with("virtualmachinescalesets") {
        return crate::scaleset::handle(world, request);
    }
    let policy = policy(request);
    let left = match policy.map(|policy| throttle(world, request, policy)) {
        Some(Err(refusal)) => return refusal,
        Some(Ok(left)) => Some(left),
        None => None,
    };
    let response = dispatch(world, request);
    match left {
        Some(left) => response.with_header("x-ms-ratelimit-remaining-resource", &left),
        None => response,
    }
}

fn dispatch(world: &mut World, request: &Request) -> SimResponse {
    let kind = request.kind();
    if kind.starts_with("virtualmachines")
        && let Some(response) = crate::scaleset::vm::handle(world, request)
    {
        return response;
    }
    match (request.method.as_str(), kind.as_str()) {
        ("GET", "skus") => sku_list(world, request),
        ("GET", "locations/usages") => quota::list(world, request),
        ("GET", "locations/vmsizes") => size_list(request),
        ("GET", images::VERSIONS) => images::handle(world, request),
        ("GET", "images" | "galleries/images" | "galleries/images/versions") if !request.is_collection() => {
            images::own(world, request)
        }
        ("GET", "virtualmachines") if request.is_collection() => list_machines(world, request),
        ("GET", "disks") if request.is_collection() => list(world, request),
        (_, "virtualmachines") => vm::handle(world, request),
        ("GET", "virtualmachines/instanceview") => view::instance(world, request),
        ("POST", "virtualmachines/runcommand") => run::handle(world, request),
        ("POST", _) if kind.starts_with("virtualmachines/") && request.is_collection() => {
            power::handle(world, request)
        }
        (_, "disks") if !request.is_collection() => disk::handle(world, request),
        _ => request.no_such_method(),
    }
}

/// Bucket name with its limits per resource and per subscription, per minute (compute-throttling-limits).
#[derive(Debug, Clone, Copy)]
struct Policy {
    name: &'static str,
    resource: Option<Limit>,
    subscription: Limit,
}

fn policy(request: &Request) -> Option<Policy> {
    let limit = |capacity: u64, per_minute: u64| Limit { capacity, per_minute };
    let kind = request.kind();
    if !kind.starts_with("virtualmachines") {
        return None;
    }
    let write = |name| Policy { name, resource: Some(limit(12, 4)), subscription: limit(1500, 500) };
    Some(match request.method.as_str() {
        "PUT" => write("PutVM"),
        "DELETE" => write("DeleteVM"),
        "POST" if kind.ends_with("/deallocate") => write("DeleteVM"),
        "POST" | "PATCH" => write("UpdateVM"),
        _ if kind == "virtualmachines" && request.is_collection() => {
            Policy { name: "HighCostGet", resource: None, subscription: limit(900, 300) }
        }
        _ => Policy { name: "LowCostGet", resource: Some(limit(36, 12)), subscription: limit(24_000, 8_000) },
    })
}

fn throttle(world: &mut World, request: &Request, policy: Policy) -> Result<String, SimResponse> {
    let now = world.now();
    let mut left = Vec::new();
    let mut buckets = vec![(format!("{}Subscription", policy.name), policy.subscription)];
    if let Some(limit) = policy.resource {
        buckets.push((format!("{}Resource", policy.name), limit));
    }
    for (name, limit) in buckets {
        let scope =
            if name.ends_with("Resource") { request.id(world).to_ascii_lowercase() } else { String::new() };
        let taken = world.throttle.take(&format!("compute/{name}/{scope}"), limit, now);
        match taken {
            Ok(count) => left.push(format!("Microsoft.Compute/{name};{count}")),
            Err(seconds) => return Err(crate::throttle::compute_refused(&name, limit, seconds)),
        }
    }
    Ok(left.join(","))
}

fn list(world: &World, request: &Request) -> SimResponse {
    let below = format!("{}/", crate::resource::key(&request.scope));
    let kind = request.collection_kind();
    let all: Vec<Value> = world
        .resources()
        .iter()
        .filter(|(key, resource)| key.starts_with(&below) && resource.is(&kind))
        .map(|(_, resource)| body(world, resource))
        .collect();
    page(request, all)
}

/// Virtual machines, those of Flexible scale sets too.
fn list_machines(world: &mut World, request: &Request) -> SimResponse {
    let below = format!("{}/", crate::resource::key(&request.scope));
    let own = world.resources().iter().filter(|(key, vm)| key.starts_with(&below) && vm.is(VM));
    let own = own.map(|(_, vm)| body(world, vm).to_string()).collect();
    crate::scaleset::vm::append(world, request, own)
}

/// `GET …/skus?$filter=location eq 'westeurope'`
fn sku_list(world: &World, request: &Request) -> SimResponse {
    let filter = match Filter::parse(request.query("$filter").unwrap_or_default()) {
        Ok(filter) => filter,
        Err(reason) => return SimResponse::arm_error(400, "InvalidParameter", &reason),
    };
    let only = filter.required("location").map(crate::resource::normal_location);
    let mut value = Vec::new();
    for location in skus::regions(only.as_deref()) {
        for size in catalogue::sizes() {
            value.push(size.item(location, quota::is_restricted(world, location.name, &size)));
        }
        value.extend(skus::disk_items(location));
    }
    SimResponse::json(200, &json!({"value": value}))
}

/// `GET …/locations/{l}/vmSizes`
fn size_list(request: &Request) -> SimResponse {
    if catalogue::location(&request.region()).is_none() {
        return check::no_such_location(&request.region());
    }
    let item = |size: catalogue::Size| {
        json!({
            "name": size.name,
            "numberOfCores": size.vcpus,
            "osDiskSizeInMB": 1_047_552,
            "resourceDiskSizeInMB": size.local_gib * 1024,
            "memoryInMB": size.memory_gib * 1024,
            "maxDataDiskCount": (size.vcpus * 2).min(64),
        })
    };
    let value: Vec<Value> = catalogue::sizes().map(item).collect();
    SimResponse::json(200, &json!({"value": value}))
}

/// A stored resource as the provider renders it.
pub(crate) fn body(world: &World, resource: &Resource) -> Value {
    match resource.kind.as_str() {
        kind if kind.eq_ignore_ascii_case(VM) => view::body(world, resource),
        kind if kind.eq_ignore_ascii_case(crate::scaleset::SET) => crate::scaleset::body(world, resource),
        _ => resource.body(),
    }
}

/// A resource became ready.
pub(crate) fn on_settled(world: &mut World, id: &str) {
    view::touch(world, id);
}

/// A resource is gone.
pub(crate) fn on_removed(world: &mut World, resource: &Resource) {
    if resource.is(VM) {
        vm::release(world, resource);
        crate::guest::forget_manager(world, &resource.key());
    }
    if resource.is(crate::scaleset::SET) {
        crate::scaleset::on_removed(world, resource);
    }
}

/// A change of power state is due.
pub(crate) fn on_effect(world: &mut World, data: &Value) {
    if data.get("set").is_some() || data.get("spot").is_some() {
        return crate::scaleset::on_effect(world, data);
    }
    let vm = data.get("vm").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(power) = data.get("power").and_then(Value::as_str) {
        power::set(world, &vm, power);
    }
}

/// When the guest's set-up will have been running long enough to answer, if the VM runs.
pub(crate) fn ready_at(vm: &Resource) -> Option<jiff::Timestamp> {
    let running = vm.text("/_sim/power") == Some("running");
    let at = vm.text("/_sim/readyAt")?.parse().ok()?;
    running.then_some(at)
}

/// What cloud-init got: the decoded customData.
pub(crate) fn custom_data(vm: &Resource) -> String {
    let text = vm.text("/_sim/refreshed").or_else(|| vm.text("/_sim/customData")).unwrap_or_default();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The effect that changes a VM's power state when its operation ends.
fn power_effect(vm: &str, power: &str) -> crate::operation::Effect {
    crate::operation::Effect::Provider {
        namespace: "microsoft.compute".to_owned(),
        data: json!({"vm": vm, "power": power}),
    }
}
