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
    /// The actions that each suffice, below the service's own.
    fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["read"],
            Self::Write => &["write"],
            Self::Delete => &["delete"],
            Self::Add => &["items/add", "items/write"],
            Self::ReadItem => &["items/read"],
            Self::WriteItem => &["items/write"],
            Self::DeleteItem => &["items/delete"],
            Self::Process => &["items/process"],
        }
    }

    /// The letters of a shared access signature that each suffice.
    pub(super) fn letters(self, service: Service) -> &'static str {
        match (self, service) {
            (Self::Read | Self::ReadItem, _) => "r",
            (Self::Add, _) => "a",
            (Self::Process, _) => "p",
            (Self::WriteItem, Service::Queue) => "u",
            (Self::DeleteItem, Service::Queue) => "p",
            (Self::Write | Self::WriteItem, _) => "cw",
            (Self::Delete | Self::DeleteItem, _) => "d",
        }
    }
}

/// The data roles: service, the GUID of the definition, what it allows. Messages and blobs are `items` here.
const ROLES: &[(Service, &str, &[&str])] = &[
    // Storage Queue Data Contributor
    (
        Service::Queue,
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        &["read", "write", "delete", "items/read", "items/write", "items/delete", "items/process"],
    ),
    // Storage Queue Data Reader
    (Service::Queue, "19e7f393-937e-4f77-808e-94535e297925", &["read", "items/read"]),
    // Storage Queue Data Message Processor: it gets, peeks and deletes, and may not extend.
    (Service::Queue, "8a0f0c08-91a1-4084-bc3d-661d67233fed", &["items/read", "items/process"]),
    // Storage Queue Data Message Sender
    (Service::Queue, "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a", &["items/add"]),
    // Storage Blob Data Owner
    (
        Service::Blob,
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        &["read", "write", "delete", "items/read", "items/write", "items/delete"],
    ),
    // Storage Blob Data Contributor
    (
        Service::Blob,
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        &["read", "write", "delete", "items/read", "items/write", "items/delete"],
    ),
    // Storage Blob Data Reader
    (Service::Blob, "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", &["read", "items/read"]),
];

/// Whether any of these roles allows it.
fn allowed<'a>(service: Service, right: Right, mut roles: impl Iterator<Item = &'a str>) -> bool {
    roles.any(|role| {
        ROLES.iter().any(|(of, guid, actions)| {
            *of == service
                && guid.eq_ignore_ascii_case(role)
                && right.actions().iter().any(|action| actions.contains(action))
        })
    })
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
const NO_KEYS: Fixed = (
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

fn keys_are_off(call: &Call) -> bool {
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
    let who = crate::authorization::caller(world, token);
    let scope = if call.parent().is_empty() { call.account.id.clone() } else { call.parent_id() };
    let roles = crate::authorization::roles_of(world, &who, &scope);
    if allowed(call.service, right, roles) { Ok(()) } else { Err(NO_PERMISSION.into()) }
}
