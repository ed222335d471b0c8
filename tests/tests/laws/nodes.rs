//! A Batch pool's nodes: how many calls it takes, whom it never touches, and what a crash leaves.

use azure_sim::{Action, Fault, Match, SimRequest, World};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{FARM_FILE, POOL, SUBSCRIPTION, Yard};
use serde_json::json;

use crate::crash::survives_every_cut;

/// A farm whose nodes are up, and their ids.
fn up() -> (Yard, Vec<String>) {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(600));
    let nodes = yard.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
    (yard, nodes)
}

fn resize(world: &mut World, dedicated: u32) {
    let url = format!("https://management.azure.com{POOL}?api-version=2025-06-01");
    let fixed = json!({"targetDedicatedNodes": dedicated, "resizeTimeout": "PT60M"});
    let body = json!({"properties": {"scaleSettings": {"fixedScale": fixed}}});
    let request = SimRequest::new("PATCH", url.parse().unwrap()).header("authorization", "Bearer any");
    assert_eq!(world.handle(&request.json_body(&body)).status, 200);
}

/// Calls of the last run to the data plane.
fn data_calls(yard: &Yard) -> Vec<(String, String)> {
    yard.last_log().into_iter().filter(|(_, url)| url.contains(".batch.azure.com/")).collect()
}

#[test]
fn two_thousand_nodes_take_two_pages_and_no_call_per_node() {
    let file = FARM_FILE.replace("spot: 0", "spot: 0\n    maxNodes: 2000");
    let yard = Yard::with_room(&file);
    yard.run("deploy --yes");
    yard.poke(|world| {
        world.throttling(false);
        resize(world, 2000);
        world.advance_by(3600);
    });
    assert_eq!(yard.world().nodes(POOL).len(), 2000);
    yard.run("pool nodes render");
    let calls = data_calls(&yard);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|(method, url)| method == "GET" && url.ends_with("/pools/render/nodes")));
}

#[test]
fn watching_takes_one_pass_every_five_seconds() {
    let (yard, nodes) = up();
    yard.run(&format!("pool reboot render {}", nodes[0]));
    let begun = yard.world().now();
    yard.run("pool nodes render --watch");
    let took = yard.world().now().duration_since(begun).as_secs();
    let looks = i64::try_from(data_calls(&yard).len()).unwrap();
    assert!(took > 60, "{took} s");
    assert!(looks <= took / 5 + 1 && looks >= took / 6, "{looks} looks in {took} s");
}

