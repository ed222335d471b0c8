//! What Azure says about sizes in a region: the size's own capabilities decide, never a list of ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A local disk that an operating system can live on
/// (Microsoft's page "Ephemeral OS disks for Azure VMs").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalDisk {
    /// The size's cache.
    CacheDisk,
    /// Its temporary disk.
    ResourceDisk,
    /// Its NVMe disks.
    NvmeDisk,
}

impl LocalDisk {
    /// The word in `diffDiskSettings.placement`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CacheDisk => "CacheDisk",
            Self::ResourceDisk => "ResourceDisk",
            Self::NvmeDisk => "NvmeDisk",
        }
    }
}

/// One size in one region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sku {
    /// Its name in Azure's spelling.
    pub name: String,
    /// Its quota family.
    pub family: String,
    /// Its vCPUs.
    pub vcpus: u32,
    /// Whether it can be had as Spot (`LowPriorityCapable`).
    pub spot: bool,
    /// Whether its interfaces can be accelerated.
    pub accelerated: bool,
    /// Whether it boots trusted (all second-generation sizes but those that say otherwise).
    pub trusted: bool,
    /// Local disks for an operating system and their GiB, in the order of preference.
    pub local_disks: Vec<(LocalDisk, u64)>,
    /// The zones it is offered in; none where the region has no zones.
    pub zones: BTreeSet<String>,
    /// Why the subscription cannot have it in the whole region.
    pub restricted: Option<String>,
    /// Zones of the region in which the subscription cannot have it.
    pub restricted_zones: BTreeSet<String>,
}

impl Sku {
    /// The local disk that an operating system of so many GiB fits on; none where a managed disk is needed.
    pub fn ephemeral(&self, gib: u64) -> Option<LocalDisk> {
        self.local_disks.iter().find(|(_, size)| *size >= gib).map(|(disk, _)| *disk)
    }
}

/// The sizes of a region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By name in lower case.
    by_name: BTreeMap<String, Sku>,
}

impl Catalog {
    /// Reads the list of resource SKUs, item by item: one odd item does not cost the whole list.
    pub fn read(items: &[Value], location: &str) -> Self {
        let machines = items
            .iter()
            .filter(|item| item.get("resourceType").and_then(Value::as_str) == Some("virtualMachines"));
        let by_name = machines
            .filter_map(|item| sku(item, location))
            .map(|sku| (sku.name.to_ascii_lowercase(), sku))
            .collect();
        Self { by_name }
    }

    /// The size of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&Sku> {
        self.by_name.get(&name.to_ascii_lowercase())
    }

    /// Names that look most like `name`, for a hint: those that share the longest beginning.
    pub fn near(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        let common = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let best = self.by_name.keys().map(|other| common(other)).max().unwrap_or(0);
        // `standard_` alone is no likeness.
        if best <= "standard_".len() {
            return Vec::new();
        }
        let alike = self.by_name.iter().filter(|(other, _)| common(other) == best);
        alike.map(|(_, sku)| sku.name.as_str()).take(5).collect()
    }
}

fn sku(item: &Value, location: &str) -> Option<Sku> {
    let name = item.get("name")?.as_str()?.to_owned();
    let capability = |name: &str| {
        let all = item.get("capabilities")?.as_array()?;
        let one = all.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(name))?;
        one.get("value")?.as_str()
    };
    let is = |name: &str| capability(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let number =
        |name: &str| capability(name).and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0);
    let here = |value: &Value| value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(location));
    let info = item.get("locationInfo").and_then(Value::as_array);
    let zones = info
        .into_iter()
        .flatten()
        .filter(|info| info.get("location").is_some_and(here))
        .flat_map(|info| texts(info.get("zones")))
        .collect();
    let restrictions = item.get("restrictions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |kind: &'static str| {
        restrictions.iter().filter(move |one| one.get("type").and_then(Value::as_str) == Some(kind))
    };
    let reason =
        |one: &Value| one.get("reasonCode").and_then(Value::as_str).unwrap_or("restricted").to_owned();
    let in_region = |one: &&Value| {
        let values = one.get("values").and_then(Value::as_array);
        values.is_none_or(|values| values.iter().any(here))
    };
    Some(Sku {
        family: item.get("family").and_then(Value::as_str).unwrap_or_default().to_owned(),
        vcpus: u32::try_from(number("vCPUs")).unwrap_or(0),
        spot: is("LowPriorityCapable"),
        accelerated: is("AcceleratedNetworkingEnabled"),
        trusted: !is("TrustedLaunchDisabled")
            && capability("HyperVGenerations").is_some_and(|all| all.contains("V2")),
        local_disks: local_disks(
            is("EphemeralOSDiskSupported"),
            capability("SupportedEphemeralOSDiskPlacements"),
            number,
        ),
        zones,
        restricted: of("Location").find(in_region).map(reason),
        restricted_zones: of("Zone").flat_map(|one| texts(one.pointer("/restrictionInfo/zones"))).collect(),
        name,
    })
}

