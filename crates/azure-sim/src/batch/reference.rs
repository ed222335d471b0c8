//! Application packages that a pool refers to, and what its nodes get of them.

use serde_json::{Value, json};

use super::package::Unread;
use super::{arm_error, package, with_details};
use crate::resource::{last_segment, parent_of};
use crate::wire::SimResponse;
use crate::world::World;

/// References of one pool (Microsoft Learn "Batch service quotas and limits").
const MOST: usize = 10;

/// Application and version that a reference names, in either plane's words.
fn named(reference: &Value) -> (String, Option<String>) {
    let text = |name: &str| reference.get(name).and_then(Value::as_str);
    let id = text("id").or_else(|| text("applicationId")).unwrap_or_default();
    // A control plane id may name the version itself.
    let (id, own) = match id.split_once("/versions/") {
        Some((application, version)) => (application, Some(version)),
        None => (id, None),
    };
    (last_segment(id).to_owned(), text("version").or(own).map(str::to_owned))
}

/// The package that a reference stands for: none when there is none, or none active.
fn resolve(world: &World, account: &str, reference: &Value) -> Option<String> {
    let (application, version) = named(reference);
    let application = format!("{account}/applications/{application}");
    let default = world.resource(&application)?.text("/defaultVersion").map(str::to_owned);
    let id = package::id(&application, &version.or(default)?);
    world.resource(&id).filter(|found| package::is_active(found))?;
    Some(id)
}

/// Refuses references that cannot be satisfied (409 `InvalidApplicationPackageReferences`, Microsoft's page "Batch status
/// and error codes").
pub(super) fn check(world: &mut World, account: &str, references: &Value) -> Result<(), SimResponse> {
    let all = references.as_array().map(Vec::as_slice).unwrap_or_default();
    let wrong = |reference: &&Value| resolve(world, account, reference).is_none();
    let (name, version) = match all.iter().find(wrong) {
        Some(reference) => named(reference),
        None if all.len() > MOST => (format!("{} references", all.len()), None),
        None => return Ok(()),
    };
    let message = "One or more application package references could not be satisfied. This occurs if the application id or version does not exist or is not active, or if the reference did not specify a version and there is no default version configured.";
    let mut details = vec![("ApplicationId", name.as_str())];
    if let Some(version) = &version {
        details.push(("Version", version.as_str()));
    }
    Err(with_details(arm_error(world, 409, "InvalidApplicationPackageReferences", message, "Pool"), &details))
}

/// What keeps a booting node from having the pool's packages: it becomes unusable with `ApplicationPackageError`
/// (Microsoft Learn "Check for pool and node errors").
pub(super) fn trouble(world: &World, pool: &str) -> Option<String> {
    let resource = world.resource(pool)?;
    let account = parent_of(&resource.id)?.to_owned();
    let references = resource.property("/applicationPackages")?.as_array()?.clone();
    references.iter().find_map(|reference| {
        let (application, version) = named(reference);
        let what = format!("{application} {}", version.unwrap_or_else(|| "(default version)".to_owned()));
        let Some(id) = resolve(world, &account, reference) else {
            return Some(format!("The application package {what} does not exist or is not active"));
        };
        match package::unreadable(world, resource, &id) {
            Some(Unread::Unusable(why)) => {
                return Some(format!(
                    "The blob of the application package {what} could not be downloaded: {why}"
                ));
            }
            Some(Unread::Stays | Unread::Without) => return None,
            None => {}
        }
        let Some(bytes) = package::beginning(world, &id) else {
            return Some(format!("The blob of the application package {what} could not be downloaded"));
        };
        (!bytes.starts_with(b"PK")).then(|| format!("The application package {what} is not a zip file"))
    })
}

/// The applications of a pool that its nodes cannot read, and what becomes of the nodes.
pub(super) fn unread(world: &World, pool: &str) -> Vec<(String, Unread)> {
    let Some(resource) = world.resource(pool) else { return Vec::new() };
    let account = parent_of(&resource.id).unwrap_or_default();
    let references = resource.property("/applicationPackages").and_then(Value::as_array);
    let of = |reference: &Value| {
        let id = resolve(world, account, reference)?;
        Some((named(reference).0, package::unreadable(world, resource, &id)?))
    };
    references.into_iter().flatten().filter_map(of).collect()
}

/// The references in the data plane's words.
pub(super) fn data_plane(references: &Value) -> Value {
    let item = |reference: &Value| {
        let mut item = json!({"applicationId": reference.get("id")});
        if let Some(version) = reference.get("version") {
            item["version"] = version.clone();
        }
        item
    };
    references.as_array().into_iter().flatten().map(item).collect()
}

/// References of the data plane in the control plane's words, with full ids.
pub(super) fn control_plane(references: &Value, account: &str) -> Value {
    let item = |reference: &Value| {
        let (application, version) = named(reference);
        let mut item = json!({"id": format!("{account}/applications/{application}")});
        if let Some(version) = version {
            item["version"] = json!(version);
        }
        item
    };
    references.as_array().into_iter().flatten().map(item).collect()
}
