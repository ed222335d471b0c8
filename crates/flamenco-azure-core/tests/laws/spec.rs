//! The farm file: from text to a farm.

use std::net::Ipv4Addr;

use flamenco_azure_core::spec::{
    CidrList, CloudName, Farm, FarmSpec, Network, Overrides, PoolImage, SpecError, Storage, Tls, defaults,
    network, retired, schema, validate,
};
use proptest::prelude::*;

use crate::farm_file::{LEAST, overrides};

/// What the old tool writes (its struct's order and its empty strings), with a secret.
const OLD: &str = "defaultName: My Studio
subscriptionID: 5B3A7C1E-0000-4000-8000-0123456789AB
location: westeurope
resourceGroup: my-studio
batchAccountName: mystudio
storageAccountName: mystudiosa
virtualMachine: my-studio-vm
workerRegistrationSecret: c2VjcmV0LXNlY3JldC1zZWNyZXQ
batch:
  poolID: crunchtime-F16s
  vmSize: Standard_F16s
  targetDedicatedNodes: 2
  targetLowPriorityNodes: 15
";

fn load(text: &str) -> Result<Farm, SpecError> {
    validate(&FarmSpec::parse("azure_config.yaml", text)?, &overrides()).map(|(farm, _)| farm)
}

fn with(more: &str) -> Farm {
    load(&format!("{LEAST}{more}")).unwrap()
}

#[test]
fn a_file_of_the_old_tool_loads_with_nothing_but_its_keys() {
    let spec = FarmSpec::parse("flamenco_manager_azure.yaml", OLD).unwrap();
    let (farm, warnings) = validate(&spec, &overrides()).unwrap();
    assert_eq!(farm.name.as_str(), "my-studio");
    assert_eq!(farm.subscription.as_str(), "5b3a7c1e-0000-4000-8000-0123456789ab");
    assert_eq!(farm.fqdn(), "my-studio-vm.westeurope.cloudapp.azure.com");
    let [pool] = farm.pools.as_slice() else { panic!("one pool") };
    assert_eq!((pool.name.as_str(), pool.vm_size.as_str()), ("crunchtime-F16s", "Standard_F16s"));
    assert_eq!((pool.dedicated, pool.spot, pool.max_nodes), (2, 15, 17));
    assert!(farm.is_public());
    let words: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "flamenco_manager_azure.yaml:8:27: `workerRegistrationSecret` is not used: Flamenco 3 has no registration \
         secret. It is kept as it is; you may delete it",
            "flamenco_manager_azure.yaml:11:11: Standard_F16s will be retired on 2028-11-15 (F, Fs and Fsv2 series), and \
         new subscriptions may not get it; use Standard_D4as_v5 or another size of the Dasv5, Dasv6 or Fasv6 series",
        ]
    );
}

#[test]
fn the_old_tools_empty_pool_is_the_default_pool_without_nodes() {
    let farm =
        with("batch: {poolID: \"\", vmSize: \"\", targetDedicatedNodes: 0, targetLowPriorityNodes: 0}");
    assert_eq!((farm.pools[0].name.as_str(), farm.pools[0].dedicated), ("workers", 0));
}

#[test]
fn the_secret_is_kept_and_never_shown() {
    let spec = FarmSpec::parse("f", OLD).unwrap();
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ";
    assert!(!format!("{spec:?}").contains(secret));
    assert!(!serde_json::to_string(&load(OLD).unwrap()).unwrap().contains(secret));
    assert_eq!(spec.to_yaml().unwrap().matches(secret).count(), 1);
    let broken = OLD.replace(secret, &format!("[{secret}]"));
    let error = FarmSpec::parse("f", &broken).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(secret), "{error}");
}

