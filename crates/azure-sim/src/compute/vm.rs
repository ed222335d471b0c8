//! Virtual machines: PUT, PATCH, GET, DELETE.

use serde_json::{Map, Value, json};

use super::{DISK, VM, check, power_effect, quota, shape, view};
use crate::durations::{Verb, seconds};
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource, reference};
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    match request.method.as_str() {
        "GET" => view::get(world, request, &id),
        "PUT" | "PATCH" if request.body.is_object() => write(world, request, &id),
        "DELETE" => delete(world, request, &id),
        _ => request.no_such_method(),
    }
}

fn write(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let old = world.resource(id).cloned();
    if let Some(refusal) = request.precondition(old.as_ref().map(view::etag).as_deref()) {
        return refusal;
    }
    match old {
        None if request.method == "PATCH" => request.not_found(),
        None => create(world, request, id, tags),
        Some(old) if old.state == ProvisioningState::Deleting => SimResponse::arm_error(
            409,
            "OperationNotAllowed",
            &format!(
                "Operation 'update' is not allowed on VM '{}' since the VM is marked for deletion.",
                old.name
            ),
        ),
        Some(old) => update(world, request, &old, tags),
    }
}

fn create(
    world: &mut World,
    request: &Request,
    id: &str,
    tags: Option<crate::resource::Tags>,
) -> SimResponse {
    let Some(location) = request.location() else {
        return SimResponse::arm_error(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        );
    };
    if crate::catalogue::location(&location).is_none() {
        return check::no_such_location(&location);
    }
    let wanted = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(refusal) = check::login(&wanted) {
        return refusal;
    }
    let size = match check::size(world, &location, &wanted, id) {
        Ok(size) => size,
        Err(refusal) => return refusal,
    };
    if let Some(refusal) = check::interfaces(world, &location, &wanted, id) {
        return refusal;
    }
    let identity = match check::identity(world, &request.body, id) {
        Ok(identity) => identity,
        Err(refusal) => return refusal,
    };
    let mut vm = Resource::new(id, VM, world.now());
    vm.location = Some(location.clone());
    vm.tags = Some(tags.unwrap_or_default());
    vm.state = ProvisioningState::Creating;
    vm.properties = stored_properties(world, &vm, &wanted);
    let disk = disk_id(world, &vm);
    if let Some(refusal) = check::disk_name(world, &disk) {
        return refusal;
    }
    keep_extra(&mut vm, &request.body, identity);
    world.market.sell(&location, size.name, 1);
    put_disk(world, &vm, &disk);
    let time = seconds(VM, Verb::Create);
    let spec = Spec::new(Style::Compute, &location, time).settles(id).effect(power_effect(id, "running"));
    let accepted = view::render(&vm);
    world.put(vm);
    let operation = world.begin(spec, &request.api_version);
    let etag = accepted["etag"].as_str().unwrap_or_default().to_owned();
    SimResponse::json(201, &accepted).with_headers(&operation.put_headers()).with_header("etag", &etag)
}

/// The disk is a resource of its own, owned by the VM. It gets the VM's tags, as implicit disks do.
fn put_disk(world: &mut World, vm: &Resource, id: &str) {
    let text = |pointer: &str| vm.text(pointer).unwrap_or_default().to_owned();
    let mut disk = Resource::new(id, DISK, world.now());
    disk.location.clone_from(&vm.location);
    disk.tags.clone_from(&vm.tags);
    disk.managed_by = Some(vm.id.clone());
    disk.extra.insert(
        "sku".into(),
        json!({"name": text("/storageProfile/osDisk/managedDisk/storageAccountType"), "tier": "Standard"}),
    );
    disk.properties = json!({
        "osType": text("/storageProfile/osDisk/osType"),
        "hyperVGeneration": shape::generation(vm),
        "creationData": {"createOption": "FromImage"},
        "diskSizeGB": vm.property("/storageProfile/osDisk/diskSizeGB"),
        "timeCreated": world.now().to_string(),
        "diskState": "Attached",
        "uniqueId": world.guid(),
    });
    world.put(disk);
}

fn disk_id(world: &World, vm: &Resource) -> String {
    let name = vm.text("/storageProfile/osDisk/name").unwrap_or_default();
    format!("{}/providers/{DISK}/{name}", world.group_id(&vm.group))
}

