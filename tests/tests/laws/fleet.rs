//! Farms with pools of scale sets: the same laws as for Batch pools.

use azure_sim::{Phase, Resource};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::wire::Cut;
use flamenco_azure_tests::yard::{SUBSCRIPTION, Yard, assert_same};

use super::crash::survives_every_cut;

/// A farm of scale sets and nothing else.
const FLEET: &str = "\
defaultName: crunch
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: crunch-rg
storageAccountName: crunchfiles
scalerStorageAccountName: crunchscaler
virtualMachine: crunch-vm
pools:
  - name: spot
    kind: vmss
    maxNodes: 20
    nodes: 4
    deleteByMessage: true
    placements:
      - {vmSize: Standard_D4as_v5, zone: \"1\", priority: spot}
      - {vmSize: Standard_D4as_v5, priority: regular}
";

/// With a Batch pool beside it.
fn mixed() -> String {
    let batch = "  - name: render\n    vmSize: Standard_D4as_v5\n    dedicated: 2\n    spot: 0\n";
    format!("{}{batch}", FLEET.replace("virtualMachine", "batchAccountName: crunchbatch\nvirtualMachine"))
}

fn tag(yard: &Yard, name: &str) -> Option<String> {
    let world = yard.world();
    let group = world.groups().get("crunch-rg")?;
    group
        .tags
        .as_ref()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.clone())
}

/// The paths of what the last run wrote.
fn writes(yard: &Yard) -> Vec<String> {
    let all = yard.last_log().into_iter().filter(|(method, _)| !["GET", "HEAD"].contains(&method.as_str()));
    all.map(|(_, path)| path).collect()
}

fn assignments(yard: &Yard) -> usize {
    yard.world().canonical()["roleAssignments"].as_object().map_or(0, serde_json::Map::len)
}

#[test]
fn deploy_twice_plans_nothing_with_scale_sets() {
    for file in [FLEET.to_owned(), mixed()] {
        let yard = Yard::new(&file, |_| {});
        yard.run("deploy --yes");
        let before = yard.settled();
        assert_eq!(tag(&yard, "TOTAL_NODES").as_deref(), Some("4"));
        let installed = yard.world().resources().values().any(|resource| {
            resource.tags.as_ref().is_some_and(|tags| tags.keys().any(|name| name == "flamenco-farm-scaler"))
        });
        assert!(installed, "the scaler is on the Manager");
        assert_eq!(yard.run("plan --check"), Exit::Done);
        yard.run("deploy --yes");
        let writes = writes(&yard);
        assert!(writes.is_empty(), "{writes:?}");
        assert_same(&yard.settled(), &before, "the second deploy");
    }
}

#[test]
fn a_farm_of_scale_sets_has_no_batch_account() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    let world = yard.world();
    assert!(!world.resources().keys().any(|id| id.contains("microsoft.batch")));
    let findings = world.check();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn deploy_writes_the_first_target_and_never_another() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    yard.write(&FLEET.replace("nodes: 4", "nodes: 9"));
    yard.run("deploy --yes");
    assert_eq!(tag(&yard, "TOTAL_NODES").as_deref(), Some("4"), "the count belongs to whoever scales");
    let second = "  - name: more\n    kind: vmss\n    maxNodes: 2\n    nodes: 2\n";
    yard.write(&format!("{FLEET}{second}"));
    yard.run("deploy --yes");
    assert_eq!(tag(&yard, "TOTAL_NODES.crunch.more").as_deref(), Some("2"));
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn a_change_of_the_pool_reaches_the_scaler_and_nothing_else() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    yard.write(&FLEET.replace("maxNodes: 20", "maxNodes: 19"));
    yard.run("deploy --yes");
    let writes: Vec<String> =
        writes(&yard).into_iter().filter(|path| !path.ends_with("NameAvailability")).collect();
    let expected = ["runCommand", "Microsoft.Resources/tags/default"];
    assert!(writes.iter().any(|path| path.ends_with("runCommand")), "{writes:?}");
    assert!(writes.iter().all(|path| expected.iter().any(|end| path.ends_with(end))), "{writes:?}");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn deploy_of_scale_sets_survives_a_crash_at_every_call() {
    survives_every_cut(&Yard::new(FLEET, |_| {}), "deploy --yes", true);
}

#[test]
fn deploy_of_scale_sets_survives_a_crash_at_every_call_on_another_machine() {
    survives_every_cut(&Yard::new(&mixed(), |_| {}), "deploy --yes", false);
}

#[test]
fn teardown_of_scale_sets_survives_a_crash_at_every_call() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    survives_every_cut(&yard, "teardown --yes", false);
}

#[test]
fn pause_and_resume_put_the_target_back() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    let before = yard.settled();
    yard.run("pause --yes");
    assert_eq!(tag(&yard, "TOTAL_NODES").as_deref(), Some("0"));
    assert_eq!(tag(&yard, "flamenco-farm.crunch.paused").as_deref(), Some("spot=0+4"));
    survives_every_cut(&yard, "resume --yes", false);
    yard.run("resume --yes");
    assert_eq!(tag(&yard, "TOTAL_NODES").as_deref(), Some("4"));
    assert_same(&yard.settled(), &before, "pause and resume");
}

