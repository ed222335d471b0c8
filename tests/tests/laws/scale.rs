//! `scale`, `pause`, `resume`.

use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{FARM_FILE, POOL, SUBSCRIPTION, Yard, assert_same};

#[test]
fn plan_is_empty_after_a_scale() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run("scale render --dedicated 5 --wait");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.run("scale render --dedicated 1 --wait");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn nodes_that_are_still_coming_are_no_drift() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run("scale render --dedicated 5");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn resume_undoes_pause() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let before = yard.settled();
    yard.run("pause --yes");
    assert_ne!(before, yard.settled());
    yard.run("resume --yes");
    assert_same(&yard.settled(), &before, "pause and resume");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

const VM: &str = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm";

/// A farm whose two nodes have signed on, and their ids.
fn rendering_farm() -> (Yard, Vec<String>) {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(600));
    let nodes = yard.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
    (yard, nodes)
}

fn minutes(yard: &Yard, line: &str) -> i64 {
    let begun = yard.world().now();
    yard.run(line);
    yard.world().now().duration_since(begun).as_mins()
}

#[test]
fn the_idle_node_goes_and_the_rendering_one_stays() {
    let (yard, nodes) = rendering_farm();
    for busy in &nodes {
        let yard = yard.fork(true);
        yard.poke(|world| {
            let until = world.now() + std::time::Duration::from_hours(3);
            assert!(world.set_rendering(busy, until));
        });
        let took = minutes(&yard, "scale render --dedicated 1 --wait");
        assert!(took < 10, "{took} min");
        assert_eq!(yard.world().nodes(POOL).iter().map(|(id, _)| id).collect::<Vec<_>>(), [busy]);
    }
}

#[test]
fn where_all_render_the_first_to_finish_goes_unless_forced() {
    let (yard, nodes) = rendering_farm();
    yard.poke(|world| {
        for (hours, node) in [(1, &nodes[0]), (1, &nodes[1])] {
            let until = world.now() + std::time::Duration::from_hours(hours);
            assert!(world.set_rendering(node, until));
        }
    });
    let forced = yard.fork(true);
    assert!(minutes(&forced, "scale render --dedicated 1 --wait --force") < 10);
    let took = minutes(&yard, "scale render --dedicated 1 --wait");
    assert!((55..75).contains(&took), "{took} min");
    assert_eq!(yard.world().nodes(POOL).len(), 1);
}

#[test]
fn a_lost_node_goes_first() {
    let (yard, nodes) = rendering_farm();
    yard.poke(|world| assert!(world.lose_node(&nodes[1])));
    yard.run("scale render --dedicated 1 --wait");
    assert_eq!(yard.world().nodes(POOL).iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), nodes[..1]);
}

#[test]
fn a_node_that_batch_has_lost_sight_of_renders_to_its_end() {
    let (yard, nodes) = rendering_farm();
    yard.poke(|world| {
        let until = world.now() + std::time::Duration::from_hours(3);
        assert!(world.set_rendering(&nodes[0], until));
        assert!(world.lose_contact(&nodes[0]));
    });
    let left = |yard: &Yard| yard.world().nodes(POOL).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let (all, forced) = (yard.fork(true), yard.fork(true));
    assert!(minutes(&yard, "scale render --dedicated 1") < 15);
    assert_eq!(left(&yard), nodes[..1], "the idle one went");
    let took = minutes(&all, "scale render --dedicated 0 --wait");
    assert!((175..200).contains(&took) && left(&all).is_empty(), "{took} min");
    assert!(minutes(&forced, "scale render --dedicated 0 --wait --force") < 15);
    assert!(left(&forced).is_empty());
}

#[test]
fn waiting_ends_well_only_when_every_node_works() {
    let (yard, nodes) = rendering_farm();
    yard.poke(|world| assert!(world.lose_node(&nodes[1])));
    let failure = yard.outcome("scale render --dedicated 2 --wait").unwrap_err();
    assert_eq!(failure.exit, Exit::Azure);
    assert!(failure.message.contains("1 of 2 nodes failed"), "{failure}");
    assert!(failure.hint.unwrap().contains("pool remove render --failed"));
}

#[test]
fn nodes_that_azure_took_back_are_no_good_end() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run("scale render --dedicated 1 --spot 3 --wait");
    let spot = {
        let world = yard.world();
        let ids: Vec<String> = world.nodes(POOL).into_iter().map(|(id, _)| id).collect();
        ids.into_iter().filter(|id| yard.world().preempt_node(id)).take(2).collect::<Vec<_>>()
    };
    yard.poke(|world| assert!(spot.iter().all(|id| world.preempt_node(id))));
    let failure = yard.fork(true).outcome("scale render --dedicated 1 --spot 3 --wait").unwrap_err();
    assert!(failure.message.contains("2 of 4 nodes preempted"), "{failure}");
    // They are not asked to sign off, and cost nothing: they go first.
    yard.run("scale render --dedicated 1 --spot 1 --wait");
    let left: Vec<String> = yard.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
    assert!(left.len() == 2 && spot.iter().all(|id| !left.contains(id)), "{left:?}");
}

