//! `teardown`.

use azure_sim::{LockLevel, Phase, Resource};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::wire::Cut;
use flamenco_azure_tests::yard::{FARM_FILE, SUBSCRIPTION, Yard, assert_same};

/// The same farm under other names, in the same group.
fn second_farm() -> String {
    FARM_FILE
        .replace("defaultName: crunch", "defaultName: punch")
        .replace("crunch-vm", "punch-vm")
        .replace("crunchfiles", "punchfiles")
        .replace("crunchbatch", "punchbatch")
}

/// A group of someone else's with a network in it.
fn with_foreign(world: &mut azure_sim::World) {
    world.add_group("crunch-rg", "westeurope", azure_sim::Tags::new());
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Network/virtualNetworks/theirs"
    );
    let now = world.now();
    world.add_foreign(Resource::new(&id, "Microsoft.Network/virtualNetworks", now));
}

#[test]
fn teardown_leaves_no_trace() {
    let yard = Yard::default();
    let before = yard.settled();
    yard.run("deploy --yes");
    yard.run("teardown --yes");
    assert_same(&yard.settled(), &before, "deploy and teardown");
    assert_eq!(yard.run("teardown --yes"), Exit::Done, "nothing left to do is no failure");
}

#[test]
fn teardown_from_every_partial_state_leaves_foreign_resources_as_they_were() {
    let yard = Yard::new(FARM_FILE, with_foreign);
    let before = yard.settled();
    let (_, calls) = yard.fork(true).cut("deploy --yes", None);
    for call in 1..=calls {
        let fork = yard.fork(true);
        fork.cut("deploy --yes", Some(Cut { call, phase: Phase::After }));
        // On another machine: nothing but tags and names to go by.
        let elsewhere = fork.fork(false);
        elsewhere.run("teardown --yes");
        assert_same(&elsewhere.settled(), &before, &format!("teardown of a deploy cut at call {call}"));
    }
    println!("teardown from {calls} partial states");
}

#[test]
fn two_farms_in_one_group_do_not_meet() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let alone = yard.settled();
    yard.write(&second_farm());
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.write(FARM_FILE);
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.write(&second_farm());
    yard.run("teardown --yes");
    assert_same(&yard.settled(), &alone, "the first farm after the second one's life");
}

#[test]
fn a_group_that_was_there_before_is_never_deleted() {
    let yard =
        Yard::new(FARM_FILE, |world| world.add_group("crunch-rg", "westeurope", azure_sim::Tags::new()));
    let before = yard.settled();
    yard.run("deploy --yes");
    yard.run("teardown --yes");
    assert_same(&yard.settled(), &before, "a group of someone else's");
}

#[test]
fn a_resource_that_appears_in_our_group_keeps_the_group() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.poke(|world| {
        let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Network/publicIPAddresses/theirs");
        let now = world.now();
        world.add_foreign(Resource::new(&id, "Microsoft.Network/publicIPAddresses", now));
    });
    yard.run("teardown --yes");
    let world = yard.world();
    assert!(world.groups().contains_key("crunch-rg"));
    assert_eq!(world.resources().len(), 1);
}

#[test]
fn keep_data_keeps_the_share_and_the_next_farm_takes_it_over() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let before = yard.settled();
    yard.run("teardown --yes --keep-data");
    let kept: Vec<String> =
        yard.world().resources().keys().map(|id| id.rsplit('/').next().unwrap().to_owned()).collect();
    assert!(kept.contains(&"crunchfiles".to_owned()) && kept.contains(&"flamenco".to_owned()), "{kept:?}");
    assert!(!kept.contains(&"crunch-vm".to_owned()), "{kept:?}");
    yard.run("deploy --yes");
    assert_same(&yard.settled(), &before, "deploy over kept data");
}

#[test]
fn a_lock_stops_teardown_with_words_and_nothing_is_lost() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg");
    yard.poke(|world| world.lock(&group, "keep", LockLevel::CanNotDelete));
    let failure = yard.outcome("teardown --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::Azure);
    assert!(failure.message.contains("lock"), "{failure}");
    assert!(failure.hint.unwrap().contains("teardown"));
}

#[test]
fn teardown_needs_no_farm_file() {
    let yard = Yard::default();
    let before = yard.settled();
    yard.run("deploy --yes");
    std::fs::remove_file(yard.path().join("azure_config.yaml")).unwrap();
    yard.run(&format!("teardown --yes --subscription {SUBSCRIPTION} --group crunch-rg"));
    assert_same(&yard.settled(), &before, "teardown by flags alone");
}
