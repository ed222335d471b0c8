//! The storage data planes, queues and blobs, as Microsoft's pages "Queue Storage REST API" and "Blob Storage REST API"
//! describe them. Queues and containers are the resources of the control plane; what is in them is kept here.

mod access;
mod blob;
mod block;
mod conditions;
mod container;
mod content;
mod lease;
mod list;
mod message;
mod queue;
mod refusal;
mod sas;
mod state;
mod sums;
mod xml;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ACCOUNT;
use crate::resource::{ProvisioningState, Resource};
use crate::route::Request;
use crate::wire::{SimRequest, SimResponse};
use crate::world::World;

pub(crate) use blob::put_blob;
pub(crate) use container::ensure_container;
pub(super) use container::lease_words;
pub(crate) use sas::package_url;
pub(crate) use state::Store;

use refusal::Refusal;

/// Which of an account's services is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Blob,
    Queue,
}

/// Account and service of a host.
fn service(host: &str) -> Option<(&str, Service)> {
    let (account, rest) = host.split_once('.')?;
    match rest {
        "blob.core.windows.net" => Some((account, Service::Blob)),
        "queue.core.windows.net" => Some((account, Service::Queue)),
        _ => None,
    }
}

/// Whether a data plane of some storage account answers at this host.
pub(crate) fn is_host(host: &str) -> bool {
    service(host).is_some()
}

/// A request to an account's service.
struct Call<'a> {
    wire: &'a SimRequest,
    request: &'a Request,
    /// The account it is for.
    account: Resource,
    service: Service,
    now: Timestamp,
}

impl Call<'_> {
    fn method(&self) -> &str {
        &self.request.method
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.request.query(name)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).map(String::as_str)
    }

    /// The container or queue, as named in the path; empty for the service itself.
    fn parent(&self) -> &str {
        self.request.segments.first().map_or("", String::as_str)
    }

    /// What the path names below container or queue.
    fn name(&self) -> String {
        self.request.segments.get(1..).unwrap_or_default().join("/")
    }

    /// The control plane's id of the container or queue.
    fn parent_id(&self) -> String {
        match self.service {
            Service::Blob => format!("{}/blobServices/default/containers/{}", self.account.id, self.parent()),
            Service::Queue => format!("{}/queueServices/default/queues/{}", self.account.id, self.parent()),
        }
    }

    /// The service's own address.
    fn endpoint(&self) -> String {
        format!("https://{}/", self.wire.url.host_str().unwrap_or_default())
    }

    /// `x-ms-meta-*`, without the prefix.
    fn metadata(&self) -> BTreeMap<String, String> {
        let headers = self.request.headers.iter();
        headers.filter_map(|(k, v)| Some((k.strip_prefix("x-ms-meta-")?.to_owned(), v.clone()))).collect()
    }

    /// A whole number in the query, within limits.
    fn number(&self, name: &'static str, least: i64, most: i64) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let number: i64 = text.parse().map_err(|_| refusal::bad_query(name))?;
        if (least..=most).contains(&number) {
            return Ok(Some(number));
        }
        Err(refusal::out_of_range(name, number, least, most))
    }
}

/// Answers for an account's blob or queue service.
pub(crate) fn handle(world: &mut World, wire: &SimRequest, request: &Request, host: &str) -> SimResponse {
    let now = world.now();
    let found = service(host).and_then(|(name, service)| {
        let ready = |r: &&Resource| r.is(ACCOUNT) && r.name == name && r.state != ProvisioningState::Creating;
        let account = world.resources().values().find(ready)?;
        let has_it = account.extra.get("kind").and_then(|k| k.as_str()) != Some("FileStorage");
        has_it.then(|| Call { wire, request, account: account.clone(), service, now })
    });
    let Some(call) = found else {
        // There is no such name in the DNS.
        let mut nowhere = SimResponse::empty(502);
        nowhere.lost = true;
        return nowhere;
    };
    let answer = match call.service {
        Service::Blob => container::handle(world, &call),
        Service::Queue => queue::handle(world, &call),
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(refusal) => {
            let id = world.guid();
            refusal.render(&id, now, request.method == "HEAD")
        }
    };
    for name in ["x-ms-version", "x-ms-client-request-id"] {
        if let Some(value) = call.header(name) {
            response.set_header(name, value);
        }
    }
    response
}

/// Whether a principal may read the blob at this address, and if not why: for guests, which send no requests here.
pub(crate) fn may_read(world: &World, principal: &str, url: &str) -> Result<(), String> {
    let (host, path) =
        url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).ok_or("that is no address")?;
    let (account, _) = service(host).ok_or("that is no blob service")?;
    let (container, blob) = path.split_once('/').ok_or("that is no blob")?;
    let account = world.resources().values().find(|r| r.is(ACCOUNT) && r.name == account);
    let account = account.ok_or("there is no such account")?;
    let container = format!("{}/blobServices/default/containers/{container}", account.id);
    if !access::may_read(world, principal, &container) {
        return Err("403 AuthorizationPermissionMismatch".to_owned());
    }
    let blobs = world.storage.blobs.get(&crate::resource::key(&container));
    if blobs.is_some_and(|blobs| blobs.contains_key(blob)) {
        Ok(())
    } else {
        Err("404 BlobNotFound".to_owned())
    }
}

/// Whether a principal may read blobs in a container, by its resource id.
pub(crate) fn may_read_in(world: &World, principal: &str, container: &str) -> bool {
    access::may_read(world, principal, container)
}

/// Whether a principal may write blobs in a container, by its resource id.
pub(crate) fn may_write(world: &World, principal: &str, container: &str) -> bool {
    access::may_write(world, principal, container)
}

/// A container or queue is gone, and what was in it.
pub(crate) fn on_removed(world: &mut World, resource: &Resource) {
    if resource.is(super::blob::CONTAINER) || resource.is(super::queue::QUEUE) {
        world.storage.forget(&resource.key());
    }
}

/// A time as in HTTP headers.
fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A new entity tag in the storage services' form.
fn new_etag(world: &mut World) -> String {
    format!("\"0x8DE{}\"", &world.guid().replace('-', "").to_ascii_uppercase()[..12])
}

/// Whether a container or queue may be called so: 3-63 lower-case letters, digits and single hyphens.
fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let hyphens = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if !(3..=63).contains(&name.len()) {
        return Err(refusal::NAME_LENGTH.into());
    }
    if !plain || hyphens {
        return Err(refusal::NAME_CHARACTERS.into());
    }
    Ok(())
}
