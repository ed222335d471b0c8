//! The storage account of application packages, linked to the Batch account: what is wanted, and who may do what. Pure.
//!
//! No key opens it. Batch writes with an identity of its own (`batchAccount`'s), nodes read with theirs, and whoever
//! uploads needs a role of their own: Batch hands out addresses without a signature then (BatchManagement.json,
//! `AutoStorageAuthenticationMode` and `ApplicationPackage_Create`). The account has neither a firewall nor a
//! hierarchical namespace: Batch supports neither (Microsoft's page "Deploy applications with application packages").

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{
    Desired, Grant, IDENTITY, Principal, STORAGE, Wanted, identity, keyless_storage, roles,
};
use flamenco_azure_core::spec::Farm;
use flamenco_azure_core::tags;
use serde_json::json;

use crate::spec::{account, pool};

/// What the Batch account's identity ends with.
const SUFFIX: &str = "batch";

/// The storage account.
pub fn storage(farm: &Farm) -> ResourceId {
    farm.group_id().resource(STORAGE, &farm.package_account)
}

/// The identity that Batch writes with.
pub fn batch_identity(farm: &Farm) -> ResourceId {
    farm.identity(SUFFIX)
}

/// The identity that nodes read with, the same as that of scale sets' nodes.
pub fn node_identity(farm: &Farm) -> ResourceId {
    farm.identity("nodes")
}

/// The storage account that the Batch account is linked with, where it is not the farm's: somebody else's, with what was
/// pushed in it, which stays.
fn foreign<'a>(farm: &Farm, inventory: &'a Inventory) -> Option<&'a Observed> {
    let account = inventory.get(&account(farm))?;
    let linked: ResourceId = account.text("/properties/autoStorage/storageAccountId")?.parse().ok()?;
    (linked != storage(farm)).then_some(account)
}

/// The identity that nodes of pools with packages need to read them, as it is or will be; `None` where they read with none.
pub fn reader(farm: &Farm, inventory: &Inventory) -> Option<String> {
    match foreign(farm, inventory) {
        Some(account) => {
            account.text("/properties/autoStorage/nodeIdentityReference/resourceId").map(str::to_owned)
        }
        None => Some(node_identity(farm).to_string()),
    }
}

/// Whether the farm has it: its Batch pools refer to packages, or a first package has brought it. Not where somebody has
/// linked another.
pub fn is_wanted(farm: &Farm, inventory: &Inventory) -> bool {
    if foreign(farm, inventory).is_some() {
        return false;
    }
    let begun = inventory.get(&batch_identity(farm)).is_some();
    let asked = farm.pools.iter().any(|pool| !pool.packages.is_empty());
    !farm.pools.is_empty() && (begun || asked)
}

/// All roles that packages need (Microsoft's page "Azure built-in roles" for what each allows). `person`: who uploads.
pub fn grants(farm: &Farm, person: Option<&Principal>) -> Vec<Grant> {
    let scope = storage(farm).to_string();
    let grant = |principal, role, purpose| Grant { purpose, scope: scope.clone(), principal, role };
    let batch = Principal::Identity(batch_identity(farm));
    let nodes = Principal::Identity(node_identity(farm));
    let mut all = vec![
        grant(batch, roles::BLOB_CONTRIBUTOR, "Batch keeps packages"),
        grant(nodes, roles::BLOB_READER, "nodes read packages"),
    ];
    all.extend(person.map(|person| grant(person.clone(), roles::BLOB_CONTRIBUTOR, "you upload packages")));
    all
}

/// Adds the storage account, the identities and the roles `ours` to what is wanted, links the Batch account where `link`
/// says that nothing that it needs is missing, and lets pools with packages wait for it.
///
/// The Batch account must be among the wanted resources already, and the nodes' identity where pools of scale sets bring it.
pub fn add_to(farm: &Farm, ours: &[Grant], link: bool, wanted: &mut Wanted) {
    let tags = tags::for_resource(farm.name.as_str(), &farm.tags);
    let remedy = "give the farm file another `packageStorageAccountName`";
    let storage = keyless_storage(storage(farm), &farm.location, &tags, "application packages", remedy);
    let identity = |id, purpose| identity(id, &farm.location, &tags, purpose);
    let roles: Vec<Desired> =
        ours.iter().filter_map(|grant| grant.desired(farm.name.as_str(), vec![storage.id.clone()])).collect();
    let linked = account(farm);
    if let Some(batch) = wanted.resources.iter_mut().find(|one| one.id == linked) {
        batch.after.extend([storage.id.clone(), batch_identity(farm), node_identity(farm)]);
        // A link that Batch cannot use yet may be refused.
        batch.after.extend(roles.iter().map(|role| role.id.clone()));
        if link {
            let identities = json!({batch_identity(farm).as_str(): {}});
            batch.body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": identities});
            batch.body["properties"]["autoStorage"] = json!({
                "storageAccountId": storage.id,
                "authenticationMode": "BatchAccountManagedIdentity",
                "nodeIdentityReference": {"resourceId": node_identity(farm)},
            });
        }
    }
    let has_packages = |id: &ResourceId| {
        farm.pools.iter().any(|one| !one.packages.is_empty() && pool(farm, &one.name) == *id)
    };
    for pool in wanted.resources.iter_mut().filter(|one| has_packages(&one.id)) {
        pool.after.push(node_identity(farm));
        pool.after.extend(roles.iter().map(|role| role.id.clone()));
    }
    wanted.resources.extend(roles);
    wanted.resources.push(identity(batch_identity(farm), "Batch account's identity"));
    if wanted.resources.iter().all(|one| one.id != node_identity(farm)) {
        wanted.resources.push(identity(node_identity(farm), "nodes' identity"));
    }
    wanted.resources.push(storage);
}

/// Whether an identity is one of ours that Batch writes packages with.
pub(crate) fn is_batch_identity(id: &ResourceId) -> bool {
    id.is_kind(IDENTITY) && id.name().to_ascii_lowercase().ends_with(&format!("-{SUFFIX}-identity"))
}
