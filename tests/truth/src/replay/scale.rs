//! What the scaler makes of recorded scale sets and their machines.

use flamenco_azure_core::ids::ResourceId;
use serde_json::{Value, json};
use vmss_scaler::Policy;
use vmss_scaler::observe::InstanceState;
use vmss_scaler::read;
use vmss_scaler::skus::Catalog;
use vmss_scaler::spec::{Placement, Priority};
use vmss_scaler::template::Mode;
use vmss_scaler::wire::SCALE_SET;

use super::start;

/// What is read wrongly of a scale set or a machine of one; none for other resources.
pub(super) fn judge(id: &str, shown: &Value) -> Option<String> {
    let id: ResourceId = id.parse().ok()?;
    if id.is_kind(SCALE_SET) {
        return set(shown).map(|what| format!("{what}: {id}"));
    }
    if id.is_kind(&format!("{SCALE_SET}/virtualMachines")) {
        return machine(&id.parent()?, shown, Mode::Uniform).map(|what| format!("{what}: {id}"));
    }
    let set = shown.pointer("/properties/virtualMachineScaleSet/id").and_then(Value::as_str)?;
    machine(&set.parse().ok()?, shown, Mode::Flexible).map(|what| format!("{what}: {id}"))
}

/// The recorded set as if it were ours: the scaler reads no others.
fn set(shown: &Value) -> Option<String> {
    let nowhere = Placement {
        sku: "Standard_None".to_owned(),
        family: String::new(),
        vcpus: 1,
        zone: None,
        priority: Priority::Spot,
    };
    let policy = Policy::new("/g", "studio", "render", 10, vec![nowhere]);
    let mut ours = shown.clone();
    ours["name"] = json!(policy.names().set(7));
    ours["tags"] = json!({"flamenco-farm": "studio", "flamenco-farm-pool": "render"});
    // Sets of machines that were attached one by one have no profile and so no size: none of ours is like that.
    let capacity = shown.pointer("/sku/capacity").and_then(Value::as_u64)?;
    let listed = match read::set(&ours, &policy, &Catalog::default()) {
        Ok(Some(listed)) => listed,
        Ok(None) => return Some("not read as ours".to_owned()),
        Err(odd) => return Some(odd.to_string()),
    };
    let text = |pointer: &str| shown.pointer(pointer).and_then(Value::as_str);
    let same = u64::from(listed.set.capacity) == capacity
        && text("/sku/name") == Some(listed.sku.as_str())
        && text("/etag") == listed.set.etag.as_deref()
        && (listed.mode == Mode::Flexible) == (text("/properties/orchestrationMode") == Some("Flexible"))
        && listed.set.placement.zone.as_deref() == text("/zones/0");
    (!same).then(|| format!("read as {listed:?}"))
}

fn machine(set: &ResourceId, shown: &Value, mode: Mode) -> Option<String> {
    let read = match read::machine(shown, set, mode, start()) {
        Ok(Some(read)) => read,
        Ok(None) => return Some("taken for a machine of another set".to_owned()),
        Err(odd) => return Some(odd.to_string()),
    };
    let text = |pointer: &str| shown.pointer(pointer).and_then(Value::as_str);
    let id = if mode == Mode::Uniform { text("/instanceId") } else { text("/name") };
    let vm = text("/properties/vmId").is_none_or(|vm| vm.eq_ignore_ascii_case(&read.vm.to_string()));
    let state = match text("/properties/provisioningState").unwrap_or_default() {
        "Creating" => read.state == InstanceState::Creating,
        "Deleting" => read.state == InstanceState::Deleting,
        "Failed" => read.state == InstanceState::Failed,
        "Succeeded" | "Updating" => matches!(read.state, InstanceState::Running | InstanceState::Stopped),
        _ => read.state == InstanceState::Unknown,
    };
    (id != Some(read.id.as_str()) || !vm || !state).then(|| format!("read as {read:?}"))
}
