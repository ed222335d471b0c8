//! Run-command: hands a script to the guest and gives its output back.

use serde_json::{Value, json};

use super::{VM, check, power, shape};
use crate::operation::{Spec, Style, later};
use crate::resource::ProvisioningState;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// What the extension needs before and after the script, seconds (recorded: a script took about 30).
const OVERHEAD: u64 = 8;
/// Run-command stops a script after 90 minutes.
const LONGEST: u64 = 90 * 60;
/// It gives back the last 4,096 bytes.
const OUTPUT: usize = 4096;

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(vm) = world.resource(&id).filter(|vm| vm.is(VM)).cloned() else { return request.not_found() };
    let wanted = if shape::is_windows(&vm.properties) { "RunPowerShellScript" } else { "RunShellScript" };
    if request.body.get("commandId").and_then(Value::as_str) != Some(wanted) {
        let message = format!("The entity was not found: {wanted} is what this VM knows.");
        return check::invalid("commandId", &message);
    }
    let running = vm.text("/_sim/power") == Some("running");
    if !running || matches!(vm.state, ProvisioningState::Creating | ProvisioningState::Deleting) {
        return power::not_running("runCommand", &vm);
    }
    let now = world.now();
    let busy =
        vm.text("/_sim/runUntil").and_then(|t| t.parse().ok()).is_some_and(|at: jiff::Timestamp| at > now);
    if busy {
        return SimResponse::arm_error(
            409,
            "Conflict",
            "Run command extension execution is in progress. Please wait for completion before invoking a run command.",
        );
    }
    let lines = request.body.get("script").and_then(Value::as_array);
    let script: Vec<&str> = lines.into_iter().flatten().filter_map(Value::as_str).collect();
    let answer = crate::guest::run(world, &vm, &script.join("\n"));
    let time = OVERHEAD + answer.seconds.min(LONGEST);
    if let Some(vm) = world.resource_mut(&id) {
        vm.properties["_sim"]["runUntil"] = json!(later(now, time).to_string());
    }
    let message =
        format!("Enable succeeded: \n[stdout]\n{}\n[stderr]\n{}", last(&answer.stdout), last(&answer.stderr));
    let output = json!({"value": [{
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "message": message,
    }]});
    let location = vm.location.clone().unwrap_or_default();
    let spec = Spec::new(Style::Compute, &location, time).output(output).retry_after(0);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}

fn last(text: &str) -> &str {
    let mut from = text.len().saturating_sub(OUTPUT);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
