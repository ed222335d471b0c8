//! Changes of a pool that nodes have to be brought to: a few at a time, or the pool anew.

use azure_sim::{Action, Fault, Match, Phase, SimRequest};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::wire::Cut;
use flamenco_azure_tests::yard::{FARM_FILE, POOL, SUBSCRIPTION, Yard};
use serde_json::{Value, json};

use crate::crash::{survives_every_cut, tool};

const VARIABLE: &str = "    environment: {STUDIO: spring}\n";
const OTHER_SIZE: &str = "vmSize: Standard_D8as_v5";

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
    yard.world().nodes(POOL).into_iter().map(|(_, state)| state).collect()
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
    yard.poke(|world| world.fail_start_tasks(POOL, Some("no such studio")));
    let failure = yard.outcome("pool rollout render --batch 50%").unwrap_err();
    assert_eq!(failure.exit, Exit::Azure);
    assert!(failure.message.contains("2 nodes of this batch did not come up"), "{failure}");
    assert!(failure.message.contains("no such studio"), "{failure}");
    assert_eq!(reimaged(&yard).len(), 2);
    assert_eq!(states(&yard).iter().filter(|state| **state == "idle").count(), 2, "the others render on");
    let first = reimaged(&yard);
    yard.poke(|world| world.fail_start_tasks(POOL, None));
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
    let nodes = yard.world().nodes(POOL);
    let busy = nodes[0].0.clone();
    let until = yard.world().now() + std::time::Duration::from_hours(2);
    yard.poke(|world| assert!(world.set_rendering(&busy, until)));
    yard.run("pool rollout render --batch 1");
    assert_eq!(reimaged(&yard).last(), Some(&busy), "idle ones first");
    assert!(yard.world().now() > until, "it rendered to its end");
}

#[test]
fn the_manager_is_asked_about_a_node_whose_start_task_failed() {
    let yard = changed();
    let failed = yard.world().nodes(POOL)[1].0.clone();
    yard.poke(|world| assert!(world.fail_start_task(&failed, 1, "x\n")));
    yard.run("pool rollout render --batch 1");
    assert_eq!(reimaged(&yard).first(), Some(&failed), "it goes first");
    let before = yard.last_exchanges();
    let before = before.iter().take_while(|(_, url, _)| !url.contains("/reimage"));
    assert!(before.clone().any(|(_, _, body)| body.contains("-ctl drain") && body.contains(&failed)));
}

#[test]
fn one_node_that_is_refused_leaves_no_other_drained_and_idle() {
    let yard = changed();
    let refused = Action::error(400, "InvalidRequest", "Not now.");
    yard.poke(|world| world.inject(Fault::once(Match::on("POST", "/reimage"), refused)));
    let failure = yard.outcome("pool rollout render --batch 100%").unwrap_err();
    assert!(failure.message.contains("1 node could not be renewed"), "{failure}");
    let all = reimaged(&yard);
    assert_eq!(all.len(), 4, "the others were");
    let hint = failure.hint.unwrap();
    assert!(hint.contains(&format!("`flamenco-azure pool reboot render {}`", all[0])), "{hint}");
    yard.run("pool rollout render --batch 100%");
    assert_eq!(states(&yard), ["idle"; 4]);
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
    let pool: Value = world.resource(POOL).unwrap().properties.clone();
    (pool["vmSize"].as_str().unwrap().to_owned(), world.nodes(POOL).len())
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
fn a_node_that_comes_up_during_a_replacement_is_drained_too() {
    let yard = outgrown();
    yard.run("scale render --dedicated 4");
    let on_its_way = |yard: &Yard| {
        let nodes = yard.world().nodes(POOL);
        nodes.into_iter().find(|(_, state)| *state == "waitingforstarttask").map(|(id, _)| id)
    };
    let late = (0..100).find_map(|_| {
        yard.poke(|world| world.advance_by(10));
        on_its_way(&yard)
    });
    let late = late.expect("a node that boots");
    yard.run("pool rollout render --replace --yes");
    let exchanges = yard.last_exchanges();
    let before = exchanges.iter().take_while(|(method, ..)| method != "DELETE");
    assert!(before.clone().any(|(_, _, body)| body.contains("-ctl drain") && body.contains(&late)), "{late}");
    assert_eq!(size_and_nodes(&yard).1, 4);
}

fn group_tags(yard: &Yard) -> String {
    format!("{:?}", yard.world().groups().values().next().unwrap().tags)
}

#[test]
fn the_end_of_one_replacement_leaves_what_is_known_of_another() {
    let yard = outgrown();
    let tag = json!({"flamenco-farm.crunch.replacing": "other=5+1"});
    let url = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Resources/tags/default?api-version=2021-04-01"
    );
    yard.poke(|world| {
        let patch = SimRequest::new("PATCH", url.parse().unwrap()).header("authorization", "Bearer any");
        let body = json!({"operation": "Merge", "properties": {"tags": tag}});
        assert!(world.handle(&patch.json_body(&body)).is_success());
    });
    yard.run("pool rollout render --replace --yes");
    let tags = group_tags(&yard);
    assert!(tags.contains("\"other=5+1\""), "{tags}");
    // A pool that the farm no longer has is nobody's any more.
    yard.run("deploy --yes");
    assert!(!group_tags(&yard).contains("other="), "{}", group_tags(&yard));
}

