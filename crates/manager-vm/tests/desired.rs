//! Laws of what the Manager's part of a farm consists of.
#![allow(clippy::unwrap_used, reason = "tests")]

use flamenco_azure_core::plan::{Desired, Update};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, validate};
use manager_vm::desired::{checkpoints, inbound_rules, resources, vnet_without_nat};
use manager_vm::{Names, wire};
use serde_json::Value;

const BASE: &str = "
defaultName: crunch
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: crunch-rg
storageAccountName: crunchfiles
batchAccountName: crunchbatch
virtualMachine: crunch-vm
manager:
  sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 test
";

fn farm(more: &str) -> Farm {
    let text = format!("{BASE}{more}");
    let spec = FarmSpec::parse("test.yaml", &text).unwrap();
    validate(&spec, &Overrides { allow_world: false, today: "2026-11-21T08:00:00Z".parse().unwrap() })
        .unwrap()
        .0
}

fn all(farm: &Farm) -> Vec<Desired> {
    resources(farm).unwrap()
}

fn of_kind<'a>(all: &'a [Desired], kind: &'a str) -> impl Iterator<Item = &'a Desired> {
    all.iter().filter(move |d| d.id.is_kind(kind))
}

fn access(text: &str) -> String {
    format!("  access: {{{text}}}\n")
}

fn open_ports(farm: &Farm) -> Vec<(u16, Vec<String>)> {
    inbound_rules(farm).into_iter().map(|rule| (rule.port, rule.from)).collect()
}

#[test]
fn nobody_is_admitted_until_the_farm_file_says_who() {
    let farm = farm("");
    assert!(open_ports(&farm).is_empty());
    let all = all(&farm);
    let nsg = of_kind(&all, wire::NSG).find(|d| d.id == Names::of(&farm).manager_nsg()).unwrap();
    let rules = nsg.body.pointer("/properties/securityRules").unwrap().as_array().unwrap();
    let allows =
        rules.iter().filter(|rule| rule.pointer("/properties/access") == Some(&Value::from("Allow")));
    assert_eq!(allows.count(), 1, "only the workers reach the Manager's port");
    assert_eq!(rules[0].pointer("/properties/destinationPortRange"), Some(&Value::from("8080")));
    assert!(
        of_kind(&all, wire::PIP).any(|d| d.body.pointer("/properties/dnsSettings").is_some()),
        "address and label exist"
    );
}

#[test]
fn port_80_is_open_only_while_certificates_come_by_acme_and_someone_may_come() {
    let internet = vec!["Internet".to_owned()];
    let studio = vec!["203.0.113.0/24".to_owned()];
    let web = access("web: [203.0.113.0/24]");
    assert_eq!(open_ports(&farm(&web)), [(80, internet), (443, studio.clone())]);
    assert_eq!(open_ports(&farm(&format!("{web}  tls: internal\n"))), [(443, studio)]);
    assert!(open_ports(&farm(&format!("{web}  tls: \"off\"\n"))).is_empty());
    assert_eq!(
        open_ports(&farm(&access("ssh: [203.0.113.7/32]"))),
        [(22, vec!["203.0.113.7/32".to_owned()])]
    );
}

#[test]
fn both_lists_explicitly_empty_means_no_public_address() {
    let farm = farm(&access("ssh: [], web: []"));
    let all = all(&farm);
    assert!(of_kind(&all, wire::PIP).all(|d| d.id != Names::of(&farm).public_ip()));
    let nic = of_kind(&all, wire::NIC).next().unwrap();
    assert!(nic.body.pointer("/properties/ipConfigurations/0/properties/publicIPAddress").is_none());
}

#[test]
fn both_subnets_leave_by_the_nat_gateway_and_by_nothing_else() {
    let farm = farm("");
    let all = all(&farm);
    let vnet = of_kind(&all, wire::VNET).next().unwrap();
    let subnets = vnet.body.pointer("/properties/subnets").unwrap().as_array().unwrap();
    assert_eq!(subnets.len(), 2);
    for subnet in subnets {
        assert_eq!(subnet.pointer("/properties/defaultOutboundAccess"), Some(&Value::Bool(false)));
        assert!(subnet.pointer("/properties/natGateway/id").is_some());
        assert!(subnet.pointer("/properties/networkSecurityGroup/id").is_some());
    }
    let paused = vnet_without_nat(&farm).unwrap();
    for subnet in paused.body.pointer("/properties/subnets").unwrap().as_array().unwrap() {
        assert_eq!(subnet.pointer("/properties/natGateway"), Some(&Value::Null));
    }
}

