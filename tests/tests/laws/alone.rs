//! Scalers that stand alone: a network and an image of others, no Flamenco.

use azure_sim::{Phase, Resource, Role, Tags, World};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{Ended, SUBSCRIPTION, Yard, assert_same};
use serde_json::json;

use crate::crash::survives_every_cut;

const DEPLOY: &str = "scaler deploy azure_config.yaml --yes";
const REMOVE: &str = "scaler remove azure_config.yaml --yes";
const RUN: &str = "scaler run --file azure_config.yaml";

/// The file that users begin with.
const EXAMPLE: &str = include_str!("../../../examples/scaler.yaml");

/// The same with a target to begin with, in the subscription of the tests.
fn file() -> String {
    EXAMPLE.replace("00000000-0000-4000-8000-000000000000", SUBSCRIPTION).replace("nodes: 0", "nodes: 3")
}

/// The parameters of Avere's VMScaler, under their old names.
fn old_names() -> String {
    format!(
        "subscriptionID: {SUBSCRIPTION}
location: westeurope
resourceGroup: burst-rg
uniquename: burst
storageAccountName: burstscaler0001
adminUsername: azureuser
sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 sam@studio
virtualNetworkResourceGroup: net-rg
virtualNetworkName: studio
virtualNetworkSubnetName: render
bootstrapNFSIP: 10.7.0.12
nfsExportPath: /msazure
vmscalerBootstrapScriptPath: /bootstrap/bootstrap.vmscaler.sh
vmscalerVmSize: Standard_D2s_v3
vmssImageId: {}
vmssSKU: Standard_D4as_v5
vmsPerVMSS: 25
maxNodes: 50
nodes: 3
",
        id(&["images-rg", "Microsoft.Compute/images", "centos-render"])
    )
}

fn id([group, kind, name]: &[&str; 3]) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{kind}/{name}")
}

