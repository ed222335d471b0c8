//! What no longer worked by November 2026, in the order in which a user would have met it, and what we do instead.

use flamenco_azure_cli::failure::Exit;
use flamenco_azure_core::spec::{PoolImage, defaults, retired};
use flamenco_azure_tests::yard::{FARM_FILE, Yard};
use serde_json::{Value, json};

use crate::support::{farm, first_deploy, guest_files};

fn pool(bodies: &std::collections::BTreeMap<String, Value>) -> &Value {
    &bodies["pools/render"]["properties"]
}

/// A service principal made by `az` has had no role since CLI 2.32, so that the program saw no subscription.
#[test]
fn b01_we_sign_in_as_the_user_and_say_which_role_is_missing() {
    let yard = Yard::new(FARM_FILE, |world| world.principal_mut().set_subscription_role(None));
    let failure = yard.outcome("deploy --yes").unwrap_err();
    let said = format!("{} {}", failure.message, failure.hint.unwrap());
    assert!(said.contains("az account list") || said.contains("az role assignment create"), "{said}");
    for (_, path) in yard.last_log() {
        assert!(!path.contains("servicePrincipals") && !path.contains("roleAssignments"), "{path}");
    }
}

/// The first-generation SDK and its sign-in library have been without support since 2023.
#[test]
fn b02_we_build_on_the_official_stable_line() {
    let workspace = include_str!("../../../Cargo.toml");
    for name in ["azure_core", "azure_identity"] {
        assert!(workspace.contains(&format!("\n{name} = {{ version = \"1.")), "{name}");
    }
    // The old line is a judge in the tests and on no request's path.
    let core = include_str!("../../../crates/flamenco-azure-core/Cargo.toml");
    assert!(!core.contains("azure_mgmt") && !core.contains("0.21"));
}

/// Its build used a flag that the compiler dropped.
#[test]
fn b03_we_pin_the_oldest_compiler_that_builds_us() {
    assert!(include_str!("../../../Cargo.toml").contains("rust-version = \"1."));
}

/// It made a Basic public address, which was retired on 2025-09-30; a Standard one is closed without a security group.
#[test]
fn b04_addresses_are_standard_and_a_security_group_says_who_comes_in() {
    let (_, bodies) = first_deploy();
    let addresses: Vec<_> =
        bodies.iter().filter(|(name, _)| name.starts_with("publicIPAddresses/")).collect();
    assert!(!addresses.is_empty());
    for (name, body) in addresses {
        assert_eq!(body["sku"]["name"], "Standard", "{name}");
    }
    let subnets = bodies["virtualNetworks/crunch-vm-vnet"]["properties"]["subnets"].as_array().unwrap();
    for subnet in subnets {
        assert!(subnet["properties"]["networkSecurityGroup"]["id"].is_string(), "{subnet}");
    }
}

/// Ubuntu 18.04 has ended.
#[test]
fn b05_the_manager_runs_ubuntu_2404() {
    let (_, bodies) = first_deploy();
    let image = &bodies["virtualMachines/crunch-vm"]["properties"]["storageProfile"]["imageReference"];
    assert_eq!((&image["offer"], &image["sku"]), (&json!("ubuntu-24_04-lts"), &json!("server")));
}

/// Its sizes, D12_v2 and F16s, are on the way out.
#[test]
fn b06_our_sizes_stay_and_retired_ones_are_refused_or_warned_about() {
    for (key, size, _) in defaults::rows() {
        if key.ends_with("vmSize") {
            assert!(retired::retirement(size.trim_matches('`')).is_none(), "{key}: {size}");
        }
    }
    for size in ["Standard_D12_v2", "Standard_F16s"] {
        assert!(retired::retirement(size).is_some(), "{size}");
    }
    let yard = Yard::with_config(
        &FARM_FILE.replace("Standard_D4as_v5", "Standard_F16s"),
        |config| config.start = "2028-11-16T08:00:00Z".parse().unwrap(),
        |_| {},
    );
    let failure = yard.outcome("plan").unwrap_err();
    assert!(failure.exit == Exit::User && failure.message.contains("Standard_F16s"), "{failure}");
}

fn api_versions(yard: &Yard, part: &str) -> std::collections::BTreeSet<String> {
    let all = yard.last_exchanges();
    let ours = all.iter().filter(|(_, url, _)| url.contains(part));
    ours.filter_map(|(_, url, _)| url.split("api-version=").nth(1))
        .map(|v| v.split('&').next().unwrap().to_owned())
        .collect()
}

/// The control plane of Batch was asked in its version of 2017.
#[test]
fn b07_the_batch_control_plane_is_asked_in_its_current_version() {
    let (yard, _) = first_deploy();
    assert_eq!(api_versions(&yard, "/Microsoft.Batch/batchAccounts"), ["2025-06-01".to_owned()].into());
}

/// The data plane of Batch was asked in its version of 2018.
#[test]
fn b08_the_batch_data_plane_is_asked_in_its_current_version() {
    let (yard, _) = first_deploy();
    yard.poke(|world| world.advance_by(900));
    yard.run("scale render --dedicated 1 --wait");
    assert_eq!(
        api_versions(&yard, "crunchbatch.westeurope.batch.azure.com"),
        ["2025-06-01".to_owned()].into()
    );
}

/// The node agent for Ubuntu 18.04 takes no new pools.
#[test]
fn b09_pools_run_ubuntu_2404_and_its_node_agent() {
    let (_, bodies) = first_deploy();
    let machine = &pool(&bodies)["deploymentConfiguration"]["virtualMachineConfiguration"];
    assert_eq!(machine["nodeAgentSkuId"], "batch.node.ubuntu 24.04");
    assert_eq!(machine["imageReference"]["offer"], "ubuntu-24_04-lts");
    assert!(PoolImage::parse("canonical:ubuntuserver:18.04-lts").is_none());
}

