//! Reads what exists around the pools of scale sets, into an inventory that has the group's resources already.

use std::collections::BTreeSet;

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{AUTHORIZATION_API, IDENTITY, ROLE_ASSIGNMENT, STORAGE, STORAGE_API};

use super::SCOPE;
use crate::wire::{self, SCALE_SET};

/// Reads scale sets, the scaler's containers and queues, and role assignments. A group without any of our fleets costs
/// no request.
pub async fn observe(client: &ArmClient, inventory: &mut Inventory) -> Result<(), ArmError> {
    let Some(group) = inventory.group.as_ref().map(|group| group.id.clone()) else { return Ok(()) };
    if inventory.of_kind(SCALE_SET).next().is_some() {
        inventory.extend(client.list_if_there(&wire::sets(&group)).await?);
    }
    let general = |r: &&Observed| r.text("/kind").is_some_and(|kind| kind.eq_ignore_ascii_case("StorageV2"));
    let accounts: Vec<ResourceId> = owned(inventory, STORAGE).filter(general).map(|r| r.id.clone()).collect();
    for account in accounts {
        for below in ["blobServices/default/containers", "queueServices/default/queues"] {
            let request = Request::get(format!("{account}/{below}")).api_version(STORAGE_API);
            inventory.extend(client.list_if_there(&request).await?);
        }
    }
    let identities: Vec<&Observed> = owned(inventory, IDENTITY).collect();
    let scopes: BTreeSet<String> = identities
        .iter()
        .flat_map(|identity| identity.tags())
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with(SCOPE))
        .map(|(_, scope)| scope)
        .collect();
    if scopes.is_empty() {
        return Ok(());
    }
    let principals: Vec<String> = identities
        .iter()
        .filter_map(|identity| identity.text("/properties/principalId").map(str::to_owned))
        .collect();
    // Of the group all: it has those of people too.
    let mut found = client.list_if_there(&assignments(group.as_str())).await?;
    for scope in scopes {
        for principal in &principals {
            let of = assignments(&scope).query("$filter", format!("principalId eq '{principal}'"));
            match client.list_if_there(&of).await {
                // Whoever may not look there could not assign there either.
                Err(error)
                    if matches!(error.kind(), Kind::Forbidden { .. } | Kind::SubscriptionUnavailable) => {}
                other => found.extend(other?),
            }
        }
    }
    inventory.extend(found);
    Ok(())
}

fn owned<'a>(inventory: &'a Inventory, kind: &'a str) -> impl Iterator<Item = &'a Observed> {
    inventory.of_kind(kind).filter(|r| inventory.owner(r).is_some())
}

fn assignments(scope: &str) -> Request {
    Request::get(format!("{scope}/providers/{ROLE_ASSIGNMENT}")).api_version(AUTHORIZATION_API)
}
