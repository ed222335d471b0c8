//! Bodies of instances (recorded traffic).

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cache;
use super::state::{Instance, Mode, Power, ScaleSet};
use super::template::{Template, hole};
use crate::compute::VM;
use crate::resource::{ProvisioningState, Resource};
use crate::world::World;

/// Full type of an instance of a Uniform set.
pub(super) const INSTANCE: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";

/// What is wanted of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The whole body.
    Body,
    /// The whole body with the instance view.
    BodyWithView,
    /// The instance view alone.
    View,
    /// The id alone: what the set's own list says of Flexible instances (Microsoft Learn "Orchestration modes").
    Id,
}

/// A kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    what: What,
    /// The machine is up: its view shows more.
    up: bool,
    /// Of an api-version before 2022.
    old: bool,
}

/// The text of a kind for all instances of a set.
pub(super) fn template(world: &World, resource: &Resource, set: &ScaleSet, kind: Kind) -> Template {
    let body = || match set.mode {
        Mode::Uniform => uniform(world, resource, set),
        Mode::Flexible => machine(world, resource, set),
    };
    Template::new(&match kind.what {
        What::Body => body(),
        What::BodyWithView => {
            let mut body = body();
            body["properties"]["instanceView"] = instance_view(resource, set, kind.up);
            body
        }
        What::View => instance_view(resource, set, kind.up),
        What::Id => {
            json!({"id": format!("{}/providers/{VM}/{}", world.group_id(&resource.group), hole('n'))})
        }
    })
}

/// The texts that the instances of one set need.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    up: Arc<Template>,
    down: Arc<Template>,
}

impl Texts {
    /// Those of a set, by its key.
    pub(super) fn of(world: &mut World, key: &str, what: What) -> Option<Self> {
        let old = world.speaks_before(OLD);
        let views = matches!(what, What::BodyWithView | What::View);
        let up = cache::template_of(world, key, Kind { what, up: views, old })?;
        let down =
            if views { cache::template_of(world, key, Kind { what, up: false, old })? } else { up.clone() };
        Some(Self { up, down })
    }

    /// For writing instances of this set at this moment.
    pub(super) fn renderer<'a>(&'a self, world: &World, set: &'a ScaleSet) -> Renderer<'a> {
        Renderer { set, now: world.now(), texts: self }
    }
}

/// Before this api-version instances show how they are patched (recorded of 2020-06-01 and 2020-12-01).
const OLD: &str = "2022-01-01";

/// Renders the instances of one set.
pub(super) struct Renderer<'a> {
    set: &'a ScaleSet,
    now: Timestamp,
    texts: &'a Texts,
}

impl Renderer<'_> {
    /// Writes one instance.
    pub(super) fn write(&self, out: &mut String, number: u64, instance: &Instance) {
        let up = instance.has_booted(self.now) && instance.power == Power::Running;
        let template = if up { &self.texts.up } else { &self.texts.down };
        template.write(out, |letter, out| self.fill(letter, out, number, instance));
    }

    fn fill(&self, letter: char, out: &mut String, number: u64, instance: &Instance) {
        let set = self.set;
        let state = || instance.state(self.now);
        match letter {
            'n' => name(set, number, out),
            'i' => _ = write!(out, "{number}"),
            'c' => match set.mode {
                Mode::Uniform => base36(number, out),
                Mode::Flexible => base36(u64::from(set.suffix(number)), out),
            },
            'v' => _ = write!(out, "{}", instance.vm_id),
            't' => _ = write!(out, "{}", instance.created),
            'd' => _ = write!(out, "{}", instance.vm_id.simple()),
            's' => out.push_str(state().as_str()),
            'a' => out.push_str(&state().as_str().to_ascii_lowercase()),
            'w' => out.push_str(words(state())),
            'l' => out.push_str(if state() == ProvisioningState::Failed { "Error" } else { "Info" }),
            'u' => _ = write!(out, "{}", self.since(instance)),
            'p' => out.push_str(self.power(instance)),
            'z' => _ = write!(out, "{}", instance.zone),
            'L' => out.push_str(if instance.model == set.model { "true" } else { "false" }),
            'D' => _ = write!(out, "{}", number % 5),
            'P' => match (instance.spot, set.eviction_deletes) {
                (true, true) => out.push_str(SPOT_DELETED),
                (true, false) => out.push_str(SPOT_DEALLOCATED),
                (false, _) => out.push_str("\"Regular\""),
            },
            _ => {}
        }
    }

    fn since(&self, instance: &Instance) -> Timestamp {
        instance
            .ready
            .filter(|ready| *ready <= self.now)
            .map_or(instance.since, |ready| ready.max(instance.since))
    }

    fn power(&self, instance: &Instance) -> &'static str {
        match instance.power {
            Power::Running if instance.has_booted(self.now) => "running",
            Power::Running => "starting",
            Power::Stopped => "stopped",
            Power::Deallocated => "deallocated",
        }
    }
}

