//! Application packages: a record in the control plane, a blob in the linked storage account.
//!
//! A package is `Pending` until it is activated, which Batch refuses before the blob is there. The URL to upload to is
//! signed anew each time it is shown (recorded traffic: 4 hours from then, with the etag unchanged). With
//! `authenticationMode: BatchAccountManagedIdentity` it carries no signature: the uploader needs rights of its own
//! (BatchManagement.json, `ApplicationPackage_Create`).

use serde_json::{Value, json};

use super::application::{self, TARGET, etag, refuse_without_storage};
use super::{account, arm_error, invalid_uri};
use crate::operation::later;
use crate::resource::{Resource, key, last_segment, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::storage::data as storage;
use crate::wire::SimResponse;
use crate::world::World;

/// Full type of packages.
pub(super) const PACKAGE: &str = "Microsoft.Batch/batchAccounts/applications/versions";

/// A link to upload to is good for this long.
const UPLOAD_S: u64 = 4 * 3600;
/// Packages of an application (Microsoft Learn "Batch service quotas and limits").
const MOST: u32 = 40;
/// The last api-version that shows the link at other times than at PUT (pull request 43616 of azure-rest-api-specs).
const SHOWN_UNTIL: &str = "2025-06-01";

/// The id of a package.
pub(super) fn id(application: &str, version: &str) -> String {
    format!("{application}/versions/{version}")
}

pub(super) fn is_active(package: &Resource) -> bool {
    package.text("/state") == Some("Active")
}

pub(super) fn missing(world: &mut World) -> SimResponse {
    let message = "The specified application package does not exist.";
    arm_error(world, 404, "ApplicationPackageNotFound", message, TARGET)
}

/// Where the bytes of a package are.
struct Place {
    /// Id of the storage account.
    account: String,
    container: String,
    blob: String,
}

/// The container of an application in the linked storage account, the version for the blob's name.
fn place(world: &World, package: &str) -> Option<Place> {
    let application = parent_of(package)?;
    let batch = world.resource(parent_of(application)?)?;
    let linked = batch.text("/autoStorage/storageAccountId")?;
    let account = world.resource(linked)?.id.clone();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = last_segment(application).chars().map(plain).take(50).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    Some(Place {
        account,
        container: format!("app-{}", words.join("-")),
        blob: last_segment(package).to_owned(),
    })
}

fn container_of(place: &Place) -> String {
    key(&format!("{}/blobServices/default/containers/{}", place.account, place.container))
}

/// The first bytes that were uploaded for a package.
pub(super) fn beginning(world: &World, package: &str) -> Option<Vec<u8>> {
    if world.lost_packages.contains(&key(package)) {
        return None;
    }
    let place = place(world, package)?;
    world.storage.beginning(&container_of(&place), &place.blob)
}

/// What becomes of a node that cannot read one of its pool's packages (Microsoft's page "Use managed identities in an Azure
/// Batch account or pool", its table of node states).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// The account names no identity for nodes: the node stays `starting`.
    Stays,
    /// The identity may not read: the node goes on without the package.
    Without,
    /// The pool has another identity, or none: the node is `unusable`.
    Unusable(String),
}

/// Whether nodes of a pool can read a package: without keys they read with an identity that the account names and their
/// pool has (BatchManagement.json, `nodeIdentityReference`).
pub(super) fn unreadable(world: &World, pool: &Resource, package: &str) -> Option<Unread> {
    let batch = world.resource(parent_of(&pool.id)?)?;
    if batch.text("/autoStorage/authenticationMode") != Some("BatchAccountManagedIdentity") {
        return None;
    }
    let Some(reader) = batch.text("/autoStorage/nodeIdentityReference/resourceId") else {
        return Some(Unread::Stays);
    };
    let given = pool.extra.get("identity").and_then(|identity| identity.get("userAssignedIdentities"));
    let has = |ids: &serde_json::Map<String, Value>| ids.keys().any(|id| id.eq_ignore_ascii_case(reader));
    if !given.and_then(Value::as_object).is_some_and(has) {
        let why = "the pool has not the identity that the account names".to_owned();
        return Some(Unread::Unusable(why));
    }
    let place = place(world, package)?;
    let principal =
        world.resource(reader).and_then(|identity| identity.text("/principalId")).unwrap_or_default();
    (!storage::may_read_in(world, principal, &container_of(&place))).then_some(Unread::Without)
}

