//! What pools of scale sets would run into.

use std::collections::BTreeMap;

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::{Location, ResourceId};
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::spec::{BatchMode, Farm, Fleet, FleetImage, PoolImage, Priority};
use flamenco_azure_core::tags;
use manager_vm::spec::Names;
use serde_json::Value;
use vmss_scaler::observe::POOL;
use vmss_scaler::surroundings;
use vmss_scaler::wire::{COMPUTE_API, SCALE_SET};

use super::{Finding, Sizes, finding};
use crate::fleets;

/// <https://learn.microsoft.com/rest/api/compute/gallery-image-versions>
const GALLERY_API: &str = "2023-07-03";

/// Pools that have more nodes than their farm file would allow: the scaler would remove what is above it at once.
pub(super) fn above_the_limit(farm: &Farm, inventory: &Inventory) -> Vec<Finding> {
    let nodes = |fleet: &Fleet| -> u64 {
        let sets = inventory.of_kind(SCALE_SET).filter(|set| {
            inventory.owner(set).as_deref() == Some(farm.name.as_str())
                && tags::get(&set.tags(), POOL) == Some(fleet.name.as_str())
        });
        sets.filter_map(|set| set.body.pointer("/sku/capacity").and_then(Value::as_u64)).sum()
    };
    let above = |fleet: &Fleet| {
        let (have, most) = (nodes(fleet), fleet.max_nodes);
        (have > u64::from(most)).then(|| {
            finding(
                format!("pool `{}`: maxNodes: {most} is below the {have} nodes that it has", fleet.name),
                format!(
                    "`flamenco-azure scale {} --nodes {most} --wait` first, or raise maxNodes",
                    fleet.name
                ),
            )
        })
    };
    farm.fleets.iter().filter_map(above).collect()
}

/// Placements that the scaler could not use: Spot where there is none, zones, documents that are too long.
pub(super) fn placements(farm: &Farm, sizes: &Sizes) -> Vec<Finding> {
    if farm.fleets.is_empty() {
        return Vec::new();
    }
    // Without a key nothing can be made at all, which is said elsewhere.
    let Ok(file) = fleets::scaler_file(farm, &Inventory::default(), None) else { return Vec::new() };
    let found = file.pools(&sizes.catalog).err().unwrap_or_default();
    let named = |field: &str| {
        let (index, rest) = field.strip_prefix("pools[")?.split_once("].")?;
        let fleet = farm.fleets.get(index.parse::<usize>().ok()?)?;
        Some(format!("pool `{}`: {rest}", fleet.name))
    };
    found
        .into_iter()
        .map(|one| {
            let field = named(&one.field).unwrap_or(one.field);
            finding(format!("{field}: {}", one.what), one.remedy)
        })
        .collect()
}

/// Cores that the nodes to start with need, at their first placement, of pools that are new.
pub(super) fn quotas(farm: &Farm, inventory: &Inventory, sizes: &Sizes, usages: &[Value]) -> Vec<Finding> {
    let have = inventory.group.as_ref().map(Observed::tags).unwrap_or_default();
    let mut needed: BTreeMap<String, u32> = BTreeMap::new();
    for fleet in &farm.fleets {
        let known = tags::get(&have, &surroundings::tag_names(farm, fleet, &have).target).is_some();
        let size = fleet.placements.first().and_then(|best| Some((best.priority, sizes.get(&best.vm_size)?)));
        let Some((priority, size)) = size.filter(|_| !known) else { continue };
        let cores = size.cores.saturating_mul(fleet.nodes);
        match priority {
            Priority::Spot => *needed.entry("lowPriorityCores".to_owned()).or_default() += cores,
            Priority::Regular => {
                *needed.entry("cores".to_owned()).or_default() += cores;
                *needed.entry(size.family.clone()).or_default() += cores;
            }
        }
    }
    let own = !matches!(farm.batch_mode, BatchMode::BatchService);
    for pool in farm
        .pools
        .iter()
        .filter(|pool| own && inventory.get(&batch_pool::spec::pool(farm, &pool.name)).is_none())
    {
        let Some(size) = sizes.get(&pool.vm_size) else { continue };
        let dedicated = size.cores.saturating_mul(pool.dedicated);
        for (name, cores) in [
            ("lowPriorityCores", size.cores.saturating_mul(pool.spot)),
            ("cores", dedicated),
            (size.family.as_str(), dedicated),
        ] {
            if cores > 0 {
                *needed.entry(name.to_owned()).or_default() += cores;
            }
        }
    }
    // The Manager's share of what it draws on too.
    if let Some(size) =
        sizes.get(&farm.manager.vm_size).filter(|_| inventory.get(&Names::of(farm).vm()).is_none())
    {
        for name in ["cores", &size.family] {
            needed.entry(name.to_owned()).and_modify(|cores| *cores += size.cores);
        }
    }
    needed.into_iter().filter_map(|(name, need)| short(farm, usages, &name, need)).collect()
}