#[test]
fn absent_keys_get_the_documented_defaults() {
    let farm = with("");
    assert_eq!(farm.name.as_str(), "farm");
    assert_eq!(farm.manager.vm_size, "Standard_B2s_v2");
    assert_eq!(farm.manager.flamenco_version, "3.8.5");
    assert_eq!((farm.manager.tls, farm.cloud), (Tls::Acme, CloudName::Public));
    assert_eq!((farm.blender.version.as_str(), farm.blender.series()), ("4.5.14", "4.5"));
    assert_eq!(farm.storage, Storage::Own { share_gib: 100, encrypt_in_transit: false });
    let [pool] = farm.pools.as_slice() else { panic!("one pool") };
    assert_eq!((pool.max_nodes, pool.spot), (10, 0));
    assert_eq!(PoolImage::parse("canonical:ubuntu-24_04-lts:server"), Some(pool.image.clone()));
    assert_eq!(pool.image.node_agent(), "batch.node.ubuntu 24.04");
    assert!(
        defaults::MANAGER_CORES + pool.dedicated * defaults::POOL_CORES <= defaults::FRESH_QUOTA_CORES,
        "the default farm fits a fresh subscription"
    );
    assert!(
        retired::retirement(&pool.vm_size).is_none() && retired::retirement(&farm.manager.vm_size).is_none()
    );
}