/// The priority with what only Spot machines have beside it.
const SPOT_DELETED: &str = "\"Spot\",\"evictionPolicy\":\"Delete\"";
const SPOT_DEALLOCATED: &str = "\"Spot\",\"evictionPolicy\":\"Deallocate\"";

fn name(set: &ScaleSet, number: u64, out: &mut String) {
    out.push_str(&set.name);
    _ = match set.mode {
        Mode::Uniform => write!(out, "_{number}"),
        Mode::Flexible => write!(out, "_{:08x}", set.suffix(number)),
    };
}

/// The computer name of an instance.
pub(super) fn computer_name(prefix: &str, set: &ScaleSet, number: u64) -> String {
    let mut name = prefix.to_owned();
    base36(if set.mode == Mode::Uniform { number } else { u64::from(set.suffix(number)) }, &mut name);
    name
}

/// Six digits to the base of 36: what Azure adds to the prefix of computer names.
fn base36(mut number: u64, out: &mut String) {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(number % 36) as usize];
        number /= 36;
    }
    out.push_str(&String::from_utf8_lossy(&digits));
}

fn words(state: ProvisioningState) -> &'static str {
    match state {
        ProvisioningState::Creating => "Creating",
        ProvisioningState::Updating => "Updating",
        ProvisioningState::Deleting => "Deleting",
        ProvisioningState::Succeeded => "Provisioning succeeded",
        ProvisioningState::Failed => "Provisioning failed",
    }
}

/// The name of an instance's disk.
fn disk_name(set: &ScaleSet) -> String {
    match set.mode {
        Mode::Uniform => format!("{}_{}_OsDisk_1_{}", set.name, hole('n'), hole('d')),
        Mode::Flexible => format!("{}_OsDisk_1_{}", hole('n'), hole('d')),
    }
}

/// What both kinds of bodies say about a machine.
fn profile(world: &World, resource: &Resource, set: &ScaleSet) -> Value {
    let model = resource.property("/virtualMachineProfile").cloned().unwrap_or_else(|| json!({}));
    let member = |name: &str| model.get(name).cloned().unwrap_or_else(|| json!({}));
    let mut storage = member("storageProfile");
    if let Some(image) = storage.get_mut("imageReference").filter(|image| image.get("sku").is_some()) {
        image["exactVersion"] = json!("24.04.202611180");
    }
    if storage.get("osDisk").is_some_and(Value::is_object) {
        let disk = disk_name(set);
        if storage["osDisk"].get("managedDisk").is_some_and(Value::is_object) {
            storage["osDisk"]["managedDisk"]["id"] = json!(format!(
                "{}/providers/Microsoft.Compute/disks/{disk}",
                world.group_id(&resource.group)
            ));
        }
        storage["osDisk"]["name"] = json!(disk);
    }
    if storage.get("dataDisks").is_none_or(Value::is_null) {
        storage["dataDisks"] = json!([]);
    }
    let mut os = member("osProfile");
    if world.speaks_before(OLD)
        && let Some(system) = os.get_mut("linuxConfiguration").filter(|system| system.is_object())
    {
        system["patchSettings"] = json!({"patchMode": "ImageDefault"});
    }
    if let Some(os) = os.as_object_mut() {
        let prefix = os.shift_remove("computerNamePrefix");
        let prefix = prefix.as_ref().and_then(Value::as_str).unwrap_or_default();
        os.insert("computerName".to_owned(), json!(format!("{prefix}{}", hole('c'))));
    }
    let mut properties = json!({
        "provisioningState": hole('s'),
        "hardwareProfile": {"vmSize": set.size},
        "vmId": hole('v'),
        "storageProfile": storage,
        "osProfile": os,
        "timeCreated": hole('t'),
    });
    for name in ["securityProfile", "diagnosticsProfile", "billingProfile", "scheduledEventsProfile"] {
        if let Some(value) = model.get(name) {
            properties[name] = value.clone();
        }
    }
    if model.get("priority").is_some() {
        properties["priority"] = json!(hole('P'));
    }
    properties
}