fn short(farm: &Farm, usages: &[Value], name: &str, need: u32) -> Option<Finding> {
    let row = usages.iter().find(|u| {
        u.pointer("/name/value").and_then(Value::as_str).is_some_and(|v| v.eq_ignore_ascii_case(name))
    })?;
    let number = |key: &str| row.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let (limit, used) = (number("limit"), number("currentValue"));
    let title = row.pointer("/name/localizedValue").and_then(Value::as_str).unwrap_or(name);
    (used + f64::from(need) > limit).then(|| {
        finding(
            format!(
                "quota `{title}` in {}: {used} of {limit} cores are used and the pools' first nodes need {need}",
                farm.location
            ),
            format!(
                "ask for {} cores (Azure portal > Quotas > Compute > {title} > {}), or lower the numbers of nodes to start with",
                used + f64::from(need),
                farm.location
            ),
        )
    })
}

/// Images of one's own: there, and in the farm's region.
pub(super) async fn images(client: &ArmClient, farm: &Farm) -> Result<Vec<Finding>, ArmError> {
    let mut findings = Vec::new();
    for fleet in &farm.fleets {
        let (FleetImage::Managed { id } | FleetImage::Gallery { id }) = &fleet.image else { continue };
        let key = format!("pool `{}`: image", fleet.name);
        findings.extend(image(client, &farm.location, &key, id).await?);
    }
    for pool in &farm.pools {
        let PoolImage::Gallery { id, .. } = &pool.image else { continue };
        let key = format!("pool `{}`: image", pool.name);
        findings.extend(readable(client, &key, id).await?);
        findings.extend(image(client, &farm.location, &key, id).await?);
    }
    Ok(findings)
}

/// Batch gives a pool an image only if whoever makes the pool may read it (Microsoft's page "Use the Azure Compute
/// Gallery to create a custom image pool").
async fn readable(client: &ArmClient, key: &str, id: &ResourceId) -> Result<Option<Finding>, ArmError> {
    match client.get(&Request::get(id.as_str()).api_version(GALLERY_API)).await {
        Err(error) if matches!(error.kind(), Kind::Forbidden { .. } | Kind::SubscriptionUnavailable) => {
            Ok(Some(finding(
                format!("{key}: this sign-in may not read `{}`", id.name()),
                format!(
                    "ask its owner for the role Reader: `az role assignment create --role Reader --assignee YOU --scope {id}`"
                ),
            )))
        }
        Err(error) => Err(error),
        Ok(_) => Ok(None),
    }
}

/// An image of one's own: there, and in this region.
pub(crate) async fn image(
    client: &ArmClient,
    location: &Location,
    key: &str,
    id: &ResourceId,
) -> Result<Option<Finding>, ArmError> {
    let api_version = if id.is_kind("Microsoft.Compute/images") { COMPUTE_API } else { GALLERY_API };
    match client.get(&Request::get(id.as_str()).api_version(api_version)).await {
        // The scaler gets a role for it; whoever deploys need not see it.
        Err(error) if matches!(error.kind(), Kind::Forbidden { .. } | Kind::SubscriptionUnavailable) => {
            Ok(None)
        }
        Err(error) => Err(error),
        Ok(None) => Ok(Some(finding(
            format!("{key}: there is no `{}`", id.name()),
            "`az image list` and `az sig image-version list` list those that this sign-in sees",
        ))),
        Ok(Some(body)) => Ok(elsewhere(location, key, id, &body)),
    }
}

fn elsewhere(location: &Location, key: &str, id: &ResourceId, body: &Value) -> Option<Finding> {
    let here = |name: &str| name.replace(' ', "").eq_ignore_ascii_case(location.as_str());
    let regions: Vec<&str> = if id.is_kind("Microsoft.Compute/images") {
        body.get("location").and_then(Value::as_str).into_iter().collect()
    } else {
        let all = body.pointer("/properties/publishingProfile/targetRegions").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|region| region.get("name")?.as_str()).collect()
    };
    // A definition without a version does not say where its versions are.
    if regions.is_empty() || regions.iter().any(|name| here(name)) {
        return None;
    }
    let name = id.name();
    Some(finding(
        format!("{key}: `{name}` is in {}, the farm in {location}", regions.join(", ")),
        "replicate the image to the farm's region, or move the farm",
    ))
}
