//! `…/virtualMachineScaleSets/{s}/virtualMachines/{id}`: one instance, by the set's own routes.

use serde_json::{Value, json};

use super::actions::{self, verb};
use super::list::wants_view;
use super::render::{Texts, What};
use super::state::ScaleSet;
use super::{changed, evict, named, no_set};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The set's key and the instance's number.
fn find(world: &World, request: &Request) -> Result<(String, u64), SimResponse> {
    let Some(key) = named(world, request) else { return Err(no_set(request)) };
    let id = request.names.get(1).map_or("", String::as_str);
    let number = world.scale.sets.get(&key).and_then(|set| set.find(id));
    number.map(|number| (key, number)).ok_or_else(gone)
}

/// Recorded for an instance that is not there.
fn gone() -> SimResponse {
    SimResponse::arm_error(404, "NotFound", "The entity was not found in this Azure location.")
}

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let (key, number) = match find(world, request) {
        Ok(found) => found,
        Err(refusal) if request.method == "DELETE" && refusal.header("x-ms-failure-cause").is_none() => {
            return SimResponse::empty(204);
        }
        Err(refusal) => return refusal,
    };
    match request.method.as_str() {
        "GET" => get(world, &key, number, wants_view(request)),
        "DELETE" => actions::delete(world, request, &key, &[number]),
        _ => request.no_such_method(),
    }
}

/// The body of one instance.
pub(super) fn get(world: &mut World, key: &str, number: u64, view: bool) -> SimResponse {
    let what = if view { What::BodyWithView } else { What::Body };
    let etag = world.scale.sets.get(key).map(ScaleSet::etag).unwrap_or_default();
    match text(world, key, number, what) {
        Some(text) => SimResponse::json_text(200, text).with_header("etag", &etag),
        None => gone(),
    }
}

fn text(world: &mut World, key: &str, number: u64, what: What) -> Option<String> {
    let texts = Texts::of(world, key, what)?;
    let set = world.scale.sets.get(key)?;
    let mut text = String::new();
    texts.renderer(world, set).write(&mut text, number, set.instances.get(&number)?);
    Some(text)
}

/// `…/instanceView`
pub(super) fn view(world: &mut World, request: &Request) -> SimResponse {
    match find(world, request) {
        Ok((key, number)) => view_of(world, &key, number),
        Err(refusal) => refusal,
    }
}

/// The view of one instance.
pub(super) fn view_of(world: &mut World, key: &str, number: u64) -> SimResponse {
    text(world, key, number, What::View).map_or_else(gone, |text| SimResponse::json_text(200, text))
}

/// POST actions on one instance.
pub(super) fn act(world: &mut World, request: &Request) -> SimResponse {
    match find(world, request) {
        Ok((key, number)) => act_on(world, request, &key, number),
        Err(refusal) => refusal,
    }
}

/// The same for an instance that is found already.
pub(super) fn act_on(world: &mut World, request: &Request, key: &str, number: u64) -> SimResponse {
    let verb = verb(request);
    match verb.as_str() {
        "simulateeviction" => simulate(world, key, number),
        "deallocate" | "start" | "poweroff" | "restart" | "reimage" | "reimageall" | "redeploy" => {
            actions::power(world, request, key, &verb, &[number])
        }
        "performmaintenance" => {
            let name = world.scale.sets.get(key).map(|set| set.instance_name(number)).unwrap_or_default();
            actions::no_maintenance(&name)
        }
        "runcommand" => run(world, request, key),
        "retrievebootdiagnosticsdata" => diagnostics(world, key, number),
        _ => request.no_such_type(),
    }
}

/// Recorded: 204 for a Spot instance, 409 for others.
fn simulate(world: &mut World, key: &str, number: u64) -> SimResponse {
    let spot = world.scale.sets.get(key).and_then(|set| set.instances.get(&number)).is_some_and(|i| i.spot);
    if !spot {
        return SimResponse::arm_error(
            409,
            "OperationNotAllowed",
            "Operation 'simulateEviction' is allowed only for Spot Virtual Machines",
        );
    }
    evict::announce(world, key, number, evict::NOTICE);
    SimResponse::empty(204)
}

/// Nodes run no Manager: whatever is run says nothing.
fn run(world: &mut World, request: &Request, key: &str) -> SimResponse {
    let status = |code: &str, words: &str, message: &str| json!({"code": code, "level": "Info", "displayStatus": words, "message": message});
    let message = "Enable succeeded: \n[stdout]\n\n[stderr]\n";
    let output: Value =
        json!({"value": [status("ProvisioningState/succeeded", "Provisioning succeeded", message)]});
    let location = world.scale.sets.get(key).map(|set| set.location.clone()).unwrap_or_default();
    let spec = crate::operation::Spec::new(crate::operation::Style::Compute, &location, 15).output(output);
    let operation = world.begin(spec.retry_after(0), &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}

fn diagnostics(world: &World, key: &str, number: u64) -> SimResponse {
    let set = world.scale.sets.get(key);
    let Some((set, instance)) = set.and_then(|set| Some((set, set.instances.get(&number)?))) else {
        return gone();
    };
    let base = format!(
        "https://md-simulated.z1.blob.storage.azure.net/bootdiagnostics-{}/{}.{}",
        set.name,
        set.instance_name(number),
        instance.vm_id
    );
    SimResponse::json(
        200,
        &json!({
            "consoleScreenshotBlobUri": format!("{base}.screenshot.bmp"),
            "serialConsoleLogBlobUri": format!("{base}.serialconsole.log"),
        }),
    )
}

/// Deletes one instance by the route of virtual machines.
pub(super) fn delete_machine(world: &mut World, request: &Request, key: &str, number: u64) -> SimResponse {
    let deleted = super::shrink::delete(world, key, &[number]);
    super::shrink::lower(world, key, deleted);
    changed(world, key);
    let location = world.scale.sets.get(key).map(|set| set.location.clone()).unwrap_or_default();
    // An operation of the machine, not of the set: it preempts nothing.
    let spec =
        crate::operation::Spec::new(crate::operation::Style::Compute, &location, super::shrink::DELETION);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}
