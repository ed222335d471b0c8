//! VM sizes and their families, as the Resource SKUs API describes them.
//!
//! Sources: Microsoft Learn "VM sizes" and "Retired and retiring VM size series" (2026), compute usages (recorded traffic).
//! Family names of the v6 and v7 series are not in any recording; they follow the casing of the published v6 name `standardDaldv6Family`.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::locations::{Location, locations};

/// A family of sizes: the unit of core quota and of retirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a capability of its own in the API")]
pub struct Family {
    /// Quota counter, for example `standardDASv5Family`.
    pub name: &'static str,
    /// Last day, when one is announced.
    pub retires: Option<Date>,
    /// Hypervisor generations, `V1,V2`.
    pub generations: &'static str,
    /// Takes premium disks.
    pub premium: bool,
    /// Sold as Spot.
    pub spot: bool,
    /// Trusted Launch is not possible.
    pub no_trusted_launch: bool,
    /// Accelerated networking.
    pub accelerated: bool,
    /// Disk controller, `SCSI` or `NVMe`.
    pub controller: &'static str,
    /// `x64` or `Arm64`.
    pub architecture: &'static str,
}

type FamilyRow = (&'static str, Option<(i16, i8, i8)>, &'static str, &'static str);

/// (name, retirement, generations, flags: p premium, s spot, t no Trusted Launch, a accelerated, n NVMe, m Arm)
const FAMILIES: &[FamilyRow] = &[
    ("standardAv2Family", Some((2028, 11, 15)), "V1", "st"),
    ("standardBSFamily", Some((2028, 11, 15)), "V1,V2", "p"),
    ("standardBsv2Family", None, "V1,V2", "pa"),
    ("standardBasv2Family", None, "V1,V2", "pa"),
    ("standardDv2Family", Some((2028, 5, 1)), "V1", "sta"),
    ("standardDSv2Family", Some((2028, 5, 1)), "V1,V2", "psa"),
    ("standardDSv3Family", None, "V1,V2", "psa"),
    ("standardESv3Family", None, "V1,V2", "psa"),
    ("standardDSv5Family", None, "V1,V2", "psa"),
    ("standardDDSv5Family", None, "V1,V2", "psa"),
    ("standardDASv5Family", None, "V1,V2", "psa"),
    ("standardEASv5Family", None, "V1,V2", "psa"),
    ("standardDasv6Family", None, "V2", "psan"),
    ("standardDasv7Family", None, "V2", "psan"),
    ("standardDpsv6Family", None, "V2", "psanm"),
    ("standardFFamily", Some((2028, 11, 15)), "V1", "sta"),
    ("standardFSFamily", Some((2028, 11, 15)), "V1,V2", "psa"),
    ("standardFSv2Family", Some((2028, 11, 15)), "V1,V2", "psa"),
    ("standardFasv6Family", None, "V2", "psan"),
    ("standardFalsv6Family", None, "V2", "psan"),
    ("standardFasv7Family", None, "V2", "psan"),
    ("standardFalsv7Family", None, "V2", "psan"),
    ("standardLSFamily", Some((2028, 5, 1)), "V1", "pst"),
    ("standardLSv2Family", Some((2028, 11, 15)), "V1,V2", "psa"),
    ("standardHBrsv2Family", Some((2027, 5, 31)), "V1,V2", "psta"),
    ("standardHBv3Family", None, "V1,V2", "psta"),
    ("standardHBv4Family", None, "V2", "psta"),
    ("Standard NCASv3_T4 Family", None, "V1,V2", "psa"),
    ("StandardNVADSA10v5Family", None, "V2", "psa"),
    ("standardNVSv3Family", Some((2026, 9, 30)), "V1,V2", "pst"),
    ("standardNVSv4Family", Some((2026, 9, 30)), "V1,V2", "pst"),
    ("standardNCSv3Family", Some((2025, 9, 30)), "V1,V2", "pst"),
];

/// All families.
pub fn families() -> impl Iterator<Item = Family> {
    FAMILIES.iter().map(|(name, retires, generations, flags)| Family {
        name,
        retires: retires.and_then(|(year, month, day)| Date::new(year, month, day).ok()),
        generations,
        premium: flags.contains('p'),
        spot: flags.contains('s'),
        no_trusted_launch: flags.contains('t'),
        accelerated: flags.contains('a'),
        controller: if flags.contains('n') { "NVMe" } else { "SCSI" },
        architecture: if flags.contains('m') { "Arm64" } else { "x64" },
    })
}

/// A VM size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// `Standard_D8as_v5`.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// vCPUs; what quotas count.
    pub vcpus: u32,
    /// Memory in GiB.
    pub memory_gib: u32,
    /// Local disk in GiB; 0 is none.
    pub local_gib: u32,
    /// GPUs; fractional ones count as 1.
    pub gpus: u32,
    /// Linux pay-as-you-go price in East US, micro-USD per hour (see `prices`).
    pub micro_usd: u64,
}

