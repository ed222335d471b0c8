//! What a first write would run into, found by reading and reported all at once.

mod fleet;
mod network;
pub mod pools;

pub(crate) use fleet::image;

use std::collections::BTreeMap;

use batch_pool::wire::BATCH_API;
use batch_pool::{auto_storage, own_subscription};
use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{AUTHORIZATION_API, STORAGE, STORAGE_API};
use flamenco_azure_core::spec::Farm;
use futures::future::{join, try_join};
use manager_vm::spec::{Names, storage_account};
use manager_vm::wire::{COMPUTE_API, NETWORK_API};
use serde_json::{Value, json};
use vmss_scaler::skus::Catalog;
use vmss_scaler::wire::SKUS_API;

use crate::farm::Cores;
use crate::own_subscription::deleted_vault;

/// Api-version of subscriptions and locations.
pub const SUBSCRIPTIONS_API: &str = "2022-12-01";

/// One thing that stands in the way, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

fn finding(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what: what.into(), remedy: remedy.into() }
}

/// What Azure says about sizes in one region.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    by_name: BTreeMap<String, Size>,
    catalog: Catalog,
}

#[derive(Debug, Clone, Default)]
struct Size {
    name: String,
    family: String,
    cores: u32,
    restricted: Option<String>,
}

impl Sizes {
    /// vCPUs by lower-cased size.
    pub fn cores(&self) -> Cores {
        self.by_name.iter().map(|(name, size)| (name.clone(), size.cores)).collect()
    }

    fn get(&self, name: &str) -> Option<&Size> {
        self.by_name.get(&name.to_ascii_lowercase())
    }

    /// Item by item: one odd SKU must not cost the whole list.
    fn read(items: &[Value], location: &str) -> Self {
        let mut by_name = BTreeMap::new();
        for item in items {
            let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            if text("resourceType") != "virtualMachines" {
                continue;
            }
            let capability = |name: &str| {
                let all = item.get("capabilities").and_then(Value::as_array)?;
                all.iter()
                    .find(|c| c.get("name").and_then(Value::as_str) == Some(name))?
                    .get("value")?
                    .as_str()
            };
            let size = Size {
                name: text("name"),
                family: text("family"),
                cores: capability("vCPUs").and_then(|n| n.parse().ok()).unwrap_or(0),
                restricted: restriction(item, location),
            };
            by_name.insert(size.name.to_ascii_lowercase(), size);
        }
        Self { by_name, catalog: Catalog::read(items, location) }
    }
}

fn restriction(item: &Value, location: &str) -> Option<String> {
    item.get("restrictions")?.as_array()?.iter().find_map(|r| {
        let here = r.get("type")?.as_str()? == "Location"
            && r.get("values")?
                .as_array()?
                .iter()
                .any(|v| v.as_str().is_some_and(|v| v.eq_ignore_ascii_case(location)));
        here.then(|| r.get("reasonCode").and_then(Value::as_str).unwrap_or("restricted").to_owned())
    })
}

/// Reads the sizes of the farm's region.
pub async fn sizes(client: &ArmClient, farm: &Farm) -> Result<Sizes, ArmError> {
    sizes_in(client, farm.subscription.as_str(), farm.location.as_str()).await
}

async fn sizes_in(client: &ArmClient, subscription: &str, location: &str) -> Result<Sizes, ArmError> {
    let request = Request::get(format!("/subscriptions/{subscription}/providers/Microsoft.Compute/skus"))
        .api_version(SKUS_API)
        .query("$filter", format!("location eq '{location}'"));
    Ok(Sizes::read(&client.list(&request).await?, location))
}

/// vCPUs and family of a size, where the region's list has it.
pub async fn size_of(
    client: &ArmClient,
    subscription: &str,
    location: &str,
    size: &str,
) -> Result<Option<(u32, String)>, ArmError> {
    let sizes = sizes_in(client, subscription, location).await?;
    Ok(sizes.get(size).map(|size| (size.cores, size.family.clone())))
}

