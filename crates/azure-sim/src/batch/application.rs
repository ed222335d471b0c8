//! Applications and their packages, the control plane (recorded traffic: everything answers at once).
//!
//! A package is `Pending` until it is activated. Its blob is uploaded to the account's own storage; whether it was is not
//! looked at: the upload counts as made when the package is, unless [`World::lose_package`] says otherwise.

use serde_json::{Value, json};

use super::arm_error;
use crate::operation::later;
use crate::resource::{Resource, key, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Full type of applications.
pub(super) const APPLICATION: &str = "Microsoft.Batch/batchAccounts/applications";
/// Full type of packages.
pub(super) const PACKAGE: &str = "Microsoft.Batch/batchAccounts/applications/versions";
const TARGET: &str = "BatchAccount";

/// A link to upload to is good for this long.
const UPLOAD_S: u64 = 4 * 3600;

fn body(resource: &Resource) -> Value {
    let mut properties = resource.properties.clone();
    if let Some(members) = properties.as_object_mut() {
        members.remove("_sim");
    }
    json!({
        "type": resource.kind,
        "id": resource.id,
        "name": resource.name,
        "etag": resource.etag,
        "properties": properties,
    })
}

fn answer(resource: &Resource) -> SimResponse {
    SimResponse::json(200, &body(resource)).with_header("etag", &resource.etag)
}

/// `…/batchAccounts/{a}/applications[/{app}]` and `…/versions[/{v}]`
pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let package = request.types.len() > 2;
    let kind = if package { PACKAGE } else { APPLICATION };
    let id = request.id(world);
    let parent = if request.is_collection() { Some(id.as_str()) } else { parent_of(&id) };
    let Some(parent) = parent.filter(|parent| world.resource(parent).is_some()).map(str::to_owned) else {
        return missing(world, package);
    };
    if request.is_collection() {
        let all: Vec<Value> = world.children(&parent, kind).map(body).collect();
        return page(request, all);
    }
    let found = world.resource(&id).cloned();
    match (request.method.as_str(), found) {
        ("PUT", found) => put(world, request, &id, kind, found),
        // Recorded: 200; a second time 204.
        ("DELETE", None) => SimResponse::empty(204),
        ("DELETE", Some(_)) => delete(world, &id, package),
        ("GET" | "PATCH", None) if package => missing_package(world),
        ("GET" | "PATCH", None) => missing(world, true),
        ("GET", Some(resource)) => answer(&resource),
        ("PATCH", Some(resource)) if !package => patch(world, request, resource),
        _ => request.no_such_method(),
    }
}

fn put(world: &mut World, request: &Request, id: &str, kind: &str, found: Option<Resource>) -> SimResponse {
    let now = world.now();
    let mut resource = found.unwrap_or_else(|| Resource::new(id, kind, now));
    resource.etag = etag(world);
    if kind == APPLICATION {
        if resource.property("/allowUpdates").is_none() {
            resource.set("allowUpdates", json!(true));
        }
        take(&mut resource, &request.body);
    } else {
        let until = later(now, UPLOAD_S);
        resource.properties = json!({
            "storageUrl": upload_url(world, id, until),
            "storageUrlExpiry": until.to_string(),
            "state": "Pending",
        });
    }
    let response = answer(&resource);
    world.put(resource);
    response
}

/// Where a package is uploaded to: a container of the linked storage account for each application. Without a linked
/// account nothing answers there.
fn upload_url(world: &mut World, id: &str, until: jiff::Timestamp) -> String {
    let application = parent_of(id).unwrap_or_default();
    let account = parent_of(application).unwrap_or_default();
    let linked =
        world.resource(account).and_then(|a| a.text("/autoStorage/storageAccountId")).map(str::to_owned);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = crate::resource::last_segment(application).chars().map(plain).take(50).collect();
    let container = format!("app-{}", name.replace("--", "-").trim_matches('-'));
    let version = crate::resource::last_segment(id).to_owned();
    let storage = match linked.filter(|storage| world.resource(storage).is_some()) {
        Some(storage) => {
            crate::storage::data::ensure_container(world, &storage, &container);
            crate::resource::last_segment(&storage).to_owned()
        }
        None => crate::resource::last_segment(account).to_owned(),
    };
    crate::storage::data::package_url(world, &storage, &container, &version, until)
}

fn take(resource: &mut Resource, sent: &Value) {
    for name in ["displayName", "allowUpdates", "defaultVersion"] {
        if let Some(value) = sent.pointer(&format!("/properties/{name}")).filter(|v| !v.is_null()) {
            resource.set(name, value.clone());
        }
    }
}

fn patch(world: &mut World, request: &Request, mut application: Resource) -> SimResponse {
    take(&mut application, &request.body);
    application.etag = etag(world);
    let response = answer(&application);
    world.put(application);
    response
}

fn delete(world: &mut World, id: &str, package: bool) -> SimResponse {
    if !package && world.children(id, PACKAGE).next().is_some() {
        let message = "The specified application contains packages and cannot be deleted.";
        return arm_error(world, 409, "ApplicationPackagesNotEmpty", message, TARGET);
    }
    world.remove(id);
    SimResponse::empty(200)
}

/// `POST …/versions/{v}/activate`
pub(super) fn activate(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(mut package) = world.resource(&id).cloned() else { return missing_package(world) };
    if world.lost_packages.contains(&key(&id)) {
        let message = "No blob could be found for the specified application package.";
        return arm_error(world, 409, "ApplicationPackageBlobNotFound", message, TARGET);
    }
    let Some(format) = request.body.get("format").and_then(Value::as_str) else {
        return arm_error(
            world,
            400,
            "MissingRequiredProperty",
            "The format of the package is missing.",
            TARGET,
        );
    };
    package.set("state", json!("Active"));
    package.set("format", json!(format));
    package.set("lastActivationTime", json!(world.now().to_string()));
    package.etag = etag(world);
    let response = answer(&package);
    world.put(package);
    response
}

fn etag(world: &mut World) -> String {
    format!("W/\"{}\"", super::wire::new_etag(world))
}

fn missing(world: &mut World, application: bool) -> SimResponse {
    let (code, what) =
        if application { ("ApplicationNotFound", "application") } else { ("AccountNotFound", "account") };
    arm_error(world, 404, code, &format!("The specified {what} does not exist."), TARGET)
}

fn missing_package(world: &mut World) -> SimResponse {
    let message = "The specified application package does not exist.";
    arm_error(world, 404, "ApplicationPackageNotFound", message, TARGET)
}
