//! Containers: made, listed, described, leased, deleted.

use serde_json::json;

use super::access::{self, Right};
use super::lease::{self, Lease, What};
use super::queue::{VANISHING_S, metadata_of};
use super::refusal::{Fixed, NO_CONTAINER, NO_SUCH_METHOD, Refusal};
use super::{Call, blob, check_name, conditions, http_date, list, new_etag};
use crate::operation::later;
use crate::resource::{Resource, key};
use crate::storage::blob::CONTAINER;
use crate::wire::SimResponse;
use crate::world::World;

const EXISTS: Fixed = (409, "ContainerAlreadyExists", "The specified container already exists.");
const VANISHING: Fixed =
    (409, "ContainerBeingDeleted", "The specified container is being deleted. Try operation later.");

pub(super) fn handle(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    let comp = call.query("comp").unwrap_or_default();
    if call.parent().is_empty() {
        return match (call.method(), comp) {
            ("GET", "list") => list::containers(world, call),
            _ => Err(NO_SUCH_METHOD.into()),
        };
    }
    check_name(call.parent())?;
    if !call.name().is_empty() {
        return blob::handle(world, call, comp);
    }
    if call.query("restype") != Some("container") {
        return Err(NO_SUCH_METHOD.into());
    }
    match (call.method(), comp) {
        ("PUT", "") => create(world, call),
        ("DELETE", "") => delete(world, call),
        ("GET" | "HEAD", "" | "metadata") => describe(world, call),
        ("PUT", "metadata") => set_metadata(world, call),
        ("PUT", "lease") => change_lease(world, call),
        ("GET", "list") => list::blobs(world, call),
        _ => Err(NO_SUCH_METHOD.into()),
    }
}

/// The container's resource, or 404.
pub(super) fn the_container<'w>(world: &'w World, call: &Call) -> Result<&'w Resource, Refusal> {
    world.resource(&call.parent_id()).ok_or_else(|| NO_CONTAINER.into())
}

fn modified(container: &Resource) -> jiff::Timestamp {
    let text = container.text("/lastModifiedTime");
    text.and_then(|text| text.parse().ok()).unwrap_or(container.created_at)
}

fn lease_of(world: &World, call: &Call) -> Lease {
    world.storage.leases.get(&key(&call.parent_id())).cloned().unwrap_or_default().at(call.now)
}

/// Status and state of a container's lease, as the control plane spells them.
pub(crate) fn lease_words(world: &World, id: &str) -> (String, String) {
    let lease = world.storage.leases.get(&key(id)).cloned().unwrap_or_default().at(world.now());
    let (status, state, _) = lease.words();
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    (capital(status), capital(state))
}

/// Makes a container, unless it is there, as a service of Azure does for itself.
pub(crate) fn ensure_container(world: &mut World, account: &str, name: &str) {
    let id = format!("{account}/blobServices/default/containers/{name}");
    if world.resource(&id).is_none() {
        let mut container = Resource::new(&id, CONTAINER, world.now());
        container.etag = new_etag(world);
        container.set("lastModifiedTime", json!(world.now().to_string()));
        world.put(container);
    }
}

fn headers(container: &Resource, status: u16) -> SimResponse {
    SimResponse::empty(status)
        .with_header("etag", &container.etag)
        .with_header("last-modified", &http_date(modified(container)))
}

fn create(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Write)?;
    let id = call.parent_id();
    if world.resource(&id).is_some() {
        return Err(EXISTS.into());
    }
    if world.storage.vanishing.get(&key(&id)).is_some_and(|end| *end > call.now) {
        return Err(VANISHING.into());
    }
    let mut container = Resource::new(&id, CONTAINER, call.now);
    container.etag = new_etag(world);
    container.set("lastModifiedTime", json!(call.now.to_string()));
    container.set("metadata", json!(call.metadata()));
    let response = headers(&container, 201);
    world.put(container);
    Ok(response)
}

fn delete(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Delete)?;
    let container = the_container(world, call)?;
    conditions::write(call, Some((&container.etag, modified(container))))?;
    lease_of(world, call).admits_write(call.header("x-ms-lease-id"), What::Container)?;
    let id = container.id.clone();
    world.remove(&id);
    world.storage.vanishing.insert(key(&id), later(call.now, VANISHING_S));
    Ok(SimResponse::empty(202))
}

fn describe(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Read)?;
    let container = the_container(world, call)?;
    let lease = lease_of(world, call);
    lease.admits_read(call.header("x-ms-lease-id"), What::Container)?;
    let (status, state, duration) = lease.words();
    let mut response = headers(container, 200)
        .with_header("x-ms-lease-status", status)
        .with_header("x-ms-lease-state", state)
        .with_header("x-ms-has-immutability-policy", "false")
        .with_header("x-ms-has-legal-hold", "false");
    if let Some(duration) = duration {
        response.set_header("x-ms-lease-duration", duration);
    }
    for (name, value) in metadata_of(container) {
        response.set_header(&format!("x-ms-meta-{name}"), &value);
    }
    Ok(response)
}

fn set_metadata(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Write)?;
    let mut container = the_container(world, call)?.clone();
    lease_of(world, call).admits_read(call.header("x-ms-lease-id"), What::Container)?;
    container.etag = new_etag(world);
    container.set("lastModifiedTime", json!(call.now.to_string()));
    container.set("metadata", json!(call.metadata()));
    let response = headers(&container, 200);
    world.put(container);
    Ok(response)
}

fn change_lease(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Write)?;
    let container = the_container(world, call)?.clone();
    let fresh = world.guid();
    let (lease, response) = lease_of(world, call).operate(call, &fresh)?;
    world.storage.leases.insert(container.key(), lease);
    Ok(lease::stamped(response, &container.etag, modified(&container)))
}
