//! A Batch pool's nodes by the real binary: the list, the logs, what is done to single nodes.

use std::time::Duration;

use crate::deployed;
use crate::support::{Place, SUBSCRIPTION};

pub(crate) fn pool() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/Microsoft.Batch/batchAccounts/studiobatch/pools/flamenco-workers"
    )
}

pub(crate) fn nodes(place: &Place) -> Vec<String> {
    place.world().nodes(&pool()).into_iter().map(|(id, _)| id).collect()
}

/// A farm whose three nodes are up, and their ids.
fn up() -> (Place, Vec<String>) {
    let place = deployed();
    place.poke(|world| world.advance_by(600));
    let nodes = nodes(&place);
    assert_eq!(nodes.len(), 3);
    (place, nodes)
}

fn render(place: &Place, node: &str) {
    place.poke(|world| {
        let until = world.now() + Duration::from_hours(3);
        assert!(world.set_rendering(node, until));
    });
}

#[test]
fn the_list_says_what_each_node_is_and_how_its_start_task_ended() {
    let (place, nodes) = up();
    place.poke(|world| {
        assert!(world.fail_start_task(&nodes[1], 32, "mount.nfs: timed out\n"));
        assert!(world.lose_node(&nodes[2]));
    });
    let ran = place.simulate("pool nodes");
    ran.said(0, &["NODE", "UP FOR", "dedicated", "spot", "10.", "done", "min", "idle", "starttaskfailed"]);
    ran.said(0, &["exit code 32: ", "mount.nfs: timed out", "unusable", "lost contact"]);
    ran.ended(0, &["pool `flamenco-workers`: 3 nodes: 1 idle, 1 starttaskfailed, 1 unusable"]);
    assert!(ran.out.lines().all(|line| line.len() < 200 && !line.contains(&nodes[0])), "{}", ran.out);
    let ran = place.simulate("pool nodes flamenco-workers --json");
    let event: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    assert_eq!(
        (event["event"].as_str(), event["nodes"][1]["startTask"]["exitCode"].as_i64()),
        (Some("nodes"), Some(32))
    );
    assert_eq!(event["nodes"][0]["id"], nodes[0].as_str());
    assert!(event["nodes"][0]["booted"].as_str().unwrap().starts_with("2026-11-21T"));
    place.simulate("pool nodes render").ended(1, &["the farm has no pool `render`", "flamenco-workers"]);
}

#[test]
fn watching_the_nodes_shows_them_come_and_ends_on_the_simulator_when_they_are_there() {
    let place = deployed();
    let ran = place.simulate("pool nodes --watch");
    ran.said(0, &["every 5 s until Ctrl-C", "waitingforstarttask", "idle"]);
    let last = ran.out.rsplit("── ").next().unwrap();
    assert!(last.matches(" idle ").count() == 3, "{}", ran.out);
}

#[test]
fn logs_are_listed_read_and_followed() {
    let (place, nodes) = up();
    let name = &nodes[0][..16];
    let logs = |rest: &str| place.simulate(&format!("pool logs flamenco-workers {name} {rest}"));
    logs("").said(0, &["startup/stderr.txt", "startup/stdout.txt", "(stdout)", "shared/flamenco-worker.log"]);
    logs("stdout").said(0, &["flamenco-azure: mounting the share\n"]);
    assert_eq!(logs("stderr").out, "");
    logs("worker").said(0, &["INF starting Flamenco Worker\n"]);
    logs("/shared/flamenco-worker.log").said(0, &["INF starting Flamenco Worker\n"]);
    logs("startup/").said(0, &["startup/stdout.txt"]);
    logs("stdout --json")
        .said(0, &["{\"event\":\"log\",\"file\":\"startup/stdout.txt\",\"line\":\"flamenco-azure: mounting"]);
    // Five minutes of a log that grows.
    place.poke(|world| {
        assert!(world.write_node_file(&nodes[0], "shared/flamenco-worker.log", "begin\n"));
        assert!(world.grow_node_file(&nodes[0], "shared/flamenco-worker.log", "INF frame\n", 10));
    });
    let ran = logs("worker --follow");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let frames = ran.out.matches("INF frame\n").count();
    assert_eq!(ran.out, format!("begin\n{}", "INF frame\n".repeat(frames)));
    assert!((28..=30).contains(&frames), "{frames}");
    // A long one is followed from near its end.
    place.poke(|world| {
        let text = "a line of forty characters and no more\n\n".repeat(5000);
        assert!(world.write_node_file(&nodes[0], "shared/long.log", &text));
    });
    assert_eq!(logs("shared/long.log").out.len(), 200_000);
    let ran = logs("shared/long.log --follow");
    assert_eq!(ran.out.len(), 64 << 10);
    ran.ended(0, &["before this; without --follow all of it is shown"]);
}

