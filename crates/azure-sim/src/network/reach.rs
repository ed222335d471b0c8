//! Whether the internet reaches a port of a VM: what a certificate authority's challenge needs.

use serde_json::Value;

use super::{NSG, SUBNET};
use crate::compute;
use crate::resource::{Resource, reference};
use crate::world::World;

/// Whether anyone on the internet may open a TCP connection to a VM's first interface: it has a public address, and
/// the security groups of its subnet and its own let the port in
/// (<https://learn.microsoft.com/azure/virtual-network/network-security-group-how-it-works>).
pub(crate) fn internet_reaches(world: &World, vm: &Resource, port: u16) -> bool {
    let Some(nic) = compute::interfaces_of(&vm.properties).first().and_then(|id| world.resource(id)) else {
        return false;
    };
    let config = |member: &str| nic.property(&format!("/ipConfigurations/0/properties/{member}"));
    if reference(config("publicIPAddress")).is_none() {
        return false;
    }
    let subnet = reference(config("subnet")).and_then(|id| world.resource(id)).filter(|s| s.is(SUBNET));
    let groups =
        [subnet.and_then(|s| s.property("/networkSecurityGroup")), nic.property("/networkSecurityGroup")];
    let groups: Vec<&Resource> = groups
        .into_iter()
        .filter_map(|group| world.resource(reference(group)?).filter(|nsg| nsg.is(NSG)))
        .collect();
    // A Standard address without any security group lets nothing in.
    !groups.is_empty() && groups.into_iter().all(|nsg| admits(nsg, port))
}

/// The first rule by priority that is about the port and the internet decides; without one, the default denies.
fn admits(nsg: &Resource, port: u16) -> bool {
    let rules = nsg.property("/securityRules").and_then(Value::as_array);
    let inbound = rules.into_iter().flatten().filter(|rule| text(rule, "direction") == "Inbound");
    let matching = inbound.filter(|rule| {
        matches!(text(rule, "protocol"), "*" | "Tcp" | "TCP")
            && any(rule, "destinationPortRange", |range| covers(range, port))
            && any(rule, "sourceAddressPrefix", |from| matches!(from, "*" | "Internet" | "0.0.0.0/0"))
    });
    let first = matching.min_by_key(|rule| rule.pointer("/properties/priority").and_then(Value::as_u64));
    first.is_some_and(|rule| text(rule, "access") == "Allow")
}

fn text<'a>(rule: &'a Value, member: &str) -> &'a str {
    rule.pointer(&format!("/properties/{member}")).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a member, or one of its plural's elements, passes.
fn any(rule: &Value, member: &str, test: impl Fn(&str) -> bool) -> bool {
    let plural = if member.ends_with('x') { format!("{member}es") } else { format!("{member}s") };
    let many = rule.pointer(&format!("/properties/{plural}")).and_then(Value::as_array);
    test(text(rule, member)) || many.into_iter().flatten().filter_map(Value::as_str).any(test)
}

fn covers(range: &str, port: u16) -> bool {
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    range == "*" || matches!((from.parse(), to.parse()), (Ok(from), Ok(to)) if (from..=to).contains(&port))
}
