//! Nodes in the farm's own subscription in plan and deploy: Batch's principal is looked up, roles are looked at, a key
//! vault that was deleted not long ago is recovered.

use batch_pool::own_subscription::{self, VAULT_API, all_deleted, deleted, vault};
use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{AUTHORIZATION_API, ROLE_ASSIGNMENT, Wanted};
use flamenco_azure_core::spec::{BATCH_APPLICATION, BatchMode, Farm, LOOK_UP};
use manager_vm::spec::Names;
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::roles::Roles;
use crate::session::Session;

/// What is wanted for nodes in the farm's own subscription beside the rest of the farm.
#[derive(Debug)]
pub struct OwnSubscription {
    /// The roles of Batch's principal.
    pub roles: Roles,
    recover: bool,
}

impl OwnSubscription {
    /// Looks who Batch is here, and which roles there are or may be assigned. `None` for a farm whose nodes are in a
    /// subscription of Batch's own. Adds what it sees to the inventory.
    pub async fn look(session: &Session, farm: &Farm, inventory: &mut Inventory) -> Outcome<Option<Self>> {
        let (Some(vault), BatchMode::UserSubscription { service_principal, .. }) =
            (vault(farm), &farm.batch_mode)
        else {
            return Ok(None);
        };
        let principal = match service_principal {
            Some(id) => id.clone(),
            None => principal(session).await?,
        };
        // Only this principal's: the subscription may have thousands.
        let assignments =
            Request::get(format!("/subscriptions/{}/providers/{ROLE_ASSIGNMENT}", farm.subscription))
                .api_version(AUTHORIZATION_API)
                .query("$filter", format!("principalId eq '{principal}'"));
        match session.client.list(&assignments).await {
            Err(error) if matches!(error.kind(), Kind::Forbidden { .. }) => {}
            found => inventory.extend(found?),
        }
        let grants = own_subscription::grants(farm, &principal);
        let roles = Roles::look(&session.client, &farm.group_id(), grants, inventory).await?;
        let recover = inventory.get(&vault).is_none() && is_deleted(session, farm, &vault).await?;
        Ok(Some(Self { roles, recover }))
    }

    /// Adds what is wanted for it.
    pub fn add_to(&self, farm: &Farm, wanted: &mut Wanted) {
        let whole = self.roles.missing.is_empty();
        let manager = Names::of(farm).identity();
        own_subscription::add_to(farm, &manager, &self.roles.ours, whole, self.recover, wanted);
    }
}

/// The object id of "Microsoft Azure Batch" in the sign-in's directory.
async fn principal(session: &Session) -> Outcome<String> {
    let path = format!("/v1.0/servicePrincipals(appId='{BATCH_APPLICATION}')");
    let request = Request::get(path).query("$select", "id").graph();
    let unknown = |message: &str, hint: String| Err(Failure::user(message).hint(hint));
    match session.client.get(&request).await {
        Ok(Some(body)) => match body.get("id").and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => unknown(
                "Microsoft Graph's answer about Batch's service principal has no `id`",
                format!("{LOOK_UP}: put it into the farm file as `batch.servicePrincipalObjectId`"),
            ),
        },
        Ok(None) => unknown(
            "the directory has no service principal \"Microsoft Azure Batch\"",
            format!(
                "`az provider register --namespace Microsoft.Batch` brings it, else `az ad sp create --id \
                 {BATCH_APPLICATION}`"
            ),
        ),
        Err(error) if matches!(error.kind(), Kind::Forbidden { .. }) || error.status() == Some(403) => {
            unknown(
                "this sign-in may not look up Batch's service principal in the directory",
                format!(
                    "{LOOK_UP} for somebody who may: put it into the farm file as `batch.servicePrincipalObjectId`"
                ),
            )
        }
        Err(error) => Err(error.into()),
    }
}

/// The vault of this name that was deleted not long ago, in whatever region; `None` also where this sign-in may not look.
pub async fn deleted_vault(client: &ArmClient, vault: &ResourceId) -> Result<Option<Value>, ArmError> {
    let Some(path) = all_deleted(vault) else { return Ok(None) };
    let all = match client.list(&Request::get(path).api_version(VAULT_API)).await {
        // Who may not look is told by Azure when the vault is made. A provider that is not registered yet has none.
        Err(error) if matches!(error.kind(), Kind::Forbidden { .. } | Kind::NotRegistered { .. }) => {
            return Ok(None);
        }
        all => all?,
    };
    let named = |one: &Value| {
        let name = one.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.eq_ignore_ascii_case(vault.name()))
    };
    Ok(all.into_iter().find(named))
}

/// Whether a vault of this name was deleted not long ago, from this group.
async fn is_deleted(session: &Session, farm: &Farm, vault: &ResourceId) -> Outcome<bool> {
    let Some(body) = deleted_vault(&session.client, vault).await? else { return Ok(false) };
    let was = body.pointer("/properties/vaultId").and_then(Value::as_str).unwrap_or_default();
    let place = body.pointer("/properties/location").and_then(Value::as_str).unwrap_or_default();
    let ours = was.parse::<ResourceId>().is_ok_and(|was| was == *vault);
    let here = place.eq_ignore_ascii_case(farm.location.as_str());
    if ours && here {
        return Ok(true);
    }
    let name = vault.name();
    let of = if ours { format!("in {place}") } else { "of another group".to_owned() };
    Err(Failure::user(format!("`batch.keyVaultName`: `{name}` is the name of a deleted vault {of}")).hint(
        format!(
            "choose another name, or `az keyvault purge --name {name} --location {place}` if nobody wants it back"
        ),
    ))
}

/// Purges vaults that a teardown has deleted, so that their names are free. What Azure refuses stays recoverable, costs
/// nothing and goes by itself.
pub async fn purge(session: &Session, vaults: &[(ResourceId, String)]) {
    for (vault, location) in vaults {
        let Some(path) = deleted(vault, location) else { continue };
        let request = Request::post(format!("{path}/purge"), None).api_version(VAULT_API).idempotent();
        let outcome: Result<_, ArmError> = session.client.run(&request).await;
        match outcome {
            Ok(_) => session.printer.info(format!("  purged key vault {}", vault.name())),
            Err(error) if error.is_not_found() => {}
            Err(error) => session.printer.warn(format!(
                "key vault `{}` is deleted and keeps its name until Azure purges it ({error}); the next deploy of this \
                 farm recovers it",
                vault.name()
            )),
        }
    }
}
