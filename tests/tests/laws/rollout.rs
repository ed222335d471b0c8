//! Changes of a pool that nodes have to be brought to: a few at a time, or the pool anew.

use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{FARM_FILE, SUBSCRIPTION, Yard};
use serde_json::Value;

use crate::crash::survives_every_cut;

const VARIABLE: &str = "    environment: {STUDIO: spring}\n";
const OTHER_SIZE: &str = "vmSize: Standard_D8as_v5";

fn pool_id() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Batch/batchAccounts/crunchbatch/pools/render"
    )
}

/// A farm of four nodes whose start task was changed since they booted.
fn changed() -> Yard {
    let yard = Yard::default();
    yard.write(&FARM_FILE.replace("dedicated: 2", "dedicated: 4"));
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(900));
    yard.write(&format!("{}{VARIABLE}", FARM_FILE.replace("dedicated: 2", "dedicated: 4")));
    assert_eq!(yard.run("deploy --yes"), Exit::Done);
    yard
}

/// The nodes that the last command asked to be set up anew, in the order of its requests.
fn asked(yard: &Yard, verb: &str) -> Vec<String> {
    let node = |url: String| {
        let path = url.split('?').next()?.to_owned();
        path.split("/nodes/").nth(1)?.strip_suffix(&format!("/{verb}")).map(str::to_owned)
    };
    yard.last_exchanges().into_iter().filter_map(|(_, url, _)| node(url)).collect()
}

fn reimaged(yard: &Yard) -> Vec<String> {
    asked(yard, "reimage")
}

fn states(yard: &Yard) -> Vec<&'static str> {
    yard.world().nodes(&pool_id()).into_iter().map(|(_, state)| state).collect()
}

#[test]
fn a_rollout_reimages_each_old_node_once_and_then_none() {
    let yard = changed();
    yard.run("pool rollout render --batch 1");
    let mut all = reimaged(&yard);
    assert_eq!(all.len(), 4);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4, "each once");
    assert_eq!(states(&yard), ["idle"; 4]);
    yard.run("pool rollout render");
    assert_eq!(reimaged(&yard).len(), 0, "nothing is old");
    // A resize changes the pool, not its definition.
    yard.run("scale render --dedicated 5 --wait");
    yard.poke(|world| world.advance_by(900));
    yard.run("pool rollout render");
    assert_eq!(reimaged(&yard).len(), 0, "the new node has it too");
    assert_eq!(yard.run("plan --check"), Exit::Done, "the mark is no difference");
}

#[test]
fn a_batch_that_fails_is_the_last_one_and_the_next_call_begins_with_it() {
    let yard = changed();
    yard.poke(|world| world.fail_start_tasks(&pool_id(), Some("no such studio")));
    let failure = yard.outcome("pool rollout render --batch 50%").unwrap_err();
    assert_eq!(failure.exit, Exit::Azure);
    assert!(failure.message.contains("2 nodes of this batch did not come up"), "{failure}");
    assert!(failure.message.contains("no such studio"), "{failure}");
    assert_eq!(reimaged(&yard).len(), 2);
    assert_eq!(states(&yard).iter().filter(|state| **state == "idle").count(), 2, "the others render on");
    let first = reimaged(&yard);
    yard.poke(|world| world.fail_start_tasks(&pool_id(), None));
    yard.run("pool rollout render --batch 50%");
    let then = reimaged(&yard);
    assert_eq!(then.len(), 4);
    let sorted = |nodes: &[String]| nodes.iter().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&then[..2]), sorted(&first));
    assert_eq!(states(&yard), ["idle"; 4]);
}

#[test]
fn a_node_that_renders_is_reimaged_when_it_is_done() {
    let yard = changed();
    let nodes = yard.world().nodes(&pool_id());
    let busy = nodes[0].0.clone();
    let until = yard.world().now() + std::time::Duration::from_hours(2);
    yard.poke(|world| assert!(world.set_rendering(&busy, until)));
    yard.run("pool rollout render --batch 1");
    assert_eq!(reimaged(&yard).last(), Some(&busy), "idle ones first");
    assert!(yard.world().now() > until, "it rendered to its end");
}

