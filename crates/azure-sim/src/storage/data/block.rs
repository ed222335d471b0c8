//! Blobs in blocks: staged one by one, then put together ("Put Block", "Put Block List", "Get Block List").

use std::collections::BTreeMap;

use base64::Engine as _;

use super::access::{self, Right};
use super::blob;
use super::container::the_container;
use super::refusal::{self, BAD_HEADER, BAD_XML, BLOCKS, Fixed, NO_BLOB, Refusal};
use super::state::{Blob, Content};
use super::{Call, sums, xml};
use crate::wire::SimResponse;
use crate::world::World;

const TOO_LARGE: Fixed =
    (413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit.");
const TOO_MANY: Fixed = (
    409,
    "BlockCountExceedsLimit",
    "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.",
);
const TOO_LONG: Fixed = (400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.");
const ODD_ID: Fixed = (400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.");

/// What a body is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// One block of a blob.
    Block,
    /// A blob at once.
    Whole,
}
pub(super) use Body::Whole;

const MIB: u64 = 1024 * 1024;

/// How large a body may be by the version of the protocol ("Scalability targets for Blob storage", "Put Block", "Put Blob").
fn most(world: &World, call: &Call, body: Body) -> u64 {
    let version = call.header("x-ms-version").unwrap_or("2009-09-19");
    let (name, usual) = match body {
        Body::Block if version >= "2019-12-12" => ("blockbytes", 4000 * MIB),
        Body::Block if version >= "2016-05-31" => ("blockbytes", 100 * MIB),
        Body::Block => ("blockbytes", 4 * MIB),
        Body::Whole if version >= "2019-12-12" => ("blobbytes", 5000 * MIB),
        Body::Whole if version >= "2016-05-31" => ("blobbytes", 256 * MIB),
        Body::Whole => ("blobbytes", 64 * MIB),
    };
    limit(world, name).map_or(usual, u64::from)
}

/// A limit that a test set with [`World::set_limit`].
fn limit(world: &World, name: &str) -> Option<u32> {
    world.limits.get(&format!("storage/{name}")).copied()
}

fn count_limit(world: &World, name: &str, usual: usize) -> usize {
    limit(world, name).map_or(usual, |limit| limit as usize)
}

/// Refuses a body that is too large. `Content-Length` counts when it says more than what arrived.
pub(super) fn check_size(world: &World, call: &Call, body: Body) -> Result<(), Refusal> {
    let said = call.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let most = most(world, call, body);
    if said.max(call.wire.body.len() as u64) > most {
        return Err(Refusal::from(TOO_LARGE).with_detail("MaxLimit", &most.to_string()));
    }
    Ok(())
}

pub(super) fn stage(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    let id = call.query("blockid").ok_or_else(|| refusal::missing_query("blockid"))?.to_owned();
    let decoded = base64::engine::general_purpose::STANDARD.decode(&id);
    if decoded.map_or(true, |id| id.is_empty() || id.len() > 64) {
        return Err(refusal::bad_query("blockid"));
    }
    check_size(world, call, Body::Block)?;
    if call.wire.body.is_empty() {
        return Err(Refusal::from(BAD_HEADER)
            .with_detail("HeaderName", "Content-Length")
            .with_detail("HeaderValue", "0"));
    }
    let checked = sums::check(call)?;
    let there = blob::find(world, call)?;
    let lease = there.map(|blob| blob.lease.at(call.now)).unwrap_or_default();
    lease.admits_write(call.header("x-ms-lease-id"), super::lease::What::Blob)?;
    let container = the_container(world, call)?.key();
    let most = count_limit(world, "uncommittedblocks", 100_000);
    let staged = world.storage.staged.entry(container).or_default().entry(call.name()).or_default();
    // As long as "any existing uncommitted blocks" ("Put Block").
    if staged.keys().next().is_some_and(|waiting| waiting.len() != id.len()) {
        return Err(ODD_ID.into());
    }
    if staged.len() >= most && !staged.contains_key(&id) {
        return Err(TOO_MANY.into());
    }
    staged.insert(id, call.wire.body.as_slice().into());
    Ok(checked.confirm(SimResponse::empty(201)).with_header("x-ms-request-server-encrypted", "true"))
}

pub(super) fn commit(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    let there = blob::find(world, call)?.cloned();
    blob::writable(call, there.as_ref())?;
    let checked = sums::check(call)?;
    let container = the_container(world, call)?.key();
    let wanted = if call.wire.body.windows(12).any(|w| w == b"<BlockList/>" || w == b"<BlockList /") {
        Vec::new()
    } else {
        xml::leaves(&call.wire.body).ok_or(BAD_XML)?
    };
    let wanted: Vec<_> = wanted.into_iter().filter(|(name, _)| name != "BlockList").collect();
    if wanted.len() > count_limit(world, "committedblocks", 50_000) {
        return Err(TOO_LONG.into());
    }
    let staged = world.storage.staged.get(&container).and_then(|s| s.get(&call.name()));
    let old = there.as_ref().map(committed).unwrap_or_default();
    let (mut data, mut blocks) = (Content::default(), Vec::new());
    for (list, id) in wanted {
        let fresh = staged.and_then(|staged| staged.get(&id)).cloned();
        let part = match list.as_str() {
            "Latest" => fresh.or_else(|| old.get(id.as_str()).cloned()),
            "Uncommitted" => fresh,
            "Committed" => old.get(id.as_str()).cloned(),
            _ => return Err(BAD_XML.into()),
        };
        let part = part.ok_or(BLOCKS)?;
        blocks.push((id, part.len() as u64));
        data.append(&part);
    }
    let kind = call.header("x-ms-blob-content-type").unwrap_or("application/octet-stream").to_owned();
    let md5 = call.header("x-ms-blob-content-md5").map(str::to_owned);
    Ok(checked.confirm(blob::store(world, call, data, kind, md5, blocks)))
}

/// The blocks that a blob consists of, by id.
fn committed(blob: &Blob) -> BTreeMap<&str, Content> {
    let parts = blob.data.split(blob.blocks.iter().map(|(_, size)| *size));
    blob.blocks.iter().map(|(id, _)| id.as_str()).zip(parts).collect()
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::ReadItem)?;
    let there = blob::find(world, call)?;
    let container = the_container(world, call)?.key();
    let staged = world.storage.staged.get(&container).and_then(|staged| staged.get(&call.name()));
    if there.is_none() && staged.is_none_or(BTreeMap::is_empty) {
        return Err(NO_BLOB.into());
    }
    let entry = |id: &str, size: u64| {
        format!("<Block>{}{}</Block>", xml::element("Name", id), xml::element("Size", &size.to_string()))
    };
    let old: String = there.iter().flat_map(|blob| &blob.blocks).map(|(id, size)| entry(id, *size)).collect();
    let new: String = staged.into_iter().flatten().map(|(id, block)| entry(id, block.len() as u64)).collect();
    let kind = call.query("blocklisttype").unwrap_or("committed").to_ascii_lowercase();
    let mut inner = String::new();
    if kind != "uncommitted" {
        inner.extend(["<CommittedBlocks>", &old, "</CommittedBlocks>"]);
    }
    if kind != "committed" {
        inner.extend(["<UncommittedBlocks>", &new, "</UncommittedBlocks>"]);
    }
    let mut response = SimResponse::empty(200).with_header("content-type", "application/xml");
    if let Some(blob) = there {
        response.set_header("etag", &blob.etag);
        response.set_header("x-ms-blob-content-length", &blob.data.len().to_string());
    }
    response.body = xml::document(&format!("<BlockList>{inner}</BlockList>"));
    Ok(response)
}