#[test]
fn teardown_of_scale_sets_leaves_no_trace_and_no_role() {
    for file in [FLEET.to_owned(), mixed()] {
        let yard = Yard::new(&file, |_| {});
        let before = yard.settled();
        yard.run("deploy --yes");
        assert!(assignments(&yard) > 7, "{}", assignments(&yard));
        std::fs::remove_file(yard.path().join("azure_config.yaml")).unwrap();
        yard.run(&format!("teardown --yes --subscription {SUBSCRIPTION} --group crunch-rg"));
        assert_eq!(assignments(&yard), 0);
        assert_same(&yard.settled(), &before, "deploy and teardown");
    }
}

#[test]
fn teardown_of_scale_sets_from_every_partial_state_leaves_others_alone() {
    let theirs = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Network/virtualNetworks/theirs"
    );
    let yard = Yard::new(FLEET, |world| {
        world.add_group("crunch-rg", "westeurope", azure_sim::Tags::new());
        let now = world.now();
        world.add_foreign(Resource::new(&theirs, "Microsoft.Network/virtualNetworks", now));
    });
    let before = yard.settled();
    let (_, calls) = yard.fork(true).cut("deploy --yes", None);
    for call in 1..=calls {
        let fork = yard.fork(true);
        fork.cut("deploy --yes", Some(Cut { call, phase: Phase::After }));
        let elsewhere = fork.fork(false);
        elsewhere.run("teardown --yes");
        assert_same(&elsewhere.settled(), &before, &format!("teardown of a deploy cut at call {call}"));
    }
    println!("teardown from {calls} partial states");
}

#[test]
fn keep_data_keeps_the_share_and_not_the_scalers_account() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    let before = yard.settled();
    yard.run("teardown --yes --keep-data");
    let kept: Vec<String> =
        yard.world().resources().keys().map(|id| id.rsplit('/').next().unwrap().to_owned()).collect();
    assert!(
        kept.contains(&"crunchfiles".to_owned()) && !kept.contains(&"crunchscaler".to_owned()),
        "{kept:?}"
    );
    assert_eq!((assignments(&yard), tag(&yard, "TOTAL_NODES")), (0, None));
    yard.run("deploy --yes");
    let differences = flamenco_azure_tests::yard::differences(&yard.settled(), &before);
    // The identities are new ones.
    assert!(
        differences.lines().all(|line| line.contains("rincipal") || line.contains("lient")),
        "{differences}"
    );
}

#[test]
fn no_secret_is_in_anything_that_a_farm_of_scale_sets_sends() {
    let yard = Yard::new(FLEET, |_| {});
    for line in ["deploy --yes", "pause --yes", "resume --yes", "teardown --yes"] {
        yard.run(line);
        for (method, url, body) in yard.last_exchanges() {
            // Scripts say where a token goes (`Bearer $…`); no request has one.
            for mark in [
                "Bearer sim",
                "AccountKey",
                "sig=",
                "PRIVATE KEY",
                "SharedAccess",
                "adminPassword\"",
                "sim-token",
            ] {
                assert!(!url.contains(mark) && !body.contains(mark), "`{mark}` in {line}: {method} {url}");
            }
        }
    }
}

#[test]
fn a_missing_program_is_refused_before_anything_is_made() {
    let yard = Yard::new(FLEET, |_| {});
    let failure = yard.outcome("deploy --yes --scaler-binary nowhere").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.message.contains("nowhere") && failure.hint.unwrap().contains("--scaler-binary"));
    assert!(yard.world().groups().is_empty());
}

#[test]
fn a_limit_below_what_runs_is_refused_and_changes_nothing() {
    let yard = Yard::new(FLEET, |_| {});
    yard.run("deploy --yes");
    yard.run("scale spot --nodes 4 --wait");
    yard.write(&FLEET.replace("maxNodes: 20", "maxNodes: 3").replace("nodes: 4", "nodes: 0"));
    let before = yard.settled();
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::User, "{failure}");
    assert!(failure.message.contains("maxNodes: 3 is below the 4 nodes"), "{failure}");
    assert_eq!(writes(&yard), Vec::<String>::new());
    assert_same(&yard.settled(), &before, "a refused deploy");
    yard.run("scale spot --nodes 3 --wait");
    yard.run("deploy --yes");
}

#[test]
fn what_stands_in_the_way_of_scale_sets_is_said_before_anything_is_made() {
    let image = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.Compute/images/frames"
    );
    let with_image = format!("kind: vmss\n    image: {image}");
    let cases = [
        ("Standard_D4as_v5, zone: \"1\"", "Standard_D4as_v9, zone: \"1\"", "Standard_D4as_v9"),
        ("nodes: 4", "nodes: 20", "quota"),
        ("kind: vmss", &with_image, "there is no `frames`"),
    ];
    for (from, to, word) in cases {
        let yard = Yard::new(&FLEET.replace(from, to), |world| {
            world.set_limit("westeurope", "lowPriorityCores", 60);
        });
        let failure = yard.outcome("deploy --yes").unwrap_err();
        assert_eq!(failure.exit, Exit::User, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
        assert!(yard.world().groups().is_empty());
    }
}
