//! Block blobs: put, read, described, leased, deleted ("Operations on blobs").

use super::access::{self, Right};
use super::container::the_container;
use super::lease::{self, What};
use super::refusal::{BAD_HEADER, BLOB_EXISTS, NO_BLOB, NO_SUCH_METHOD, Refusal};
use super::state::{Blob, Content};
use super::{Call, block, conditions, content, http_date, new_etag, sums};
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn handle(world: &mut World, call: &Call, comp: &str) -> Result<SimResponse, Refusal> {
    match (call.method(), comp) {
        ("PUT", "") => put(world, call),
        ("GET", "") => {
            access::check(world, call, Right::ReadItem)?;
            let blob = readable(world, call)?;
            content::deliver(call, blob)
        }
        ("HEAD", "") | ("GET" | "HEAD", "metadata") => {
            access::check(world, call, Right::ReadItem)?;
            let blob = readable(world, call)?;
            let response = content::describe(call, blob, 200);
            // To HEAD the length is all that is said about the body.
            let head = call.method() == "HEAD";
            Ok(if head {
                response.with_header("content-length", &blob.data.len().to_string())
            } else {
                response
            })
        }
        ("DELETE", "") => delete(world, call),
        ("PUT", "metadata") => set_metadata(world, call),
        ("PUT", "lease") => change_lease(world, call),
        ("PUT", "block") => block::stage(world, call),
        ("PUT", "blocklist") => block::commit(world, call),
        ("GET", "blocklist") => block::list(world, call),
        _ => Err(NO_SUCH_METHOD.into()),
    }
}

/// The blob, if there is one; 404 without the container.
pub(super) fn find<'w>(world: &'w World, call: &Call) -> Result<Option<&'w Blob>, Refusal> {
    let container = the_container(world, call)?.key();
    Ok(world.storage.blobs.get(&container).and_then(|blobs| blobs.get(&call.name())))
}

fn the_blob<'w>(world: &'w World, call: &Call) -> Result<&'w Blob, Refusal> {
    find(world, call)?.ok_or_else(|| NO_BLOB.into())
}

fn readable<'w>(world: &'w World, call: &Call) -> Result<&'w Blob, Refusal> {
    let blob = the_blob(world, call)?;
    conditions::read(call, &blob.etag, blob.modified)?;
    blob.lease.at(call.now).admits_read(call.header("x-ms-lease-id"), What::Blob)?;
    Ok(blob)
}

/// Conditions and lease of a write to what is there.
pub(super) fn writable(call: &Call, there: Option<&Blob>) -> Result<(), Refusal> {
    conditions::write(call, there.map(|blob| (blob.etag.as_str(), blob.modified)))?;
    if there.is_some() && call.header("if-none-match") == Some("*") {
        return Err(BLOB_EXISTS.into());
    }
    let lease = there.map(|blob| blob.lease.at(call.now)).unwrap_or_default();
    lease.admits_write(call.header("x-ms-lease-id"), What::Blob)
}

fn put(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    if call.header("x-ms-blob-type") != Some("BlockBlob") {
        return Err(BAD_HEADER.into());
    }
    writable(call, find(world, call)?)?;
    block::check_size(world, call, block::Whole)?;
    let checked = sums::check(call)?;
    let kind = call.header("x-ms-blob-content-type").or(call.header("content-type"));
    let kind = kind.unwrap_or("application/octet-stream").to_owned();
    let data = call.wire.body.as_slice().into();
    // The service sums up a blob that is put at once by itself ("Put Blob").
    let md5 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sums::md5(&call.wire.body));
    let response = store(world, call, data, kind, Some(md5.clone()), Vec::new());
    Ok(checked.confirm(response).with_header("content-md5", &md5))
}

/// Stores a blob under its name, with the lease of the one before.
pub(super) fn store(
    world: &mut World,
    call: &Call,
    data: Content,
    content_type: String,
    md5: Option<String>,
    blocks: Vec<(String, u64)>,
) -> SimResponse {
    let (container, name) = (crate::resource::key(&call.parent_id()), call.name());
    let etag = new_etag(world);
    if let Some(staged) = world.storage.staged.get_mut(&container) {
        staged.remove(&name);
    }
    let blobs = world.storage.blobs.entry(container).or_default();
    let before = blobs.get(&name);
    let blob = Blob {
        data,
        content_type,
        md5,
        metadata: call.metadata(),
        etag,
        created: before.map_or(call.now, |blob| blob.created),
        modified: call.now,
        blocks,
        lease: before.map(|blob| blob.lease.at(call.now).after_write()).unwrap_or_default(),
    };
    let response = stored(&blob, 201);
    blobs.insert(name, blob);
    response.with_header("x-ms-request-server-encrypted", "true")
}

fn stored(blob: &Blob, status: u16) -> SimResponse {
    SimResponse::empty(status)
        .with_header("etag", &blob.etag)
        .with_header("last-modified", &http_date(blob.modified))
}

fn slot<'w>(world: &'w mut World, call: &Call) -> Result<&'w mut Blob, Refusal> {
    let container = the_container(world, call)?.key();
    let blobs = world.storage.blobs.entry(container).or_default();
    blobs.get_mut(&call.name()).ok_or_else(|| NO_BLOB.into())
}

fn delete(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::DeleteItem)?;
    writable(call, Some(the_blob(world, call)?))?;
    let container = the_container(world, call)?.key();
    if let Some(blobs) = world.storage.blobs.get_mut(&container) {
        blobs.remove(&call.name());
    }
    Ok(SimResponse::empty(202).with_header("x-ms-delete-type-permanent", "true"))
}

fn set_metadata(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    writable(call, Some(the_blob(world, call)?))?;
    let etag = new_etag(world);
    let blob = slot(world, call)?;
    blob.metadata = call.metadata();
    blob.lease = blob.lease.at(call.now).after_write();
    blob.modified = call.now;
    blob.etag = etag;
    Ok(stored(blob, 200).with_header("x-ms-request-server-encrypted", "true"))
}

fn change_lease(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    let fresh = world.guid();
    let blob = slot(world, call)?;
    conditions::write(call, Some((&blob.etag, blob.modified)))?;
    let (lease, response) = blob.lease.at(call.now).operate(call, &fresh)?;
    blob.lease = lease;
    Ok(lease::stamped(response, &blob.etag, blob.modified))
}

/// Puts a blob, as a service of Azure does for itself.
pub(crate) fn put_blob(world: &mut World, container: &str, name: &str, bytes: &[u8]) {
    let (etag, now) = (new_etag(world), world.now());
    let blob = Blob {
        data: bytes.into(),
        content_type: "application/octet-stream".to_owned(),
        md5: None,
        metadata: std::collections::BTreeMap::new(),
        etag,
        created: now,
        modified: now,
        blocks: Vec::new(),
        lease: lease::Lease::default(),
    };
    world.storage.blobs.entry(container.to_owned()).or_default().insert(name.to_owned(), blob);
}