/// (size, family, vCPUs, memory GiB, local disk GiB, GPUs, micro-USD per hour in East US)
type Row = (&'static str, &'static str, u32, u32, u32, u32, u64);

const SIZES: &[Row] = &[
    ("Standard_A4_v2", "standardAv2Family", 4, 8, 40, 0, 191_000),
    ("Standard_B2s", "standardBSFamily", 2, 4, 8, 0, 41_600),
    ("Standard_B2ms", "standardBSFamily", 2, 8, 16, 0, 83_200),
    ("Standard_B4ms", "standardBSFamily", 4, 16, 32, 0, 166_000),
    ("Standard_B2ts_v2", "standardBsv2Family", 2, 1, 0, 0, 10_400),
    ("Standard_B2ls_v2", "standardBsv2Family", 2, 4, 0, 0, 41_600),
    ("Standard_B2s_v2", "standardBsv2Family", 2, 8, 0, 0, 83_200),
    ("Standard_B4s_v2", "standardBsv2Family", 4, 16, 0, 0, 166_000),
    ("Standard_B8s_v2", "standardBsv2Family", 8, 32, 0, 0, 333_000),
    ("Standard_B2ats_v2", "standardBasv2Family", 2, 1, 0, 0, 9_400),
    ("Standard_B2als_v2", "standardBasv2Family", 2, 4, 0, 0, 37_600),
    ("Standard_B2as_v2", "standardBasv2Family", 2, 8, 0, 0, 75_200),
    ("Standard_B4als_v2", "standardBasv2Family", 4, 8, 0, 0, 132_000),
    ("Standard_B4as_v2", "standardBasv2Family", 4, 16, 0, 0, 150_000),
    ("Standard_B8as_v2", "standardBasv2Family", 8, 32, 0, 0, 300_000),
    ("Standard_D1_v2", "standardDv2Family", 1, 3, 50, 0, 57_000),
    ("Standard_D2_v2", "standardDv2Family", 2, 7, 100, 0, 114_000),
    ("Standard_D3_v2", "standardDv2Family", 4, 14, 200, 0, 229_000),
    ("Standard_D12_v2", "standardDv2Family", 4, 28, 200, 0, 299_000),
    ("Standard_D13_v2", "standardDv2Family", 8, 56, 400, 0, 598_000),
    ("Standard_D14_v2", "standardDv2Family", 16, 112, 800, 0, 1_196_000),
    ("Standard_DS1_v2", "standardDSv2Family", 1, 3, 7, 0, 57_000),
    ("Standard_DS2_v2", "standardDSv2Family", 2, 7, 14, 0, 114_000),
    ("Standard_DS12_v2", "standardDSv2Family", 4, 28, 56, 0, 299_000),
    ("Standard_DS14_v2", "standardDSv2Family", 16, 112, 224, 0, 1_196_000),
    ("Standard_D2s_v3", "standardDSv3Family", 2, 8, 16, 0, 96_000),
    ("Standard_D4s_v3", "standardDSv3Family", 4, 16, 32, 0, 192_000),
    ("Standard_E32s_v3", "standardESv3Family", 32, 256, 512, 0, 2_016_000),
    ("Standard_D2s_v5", "standardDSv5Family", 2, 8, 0, 0, 96_000),
    ("Standard_D4s_v5", "standardDSv5Family", 4, 16, 0, 0, 192_000),
    ("Standard_D16s_v5", "standardDSv5Family", 16, 64, 0, 0, 768_000),
    ("Standard_D4ds_v5", "standardDDSv5Family", 4, 16, 150, 0, 226_000),
    ("Standard_D16ds_v5", "standardDDSv5Family", 16, 64, 600, 0, 904_000),
    ("Standard_D2as_v5", "standardDASv5Family", 2, 8, 0, 0, 86_000),
    ("Standard_D4as_v5", "standardDASv5Family", 4, 16, 0, 0, 172_000),
    ("Standard_D8as_v5", "standardDASv5Family", 8, 32, 0, 0, 344_000),
    ("Standard_D16as_v5", "standardDASv5Family", 16, 64, 0, 0, 688_000),
    ("Standard_D32as_v5", "standardDASv5Family", 32, 128, 0, 0, 1_376_000),
    ("Standard_D48as_v5", "standardDASv5Family", 48, 192, 0, 0, 2_064_000),
    ("Standard_D64as_v5", "standardDASv5Family", 64, 256, 0, 0, 2_752_000),
    ("Standard_E16as_v5", "standardEASv5Family", 16, 128, 0, 0, 904_000),
    ("Standard_D2as_v6", "standardDasv6Family", 2, 8, 0, 0, 91_000),
    ("Standard_D4as_v6", "standardDasv6Family", 4, 16, 0, 0, 182_000),
    ("Standard_D8as_v6", "standardDasv6Family", 8, 32, 0, 0, 364_000),
    ("Standard_D16as_v6", "standardDasv6Family", 16, 64, 0, 0, 728_000),
    ("Standard_D32as_v6", "standardDasv6Family", 32, 128, 0, 0, 1_456_000),
    ("Standard_D64as_v6", "standardDasv6Family", 64, 256, 0, 0, 2_912_000),
    ("Standard_D4as_v7", "standardDasv7Family", 4, 16, 0, 0, 191_000),
    ("Standard_D8as_v7", "standardDasv7Family", 8, 32, 0, 0, 382_000),
    ("Standard_D16as_v7", "standardDasv7Family", 16, 64, 0, 0, 764_000),
    ("Standard_D32as_v7", "standardDasv7Family", 32, 128, 0, 0, 1_528_000),
    ("Standard_D4ps_v6", "standardDpsv6Family", 4, 16, 0, 0, 140_000),
    ("Standard_F16", "standardFFamily", 16, 32, 256, 0, 796_000),
    ("Standard_F4s", "standardFSFamily", 4, 8, 16, 0, 199_000),
    ("Standard_F8s", "standardFSFamily", 8, 16, 32, 0, 398_000),
    ("Standard_F16s", "standardFSFamily", 16, 32, 64, 0, 796_000),
    ("Standard_F2s_v2", "standardFSv2Family", 2, 4, 16, 0, 84_600),
    ("Standard_F4s_v2", "standardFSv2Family", 4, 8, 32, 0, 169_000),
    ("Standard_F8s_v2", "standardFSv2Family", 8, 16, 64, 0, 338_000),
    ("Standard_F16s_v2", "standardFSv2Family", 16, 32, 128, 0, 677_000),
    ("Standard_F32s_v2", "standardFSv2Family", 32, 64, 256, 0, 1_353_000),
    ("Standard_F72s_v2", "standardFSv2Family", 72, 144, 576, 0, 3_045_000),
    ("Standard_F2as_v6", "standardFasv6Family", 2, 8, 0, 0, 110_000),
    ("Standard_F4as_v6", "standardFasv6Family", 4, 16, 0, 0, 220_000),
    ("Standard_F8as_v6", "standardFasv6Family", 8, 32, 0, 0, 440_000),
    ("Standard_F16as_v6", "standardFasv6Family", 16, 64, 0, 0, 880_000),
    ("Standard_F32as_v6", "standardFasv6Family", 32, 128, 0, 0, 1_760_000),
    ("Standard_F64as_v6", "standardFasv6Family", 64, 256, 0, 0, 3_520_000),
    ("Standard_F4als_v6", "standardFalsv6Family", 4, 8, 0, 0, 194_000),
    ("Standard_F8als_v6", "standardFalsv6Family", 8, 16, 0, 0, 388_000),
    ("Standard_F16als_v6", "standardFalsv6Family", 16, 32, 0, 0, 776_000),
    ("Standard_F32als_v6", "standardFalsv6Family", 32, 64, 0, 0, 1_552_000),
    ("Standard_F64als_v6", "standardFalsv6Family", 64, 128, 0, 0, 3_104_000),
    ("Standard_F4as_v7", "standardFasv7Family", 4, 16, 0, 0, 231_000),
    ("Standard_F8as_v7", "standardFasv7Family", 8, 32, 0, 0, 462_000),
    ("Standard_F16as_v7", "standardFasv7Family", 16, 64, 0, 0, 924_000),
    ("Standard_F32as_v7", "standardFasv7Family", 32, 128, 0, 0, 1_848_000),
    ("Standard_F80as_v7", "standardFasv7Family", 80, 320, 0, 0, 4_620_000),
    ("Standard_F16als_v7", "standardFalsv7Family", 16, 32, 0, 0, 815_000),
    ("Standard_F32als_v7", "standardFalsv7Family", 32, 64, 0, 0, 1_630_000),
    ("Standard_L8s", "standardLSFamily", 8, 64, 1388, 0, 688_000),
    ("Standard_L8s_v2", "standardLSv2Family", 8, 64, 80, 0, 624_000),
    ("Standard_HB120rs_v2", "standardHBrsv2Family", 120, 456, 480, 0, 3_600_000),
    ("Standard_HB120rs_v3", "standardHBv3Family", 120, 448, 480, 0, 3_600_000),
    ("Standard_HB176rs_v4", "standardHBv4Family", 176, 768, 480, 0, 7_200_000),
    ("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28, 180, 1, 526_000),
    ("Standard_NC8as_T4_v3", "Standard NCASv3_T4 Family", 8, 56, 360, 1, 752_000),
    ("Standard_NC16as_T4_v3", "Standard NCASv3_T4 Family", 16, 110, 360, 1, 1_204_000),
    ("Standard_NC64as_T4_v3", "Standard NCASv3_T4 Family", 64, 440, 2880, 4, 4_352_000),
    ("Standard_NV6ads_A10_v5", "StandardNVADSA10v5Family", 6, 55, 180, 1, 454_000),
    ("Standard_NV36ads_A10_v5", "StandardNVADSA10v5Family", 36, 440, 720, 1, 3_200_000),
    ("Standard_NV72ads_A10_v5", "StandardNVADSA10v5Family", 72, 880, 1440, 2, 6_520_000),
    ("Standard_NV12s_v3", "standardNVSv3Family", 12, 112, 320, 1, 1_140_000),
    ("Standard_NV4as_v4", "standardNVSv4Family", 4, 14, 88, 1, 233_000),
    ("Standard_NC6s_v3", "standardNCSv3Family", 6, 112, 736, 1, 3_060_000),
];

fn build(row: &Row, family: Family) -> Size {
    Size {
        name: row.0,
        family,
        vcpus: row.2,
        memory_gib: row.3,
        local_gib: row.4,
        gpus: row.5,
        micro_usd: row.6,
    }
}

/// All sizes, in catalogue order.
pub fn sizes() -> impl Iterator<Item = Size> {
    SIZES.iter().filter_map(|row| Some(build(row, families().find(|f| f.name == row.1)?)))
}

/// A size by name, in any casing (Batch sends `STANDARD_D8AS_V5`).
pub fn size(name: &str) -> Option<Size> {
    let row = SIZES.iter().find(|row| row.0.eq_ignore_ascii_case(name))?;
    Some(build(row, families().find(|f| f.name == row.1)?))
}

impl Size {
    /// Whether it is gone on a day.
    pub fn is_retired(&self, today: Date) -> bool {
        self.family.retires.is_some_and(|day| day <= today)
    }

    /// Name and value pairs of the Resource SKUs API.
    pub fn capabilities(&self) -> Value {
        let yes = |on: bool| if on { "True" } else { "False" }.to_owned();
        let mut pairs = vec![
            ("MaxResourceVolumeMB", (self.local_gib * 1024).to_string()),
            ("OSVhdSizeMB", "1047552".to_owned()),
            ("vCPUs", self.vcpus.to_string()),
            ("HyperVGenerations", self.family.generations.to_owned()),
            ("MemoryGB", self.memory_gib.to_string()),
            ("MaxDataDiskCount", (self.vcpus * 2).min(64).to_string()),
            ("CpuArchitectureType", self.family.architecture.to_owned()),
            ("LowPriorityCapable", yes(self.family.spot)),
            ("PremiumIO", yes(self.family.premium)),
            ("VMDeploymentTypes", "IaaS".to_owned()),
            ("vCPUsAvailable", self.vcpus.to_string()),
            ("vCPUsPerCore", if self.name.contains("_F") { "1" } else { "2" }.to_owned()),
            ("EphemeralOSDiskSupported", yes(self.family.premium && self.local_gib >= 32)),
            ("EncryptionAtHostSupported", yes(self.family.premium)),
            ("AcceleratedNetworkingEnabled", yes(self.family.accelerated)),
            ("RdmaEnabled", yes(self.name.contains("rs_"))),
            ("MaxNetworkInterfaces", if self.vcpus < 8 { "2" } else { "4" }.to_owned()),
            ("DiskControllerTypes", self.family.controller.to_owned()),
        ];
        if self.family.no_trusted_launch {
            pairs.push(("TrustedLaunchDisabled", "True".to_owned()));
        }
        if self.gpus > 0 {
            pairs.push(("GPUs", self.gpus.to_string()));
        }
        pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    }

    /// The item of the Resource SKUs API for one region.
    pub fn item(&self, location: Location, restricted: bool) -> Value {
        let zones: &[&str] = if location.zones { &["1", "2", "3"] } else { &[] };
        let restrictions = if restricted { restriction(location.name) } else { json!([]) };
        json!({
            "resourceType": "virtualMachines",
            "name": self.name,
            "tier": "Standard",
            "size": self.name.trim_start_matches("Standard_"),
            "family": self.family.name,
            "locations": [location.name],
            "locationInfo": [{"location": location.name, "zones": zones, "zoneDetails": []}],
            "capabilities": self.capabilities(),
            "restrictions": restrictions,
        })
    }
}

fn restriction(location: &str) -> Value {
    json!([{
        "type": "Location",
        "values": [location],
        "restrictionInfo": {"locations": [location]},
        "reasonCode": "NotAvailableForSubscription",
    }])
}

/// The items of other resource types that the API mixes in.
pub fn disk_items(location: Location) -> Vec<Value> {
    let rows =
        [("Standard_LRS", "S4", "32"), ("StandardSSD_LRS", "E10", "128"), ("Premium_LRS", "P10", "128")];
    let item = |(name, size, gib): (&str, &str, &str)| {
        json!({
            "resourceType": "disks",
            "name": name,
            "tier": if name == "Premium_LRS" { "Premium" } else { "Standard" },
            "size": size,
            "locations": [location.name],
            "locationInfo": [{"location": location.name, "zones": []}],
            "capabilities": [{"name": "MaxSizeGiB", "value": gib}],
            "restrictions": [],
        })
    };
    rows.into_iter().map(item).collect()
}

/// Regions that a `$filter` admits: the one it names, or all.
pub fn regions(only: Option<&str>) -> Vec<Location> {
    locations().filter(|l| only.is_none_or(|name| l.name == name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_its_family_and_every_family_a_size() {
        assert_eq!(sizes().count(), SIZES.len());
        for family in families() {
            assert!(sizes().any(|size| size.family == family), "{}", family.name);
        }
    }

    #[test]
    fn names_are_unique_and_found_in_any_casing() {
        let names: std::collections::BTreeSet<String> =
            sizes().map(|size| size.name.to_ascii_uppercase()).collect();
        assert_eq!(names.len(), SIZES.len());
        assert!(names.iter().all(|name| size(name).is_some()));
    }

    #[test]
    fn what_old_configs_name_is_known() {
        for name in [
            "Standard_D12_v2",
            "Standard_D14_v2",
            "Standard_DS14_v2",
            "Standard_E32s_v3",
            "Standard_F16s",
            "Standard_F16s_v2",
            "Standard_F32s_v2",
            "Standard_NV12s_v3",
            "Standard_NC6s_v3",
        ] {
            assert!(size(name).is_some(), "{name}");
        }
    }

    #[test]
    fn retirement_is_a_matter_of_the_day() {
        let day = |y, m, d| Date::new(y, m, d).unwrap();
        let nv = size("Standard_NV12s_v3").unwrap();
        assert!(!nv.is_retired(day(2026, 9, 29)));
        assert!(nv.is_retired(day(2026, 9, 30)));
        assert!(!size("Standard_F16s").unwrap().is_retired(day(2026, 11, 21)));
        assert!(sizes().all(|s| s.family.retires.is_some() || !s.is_retired(day(2100, 1, 1))));
    }
}
