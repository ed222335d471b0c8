//! A Batch pool's nodes: how many calls it takes, whom it never touches, and what a crash leaves.

use azure_sim::{Action, Fault, Match, SimRequest, World};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{FARM_FILE, SUBSCRIPTION, Yard};
use serde_json::json;

use crate::crash::survives_every_cut;

fn pool() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Batch/batchAccounts/crunchbatch/pools/render"
    )
}

/// A farm whose nodes are up, and their ids.
fn up() -> (Yard, Vec<String>) {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(600));
    let nodes = yard.world().nodes(&pool()).into_iter().map(|(id, _)| id).collect();
    (yard, nodes)
}

fn resize(world: &mut World, dedicated: u32) {
    let url = format!("https://management.azure.com{}?api-version=2025-06-01", pool());
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
    let yard = Yard::new(&file, |world| {
        for counter in ["batch/cores", "batch/standardDASv5Family"] {
            world.set_limit("westeurope", counter, 20_000);
        }
    });
    yard.run("deploy --yes");
    yard.poke(|world| {
        world.throttling(false);
        resize(world, 2000);
        world.advance_by(3600);
    });
    assert_eq!(yard.world().nodes(&pool()).len(), 2000);
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
    let yard = Yard::new(&file, |world| {
        for counter in ["batch/cores", "batch/standardDASv5Family"] {
            world.set_limit("westeurope", counter, 20_000);
        }
    });
    yard.run("deploy --yes");
    yard.poke(|world| {
        resize(world, 250);
        world.advance_by(3600);
        for (node, _) in world.nodes(&pool()).into_iter().take(230) {
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
    let left = left.nodes(&pool());
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
    assert!(yard.world().nodes(&pool()).iter().all(|(_, state)| *state == "idle"));
    yard.run(&format!("pool reboot render {} --force", nodes[0]));
    assert!(yard.world().nodes(&pool()).contains(&(nodes[0].clone(), "rebooting")));
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
        let left: Vec<String> = yard.world().nodes(&pool()).into_iter().map(|(id, _)| id).collect();
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
    yard.poke(|world| world.fail_next_start_tasks(&pool(), 1, 7, "no share\n"));
    survives_every_cut(&yard, "scale render --dedicated 4 --wait", true);
}