/// The body's properties with Azure's defaults, without secrets; what only the simulator knows is under `_sim`.
fn stored_properties(world: &mut World, vm: &Resource, wanted: &Value) -> Value {
    let mut properties = Map::new();
    properties.insert("vmId".into(), json!(world.guid()));
    for (name, value) in wanted.as_object().into_iter().flatten() {
        properties.insert(name.clone(), value.clone());
    }
    let mut properties = Value::Object(properties);
    let windows = shape::is_windows(wanted);
    let size =
        wanted.pointer("/hardwareProfile/vmSize").and_then(Value::as_str).and_then(crate::catalogue::size);
    let disks = shape::Disks { premium: size.is_some_and(|size| size.family.premium), windows };
    if let Some(storage) = member(&mut properties, "storageProfile") {
        if let Some(image) = storage.get_mut("imageReference").filter(|i| i.get("sku").is_some()) {
            image["exactVersion"] = json!("24.04.202611180");
        }
        disks.complete(world, vm, storage);
        shape::default(
            storage,
            "diskControllerType",
            json!(size.map_or("SCSI", |size| size.family.controller)),
        );
    }
    let mut custom = Value::Null;
    if let Some(profile) = member(&mut properties, "osProfile") {
        if let Some(profile) = profile.as_object_mut() {
            profile.remove("adminPassword");
            custom = profile.remove("customData").unwrap_or_default();
        }
        shape::login(profile, windows);
    }
    if let Some(priority) = properties.get_mut("priority") {
        shape::respell(priority, &["Regular", "Low", "Spot"]);
        if *priority == json!("Spot") {
            shape::default(&mut properties, "billingProfile", json!({"maxPrice": -1.0}));
        }
    }
    properties["timeCreated"] = json!(world.now().to_string());
    properties["_sim"] = json!({"customData": custom, "power": "starting", "version": 1});
    properties
}

fn member<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    value.get_mut(name).filter(|v| v.is_object())
}

fn keep_extra(vm: &mut Resource, body: &Value, identity: Option<Value>) {
    for name in ["zones", "plan"] {
        if let Some(value) = body.get(name).filter(|v| !v.is_null()) {
            vm.extra.insert(name.into(), value.clone());
        }
    }
    if let Some(identity) = identity {
        vm.extra.insert("identity".into(), identity);
    }
}

/// What may not change once the VM exists.
const FIXED: &[(&str, &str)] = &[
    ("/osProfile/customData", "osProfile.customData"),
    ("/osProfile/adminUsername", "osProfile.adminUsername"),
    ("/osProfile/computerName", "osProfile.computerName"),
    ("/storageProfile/imageReference/offer", "imageReference"),
    ("/storageProfile/imageReference/sku", "imageReference"),
    ("/storageProfile/osDisk/name", "osDisk.name"),
    ("/priority", "priority"),
];

/// Recorded: an identity of the same type without a list keeps the one there is. A PATCH keeps those that its list does not
/// name (Microsoft's page "Configure managed identities on Azure virtual machines", REST).
fn kept_identities(old: &Resource, request: &Request, mut new: Value) -> Value {
    let list = old.extra.get("identity").and_then(|identity| identity.get("userAssignedIdentities"));
    let Some(had) = list.and_then(Value::as_object) else { return new };
    if !new["type"].as_str().is_some_and(|kind| kind.contains("UserAssigned")) {
        return new;
    }
    match new.get_mut("userAssignedIdentities").and_then(Value::as_object_mut) {
        None => new["userAssignedIdentities"] = json!(had),
        Some(ids) if request.method == "PATCH" => {
            let sent = request.body.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
            let named =
                |id: &str| sent.is_some_and(|sent| sent.keys().any(|key| key.eq_ignore_ascii_case(id)));
            ids.extend(
                had.iter().filter(|(id, _)| !named(id)).map(|(id, value)| (id.clone(), value.clone())),
            );
        }
        Some(_) => {}
    }
    new
}

/// Members that an update leaves alone or treats by itself.
const OWN: &[&str] = &[
    "vmId",
    "provisioningState",
    "timeCreated",
    "instanceView",
    "hardwareProfile",
    "storageProfile",
    "osProfile",
];

/// Data disks are those of the body; a disk that it leaves out is to be detached when the operation ends.
fn update_disks(world: &mut World, vm: &mut Resource, wanted: &Value) {
    let Some(sent) = wanted.pointer("/storageProfile/dataDisks").filter(|disks| disks.is_array()) else {
        return;
    };
    let windows = shape::is_windows(&vm.properties);
    let premium = quota::size_of(vm).is_some_and(|size| size.family.premium);
    let mut storage = vm.properties["storageProfile"].clone();
    storage["dataDisks"] = sent.clone();
    shape::Disks { premium, windows }.complete(world, vm, &mut storage);
    vm.properties["storageProfile"] = storage;
}

