//! Queues: made, listed, described, deleted.

use serde_json::json;

use super::access::{self, Right};
use super::refusal::{Fixed, NO_QUEUE, NO_SUCH_METHOD, Refusal};
use super::{Call, check_name, list, message, xml};
use crate::operation::later;
use crate::resource::{Resource, key};
use crate::storage::queue::QUEUE;
use crate::wire::SimResponse;
use crate::world::World;

const EXISTS: Fixed = (409, "QueueAlreadyExists", "The specified queue already exists.");
const VANISHING: Fixed = (409, "QueueBeingDeleted", "The specified queue is being deleted.");
/// The name of a deleted queue or container is free again after so long ("Delete Queue", "Delete Container").
pub(super) const VANISHING_S: u64 = 30;

pub(super) fn handle(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    let below = call.request.segments.get(1).map(String::as_str);
    let comp = call.query("comp").unwrap_or_default();
    if call.parent().is_empty() {
        return match (call.method(), comp) {
            ("GET", "list") => list::queues(world, call),
            _ => Err(NO_SUCH_METHOD.into()),
        };
    }
    check_name(call.parent())?;
    match (call.method(), below, comp) {
        ("PUT", None, "") => create(world, call),
        ("DELETE", None, "") => delete(world, call),
        ("GET" | "HEAD", None, "metadata") => metadata(world, call),
        ("PUT", None, "metadata") => set_metadata(world, call),
        ("GET" | "HEAD", None, "acl") => {
            access::check(world, call, Right::Read)?;
            the_queue(world, call)?;
            let mut response = SimResponse::empty(200).with_header("content-type", "application/xml");
            response.body = xml::document("<SignedIdentifiers />");
            Ok(response)
        }
        (_, Some("messages"), "") => message::handle(world, call),
        _ => Err(NO_SUCH_METHOD.into()),
    }
}

/// The queue's resource, or 404.
pub(super) fn the_queue<'w>(world: &'w World, call: &Call) -> Result<&'w Resource, Refusal> {
    world.resource(&call.parent_id()).ok_or_else(|| NO_QUEUE.into())
}

fn create(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Write)?;
    let (id, metadata) = (call.parent_id(), json!(call.metadata()));
    if let Some(queue) = world.resource(&id) {
        let same = queue.property("/metadata").cloned().unwrap_or_else(|| json!({})) == metadata;
        return if same { Ok(SimResponse::empty(204)) } else { Err(EXISTS.into()) };
    }
    if world.storage.vanishing.get(&key(&id)).is_some_and(|end| *end > call.now) {
        return Err(VANISHING.into());
    }
    let mut queue = Resource::new(&id, QUEUE, call.now);
    queue.set("metadata", metadata);
    world.put(queue);
    Ok(SimResponse::empty(201))
}

fn delete(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Delete)?;
    let id = the_queue(world, call)?.id.clone();
    world.remove(&id);
    world.storage.vanishing.insert(key(&id), later(call.now, VANISHING_S));
    Ok(SimResponse::empty(204))
}

fn metadata(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Read)?;
    let queue = the_queue(world, call)?;
    let mut response = SimResponse::empty(200);
    for (name, value) in metadata_of(queue) {
        response.set_header(&format!("x-ms-meta-{name}"), &value);
    }
    let count = message::count(world, &queue.key(), call.now);
    Ok(response.with_header("x-ms-approximate-messages-count", &count.to_string()))
}

fn set_metadata(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Write)?;
    the_queue(world, call)?;
    if let Some(queue) = world.resource_mut(&call.parent_id()) {
        queue.set("metadata", json!(call.metadata()));
    }
    Ok(SimResponse::empty(204))
}

/// The metadata of a queue or container.
pub(super) fn metadata_of(resource: &Resource) -> Vec<(String, String)> {
    let stored = resource.property("/metadata").and_then(|m| m.as_object());
    let pairs = stored.into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
