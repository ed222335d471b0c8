//! The part of the farm file that the scaler owns: limits, density, placements and patience.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::SpecError;
use crate::names::Names;

/// Who pays how for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Spot: cheap, evicted whenever Azure wants the machine back. Azure's API once called it `Low`.
    #[serde(alias = "low")]
    Spot,
    /// Pay-as-you-go.
    Regular,
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spot => "spot",
            Self::Regular => "regular",
        })
    }
}

impl std::str::FromStr for Priority {
    type Err = SpecError;

    /// `spot`, its old name `low`, or `regular`, in any case; never a silent fallback to full price.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text.to_ascii_lowercase().as_str() {
            "spot" | "low" => Ok(Self::Spot),
            "regular" => Ok(Self::Regular),
            _ => Err(SpecError::Priority { text: text.to_owned() }),
        }
    }
}

/// Where machines can be had: a size, a zone or none, and a way to pay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The VM size, such as `Standard_D16s_v5`.
    pub sku: String,
    /// The quota family of the size as the resource SKUs name it, such as `standardDSv5Family`.
    pub family: String,
    /// The size's vCPUs.
    pub vcpus: u32,
    /// The availability zone, or none for a regional scale set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Spot or regular.
    pub priority: Priority,
}

impl std::fmt::Display for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.priority, self.sku)?;
        match &self.zone {
            Some(zone) => write!(f, " in zone {zone}"),
            None => Ok(()),
        }
    }
}

/// What a node brings along or reads while it boots; decides the density.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// Little, or tools mounted over NFS: many small scale sets boot fastest.
    #[default]
    Light,
    /// Gigabytes on the OS disk's image: dense scale sets boot fastest.
    HeavyImage,
}

/// What kind of image the nodes boot from; decides Azure's limit per scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Image {
    /// From the marketplace.
    #[default]
    Marketplace,
    /// From a compute gallery.
    Gallery,
    /// A managed image.
    Managed,
}

/// Most instances in one scale set (Microsoft's page "Working with large virtual machine scale sets", with
/// `singlePlacementGroup` off).
pub const MOST_PER_SET: u32 = 1000;
/// Most of them when they boot from a managed image (same page).
pub const MOST_PER_SET_MANAGED_IMAGE: u32 = 600;
/// Most of them on N-series sizes spread over more than one fault domain (page "Orchestration modes").
pub const MOST_PER_SET_GPU_SPREAD: u32 = 200;
/// Nodes per scale set for light payloads. In Avere's boot study of 1,000 VMs ("Azure VM provision best practices",
/// 2018) 40 sets of 25 had a P95 of 260 s, four sets of 250 one of 650 s.
pub const LIGHT_DENSITY: u32 = 25;
/// Nodes per scale set for large image payloads. In the same study with 5 GB on the disk sets of 250 had a P95 of
/// 1,147 s and no failed boots, sets of 25 one of 2,004 s and 13 failures; denser was not measured.
pub const HEAVY_DENSITY: u32 = 250;

/// How many nodes go into one scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Density {
    /// The number itself, where the user knows better than the rule. `vmsPerVMSS` is its old name.
    #[serde(alias = "vmsPerVMSS")]
    pub vms_per_scale_set: Option<u32>,
    /// What nodes carry.
    pub payload: Payload,
    /// What they boot from.
    pub image: Image,
    /// Whether the size is of the N series and spread over more than one fault domain.
    pub gpu_spread: bool,
}

impl Density {
    /// The most that Azure allows in one scale set.
    pub fn limit(self) -> u32 {
        match (self.gpu_spread, self.image) {
            (true, _) => MOST_PER_SET_GPU_SPREAD,
            (_, Image::Managed) => MOST_PER_SET_MANAGED_IMAGE,
            _ => MOST_PER_SET,
        }
    }

    /// Nodes per scale set: the given number, or the rule's, within Azure's limit.
    pub fn resolve(self) -> Result<u32, SpecError> {
        let rule = match self.payload {
            Payload::Light => LIGHT_DENSITY,
            Payload::HeavyImage => HEAVY_DENSITY,
        };
        match self.vms_per_scale_set {
            Some(0) => Err(SpecError::DensityZero),
            Some(given) if given > self.limit() => {
                Err(SpecError::DensityAboveLimit { given, limit: self.limit() })
            }
            Some(given) => Ok(given),
            None => Ok(rule.min(self.limit())),
        }
    }
}

