//! Blobs in blocks: staged one by one, then put together ("Put Block", "Put Block List", "Get Block List").

use base64::Engine as _;

use super::access::{self, Right};
use super::blob;
use super::container::the_container;
use super::refusal::{self, BAD_XML, BLOCKS, NO_BLOB, Refusal};
use super::state::Block;
use super::{Call, xml};
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn stage(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    let id = call.query("blockid").ok_or_else(|| refusal::missing_query("blockid"))?.to_owned();
    let decoded = base64::engine::general_purpose::STANDARD.decode(&id);
    if decoded.map_or(true, |id| id.is_empty() || id.len() > 64) {
        return Err(refusal::bad_query("blockid"));
    }
    let lease = blob::find(world, call)?.map(|blob| blob.lease.at(call.now)).unwrap_or_default();
    lease.admits_write(call.header("x-ms-lease-id"), super::lease::What::Blob)?;
    let container = the_container(world, call)?.key();
    let staged = world.storage.staged.entry(container).or_default().entry(call.name()).or_default();
    staged.retain(|block| block.id != id);
    staged.push(Block { id, data: call.wire.body.clone() });
    Ok(SimResponse::empty(201).with_header("x-ms-request-server-encrypted", "true"))
}

pub(super) fn commit(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::WriteItem)?;
    let there = blob::find(world, call)?.cloned();
    blob::writable(call, there.as_ref())?;
    let container = the_container(world, call)?.key();
    let wanted = if call.wire.body.windows(12).any(|w| w == b"<BlockList/>" || w == b"<BlockList /") {
        Vec::new()
    } else {
        xml::leaves(&call.wire.body).ok_or(BAD_XML)?
    };
    let empty = Vec::new();
    let staged = world.storage.staged.get(&container).and_then(|s| s.get(&call.name())).unwrap_or(&empty);
    let (mut data, mut blocks) = (Vec::new(), Vec::new());
    for (list, id) in wanted.into_iter().filter(|(name, _)| name != "BlockList") {
        let fresh = staged.iter().find(|block| block.id == id).map(|block| block.data.as_slice());
        let old = there.as_ref().and_then(|blob| committed(&blob.data, &blob.blocks, &id));
        let part = match list.as_str() {
            "Latest" => fresh.or(old),
            "Uncommitted" => fresh,
            "Committed" => old,
            _ => return Err(BAD_XML.into()),
        };
        let part = part.ok_or(BLOCKS)?;
        blocks.push((id, part.len() as u64));
        data.extend_from_slice(part);
    }
    let kind = call.header("x-ms-blob-content-type").unwrap_or("application/octet-stream").to_owned();
    Ok(blob::store(world, call, data, kind, blocks))
}

/// The bytes of a committed block.
fn committed<'b>(data: &'b [u8], blocks: &[(String, u64)], id: &str) -> Option<&'b [u8]> {
    let at = blocks.iter().position(|(known, _)| known == id)?;
    let start: u64 = blocks[..at].iter().map(|(_, size)| size).sum();
    data.get(start as usize..(start + blocks[at].1) as usize)
}

pub(super) fn list(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::ReadItem)?;
    let there = blob::find(world, call)?;
    let container = the_container(world, call)?.key();
    let staged = world.storage.staged.get(&container).and_then(|staged| staged.get(&call.name()));
    if there.is_none() && staged.is_none_or(Vec::is_empty) {
        return Err(NO_BLOB.into());
    }
    let entry = |id: &str, size: u64| {
        format!("<Block>{}{}</Block>", xml::element("Name", id), xml::element("Size", &size.to_string()))
    };
    let old: String = there.iter().flat_map(|blob| &blob.blocks).map(|(id, size)| entry(id, *size)).collect();
    let new: String = staged.into_iter().flatten().map(|b| entry(&b.id, b.data.len() as u64)).collect();
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