/// The disks that the size says it has. `SupportedEphemeralOSDiskPlacements` is new with NVMe sizes; where it is not
/// given, the cache and the temporary disk are meant.
fn local_disks(
    supported: bool,
    placements: Option<&str>,
    number: impl Fn(&str) -> u64,
) -> Vec<(LocalDisk, u64)> {
    const GIB: u64 = 1 << 30;
    if !supported {
        return Vec::new();
    }
    let may = |disk: LocalDisk| match placements {
        None => disk != LocalDisk::NvmeDisk,
        Some(all) => all.split(',').any(|one| one.trim().eq_ignore_ascii_case(disk.as_str())),
    };
    [
        (LocalDisk::CacheDisk, number("CachedDiskBytes") / GIB),
        (LocalDisk::ResourceDisk, number("MaxResourceVolumeMB") / 1024),
        (LocalDisk::NvmeDisk, number("NvmeDiskSizeInMiB") / 1024),
    ]
    .into_iter()
    .filter(|(disk, gib)| *gib > 0 && may(*disk))
    .collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let all = value.and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(capabilities: &[(&str, &str)]) -> Value {
        let capabilities: Vec<_> =
            capabilities.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({
            "resourceType": "virtualMachines", "name": "Standard_D16ads_v5", "family": "standardDADSv5Family",
            "locations": ["westeurope"],
            "locationInfo": [{"location": "westeurope", "zones": ["2", "1"]}],
            "capabilities": capabilities,
            "restrictions": [
                {"type": "Zone", "values": ["westeurope"], "reasonCode": "NotAvailableForSubscription",
                 "restrictionInfo": {"locations": ["westeurope"], "zones": ["2"]}},
            ],
        })
    }

    #[test]
    fn the_sizes_own_words_decide() {
        let items = [
            json!({"resourceType": "disks", "name": "Premium_LRS"}),
            json!({"resourceType": "virtualMachines"}),
            item(&[
                ("vCPUs", "16"),
                ("LowPriorityCapable", "True"),
                ("AcceleratedNetworkingEnabled", "True"),
                ("HyperVGenerations", "V1,V2"),
                ("EphemeralOSDiskSupported", "True"),
                ("CachedDiskBytes", "21474836480"),
                ("MaxResourceVolumeMB", "614400"),
            ]),
        ];
        let catalog = Catalog::read(&items, "westeurope");
        let sku = catalog.get("standard_d16ADS_v5").unwrap();
        assert_eq!((sku.vcpus, sku.spot, sku.accelerated, sku.trusted), (16, true, true, true));
        assert_eq!(sku.ephemeral(30), Some(LocalDisk::ResourceDisk));
        assert_eq!(sku.ephemeral(20), Some(LocalDisk::CacheDisk));
        assert_eq!(sku.ephemeral(1000), None);
        assert_eq!(sku.restricted, None);
        assert_eq!(sku.restricted_zones, ["2".to_owned()].into());
        assert_eq!(catalog.near("Standard_D16ads_v9"), ["Standard_D16ads_v5"]);
        assert_eq!(catalog.near("Standard_X1"), Vec::<&str>::new());
    }

    #[test]
    fn nvme_is_used_only_where_the_size_says_so() {
        let all = [
            ("EphemeralOSDiskSupported", "True"),
            ("NvmeDiskSizeInMiB", "450560"),
            ("SupportedEphemeralOSDiskPlacements", "NvmeDisk"),
        ];
        let read = |capabilities| Catalog::read(&[item(capabilities)], "westeurope");
        let disk = |catalog: Catalog| catalog.get("Standard_D16ads_v5").unwrap().ephemeral(30);
        assert_eq!(disk(read(&all)), Some(LocalDisk::NvmeDisk));
        assert_eq!(disk(read(&all[..2])), None);
        assert_eq!(disk(read(&all[1..])), None);
    }
}