/// Checks that the subscription and the region are there at all: everything else depends on them.
pub async fn subscription(client: &ArmClient, farm: &Farm) -> Result<Vec<Finding>, ArmError> {
    subscription_and_region(client, &farm.subscription, &farm.location).await
}

/// [`subscription`] of what is no farm.
pub async fn subscription_and_region(
    client: &ArmClient,
    id: &SubscriptionId,
    location: &Location,
) -> Result<Vec<Finding>, ArmError> {
    let base = format!("/subscriptions/{id}");
    // Recorded: an id that the sign-in does not see is `SubscriptionNotFound`, not a plain 404.
    let unseen = |error: &ArmError| error.is_not_found() || *error.kind() == Kind::SubscriptionUnavailable;
    let subscription = async {
        match client.get(&Request::get(&base).api_version(SUBSCRIPTIONS_API)).await {
            Err(error) if unseen(&error) => Ok(None),
            other => other,
        }
    };
    let locations = async {
        match client.list(&Request::get(format!("{base}/locations")).api_version(SUBSCRIPTIONS_API)).await {
            Err(error) if unseen(&error) => Ok(Vec::new()),
            other => other,
        }
    };
    let (subscription, locations) = try_join(subscription, locations).await?;
    let Some(subscription) = subscription else {
        return Ok(vec![finding(
            format!("`subscriptionID`: this sign-in sees no subscription `{id}`"),
            "`az account list --output table` shows those it sees; `az login --tenant …` signs in elsewhere",
        )]);
    };
    let mut findings = Vec::new();
    if let Some(state) = subscription.get("state").and_then(Value::as_str).filter(|state| *state != "Enabled")
    {
        findings.push(finding(
            format!("`subscriptionID`: subscription `{id}` is {}", state.to_lowercase()),
            "enable it in the Azure portal, or use another one",
        ));
    }
    let names: Vec<&str> = locations.iter().filter_map(|l| l.get("name")?.as_str()).collect();
    if !names.contains(&location.as_str()) {
        let near = nearest(location.as_str(), &names);
        let remedy = match near {
            Some(near) => {
                format!("did you mean `{near}`? `az account list-locations --output table` lists all")
            }
            None => "`az account list-locations --output table` lists them".to_owned(),
        };
        findings.push(finding(format!("`location`: the subscription has no region `{location}`"), remedy));
    }
    Ok(findings)
}

/// The name that begins most like `word`, if any does.
pub fn nearest<'a>(word: &str, among: &[&'a str]) -> Option<&'a str> {
    let common = |other: &str| word.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    among.iter().copied().max_by_key(|other| common(other)).filter(|other| common(other) >= 4)
}

/// Everything else that can be known before the first write. Names are checked only for what is to be made.
pub async fn check(
    client: &ArmClient,
    farm: &Farm,
    inventory: &Inventory,
    sizes: &Sizes,
) -> Result<Vec<Finding>, ArmError> {
    let groups = by_topic(client, farm, inventory, sizes).await?;
    Ok(groups.into_iter().flat_map(|(_, findings)| findings).collect())
}

/// [`check`], with what each group of findings is about.
pub async fn by_topic(
    client: &ArmClient,
    farm: &Farm,
    inventory: &Inventory,
    sizes: &Sizes,
) -> Result<Vec<(&'static str, Vec<Finding>)>, ArmError> {
    let base = format!("/subscriptions/{}", farm.subscription);
    let usages = format!("{base}/providers/Microsoft.Compute/locations/{}/usages", farm.location);
    let usages = Request::get(usages).api_version(COMPUTE_API);
    let (usages, (names, (rights, (network, (images, pools))))) = join(
        client.list(&usages),
        join(
            taken(client, farm, inventory),
            join(
                rights(client, farm),
                join(
                    network::existing(client, farm),
                    join(fleet::images(client, farm), pools::findings(client, farm, inventory)),
                ),
            ),
        ),
    )
    .await;
    let usages = usages?;
    let mut of_sizes = size_findings(farm, sizes);
    if of_sizes.is_empty() {
        of_sizes = fleet::placements(farm, sizes);
    }
    of_sizes.extend(images?);
    of_sizes.extend(fleet::above_the_limit(farm, inventory));
    let mut quotas = quota_findings(farm, inventory, sizes, &usages);
    quotas.extend(fleet::quotas(farm, inventory, sizes, &usages));
    Ok(vec![
        ("sizes", of_sizes),
        ("network", network?),
        ("pools", pools?),
        ("quotas", quotas),
        ("names", names?),
        ("rights", rights?),
    ])
}