/// 409 while none of the identities that the account writes with may write packages (Microsoft's page "Use managed
/// identities in an Azure Batch account or pool" names the code; the message is ours). A role that was just assigned does not
/// count yet.
fn refuse_unwritable(world: &mut World, account: &str, package: &str) -> Option<SimResponse> {
    let batch = world.resource(account)?;
    if batch.text("/autoStorage/authenticationMode") != Some("BatchAccountManagedIdentity") {
        return None;
    }
    let scope = container_of(&place(world, package)?);
    let given = batch.extra.get("identity").and_then(|identity| identity.get("userAssignedIdentities"));
    let may_write = |id: &String| {
        let principal = world.resource(id).and_then(|identity| identity.text("/principalId"));
        principal.is_some_and(|principal| storage::may_write(world, principal, &scope))
    };
    if given.and_then(Value::as_object).is_some_and(|ids| ids.keys().any(may_write)) {
        return None;
    }
    let message =
        "The auto storage account keys are invalid or the Batch account's identity has no permission on it.";
    Some(arm_error(world, 409, "AutoStorageNoPermission", message, "BatchAccount"))
}

fn is_uploaded(world: &World, package: &str) -> bool {
    let there = |place: Place| world.storage.has(&container_of(&place), &place.blob);
    !world.lost_packages.contains(&key(package)) && place(world, package).is_some_and(there)
}

/// The record, with the link to upload to.
fn answer(world: &World, request: &Request, package: &Resource) -> SimResponse {
    SimResponse::json(200, &shown(world, request, package))
        .with_header("etag", &package.etag)
        .with_header("last-modified", &super::wire::http_date(world.now()))
}

fn shown(world: &World, request: &Request, package: &Resource) -> Value {
    let mut body = application::body(package);
    let hidden = world.package_links.as_ref().is_some_and(|links| links.put_only);
    if request.method != "PUT" && (hidden || request.api_version.as_str() > SHOWN_UNTIL) {
        return body;
    }
    let Some(place) = place(world, &package.id) else { return body };
    let batch = parent_of(parent_of(&package.id).unwrap_or_default()).and_then(|id| world.resource(id));
    let own_rights =
        batch.and_then(|a| a.text("/autoStorage/authenticationMode")) == Some("BatchAccountManagedIdentity");
    let (account, container) = (last_segment(&place.account), &place.container);
    let mut properties = serde_json::Map::new();
    if own_rights {
        let url = format!("https://{account}.blob.core.windows.net/{container}/{}", place.blob);
        properties.insert("storageUrl".into(), json!(url));
    } else {
        let link = world.package_links.clone().unwrap_or_default();
        let until = later(world.now(), link.seconds);
        let url = storage::package_url(world, account, container, &place.blob, &link.permissions, until);
        properties.insert("storageUrl".into(), json!(url));
        properties.insert("storageUrlExpiry".into(), json!(until.to_string()));
    }
    for (name, value) in package.properties.as_object().into_iter().flatten() {
        properties.insert(name.clone(), value.clone());
    }
    body["properties"] = Value::Object(properties);
    body
}

/// `…/applications/{app}/versions[/{v}]`
pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let application =
        if request.is_collection() { id.clone() } else { parent_of(&id).unwrap_or_default().to_owned() };
    let account = parent_of(&application).unwrap_or_default().to_owned();
    if let Err(refusal) = refuse_without_storage(world, &account) {
        return refusal;
    }
    let found = world.resource(&id).cloned();
    if request.method == "DELETE" {
        return if found.is_some() { delete(world, &id) } else { SimResponse::empty(204) };
    }
    if world.resource(&application).is_none() {
        return application::missing(world, "Application", "application");
    }
    if request.is_collection() {
        let all: Vec<Value> =
            world.children(&application, PACKAGE).map(|r| shown(world, request, r)).collect();
        return page(request, all);
    }
    match (request.method.as_str(), found) {
        ("PUT", found) => put(world, request, &id, &application, found),
        ("GET", Some(package)) => answer(world, request, &package),
        ("GET", None) => missing(world),
        _ => request.no_such_method(),
    }
}

