//! Nodes in the farm's own subscription (`userSubscription`): the key vault that Batch asks for, and what Batch's own
//! principal must be allowed. Pure.
//!
//! Sources: Microsoft's page "Create a Batch account with the Azure portal", section "Additional configuration for user
//! subscription mode"; "Azure Key Vault soft-delete overview".

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{Desired, Grant, IDENTITY_API, Principal, Wanted, lookup, roles};
use flamenco_azure_core::spec::{BatchMode, Farm};
use flamenco_azure_core::tags;
use serde_json::{Value, json};

use crate::spec::account;

/// <https://learn.microsoft.com/rest/api/keyvault>
pub const VAULT_API: &str = "2023-07-01";
/// Key vaults.
pub const VAULT: &str = "Microsoft.KeyVault/vaults";
/// The least time that a deleted vault can be kept: nothing of value is in it.
const RETENTION_DAYS: u32 = 7;

/// The key vault; none for nodes in a subscription of Batch's own.
pub fn vault(farm: &Farm) -> Option<ResourceId> {
    match &farm.batch_mode {
        BatchMode::UserSubscription { key_vault, .. } if !farm.pools.is_empty() => {
            Some(farm.group_id().resource(VAULT, key_vault))
        }
        _ => None,
    }
}

/// Where a vault that was deleted waits to be recovered or purged.
pub fn deleted(vault: &ResourceId, location: &str) -> Option<String> {
    let subscription = vault.as_str().split('/').nth(2)?;
    let name = vault.name();
    Some(format!(
        "/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}"
    ))
}

/// Where all vaults of the subscription are listed that wait so: each is known in its own region, its name is taken everywhere.
pub fn all_deleted(vault: &ResourceId) -> Option<String> {
    let subscription = vault.as_str().split('/').nth(2)?;
    Some(format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/deletedVaults"))
}

/// What Batch's principal, of this object id, must be allowed. The first is at the subscription, where it may serve other
/// Batch accounts too: a teardown leaves it.
pub fn grants(farm: &Farm, principal: &str) -> Vec<Grant> {
    let Some(vault) = vault(farm) else { return Vec::new() };
    let principal = Principal::Known { object: principal.to_owned(), kind: "ServicePrincipal" };
    let subscription = format!("/subscriptions/{}", farm.subscription);
    vec![
        Grant {
            purpose: "Batch makes and deletes nodes here",
            scope: subscription,
            principal: principal.clone(),
            role: roles::BATCH_ORCHESTRATION,
        },
        Grant {
            purpose: "Batch keeps its secrets",
            scope: vault.to_string(),
            principal,
            role: roles::SECRETS_OFFICER,
        },
    ]
}

/// The `keyVaultReference` of a Batch account.
pub(crate) fn reference(farm: &Farm) -> Option<Value> {
    let vault = vault(farm)?;
    let url = format!("https://{}.{}/", vault.name().to_ascii_lowercase(), farm.cloud.vault_suffix());
    Some(json!({"id": vault, "url": url}))
}

/// Adds the vault and the roles `ours` to what is wanted. While roles are missing that this sign-in may not assign (`whole`
/// is false), the Batch account and its pools are left out: Batch would refuse them. `recover`: a vault of this name was
/// deleted not long ago. `manager`: the Manager's identity, which knows the directory.
pub fn add_to(
    farm: &Farm,
    manager: &ResourceId,
    ours: &[Grant],
    whole: bool,
    recover: bool,
    wanted: &mut Wanted,
) {
    let Some(vault) = vault(farm) else { return };
    let subscription = format!("/subscriptions/{}", farm.subscription);
    let roles: Vec<Desired> = ours
        .iter()
        .filter_map(|grant| {
            let after = if grant.scope == subscription { Vec::new() } else { vec![vault.clone()] };
            grant.desired(farm.name.as_str(), after)
        })
        .collect();
    let batch = account(farm);
    if !whole {
        let of_batch = |id: &ResourceId| *id == batch || id.parent().is_some_and(|parent| parent == batch);
        wanted.resources.retain(|one| !of_batch(&one.id));
        wanted.checkpoints.retain(|one| !of_batch(&one.resource));
    }
    if let Some(account) = wanted.resources.iter_mut().find(|one| one.id == batch) {
        account.after.push(vault.clone());
        account.after.extend(roles.iter().map(|role| role.id.clone()));
    }
    wanted.resources.extend(roles);
    wanted.resources.push(key_vault(farm, vault, manager, recover));
}

fn key_vault(farm: &Farm, id: ResourceId, manager: &ResourceId, recover: bool) -> Desired {
    let body = json!({
        "location": farm.location.as_str(),
        "tags": tags::for_resource(farm.name.as_str(), &farm.tags),
        "properties": {
            "tenantId": lookup(manager, "/properties/tenantId", IDENTITY_API),
            "sku": {"family": "A", "name": "standard"},
            "accessPolicies": [],
            "enableRbacAuthorization": true,
            "enabledForDeployment": true,
            "enabledForDiskEncryption": true,
            "enabledForTemplateDeployment": true,
            "publicNetworkAccess": "Enabled",
            "softDeleteRetentionInDays": RETENTION_DAYS,
            "createMode": if recover { "recover".into() } else { Value::Null },
        },
    });
    Desired {
        after: vec![manager.clone()],
        create_only: &["/properties/createMode", "/properties/softDeleteRetentionInDays"],
        replace_on: &["/properties/tenantId"],
        replace_remedy: "give the farm file another `batch.keyVaultName`",
        ..Desired::new(id, VAULT_API, "Batch's key vault", body)
    }
}

/// The farm's vaults that exist, for a teardown.
pub fn vaults<'a>(
    farm: &'a str,
    inventory: &'a Inventory,
) -> impl Iterator<Item = (ResourceId, String)> + 'a {
    let ours = move |one: &&Observed| inventory.owner(one).as_deref() == Some(farm);
    inventory
        .of_kind(VAULT)
        .filter(ours)
        .map(|one| (one.id.clone(), one.text("/location").unwrap_or_default().to_owned()))
}

/// Batch's version of `poolAllocationMode`.
pub(crate) fn allocation(farm: &Farm) -> &'static str {
    match farm.batch_mode {
        BatchMode::BatchService => "BatchService",
        BatchMode::UserSubscription { .. } => "UserSubscription",
    }
}