#[test]
fn removals_go_in_hundreds() {
    let file = FARM_FILE.replace("spot: 0", "spot: 0\n    maxNodes: 2000");
    let yard = Yard::with_room(&file);
    yard.run("deploy --yes");
    yard.poke(|world| {
        resize(world, 250);
        world.advance_by(3600);
        for (node, _) in world.nodes(POOL).into_iter().take(230) {
            assert!(world.fail_start_task(&node, 1, "x\n"));
        }
    });
    yard.run("pool remove render --failed");
    let removals: Vec<usize> = yard
        .last_exchanges()
        .iter()
        .filter(|(_, url, _)| url.contains("/removenodes"))
        .map(|(_, _, body)| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["nodeList"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(removals, [100, 100, 30]);
    let left = yard.world();
    let left = left.nodes(POOL);
    assert_eq!(left.iter().filter(|(_, state)| *state == "idle").count(), 20);
}

#[test]
fn a_node_that_renders_goes_on_rendering_whatever_its_start_task_did() {
    for act in ["reboot", "reimage", "remove"] {
        let (yard, nodes) = up();
        yard.poke(|world| {
            let until = world.now() + std::time::Duration::from_hours(3);
            assert!(world.set_rendering(&nodes[0], until));
        });
        let failure = yard.outcome(&format!("pool {act} render {}", nodes[0])).unwrap_err();
        assert_eq!(failure.exit, Exit::User, "{failure}");
        let touched = data_calls(&yard).into_iter().filter(|(method, _)| method != "GET");
        assert_eq!(touched.count(), 0, "{act}");
        // What was asked of its Worker was taken back: it renders, and is there for the next task.
        let status = yard.last_exchanges();
        assert!(status.iter().any(|(_, _, body)| body.contains("flamenco-azure-ctl undrain")), "{act}");
    }
}

#[test]
fn a_manager_that_cannot_be_asked_stops_all_but_force() {
    let (yard, nodes) = up();
    let vm = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm"
    );
    yard.poke(|world| world.never_ready(&vm));
    let failure = yard.outcome(&format!("pool reboot render {}", nodes[0])).unwrap_err();
    assert!(failure.message.contains("the Manager VM cannot drain"), "{failure}");
    assert!(yard.world().nodes(POOL).iter().all(|(_, state)| *state == "idle"));
    yard.run(&format!("pool reboot render {} --force", nodes[0]));
    assert!(yard.world().nodes(POOL).contains(&(nodes[0].clone(), "rebooting")));
}

#[test]
fn a_removal_that_finds_the_pool_changed_looks_again() {
    for (status, code) in
        [(404, "NodeNotFound"), (409, "PoolBeingResized"), (409, "OperationInvalidForCurrentState")]
    {
        let (yard, nodes) = up();
        let refused = Action::error(status, code, "The pool is not as you saw it.");
        yard.poke(|world| world.inject(Fault::once(Match::on("POST", "/removenodes"), refused)));
        yard.run(&format!("pool remove render {}", nodes[0]));
        let left: Vec<String> = yard.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
        assert_eq!(left, nodes[1..], "{code}");
    }
}

#[test]
fn a_node_that_could_not_be_taken_is_named_with_the_way_back() {
    for (act, at) in [("remove", "/removenodes"), ("reboot", "/reboot"), ("reimage", "/reimage")] {
        let (yard, nodes) = up();
        let refused = Action::error(400, "InvalidRequest", "Not now.");
        yard.poke(|world| world.inject(Fault::once(Match::on("POST", at), refused)));
        let failure = yard.outcome(&format!("pool {act} render {}", nodes[0])).unwrap_err();
        let hint = failure.hint.unwrap_or_default();
        let back = format!("its Worker has signed off; `flamenco-azure pool reboot render {}`", nodes[0]);
        assert!(hint.contains(&back), "{act}: {hint}");
    }
}

/// The commands that a hint names.
fn commands(hint: &str) -> Vec<&str> {
    hint.split('`').filter_map(|part| part.strip_prefix("flamenco-azure ")).collect()
}

/// What the data plane is asked to do with a node by another tool.
fn by_another(world: &mut World, node: &str, order: &str) {
    let url = format!(
        "https://crunchbatch.westeurope.batch.azure.com/pools/render/nodes/{node}/{order}?api-version=2025-06-01"
    );
    let request = SimRequest::new("POST", url.parse().unwrap()).header("authorization", "Bearer any");
    assert!(world.handle(&request).is_success(), "{order}");
}

/// How a node comes to a state, and which states take a reboot and a reimage. All are taken away.
type Way = fn(&mut World, &str);
const STATES: &[(&str, Way, [bool; 2])] = &[
    ("idle", |_, _| {}, [true, true]),
    ("running", |world, node| assert!(world.run_on_node(node, true)), [true, true]),
    ("starttaskfailed", |world, node| assert!(world.fail_start_task(node, 1, "x\n")), [true, true]),
    ("rebooting", |world, node| by_another(world, node, "reboot"), [true, false]),
    ("reimaging", |world, node| by_another(world, node, "reimage"), [false, true]),
    ("unusable", |world, node| assert!(world.lose_node(node)), [false, false]),
    ("unknown", |world, node| assert!(world.lose_contact(node)), [false, false]),
    ("offline", |world, node| by_another(world, node, "disablescheduling"), [false, false]),
    ("preempted", |world, node| assert!(world.preempt_node(node)), [false, false]),
    ("leavingpool", |world, _| resize(world, 0), [false, false]),
    ("upgradingos", |world, node| assert!(world.upgrade_node(node)), [false, false]),
    ("deallocating", |world, node| assert!(world.deallocate_node(node)), [false, false]),
    (
        "deallocated",
        |world, node| {
            assert!(world.deallocate_node(node));
            world.advance_by(61);
        },
        [false, false],
    ),
    (
        "starting",
        |world, node| {
            by_another(world, node, "reboot");
            world.advance_by(31);
        },
        [false, false],
    ),
    (
        "waitingforstarttask",
        |world, node| {
            by_another(world, node, "reboot");
            while state_of(world, node) != Some("waitingforstarttask") {
                world.advance_by(5);
            }
        },
        [false, false],
    ),
];

fn state_of(world: &World, node: &str) -> Option<&'static str> {
    world.nodes(POOL).into_iter().find(|(id, _)| id == node).map(|(_, state)| state)
}