fn put(
    world: &mut World,
    request: &Request,
    id: &str,
    application: &str,
    found: Option<Resource>,
) -> SimResponse {
    let version = last_segment(id);
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if !(1..=64).contains(&version.len()) || version.starts_with('.') || !version.bytes().all(legal) {
        return invalid_uri(
            world,
            "A version has 1 to 64 letters, digits, dots, hyphens and underscores, and no dot first.",
        );
    }
    let locked =
        world.resource(application).is_some_and(|a| a.property("/allowUpdates") == Some(&json!(false)));
    let package = match found {
        // "Whether packages may be overwritten using the same version string" (BatchManagement.json); the code of the
        // refusal is not recorded.
        Some(package) if is_active(&package) && locked => {
            let message =
                "The specified application package exists and its application does not allow updates.";
            return arm_error(world, 409, "ApplicationPackageUpdateNotAllowed", message, TARGET);
        }
        Some(package) => package,
        None => {
            let batch = parent_of(application).unwrap_or_default();
            let most = account::count_of(world, batch, "packages", MOST);
            if world.children(application, PACKAGE).count() >= most {
                let message = "The specified application has reached application package quota.";
                return arm_error(world, 409, "ApplicationPackageQuotaReached", message, TARGET);
            }
            let mut package = Resource::new(id, PACKAGE, world.now());
            package.set("state", json!("Pending"));
            package
        }
    };
    let mut package = package;
    if let Some(refusal) = refuse_unwritable(world, parent_of(application).unwrap_or_default(), id) {
        return refusal;
    }
    package.etag = etag(world);
    if let Some(place) = place(world, id) {
        storage::ensure_container(world, &place.account, &place.container);
    }
    let response = answer(world, request, &package);
    world.put(package);
    response
}

/// The record goes with its blob. Recorded: also that of the default version; nodes that have it keep it.
fn delete(world: &mut World, id: &str) -> SimResponse {
    if let Some(place) = place(world, id) {
        world.storage.drop_blob(&container_of(&place), &place.blob);
    }
    world.remove(id);
    SimResponse::empty(200)
}

/// `POST …/versions/{v}/activate`. Also of one that is active (recorded).
pub(super) fn activate(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let account = parent_of(&id).and_then(parent_of).unwrap_or_default().to_owned();
    if let Err(refusal) = refuse_without_storage(world, &account) {
        return refusal;
    }
    let Some(mut package) = world.resource(&id).cloned() else { return missing(world) };
    if let Some(refusal) = refuse_unwritable(world, &account, &id) {
        return refusal;
    }
    if !is_uploaded(world, &id) {
        let message = "No blob could be found for the specified application package.";
        return arm_error(world, 409, "ApplicationPackageBlobNotFound", message, TARGET);
    }
    let format = request.body.get("format").and_then(Value::as_str).unwrap_or_default().to_owned();
    if format != "zip" {
        let message = "The value provided for one of the properties in the request body is invalid.";
        let reason = "The format of an application package is zip.";
        return super::with_details(
            arm_error(world, 400, "InvalidPropertyValue", message, TARGET),
            &[("PropertyName", "format"), ("PropertyValue", &format), ("Reason", reason)],
        );
    }
    package.set("state", json!("Active"));
    package.set("format", json!(format));
    package.set("lastActivationTime", json!(world.now().to_string()));
    package.etag = etag(world);
    let response = answer(world, request, &package);
    world.put(package);
    response
}

impl World {
    /// Uploads the bytes of an application package (resource id) past all signatures. `false` when the package's account
    /// has no storage account.
    pub fn upload_package(&mut self, package: &str, bytes: &[u8]) -> bool {
        let Some(place) = place(self, package) else { return false };
        storage::ensure_container(self, &place.account, &place.container);
        storage::put_blob(self, &container_of(&place), &place.blob, bytes);
        true
    }

    /// Links to upload packages to have these permissions (Azure's letters; usually `rw`) and are good for so long (usually
    /// four hours) from now on.
    pub fn package_links(&mut self, permissions: &str, seconds: u64) {
        let links = self.package_links.get_or_insert_with(PackageLinks::default);
        permissions.clone_into(&mut links.permissions);
        links.seconds = seconds;
    }

    /// From now on only a PUT shows the link to upload to, whatever the api-version: the change of 2026 that Microsoft Learn
    /// "Deploy applications to compute nodes with Batch application packages" announces.
    pub fn hide_package_links(&mut self) {
        self.package_links.get_or_insert_with(PackageLinks::default).put_only = true;
    }
}

/// How links to upload packages to are made, when not as usual.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct PackageLinks {
    permissions: String,
    seconds: u64,
    put_only: bool,
}

impl Default for PackageLinks {
    fn default() -> Self {
        Self { permissions: "rw".to_owned(), seconds: UPLOAD_S, put_only: false }
    }
}
