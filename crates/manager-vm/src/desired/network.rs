//! The virtual network and everything that lets traffic in or out.

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Desired, Early, Update};
use flamenco_azure_core::spec::{Farm, Network, Tls};
use serde_json::{Value, json};

use super::tags_of;
use crate::spec::{Names, subnets};
use crate::wire;

/// One way in from outside, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSummary {
    /// What it is for.
    pub what: &'static str,
    /// TCP port.
    pub port: u16,
    /// Who is admitted, as CIDRs; `Internet` for everyone.
    pub from: Vec<String>,
}

/// Who is admitted from outside the virtual network. Port 80 is open to everyone only while certificates come by
/// ACME and someone may use the web page: it answers the challenge and a redirect, nothing else.
pub fn inbound_rules(farm: &Farm) -> Vec<RuleSummary> {
    let cidrs = |list: &[_]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
    let ssh = cidrs(farm.manager.access.ssh.admitted());
    let web =
        if farm.manager.tls == Tls::Off { Vec::new() } else { cidrs(farm.manager.access.web.admitted()) };
    let mut rules = Vec::new();
    if !ssh.is_empty() {
        rules.push(RuleSummary { what: "ssh", port: 22, from: ssh });
    }
    if !web.is_empty() {
        if farm.manager.tls == Tls::Acme {
            rules.push(RuleSummary { what: "certificates", port: 80, from: vec!["Internet".to_owned()] });
        }
        rules.push(RuleSummary { what: "web", port: 443, from: web });
    }
    rules
}

pub(super) fn resources(farm: &Farm) -> Vec<Desired> {
    let names = Names::of(farm);
    let mut all = vec![manager_nsg(farm, &names)];
    if farm.is_public() {
        all.push(public_ip(
            farm,
            &names.public_ip(),
            "Manager's public address",
            Some(&farm.manager.vm_name),
        ));
    }
    if let Some(vnet) = vnet(farm, true) {
        all.push(workers_nsg(farm, &names));
        all.push(public_ip(farm, &names.nat_ip(), "address of outgoing traffic", None));
        all.push(nat(farm, &names));
        all.push(vnet);
    }
    all.push(nic(farm, &names));
    all
}

fn resource(farm: &Farm, id: ResourceId, purpose: &'static str, body: Value) -> Desired {
    let mut whole = json!({"location": farm.location.as_str(), "tags": tags_of(farm)});
    if let (Value::Object(whole), Value::Object(body)) = (&mut whole, body) {
        whole.extend(body);
    }
    Desired {
        replace_remedy: "tear the farm down with --keep-data and deploy again",
        ..Desired::new(id, wire::NETWORK_API, purpose, whole)
    }
}

fn manager_nsg(farm: &Farm, names: &Names) -> Desired {
    // By the tag and not by the subnet's range: a range that changes in the farm file before it can change in Azure
    // must not lock the Workers out.
    let mut rules =
        vec![rule("flamenco-from-workers", 100, 8080, json!({"sourceAddressPrefix": "VirtualNetwork"}))];
    for (index, summary) in inbound_rules(farm).into_iter().enumerate() {
        let name = format!("{}-from-outside", summary.what);
        let source = match summary.from.as_slice() {
            [one] => json!({"sourceAddressPrefix": one}),
            many => json!({"sourceAddressPrefixes": many}),
        };
        rules.push(rule(&name, 200 + 10 * index as u32, summary.port, source));
    }
    // Azure's own default lets the whole virtual network in, nodes too: they need one port and no other.
    rules.push(deny("others-from-inside", 4000, "VirtualNetwork"));
    resource(
        farm,
        names.manager_nsg(),
        "who may reach the Manager",
        json!({"properties": {"securityRules": rules}}),
    )
}

fn workers_nsg(farm: &Farm, names: &Names) -> Desired {
    // Nothing comes in from outside; Azure's default rules allow the virtual network and deny the rest.
    resource(
        farm,
        names.workers_nsg(),
        "keeps the nodes closed",
        json!({"properties": {"securityRules": []}}),
    )
}

fn rule(name: &str, priority: u32, port: u16, source: Value) -> Value {
    let mut properties = json!({
        "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourcePortRange": "*", "destinationPortRange": port.to_string(), "destinationAddressPrefix": "*",
    });
    if let (Value::Object(properties), Value::Object(source)) = (&mut properties, source) {
        properties.extend(source);
    }
    json!({"name": name, "properties": properties})
}

fn deny(name: &str, priority: u32, from: &str) -> Value {
    json!({"name": name, "properties": {
        "priority": priority, "direction": "Inbound", "access": "Deny", "protocol": "*",
        "sourcePortRange": "*", "destinationPortRange": "*", "sourceAddressPrefix": from, "destinationAddressPrefix": "*",
    }})
}