#[test]
fn a_node_takes_the_orders_of_its_state_and_what_is_advised_for_the_others_works() {
    for (state, way, taken) in STATES {
        let yard =
            Yard::new(&FARM_FILE.replace("dedicated: 2\n    spot: 0", "dedicated: 1\n    spot: 1"), |_| {});
        yard.run("deploy --yes");
        yard.poke(|world| world.advance_by(600));
        let kind = if *state == "preempted" { "_p" } else { "_d" };
        let nodes = yard.world().nodes(POOL);
        let node = nodes.into_iter().find(|(id, _)| id.ends_with(kind)).unwrap().0;
        yard.poke(|world| way(world, &node));
        // What another tool asked for is not ours.
        yard.run("pool nodes render");
        assert_eq!(state_of(&yard.world(), &node), Some(*state));
        for (act, taken) in ["reboot", "reimage", "remove"].into_iter().zip([taken[0], taken[1], true]) {
            let yard = yard.fork(true);
            let outcome = yard.outcome(&format!("pool {act} render {node}"));
            if taken {
                assert!(outcome.is_ok(), "{state}: {act}: {outcome:?}");
                let is = state_of(&yard.world(), &node);
                let becomes = match act {
                    "reboot" => Some("rebooting"),
                    "reimage" => Some("reimaging"),
                    _ => None,
                };
                assert_eq!(is, becomes, "{state}: {act}");
                continue;
            }
            let failure = outcome.unwrap_err();
            assert_eq!(failure.exit, Exit::User, "{state}: {act}: {failure}");
            assert!(
                failure.message.contains(&format!("node `{node}` is {state} and cannot {act}")),
                "{failure}"
            );
            // Neither Batch nor the node's Worker was asked for it.
            let asked = yard.last_exchanges();
            assert!(
                asked.iter().all(|(method, _, body)| method == "GET" && body.is_empty()),
                "{state}: {asked:?}"
            );
            let hint = failure.hint.unwrap();
            let commands = commands(&hint);
            assert!(!commands.is_empty(), "{state}: {act}: {hint}");
            for command in commands {
                yard.run(command);
            }
            yard.poke(|world| world.advance_by(1800));
            let after = yard.world().nodes(POOL);
            let wanted = if *state == "leavingpool" { 0 } else { 2 };
            assert_eq!(
                after.iter().filter(|(_, state)| *state == "idle").count(),
                wanted,
                "{state}: {act}: {after:?}"
            );
            let failed = ["unusable", "unknown", "offline", "deallocating", "deallocated"].contains(state);
            assert!(
                !failed || state_of(&yard.world(), &node).is_none(),
                "{state}: {act}: another took its place"
            );
        }
    }
}

#[test]
fn of_the_failed_nodes_those_are_rebooted_that_can_be_and_the_others_are_named() {
    let (yard, nodes) = up();
    yard.poke(|world| {
        assert!(world.fail_start_task(&nodes[0], 1, "no share\n") && world.lose_node(&nodes[1]));
    });
    let failure = yard.outcome("pool reboot render --failed").unwrap_err();
    assert!(failure.message.contains(&format!("node `{}` is unusable", nodes[1])), "{failure}");
    assert_eq!(state_of(&yard.world(), &nodes[0]), Some("rebooting"));
    let hint = failure.hint.unwrap();
    assert!(!hint.contains(&nodes[0]) && !hint.contains("signed off"), "{hint}");
    yard.poke(|world| world.advance_by(600));
    for command in commands(&hint) {
        yard.run(command);
    }
    yard.poke(|world| world.advance_by(600));
    assert!(
        state_of(&yard.world(), &nodes[0]) == Some("idle") && state_of(&yard.world(), &nodes[1]).is_none()
    );
    assert_eq!(yard.world().nodes(POOL).len(), 2);
    // With a formula the counts are not ours to give.
    let formula =
        json!({"properties": {"scaleSettings": {"autoScale": {"formula": "$TargetDedicatedNodes = 2;"}}}});
    let url = format!("https://management.azure.com{POOL}?api-version=2025-06-01");
    yard.poke(|world| {
        let request = SimRequest::new("PATCH", url.parse().unwrap()).header("authorization", "Bearer any");
        assert_eq!(world.handle(&request.json_body(&formula)).status, 200);
        world.advance_by(600);
        assert!(world.lose_node(&nodes[0]));
    });
    let hint = yard.outcome("pool reimage render --failed").unwrap_err().hint.unwrap();
    assert!(hint.contains("the pool's formula brings a new one") && !hint.contains("scale render"), "{hint}");
    for command in commands(&hint) {
        yard.run(command);
    }
    yard.poke(|world| world.advance_by(3600));
    assert_eq!(yard.world().nodes(POOL).iter().filter(|(_, state)| *state == "idle").count(), 2);
}