#[test]
fn the_table_of_defaults_has_every_key() {
    let table = defaults::table();
    let covered = [
        "tags",
        "batch",
        "network.existing",
        "storage.existing",
        "workerRegistrationSecret",
        "pools.name",
        "pools.vmsPerVMSS",
    ];
    for key in flamenco_azure_core::spec::edit::keys() {
        let explained =
            covered.iter().any(|prefix| key.starts_with(prefix) && !key.starts_with("batchAccount"));
        assert!(explained || table.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn absent_and_empty_access_differ() {
    assert_eq!(with("").manager.access.ssh, CidrList::Unset);
    for (access, public) in [
        ("", true),
        ("manager: {access: {ssh: []}}", true),
        ("manager: {access: {ssh: [], web: }}", true),
        ("manager: {access: {ssh: [], web: [203.0.113.7]}}", true),
        ("manager: {access: {ssh: [], web: []}}", false),
    ] {
        assert_eq!(with(access).is_public(), public, "{access}");
    }
    let bare = with("manager: {access: {ssh: [203.0.113.7]}}");
    assert_eq!(bare.manager.access.ssh.admitted()[0].to_string(), "203.0.113.7/32");
}

#[test]
fn the_world_is_admitted_when_insisted() {
    let spec = FarmSpec::parse("f", &format!("{LEAST}manager: {{access: {{web: [0.0.0.0/0]}}}}")).unwrap();
    assert!(validate(&spec, &overrides()).is_err());
    let insisted = Overrides { allow_world: true, ..overrides() };
    assert_eq!(validate(&spec, &insisted).unwrap().0.manager.access.web.admitted().len(), 1);
}

#[test]
fn subnets_are_carved_for_the_sum_of_max_nodes() {
    let Network::Own { address_space, manager_subnet, workers_subnet, manager_address } = with("").network
    else {
        panic!("an own network")
    };
    assert_eq!(address_space.to_string(), "10.42.0.0/16");
    assert_eq!(manager_subnet.to_string(), "10.42.0.0/27");
    assert_eq!(workers_subnet.to_string(), "10.42.0.32/27");
    assert_eq!(manager_address, Ipv4Addr::new(10, 42, 0, 4));
    let two = with("pools: [{name: a, maxNodes: 500}, {name: b, maxNodes: 500}]");
    let Network::Own { workers_subnet, .. } = two.network else { panic!("an own network") };
    assert_eq!(workers_subnet.to_string(), "10.42.8.0/21");
}

proptest! {
    #[test]
    fn carved_subnets_are_disjoint_and_large_enough(prefix in 8u8..=28, nodes in 0u32..20_000) {
        let space = ipnet::Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), prefix).unwrap();
        match network::carve(space, nodes) {
            Some((manager, workers)) => {
                prop_assert!(space.contains(&manager) && space.contains(&workers));
                prop_assert!(!manager.contains(&workers) && !workers.contains(&manager));
                prop_assert!(network::holds(workers, nodes));
                prop_assert!(workers.prefix_len() <= 27);
            }
            // The two do not fit: the nodes' block needs more than half the space, which the Manager shares.
            None => prop_assert!(network::prefix_for(network::wanted_addresses(nodes)) <= prefix || prefix > 26),
        }
    }
}

#[test]
fn clouds_have_their_own_names() {
    assert_eq!(with("cloud: usgov").fqdn(), "farm.westeurope.cloudapp.usgovcloudapi.net");
    assert_eq!(with("cloud: china").fqdn(), "farm.westeurope.cloudapp.chinacloudapi.cn");
}

#[test]
fn the_farm_is_named_after_default_name_else_the_machine() {
    for (name, wanted) in
        [("studio-1", "studio-1"), ("Studio One", "studio-one"), ("日本", "farm"), ("''", "farm")]
    {
        assert_eq!(with(&format!("defaultName: {name}")).name.as_str(), wanted, "{name}");
    }
}

#[test]
fn old_block_and_pools_may_stand_together_when_they_agree() {
    let both =
        "batch: {poolID: p, vmSize: Standard_D8as_v5, targetDedicatedNodes: 1, targetLowPriorityNodes: 0}
pools: [{name: p, vmSize: Standard_D8as_v5, dedicated: 1, maxNodes: 4}]";
    assert_eq!(with(both).pools[0].max_nodes, 4);
    let error = load(&format!("{LEAST}{}", both.replace("dedicated: 1", "dedicated: 2"))).unwrap_err();
    assert_eq!(error.findings()[0].key, "batch");
}

#[test]
fn existing_parts_are_taken_as_they_are() {
    let farm = with(
        "network: {existing: {resourceGroup: net, vnet: v1, managerSubnet: m, workersSubnet: w}}
storage: {existing: {nfsExport: '10.0.0.4:/flamenco'}}",
    );
    assert!(matches!(farm.network, Network::Existing { ref vnet, .. } if vnet == "v1"));
    assert_eq!(farm.storage, Storage::Existing { nfs_export: "10.0.0.4:/flamenco".to_owned() });
    let without_account =
        LEAST.replace("storageAccountName: farmsa\n", "storage: {existing: {nfsExport: 'h:/x'}}\n");
    assert_eq!(load(&without_account).unwrap().storage_account, "");
}

#[test]
fn public_keys_of_every_usual_type_are_taken() {
    // Made for this test; the private halves were thrown away.
    let keys = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAwe2XDFoL1nr7dt0BgDAGFvSC8+ntF4SZIcGQq7HLcF me@studio",
        "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBDd9cRo/ADb+xgdS1uEXj0t7L+WJRsHzDmZWZL24dn7518XKgV5LKvTW5ChVzrlLxxBKhklnyWLAcZNkY/nzJR5TAtoGHcgjBU0FL/lX3WbgBlzmLb4fb3yssrkzpHZnEQ== me@studio",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIF35C7NKA5fFCUjwVW1dm3nwDZd9P2Mo9Wl1py7bejHKd/bMw4OYz38nv3AX7YN0DFPiSrAoP/4Jun1QhtA9a8= me@studio",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCu7IdDR+avoeQZKWheufMGugcgf6huI9eBBZ08j8Bo8a8y7ovcZv1ensCPAlTOXveb7gR7uNdZiHVqDS43OT7HF3qjGSssCcj4RgYWif28TxyvuylEI+GDVuAo31kFykWUao9wD3rgsOU9+FVLKpTx7Xolko+fZZipHEeIvssVS4efXuwRjNwiPVB6fjbWm7ye0OQgq0ZPPheULQofNUgcJd0wQF6tMqEo3gpJe2IG9ywIuwX8z6VOK3X7nGFmcAAeS92794RkqbnjVy/mY5KW/5bZUsVo7l8PGTcY4br7n8o0sU0zFUZmxvalcwSSIfgy/Qc/p3MhVDdNgRoD5TBF me@studio",
    ];
    for key in keys {
        let farm = with(&format!("manager:\n  sshPublicKey: |\n    {key}\n"));
        let taken = farm.manager.ssh_public_key.unwrap();
        assert_eq!(taken.as_str(), key);
        assert_eq!(Some(taken.algorithm()), key.split(' ').next());
        let cut = &key[..key.len() - 30];
        assert!(cut.parse::<flamenco_azure_core::spec::SshPublicKey>().is_err(), "{cut}");
    }
}

