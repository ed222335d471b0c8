//! Microsoft.Storage: accounts, shares, containers and queues in the control plane, blobs and messages in the data
//! planes.

mod account;
mod blob;
pub(crate) mod data;
mod immutability;
mod queue;
mod share;

use crate::resource::{Resource, key, reference};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Full type of accounts.
pub(crate) const ACCOUNT: &str = "Microsoft.Storage/storageAccounts";
/// Full type of file shares.
pub(crate) const SHARE: &str = "Microsoft.Storage/storageAccounts/fileServices/shares";

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match (request.method.as_str(), request.kind().as_str()) {
        ("POST", "checknameavailability") => account::check_name(world, request),
        ("GET", "locations/usages") => account::usages(world, request),
        ("GET", "storageaccounts") if request.is_collection() => account::list(world, request),
        ("POST", "storageaccounts/listkeys" | "storageaccounts/regeneratekey") => {
            account::list_keys(world, request)
        }
        (_, "storageaccounts/blobservices") if !request.is_collection() => blob::service(world, request),
        (_, "storageaccounts/blobservices/containers") => blob::containers(world, request),
        (_, "storageaccounts/queueservices") => queue::service(world, request),
        (_, "storageaccounts/queueservices/queues") => queue::queues(world, request),
        (_, "storageaccounts") => account::handle(world, request),
        ("GET", "storageaccounts/fileservices") if request.is_collection() => share::services(world, request),
        (_, "storageaccounts/fileservices") => share::service(world, request),
        ("GET", "storageaccounts/fileservices/shares") if request.is_collection() => {
            share::list(world, request)
        }
        (_, "storageaccounts/fileservices/shares") => share::handle(world, request),
        _ => request.no_such_method(),
    }
}

/// A stored resource as the provider renders it.
pub(crate) fn body(world: &World, resource: &Resource) -> serde_json::Value {
    if resource.is(SHARE) {
        share::body(resource)
    } else if resource.is(blob::CONTAINER) {
        blob::body(world, resource)
    } else if resource.is(queue::QUEUE) {
        queue::body(resource)
    } else {
        account::body(resource)
    }
}

/// Why an NFS share named in a text (`acct.file.core.windows.net:/acct/share`) cannot be mounted from a subnet.
/// `None` when it can, or when the text names no share.
pub(crate) fn mount_trouble(world: &World, text: &str, subnet: &str) -> Option<String> {
    let (host, path) = export(text)?;
    let denied =
        |why: &str| Some(format!("mount.nfs: access denied by server while mounting {host}:/{path} ({why})"));
    let mut words = path.split('/');
    let (account, share) = (words.next()?, words.next()?);
    let name = host.split('.').next()?;
    let Some(account) =
        world.resources().values().find(|r| r.is(ACCOUNT) && r.name == name && name == account)
    else {
        return Some(format!("mount.nfs: Failed to resolve server {host}: Name or service not known"));
    };
    let id = format!("{}/fileServices/default/shares/{share}", account.id);
    let Some(share) = world.resource(&id) else { return denied("no such share") };
    if share.text("/enabledProtocols") != Some("NFS") {
        return denied("not an NFS share");
    }
    if account.property("/supportsHttpsTrafficOnly") == Some(&serde_json::json!(true))
        && !text.contains("aznfs")
    {
        return denied("secure transfer is required");
    }
    let open = account.text("/networkAcls/defaultAction") != Some("Deny");
    let rules = account.property("/networkAcls/virtualNetworkRules").and_then(serde_json::Value::as_array);
    let admitted = rules
        .into_iter()
        .flatten()
        .any(|rule| reference(Some(rule)).is_some_and(|id| key(id) == key(subnet)));
    if open || admitted { None } else { denied("the subnet is not among the account's network rules") }
}

/// Host and path of the first NFS export in a text.
fn export(text: &str) -> Option<(&str, &str)> {
    let mark = ".file.core.windows.net:/";
    let at = text.find(mark)?;
    let legal = |c: char| c.is_ascii_alphanumeric();
    let start = text[..at].rfind(|c| !legal(c)).map_or(0, |i| i + 1);
    let rest = &text[at + mark.len()..];
    let end = rest.find(|c: char| !(legal(c) || c == '/' || c == '-')).unwrap_or(rest.len());
    Some((&text[start..at + mark.len() - 2], &rest[..end]))
}
