//! Applications, the control plane (recorded traffic: everything answers at once).

use serde_json::{Value, json};

use super::package::{self, PACKAGE};
use super::{account, arm_error, invalid_uri};
use crate::resource::{Resource, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Full type of applications.
pub(super) const APPLICATION: &str = "Microsoft.Batch/batchAccounts/applications";
/// What errors say they are about.
pub(super) const TARGET: &str = "BatchAccount";

/// Applications of an account (Microsoft Learn "Batch service quotas and limits"; older accounts have 20).
const MOST: u32 = 200;

/// Refuses what concerns applications on an account that has no storage account linked
/// (`AccountNotEnabledForAutoStorage`, as Batch Explorer knows it; its wording is not recorded).
pub(super) fn refuse_without_storage(world: &mut World, account: &str) -> Result<(), SimResponse> {
    let Some(account) = world.resource(account) else { return Err(missing(world, "Account", "account")) };
    if account.text("/autoStorage/storageAccountId").is_some() {
        return Ok(());
    }
    let message = "The specified account is not enabled for auto storage.";
    Err(arm_error(world, 409, "AccountNotEnabledForAutoStorage", message, TARGET))
}

/// 404 for an account or application.
pub(super) fn missing(world: &mut World, code: &str, what: &str) -> SimResponse {
    let message = format!("The specified {what} does not exist.");
    arm_error(world, 404, &format!("{code}NotFound"), &message, TARGET)
}

/// A resource as it is sent.
pub(super) fn body(resource: &Resource) -> Value {
    json!({
        "type": resource.kind,
        "id": resource.id,
        "name": resource.name,
        "etag": resource.etag,
        "properties": resource.properties,
    })
}

fn answer(resource: &Resource) -> SimResponse {
    SimResponse::json(200, &body(resource)).with_header("etag", &resource.etag)
}

/// A new etag in the control plane's form.
pub(super) fn etag(world: &mut World) -> String {
    format!("W/\"{}\"", super::wire::new_etag(world))
}

/// `…/batchAccounts/{a}/applications[/{app}]`
pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let account =
        if request.is_collection() { id.clone() } else { parent_of(&id).unwrap_or_default().to_owned() };
    if let Err(refusal) = refuse_without_storage(world, &account) {
        return refusal;
    }
    if request.is_collection() {
        let all: Vec<Value> = world.children(&account, APPLICATION).map(body).collect();
        return page(request, all);
    }
    let found = world.resource(&id).cloned();
    match (request.method.as_str(), found) {
        ("PUT", found) => put(world, request, &id, &account, found),
        // Recorded: 200; a second time 204.
        ("DELETE", None) => SimResponse::empty(204),
        ("DELETE", Some(_)) => delete(world, &id),
        ("GET" | "PATCH", None) => missing(world, "Application", "application"),
        ("GET", Some(application)) => answer(&application),
        ("PATCH", Some(application)) => store(world, request, application),
        _ => request.no_such_method(),
    }
}

fn put(
    world: &mut World,
    request: &Request,
    id: &str,
    account: &str,
    found: Option<Resource>,
) -> SimResponse {
    let name = crate::resource::last_segment(id);
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !plain || !(1..=64).contains(&name.len()) {
        return invalid_uri(world, "An application id has 1 to 64 letters, digits, hyphens and underscores.");
    }
    if found.is_none() {
        let most = account::count_of(world, account, "applications", MOST);
        if world.children(account, APPLICATION).count() >= most {
            let message = "The specified account has reached application quota.";
            return arm_error(world, 409, "ApplicationQuotaReached", message, TARGET);
        }
    }
    let mut application = found.unwrap_or_else(|| Resource::new(id, APPLICATION, world.now()));
    if application.property("/allowUpdates").is_none() {
        application.set("allowUpdates", json!(true));
    }
    store(world, request, application)
}

fn store(world: &mut World, request: &Request, mut application: Resource) -> SimResponse {
    for name in ["displayName", "allowUpdates", "defaultVersion"] {
        let sent = request.body.pointer(&format!("/properties/{name}")).filter(|value| !value.is_null());
        let Some(value) = sent.cloned() else { continue };
        if name == "defaultVersion"
            && let Err(refusal) = check_default(world, &application.id, value.as_str().unwrap_or_default())
        {
            return refusal;
        }
        application.set(name, value);
    }
    application.etag = etag(world);
    let response = answer(&application).with_header("last-modified", &super::wire::http_date(world.now()));
    world.put(application);
    response
}

/// The default is a package that is there and active (`RequestedDefaultVersionNotActive` as Microsoft's tests of the Node
/// SDK expect it).
fn check_default(world: &mut World, application: &str, version: &str) -> Result<(), SimResponse> {
    match world.resource(&package::id(application, version)).map(package::is_active) {
        Some(true) => Ok(()),
        Some(false) => {
            let message = "The requested default version is not active.";
            Err(arm_error(world, 409, "RequestedDefaultVersionNotActive", message, TARGET))
        }
        None => Err(package::missing(world)),
    }
}

fn delete(world: &mut World, id: &str) -> SimResponse {
    if world.children(id, PACKAGE).next().is_some() {
        let message = "The specified application contains packages and cannot be deleted.";
        return arm_error(world, 409, "ApplicationPackagesNotEmpty", message, TARGET);
    }
    world.remove(id);
    SimResponse::empty(200)
}
