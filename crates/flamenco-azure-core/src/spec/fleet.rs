//! Pools of scale sets (`kind: vmss`), as the farm file describes them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::farm::FarmName;
use super::image::PoolImage;
use crate::ids::{ResourceId, SubscriptionId};

/// Most nodes in one scale set (Microsoft's page "Working with large virtual machine scale sets", with
/// `singlePlacementGroup` off).
pub const MOST_PER_SET: u32 = 1000;
/// Most of them when they boot from a managed image (same page).
pub const MOST_PER_SET_MANAGED_IMAGE: u32 = 600;
/// The most that `overprovision` may be.
pub const MOST_OVERPROVISION: u32 = 20;
/// The minutes that `bootBudgetMinutes` may be.
pub const BOOT_BUDGET_MINUTES: std::ops::RangeInclusive<u32> = 5..=120;
/// The characters that the names of farm and pool may have together: a scale set's name has 58, of which two hyphens,
/// five that tell farms apart and seven of the generation are the scaler's (a test in vmss-scaler compares).
pub const SET_NAME_ROOM: usize = 44;

/// One pool of scale sets, held at an exact count by the scaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// The pool's name: 1 to 43 lower-case letters, digits and inner hyphens, [`SET_NAME_ROOM`] with the farm's.
    pub name: String,
    /// What nodes boot.
    pub image: FleetImage,
    /// The most nodes the pool may ever have, whatever the tag says.
    pub max_nodes: u32,
    /// The nodes to start with, at most [`Self::max_nodes`]: written to the tag when the pool is first made.
    pub nodes: u32,
    /// Where nodes may be had, best first; at least one, none twice.
    pub placements: Vec<Placement>,
    /// How much of the wanted nodes may be regular where Spot placements are listed too, 0 to 100.
    pub on_demand_percent: u8,
    /// How many more than wanted are started while nodes are missing, at most [`MOST_OVERPROVISION`]. They come on top
    /// of [`Self::max_nodes`]; the subnet has room for them.
    pub overprovision: u32,
    /// Nodes in one scale set, 1 to [`MOST_PER_SET`]; absent: the scaler's rule.
    pub vms_per_scale_set: Option<u32>,
    /// What nodes carry.
    pub payload: Payload,
    /// The mode of the scale sets.
    pub orchestration: Orchestration,
    /// The most that a Spot node may cost; absent: up to the pay-as-you-go price. Regular nodes are not limited.
    pub max_price: Option<MaxPrice>,
    /// How long a node may be in the making before it is made anew, in minutes, within [`BOOT_BUDGET_MINUTES`].
    pub boot_budget_minutes: u32,
    /// Whether nodes may ask for their own deletion by a message on the farm's queue.
    pub delete_by_message: bool,
}

/// Where nodes may be had: a size, a zone or none, and a way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// Such as `Standard_D16as_v5`.
    pub vm_size: String,
    /// `1`, `2` or `3`; absent: a regional scale set, whose zone Azure chooses.
    pub zone: Option<String>,
    /// Spot or regular.
    pub priority: Priority,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.priority, self.vm_size)?;
        self.zone.iter().try_for_each(|zone| write!(f, " in zone {zone}"))
    }
}

/// Who pays how for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Spot: cheap, evicted whenever Azure wants the machine back.
    Spot,
    /// Pay-as-you-go.
    Regular,
}

impl Priority {
    /// Reads the farm file's word in any case, `low` being Azure's old name of Spot; never a silent fallback to full
    /// price.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "spot" | "low" => Some(Self::Spot),
            "regular" => Some(Self::Regular),
            _ => None,
        }
    }

    /// The word in the farm file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Regular => "regular",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node brings along or reads while it boots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// Little, or tools mounted over NFS: many small scale sets boot fastest.
    #[default]
    Light,
    /// Gigabytes in the image: dense scale sets boot fastest.
    HeavyImage,
}

/// Azure's orchestration mode of the scale sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Orchestration {
    /// Nodes are virtual machines of their own.
    #[default]
    Flexible,
    /// Nodes are instances with an index.
    Uniform,
}

/// USD an hour, in hundred-thousandths: Azure takes five decimals (Microsoft's page "Azure Spot Virtual Machines").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "f64")]
pub struct MaxPrice(u32);

impl MaxPrice {
    /// The price, unless it is not above 0, has more than five decimals or is 10,000 or more.
    pub fn new(usd: f64) -> Option<Self> {
        let range = 0.0..10_000.0;
        // The shortest text that gives the same number has the digits that were written.
        let text = Some(usd).filter(|usd| range.contains(usd)).map(|usd| usd.to_string())?;
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let digits = (decimals.len() <= 5).then(|| format!("{whole}{decimals:0<5}"))?;
        digits.parse().ok().filter(|units| *units > 0).map(Self)
    }

    /// USD an hour.
    pub fn usd(self) -> f64 {
        f64::from(self.0) / 100_000.0
    }
}

impl From<MaxPrice> for f64 {
    fn from(price: MaxPrice) -> Self {
        price.usd()
    }
}

impl fmt::Display for MaxPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.usd().fmt(f)
    }
}

/// What a fleet's nodes boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetImage {
    /// From the Marketplace, without a purchase plan.
    Marketplace {
        /// Such as `canonical`.
        publisher: String,
        /// Such as `ubuntu-24_04-lts`.
        offer: String,
        /// Such as `server`.
        sku: String,
        /// A version or `latest`.
        version: String,
    },
    /// A Compute Gallery image, with or without a version.
    Gallery {
        /// `…/galleries/{g}/images/{i}/versions/{v}`, or without the version for the latest.
        id: ResourceId,
    },
    /// A managed image: at most [`MOST_PER_SET_MANAGED_IMAGE`] nodes a scale set.
    Managed {
        /// `…/providers/Microsoft.Compute/images/{name}`.
        id: ResourceId,
    },
}

impl FleetImage {
    /// Reads the farm file's `image`: what [`PoolImage::parse`] takes, or the id of a managed image.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(id) = managed(text) {
            return Some(Self::Managed { id });
        }
        Some(match PoolImage::parse(text)? {
            PoolImage::Marketplace { publisher, offer, sku, version, .. } => {
                Self::Marketplace { publisher, offer, sku, version }
            }
            PoolImage::Gallery { id, .. } => Self::Gallery { id },
        })
    }

    /// The most nodes in one scale set.
    pub fn most_per_set(&self) -> u32 {
        if matches!(self, Self::Managed { .. }) { MOST_PER_SET_MANAGED_IMAGE } else { MOST_PER_SET }
    }
}

/// The id, if the text is that of a managed image.
pub(super) fn managed(text: &str) -> Option<ResourceId> {
    text.trim().parse::<ResourceId>().ok().filter(|id| id.is_kind("Microsoft.Compute/images"))
}

/// A name for an account that nothing names: the prefix and 64 bits of a hash of what tells farms apart. Account names
/// are unique in all of Azure.
pub(super) fn account_name(
    prefix: &str,
    subscription: &SubscriptionId,
    group: &str,
    farm: &FarmName,
) -> String {
    let mut hash = Sha256::new();
    // Azure does not mind the case of groups.
    for part in [subscription.as_str(), &group.to_lowercase(), farm.as_str()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let number = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{prefix}{number:016x}")
}