#[test]
fn a_node_that_went_in_between_is_said_to_be_gone_and_nothing_is_promised() {
    for (line, method, at) in [
        ("reboot", "POST", "/reboot"),
        ("reimage", "POST", "/reimage"),
        ("logs", "GET", "/files"),
        ("logs", "HEAD", "/files/"),
    ] {
        let (yard, nodes) = up();
        let gone = Action::error(404, "NodeNotFound", "The specified node does not exist.");
        yard.poke(|world| {
            world.inject(Fault::always(Match::on(method, at), gone.clone()));
            // What a HEAD was refused for is asked again with words.
            if method == "HEAD" {
                world.inject(Fault::always(Match::on("GET", at), gone));
            }
        });
        let file = if method == "HEAD" { "stdout" } else { "" };
        let failure = yard.outcome(&format!("pool {line} render {} {file}", nodes[0])).unwrap_err();
        assert_eq!(failure.exit, Exit::User, "{line}: {failure}");
        assert_eq!(failure.message, format!("pool `render` has no node `{}`", nodes[0]), "{line}");
        let hint = failure.hint.unwrap();
        assert_eq!(commands(&hint), ["pool nodes render"], "{line}: {hint}");
    }
}

#[test]
fn nodes_of_every_state_are_listed_scaled_and_rolled_out_and_none_is_taken_for_a_working_one_that_is_not() {
    for (state, way, _) in
        STATES.iter().filter(|(state, ..)| ["upgradingos", "deallocating", "deallocated"].contains(state))
    {
        let (yard, nodes) = up();
        yard.poke(|world| {
            by_another(world, &nodes[1], "reboot");
            world.advance_by(600);
            way(world, &nodes[0]);
        });
        yard.run("pool nodes render");
        yard.run("status");
        // The one that does not work goes, not the one that does.
        let smaller = yard.fork(true);
        smaller.run("scale render --dedicated 1 --wait");
        let left: Vec<String> = smaller.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
        assert_eq!(left, nodes[1..], "{state}");
        // A rollout has nothing to renew, and does not wait for a node that nobody starts.
        yard.run("pool rollout render");
        assert_eq!(state_of(&yard.world(), &nodes[1]), Some("idle"));
    }
}

fn with_failed_node() -> Yard {
    let (yard, nodes) = up();
    yard.poke(|world| assert!(world.fail_start_task(&nodes[0], 1, "no share\n")));
    yard
}

#[test]
fn removal_of_nodes_survives_a_crash_at_every_call() {
    survives_every_cut(&with_failed_node(), "pool remove render --failed", true);
}

#[test]
fn a_reboot_survives_a_crash_at_every_call() {
    survives_every_cut(&with_failed_node(), "pool reboot render --failed", true);
}

#[test]
fn a_resize_in_place_of_another_survives_a_crash_at_every_call() {
    let (yard, _) = up();
    yard.poke(|world| world.set_capacity("westeurope", "Standard_D4as_v5", Some(0)));
    yard.run("scale render --dedicated 8");
    survives_every_cut(&yard, "scale render --dedicated 1 --wait", true);
}

#[test]
fn replacing_failed_nodes_survives_a_crash_at_every_call() {
    let (yard, _) = up();
    yard.poke(|world| world.fail_next_start_tasks(POOL, 1, 7, "no share\n"));
    survives_every_cut(&yard, "scale render --dedicated 4 --wait", true);
}
