//! How a virtual machine looks from outside: its body and its instance view.

use serde_json::{Value, json};

use crate::resource::{ProvisioningState, Resource};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Entity tag: compute counts versions (recorded traffic: `"2"`).
pub(super) fn etag(vm: &Resource) -> String {
    let version = vm.property("/_sim/version").and_then(Value::as_u64).unwrap_or(1);
    format!("\"{version}\"")
}

/// Counts one more version.
pub(super) fn touch(world: &mut World, id: &str) {
    if let Some(vm) = world.resource_mut(id)
        && vm.is(super::VM)
    {
        let version = vm.property("/_sim/version").and_then(Value::as_u64).unwrap_or(1);
        vm.properties["_sim"]["version"] = json!(version + 1);
    }
}

/// The stored VM as Azure sends it.
pub(super) fn render(vm: &Resource) -> Value {
    let mut body = vm.body();
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("_sim");
        // Recorded: while it is created the disk has no id yet.
        if vm.state == ProvisioningState::Creating
            && let Some(disk) = properties.get_mut("storageProfile").and_then(|s| s.get_mut("osDisk"))
            && let Some(managed) = disk.get_mut("managedDisk").and_then(Value::as_object_mut)
        {
            managed.remove("id");
        }
    }
    body["etag"] = json!(etag(vm));
    body
}

/// The same for lists and polls.
pub(super) fn body(_world: &World, vm: &Resource) -> Value {
    render(vm)
}

pub(super) fn get(world: &World, request: &Request, id: &str) -> SimResponse {
    let Some(vm) = world.resource(id) else { return request.not_found() };
    let mut body = render(vm);
    if request.query("$expand").is_some_and(|e| e.to_ascii_lowercase().contains("instanceview")) {
        body["properties"]["instanceView"] = view(world, vm);
    }
    SimResponse::json(200, &body).with_header("etag", &etag(vm))
}

/// `GET …/instanceView`
pub(super) fn instance(world: &World, request: &Request) -> SimResponse {
    match world.resource(&request.id(world)) {
        Some(vm) => SimResponse::json(200, &view(world, vm)),
        None => request.not_found(),
    }
}

fn view(world: &World, vm: &Resource) -> Value {
    let now = world.now().to_string();
    let since = vm.text("/_sim/since").unwrap_or(&now).to_owned();
    let power = vm.text("/_sim/power").unwrap_or("starting");
    let (state, words) = match vm.state {
        ProvisioningState::Creating => ("creating", "Creating"),
        ProvisioningState::Updating => ("updating", "Updating"),
        ProvisioningState::Deleting => ("deleting", "Deleting"),
        ProvisioningState::Succeeded => ("succeeded", "Provisioning succeeded"),
        ProvisioningState::Failed => ("failed", "Provisioning failed"),
    };
    let level = if state == "failed" { "Error" } else { "Info" };
    let status = |code: String, words: &str| json!({"code": code, "level": level, "displayStatus": words, "time": since});
    let mut view = json!({});
    if power == "running" {
        view["computerName"] = vm.property("/osProfile/computerName").cloned().unwrap_or_default();
        view["osName"] = json!("ubuntu");
        view["osVersion"] = json!("24.04");
        view["vmAgent"] = json!({
            "vmAgentVersion": "2.15.1.3",
            "statuses": [{
                "code": "ProvisioningState/succeeded",
                "level": "Info",
                "displayStatus": "Ready",
                "message": "Guest Agent is running",
                "time": now,
            }],
            "extensionHandlers": [],
        });
        view["bootDiagnostics"] = json!({});
    }
    view["disks"] = json!([{
        "name": vm.property("/storageProfile/osDisk/name"),
        "statuses": [status("ProvisioningState/succeeded".to_owned(), "Provisioning succeeded")],
    }]);
    view["hyperVGeneration"] = json!(super::shape::generation(vm));
    view["statuses"] = json!([
        status(format!("ProvisioningState/{state}"), words),
        {"code": format!("PowerState/{power}"), "level": "Info", "displayStatus": format!("VM {power}")},
    ]);
    view
}