#[test]
fn a_manager_boots_only_with_a_way_out() {
    for (access, public) in [("", true), ("ssh: [], web: []", false)] {
        let farm = farm(&self::access(access));
        let names = Names::of(&farm);
        let all = all(&farm);
        let nic = of_kind(&all, wire::NIC).next().unwrap();
        // Its own address, or the network with its NAT gateway.
        assert_eq!(nic.after.contains(&names.public_ip()), public);
        assert_eq!(nic.after.contains(&names.vnet()), !public);
        assert_eq!(nic.beside.contains(&names.vnet()), public);
    }
}

#[test]
fn an_existing_network_is_left_alone() {
    let farm = farm(
        "network:\n  existing: {resourceGroup: net, vnet: studio, managerSubnet: m, workersSubnet: w}\n",
    );
    let all = all(&farm);
    assert!(of_kind(&all, wire::VNET).next().is_none());
    assert!(of_kind(&all, wire::NAT).next().is_none());
    assert!(all.iter().all(|d| d.id.group_name() == Some("crunch-rg")));
    let nic = of_kind(&all, wire::NIC).next().unwrap();
    assert!(nic.body.pointer("/properties/networkSecurityGroup/id").is_some());
}

#[test]
fn an_existing_export_makes_no_storage_account() {
    let farm = farm("storage: {existing: {nfsExport: \"filer.studio.internal:/vol/flamenco\"}}\n");
    assert!(of_kind(&all(&farm), wire::STORAGE).next().is_none());
}

#[test]
fn everything_carries_the_farms_tag_and_user_tags() {
    let farm = farm("tags: {project: spring}\n");
    for desired in all(&farm).iter().filter(|d| d.id.parent().is_none()) {
        assert_eq!(
            desired.body.pointer("/tags/flamenco-farm"),
            Some(&Value::from("crunch")),
            "{}",
            desired.id
        );
        assert_eq!(desired.body.pointer("/tags/project"), Some(&Value::from("spring")), "{}", desired.id);
    }
}

#[test]
fn the_vm_takes_keys_only_and_nothing_secret() {
    let farm = farm("");
    let all = all(&farm);
    let vm = of_kind(&all, wire::VM).next().unwrap();
    let linux = "/properties/osProfile/linuxConfiguration";
    assert_eq!(vm.body.pointer(&format!("{linux}/disablePasswordAuthentication")), Some(&Value::Bool(true)));
    assert!(vm.body.pointer("/properties/osProfile/adminPassword").is_none());
    let text = vm.body.to_string().to_lowercase();
    for secret in ["password\":\"", "accountkey", "sharedaccess", "private key"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(checkpoints(&farm).unwrap().iter().all(|checkpoint| checkpoint.resource == vm.id));
}

#[test]
fn another_flamenco_version_runs_the_set_up_again_in_place() {
    let (old, new) = (farm(""), farm("  flamencoVersion: 3.8.2\n"));
    let vm = |farm: &Farm| of_kind(&all(farm), wire::VM).next().unwrap().clone();
    let (old, new) = (vm(&old), vm(&new));
    assert_ne!(old.body["tags"]["flamenco-farm-config"], new.body["tags"]["flamenco-farm-config"]);
    assert!(
        new.create_only.contains(&"/tags/flamenco-farm-config"),
        "no PATCH claims a set-up that was not made"
    );
    assert!(matches!(new.update, Update::Patch(_)));
}

#[test]
fn what_costs_comes_after_the_batch_account() {
    let farm = farm("");
    let gate = farm.group_id().resource(wire::BATCH, "crunchbatch");
    for kind in [wire::PIP, wire::NAT, wire::STORAGE, wire::VM] {
        for desired in of_kind(&all(&farm), kind).filter(|d| d.id.parent().is_none()) {
            assert!(desired.after.contains(&gate), "{}", desired.id);
        }
    }
}
