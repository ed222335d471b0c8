//! Reads the Batch accounts of a group and the pools of those that belong to a farm.

use flamenco_azure_core::arm::{ArmClient, ArmError, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{AUTHORIZATION_API, IDENTITY, ROLE_ASSIGNMENT};

use crate::auto_storage::is_batch_identity;
use crate::own_subscription::{VAULT, VAULT_API};
use crate::service::odd;
use crate::wire;

/// One list of accounts and, for each account of a farm, one list of pools; with packages or a key vault, one list of role
/// assignments. Does nothing for an absent group.
pub async fn observe(
    client: &ArmClient,
    group: &ResourceId,
    inventory: &mut Inventory,
) -> Result<(), ArmError> {
    if inventory.group.is_none() {
        return Ok(());
    }
    roles(client, group, inventory).await?;
    vaults(client, group, inventory).await?;
    let list = |path: String| Request::get(&path).api_version(wire::BATCH_API);
    match client.list(&list(format!("{group}/providers/{}", wire::ACCOUNT))).await {
        Err(error) if error.is_not_found() => return Ok(()),
        accounts => inventory.extend(accounts?),
    }
    let accounts: Vec<ResourceId> = inventory
        .of_kind(wire::ACCOUNT)
        .filter(|a| inventory.owner(a).is_some())
        .map(|a| a.id.clone())
        .collect();
    for account in accounts {
        let request = list(format!("{account}/pools"));
        match client.list(&request).await {
            Err(error) if error.is_not_found() => {}
            pools => {
                let pools = pools?;
                if let Some(what) = pools.iter().find_map(odd) {
                    return Err(ArmError::unreadable(&request, &what));
                }
                inventory.extend(pools);
            }
        }
    }
    Ok(())
}

/// The key vaults of farms, whole.
async fn vaults(client: &ArmClient, group: &ResourceId, inventory: &mut Inventory) -> Result<(), ArmError> {
    if !inventory.of_kind(VAULT).any(|one| inventory.owner(one).is_some()) {
        return Ok(());
    }
    let request = Request::get(format!("{group}/providers/{VAULT}")).api_version(VAULT_API);
    inventory.extend(client.list_if_there(&request).await?);
    Ok(())
}

/// The roles below the group, if there is an identity that Batch writes packages with or a key vault of Batch's.
async fn roles(client: &ArmClient, group: &ResourceId, inventory: &mut Inventory) -> Result<(), ArmError> {
    let ours = |one: &Observed| is_batch_identity(&one.id) && inventory.owner(one).is_some();
    let vault = inventory.of_kind(VAULT).any(|one| inventory.owner(one).is_some());
    if !vault && !inventory.of_kind(IDENTITY).any(ours) {
        return Ok(());
    }
    let request = Request::get(format!("{group}/providers/{ROLE_ASSIGNMENT}")).api_version(AUTHORIZATION_API);
    inventory.extend(client.list_if_there(&request).await?);
    Ok(())
}
