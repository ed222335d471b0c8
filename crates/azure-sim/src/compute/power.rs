//! Power: start, deallocate, powerOff, restart; and what the guest makes of it.

use serde_json::json;

use super::{VM, check, power_effect, quota};
use crate::durations;
use crate::operation::{Spec, Style, later};
use crate::resource::{ProvisioningState, Resource};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Later boots until the services run, seconds.
const LATER_BOOT: u64 = 25;

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(vm) = world.resource(&id).filter(|vm| vm.is(VM)).cloned() else { return request.not_found() };
    let verb = request.types.last().map(|t| t.to_ascii_lowercase()).unwrap_or_default();
    if vm.state == ProvisioningState::Deleting {
        let message = format!(
            "Operation '{verb}' is not allowed on VM '{}' since the VM is marked for deletion.",
            vm.name
        );
        return SimResponse::arm_error(409, "OperationNotAllowed", &message);
    }
    match verb.as_str() {
        "start" => start(world, request, &vm),
        "deallocate" => act(world, request, &vm, 35, "deallocated"),
        "poweroff" => act(world, request, &vm, 18, "stopped"),
        "restart" => restart(world, request, &vm),
        // Recorded: on a stopped machine too.
        "redeploy" => act(world, request, &vm, 90, "running"),
        "reapply" => act(world, request, &vm, 2, "running"),
        "generalize" => generalize(world, &vm),
        "reimage" => reimage(world, request, &vm),
        "performmaintenance" => refused(&format!(
            "Operation 'performMaintenance' is not allowed on VM '{}' since the Subscription of this VM is not eligible.",
            vm.name
        )),
        "simulateeviction" => evict(world, &vm),
        "retrievebootdiagnosticsdata" => diagnostics(&vm),
        _ => request.no_such_type(),
    }
}

fn start(world: &mut World, request: &Request, vm: &Resource) -> SimResponse {
    let location = vm.location.clone().unwrap_or_default();
    if vm.text("/_sim/power") == Some("running") {
        return act(world, request, vm, 2, "running");
    }
    if vm.property("/_sim/generalized") == Some(&json!(true)) {
        return refused(&format!(
            "Operation 'start' is not allowed on VM '{}' since the VM is generalized.",
            vm.name
        ));
    }
    if let Some(size) = quota::size_of(vm) {
        // Cores come back to the ledger only now.
        let refusal = quota::refuse(world, &location, &size, quota::is_spot(vm), Some(&vm.id));
        if let Some(refusal) = refusal {
            return refusal;
        }
        if vm.text("/_sim/power") == Some("deallocated") && world.market.exhausted(&location, size.name) {
            let spec =
                Spec::new(Style::Compute, &location, 20).fails(409, "AllocationFailed", ALLOCATION_FAILED);
            return accepted(world, request, spec);
        }
    }
    if let Some(vm) = world.resource_mut(&vm.id) {
        vm.properties["_sim"]["power"] = json!("starting");
    }
    act(world, request, vm, 30, "running")
}

/// Quoted traffic.
const ALLOCATION_FAILED: &str = "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance";

fn restart(world: &mut World, request: &Request, vm: &Resource) -> SimResponse {
    if vm.text("/_sim/power") != Some("running") {
        return not_running("restart", vm);
    }
    act(world, request, vm, 25, "running")
}

/// Recorded: 200 at once, for a machine that does not run; from then on it cannot be started.
fn generalize(world: &mut World, vm: &Resource) -> SimResponse {
    if vm.text("/_sim/power") == Some("running") {
        return refused(&format!("Cannot generalize VM '{}' while it is running.", vm.name));
    }
    if let Some(vm) = world.resource_mut(&vm.id) {
        vm.properties["_sim"]["generalized"] = json!(true);
    }
    SimResponse::empty(200)
}