/// The Manager can be asked about so many nodes at once.
#[test]
fn of_more_nodes_than_one_question_holds_the_free_ones_go_first() {
    let file = FARM_FILE.replace("dedicated: 2", "dedicated: 430\n    maxNodes: 500");
    let yard = Yard::with_room(&file);
    yard.run("deploy --yes");
    yard.poke(|world| {
        world.advance_by(900);
        let until = world.now() + std::time::Duration::from_hours(3);
        let nodes: Vec<String> = world.nodes(POOL).into_iter().map(|(id, _)| id).collect();
        assert_eq!(nodes.len(), 430);
        for node in &nodes[..420] {
            assert!(world.set_rendering(node, until));
        }
    });
    let rendering: Vec<String> = yard.world().nodes(POOL).into_iter().map(|(id, _)| id).take(420).collect();
    let took = minutes(&yard, "scale render --dedicated 425 --wait");
    assert!(took < 30, "{took} min");
    let left: Vec<String> = yard.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
    assert!(left.len() == 425 && rendering.iter().all(|node| left.contains(node)));
}

/// A start task waits 20 minutes for the Manager's set-up, and Batch runs it three times.
#[test]
fn waiting_outlasts_every_try_of_a_start_task_and_shows_what_it_wrote() {
    let (yard, _) = rendering_farm();
    yard.poke(|world| world.never_ready(VM));
    let begun = yard.world().now();
    let failure = yard.outcome("scale render --dedicated 3 --wait --retry-failed 0").unwrap_err();
    assert!(failure.message.contains("the start task of 1 node failed"), "{failure}");
    let took = yard.world().now().duration_since(begun).as_mins();
    assert!((60..75).contains(&took), "{took} min");
    let told = yard.last_log().iter().any(|(_, path)| path.ends_with("stderr.txt"));
    assert!(told, "its output was read");
}

#[test]
fn no_worker_of_a_removed_node_is_left_behind() {
    let commands: &[&[&str]] = &[
        &["scale render --dedicated 0 --wait"],
        &["scale render --dedicated 0"],
        &["scale render --dedicated 1 --force"],
        &["pause --yes"],
        &["pause --yes --force", "resume --yes"],
    ];
    for lines in commands {
        let (yard, nodes) = rendering_farm();
        yard.poke(|world| {
            let until = world.now() + std::time::Duration::from_mins(30);
            assert!(nodes.iter().all(|node| world.set_rendering(node, until)));
        });
        for line in *lines {
            yard.run(line);
        }
        assert_eq!(yard.world().workers_offline(), [] as [String; 0], "{lines:?}");
    }
}

#[test]
fn a_run_that_was_killed_before_the_manager_forgot_is_made_up_for() {
    let (yard, nodes) = rendering_farm();
    yard.poke(|world| assert!(nodes.iter().all(|node| world.lose_node(node))));
    yard.poke(|world| world.advance_by(600));
    assert_eq!(yard.world().workers_offline().len(), nodes.len());
    // Lost nodes are still the pool's: their Workers are kept until the nodes are gone.
    yard.run("scale render --dedicated 2");
    assert_eq!(yard.world().workers_offline().len(), nodes.len());
    // The same wish again, as after a run that was killed once the nodes had been removed.
    yard.poke(|world| {
        let url = format!("https://management.azure.com{POOL}?api-version=2024-07-01");
        let body =
            serde_json::json!({"properties": {"scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0}}}});
        let patch = azure_sim::SimRequest::new("PATCH", url.parse().unwrap());
        assert_eq!(world.handle(&patch.header("authorization", "Bearer any").json_body(&body)).status, 200);
        world.advance_by(600);
    });
    assert_eq!(yard.world().workers_offline().len(), nodes.len());
    yard.run("scale render --dedicated 0");
    assert_eq!(yard.world().workers_offline(), [] as [String; 0]);
}

#[test]
fn a_look_at_the_farm_does_not_wait_for_another_command() {
    let (yard, nodes) = rendering_farm();
    yard.poke(|world| {
        let until = world.now() + std::time::Duration::from_mins(30);
        assert!(nodes.iter().all(|node| world.set_rendering(node, until)));
        let vm = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm";
        let url = format!("https://management.azure.com{vm}/runCommand?api-version=2024-07-01");
        let script = format!("flamenco-azure-ctl drain --count 1 --wait 600 --candidates {}", nodes.join(","));
        let body = serde_json::json!({"commandId": "RunShellScript", "script": [script]});
        let post = azure_sim::SimRequest::new("POST", url.parse().unwrap());
        let answer = world.handle(&post.header("authorization", "Bearer any").json_body(&body));
        assert_eq!(answer.status, 202);
    });
    assert!(minutes(&yard, "status") < 2);
    assert!(minutes(&yard, "urls") < 2);
}

#[test]
fn more_nodes_than_the_farm_file_grants_are_refused() {
    let (yard, _) = rendering_farm();
    let before = yard.settled();
    let failure = yard.outcome("scale render --dedicated 11").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.message.contains("`maxNodes` of 10"), "{failure}");
    assert_same(&yard.settled(), &before, "a scale beyond maxNodes");
}

#[test]
fn a_manager_that_cannot_say_who_renders_loses_no_node() {
    let (yard, _) = rendering_farm();
    let vm = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm"
    );
    yard.poke(|world| world.never_ready(&vm));
    let failure = yard.outcome("scale render --dedicated 1 --wait").unwrap_err();
    assert!(failure.message.contains("the Manager VM cannot drain"), "{failure}");
    assert!(failure.exit == Exit::Azure && failure.hint.unwrap().contains("status"));
    assert_eq!(yard.world().nodes(POOL).len(), 2);
    yard.run("scale render --dedicated 1 --wait --force");
    assert_eq!(yard.world().nodes(POOL).len(), 1);
}
