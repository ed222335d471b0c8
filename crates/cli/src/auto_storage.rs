//! The storage account of application packages in plan and deploy, and made by the first `app push`.

use batch_pool::auto_storage;
use batch_pool::packages::PushError;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{Grant, Plan, Principal, Wanted, plan, roles as built_in};
use flamenco_azure_core::spec::Farm;
use serde_json::Value;

use crate::commands::deploy::carry_out;
use crate::failure::{Failure, Outcome};
use crate::fleets::person;
use crate::roles::{Roles, YOUR_ROLE};
use crate::session::{Session, Target};
use crate::{farm, show};

/// What is wanted for application packages beside the rest of the farm.
#[derive(Debug)]
pub struct AutoStorage {
    /// The roles.
    pub roles: Roles,
}

impl AutoStorage {
    /// Looks which roles there are and may be assigned. `None` for a farm without packages.
    pub async fn look(session: &Session, farm: &Farm, inventory: &Inventory) -> Outcome<Option<Self>> {
        if !auto_storage::is_wanted(farm, inventory) {
            return Ok(None);
        }
        Ok(Some(Self::look_at(session, farm, inventory).await?))
    }

    async fn look_at(session: &Session, farm: &Farm, inventory: &Inventory) -> Outcome<Self> {
        let grants = auto_storage::grants(farm, person(session).await.as_ref());
        let roles = Roles::look(&session.client, &farm.group_id(), grants, inventory).await?;
        Ok(Self { roles })
    }

    /// Adds what is wanted for packages.
    pub fn add_to(&self, farm: &Farm, wanted: &mut Wanted) {
        auto_storage::add_to(farm, &self.roles.ours, self.roles.missing.is_empty(), wanted);
    }
}

/// Makes the place for packages that the farm's Batch account has not yet, after asking.
pub async fn make(session: &Session, target: &Target, inventory: &Inventory, yes: bool) -> Outcome<()> {
    let file = session.standing_farm()?;
    let farm = &file.farm;
    if farm.name.as_str() != target.farm || farm.group_id() != target.group {
        return Err(Failure::user(format!(
            "the farm file describes farm `{}`, not `{}`",
            farm.name, target.farm
        ))
        .hint("name the farm file of this farm with --config: it says what its storage account is called"));
    }
    let storage = AutoStorage::look_at(session, farm, inventory).await?;
    let steps = plan_of(farm, &storage, inventory)?;
    let printer = session.printer;
    printer.info("packages are kept in a storage account that the farm has not yet:");
    show::plan(printer, &steps);
    storage.roles.announce(session);
    if !steps.is_empty() {
        if !yes && !session.ask.confirm("Carry this out?", "--yes").await? {
            return Err(Failure::user("nothing was changed, and nothing was sent"));
        }
        carry_out(session, farm.name.as_str(), &steps, "run the same command again, it goes on").await?;
    }
    let inventory = farm::observe(&session.client, &target.group).await?;
    match storage.roles.appeal(session, &inventory, "flamenco-azure app push …") {
        Some(appeal) => Err(appeal),
        None => Ok(()),
    }
}

fn plan_of(farm: &Farm, storage: &AutoStorage, inventory: &Inventory) -> Outcome<Plan> {
    let mut wanted = farm::batch_account_only(farm);
    storage.add_to(farm, &mut wanted);
    Ok(plan(&wanted, inventory)?)
}

/// Who has been given the role to write packages, so that a refusal passes.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    person: bool,
    batch: bool,
}

impl Held {
    /// Looks which assignments there are on the Batch account's storage account.
    pub async fn look(session: &Session, target: &Target) -> Outcome<Self> {
        let inventory = farm::observe(&session.client, &target.group).await?;
        let person = person(session).await;
        let mut held = Self { person: false, batch: false };
        for account in target.resources(&inventory, batch_pool::wire::ACCOUNT) {
            let Some(scope) = account.text("/properties/autoStorage/storageAccountId") else { continue };
            let is_held = |principal: Principal| {
                let role = built_in::BLOB_CONTRIBUTOR;
                Grant { purpose: "upload packages", scope: scope.to_owned(), principal, role }
                    .is_held(&inventory)
            };
            held.person |= person.clone().is_some_and(is_held);
            let identities = account.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
            let mut identities = identities.into_iter().flatten().filter_map(|(id, _)| id.parse().ok());
            held.batch |= identities.any(|id| is_held(Principal::Identity(id)));
        }
        Ok(held)
    }

    /// Whose role the refusal is about, where it has been assigned.
    pub fn whose(self, error: &PushError) -> Option<&'static str> {
        if error.is_batch_forbidden() {
            return self.batch.then_some("Batch's role");
        }
        (error.is_forbidden() && self.person).then_some(YOUR_ROLE)
    }
}
