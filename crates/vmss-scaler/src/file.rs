//! The scaler's own file: everything that it goes by and that no tag may change. Written by `deploy` on the Manager, or
//! by hand where the scaler stands alone.

use std::time::Duration;

use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use flamenco_azure_core::tags::Tags;
use serde::{Deserialize, Serialize};

use crate::error::SpecError;
use crate::scaler::Pool;
use crate::skus::{Catalog, Sku};
use crate::spec::{Density, Payload, Placement, Policy, Priority};
use crate::template::{ImageReference, Mode, Template};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalerFile {
    /// Which Azure: `public` (default), `usgov` or `china`.
    #[serde(default = "public")]
    pub cloud: String,
    /// The subscription that pays.
    #[serde(alias = "subscriptionID")]
    pub subscription: SubscriptionId,
    /// The region.
    pub location: Location,
    /// The group of the scale sets and of the target's tag.
    pub resource_group: String,
    /// The farm, as in ownership tags.
    pub farm: String,
    /// The StorageV2 account of state and queues.
    pub storage_account: String,
    /// The client id of the identity that the scaler signs in with on a machine of Azure's; absent: the sign-in of whoever
    /// runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The pools.
    pub pools: Vec<PoolFile>,
}

fn public() -> String {
    "public".to_owned()
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolFile {
    /// Its name.
    pub name: String,
    /// The most nodes ever, whatever a tag says.
    pub max_nodes: u32,
    /// Where nodes may be had, best first.
    pub placements: Vec<PlacementFile>,
    /// The most that regular nodes may be of the target, in percent, where Spot placements are listed too.
    #[serde(default = "all")]
    pub on_demand_percent: u8,
    /// How many more than wanted are started while nodes are missing.
    #[serde(default)]
    pub overprovision: u32,
    /// Nodes per scale set; absent: the rule.
    #[serde(default, alias = "vmsPerVMSS", skip_serializing_if = "Option::is_none")]
    pub vms_per_scale_set: Option<u32>,
    /// What nodes carry.
    #[serde(default)]
    pub payload: Payload,
    /// How scale sets run their machines.
    #[serde(default)]
    pub orchestration: Mode,
    /// The most to pay for a Spot node in US dollars an hour; absent: the pay-as-you-go price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<String>,
    /// How long a node may be in the making.
    #[serde(default = "boot_budget")]
    pub boot_budget_minutes: u32,
    /// Whether nodes may ask for their own deletion by message.
    #[serde(default)]
    pub delete_by_message: bool,
    /// What nodes boot.
    pub image: ImageReference,
    /// GiB of their operating system disk.
    #[serde(default = "os_disk")]
    pub os_disk_gib: u64,
    /// Their subnet, which may be in another resource group.
    pub subnet: ResourceId,
    /// Who may sign in.
    #[serde(default = "admin")]
    pub admin_username: String,
    /// With this public key, one line.
    pub ssh_public_key: String,
    /// The identity of the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_identity: Option<ResourceId>,
    /// Their cloud-init document. Readable on the nodes: no secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_data: Option<String>,
    /// Tags of the scale sets besides the ownership tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// A placement as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacementFile {
    /// The VM size.
    #[serde(alias = "vmSKU")]
    pub vm_size: String,
    /// `1`, `2` or `3`; absent: Azure chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Spot or regular.
    #[serde(default = "spot")]
    pub priority: Priority,
}

fn all() -> u8 {
    100
}

pub(crate) fn boot_budget() -> u32 {
    15
}

pub(crate) fn os_disk() -> u64 {
    30
}

fn admin() -> String {
    "flamenco".to_owned()
}

fn spot() -> Priority {
    Priority::Spot
}

impl ScalerFile {
    /// The resource group's id.
    pub fn group(&self) -> ResourceId {
        ResourceId::group(&self.subscription, &self.resource_group)
    }

    /// The pools as the scaler takes them, with what Azure says about their sizes. All that is wrong is reported at once.
    pub fn pools(&self, catalog: &Catalog) -> Result<Vec<Pool>, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut pools = Vec::new();
        if self.pools.is_empty() {
            findings.push(Finding::new("pools", "there is none", "describe at least one"));
        }
        for (index, file) in self.pools.iter().enumerate() {
            if self.pools[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&file.name)) {
                findings.push(Finding::new(
                    &format!("pools[{index}].name"),
                    format!("there are two pools `{}`", file.name),
                    "give each a name of its own",
                ));
            }
            match self.pool(index, file, catalog) {
                Ok(pool) => pools.push(pool),
                Err(mut wrong) => findings.append(&mut wrong),
            }
        }
        if findings.is_empty() { Ok(pools) } else { Err(findings) }
    }

    fn pool(&self, index: usize, file: &PoolFile, catalog: &Catalog) -> Result<Pool, Vec<Finding>> {
        let at = |field: &str| format!("pools[{index}].{field}");
        let mut findings = Vec::new();
        let placements: Vec<Placement> = file
            .placements
            .iter()
            .enumerate()
            .filter_map(|(n, one)| {
                let key = at(&format!("placements[{n}]"));
                match place(one, catalog, &self.location) {
                    Ok(placement) => Some(placement),
                    Err((what, remedy)) => {
                        findings.push(Finding::new(&key, what, remedy));
                        None
                    }
                }
            })
            .collect();
        if file.max_nodes == 0 {
            findings.push(Finding::new(&at("maxNodes"), "no node could ever run", "raise it"));
        }
        if let Some(price) = &file.max_price
            && !price_fits(price)
        {
            let why = format!("`{price}` is no price");
            findings.push(Finding::new(
                &at("maxPrice"),
                why,
                "write US dollars an hour with at most five decimals",
            ));
        }
        let encoded = file.custom_data.as_ref().map_or(0, |text| text.len().div_ceil(3) * 4);
        if encoded > crate::desired::MOST_CUSTOM_DATA {
            let why = format!("the document has {encoded} characters when encoded, Azure takes 65535");
            findings.push(Finding::new(&at("customData"), why, "let it fetch what is large"));
        }
        let density = Density {
            vms_per_scale_set: file.vms_per_scale_set,
            payload: file.payload,
            image: file.image.kind(),
            // Nodes are spread over one fault domain: the larger limit holds.
            gpu_spread: false,
        };
        let mut policy =
            Policy::new(self.group().as_str(), &self.farm, &file.name, file.max_nodes, placements);
        match density.resolve() {
            Ok(density) => policy.density = density,
            Err(error) => {
                findings.push(Finding::new(&at("vmsPerScaleSet"), error.to_string(), "correct the number"));
            }
        }
        policy.on_demand_percent = file.on_demand_percent;
        policy.overprovision = file.overprovision;
        policy.boot_budget = Duration::from_mins(u64::from(file.boot_budget_minutes.max(1)));
        // What is wrong with a placement is said already.
        match policy.check() {
            Err(SpecError::NoPlacement) if !file.placements.is_empty() => {}
            Err(error) => findings.push(Finding::new(
                &at("placements"),
                flamenco_azure_core::error::chain(&error),
                "correct the pool's description",
            )),
            Ok(()) => {}
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let template = Template {
            location: self.location.clone(),
            mode: file.orchestration,
            image: file.image.clone(),
            os_disk_gib: file.os_disk_gib,
            subnet: file.subnet.clone(),
            admin: file.admin_username.clone(),
            ssh_public_key: file.ssh_public_key.clone(),
            identity: file.node_identity.clone(),
            custom_data: file.custom_data.clone(),
            max_price: file.max_price.clone(),
            tags: file.tags.clone(),
        };
        Ok(Pool {
            group: self.group(),
            sole: self.pools.len() == 1,
            policy,
            template,
            catalog: catalog.clone(),
        })
    }
}

