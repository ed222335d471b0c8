//! Lists of queues, containers and blobs, with prefix, page size and marker.

use super::access::{self, Right};
use super::container::the_container;
use super::queue::metadata_of;
use super::refusal::Refusal;
use super::state::Blob;
use super::{Call, Service, http_date, xml};
use crate::resource::Resource;
use crate::storage::blob::CONTAINER;
use crate::storage::queue::QUEUE;
use crate::wire::SimResponse;
use crate::world::World;

/// The most that one page holds ("List Blobs").
const MOST: i64 = 5000;

/// Names in their order with what is said about each, as a page.
fn page(
    call: &Call,
    attributes: &str,
    around: &str,
    entries: Vec<(String, String)>,
) -> Result<SimResponse, Refusal> {
    let most = call.number("maxresults", 1, i64::MAX)?;
    let size = most.unwrap_or(MOST).min(MOST) as usize;
    let marker = call.query("marker").unwrap_or_default();
    let mut rest = entries.into_iter().skip_while(|(name, _)| name.as_str() < marker);
    let page: String = rest.by_ref().take(size).map(|(_, entry)| entry).collect();
    let next = rest.next().map_or(String::new(), |(name, _)| name);
    let mut head = String::new();
    for (element, parameter) in
        [("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults"), ("Delimiter", "delimiter")]
    {
        if let Some(value) = call.query(parameter).filter(|value| !value.is_empty()) {
            head += &xml::element(element, value);
        }
    }
    let endpoint = xml::escape(&call.endpoint());
    let body = if page.is_empty() { format!("<{around} />") } else { format!("<{around}>{page}</{around}>") };
    let root = format!(
        "<EnumerationResults ServiceEndpoint=\"{endpoint}\"{attributes}>{head}{body}{}</EnumerationResults>",
        xml::element("NextMarker", &next)
    );
    let mut response = SimResponse::empty(200).with_header("content-type", "application/xml");
    response.body = xml::document(&root);
    Ok(response)
}

fn includes(call: &Call, what: &str) -> bool {
    call.query("include").is_some_and(|list| list.split(',').any(|one| one.eq_ignore_ascii_case(what)))
}

fn metadata<'m>(pairs: impl IntoIterator<Item = (&'m String, &'m String)>) -> String {
    let inner: String = pairs.into_iter().map(|(name, value)| xml::element(name, value)).collect();
    if inner.is_empty() { "<Metadata />".to_owned() } else { format!("<Metadata>{inner}</Metadata>") }
}

/// The account's queues or containers, whose names begin as asked.
fn children(world: &World, call: &Call) -> Vec<Resource> {
    let kind = if call.service == Service::Queue { QUEUE } else { CONTAINER };
    let prefix = call.query("prefix").unwrap_or_default();
    let all = world.children(&call.account.id, kind).filter(|r| r.name.starts_with(prefix));
    let mut all: Vec<Resource> = all.cloned().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

pub(super) fn queues(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Read)?;
    let with_metadata = includes(call, "metadata");
    let entry = |queue: Resource| {
        let mut inner = xml::element("Name", &queue.name);
        if with_metadata {
            let pairs = metadata_of(&queue);
            inner += &metadata(pairs.iter().map(|(name, value)| (name, value)));
        }
        (queue.name, format!("<Queue>{inner}</Queue>"))
    };
    page(call, "", "Queues", children(world, call).into_iter().map(entry).collect())
}

pub(super) fn containers(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::Read)?;
    let with_metadata = includes(call, "metadata");
    let entry = |container: Resource| {
        let lease = world.storage.leases.get(&container.key()).cloned().unwrap_or_default().at(call.now);
        let modified = container.text("/lastModifiedTime").and_then(|text| text.parse().ok());
        let properties = [
            xml::element("Last-Modified", &http_date(modified.unwrap_or(container.created_at))),
            xml::element("Etag", &container.etag),
            lease_elements(&lease),
            "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
                .to_owned(),
        ];
        let mut inner = xml::element("Name", &container.name);
        inner.extend(["<Properties>", &properties.concat(), "</Properties>"]);
        if with_metadata {
            let pairs = metadata_of(&container);
            inner += &metadata(pairs.iter().map(|(name, value)| (name, value)));
        }
        (container.name, format!("<Container>{inner}</Container>"))
    };
    page(call, "", "Containers", children(world, call).into_iter().map(entry).collect())
}

fn lease_elements(lease: &super::lease::Lease) -> String {
    let (status, state, duration) = lease.words();
    let mut text = xml::element("LeaseStatus", status) + &xml::element("LeaseState", state);
    if let Some(duration) = duration {
        text += &xml::element("LeaseDuration", duration);
    }
    text
}

fn blob_entry(call: &Call, name: &str, blob: &Blob, with_metadata: bool) -> String {
    let properties = [
        xml::element("Creation-Time", &http_date(blob.created)),
        xml::element("Last-Modified", &http_date(blob.modified)),
        // Here, and only here, without quotes.
        xml::element("Etag", blob.etag.trim_matches('"')),
        xml::element("Content-Length", &blob.data.len().to_string()),
        xml::element("Content-Type", &blob.content_type),
        xml::element("BlobType", "BlockBlob"),
        xml::element("AccessTier", "Hot"),
        xml::element("AccessTierInferred", "true"),
        lease_elements(&blob.lease.at(call.now)),
        xml::element("ServerEncrypted", "true"),
    ];
    let mut inner = xml::element("Name", name);
    inner.extend(["<Properties>", &properties.concat(), "</Properties>"]);
    if with_metadata {
        inner += &metadata(&blob.metadata);
    }
    format!("<Blob>{inner}</Blob>")
}

pub(super) fn blobs(world: &mut World, call: &Call) -> Result<SimResponse, Refusal> {
    access::check(world, call, Right::ReadItem)?;
    let container = the_container(world, call)?.key();
    let prefix = call.query("prefix").unwrap_or_default();
    let delimiter = call.query("delimiter").filter(|d| !d.is_empty());
    let with_metadata = includes(call, "metadata");
    let mut entries: Vec<(String, String)> = Vec::new();
    for (name, blob) in world.storage.blobs.get(&container).into_iter().flatten() {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        // What has the delimiter after the prefix is folded into one entry.
        if let Some(at) = delimiter.and_then(|d| rest.find(d).map(|at| at + d.len())) {
            let folded = format!("{prefix}{}", &rest[..at]);
            if entries.last().is_none_or(|(last, _)| *last != folded) {
                let entry = format!("<BlobPrefix>{}</BlobPrefix>", xml::element("Name", &folded));
                entries.push((folded, entry));
            }
        } else {
            entries.push((name.clone(), blob_entry(call, name, blob, with_metadata)));
        }
    }
    let attributes = format!(" ContainerName=\"{}\"", xml::escape(call.parent()));
    page(call, &attributes, "Blobs", entries)
}