fn size_findings(farm: &Farm, sizes: &Sizes) -> Vec<Finding> {
    let pools = farm.pools.iter().map(|pool| (format!("pool `{}`: vmSize", pool.name), &pool.vm_size));
    let placements = farm.fleets.iter().flat_map(|fleet| {
        fleet
            .placements
            .iter()
            .map(|placement| (format!("pool `{}`: placements: vmSize", fleet.name), &placement.vm_size))
    });
    let mut named: Vec<(String, &String)> = vec![("manager.vmSize".to_owned(), &farm.manager.vm_size)];
    named.extend(pools.chain(placements));
    // The same size in three zones is one finding.
    named.dedup();
    named
        .into_iter()
        .filter_map(|(key, name)| match sizes.get(name) {
            None => Some(finding(
                format!("{key}: `{name}` does not exist in {}", farm.location),
                format!(
                    "`az vm list-skus --location {} --output table` lists the sizes there",
                    farm.location
                ),
            )),
            Some(Size { restricted: Some(reason), name, .. }) => Some(finding(
                format!("{key}: `{name}` is not open to this subscription in {} ({reason})", farm.location),
                "choose another size or region, or ask for access in a support request",
            )),
            Some(_) => None,
        })
        .collect()
}

/// Cores that the Manager needs from the subscription's own quota. Batch-managed pools draw on the Batch account's
/// quota, which is read at the gate.
fn quota_findings(farm: &Farm, inventory: &Inventory, sizes: &Sizes, usages: &[Value]) -> Vec<Finding> {
    if inventory.get(&Names::of(farm).vm()).is_some() {
        return Vec::new();
    }
    let Some(size) = sizes.get(&farm.manager.vm_size) else { return Vec::new() };
    let usage = |name: &str| {
        usages.iter().find(|u| {
            u.pointer("/name/value").and_then(Value::as_str).is_some_and(|v| v.eq_ignore_ascii_case(name))
        })
    };
    ["cores", &size.family]
        .into_iter()
        .filter_map(|name| {
            let row = usage(name)?;
            let number = |key: &str| row.get(key).and_then(Value::as_f64).unwrap_or(0.0);
            let (limit, used) = (number("limit"), number("currentValue"));
            let need = f64::from(size.cores);
            let title = row.pointer("/name/localizedValue").and_then(Value::as_str).unwrap_or(name);
            (used + need > limit).then(|| {
                finding(
                    format!("quota `{title}` in {}: {used} of {limit} cores are used and the Manager needs {need}", farm.location),
                    format!(
                        "ask for {} cores: Azure portal > Quotas > Compute > {title} > {}, or \
                         `az quota update --resource-name {name} --scope /subscriptions/{}/providers/Microsoft.Compute/locations/{} --limit-object value={}`",
                        used + need, farm.location, farm.subscription, farm.location, used + need
                    ),
                )
            })
        })
        .collect()
}