/// Something wrong in the file, or in what it asks of Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The field.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(field: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.to_owned(), what: what.into(), remedy: remedy.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.what, self.remedy)
    }
}

/// A placement with what Azure says about its size; what is wrong with it and what to do otherwise.
fn place(
    file: &PlacementFile,
    catalog: &Catalog,
    location: &Location,
) -> Result<Placement, (String, String)> {
    let Some(sku) = catalog.get(&file.vm_size) else {
        let near = catalog.near(&file.vm_size);
        let remedy = if near.is_empty() {
            format!("`az vm list-sizes --location {location}` lists its sizes")
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        return Err((format!("there is no size `{}` in {location}", file.vm_size), remedy));
    };
    usable(file, sku, location)?;
    Ok(Placement {
        sku: sku.name.clone(),
        family: sku.family.clone(),
        vcpus: sku.vcpus,
        zone: file.zone.clone(),
        priority: file.priority,
    })
}

fn usable(file: &PlacementFile, sku: &Sku, location: &Location) -> Result<(), (String, String)> {
    let name = &sku.name;
    if file.priority == Priority::Spot && !sku.spot {
        return Err((
            format!("`{name}` cannot be had as Spot"),
            "write `priority: regular` or take another size".to_owned(),
        ));
    }
    if let Some(reason) = &sku.restricted {
        return Err((
            format!("the subscription may not use `{name}` in {location} ({reason})"),
            "take another size or region, or ask Azure support to lift it".to_owned(),
        ));
    }
    let Some(zone) = &file.zone else { return Ok(()) };
    if !sku.zones.contains(zone) {
        let zones: Vec<&str> = sku.zones.iter().map(String::as_str).collect();
        let remedy = if zones.is_empty() {
            "leave the zone out: the size has none here".to_owned()
        } else {
            format!("it is offered in zones {}", zones.join(", "))
        };
        return Err((format!("`{name}` is not offered in zone {zone} of {location}"), remedy));
    }
    if sku.restricted_zones.contains(zone) {
        return Err((
            format!("the subscription may not use `{name}` in zone {zone} of {location}"),
            "take another zone, or leave it out".to_owned(),
        ));
    }
    Ok(())
}

/// Digits, with at most five decimals, above nothing (Microsoft's page "Azure Spot Virtual Machines").
fn price_fits(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    digits(whole) && digits(decimals) && decimals.len() <= 5 && text.chars().any(|c| ('1'..='9').contains(&c))
}