/// What [`reconcile`](crate::reconcile::reconcile) goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The resource group's id: part of what makes names unique between farms of the same name.
    pub group: String,
    /// The farm, as in the ownership tags and names.
    pub farm: String,
    /// The pool within the farm.
    pub pool: String,
    /// Most nodes ever, whatever the target says. From the scaler's own file, never from a tag: whoever may write
    /// tags may not thereby spend without limit.
    pub max_nodes: u32,
    /// Nodes per scale set, as [`Density::resolve`] gives it.
    pub density: u32,
    /// Where nodes may be, best first.
    pub placements: Vec<Placement>,
    /// The most that regular (pay-as-you-go) nodes may be of the target, in percent. Counts only where spot placements
    /// are listed too.
    pub on_demand_percent: u8,
    /// How many more than wanted are started while nodes are missing, to race stragglers; the losers are removed.
    pub overprovision: u32,
    /// How long an instance may be in the making before it is deleted and made anew. A redeploy never rescues a VM
    /// that is stuck in Creating (20 of 20 in ScyllaDB's field study), deletion does.
    pub boot_budget: Duration,
    /// How old an observation may be before nothing is decided from it.
    pub max_age: Duration,
    /// When a request of this scaler whose outcome is not known counts as not sent. Longer than any request can live.
    pub redo_after: Duration,
    /// How long an instance that was told to go keeps its place in its set, before it is replaced elsewhere.
    pub hold_for: Duration,
    /// When to look again while something is in the making or missing.
    pub busy_look: Duration,
    /// When to look again while all is well: the longest an eviction stays unseen up to 1,000 nodes.
    pub calm_look: Duration,
}

impl Policy {
    /// A policy with the defaults for everything but names, the limit and placements.
    pub fn new(group: &str, farm: &str, pool: &str, max_nodes: u32, placements: Vec<Placement>) -> Self {
        Self {
            group: group.to_owned(),
            farm: farm.to_owned(),
            pool: pool.to_owned(),
            max_nodes,
            density: LIGHT_DENSITY,
            placements,
            on_demand_percent: 100,
            overprovision: 0,
            boot_budget: Duration::from_mins(15),
            max_age: Duration::from_mins(1),
            redo_after: Duration::from_mins(2),
            hold_for: Duration::from_mins(5),
            busy_look: Duration::from_secs(10),
            calm_look: Duration::from_secs(15),
        }
    }

    /// Checks what no single field can tell.
    pub fn check(&self) -> Result<(), SpecError> {
        if self.placements.is_empty() {
            return Err(SpecError::NoPlacement);
        }
        if let Some(twice) =
            self.placements.iter().enumerate().find(|(n, one)| self.placements[..*n].contains(one))
        {
            return Err(SpecError::PlacementTwice { placement: twice.1.to_string() });
        }
        if let Some(broken) = self.placements.iter().find(|one| one.vcpus == 0 || one.sku.is_empty()) {
            return Err(SpecError::PlacementIncomplete { placement: broken.to_string() });
        }
        if self.density == 0 {
            return Err(SpecError::DensityZero);
        }
        if self.density > MOST_PER_SET {
            return Err(SpecError::DensityAboveLimit { given: self.density, limit: MOST_PER_SET });
        }
        if self.on_demand_percent > 100 {
            return Err(SpecError::OnDemandPercent { given: self.on_demand_percent });
        }
        self.names().check()
    }

    /// When a pool of so many nodes is looked at again while all is well: the larger, the later, for the sake of Azure's
    /// budget of reads; at most three times [`Self::calm_look`].
    pub fn calm_for(&self, nodes: u32) -> Duration {
        self.calm_look * nodes.div_ceil(1000).clamp(1, 3)
    }

    /// The names of the pool's scale sets.
    pub fn names(&self) -> Names {
        Names::new(&self.group, &self.farm, &self.pool)
    }

    /// The most regular nodes that a target of `nodes` allows.
    pub fn on_demand_limit(&self, nodes: u32) -> u32 {
        if self.placements.iter().all(|one| one.priority == Priority::Regular) {
            return nodes;
        }
        (u64::from(nodes) * u64::from(self.on_demand_percent) / 100) as u32
    }
}
