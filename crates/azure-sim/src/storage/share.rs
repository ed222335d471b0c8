//! File services and file shares.

use serde_json::{Value, json};

use super::{ACCOUNT, SHARE};
use crate::resource::{Resource, parent_of};
use crate::resources::page;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

const SERVICE: &str = "Microsoft.Storage/storageAccounts/fileServices";

/// `GET …/fileServices`: there is one, named `default`.
pub(super) fn services(world: &World, request: &Request) -> SimResponse {
    let account = request.id(world);
    match world.resource(&account) {
        Some(account) => SimResponse::json(200, &json!({"value": [service_body(world, account)]})),
        None => request.not_found(),
    }
}

/// `GET` and `PUT …/fileServices/default`
pub(super) fn service(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let parent = parent_of(&id).unwrap_or_default().to_owned();
    let Some(account) = world.resource(&parent).cloned() else { return request.parent_not_found(&parent) };
    match request.method.as_str() {
        "GET" => SimResponse::json(200, &service_body(world, &account)),
        "PUT" => {
            let wanted = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
            let mut service = Resource::new(&id, SERVICE, world.now());
            service.properties = wanted;
            world.put(service);
            SimResponse::json(200, &service_body(world, &account))
        }
        _ => request.no_such_method(),
    }
}

fn service_body(world: &World, account: &Resource) -> Value {
    let id = format!("{}/fileServices/default", account.id);
    let retention = json!({"enabled": true, "days": 7});
    let mut properties = json!({"protocolSettings": {"smb": {}}, "cors": {"corsRules": []}, "shareDeleteRetentionPolicy": retention});
    let stored = world.resource(&id).and_then(|r| r.properties.as_object().cloned());
    for (name, value) in stored.into_iter().flatten() {
        properties[name] = value;
    }
    json!({
        "sku": account.extra.get("sku"),
        "id": id,
        "name": "default",
        "type": SERVICE,
        "properties": properties,
    })
}

pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    let service = request.id(world);
    let account = parent_of(&service).unwrap_or_default();
    if world.resource(account).is_none() {
        return request.parent_not_found(account);
    }
    let all: Vec<Value> = world.children(&service, SHARE).map(body).collect();
    page(request, all)
}

/// A share as Azure sends it: no provisioningState, quoted etag.
pub(super) fn body(share: &Resource) -> Value {
    json!({
        "id": share.id,
        "name": share.name,
        "type": SHARE,
        "etag": share.etag,
        "properties": share.properties,
    })
}

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let account = parent_of(&id).and_then(parent_of).unwrap_or_default().to_owned();
    let Some(account) = world.resource(&account).filter(|r| r.is(ACCOUNT)).cloned() else {
        return request.parent_not_found(&account);
    };
    match request.method.as_str() {
        "GET" => match world.resource(&id) {
            Some(share) => SimResponse::json(200, &body(share)).with_header("etag", &share.etag),
            None => not_found(),
        },
        "PUT" | "PATCH" => write(world, request, &id, &account),
        "DELETE" if world.resource(&id).is_none() => SimResponse::empty(204),
        "DELETE" => {
            world.remove(&id);
            SimResponse::empty(200)
        }
        _ => request.no_such_method(),
    }
}

/// Recorded: the file service's own words.
fn not_found() -> SimResponse {
    SimResponse::arm_error(404, "ShareNotFound", "The specified share does not exist.")
}

fn bad(code: &str, message: &str) -> SimResponse {
    SimResponse::arm_error(400, code, message)
}

fn is_legal(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (3..=63).contains(&name.len())
        && plain
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn write(world: &mut World, request: &Request, id: &str, account: &Resource) -> SimResponse {
    let name = crate::resource::last_segment(id);
    if !is_legal(name) {
        return bad("InvalidResourceName", "The specified resource name contains invalid characters.");
    }
    let wanted = request.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let text = |member: &str| wanted.get(member).and_then(Value::as_str);
    let premium = account.extra.get("kind").and_then(Value::as_str) == Some("FileStorage");
    let old = world.resource(id).cloned();
    if old.is_none() && request.method == "PATCH" {
        return not_found();
    }
    let protocol = match (&old, text("enabledProtocols")) {
        (Some(old), None) => old.text("/enabledProtocols").unwrap_or("SMB").to_owned(),
        (Some(old), Some(asked)) if old.text("/enabledProtocols") != Some(asked) => {
            return bad(
                "CannotChangeShareProtocol",
                "The protocol of an existing share cannot be changed: enabledProtocols.",
            );
        }
        (_, asked) => asked.unwrap_or("SMB").to_owned(),
    };
    if protocol == "NFS" && !premium {
        return bad(
            "InvalidHeaderValue",
            "The value for one of the HTTP headers is not in the correct format: NFS shares need a premium FileStorage account.",
        );
    }
    let before = old.as_ref().and_then(|o| o.property("/shareQuota")).and_then(Value::as_u64);
    let usual = if premium { 100 } else { 5120 };
    let quota = wanted.get("shareQuota").and_then(Value::as_u64).or(before).unwrap_or(usual);
    let least = if premium { 100 } else { 1 };
    if !(least..=102_400).contains(&quota) {
        return bad(
            "InvalidHeaderValue",
            &format!(
                "The value for one of the HTTP headers is not in the correct format: shareQuota must be between {least} and 102400 GiB."
            ),
        );
    }
    let now = world.now();
    let new = old.is_none();
    let mut share = old.unwrap_or_else(|| Resource::new(id, SHARE, now));
    share.set("leaseStatus", json!("unlocked"));
    share.set("leaseState", json!("available"));
    share.set(
        "accessTier",
        json!(text("accessTier").unwrap_or(if premium { "Premium" } else { "TransactionOptimized" })),
    );
    share.set("accessTierChangeTime", json!(now.to_string()));
    share.set("signedIdentifiers", json!([]));
    share.set("lastModifiedTime", json!(now.to_string()));
    share.set("shareQuota", json!(quota));
    share.set("enabledProtocols", json!(protocol));
    if protocol == "NFS" {
        let squash = text("rootSquash").or(share.text("/rootSquash")).unwrap_or("NoRootSquash").to_owned();
        share.set("rootSquash", json!(squash));
    }
    if let Some(metadata) = wanted.get("metadata") {
        share.set("metadata", metadata.clone());
    }
    share.etag = format!("\"0x8DE{}\"", &world.guid().replace('-', "").to_ascii_uppercase()[..12]);
    let (etag, whole) = (share.etag.clone(), body(&share));
    let brief = json!({"id": share.id, "name": share.name, "type": SHARE, "properties": wanted});
    world.put(share);
    // Recorded: PUT echoes what was asked for, 201 when it is new.
    match (request.method.as_str(), new) {
        ("PUT", true) => SimResponse::json(201, &brief),
        _ => SimResponse::json(200, &whole),
    }
    .with_header("etag", &etag)
}
