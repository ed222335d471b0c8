//! The premium file account with its NFS share.

use flamenco_azure_core::plan::{Desired, Update};
use flamenco_azure_core::spec::{Farm, Storage};
use serde_json::json;

use super::network::gate;
use super::tags_of;
use crate::spec::{Names, share, storage_account, subnets};
use crate::wire;

/// NFS 4.1 needs a premium FileStorage account; there are no keys and no users, the network decides who reads
/// (<https://learn.microsoft.com/azure/storage/files/files-nfs-protocol>).
pub(super) fn resources(farm: &Farm) -> Vec<Desired> {
    let Storage::Own { share_gib, encrypt_in_transit } = &farm.storage else { return Vec::new() };
    let (Some(account), Some(share)) = (storage_account(farm), share(farm)) else { return Vec::new() };
    let (manager, workers) = subnets(farm);
    let allow = |id| json!({"id": id, "action": "Allow"});
    let body = json!({
        "location": farm.location.as_str(),
        "tags": tags_of(farm),
        "kind": "FileStorage",
        "sku": {"name": "Premium_LRS"},
        "properties": {
            "minimumTlsVersion": "TLS1_2",
            "allowSharedKeyAccess": false,
            "allowBlobPublicAccess": false,
            // "Secure transfer" refuses plain NFS mounts: on exactly when mounts are encrypted.
            "supportsHttpsTrafficOnly": encrypt_in_transit,
            "networkAcls": {
                "defaultAction": "Deny", "bypass": "None",
                "virtualNetworkRules": [allow(manager), allow(workers)],
            },
        },
    });
    let account = Desired {
        after: vec![Names::of(farm).vnet(), gate(farm)],
        replace_on: &["/kind", "/sku"],
        replace_remedy: "download what you need, tear the farm down and deploy again",
        update: Update::Patch(&["/tags", "/properties"]),
        ..Desired::new(account, wire::STORAGE_API, "everything the farm reads and writes", body)
    };
    let share = Desired {
        body: json!({"properties": {"enabledProtocols": "NFS", "rootSquash": "NoRootSquash", "shareQuota": share_gib}}),
        purpose: "NFS share for files, jobs and frames",
        after: vec![account.id.clone()],
        replace_on: &["/properties/enabledProtocols"],
        update: Update::Patch(&["/properties/shareQuota", "/properties/rootSquash"]),
        id: share,
        ..account.clone()
    };
    vec![account, share]
}