/// Recorded: only machines whose disk is made anew anyway (ephemeral ones) take it.
fn reimage(world: &mut World, request: &Request, vm: &Resource) -> SimResponse {
    if vm.property("/storageProfile/osDisk/diffDiskSettings").is_none() {
        return refused(
            "The Reimage and OSUpgrade Virtual Machine actions require that the virtual machine has Automatic OS Upgrades enabled.",
        );
    }
    act(world, request, vm, 60, "running")
}

fn refused(message: &str) -> SimResponse {
    SimResponse::arm_error(409, "OperationNotAllowed", message)
}

/// 409 for what needs a running VM.
pub(super) fn not_running(verb: &str, vm: &Resource) -> SimResponse {
    let message = if verb == "runCommand" {
        "The operation requires the VM to be running (or set to run).".to_owned()
    } else {
        format!("Cannot {verb} VM '{}' since it is not running.", vm.name)
    };
    SimResponse::arm_error(409, "OperationNotAllowed", &message)
}

fn act(world: &mut World, request: &Request, vm: &Resource, time: u64, power: &str) -> SimResponse {
    let location = vm.location.clone().unwrap_or_default();
    let mut spec = Spec::new(Style::Compute, &location, time);
    if time > 2 {
        spec = spec.effect(power_effect(&vm.id, power));
    }
    accepted(world, request, spec)
}

fn accepted(world: &mut World, request: &Request, spec: Spec) -> SimResponse {
    // Recorded: actions on one machine ask for no particular wait.
    let operation = world.begin(spec.retry_after(0), &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}

/// Recorded: 204 for a Spot VM, which is then deallocated or deleted; 409 for others.
fn evict(world: &mut World, vm: &Resource) -> SimResponse {
    if !quota::is_spot(vm) {
        return SimResponse::arm_error(
            409,
            "OperationNotAllowed",
            "Operation 'simulateEviction' is allowed only for Spot Virtual Machines",
        );
    }
    let at = later(world.now(), 30);
    let effect = if vm.text("/evictionPolicy").is_some_and(|p| p.eq_ignore_ascii_case("Delete")) {
        crate::operation::Effect::Remove(vm.id.clone())
    } else {
        power_effect(&vm.id, "deallocated")
    };
    world.schedule(at, effect);
    SimResponse::empty(204)
}

/// Links to managed boot diagnostics. The links work nowhere: there is no blob service in this world.
fn diagnostics(vm: &Resource) -> SimResponse {
    if vm.property("/diagnosticsProfile/bootDiagnostics/enabled") != Some(&json!(true)) {
        return check::invalid("diagnosticsProfile", "Boot diagnostics is not enabled for this VM.");
    }
    let id = vm.text("/vmId").unwrap_or_default();
    let base = format!(
        "https://md-simulated.z1.blob.storage.azure.net/bootdiagnostics-{}/{}.{id}",
        vm.name, vm.name
    );
    SimResponse::json(
        200,
        &json!({
            "consoleScreenshotBlobUri": format!("{base}.screenshot.bmp"),
            "serialConsoleLogBlobUri": format!("{base}.serialconsole.log"),
        }),
    )
}

/// A change of power has happened.
pub(super) fn set(world: &mut World, id: &str, power: &str) {
    let now = world.now();
    let Some(vm) = world.resource_mut(id) else { return };
    let done =
        vm.text("/_sim/readyAt").and_then(|t| t.parse().ok()).is_some_and(|at: jiff::Timestamp| at <= now);
    let set_up = done || vm.properties.pointer("/_sim/setUp") == Some(&json!(true));
    let sim = &mut vm.properties["_sim"];
    sim["power"] = json!(power);
    sim["since"] = json!(now.to_string());
    sim["setUp"] = json!(set_up);
    if power == "running" {
        let boot = if set_up { LATER_BOOT } else { durations::set_up() };
        sim["readyAt"] = json!(later(now, boot).to_string());
    } else if let Some(sim) = sim.as_object_mut() {
        sim.remove("readyAt");
    }
}
