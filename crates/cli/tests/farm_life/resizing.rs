//! `scale` by the real binary: waiting, refusals in words, failed start tasks, a resize under way.

use crate::deployed;
use crate::nodes::{nodes, pool};

const STDERR: &str =
    "+ mount_share\n\u{1b}[31mmount.nfs: Connection timed out\u{1b}[0m\nflamenco-azure: failed: no share\n";

#[test]
fn waiting_ends_when_the_nodes_are_up() {
    let place = deployed();
    let ran = place.simulate("scale --dedicated 4 --spot 0 --wait");
    ran.said(0, &["pool `flamenco-workers`: 4 dedicated + 0 spot nodes allocated"]);
    ran.ended(0, &["of 4 nodes allocated", "starting", "4 of 4 nodes allocated; 4 idle"]);
    assert!(place.world().nodes(&pool()).iter().all(|(_, state)| *state == "idle"));
    let ran = place.simulate("scale --dedicated 5 --wait --json");
    ran.said(0, &["{\"event\":\"scaling\"", "\"allocated\":{\"dedicated\":5", "{\"event\":\"scaled\""]);
}

#[test]
fn nodes_whose_start_task_fails_are_shown_and_replaced_once() {
    let place = deployed();
    place.poke(|world| {
        world.advance_by(600);
        world.fail_next_start_tasks(&pool(), 1, 7, STDERR);
    });
    let ran = place.simulate("scale --dedicated 3 --wait");
    ran.said(0, &["3 dedicated + 2 spot nodes allocated"]);
    ran.ended(
        0,
        &[
            "its start task failed with exit code 7",
            "    mount.nfs: Connection timed out\n    flamenco-azure: failed: no share\n",
            "replacing 1 node (try 1 of 1)",
        ],
    );
    assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
    assert!(place.world().nodes(&pool()).iter().all(|(_, state)| *state == "idle"));
}

#[test]
fn nodes_that_fail_again_and_again_are_given_up_after_as_many_tries_as_were_granted() {
    for (tries, words) in
        [(0, "the start task of 2 nodes failed"), (1, "replaced once"), (3, "replaced 3 times")]
    {
        let place = deployed();
        place.poke(|world| {
            world.advance_by(600);
            world.fail_next_start_tasks(&pool(), 1000, 7, STDERR);
        });
        let before = nodes(&place);
        let ran = place.simulate(&format!("scale --dedicated 3 --wait --retry-failed {tries} --debug"));
        ran.ended(
            2,
            &[words, "pool reboot flamenco-workers --failed", "pool remove flamenco-workers --failed"],
        );
        assert_eq!(ran.count("/removenodes"), tries, "{}", ran.err);
        let after = nodes(&place);
        assert!(
            after.len() == 5 && before.iter().all(|node| after.contains(node)),
            "no other node was touched"
        );
    }
    let place = deployed();
    place.simulate("scale --dedicated 3 --retry-failed 2").ended(1, &["--wait"]);
}

#[test]
fn a_quota_that_is_used_up_is_named_with_what_is_missing() {
    let place = deployed();
    place.poke(|world| {
        world.advance_by(600);
        world.set_limit("westeurope", "batch/cores", 40);
    });
    let ran = place.simulate("scale --dedicated 5 --wait");
    ran.ended(
        2,
        &[
            "has 2 dedicated + 2 spot instead of 5 dedicated + 2 spot",
            "AccountCoreQuotaReached",
            "quota `dedicatedCoreQuota` is 40 cores; the 3 nodes that did not come need 48 more: ask for 88",
            "https://portal.azure.com/#resource/subscriptions/",
            "Request quota increase",
        ],
    );
    // Granted: the same command asks again for what is missing.
    place.poke(|world| world.set_limit("westeurope", "batch/cores", 88));
    place.simulate("scale --dedicated 5 --wait").said(0, &["5 dedicated + 2 spot nodes allocated"]);
}

#[test]
fn a_resize_under_way_is_stopped_and_replaced_but_a_removal_ends_first() {
    let place = deployed();
    place.poke(|world| world.advance_by(600));
    // Capacity that is not there is waited for a quarter of an hour: nobody has to wait for that.
    place.poke(|world| world.set_capacity("westeurope", "Standard_F16s", Some(0)));
    place.simulate("scale --dedicated 8").said(0, &["8 dedicated + 2 spot nodes asked for"]);
    let begun = place.world().now();
    let ran = place.simulate("scale --dedicated 1 --wait --debug");
    ran.said(0, &["1 dedicated + 2 spot nodes allocated"]);
    ran.ended(0, &["a resize is under way"]);
    assert_eq!(ran.count("/stopResize"), 1, "{}", ran.err);
    assert!(place.world().now().duration_since(begun).as_mins() < 5);
    place.simulate("scale --dedicated 1 --spot 0").said(0, &["1 dedicated + 0 spot nodes asked for"]);
    let line = format!("pool remove flamenco-workers {} --force", nodes(&place)[0]);
    place.simulate(&line).said(0, &["removed"]);
    let ran = place.simulate("scale --dedicated 0 --wait --debug");
    ran.said(0, &["0 dedicated + 0 spot nodes allocated"]);
    assert_eq!(ran.count("/stopResize"), 0, "{}", ran.err);
}

#[test]
fn a_pool_that_follows_a_formula_keeps_it() {
    let place = deployed();
    place.poke(|world| {
        let url = format!("https://management.azure.com{}?api-version=2025-06-01", pool());
        let body = serde_json::json!({"properties": {"scaleSettings": {"autoScale": {"formula": "$TargetDedicatedNodes = 1;"}}}});
        let request = azure_sim::SimRequest::new("PATCH", url.parse().unwrap()).header("authorization", "Bearer any");
        world.advance_by(600);
        assert_eq!(world.handle(&request.json_body(&body)).status, 200);
        world.advance_by(600);
    });
    place
        .simulate("scale --dedicated 3")
        .ended(1, &["`flamenco-workers` follows an autoscale formula", "deploy"]);
}
