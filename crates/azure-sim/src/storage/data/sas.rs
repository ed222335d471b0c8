//! Shared access signatures that this simulator signed itself: no others are good here.

use jiff::Timestamp;

use super::access::{NO_KEYS, NO_PERMISSION, Right};
use super::refusal::{Fixed, Refusal};
use super::{Call, Service};
use crate::world::World;

const FAILED: Fixed = (
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.",
);

/// What is signed.
fn sign(world: &World, resource: &str, permissions: &str, expiry: &str) -> String {
    let secret =
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("sim-{}", world.config.seed).as_bytes());
    let text = format!("{resource}\n{permissions}\n{expiry}");
    uuid::Uuid::new_v5(&secret, text.as_bytes()).simple().to_string()
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The object whose delegation key signed; an account's own key has none.
const DELEGATE: &str = "de1e6a7e-0000-4000-a000-de1e6a7e0001";

/// The query of a signature for one container or blob, or one queue: `account/blob/container[/name]`.
fn query(world: &World, resource: &str, kind: &str, permissions: &str, until: Timestamp) -> String {
    let expiry = second(until);
    let signature = sign(world, resource, permissions, &expiry);
    let expiry = expiry.replace(':', "%3A");
    format!("sv=2021-08-06&sr={kind}&sp={permissions}&se={expiry}&sig={signature}")
}

/// Where a Batch application package is uploaded to, without any other credential. Signed with the account's key, which an
/// account without shared keys refuses.
pub(crate) fn package_url(
    world: &World,
    account: &str,
    container: &str,
    name: &str,
    permissions: &str,
    until: Timestamp,
) -> String {
    let query = query(world, &format!("{account}/blob/{container}/{name}"), "b", permissions, until);
    format!("https://{account}.blob.core.windows.net/{container}/{name}?{query}")
}

impl World {
    /// A signed URL of a container (`name` empty) or blob, as a user delegation key makes it. `permissions` are Azure's
    /// letters, such as `racwd`.
    pub fn blob_sas(
        &self,
        account: &str,
        container: &str,
        name: &str,
        permissions: &str,
        until: Timestamp,
    ) -> String {
        let (path, kind) =
            if name.is_empty() { (container.to_owned(), "c") } else { (format!("{container}/{name}"), "b") };
        let query = query(self, &format!("{account}/blob/{path}"), kind, permissions, until);
        format!("https://{account}.blob.core.windows.net/{path}?skoid={DELEGATE}&{query}")
    }

    /// A signed URL of a queue.
    pub fn queue_sas(&self, account: &str, queue: &str, permissions: &str, until: Timestamp) -> String {
        let query = query(self, &format!("{account}/queue/{queue}"), "q", permissions, until);
        format!("https://{account}.queue.core.windows.net/{queue}?skoid={DELEGATE}&{query}")
    }
}

/// Refuses a request whose signature is not ours, is over, is for something else or does not go that far.
pub(super) fn check(world: &World, call: &Call, right: Right) -> Result<(), Refusal> {
    let failed = |why: &str| Refusal::from(FAILED).with_detail("AuthenticationErrorDetail", why);
    let field = |name: &str| call.query(name).unwrap_or_default();
    let (permissions, expiry) = (field("sp"), field("se"));
    let account = &call.account.name;
    let resource = match (call.service, field("sr")) {
        (Service::Queue, _) => format!("{account}/queue/{}", call.parent()),
        (Service::Blob, "c") => format!("{account}/blob/{}", call.parent()),
        (Service::Blob, _) => format!("{account}/blob/{}/{}", call.parent(), call.name()),
    };
    if field("sig") != sign(world, &resource, permissions, expiry) {
        return Err(failed("Signature did not match."));
    }
    if call.query("skoid").is_none() && super::access::keys_are_off(call) {
        return Err(NO_KEYS.into());
    }
    match expiry.parse::<Timestamp>() {
        Ok(until) if until > call.now => {}
        _ => return Err(failed("Signature not valid in the specified time frame.")),
    }
    let wanted = right.letters(call.service);
    if permissions.chars().any(|c| wanted.contains(c)) { Ok(()) } else { Err(NO_PERMISSION.into()) }
}
