//! What Batch pools would run into: packages that nodes could not be given, formulas that Batch does not understand.

use std::collections::BTreeMap;

use batch_pool::desired::push_command;
use batch_pool::formula::{self, Running};
use batch_pool::packages::{BatchPackages, PushError};
use batch_pool::rollout::{Missing, resolve};
use batch_pool::spec::{account, pool as pool_id};
use flamenco_azure_core::arm::{ArmClient, ArmError};
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::spec::{Farm, PackageRef, Pool};

use super::{Finding, finding};

/// Packages and formulas, as far as the Batch account can say it.
pub(super) async fn findings(
    client: &ArmClient,
    farm: &Farm,
    inventory: &Inventory,
) -> Result<Vec<Finding>, ArmError> {
    let mut findings = packages(client, farm, inventory).await?;
    findings.extend(formulas(client, farm, inventory).await?);
    Ok(findings)
}

/// Packages of pools that there are: their nodes would come up without them.
async fn packages(client: &ArmClient, farm: &Farm, inventory: &Inventory) -> Result<Vec<Finding>, ArmError> {
    let there = |pool: &Pool| inventory.get(&pool_id(farm, &pool.name)).is_some();
    let missed = missing(client, farm, inventory, there).await?;
    Ok(missed.into_iter().map(|(_, finding)| finding).collect())
}

/// New pools that have to wait for packages, with what has to be done.
pub async fn waiting(
    client: &ArmClient,
    farm: &Farm,
    inventory: &Inventory,
) -> Result<BTreeMap<String, String>, ArmError> {
    let new = |pool: &Pool| inventory.get(&pool_id(farm, &pool.name)).is_none();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (pool, finding) in missing(client, farm, inventory, new).await? {
        let words = all.entry(pool).or_default();
        if !words.is_empty() {
            words.push_str(", ");
        }
        words.push_str(&finding.remedy);
    }
    Ok(all)
}

/// The packages that pools refer to and nodes could not be given, as far as the Batch account can say it.
async fn missing(
    client: &ArmClient,
    farm: &Farm,
    inventory: &Inventory,
    of: impl Fn(&Pool) -> bool,
) -> Result<Vec<(String, Finding)>, ArmError> {
    let mut findings = Vec::new();
    let stores = inventory
        .get(&account(farm))
        .is_some_and(|account| account.text("/properties/autoStorage/storageAccountId").is_some());
    if !stores {
        return Ok(findings);
    }
    let packages = BatchPackages::new(client.clone(), account(farm));
    for pool in farm.pools.iter().filter(|pool| of(pool)) {
        for package in &pool.packages {
            match resolve(&packages, package).await {
                Ok(Err(missing)) => {
                    findings.push((pool.name.clone(), missed(farm, &pool.name, package, missing)));
                }
                Err(PushError::Azure { source, .. }) => return Err(source),
                // It is there, or Batch will say it itself.
                Ok(Ok(_)) | Err(_) => {}
            }
        }
    }
    Ok(findings)
}

fn missed(farm: &Farm, pool: &str, package: &PackageRef, missing: Missing) -> Finding {
    let key = format!("pool `{pool}`: packages");
    let batch = &farm.batch_account;
    let push = push_command(package);
    match missing {
        Missing::Default => finding(
            format!("{key}: `{package}` has no default version"),
            format!(
                "`flamenco-azure app default {} VERSION` chooses one, or name it: `{0}#VERSION`; \
                 `flamenco-azure app list` shows those that there are",
                package.application
            ),
        ),
        Missing::Content => finding(
            format!("{key}: `{package}` was not uploaded to its end"),
            format!("{push} goes on where it stopped"),
        ),
        Missing::Package => finding(
            format!("{key}: there is no `{package}` on Batch account `{batch}`"),
            format!("{push} first"),
        ),
    }
}

/// New formulas of pools that have one already: for others Batch says it when it gets them.
async fn formulas(client: &ArmClient, farm: &Farm, inventory: &Inventory) -> Result<Vec<Finding>, ArmError> {
    let mut findings = Vec::new();
    let Some(endpoint) =
        inventory.get(&account(farm)).and_then(|account| account.text("/properties/accountEndpoint"))
    else {
        return Ok(findings);
    };
    for pool in &farm.pools {
        let Some(wanted) = &pool.autoscale else { continue };
        let live = inventory.get(&pool_id(farm, &pool.name)).and_then(|pool| Running::read(&pool.body));
        let text = wanted.bounded(pool.max_nodes);
        if live.is_none_or(|live| live.formula == text) {
            continue;
        }
        match formula::evaluate(client, endpoint, &pool.name, &text).await {
            Ok(evaluation) => findings.extend(evaluation.error.map(|why| {
                finding(
                    format!("pool `{}`: autoscale.formula: {why}", pool.name),
                    "correct it in the farm file; lines and columns are those of the formula",
                )
            })),
            // Switched off meanwhile, or gone.
            Err(error) if matches!(error.status(), Some(404 | 409)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}
