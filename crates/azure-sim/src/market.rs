//! What Azure has to sell at the moment: restrictions and capacity, set by tests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::world::World;

/// Restricted sizes and scarce capacity by `region/size` in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Market {
    pub(crate) restricted: BTreeSet<String>,
    /// Machines still to be had; absent is plenty.
    pub(crate) capacity: BTreeMap<String, u32>,
}

impl Market {
    /// Machines of a size still to be had in a region.
    pub(crate) fn left(&self, location: &str, size: &str) -> u32 {
        let key = format!("{location}/{size}").to_ascii_lowercase();
        self.capacity.get(&key).copied().unwrap_or(u32::MAX)
    }

    /// Whether none is left.
    pub(crate) fn exhausted(&self, location: &str, size: &str) -> bool {
        self.left(location, size) == 0
    }

    /// Takes machines out of the market.
    pub(crate) fn sell(&mut self, location: &str, size: &str, count: u32) {
        let key = format!("{location}/{size}").to_ascii_lowercase();
        if let Some(left) = self.capacity.get_mut(&key) {
            *left = left.saturating_sub(count);
        }
    }
}

impl World {
    /// Restricts a size in a region for this subscription (`NotAvailableForSubscription`, `SkuNotAvailable`).
    pub fn restrict_size(&mut self, location: &str, size: &str) {
        self.market.restricted.insert(format!("{location}/{size}").to_ascii_lowercase());
    }

    /// Says how many more machines of a size a region has: VM creation is then refused with `SkuNotAvailable`,
    /// pool resizes end with `AllocationTimedOut`. `None` is plenty again.
    pub fn set_capacity(&mut self, location: &str, size: &str, machines: Option<u32>) {
        let key = format!("{location}/{size}").to_ascii_lowercase();
        match machines {
            Some(machines) => self.market.capacity.insert(key, machines),
            None => self.market.capacity.remove(&key),
        };
    }
}
