//! By how much a core quota is too small for the nodes of a pool that did not come, and where to ask for more.

use batch_pool::BatchPool;
use batch_pool::error::{Shortage, in_own_subscription, is_quota, shortage, shortages};
use flamenco_azure_core::arm::{ArmError, Cloud, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::pool::PoolState;
use serde_json::Value;
use vmss_scaler::wire::COMPUTE_API;

use crate::preflight;
use crate::session::Session;
use crate::show::count;

/// A line for each quota that is too small; none where no error is about one, or where it cannot be known.
pub async fn hints(
    session: &Session,
    inventory: &Inventory,
    pool: &BatchPool,
    state: &PoolState,
) -> Vec<String> {
    let measured = measured(session, inventory, pool, state).await;
    measured.unwrap_or_default()
}

/// The body of a pool's account.
pub fn account_of(inventory: &Inventory, pool: &BatchPool) -> Value {
    let account = pool.id().parent().and_then(|id| inventory.get(&id));
    account.map(|account| account.body.clone()).unwrap_or_default()
}

async fn measured(
    session: &Session,
    inventory: &Inventory,
    pool: &BatchPool,
    state: &PoolState,
) -> Option<Vec<String>> {
    let about: Vec<_> = state.errors.iter().filter(|error| is_quota(error)).collect();
    if about.is_empty() {
        return None;
    }
    let account = inventory.get(&pool.id().parent()?)?;
    let location = account.text("/location")?;
    let size = inventory.get(pool.id())?.text("/properties/vmSize")?;
    let subscription = pool.id().subscription()?;
    let found = preflight::size_of(&session.client, subscription, location, size).await;
    let (cores, family) = found.ok()??;
    let cloud = session.client.cloud();
    if in_own_subscription(&account.body) {
        let usages = usages(session, subscription, location).await.ok()?;
        let short = shortages(state, cores, &family, &usages);
        return Some(short.iter().map(|short| of_subscription(short, location, cloud)).collect());
    }
    let short = about.into_iter().filter_map(|error| shortage(error, state, cores, &family, &account.body));
    Some(short.map(|short| of_account(&short, account, cloud)).collect())
}

async fn usages(session: &Session, subscription: &str, location: &str) -> Result<Vec<Value>, ArmError> {
    let path =
        format!("/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages");
    session.client.list(&Request::get(path).api_version(COMPUTE_API)).await
}

fn link(cloud: &Cloud, to: &str) -> String {
    if *cloud == Cloud::public() { format!(" (https://portal.azure.com/{to})") } else { String::new() }
}

fn of_account(short: &Shortage, account: &Observed, cloud: &Cloud) -> String {
    let id: &ResourceId = &account.id;
    format!(
        "quota `{}` is {} cores; the {} that did not come need {} more: ask for {} in the Azure portal > Batch account \
         {} > Quotas > Request quota increase{}, then run the same command again",
        short.quota,
        short.limit,
        count(short.nodes as usize, "node"),
        short.cores,
        short.wanted(),
        id.name(),
        link(cloud, &format!("#resource{id}")),
    )
}

fn of_subscription(short: &Shortage, location: &str, cloud: &Cloud) -> String {
    format!(
        "the subscription's quota `{}` in {location} is {} cores, {} of them in use; the {} that did not come need {}: ask \
         for {} in the Azure portal > Quotas > Compute{}, then run the same command again",
        short.quota,
        short.limit,
        short.used.unwrap_or_default(),
        count(short.nodes as usize, "node"),
        short.cores,
        short.wanted(),
        link(cloud, "#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"),
    )
}