fn public_ip(farm: &Farm, id: &ResourceId, purpose: &'static str, label: Option<&str>) -> Desired {
    let mut properties = json!({"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"});
    if let Some(label) = label {
        properties["dnsSettings"] = json!({"domainNameLabel": label.to_ascii_lowercase()});
    }
    let body = json!({"sku": {"name": "Standard"}, "properties": properties});
    Desired {
        after: vec![gate(farm)],
        replace_on: &["/sku", "/properties/publicIPAllocationMethod"],
        ..resource(farm, id.clone(), purpose, body)
    }
}

/// Everything that costs money comes after the Batch account, whose own quota is read first.
pub(super) fn gate(farm: &Farm) -> ResourceId {
    farm.group_id().resource(wire::BATCH, &farm.batch_account)
}

fn nat(farm: &Farm, names: &Names) -> Desired {
    let body = json!({
        "sku": {"name": "Standard"},
        "properties": {"idleTimeoutInMinutes": 4, "publicIpAddresses": [{"id": names.nat_ip()}]},
    });
    Desired {
        after: vec![names.nat_ip(), gate(farm)],
        ..resource(farm, names.nat(), "the way out for Manager and nodes", body)
    }
}

/// The virtual network of a paused farm: the same, with the NAT gateway released.
pub fn vnet_without_nat(farm: &Farm) -> Option<Desired> {
    vnet(farm, false)
}

fn vnet(farm: &Farm, with_nat: bool) -> Option<Desired> {
    let names = Names::of(farm);
    let Network::Own { address_space, manager_subnet, workers_subnet, .. } = &farm.network else {
        return None;
    };
    let subnet = |name: &str, prefix: String, nsg: ResourceId, nat: &Value| {
        json!({"name": name, "properties": {
            "addressPrefix": prefix,
            "networkSecurityGroup": {"id": nsg},
            "natGateway": nat,
            "defaultOutboundAccess": false,
            "serviceEndpoints": [{"service": "Microsoft.Storage"}],
        }})
    };
    let body = |nat: Value| {
        json!({"properties": {
            "addressSpace": {"addressPrefixes": [address_space.to_string()]},
            "subnets": [
                subnet("manager", manager_subnet.to_string(), names.manager_nsg(), &nat),
                subnet("workers", workers_subnet.to_string(), names.workers_nsg(), &nat),
            ],
        }})
    };
    let without = resource(farm, names.vnet(), "the farm's virtual network", body(Value::Null));
    let mut after = vec![names.manager_nsg(), names.workers_nsg()];
    let (whole, early) = if with_nat {
        after.push(names.nat());
        let whole = resource(farm, names.vnet(), without.purpose, body(json!({"id": names.nat()})));
        let reason = "the NAT gateway, which the network need not wait for";
        (whole, Some(Early { body: without.body, without: vec![names.nat()], reason }))
    } else {
        (without, None)
    };
    Some(Desired {
        after,
        early,
        // Machines are in these ranges: Azure refuses to move them under their feet.
        replace_on: &[
            "/properties/addressSpace",
            "/properties/subnets/manager/properties/addressPrefix",
            "/properties/subnets/workers/properties/addressPrefix",
        ],
        replace_remedy: "a larger `maxNodes` or another `network.addressSpace` needs a new network: \
                         `flamenco-azure teardown --keep-data`, then `deploy`",
        update: Update::PutKeeping("/properties/subnets"),
        ..whole
    })
}

fn nic(farm: &Farm, names: &Names) -> Desired {
    let (manager_subnet, _) = subnets(farm);
    let mut config = json!({"subnet": {"id": manager_subnet}, "primary": true});
    match &farm.network {
        Network::Own { manager_address, .. } => {
            config["privateIPAllocationMethod"] = json!("Static");
            config["privateIPAddress"] = json!(manager_address.to_string());
        }
        Network::Existing { .. } => config["privateIPAllocationMethod"] = json!("Dynamic"),
    }
    let mut after = vec![names.manager_nsg(), gate(farm)];
    let mut beside = Vec::new();
    if farm.is_public() {
        config["publicIPAddress"] = json!({"id": names.public_ip()});
        after.push(names.public_ip());
        // The Manager's own address is a way out: its set-up need not wait for the NAT gateway.
        beside.push(names.vnet());
    } else {
        after.push(names.vnet());
    }
    let mut properties = json!({"ipConfigurations": [{"name": "primary", "properties": config}]});
    if matches!(farm.network, Network::Existing { .. }) {
        // The subnet is someone else's: its security group stays as it is and ours sits on the interface.
        properties["networkSecurityGroup"] = json!({"id": names.manager_nsg()});
    }
    Desired {
        after,
        beside,
        ..resource(farm, names.nic(), "Manager's network interface", json!({"properties": properties}))
    }
}
