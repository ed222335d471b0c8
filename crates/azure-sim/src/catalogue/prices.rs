//! Prices of the simulator, dated and approximate.
//!
//! These are USD pay-as-you-go list prices as remembered on [`AS_OF`], rounded, scaled per region by
//! [`super::Location::price_percent`]. They serve demonstrations and tests; whoever decides about money asks
//! the Azure Retail Prices API of the day. Amounts are integers so that every sum is exact.

use super::{Location, Size};

/// Day of the table.
pub const AS_OF: &str = "2026-11-01";

/// Hours of a month in Azure's price pages.
pub const HOURS_PER_MONTH: u64 = 730;

/// How a machine is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Pay as you go.
    Dedicated,
    /// Spot; also the successor of Batch's low-priority nodes.
    Spot,
}

/// Micro-USD per hour of a Linux machine.
pub fn machine(size: &Size, location: Location, tier: Tier) -> u64 {
    let full = scaled(size.micro_usd, location);
    match tier {
        Tier::Dedicated => full,
        Tier::Spot => full * spot_percent(size) / 100,
    }
}

/// Micro-USD per hour of the same machine with Windows.
pub fn windows_machine(size: &Size, location: Location, tier: Tier) -> u64 {
    let licence = 46_000 * u64::from(size.vcpus);
    let licence = if tier == Tier::Spot { licence / 4 } else { licence };
    machine(size, location, tier) + licence
}

/// Spot prices vary with demand; the simulator's are fixed by series.
fn spot_percent(size: &Size) -> u64 {
    match size.name {
        name if name.ends_with("_v7") => 30,
        name if name.ends_with("_v6") => 24,
        _ if size.gpus > 0 => 35,
        _ => 20,
    }
}

/// Standard static public IPv4 address, per hour. The same everywhere.
pub const PUBLIC_IP: u64 = 5_000;

/// Standard NAT gateway, per hour. The same everywhere.
pub const NAT_HOUR: u64 = 45_000;

/// NAT gateway, per GB processed.
pub const NAT_GB: u64 = 45_000;

/// A provisioned GiB of premium files (LRS), per month.
pub fn premium_files_gib_month(location: Location) -> u64 {
    scaled(160_000, location)
}

/// (tier name, GiB, micro-USD per month in East US)
const DISKS: &[(&str, u32, u64)] = &[
    ("S4", 32, 1_536_000),
    ("S6", 64, 3_008_000),
    ("S10", 128, 5_888_000),
    ("E4", 32, 2_400_000),
    ("E6", 64, 4_800_000),
    ("E10", 128, 9_600_000),
    ("E15", 256, 19_200_000),
    ("P4", 32, 5_280_000),
    ("P6", 64, 10_210_000),
    ("P10", 128, 19_710_000),
    ("P15", 256, 38_010_000),
];

/// Tier and micro-USD per month of a managed disk of a storage account type and size in GiB
/// (larger than the table: the price of its last row, by size).
pub fn disk_month(account_type: &str, gib: u32, location: Location) -> (&'static str, u64) {
    let letter = match account_type {
        t if t.starts_with("Premium") => 'P',
        t if t.starts_with("StandardSSD") => 'E',
        _ => 'S',
    };
    let rows = || DISKS.iter().filter(|row| row.0.starts_with(letter));
    let fit = rows().find(|row| row.1 >= gib).or_else(|| rows().next_back());
    fit.map_or(("", 0), |row| {
        let price = scaled(row.2, location);
        let more = u64::from(gib.max(row.1)) * price / u64::from(row.1);
        (row.0, if gib > row.1 { more } else { price })
    })
}

/// Every managed disk tier with its price per month in a region.
pub fn disks(location: Location) -> impl Iterator<Item = (&'static str, u64)> {
    DISKS.iter().map(move |row| (row.0, scaled(row.2, location)))
}

fn scaled(price: u64, location: Location) -> u64 {
    price * u64::from(location.price_percent) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{location, locations, sizes};

    #[test]
    fn spot_is_cheaper_and_windows_dearer_everywhere() {
        for place in locations() {
            for size in sizes() {
                let linux = machine(&size, place, Tier::Dedicated);
                assert!(linux > 0);
                assert!(machine(&size, place, Tier::Spot) < linux, "{}", size.name);
                assert!(windows_machine(&size, place, Tier::Dedicated) > linux);
            }
        }
    }

    #[test]
    fn a_disk_pays_the_tier_it_fits_into() {
        let here = location("eastus").unwrap();
        assert_eq!(disk_month("Premium_LRS", 100, here).0, "P10");
        assert_eq!(disk_month("StandardSSD_LRS", 128, here), ("E10", 9_600_000));
        assert_eq!(disk_month("Standard_LRS", 30, here).0, "S4");
        assert_eq!(disk_month("Premium_LRS", 512, here).1, 2 * 38_010_000);
    }
}
