//! The virtual network and the storage.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::{Check, filled, syntax};
use crate::name::Kind;
use crate::spec::farm::{Network, Storage};
use crate::spec::{defaults, network};

/// A premium share's sizes in GiB (Microsoft's page "Azure Files scalability and performance targets").
const SHARE_SIZES: std::ops::RangeInclusive<u32> = 100..=102_400;

impl Check<'_> {
    pub(super) fn network(&mut self, nodes: u32) -> Option<Network> {
        let spec = self.spec.network.clone().unwrap_or_default();
        let space = filled(spec.address_space.as_ref());
        let Some(existing) = spec.existing else {
            return self.own_network(space.unwrap_or(defaults::ADDRESS_SPACE), nodes);
        };
        if space.is_some() {
            let why = "an existing network has its address space already";
            self.value("network.addressSpace", why, "delete `network.addressSpace` or `network.existing`");
        }
        let group = self.existing("resourceGroup", Kind::ResourceGroup, existing.resource_group.as_ref());
        let vnet = self.existing("vnet", Kind::VirtualNetwork, existing.vnet.as_ref());
        let manager = self.existing("managerSubnet", Kind::NetworkResource, existing.manager_subnet.as_ref());
        let workers = self.existing("workersSubnet", Kind::NetworkResource, existing.workers_subnet.as_ref());
        Some(Network::Existing {
            resource_group: group?,
            vnet: vnet?,
            manager_subnet: manager?,
            workers_subnet: workers?,
        })
    }

    fn existing(&mut self, key: &str, kind: Kind, value: Option<&String>) -> Option<String> {
        let key = format!("network.existing.{key}");
        if filled(value).is_none() {
            let remedy = "`network.existing` needs resourceGroup, vnet, managerSubnet and workersSubnet";
            self.value(&key, "the key is missing", remedy);
        }
        self.name(&key, kind, value)
    }

    fn own_network(&mut self, text: &str, nodes: u32) -> Option<Network> {
        let key = "network.addressSpace";
        let remedy = format!("for example `addressSpace: {}`", defaults::ADDRESS_SPACE);
        let space = match syntax::range(text) {
            Ok(IpNet::V4(space)) => space,
            Ok(IpNet::V6(_)) => {
                self.value(key, format!("`{text}` is IPv6; the farm's network is IPv4"), remedy);
                return None;
            }
            Err((why, meant)) => {
                self.value(key, why, meant.map_or(remedy, |net| format!("did you mean `{net}`?")));
                return None;
            }
        };
        if !is_usable(space) {
            self.value(key, format!("`{space}` cannot be used in a virtual network"), remedy);
            return None;
        }
        let Some((manager_subnet, workers_subnet)) = network::carve(space, nodes) else {
            let prefix = network::prefix_for(network::wanted_addresses(nodes));
            let why = format!(
                "`{space}` is too small for the Manager's subnet and {nodes} nodes (maxNodes and \
                 overprovision of all pools), which need a /{prefix} of their own"
            );
            let widest = prefix.saturating_sub(1);
            self.value(key, why, format!("use a /{widest} or larger, or lower maxNodes"));
            return None;
        };
        // Azure keeps the first four addresses of a subnet for itself; the next one is the Manager's for good.
        let manager_address = Ipv4Addr::from(u32::from(manager_subnet.network()) + 4);
        Some(Network::Own { address_space: space, manager_subnet, workers_subnet, manager_address })
    }

    pub(super) fn storage(&mut self) -> Option<Storage> {
        let spec = self.spec.storage.clone().unwrap_or_default();
        if let Some(existing) = spec.existing {
            if spec.share_gib.is_some() || spec.encrypt_in_transit.is_some() {
                let why =
                    "an existing export is mounted as it is: shareGiB and encryptInTransit have no meaning";
                self.value("storage.existing", why, "delete `storage.existing` or the other two keys");
            }
            let export = filled(existing.nfs_export.as_ref());
            let legal = export.filter(|export| {
                let unquoted = |c: char| c.is_ascii_graphic() && !matches!(c, '\'' | '"' | '\\' | '$' | '`');
                let parts = export.split_once(":/");
                parts.is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
                    && export.chars().all(unquoted)
            });
            if legal.is_none() {
                let why = format!("`{}` is not an NFS export", export.unwrap_or_default());
                self.value(
                    "storage.existing.nfsExport",
                    why,
                    "write it as host:/path, such as 10.0.0.4:/flamenco",
                );
            }
            return Some(Storage::Existing { nfs_export: legal?.to_owned() });
        }
        let share_gib = spec.share_gib.unwrap_or(defaults::SHARE_GIB);
        if !SHARE_SIZES.contains(&share_gib) {
            let (least, most) = (SHARE_SIZES.start(), SHARE_SIZES.end());
            let why = format!("a premium share has {least} to {most} GiB, not {share_gib}");
            self.value(
                "storage.shareGiB",
                why,
                format!("use `shareGiB: {}`", share_gib.clamp(*least, *most)),
            );
            return None;
        }
        Some(Storage::Own { share_gib, encrypt_in_transit: spec.encrypt_in_transit.unwrap_or(false) })
    }
}

/// Ranges that Azure refuses as address space (Microsoft's page "Azure Virtual Network FAQ").
fn is_usable(space: Ipv4Net) -> bool {
    let refused = ["224.0.0.0/4", "255.255.255.255/32", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32"];
    let overlaps = |net: Ipv4Net| net.contains(&space) || space.contains(&net);
    !refused.iter().filter_map(|text| text.parse().ok()).any(overlaps)
}
