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
    Desired {
        id,
        api_version: IDENTITY_API,
        body: json!({"location": location.as_str(), "tags": tags}),
        purpose,
        after: Vec::new(),
        early: None,
        beside: Vec::new(),
        create_only: &[],
        replace_on: &[],
        replace_remedy: "",
        update: Update::Put,
    }
}

/// A general-purpose storage account that no key opens. `remedy`: what to do where there is one of another kind.
pub fn keyless_storage(
    id: ResourceId,
    location: &Location,
    tags: &Tags,
    purpose: &'static str,
    remedy: &'static str,
) -> Desired {
    Desired {
        api_version: STORAGE_API,
        body: json!({
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
        }),
        replace_on: &["/kind", "/sku"],
        replace_remedy: remedy,
        update: Update::Patch(&["/tags", "/properties"]),
        ..identity(id, location, tags, purpose)
    }
}