#[test]
fn sizes_retire_on_their_day() {
    let rows = [
        ("Standard_D12_v2", "2028-05-01"),
        ("standard_d14_v2", "2028-05-01"),
        ("Standard_DS14_v2", "2028-05-01"),
        ("Standard_DS11-1_v2", "2028-05-01"),
        ("Standard_D2_v2_Promo", "2028-05-01"),
        ("Standard_L4s", "2028-05-01"),
        ("Standard_L8s_v2", "2028-11-15"),
        ("Standard_A2m_v2", "2028-11-15"),
        ("Standard_B2s", "2028-11-15"),
        ("Standard_F16", "2028-11-15"),
        ("Standard_F16s", "2028-11-15"),
        ("Standard_F16s_v2", "2028-11-15"),
        ("Standard_F32s_v2", "2028-11-15"),
        ("Standard_GS5", "2028-11-15"),
        ("Standard_M192ims_v2", "2027-03-31"),
        ("Standard_HB120-16rs_v2", "2027-05-31"),
        ("Standard_NV12s_v3", "2026-09-30"),
        ("Standard_NV4as_v4", "2026-09-30"),
        ("Standard_NC24rs_v3", "2025-09-30"),
    ];
    for (size, date) in rows {
        assert_eq!(
            retired::retirement(size).map(|row| row.date.to_string()).as_deref(),
            Some(date),
            "{size}"
        );
    }
    let current = [
        "Standard_E32s_v3",
        "Standard_D4s_v3",
        "Standard_D4as_v5",
        "Standard_B2s_v2",
        "Standard_NC4as_T4_v3",
        "Standard_NV36ads_A10_v5",
        "Standard_HB120rs_v3",
        "Standard_F8as_v6",
        "Standard_L8s_v3",
        "Standard_M192s_v3",
        "Standard_NC24ads_A100_v4",
        "Standard_FX96ms_v2",
    ];
    for size in current {
        assert!(retired::Size::parse(size).is_some(), "{size}");
        assert!(retired::retirement(size).is_none(), "{size}");
    }
    let spec = FarmSpec::parse("f", &format!("{LEAST}manager: {{vmSize: Standard_D12_v2}}")).unwrap();
    let on = |day: &str| validate(&spec, &Overrides { today: day.parse().unwrap(), ..overrides() });
    assert_eq!(on("2028-04-30T23:00:00Z").unwrap().1.len(), 1);
    assert!(on("2028-05-01T00:00:00Z").is_err());
}

#[test]
fn a_file_survives_being_written_and_read() {
    let full = format!(
        "{OLD}manager:
  vmSize: Standard_D2as_v5
  flamencoVersion: '3.10'
  sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1qvCgQoPHBcwbeFGQrZ1qFtS1l4xHPWSnEjMbgkiZ1 someone with a long comment
  tls: off
  access: {{ssh: [203.0.113.0/24], web: []}}
storage: {{shareGiB: 200, encryptInTransit: yes}}
tags: {{project: 007, yes: no}}
"
    );
    let spec = FarmSpec::parse("f", &full).unwrap();
    let written = spec.to_yaml().unwrap();
    assert_eq!(FarmSpec::parse("f", &written).unwrap(), spec, "{written}");
    assert_eq!(FarmSpec::parse("f", &written).unwrap().to_yaml().unwrap(), written);
    assert!(written.starts_with("defaultName: My Studio\nsubscriptionID: "), "{written}");
    assert_eq!(spec.manager.unwrap().flamenco_version.unwrap(), "3.10");
    assert_eq!(spec.tags.unwrap()["project"], "007");
    assert_eq!(FarmSpec::default().to_yaml().unwrap(), "");
    assert_eq!(FarmSpec::parse("f", "# nothing yet\n").unwrap(), FarmSpec::default());
}

#[test]
fn generated_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/farm.schema.json");
    let generated = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(checked_in == generated, "farm.schema.json is stale: run `cargo xtask gen`");
}