#[test]
fn a_rollout_waits_for_the_deploy_of_what_the_farm_file_says() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.write(&format!("{FARM_FILE}{VARIABLE}"));
    let failure = yard.outcome("pool rollout render").unwrap_err();
    assert!(failure.message.contains("the farm file says otherwise"), "{failure}");
    assert_eq!(reimaged(&yard), Vec::<String>::new());
}

#[test]
fn a_service_that_does_not_reimage_reboots() {
    let yard = changed();
    yard.poke(|world| world.refuse_reimage(true));
    yard.run("pool rollout render --batch 100%");
    assert_eq!(asked(&yard, "reboot").len(), 4);
    assert_eq!(states(&yard), ["idle"; 4]);
}

#[test]
fn rollout_survives_a_crash_at_every_call() {
    survives_every_cut(&changed(), "pool rollout render --batch 50%", false);
}

/// A farm whose pool is to have another size, with nodes that someone asked for.
fn outgrown() -> Yard {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run("scale render --dedicated 3 --wait");
    yard.write(&FARM_FILE.replace("vmSize: Standard_D4as_v5", OTHER_SIZE));
    yard
}

fn size_and_nodes(yard: &Yard) -> (String, usize) {
    let world = yard.world();
    let pool: Value = world.resource(&pool_id()).unwrap().properties.clone();
    (pool["vmSize"].as_str().unwrap().to_owned(), world.nodes(&pool_id()).len())
}

#[test]
fn a_pool_made_anew_has_as_many_nodes_and_nothing_is_remembered() {
    let yard = outgrown();
    assert_eq!(yard.run("deploy --yes"), Exit::Drift);
    yard.run("pool rollout render --replace --yes");
    yard.poke(|world| world.advance_by(900));
    assert_eq!(size_and_nodes(&yard), ("STANDARD_D8AS_V5".to_owned(), 3));
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.run("pool rollout render --replace --yes");
    let writes = yard
        .last_exchanges()
        .into_iter()
        .filter(|(method, ..)| ["PUT", "PATCH", "DELETE"].contains(&method.as_str()))
        .count();
    assert_eq!(writes, 0, "nothing to replace");
}

#[test]
fn what_could_not_be_made_is_not_removed() {
    let yard = outgrown();
    yard.write(&FARM_FILE.replace("vmSize: Standard_D4as_v5", "vmSize: Standard_D999as_v5"));
    let failure = yard.outcome("pool rollout render --replace --yes").unwrap_err();
    assert!(failure.message.contains("does not exist in westeurope"), "{failure}");
    assert_eq!(size_and_nodes(&yard), ("STANDARD_D4AS_V5".to_owned(), 3));
}

#[test]
fn a_replacement_survives_a_crash_at_every_call() {
    survives_every_cut(&outgrown(), "pool rollout render --replace --yes", false);
}

#[test]
fn a_deploy_ends_a_replacement_that_was_cut_off() {
    use azure_sim::Phase;
    use flamenco_azure_tests::wire::Cut;
    let yard = outgrown();
    let calls = yard.fork(true).cut("pool rollout render --replace --yes", None).1;
    for call in 1..=calls {
        let fork = yard.fork(true);
        drop(fork.cut("pool rollout render --replace --yes", Some(Cut { call, phase: Phase::After })));
        let gone = fork.world().resource(&pool_id()).is_none_or(|pool| pool.state.is_busy());
        let other = fork.fork(false);
        other.run("deploy --yes");
        other.poke(|world| world.advance_by(900));
        if gone {
            assert_eq!(size_and_nodes(&other), ("STANDARD_D8AS_V5".to_owned(), 3), "call {call}");
            assert_eq!(other.run("plan --check"), Exit::Done, "call {call}");
        }
    }
}

#[test]
fn a_changed_variable_survives_a_crash_at_every_call_of_its_deploy() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.write(&format!("{FARM_FILE}{VARIABLE}"));
    survives_every_cut(&yard, "deploy --yes", false);
}