/// Low-priority nodes have become Spot nodes, which a Batch-managed account may not get.
#[test]
fn b10_spot_nodes_are_asked_for_as_such_and_a_refusal_names_the_ways_out() {
    let file = FARM_FILE.replace("spot: 0", "spot: 2");
    let yard = Yard::with_config(&file, |config| config.spot_in_batch_service = false, |_| {});
    yard.run("deploy --yes");
    assert_eq!(
        pool(&crate::support::sent(&yard))["scaleSettings"]["fixedScale"]["targetLowPriorityNodes"],
        2
    );
    let failure = yard.outcome("scale render --spot 3 --wait").unwrap_err();
    assert!(failure.message.contains("use dedicated ones"), "{failure}");
}

/// Classic communication between Batch and its nodes ended on 2026-03-31.
#[test]
fn b11_nodes_use_simplified_communication() {
    let (_, bodies) = first_deploy();
    assert_eq!(pool(&bodies)["targetNodeCommunicationMode"], "Simplified");
}

/// Ports for ssh to nodes are no longer opened by themselves.
#[test]
fn b12_nodes_have_no_public_address_and_need_no_ssh() {
    let (_, bodies) = first_deploy();
    let network = &pool(&bodies)["networkConfiguration"];
    assert_eq!(network["publicIPAddressConfiguration"]["provision"], "NoPublicIPAddresses");
    assert!(network.get("endpointConfiguration").is_none());
}

/// New networks have no way out by default.
#[test]
fn b13_the_way_out_is_a_nat_gateway_of_our_own_and_the_default_is_off() {
    let (_, bodies) = first_deploy();
    let subnets = bodies["virtualNetworks/crunch-vm-vnet"]["properties"]["subnets"].as_array().unwrap();
    assert!(!subnets.is_empty());
    for subnet in subnets {
        assert_eq!(subnet["properties"]["defaultOutboundAccess"], false, "{subnet}");
    }
    let workers = subnets.iter().find(|subnet| subnet["name"] == "workers").unwrap();
    assert!(workers["properties"]["natGateway"]["id"].as_str().unwrap().ends_with("/crunch-vm-nat"));
}

/// The page that it read for the newest daily build of Blender 2.83 has none.
#[test]
fn b14_blender_is_a_release_with_a_fixed_address_and_a_checksum() {
    let (yard, _) = first_deploy();
    let releases = manager_vm::guest::releases(&manager_vm::desired::guest_config(&farm(&yard)));
    let blender = releases.iter().find(|release| release.folder.starts_with("blender-")).unwrap();
    assert!(blender.url().contains("/release/Blender"), "{}", blender.url());
    assert!(blender.sums.ends_with(".sha256"));
}

/// MongoDB's packages and `apt-key` are gone.
#[test]
fn b15_no_database_server_and_no_apt_key() {
    let (yard, _) = first_deploy();
    for (name, text) in guest_files(&farm(&yard)) {
        for mark in ["mongo", "apt-key"] {
            assert!(!text.contains(mark), "`{mark}` in {name}");
        }
    }
}

/// Flamenco 2 needed a server on the Internet, without which its Manager never left its set-up mode.
#[test]
fn b16_flamenco_3_runs_from_a_complete_configuration() {
    let (yard, _) = first_deploy();
    let files = guest_files(&farm(&yard));
    let (_, manager) = files.iter().find(|(name, _)| name.ends_with("flamenco-manager.yaml")).unwrap();
    let config: Value = serde_saphyr::from_str(manager).unwrap();
    assert_eq!(config["_meta"]["version"], 3);
    assert!(config["shared_storage_path"].is_string() && config["variables"]["blenderArgs"].is_object());
    assert!(!manager.contains("cloud.blender.org"));
    assert!(farm(&yard).manager.flamenco_version.starts_with("3."));
}

/// Archives of Flamenco 2, a preemption watcher without source and a static FFmpeg came from addresses that may be gone.
#[test]
fn b17_two_archives_from_their_publishers_each_with_its_checksum() {
    let (yard, _) = first_deploy();
    let releases = manager_vm::guest::releases(&manager_vm::desired::guest_config(&farm(&yard)));
    for release in &releases {
        assert!(release.url().contains("blender.org/"), "{}", release.url());
        assert!(release.sums.ends_with(".sha256"), "{}", release.sums);
    }
    for (name, text) in guest_files(&farm(&yard)) {
        assert!(!text.contains("johnvansickle") && !text.contains("preempt-monitor"), "{name}");
    }
}

/// The Manager resized pools with a secret that ended after a year.
#[test]
fn b18_the_manager_has_a_managed_identity_and_no_secret_that_ends() {
    let (_, bodies) = first_deploy();
    assert_eq!(bodies["virtualMachines/crunch-vm"]["identity"]["type"], "UserAssigned");
    assert!(bodies.contains_key("userAssignedIdentities/crunch-vm-identity"), "{:?}", bodies.keys());
}

/// Batch's rendering images and licences by the hour were retired in 2024.
#[test]
fn b19_nodes_boot_plain_ubuntu_without_licences() {
    let (_, bodies) = first_deploy();
    assert_eq!(
        pool(&bodies)["deploymentConfiguration"]["virtualMachineConfiguration"]["imageReference"]["publisher"],
        "canonical"
    );
    assert!(pool(&bodies).get("applicationLicenses").is_none());
}
