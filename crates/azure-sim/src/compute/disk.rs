//! Managed disks: those of machines, and empty ones.

use serde_json::json;

use super::DISK;
use crate::durations::{Verb, seconds};
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource};
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    match request.method.as_str() {
        "GET" => match world.resource(&id) {
            Some(disk) => SimResponse::json(200, &disk.body()),
            None => request.not_found(),
        },
        "PUT" | "PATCH" => write(world, request, &id),
        "DELETE" => delete(world, request, &id),
        _ => request.no_such_method(),
    }
}

fn write(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let mut disk = match world.resource(id) {
        Some(disk) => disk.clone(),
        None if request.method == "PATCH" => return request.not_found(),
        None => Resource::new(id, DISK, world.now()),
    };
    let Some(location) = request.location().or_else(|| disk.location.clone()) else {
        return SimResponse::arm_error(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        );
    };
    disk.location = Some(location.clone());
    if tags.is_some() {
        disk.tags = tags;
    }
    if let Some(sku) = request.body.get("sku") {
        disk.extra.insert("sku".into(), sku.clone());
    }
    let wanted = request.body.get("properties").and_then(|p| p.as_object());
    for (name, value) in wanted.into_iter().flatten() {
        disk.set(name, value.clone());
    }
    if disk.property("/diskState").is_none() {
        disk.set("diskState", json!("Unattached"));
    }
    if disk.property("/uniqueId").is_none() {
        disk.set("uniqueId", json!(world.guid()));
        disk.set("timeCreated", json!(world.now().to_string()));
        disk.set("encryption", json!({"type": "EncryptionAtRestWithPlatformKey"}));
        let gib = disk.property("/diskSizeGB").and_then(serde_json::Value::as_u64).unwrap_or(0);
        disk.set("diskSizeBytes", json!(gib << 30));
        disk.set("diskIOPSReadWrite", json!(500));
        disk.set("diskMBpsReadWrite", json!(60));
        disk.extra.entry("sku").or_insert_with(|| json!({"name": "Standard_LRS", "tier": "Standard"}));
    }
    let finished = disk.body();
    disk.state = ProvisioningState::Updating;
    // Recorded: 202 to PUT and PATCH with both links, a body without id, and an operation of their own kind.
    let accepted = json!({
        "name": disk.name,
        "location": disk.location,
        "tags": disk.tags,
        "sku": disk.extra.get("sku"),
        "properties": {"creationData": disk.property("/creationData"), "diskSizeGB": disk.property("/diskSizeGB"), "provisioningState": "Updating", "isArmResource": true},
    });
    world.put(disk);
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Compute/locations/{location}/DiskOperations/{{id}}",
        world.subscription_id()
    );
    let time = seconds(DISK, Verb::Create);
    let spec =
        Spec::new(Style::Compute, &location, time).at(&path).settles(id).output(finished).retry_after(2);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::json(202, &accepted).with_headers(&operation.action_headers())
}

fn delete(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let Some(disk) = world.resource(id).cloned() else { return SimResponse::empty(204) };
    if let Some(owner) = &disk.managed_by {
        let message = format!("Disk {} is attached to VM {owner}.", disk.name);
        return SimResponse::arm_error(409, "OperationNotAllowed", &message);
    }
    let location = disk.location.clone().unwrap_or_default();
    let spec =
        Spec::new(Style::Compute, &location, seconds(DISK, Verb::Delete)).removes(&disk.id).retry_after(2);
    if let Some(disk) = world.resource_mut(&disk.id) {
        disk.state = ProvisioningState::Deleting;
    }
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}