fn envelope(resource: &Resource, set: &ScaleSet, id: &str, kind: &str) -> Value {
    let mut body = json!({
        "name": hole('n'),
        "id": id,
        "type": kind,
        "location": set.location,
        "etag": set.etag(),
    });
    if let Some(tags) = &resource.tags {
        body["tags"] = json!(tags);
    }
    if !set.zones.is_empty() {
        body["zones"] = json!([hole('z')]);
    }
    for name in ["identity", "plan"] {
        if let Some(value) = resource.extra.get(name) {
            body[name] = value.clone();
        }
    }
    body
}

/// An instance of a Uniform set.
fn uniform(world: &World, resource: &Resource, set: &ScaleSet) -> Value {
    let id = format!("{}/virtualMachines/{}", resource.id, hole('i'));
    let mut body = envelope(resource, set, &id, INSTANCE);
    body["instanceId"] = json!(hole('i'));
    body["sku"] = json!({"name": set.size, "tier": "Standard"});
    let mut properties = profile(world, resource, set);
    properties["latestModelApplied"] = json!(hole('L'));
    properties["modelDefinitionApplied"] = json!("VirtualMachineScaleSet");
    let network = resource.property("/virtualMachineProfile/networkProfile");
    let configurations = network.and_then(|n| n.get("networkInterfaceConfigurations"));
    let names = configurations.and_then(Value::as_array).into_iter().flatten();
    let interfaces: Vec<Value> = names
        .filter_map(|configuration| configuration.get("name")?.as_str())
        .map(|name| json!({"id": format!("{id}/networkInterfaces/{name}")}))
        .collect();
    properties["networkProfileConfiguration"] =
        json!({"networkInterfaceConfigurations": configurations.cloned().unwrap_or_else(|| json!([]))});
    properties["networkProfile"] = json!({"networkInterfaces": interfaces});
    body["properties"] = properties;
    body
}

/// An instance of a Flexible set: an ordinary virtual machine that names its set.
fn machine(world: &World, resource: &Resource, set: &ScaleSet) -> Value {
    let group = world.group_id(&resource.group);
    let mut body = envelope(resource, set, &format!("{group}/providers/{VM}/{}", hole('n')), VM);
    let mut properties = profile(world, resource, set);
    properties["virtualMachineScaleSet"] = json!({"id": resource.id});
    let nic = format!("{group}/providers/Microsoft.Network/networkInterfaces/{}-nic", hole('n'));
    properties["networkProfile"] = json!({"networkInterfaces": [{"id": nic, "properties": {"primary": true, "deleteOption": "Delete"}}]});
    body["properties"] = properties;
    body
}

/// The view of one instance.
fn instance_view(resource: &Resource, set: &ScaleSet, running: bool) -> Value {
    let status = |code: &str, words: &str| json!({"code": code, "level": "Info", "displayStatus": words, "time": hole('u')});
    let mut view = json!({});
    if set.mode == Mode::Uniform {
        view = json!({
            "placementGroupId": resource.property("/uniqueId"),
            "platformUpdateDomain": hole('D'),
            "platformFaultDomain": hole('D'),
        });
    }
    if running {
        let prefix = resource.text("/virtualMachineProfile/osProfile/computerNamePrefix").unwrap_or_default();
        view["computerName"] = json!(format!("{prefix}{}", hole('c')));
        view["osName"] = json!("ubuntu");
        view["osVersion"] = json!("24.04");
        view["vmAgent"] = json!({
            "vmAgentVersion": "2.15.1.3",
            "statuses": [{
                "code": "ProvisioningState/succeeded",
                "level": "Info",
                "displayStatus": "Ready",
                "message": "Guest Agent is running",
                "time": hole('u'),
            }],
            "extensionHandlers": [],
        });
    }
    view["disks"] = json!([{
        "name": disk_name(set),
        "statuses": [status("ProvisioningState/succeeded", "Provisioning succeeded")],
    }]);
    let image =
        resource.property("/virtualMachineProfile/storageProfile/imageReference").unwrap_or(&Value::Null);
    view["hyperVGeneration"] = json!(crate::compute::generation_of(image));
    let provisioning = format!("ProvisioningState/{}", hole('a'));
    let mut state = status(&provisioning, &hole('w'));
    state["level"] = json!(hole('l'));
    view["statuses"] = json!([
        state,
        {"code": format!("PowerState/{}", hole('p')), "level": "Info", "displayStatus": format!("VM {}", hole('p'))},
    ]);
    view
}