#[test]
fn what_cannot_be_read_is_said_with_a_way_on() {
    let (place, nodes) = up();
    let logs = |rest: &str| place.simulate(&format!("pool logs flamenco-workers {rest}"));
    logs("tvmps_nobody stdout")
        .ended(1, &["no node's id is or begins with `tvmps_nobody`", "pool nodes flamenco-workers"]);
    logs("tvmps_ stdout").ended(1, &["`tvmps_` is the beginning of 3 nodes' ids"]);
    logs(&format!("{} startup/core", nodes[0])).ended(1, &["has no file `startup/core`", "lists its logs"]);
    logs(&format!("{} startup", nodes[0]))
        .ended(1, &["`startup` on node", "is a folder", "`startup/` with a slash"]);
    place.poke(|world| assert!(world.lose_node(&nodes[0])));
    logs(&format!("{} stdout", nodes[0])).ended(
        2,
        &[
            "is not in a state for that: Node is not able to perform the requested operations",
            "pool nodes flamenco-workers",
        ],
    );
    place.simulate("pool logs render x stdout").ended(1, &["the farm has no pool `render`"]);
}

#[test]
fn a_rendering_node_is_left_alone_unless_forced() {
    for (act, done) in [("reboot", "reboots"), ("reimage", "is reimaged"), ("remove", "removed")] {
        let (place, nodes) = up();
        render(&place, &nodes[0]);
        let line = format!("pool {act} flamenco-workers {} {}", nodes[0], nodes[1]);
        let ran = place.simulate(&line);
        ran.said(1, &[&format!("{}: {done}", nodes[1])]);
        ran.ended(
            1,
            &[&format!("{}: renders, left alone", nodes[0]), "1 node rendered and was left alone", "--force"],
        );
        let world = place.world();
        let states = world.nodes(&pool());
        assert!(states.contains(&(nodes[0].clone(), "idle")), "{states:?}");
        assert!(!states.contains(&(nodes[1].clone(), "idle")), "{states:?}");
        let ran = place.simulate(&format!("pool {act} flamenco-workers {} --force", nodes[0]));
        ran.said(0, &[&format!("{}: {done}", nodes[0])]);
        assert!(!place.world().nodes(&pool()).contains(&(nodes[0].clone(), "idle")));
    }
}

#[test]
fn a_reimaged_node_is_another_worker_and_the_old_one_is_forgotten() {
    let (place, nodes) = up();
    let offline = || place.world().workers_offline();
    let known = |id: &str| format!("{id} ssh-ed25519 AAAA\n");
    place.write(".flamenco-azure/studio/known_nodes", &(known(&nodes[0]) + &known(&nodes[1])));
    place.simulate(&format!("pool reimage flamenco-workers {}", nodes[0])).said(0, &["is reimaged"]);
    assert_eq!(offline(), Vec::<String>::new());
    assert_eq!(place.read(".flamenco-azure/studio/known_nodes"), known(&nodes[1]), "to ssh too");
    place.poke(|world| world.advance_by(600));
    place.simulate("status").said(0, &["Workers: 3 awake"]);
    assert_eq!(offline(), Vec::<String>::new());
    // By somebody else: the next change of the pool tidies up after him, though the node is there.
    let id = nodes[1].clone();
    place.poke(|world| {
        let url = format!(
            "https://studiobatch.westeurope.batch.azure.com/pools/flamenco-workers/nodes/{id}/reimage?api-version=2025-06-01"
        );
        let reimage = azure_sim::SimRequest::new("POST", url.parse().unwrap()).header("authorization", "Bearer any");
        assert_eq!(world.handle(&reimage).status, 202);
        world.advance_by(600);
    });
    assert_eq!(offline(), [nodes[1].clone()]);
    place.simulate(&format!("pool remove flamenco-workers {}", nodes[2])).said(0, &["removed"]);
    assert_eq!(offline(), Vec::<String>::new());
    assert_eq!(place.world().workers_awake().len(), 2);
}

