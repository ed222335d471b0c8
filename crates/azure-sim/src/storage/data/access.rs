//! Who may do what to queues, messages, containers and blobs.
//!
//! Data needs a data role, even of an owner (Microsoft's page "Authorize access to data in Azure Storage"). Which action
//! an operation needs is in "Authorize with Microsoft Entra ID", the actions of roles are in "Azure built-in roles".

use super::refusal::{Fixed, Refusal};
use super::{Call, Service, sas};
use crate::world::World;

/// What an operation wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Read the properties of a queue or container, or list them.
    Read,
    /// Make a queue or container, or change its metadata.
    Write,
    /// Delete a queue or container.
    Delete,
    /// Put a message.
    Add,
    /// Peek at messages, read blobs.
    ReadItem,
    /// Change a message, write a blob.
    WriteItem,
    /// Clear messages, delete a blob.
    DeleteItem,
    /// Get messages, or delete one that was got.
    Process,
}

impl Right {
    /// The letters of a shared access signature that each suffice.
    pub(super) fn letters(self, service: Service) -> &'static str {
        match (self, service) {
            (Self::Read | Self::ReadItem, _) => "r",
            (Self::Add, _) => "a",
            (Self::WriteItem, Service::Queue) => "u",
            (Self::Process, _) | (Self::DeleteItem, Service::Queue) => "p",
            (Self::Write | Self::WriteItem, _) => "cw",
            (Self::Delete | Self::DeleteItem, _) => "d",
        }
    }
}

/// Whether a principal's roles allow it: what concerns a whole queue or container is an action of the control plane, what
/// concerns messages and blobs is a data action. A message processor gets, peeks and deletes, and may not extend.
fn allowed(world: &World, who: &str, service: Service, right: Right, scope: &str) -> bool {
    let (kind, items) = match service {
        Service::Blob => ("Microsoft.Storage/storageAccounts/blobServices/containers", "blobs"),
        Service::Queue => ("Microsoft.Storage/storageAccounts/queueServices/queues", "messages"),
    };
    let control = |verb: &str| crate::roles::allow(world, who, &format!("{kind}/{verb}"), scope);
    let data = |verb: &str| crate::roles::allow_data(world, who, &format!("{kind}/{items}/{verb}"), scope);
    match right {
        Right::Read => control("read"),
        Right::Write => control("write"),
        Right::Delete => control("delete"),
        Right::Add => data("add/action") || data("write"),
        Right::ReadItem => data("read"),
        Right::WriteItem => data("write"),
        Right::DeleteItem => data("delete"),
        Right::Process => data("process/action") || (data("delete") && data("read")),
    }
}

const NOBODY: Fixed = (
    401,
    "NoAuthenticationInformation",
    "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
);
const EXPIRED: Fixed =
    (401, "InvalidAuthenticationInfo", "Lifetime validation failed. The token is expired.");
const FAILED: Fixed = (
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.",
);
pub(super) const NO_KEYS: Fixed = (
    403,
    "KeyBasedAuthenticationNotPermitted",
    "Key based authentication is not permitted on this storage account.",
);
pub(super) const NO_PERMISSION: Fixed = (
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
);

fn challenge(world: &World) -> String {
    let tenant = &world.config.tenant_id;
    format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{tenant}/oauth2/authorize resource_id=https://storage.azure.com"
    )
}

/// Refuses a request that its sender has no right to.
pub(super) fn check(world: &mut World, call: &Call, right: Right) -> Result<(), Refusal> {
    let header = call.header("authorization").unwrap_or_default();
    let (scheme, credentials) = header.split_once(' ').unwrap_or((header, ""));
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => bearer(world, call, right, credentials.trim()),
        // The keys that `listKeys` answers with sign nothing here.
        "sharedkey" | "sharedkeylite" => Err(if keys_are_off(call) { NO_KEYS } else { FAILED }.into()),
        _ if call.query("sig").is_some() => sas::check(world, call, right),
        _ => Err(Refusal::from(NOBODY).with_header("www-authenticate", &challenge(world))),
    }
}

/// Whether a principal may read what is in a container.
pub(super) fn may_read(world: &World, who: &str, container: &str) -> bool {
    allowed(world, who, Service::Blob, Right::ReadItem, container)
}

/// Whether a principal may write what is in a container.
pub(super) fn may_write(world: &World, who: &str, container: &str) -> bool {
    allowed(world, who, Service::Blob, Right::WriteItem, container)
}

pub(super) fn keys_are_off(call: &Call) -> bool {
    call.account.property("/allowSharedKeyAccess") == Some(&serde_json::json!(false))
}

fn bearer(world: &mut World, call: &Call, right: Right, token: &str) -> Result<(), Refusal> {
    if token.is_empty() || !world.accepts_token(token) {
        return Err(Refusal::from(EXPIRED).with_header("www-authenticate", &challenge(world)));
    }
    // Without a version the services speak as in 2009, when there were no tokens ("Versioning for Azure Storage").
    if call.header("x-ms-version").is_none_or(|version| version < "2017-11-09") {
        let why = "Authentication scheme Bearer is not supported in this version.";
        return Err(Refusal::from(FAILED).with_detail("AuthenticationErrorDetail", why));
    }
    let who = world.principal_of(token);
    let scope = if call.parent().is_empty() { call.account.id.clone() } else { call.parent_id() };
    if allowed(world, &who, call.service, right, &scope) { Ok(()) } else { Err(NO_PERMISSION.into()) }
}