/// A studio's network and image, and a machine of theirs with identities of its own.
fn studio(world: &mut World) {
    let now = world.now();
    let mut put = |group: &str, kind: &str, name: &str, properties: serde_json::Value| {
        world.add_group(group, "westeurope", Tags::new());
        let mut resource = Resource::new(&id(&[group, kind, name]), kind, now);
        resource.location = Some("westeurope".to_owned());
        resource.properties = properties;
        world.add_foreign(resource);
    };
    let network = "Microsoft.Network/virtualNetworks";
    put("net-rg", network, "studio", json!({"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}}));
    put("images-rg", "Microsoft.Compute/images", "centos-render", json!({}));
    world.set_limit("westeurope", "lowPriorityCores", 400);
    let kind = "Microsoft.Network/virtualNetworks/subnets";
    for (name, prefix) in [("render", "10.7.1.0/24"), ("small", "10.7.2.0/27")] {
        let mut subnet =
            Resource::new(&format!("{}/subnets/{name}", id(&["net-rg", network, "studio"])), kind, now);
        subnet.properties = json!({"addressPrefix": prefix});
        world.add_foreign(subnet);
    }
}

fn yard() -> Yard {
    Yard::new(&file(), studio)
}

fn nodes(yard: &Yard) -> usize {
    let world = yard.world();
    world.scale_sets().iter().map(|set| world.set_instances(&set.id).len()).sum()
}

fn tag(yard: &Yard, id: &str, name: &str) -> Option<String> {
    yard.world().resource(id)?.tags.as_ref()?.get(name).cloned()
}

/// The writes of the last run, without the questions that are asked by POST.
fn writes(yard: &Yard) -> Vec<String> {
    let asked = |url: &str| url.to_lowercase().contains("checknameavailability");
    yard.last_log()
        .into_iter()
        .filter(|(method, url)| method != "GET" && method != "HEAD" && !asked(url))
        .map(|(method, url)| format!("{method} {url}"))
        .collect()
}

#[test]
fn deploy_twice_plans_nothing_and_the_scaler_brings_nodes_up() {
    for text in [file(), old_names()] {
        let yard = Yard::new(&text, studio);
        assert_eq!(yard.run(DEPLOY), Exit::Done);
        let vm = id(&["burst-rg", "Microsoft.Compute/virtualMachines", "burst-scaler"]);
        assert!(tag(&yard, &vm, "flamenco-farm-scaler").is_some(), "it says that it is installed");
        let world = yard.world();
        let machine = world.resource(&vm).unwrap();
        assert_eq!(machine.text("/osProfile/adminUsername"), Some("azureuser"));
        let nic = id(&["burst-rg", "Microsoft.Network/networkInterfaces", "burst-scaler-nic"]);
        let nic = world.resource(&nic).unwrap();
        let config = nic.property("/ipConfigurations/0/properties").unwrap();
        assert!(config["subnet"]["id"].as_str().unwrap().contains("/net-rg/"), "{config}");
        assert!(config.get("publicIPAddress").is_none(), "{config}");

        assert_eq!(yard.run(DEPLOY), Exit::Done);
        assert_eq!(writes(&yard), Vec::<String>::new());
        assert_eq!(nodes(&yard), 0);
        yard.run(RUN);
        assert_eq!(nodes(&yard), 3);
        assert_eq!(yard.run(DEPLOY), Exit::Done);
        assert_eq!((writes(&yard).len(), nodes(&yard)), (0, 3));
    }
}

#[test]
fn a_changed_file_reaches_the_machine_and_nothing_else() {
    let yard = yard();
    yard.run(DEPLOY);
    yard.write(&file().replace("maxNodes: 100", "maxNodes: 90"));
    yard.run(DEPLOY);
    let sent = writes(&yard);
    let vm = "/virtualMachines/burst-scaler";
    assert!(!sent.is_empty() && sent.iter().all(|one| one.contains(vm) || one.contains("bin")), "{sent:#?}");
    yard.run(DEPLOY);
    assert_eq!(writes(&yard), Vec::<String>::new());
}

#[test]
fn deploy_survives_a_crash_at_every_call() {
    survives_every_cut(&yard(), DEPLOY, false);
}

#[test]
fn remove_leaves_what_was_there_before() {
    let yard = yard();
    let before = yard.settled();
    yard.run(DEPLOY);
    yard.run(RUN);
    assert_eq!(nodes(&yard), 3);
    yard.run(REMOVE);
    assert_same(&yard.settled(), &before, "deploy, run and remove");
    assert_eq!(yard.run(REMOVE), Exit::Done);
    assert_eq!(writes(&yard), Vec::<String>::new());
}

#[test]
fn teardown_without_the_file_removes_it_too() {
    let yard = yard();
    let before = yard.settled();
    yard.run(DEPLOY);
    yard.run(RUN);
    std::fs::remove_file(yard.path().join("azure_config.yaml")).unwrap();
    yard.run(&format!("teardown --yes --subscription {SUBSCRIPTION} --group burst-rg --farm burst"));
    assert_same(&yard.settled(), &before, "deploy, run and teardown");
}

#[test]
fn remove_survives_a_crash_at_every_call() {
    let yard = yard();
    yard.run(DEPLOY);
    yard.run(RUN);
    survives_every_cut(&yard, REMOVE, true);
}

/// A file that installs on the studio's own machine, and a yard in which there is one: made by a deploy of another scaler,
/// whose traces are wiped off.
fn on_existing() -> (Yard, String) {
    let yard = Yard::new(&file().replace("burst", "other"), studio);
    yard.run(DEPLOY);
    let vm = id(&["other-rg", "Microsoft.Compute/virtualMachines", "other-scaler"]);
    yard.poke(|world| {
        world.edit(&vm, |vm| {
            vm.tags = Some([("owner".to_owned(), "studio".to_owned())].into());
            vm.foreign = true;
        });
    });
    let text = file();
    let (before, rest) = text.split_once("  vmName:").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    yard.write(&format!("{before}  existing: {vm}\n\n{after}"));
    (yard, vm)
}

fn identities(yard: &Yard, vm: &str) -> Vec<String> {
    let world = yard.world();
    let all = world.resource(vm).unwrap().extra["identity"]["userAssignedIdentities"].clone();
    all.as_object()
        .into_iter()
        .flatten()
        .map(|(id, _)| id.rsplit('/').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn an_existing_machine_keeps_what_it_has_and_loses_only_what_it_got() {
    let (yard, vm) = on_existing();
    let before = yard.settled();
    assert_eq!(identities(&yard, &vm), ["other-scaler-identity"]);
    assert_eq!(yard.run(DEPLOY), Exit::Done);
    let mut have = identities(&yard, &vm);
    have.sort();
    assert_eq!(have, ["burst-scaler-identity", "other-scaler-identity"]);
    assert_eq!(tag(&yard, &vm, "owner").as_deref(), Some("studio"));
    assert_eq!(tag(&yard, &vm, "flamenco-farm-scaler-of").as_deref(), Some("burst in burst-rg"));
    assert!(yard.world().resources().values().all(|r| r.name != "burst-scaler"));
    yard.run(DEPLOY);
    assert_eq!(writes(&yard), Vec::<String>::new());
    yard.run(RUN);
    assert_eq!(nodes(&yard), 3);

    // Another scaler is not installed over it.
    let mine = std::fs::read_to_string(yard.path().join("azure_config.yaml")).unwrap();
    yard.write(&mine.replace("farm: burst", "farm: third").replace("burst-rg", "third-rg"));
    let failure = yard.outcome(DEPLOY).unwrap_err();
    assert!(failure.message.contains("runs the scaler of burst in burst-rg already"), "{failure}");
    yard.write(&mine);

    yard.run(REMOVE);
    assert_same(&yard.settled(), &before, "deploy, run and remove");
}

#[test]
fn deploy_on_an_existing_machine_survives_a_crash_at_every_call() {
    survives_every_cut(&on_existing().0, DEPLOY, false);
}

#[test]
fn bad_input_names_the_field_and_changes_nothing() {
    type Poke<'a> = &'a dyn Fn(&mut World);
    let image = id(&["images-rg", "Microsoft.Compute/images", "centos-render"]);
    let elsewhere = |world: &mut World| {
        world.edit(&id(&["images-rg", "Microsoft.Compute/images", "centos-render"]), |image| {
            image.location = Some("eastus".to_owned());
        });
    };
    let spotless = |world: &mut World| {
        world.restrict_size("westeurope", "Standard_D16as_v5");
    };
    let nothing = |_: &mut World| {};
    let reader = |world: &mut World| {
        world.principal_mut().set_subscription_role(Some(Role::Reader));
    };
    let outsider = |world: &mut World| {
        world.principal_mut().set_subscription_role(Some(Role::Reader));
        world.principal_mut().set_group_role("burst-rg", Some(Role::Owner));
        world.add_group("burst-rg", "westeurope", Tags::new());
    };
    let cases: &[(&str, &str, Poke<'_>, &[&str])] = &[
        ("farm: burst", "farm: Burst_1", &nothing, &["`farm`", "not a legal farm name"]),
        ("farm: burst", "farm: 1burst", &nothing, &["`pools[0].name`", "begin"]),
        ("resourceGroup: burst-rg", "resourceGroup: burst-rg.", &nothing, &["`resourceGroup`"]),
        ("burstscaler0001", "Burst-Scaler", &nothing, &["`storageAccount`", "lower-case"]),
        ("vmName: burst-scaler", "vmName: -x", &nothing, &["`machine.vmName`"]),
        ("name: render", "name: Render!", &nothing, &["`pools[0].name`"]),
        ("adminUsername: azureuser", "adminUsername: root", &nothing, &["`adminUsername`"]),
        (
            "adminUsername: azureuser",
            "adminPassword: hunter2",
            &nothing,
            &["`adminPassword`", "no passwords"],
        ),
        ("ssh-ed25519 AAAA", "ssh-ed25519 BBBB", &nothing, &["`sshPublicKey`"]),
        (
            "subnets/render",
            "subnets/small",
            &nothing,
            &["`subnet` of machine, pool `render`", "too small for 101"],
        ),
        ("subnets/render", "subnets/nowhere", &nothing, &["has no subnet `nowhere`"]),
        ("virtualNetworks/studio", "virtualNetworks/gone", &nothing, &["no virtual network `gone`"]),
        (
            "Standard_D16as_v5, priority: spot",
            "Standard_D17as_v5, priority: spot",
            &nothing,
            &["`pools[0].placements[0]`", "Standard_D17as_v5"],
        ),
        (
            "vmSize: Standard_B2s_v2",
            "vmSize: Standard_B3s_v2",
            &nothing,
            &["`machine.vmSize`", "Standard_B3s_v2"],
        ),
        (
            "Standard_D16as_v5, priority: spot",
            "Standard_B2s_v2, priority: spot",
            &nothing,
            &["`pools[0].placements[0]`", "cannot be had as Spot"],
        ),
        (
            "Standard_D16as_v5, priority: spot",
            "Standard_D16as_v5, zone: '9'",
            &nothing,
            &["`pools[0].placements[0]`", "zone 9"],
        ),
        (
            "vmSize: Standard_B2s_v2",
            "vmSize: Standard_D16as_v5",
            &spotless,
            &["`machine.vmSize`", "may not use"],
        ),
        ("maxNodes: 100", "maxNodes: 0", &nothing, &["`pools[0].maxNodes`"]),
        ("maxNodes: 100", "maxNodes: 2", &nothing, &["`pools[0].nodes`", "more than maxNodes"]),
        ("vmsPerScaleSet: 25", "vmsPerScaleSet: 601", &nothing, &["`pools[0].vmsPerScaleSet`", "600"]),
        ("export: 10.7.0.12:/msazure", "export: msazure", &nothing, &["host:/path"]),
        (&image, &image.replace("centos-render", "gone"), &nothing, &["`image`", "there is no `gone`"]),
        (&image, &image, &elsewhere, &["`image`", "`centos-render` is in eastus"]),
        (
            "farm: burst",
            "farm: burst",
            &reader,
            &["may not", "Microsoft.Compute/virtualMachines/write", "resourceGroups/burst-rg"],
        ),
        (
            "farm: burst",
            "farm: burst",
            &outsider,
            &["may not: Microsoft.Network/virtualNetworks/subnets/join/action", "subnets/render"],
        ),
        ("location: westeurope", "location: westeurop", &nothing, &["did you mean"]),
    ];
    for (from, to, poke, words) in cases {
        let text = file();
        assert!(text.contains(from), "{from}");
        let yard = Yard::new(&text.replace(from, to), |world| {
            studio(world);
            poke(world);
        });
        let before = yard.world().canonical();
        let failure = yard.outcome(DEPLOY).unwrap_err();
        assert_eq!(failure.exit, Exit::User, "{to}: {failure}");
        let said = format!("{} {}", failure.message, failure.hint.unwrap_or_default());
        for word in *words {
            assert!(said.contains(word), "`{word}` is missing for {to}:\n{said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(writes(&yard), Vec::<String>::new(), "{to}");
        assert_same(&yard.world().canonical(), &before, to);
    }
}

#[test]
fn roles_that_may_not_be_assigned_are_left_to_an_administrator() {
    let yard = yard();
    yard.poke(|world| world.principal_mut().set_subscription_role(Some(Role::Contributor)));
    let failure = yard.outcome(DEPLOY).unwrap_err();
    assert_eq!(failure.exit, Exit::Roles, "{failure}");
    assert!(failure.hint.unwrap().contains("scaler deploy azure_config.yaml"));
    let vms = |yard: &Yard| {
        yard.world().resources().values().filter(|r| r.is("Microsoft.Compute/virtualMachines")).count()
    };
    assert_eq!(vms(&yard), 0, "no machine without its rights");
    yard.poke(|world| world.principal_mut().set_subscription_role(Some(Role::Owner)));
    assert_eq!(yard.run(DEPLOY), Exit::Done);
    assert_eq!(vms(&yard), 1);
}

#[test]
fn removal_works_from_every_partial_state() {
    let yard = yard();
    let before = yard.settled();
    let (ended, calls) = yard.fork(true).cut(DEPLOY, None);
    assert!(matches!(ended, Ended::Finished(Ok(Exit::Done))), "{ended:?}");
    for call in 1..=calls {
        let fork = yard.fork(true);
        fork.cut(DEPLOY, Some(flamenco_azure_tests::wire::Cut { call, phase: Phase::After }));
        let elsewhere = fork.fork(false);
        elsewhere.run(REMOVE);
        assert_same(&elsewhere.settled(), &before, &format!("removal of a deploy cut at call {call}"));
    }
}