#[test]
fn failed_nodes_are_rebooted_reimaged_or_removed_together() {
    let (place, nodes) = up();
    place.simulate("pool reboot flamenco-workers --failed").said(0, &["no node to reboot"]);
    let fail = |place: &Place| {
        place.poke(|world| {
            assert!(world.fail_start_task(&nodes[0], 1, "x\n"));
            assert!(world.fail_start_task(&nodes[2], 1, "x\n"));
        });
    };
    for (act, done) in [("reboot", "reboots"), ("reimage", "is reimaged")] {
        fail(&place);
        place
            .simulate(&format!("pool {act} flamenco-workers --failed"))
            .said(0, &[&format!("{}: {done}", nodes[0]), &format!("{}: {done}", nodes[2])]);
        place.poke(|world| world.advance_by(600));
        assert!(place.world().nodes(&pool()).iter().all(|(_, state)| *state == "idle"));
    }
    fail(&place);
    place.poke(|world| world.refuse_reimage(true));
    place.simulate("pool reimage flamenco-workers --failed").ended(
        2,
        &[
            "2 nodes could not reimage",
            "this pool's nodes cannot be reimaged",
            &format!("pool remove flamenco-workers {} {}", nodes[0], nodes[2]),
            "`flamenco-azure scale flamenco-workers --dedicated 1 --spot 2` brings new ones",
        ],
    );
    place.simulate("pool remove flamenco-workers --failed").said(0, &[&format!("{}: removed", nodes[0])]);
    assert_eq!(super::nodes::nodes(&place), [nodes[1].clone()]);
    place.simulate("status").said(0, &["; 1 ready", "Workers: 1 awake"]);
}

#[test]
fn a_node_that_is_gone_is_no_error_for_remove() {
    let (place, nodes) = up();
    let line = format!("pool remove flamenco-workers {} {}", nodes[0], nodes[1]);
    place.simulate(&line).said(0, &[&format!("{}: removed", nodes[0])]);
    place.simulate(&line).said(0, &["has no such node; it may be gone already", "no node to remove"]);
    let line = format!("pool reboot flamenco-workers {}", nodes[0]);
    place.simulate(&line).ended(1, &["no node's id is or begins with"]);
    place.simulate("pool remove flamenco-workers").ended(1, &["required arguments", "<NODE>"]);
}

#[test]
fn a_node_without_a_public_address_is_reached_by_the_manager() {
    let (place, nodes) = up();
    place.give_key();
    let ran = place.simulate(&format!("pool ssh flamenco-workers {} -- uptime", &nodes[0][..14]));
    let alias = format!("HostKeyAlias={}", nodes[0]);
    ran.said(
        0,
        &[
            "ssh -o UserKnownHostsFile=",
            "known_nodes",
            &alias,
            "'ProxyCommand=ssh -o UserKnownHostsFile=",
            "-W %h:%p flamencoadmin@studio-vm.westeurope.cloudapp.azure.com' flamencoadmin@10.",
            " uptime\n",
        ],
    );
    ran.ended(0, &["no public endpoint for ssh: by the Manager"]);
    // A second time: the user is there.
    place.simulate(&format!("pool ssh flamenco-workers {}", nodes[0])).said(0, &["flamencoadmin@10."]);
}
