//! Microsoft.Batch: accounts and pools in the control plane, pools and nodes in the data plane.
//!
//! Shapes and status codes follow recorded traffic; allocation follows Microsoft Learn "Nodes and pools in
//! Azure Batch" and "Check for pool and node errors".

mod account;
mod allocate;
mod application;
mod autoscale;
pub(crate) mod data;
mod data_nodes;
mod data_ops;
mod data_pool;
mod events;
mod files;
mod formula;
mod images;
mod login;
mod node_pokes;
mod nodes;
mod package;
mod page;
mod pool;
mod reference;
mod state;
mod task;
mod wire;

use serde_json::{Value, json};

use crate::catalogue;
use crate::resource::Resource;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

pub(crate) use allocate::{addresses_left_in, on_subscription};
pub(crate) use events::on_effect;
pub(crate) use package::PackageLinks;
pub(crate) use pool::stays;
pub(crate) use state::Batch;

/// Full type of accounts.
pub(crate) const ACCOUNT: &str = "Microsoft.Batch/batchAccounts";
/// Full type of pools.
pub(crate) const POOL: &str = "Microsoft.Batch/batchAccounts/pools";

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match (request.method.as_str(), request.kind().as_str()) {
        ("POST", "locations/checknameavailability") => account::check_name(world, request),
        ("GET", "locations/quotas") => account::quotas(world, request),
        ("GET", "locations/virtualmachineskus") => sizes(world, request),
        ("GET", "batchaccounts") if request.is_collection() => account::list(world, request),
        ("POST", "batchaccounts/syncautostoragekeys") => SimResponse::empty(204),
        ("POST", "batchaccounts/listkeys" | "batchaccounts/regeneratekeys") => {
            account::list_keys(world, request)
        }
        (_, "batchaccounts") => account::handle(world, request),
        ("GET", "batchaccounts/pools") if request.is_collection() => pool::list(world, request),
        ("POST", "batchaccounts/pools/stopresize") => pool::stop_resize(world, request),
        ("POST", "batchaccounts/pools/disableautoscale") => pool::disable_auto_scale(world, request),
        ("POST", "batchaccounts/applications/versions/activate") => package::activate(world, request),
        (_, "batchaccounts/applications") => application::handle(world, request),
        (_, "batchaccounts/applications/versions") => package::handle(world, request),
        (_, "batchaccounts/pools") => pool::handle(world, request),
        _ => request.no_such_method(),
    }
}

/// `GET …/locations/{l}/virtualMachineSkus`: retired sizes are not offered.
fn sizes(world: &World, request: &Request) -> SimResponse {
    let location = request.region();
    let item = |size: catalogue::Size| {
        let mut item = json!({
            "name": size.name,
            "familyName": size.family.name,
            "capabilities": size.capabilities(),
        });
        if let Some(day) = size.family.retires {
            item["batchSupportEndOfLife"] = json!(format!("{day}T00:00:00Z"));
        }
        item
    };
    let offered = catalogue::sizes().filter(|s| !crate::compute::quota::is_restricted(world, &location, s));
    let value: Vec<Value> = offered.map(item).collect();
    SimResponse::json(200, &json!({"value": value}))
}

/// A stored resource as the provider renders it.
pub(crate) fn body(world: &World, resource: &Resource) -> Value {
    if resource.is(POOL) { wire::arm_pool(world, resource) } else { account::body(world, resource) }
}

/// A resource is gone: its nodes and their workers too.
pub(crate) fn on_removed(world: &mut World, resource: &Resource) {
    if let Some(pool) = world.batch.pools.remove(&resource.key()) {
        for node in pool.nodes.keys() {
            crate::guest::disconnect(world, node);
        }
    }
}

/// What crash tests compare: counts by state, no ids and no times.
pub(crate) fn canonical(world: &World) -> Value {
    let pool = |pool: &state::Pool| {
        json!({
            "allocation": pool.allocation.arm(),
            "targets": [pool.target(false), pool.target(true)],
            "dedicated": wire::counts(pool, false),
            "spot": wire::counts(pool, true),
            "errors": pool.errors.iter().map(|e| e.code.as_str()).collect::<Vec<_>>(),
            "formula": pool.formula,
            "deleting": pool.deleting,
        })
    };
    world
        .batch
        .pools
        .iter()
        .map(|(key, value)| (key.clone(), pool(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Cores that each account's nodes use, by `region/batch/counter`; of several accounts the largest.
pub(crate) fn cores_in_use(world: &World) -> std::collections::BTreeMap<String, u32> {
    allocate::by_account(world)
}

/// An error of the control plane. Batch puts request id and time into the message (recorded traffic).
fn arm_error(world: &mut World, status: u16, code: &str, message: &str, target: &str) -> SimResponse {
    let message = stamped(world, message);
    SimResponse::json(status, &json!({"error": {"code": code, "message": message, "target": target}}))
}

/// The same with details: what is wrong, and its value (recorded traffic).
fn with_details(mut error: SimResponse, details: &[(&str, &str)]) -> SimResponse {
    let mut body = error.json_body();
    let details: Vec<Value> =
        details.iter().map(|(code, message)| json!({"code": code, "message": message})).collect();
    body["error"]["details"] = json!(details);
    error.body = body.to_string().into_bytes();
    error
}

/// 400 for a name in the path that cannot be one.
fn invalid_uri(world: &mut World, reason: &str) -> SimResponse {
    let message = "The requested URI does not represent any resource on the server.";
    with_details(arm_error(world, 400, "InvalidUri", message, "BatchAccount"), &[("Reason", reason)])
}

fn stamped(world: &mut World, message: &str) -> String {
    format!("{message}\nRequestId:{}\nTime:{}", world.guid(), world.now())
}
