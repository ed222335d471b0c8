//! Subnet arithmetic: how large, and where in the address space.

use ipnet::Ipv4Net;

/// Addresses that Azure keeps of every subnet: network, gateway, two for DNS, broadcast (Microsoft's page "Azure
/// Virtual Network FAQ").
pub const RESERVED_ADDRESSES: u32 = 5;
/// No subnet of the farm is smaller.
const SMALLEST_PREFIX: u8 = 27;

/// Addresses that the workers subnet should have for so many nodes: the nodes, Azure's own, and a fifth as headroom,
/// because a node that is being replaced holds its address until it is gone.
pub fn wanted_addresses(nodes: u32) -> u32 {
    nodes.saturating_add(nodes.div_ceil(5)).saturating_add(RESERVED_ADDRESSES)
}

/// The prefix length of the smallest subnet with that many addresses, /27 at most.
pub fn prefix_for(addresses: u32) -> u8 {
    // Beyond 2^31 addresses there is no such power of two; no address space is that large either.
    let bits = addresses.max(1).checked_next_power_of_two().map_or(32, u32::trailing_zeros);
    u8::try_from(32 - bits).unwrap_or(0).min(SMALLEST_PREFIX)
}

/// The Manager's and the nodes' subnet: the first /27, and the first block of the nodes' size that does not
/// overlap it. The same address space and count always give the same subnets. `None` when they do not fit.
pub fn carve(space: Ipv4Net, nodes: u32) -> Option<(Ipv4Net, Ipv4Net)> {
    let manager = Ipv4Net::new(space.network(), SMALLEST_PREFIX).ok().filter(|net| space.contains(net))?;
    let prefix = prefix_for(wanted_addresses(nodes));
    if prefix < space.prefix_len() {
        return None;
    }
    let workers = space.subnets(prefix).ok()?.find(|net| !net.contains(&manager))?;
    Some((manager, workers))
}

/// Whether an existing subnet can hold so many nodes, if nothing else lives in it. For the check before a deploy,
/// once Azure has told the subnet's prefix.
pub fn holds(subnet: Ipv4Net, nodes: u32) -> bool {
    let size = 1u64 << (32 - u32::from(subnet.prefix_len()));
    size >= u64::from(nodes) + u64::from(RESERVED_ADDRESSES)
}
