//! Resources that several crates want alike.

use serde_json::json;

use super::desired::{Desired, Update};
use crate::ids::{Location, ResourceId};
use crate::tags::Tags;

/// User-assigned identities.
pub const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
/// <https://learn.microsoft.com/rest/api/managedidentity>
pub const IDENTITY_API: &str = "2023-01-31";
/// Storage accounts.
pub const STORAGE: &str = "Microsoft.Storage/storageAccounts";
/// <https://learn.microsoft.com/rest/api/storagerp>
pub const STORAGE_API: &str = "2023-05-01";

/// A user-assigned identity.
pub fn identity(id: ResourceId, location: &Location, tags: &Tags, purpose: &'static str) -> Desired {
    Desired::new(id, IDENTITY_API, purpose, json!({"location": location.as_str(), "tags": tags}))
}

/// A general-purpose storage account that no key opens. `remedy`: what to do where there is one of another kind.
pub fn keyless_storage(
    id: ResourceId,
    location: &Location,
    tags: &Tags,
    purpose: &'static str,
    remedy: &'static str,
) -> Desired {
    let body = json!({
        "location": location.as_str(),
        "tags": tags,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "minimumTlsVersion": "TLS1_2",
            "allowSharedKeyAccess": false,
            "allowBlobPublicAccess": false,
            "supportsHttpsTrafficOnly": true,
        },
    });
    Desired {
        replace_on: &["/kind", "/sku"],
        replace_remedy: remedy,
        update: Update::Patch(&["/tags", "/properties"]),
        ..Desired::new(id, STORAGE_API, purpose, body)
    }
}