/// Names that must be free because the resource does not exist yet.
async fn taken(client: &ArmClient, farm: &Farm, inventory: &Inventory) -> Result<Vec<Finding>, ArmError> {
    let (subscription, location) = (&farm.subscription, &farm.location);
    let is_absent = |id: &ResourceId| inventory.get(id).is_none();
    let vault = own_subscription::vault(farm).filter(is_absent);
    let mut refused: Vec<(&str, &str, Option<String>)> = Vec::new();
    let accounts = [
        ("storageAccountName", &farm.storage_account, storage_account(farm).is_some()),
        ("scalerStorageAccountName", &farm.scaler_account, !farm.fleets.is_empty()),
        ("packageStorageAccountName", &farm.package_account, auto_storage::is_wanted(farm, inventory)),
    ];
    for (key, name, wanted) in accounts {
        if wanted && is_absent(&farm.group_id().resource(STORAGE, name)) {
            refused.push((key, name, storage_name_taken(client, subscription, name).await?));
        }
    }
    if !farm.pools.is_empty() && is_absent(&batch_pool::spec::account(farm)) {
        let name = &farm.batch_account;
        let taken = batch_name_taken(client, subscription, location, name).await?;
        refused.push(("batchAccountName", name, taken));
    }
    // One that was deleted not long ago is recovered, or was refused with its region.
    if let Some(vault) = &vault
        && deleted_vault(client, vault).await?.is_none()
    {
        let taken = vault_name_taken(client, subscription, vault.name()).await?;
        refused.push(("batch.keyVaultName", vault.name(), taken));
    }
    if farm.is_public() && is_absent(&Names::of(farm).public_ip()) {
        let name = &farm.manager.vm_name;
        let taken = dns_label_taken(client, subscription, location, name).await?;
        refused.push(("virtualMachine", name, taken));
    }
    let finding = |(key, name, why): (&str, &str, Option<String>)| {
        Some(finding(
            format!("`{key}`: the name `{name}` is taken: {}", why?),
            "choose another one in the farm file",
        ))
    };
    Ok(refused.into_iter().filter_map(finding).collect())
}

/// Why Azure would not make a key vault of this name; `None` when it would.
async fn vault_name_taken(
    client: &ArmClient,
    subscription: &SubscriptionId,
    name: &str,
) -> Result<Option<String>, ArmError> {
    let path = format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/checkNameAvailability");
    let body = json!({"name": name, "type": own_subscription::VAULT});
    let request = Request::post(path, Some(body)).api_version(own_subscription::VAULT_API).idempotent();
    refusal(client, &request, "nameAvailable").await
}

/// Why Azure would not make a storage account of this name, in its words; `None` when it would.
pub async fn storage_name_taken(
    client: &ArmClient,
    subscription: &SubscriptionId,
    name: &str,
) -> Result<Option<String>, ArmError> {
    let path = format!("/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability");
    let body = json!({"name": name, "type": "Microsoft.Storage/storageAccounts"});
    refusal(client, &Request::post(path, Some(body)).api_version(STORAGE_API).idempotent(), "nameAvailable")
        .await
}

/// Why Azure would not make a Batch account of this name in this region; `None` when it would.
pub async fn batch_name_taken(
    client: &ArmClient,
    subscription: &SubscriptionId,
    location: &Location,
    name: &str,
) -> Result<Option<String>, ArmError> {
    let path = format!(
        "/subscriptions/{subscription}/providers/Microsoft.Batch/locations/{location}/checkNameAvailability"
    );
    let body = json!({"name": name, "type": "Microsoft.Batch/batchAccounts"});
    refusal(client, &Request::post(path, Some(body)).api_version(BATCH_API).idempotent(), "nameAvailable")
        .await
}

/// Why no public address in this region can have this DNS label (a VM's name in lower case); `None` when one can.
pub async fn dns_label_taken(
    client: &ArmClient,
    subscription: &SubscriptionId,
    location: &Location,
    vm: &str,
) -> Result<Option<String>, ArmError> {
    let path = format!(
        "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/CheckDnsNameAvailability"
    );
    let request =
        Request::get(path).api_version(NETWORK_API).query("domainNameLabel", vm.to_ascii_lowercase());
    refusal(client, &request, "available").await
}