/// What the pool's entry names it by.
const PACKAGE: &str = "    packages: [tool#1]\n";

/// A farm with a package and a pool that was made without, whose farm file names it now.
fn first_package() -> (Yard, String) {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run(&tool(&yard));
    let file = format!("{FARM_FILE}{PACKAGE}");
    yard.write(&file);
    yard.poke(|world| world.advance_by(900));
    (yard, file)
}

#[test]
fn the_first_packages_of_a_pool_come_with_its_replacement_and_never_break_a_node() {
    let (yard, file) = first_package();
    assert_eq!(yard.run("deploy --yes"), Exit::Drift);
    // Whatever boots meanwhile comes up, for it is given nothing that it cannot read.
    yard.run("scale render --dedicated 3 --wait");
    assert_eq!(states(&yard), ["idle"; 3]);
    let failure = yard.outcome("pool rollout render").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.hint.unwrap().contains("--replace"));
    assert_eq!(reimaged(&yard), Vec::<String>::new());
    let identity = |yard: &Yard| {
        let world = yard.world();
        let pool = world.resource(POOL).unwrap();
        let ids = pool.extra.get("identity").and_then(|one| one.get("userAssignedIdentities"));
        ids.and_then(Value::as_object).map(serde_json::Map::len)
    };
    assert_eq!(identity(&yard), None);
    for (size, nodes) in [("STANDARD_D4AS_V5", 3), ("STANDARD_D8AS_V5", 3)] {
        yard.run("pool rollout render --replace --yes");
        yard.poke(|world| world.advance_by(900));
        assert_eq!(states(&yard), ["idle"; 3]);
        assert_eq!(identity(&yard), Some(1), "kept");
        assert_eq!(size_and_nodes(&yard), (size.to_owned(), nodes));
        assert_eq!(yard.run("plan --check"), Exit::Done);
        yard.write(&file.replace("vmSize: Standard_D4as_v5", OTHER_SIZE));
    }
}

#[test]
fn a_deploy_ends_a_replacement_that_was_cut_off() {
    let yard = outgrown();
    let calls = yard.fork(true).cut("pool rollout render --replace --yes", None).1;
    let mut ended = std::collections::BTreeMap::new();
    for call in 1..=calls {
        let fork = yard.fork(true);
        drop(fork.cut("pool rollout render --replace --yes", Some(Cut { call, phase: Phase::After })));
        let gone = fork.world().resource(POOL).is_none_or(|pool| pool.state.is_busy());
        let other = fork.fork(false);
        other.run("deploy --yes");
        other.poke(|world| world.advance_by(900));
        // Cut before the pool went, it stays as it is; cut after that, it is there as it was to be.
        let is_new = size_and_nodes(&other).0 == "STANDARD_D8AS_V5";
        assert!(is_new || !gone, "call {call}");
        let size = if is_new { "STANDARD_D8AS_V5" } else { "STANDARD_D4AS_V5" };
        assert_eq!(size_and_nodes(&other), (size.to_owned(), 3), "call {call}");
        let check = if is_new { Exit::Done } else { Exit::Drift };
        assert_eq!(other.run("plan --check"), check, "call {call}");
        assert!(!group_tags(&other).contains("render="), "call {call}");
        *ended.entry((gone, is_new)).or_insert(0) += 1;
    }
    assert!(ended.contains_key(&(true, true)) && ended.contains_key(&(false, false)), "{ended:?}");
}

#[test]
fn a_pool_that_cannot_be_made_yet_comes_back_with_as_many_nodes() {
    let yard = outgrown();
    let cut_at = |call| {
        let fork = yard.fork(true);
        drop(fork.cut("pool rollout render --replace --yes", Some(Cut { call, phase: Phase::After })));
        fork.world().resource(POOL).is_none().then_some(fork)
    };
    let calls = yard.fork(true).cut("pool rollout render --replace --yes", None).1;
    let yard = (1..=calls).find_map(cut_at).expect("a cut without a pool");
    yard.write(&format!("{FARM_FILE}{PACKAGE}"));
    for _ in 0..2 {
        assert_eq!(yard.run("deploy --yes"), Exit::Drift);
        assert!(yard.world().resource(POOL).is_none(), "held back for want of its package");
        assert!(group_tags(&yard).contains("\"render=3+0\""), "{}", group_tags(&yard));
    }
    yard.run(&tool(&yard));
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(900));
    assert_eq!(size_and_nodes(&yard).1, 3);
    assert!(!group_tags(&yard).contains("replacing"), "{}", group_tags(&yard));
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn a_changed_variable_survives_a_crash_at_every_call_of_its_deploy() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.write(&format!("{FARM_FILE}{VARIABLE}"));
    survives_every_cut(&yard, "deploy --yes", false);
}