fn update(
    world: &mut World,
    request: &Request,
    old: &Resource,
    tags: Option<crate::resource::Tags>,
) -> SimResponse {
    let wanted = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let location = old.location.clone().unwrap_or_default();
    if request.location().is_some_and(|l| l != location) {
        let message = format!(
            "The resource '{}' already exists in location '{location}' in resource group '{}'. A resource with the same name cannot be created in location '{}'. Please select a new resource name.",
            old.name,
            old.group,
            request.location().unwrap_or_default()
        );
        return SimResponse::arm_error(409, "InvalidResourceLocation", &message).by_gateway();
    }
    for (pointer, words) in FIXED {
        let stored = match *pointer {
            "/osProfile/customData" => old.property("/_sim/customData"),
            pointer => old.property(pointer),
        };
        let asked = wanted.pointer(pointer).filter(|v| !v.is_null());
        if asked.is_some() && asked != stored {
            let message = format!("Changing property '{words}' is not allowed.");
            return SimResponse::json(
                409,
                &json!({"error": {"code": "PropertyChangeNotAllowed", "message": message, "target": words}}),
            );
        }
    }
    let mut vm = old.clone();
    if let Some(name) = wanted.pointer("/hardwareProfile/vmSize").and_then(Value::as_str)
        && vm.text("/hardwareProfile/vmSize").is_none_or(|now| !now.eq_ignore_ascii_case(name))
    {
        match check::size(world, &location, &wanted, &old.id) {
            Ok(size) => vm.properties["hardwareProfile"]["vmSize"] = json!(size.name),
            Err(refusal) => return refusal,
        }
    }
    match check::identity(world, &request.body, &old.id) {
        Ok(identity) => {
            keep_extra(&mut vm, &request.body, identity.map(|new| kept_identities(old, request, new)));
        }
        Err(refusal) => return refusal,
    }
    for (name, value) in wanted.as_object().into_iter().flatten() {
        if !OWN.contains(&name.as_str()) && !value.is_null() {
            vm.properties[name] = value.clone();
        }
    }
    update_disks(world, &mut vm, &wanted);
    if tags.is_some() || request.method == "PUT" {
        vm.tags = Some(tags.unwrap_or_default());
    }
    // A resize restarts the machine; everything else leaves it alone.
    let resized = quota::size_of(&vm) != quota::size_of(old);
    // One whose creation failed never ran: the same request again tries the allocation again.
    let unmade = old.state == ProvisioningState::Failed && old.text("/_sim/power") == Some("starting");
    // Operations on one VM queue up: one that comes while the VM is being made ends after that.
    let queued =
        old.ready_at.map_or(0, |ready| (ready.as_second() - world.now().as_second()).max(0).unsigned_abs());
    let time = queued
        + match (unmade, resized) {
            (true, _) => seconds(VM, Verb::Create),
            (false, true) => seconds(VM, Verb::Update),
            (false, false) => 3,
        };
    if queued == 0 {
        vm.state = ProvisioningState::Updating;
    }
    vm.etag = String::new();
    let id = vm.id.clone();
    let accepted = view::render(&vm);
    world.put(vm);
    let mut spec = Spec::new(Style::Compute, &location, time).settles(&id);
    if request.method == "PATCH" {
        spec = spec.retry_after(0); // recorded
    }
    if unmade || (resized && old.text("/_sim/power") == Some("running")) {
        spec = spec.effect(power_effect(&id, "running"));
    }
    let operation = world.begin(spec, &request.api_version);
    let etag = accepted["etag"].as_str().unwrap_or_default().to_owned();
    SimResponse::json(200, &accepted).with_headers(&operation.put_headers()).with_header("etag", &etag)
}

fn delete(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let Some(vm) = world.resource(id) else { return SimResponse::empty(204) };
    let location = vm.location.clone().unwrap_or_default();
    let id = vm.id.clone();
    if let Some(vm) = world.resource_mut(&id) {
        vm.state = ProvisioningState::Deleting;
    }
    let spec = Spec::new(Style::Compute, &location, seconds(VM, Verb::Delete)).removes(&id);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}

/// Lets go of the disk, or deletes it and the interfaces where the VM's `deleteOption` says so.
pub(super) fn release(world: &mut World, vm: &Resource) {
    let disk = disk_id(world, vm);
    let deletes = |value: Option<&str>| value.is_some_and(|v| v.eq_ignore_ascii_case("Delete"));
    if deletes(vm.text("/storageProfile/osDisk/deleteOption")) {
        world.remove(&disk);
    } else if let Some(disk) = world.resource_mut(&disk) {
        disk.managed_by = None;
        disk.set("diskState", json!("Unattached"));
    }
    let interfaces = vm.property("/networkProfile/networkInterfaces").and_then(Value::as_array);
    for entry in interfaces.into_iter().flatten() {
        let id = reference(Some(entry)).unwrap_or_default();
        if deletes(entry.pointer("/properties/deleteOption").and_then(Value::as_str)) {
            world.remove(id);
        }
    }
}