async fn refusal(client: &ArmClient, request: &Request, member: &str) -> Result<Option<String>, ArmError> {
    // A provider that is not registered yet cannot check; it will be registered by the first write.
    let body = match client.send(request).await {
        Err(error) if matches!(error.kind(), Kind::NotRegistered { .. } | Kind::Forbidden { .. }) => {
            return Ok(None);
        }
        answer => answer?.body.unwrap_or_default(),
    };
    if body.get(member).and_then(Value::as_bool) != Some(false) {
        return Ok(None);
    }
    Ok(Some(body.get("message").and_then(Value::as_str).unwrap_or("it is in use").to_owned()))
}

/// Whether the sign-in may write what a farm consists of.
async fn rights(client: &ArmClient, farm: &Farm) -> Result<Vec<Finding>, ArmError> {
    let scope = farm.group_id();
    let path = |scope: &str| format!("{scope}/providers/Microsoft.Authorization/permissions");
    let read = |scope: &str| Request::get(path(scope)).api_version(AUTHORIZATION_API);
    let whole = format!("/subscriptions/{}", farm.subscription);
    let permissions = match client.list(&read(scope.as_str())).await {
        // The group does not exist yet: what counts is the subscription.
        Err(error) if error.is_not_found() => client.list(&read(&whole)).await?,
        other => other?,
    };
    let mut needed = vec![
        "Microsoft.Resources/subscriptions/resourceGroups/write",
        "Microsoft.Network/virtualNetworks/write",
        "Microsoft.Compute/virtualMachines/write",
        "Microsoft.Storage/storageAccounts/write",
        "Microsoft.ManagedIdentity/userAssignedIdentities/write",
    ];
    if !farm.pools.is_empty() {
        needed.push("Microsoft.Batch/batchAccounts/write");
    }
    if !farm.fleets.is_empty() {
        needed.push("Microsoft.Compute/virtualMachineScaleSets/write");
    }
    let missing: Vec<&str> = needed.into_iter().filter(|action| !allows(&permissions, action)).collect();
    Ok(if missing.is_empty() {
        Vec::new()
    } else {
        vec![finding(
            format!("this sign-in may not: {}", missing.join(", ")),
            format!(
                "ask an owner for the role Contributor: `az role assignment create --role Contributor --assignee YOU --scope {whole}`"
            ),
        )]
    })
}

/// Whether permissions, as Azure lists them, allow an action.
pub fn allows(permissions: &[Value], action: &str) -> bool {
    let any = |permission: &Value, key: &str| {
        let patterns = permission.get(key).and_then(Value::as_array).into_iter().flatten();
        patterns.filter_map(Value::as_str).any(|pattern| wildcard(pattern, action))
    };
    permissions.iter().any(|p| any(p, "actions") && !any(p, "notActions"))
}

/// Whether `text` matches a pattern in which `*` stands for anything, without case.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut rest = text.as_str();
    let parts: Vec<&str> = pattern.split('*').collect();
    for (index, part) in parts.iter().enumerate() {
        let found = if index == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
        || parts.last().is_some_and(|last| last.is_empty())
        || text.ends_with(parts[parts.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contributor_may_write_but_not_assign_roles() {
        let contributor = [json!({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]})];
        assert!(allows(&contributor, "Microsoft.Compute/virtualMachines/write"));
        assert!(!allows(&contributor, "Microsoft.Authorization/roleAssignments/write"));
        let reader = [json!({"actions": ["*/read"], "notActions": []})];
        assert!(!allows(&reader, "Microsoft.Compute/virtualMachines/write"));
        assert!(allows(&reader, "Microsoft.Compute/virtualMachines/read"));
    }

    #[test]
    fn an_unknown_region_gets_a_neighbour() {
        assert_eq!(nearest("westeurop", &["eastus", "westeurope", "westus"]), Some("westeurope"));
        assert_eq!(nearest("mars", &["eastus", "westeurope"]), None);
    }
}
