//! Subscriptions, rights and networks as they come.

use azure_sim::{Resource, Role, WorldConfig};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{FARM_FILE, POOL, SUBSCRIPTION, Yard, assert_same};
use serde_json::json;

const NETWORK: &str = "network:\n  existing: {resourceGroup: net, vnet: studio, managerSubnet: manager, workersSubnet: workers}\n";

#[test]
fn providers_that_are_not_registered_get_registered() {
    let yard = Yard::with_config(FARM_FILE, |config| config.providers_registered = false, |_| {});
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn a_contributor_can_do_everything() {
    let yard = Yard::new(FARM_FILE, |world| {
        world.principal_mut().set_subscription_role(Some(Role::Contributor));
    });
    let before = yard.settled();
    for line in
        ["deploy --yes", "scale render --dedicated 3", "pause --yes", "resume --yes", "teardown --yes"]
    {
        yard.run(line);
    }
    assert_same(&yard.settled(), &before, "a contributor's farm, gone");
}

#[test]
fn a_reader_is_told_what_is_missing_before_anything_is_made() {
    let yard = Yard::new(FARM_FILE, |world| world.principal_mut().set_subscription_role(Some(Role::Reader)));
    let before = yard.settled();
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.message.contains("Microsoft.Compute/virtualMachines/write"), "{failure}");
    assert!(failure.hint.unwrap().contains("--role Contributor"));
    assert_same(&yard.settled(), &before, "a reader's try");
}

#[test]
fn spot_nodes_come_or_the_refusal_says_the_ways_out() {
    let file = FARM_FILE.replace("spot: 0", "spot: 2");
    for (granted, nodes) in [(true, 4), (false, 2)] {
        let set = move |config: &mut WorldConfig| config.spot_in_batch_service = granted;
        let yard = Yard::with_config(&file, set, |_| {});
        yard.run("deploy --yes");
        assert_eq!(yard.world().nodes(POOL).len(), nodes);
    }
}

/// A studio's network in a group of its own, with what a farm needs.
fn studio(world: &mut azure_sim::World) {
    world.add_group("net", "westeurope", azure_sim::Tags::new());
    let now = world.now();
    let vnet = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/studio"
    );
    let mut resource = Resource::new(&vnet, "Microsoft.Network/virtualNetworks", now);
    resource.location = Some("westeurope".to_owned());
    resource.properties = json!({"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}});
    world.add_foreign(resource);
    for (name, prefix) in [("manager", "10.7.0.0/27"), ("workers", "10.7.1.0/24")] {
        let kind = "Microsoft.Network/virtualNetworks/subnets";
        let mut subnet = Resource::new(&format!("{vnet}/subnets/{name}"), kind, now);
        subnet.properties =
            json!({"addressPrefix": prefix, "serviceEndpoints": [{"service": "Microsoft.Storage"}]});
        world.add_foreign(subnet);
    }
}

#[test]
fn an_existing_network_is_used_and_stays_as_it_was() {
    let yard = Yard::new(&format!("{FARM_FILE}{NETWORK}"), studio);
    let before = yard.settled();
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.run("pause --yes");
    yard.run("resume --yes");
    yard.run("teardown --yes");
    assert_same(&yard.settled(), &before, "someone else's network");
}

#[test]
fn an_existing_network_that_is_not_there_is_said_before_anything_is_made() {
    let yard = Yard::new(&format!("{FARM_FILE}{NETWORK}"), |_| {});
    let before = yard.settled();
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert!(failure.message.contains("there is no virtual network `studio` in group `net`"), "{failure}");
    assert_same(&yard.settled(), &before, "a network that is not there");
}
