//! Pools of a farm as somebody made them otherwise, by hand: what the commands make of them.

use azure_sim::Resource;
use serde_json::{Value, json};

use crate::nodes::{nodes, pool};
use crate::support::Place;
use crate::{ACCESS, OLD_FILE, deployed, place};

/// Changes the properties of the farm's pool as the portal would when it makes one.
fn by_hand(place: &Place, change: impl FnOnce(&mut Value)) {
    place.poke(|world| {
        assert!(world.edit(&pool(), |pool: &mut Resource| change(&mut pool.properties)));
    });
}

fn pool_account() -> String {
    pool().rsplit_once("/pools/").unwrap().0.to_owned()
}

fn image(place: &Place, reference: Value) {
    by_hand(place, |pool| {
        pool["deploymentConfiguration"]["virtualMachineConfiguration"]["imageReference"] = reference;
    });
}

#[test]
fn a_pool_whose_image_no_farm_file_names_is_exported_with_a_word_about_it_and_into_no_file() {
    let place = deployed();
    for (publisher, offer, sku) in [
        ("almalinux", "almalinux-x86_64", "9-gen2"),
        ("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter"),
        ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts"),
    ] {
        image(&place, json!({"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"}));
        let before = place.file();
        let said = format!("`{publisher}:{offer}:{sku}:latest`");
        let ran = place.simulate("pool export");
        ran.said(0, &["  - name: flamenco-workers"]);
        ran.ended(0, &["this entry is not the pool that runs: image: ", &said]);
        place
            .simulate("pool export --into azure_config.yaml")
            .ended(1, &["pool `flamenco-workers`: image: ", &said, "nothing was written"]);
        assert_eq!(place.file(), before);
    }
    image(
        &place,
        json!({"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}),
    );
    let ran = place.simulate("pool export --into azure_config.yaml");
    ran.said(0, &["pool `flamenco-workers`"]);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

#[test]
fn a_node_is_reached_at_its_pools_own_endpoint_for_ssh() {
    let place = deployed();
    place.give_key();
    place.poke(|world| world.advance_by(600));
    let nodes = nodes(&place);
    let network = |pool: &mut Value, endpoints: Value| {
        let network = &mut pool["networkConfiguration"];
        network["publicIPAddressConfiguration"] = json!({"provision": "BatchManaged"});
        network["endpointConfiguration"] = json!({"inboundNatPools": endpoints});
    };
    let endpoint = |port: u16| {
        json!({
            "name": format!("to-{port}"), "protocol": "TCP", "backendPort": port,
            "frontendPortRangeStart": 40000 + u32::from(port), "frontendPortRangeEnd": 40100 + u32::from(port),
        })
    };
    by_hand(&place, |pool| network(pool, json!([endpoint(443), endpoint(22)])));
    let ran = place.simulate(&format!("pool ssh flamenco-workers {} -- uptime", nodes[1]));
    let alias = format!("HostKeyAlias={}", nodes[1]);
    ran.said(
        0,
        &["ssh -o UserKnownHostsFile=", "known_nodes", &alias, "-p 40023 flamencoadmin@20.0.0.4 uptime\n"],
    );
    assert!(!ran.out.contains("ProxyCommand"), "{}", ran.out);
    assert!(!ran.err.contains("by the Manager"), "{}", ran.err);
    // A public address without an endpoint for ssh: Batch opens none by itself.
    for others in [json!([]), json!([endpoint(443)])] {
        by_hand(&place, |pool| network(pool, others));
        let ran = place.simulate(&format!("pool ssh flamenco-workers {}", nodes[1]));
        ran.said(0, &["ProxyCommand=", "flamencoadmin@10."]);
        ran.ended(0, &["no public endpoint for ssh: by the Manager"]);
    }
    // Batch makes users only on nodes that are up.
    by_hand(&place, |pool| network(pool, json!([endpoint(22)])));
    place.poke(|world| assert!(world.lose_node(&nodes[1])));
    let remove = format!("flamenco-azure pool remove flamenco-workers {}", nodes[1]);
    place
        .simulate(&format!("pool ssh flamenco-workers {}", nodes[1]))
        .ended(2, &["is not in a state for that", &remove]);
}

#[test]
fn a_changed_definition_is_said_to_reach_only_nodes_that_boot() {
    let plain = "pools: [{name: flamenco-workers, vmSize: Standard_F16s, dedicated: 1}]\n";
    let place = place();
    let (head, _) = OLD_FILE.split_once("batch:\n").unwrap();
    let write = |pools: &str| place.write("azure_config.yaml", &format!("{head}{ACCESS}{pools}"));
    let note = |what: &str| {
        format!(
            "pool `flamenco-workers`: the new {what} reach nodes that boot from now on; `flamenco-azure pool rollout \
             flamenco-workers` reimages the others"
        )
    };
    write(plain);
    let ran = place.simulate("deploy --yes");
    ran.ended(0, &["deployed"]);
    assert!(!ran.err.contains("from now on"), "a new pool has no nodes of before: {}", ran.err);
    // A variable of the start task.
    write(&plain.replace("dedicated: 1", "dedicated: 1, environment: {STUDIO: spring}"));
    place.simulate("deploy --yes").ended(0, &[&note("start task")]);
    let ran = place.simulate("deploy --yes");
    assert!(ran.code == 0 && !ran.err.contains("from now on"), "{}", ran.err);
    // Its command line, which another version of the tool has written.
    by_hand(&place, |pool| pool["startTask"]["commandLine"] = json!("true"));
    place.simulate("deploy --yes").ended(0, &[&note("start task")]);
    // Both at once.
    by_hand(&place, |pool| {
        pool["startTask"]["commandLine"] = json!("true");
        pool["applicationPackages"] = json!([{"id": format!("{}/applications/blender", pool_account())}]);
    });
    place.simulate("deploy --yes").ended(0, &[&note("packages and start task")]);
    // A limit of the tool's own changes nothing on nodes.
    write(&plain.replace("dedicated: 1", "dedicated: 1, environment: {STUDIO: spring}, maxNodes: 9"));
    let ran = place.simulate("deploy --yes");
    assert!(ran.code == 0 && !ran.err.contains("from now on"), "{}", ran.err);
}
