//! Laws of scale sets: creation, numbers, deletion, preemption, in both orchestration modes.

use azure_sim::{Boot, ProvisioningState, World};
use serde_json::json;

use crate::fleet::*;
use crate::support::*;

const MODES: [&str; 2] = ["Uniform", "Flexible"];

#[test]
fn a_set_is_created_grows_up_and_is_deleted_with_its_machines() {
    for mode in MODES {
        let mut w = ground();
        let accepted = put(&mut w, &set("farm"), &body(mode, 3));
        assert_eq!(accepted.status, 201);
        assert!(accepted.header("azure-asyncoperation").is_some() && accepted.header("location").is_none());
        assert_eq!(accepted.header("retry-after"), Some("10"));
        let shown = accepted.json_body();
        assert_eq!(shown["properties"]["provisioningState"], "Creating");
        assert_eq!(shown["properties"]["orchestrationMode"], mode);
        assert_eq!(shown["sku"]["capacity"], 3);
        assert!(!shown.to_string().contains("_sim"));
        let booting = |s: ProvisioningState| s == ProvisioningState::Creating;
        assert!(w.set_instances(&set("farm")).iter().all(|i| booting(i.state) && i.spot));
        assert_eq!(outcome(&mut w, &accepted).0, "InProgress");
        w.advance_by(400);
        assert_eq!(outcome(&mut w, &accepted).0, "Succeeded");
        assert_eq!(state(&mut w, "farm"), (3, "Succeeded".to_owned()));
        let grown = w.set_instances(&set("farm"));
        assert!(grown.iter().all(|i| i.state == ProvisioningState::Succeeded));
        let mut vm_ids: Vec<_> = grown.iter().map(|i| i.vm_id.clone()).collect();
        vm_ids.sort();
        vm_ids.dedup();
        assert_eq!(vm_ids.len(), 3);

        let gone = delete(&mut w, &set("farm"));
        assert_eq!(gone.status, 202);
        assert!(gone.header("azure-asyncoperation").is_some() && gone.header("location").is_some());
        assert_eq!(state(&mut w, "farm").1, "Deleting");
        w.advance_by(120);
        assert_eq!(get(&mut w, &set("farm")).status, 404);
        assert_eq!(delete(&mut w, &set("farm")).status, 204);
        assert!(w.set_instances(&set("farm")).is_empty());
        assert_eq!(w.cores_in_use().get("westeurope/lowprioritycores"), None);
    }
}

#[test]
fn uniform_numbers_are_never_given_twice() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 4);
    assert_eq!(ids(&w, "farm"), ["0", "1", "2", "3"]);
    assert_eq!(delete_instances(&mut w, "farm", &["1", "3"]).status, 202);
    w.advance_by(60);
    assert_eq!(ids(&w, "farm"), ["0", "2"]);
    scale(&mut w, "farm", 4);
    assert_eq!(ids(&w, "farm"), ["0", "2", "4", "5"]);
    let list = get(&mut w, &format!("{}/virtualMachines", set("farm"))).json_body();
    let item = &list["value"][1];
    assert_eq!((&item["name"], &item["instanceId"]), (&json!("farm_2"), &json!("2")));
    assert_eq!(item["id"], format!("{}/virtualMachines/2", set("farm")));
    assert_eq!(item["properties"]["osProfile"]["computerName"], "node000002");
    assert_eq!(item["properties"]["provisioningState"], "Succeeded");
    assert_eq!(item["properties"]["latestModelApplied"], true);
    assert_eq!(item["properties"]["priority"], "Spot");
    assert_eq!(list["value"][2]["properties"]["provisioningState"], "Creating");
}

#[test]
fn flexible_instances_are_virtual_machines() {
    let mut w = ground();
    settled(&mut w, "farm", "Flexible", 2);
    settled(&mut w, "other", "Flexible", 1);
    let names = ids(&w, "farm");
    assert!(names.iter().all(|name| name.starts_with("farm_") && name.len() == 13), "{names:?}");
    let listed = get(&mut w, &format!("{}/virtualMachines", set("farm"))).json_body();
    assert_eq!(listed["value"][0], json!({"id": format!("{}/{}", machines(), names[0])}));
    assert_eq!(get(&mut w, &machines()).json_body()["value"].as_array().unwrap().len(), 3);
    let filter = format!("{}?$filter='virtualMachineScaleSet/id' eq '{}'", machines(), set("farm"));
    let mine = get(&mut w, &filter.replace(' ', "%20")).json_body();
    assert_eq!(mine["value"].as_array().unwrap().len(), 2);
    let one =
        get(&mut w, &format!("{}/{}?$expand=instanceView", machines(), names[1].to_uppercase())).json_body();
    assert_eq!(one["properties"]["virtualMachineScaleSet"]["id"], set("farm"));
    assert_eq!(one["properties"]["priority"], "Spot");
    assert_eq!(one["properties"]["instanceView"]["statuses"][1]["code"], "PowerState/running");
    assert_eq!(one["properties"]["vmId"], w.set_instances(&set("farm"))[1].vm_id);
    let view = get(&mut w, &format!("{}/{}/instanceView", machines(), names[1])).json_body();
    assert_eq!(view["statuses"][0]["code"], "ProvisioningState/succeeded");

    assert_eq!(delete(&mut w, &format!("{}/{}", machines(), names[0])).status, 202);
    assert_eq!(state(&mut w, "farm").0, 1);
    w.advance_by(60);
    assert_eq!(get(&mut w, &format!("{}/{}", machines(), names[0])).status, 404);
    assert_eq!(ids(&w, "farm"), [names[1].clone()]);
}

#[test]
fn a_bad_instance_id_and_nothing_is_deleted() {
    for mode in MODES {
        let mut w = ground();
        settled(&mut w, "farm", mode, 3);
        let good = ids(&w, "farm")[0].clone();
        let refused = delete_instances(&mut w, "farm", &[&good, "77"]);
        assert_eq!(code(&refused), (400, "InvalidParameter".to_owned()));
        assert!(
            refused.json_body().to_string().contains("instanceId 77 is not an active"),
            "{}",
            refused.json_body()
        );
        w.advance_by(60);
        assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm").0), (3, 3));
        let accepted = delete_instances(&mut w, "farm", &[&good]);
        assert!(accepted.header("location").is_some());
        assert_eq!(state(&mut w, "farm"), (2, "Updating".to_owned()));
        // The same once more: it is on its way out and counts once.
        assert_eq!(delete_instances(&mut w, "farm", &[&good]).status, 202);
        assert_eq!(state(&mut w, "farm").0, 2);
        w.advance_by(60);
        assert_eq!(ids(&w, "farm").len(), 2);
        assert_eq!(code(&delete_instances(&mut w, "farm", &[&good])).0, 400);
    }
}

#[test]
fn a_lowered_capacity_takes_the_newest() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 5);
    let accepted = scale(&mut w, "farm", 2);
    assert_eq!(accepted.status, 200);
    assert_eq!(accepted.json_body()["sku"]["capacity"], 2);
    assert_eq!(accepted.json_body()["properties"]["provisioningState"], "Updating");
    w.advance_by(60);
    assert_eq!(ids(&w, "farm"), ["0", "1"]);
    assert_eq!(outcome(&mut w, &accepted).0, "Succeeded");
}

#[test]
fn the_newer_operation_preempts_the_older() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 1);
    let older = scale(&mut w, "farm", 10);
    w.advance_by(10);
    let newer = scale(&mut w, "farm", 12);
    assert_eq!(outcome(&mut w, &older), ("Failed".to_owned(), "OperationPreempted".to_owned()));
    assert_eq!(outcome(&mut w, &newer).0, "InProgress");
    w.advance_by(800);
    assert_eq!(outcome(&mut w, &newer).0, "Succeeded");
    assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm")), (12, (12, "Succeeded".to_owned())));
}

#[test]
fn another_operation_makes_nobody_boot_faster() {
    let mut w = ground();
    put(&mut w, &set("farm"), &body("Uniform", 10));
    w.advance_by(20);
    delete_instances(&mut w, "farm", &["3"]);
    w.advance_by(100);
    let states: Vec<_> = w.set_instances(&set("farm")).iter().map(|i| i.state).collect();
    assert_eq!(states, vec![ProvisioningState::Creating; 9]);
    assert_eq!(state(&mut w, "farm").1, "Succeeded");
    let growth = scale(&mut w, "farm", 10);
    w.advance_by(800);
    assert_eq!(outcome(&mut w, &growth).0, "Succeeded");
    assert!(w.set_instances(&set("farm")).iter().all(|i| i.state == ProvisioningState::Succeeded));
}

#[test]
fn lists_of_all_resources_show_flexible_instances_and_sets_but_no_uniform_ones() {
    let mut w = ground();
    settled(&mut w, "flexible", "Flexible", 2);
    settled(&mut w, "uniform", "Uniform", 2);
    let listed = get(&mut w, &format!("{}/resources", group_path())).json_body();
    let kinds: Vec<_> =
        listed["value"].as_array().unwrap().iter().map(|r| r["type"].as_str().unwrap()).collect();
    let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
    assert_eq!(count("Microsoft.Compute/virtualMachineScaleSets"), 2);
    assert_eq!(count("Microsoft.Compute/virtualMachines"), 2);
}

#[test]
fn etags_guard_against_lost_updates() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 1);
    let shown = get(&mut w, &set("farm"));
    let etag = shown.header("etag").unwrap().to_owned();
    assert_eq!(shown.json_body()["etag"], etag);
    let patch = request("PATCH", &set("farm"), Some(&json!({"sku": {"capacity": 2}})));
    let first = w.handle(&patch.clone().header("if-match", &etag));
    assert_eq!(first.status, 200);
    assert_ne!(first.header("etag").unwrap(), etag);
    assert_eq!(code(&w.handle(&patch.header("if-match", &etag))), (412, "PreconditionFailed".to_owned()));
    let create = request("PUT", &set("farm"), Some(&body("Uniform", 1))).header("if-none-match", "*");
    assert_eq!(w.handle(&create).status, 412);
    assert_eq!(state(&mut w, "farm").0, 2);
}

#[test]
fn a_sparse_put_keeps_the_rest_and_tags_are_replaced_as_a_whole() {
    let mut w = ground();
    settled(&mut w, "farm", "Flexible", 1);
    let sparse = json!({"location": "westeurope", "sku": {"name": SIZE, "tier": "Standard", "capacity": 2}});
    let shown = put(&mut w, &set("farm"), &sparse).json_body();
    assert_eq!(shown["properties"]["virtualMachineProfile"]["priority"], "Spot");
    assert_eq!(shown["tags"], json!({"flamenco-farm": "f"}));
    let tags = json!({"tags": {"a": "b"}});
    let shown = send(&mut w, "PATCH", &set("farm"), Some(&tags)).json_body();
    assert_eq!((&shown["tags"], &shown["sku"]["capacity"]), (&json!({"a": "b"}), &json!(2)));
}

#[test]
fn long_lists_come_in_pages() {
    for (mode, path, size) in [("Uniform", "", 200), ("Flexible", "", 200), ("Flexible", "all", 1000)] {
        let mut w = ground();
        settled(&mut w, "farm", mode, 1000);
        settled(&mut w, "more", mode, 30);
        let mut link = if path == "all" { machines() } else { format!("{}/virtualMachines", set("farm")) };
        let mut seen = std::collections::BTreeSet::new();
        let mut pages = 0;
        loop {
            let page = get(&mut w, &link).json_body();
            let items = page["value"].as_array().unwrap();
            assert!(items.len() <= size);
            assert!(items.iter().all(|item| seen.insert(item["id"].as_str().unwrap().to_owned())));
            pages += 1;
            match page["nextLink"].as_str() {
                Some(next) => link = next.to_owned(),
                None => break,
            }
        }
        let wanted = if path == "all" { (1030, 2) } else { (1000, 5) };
        assert_eq!((seen.len(), pages), wanted, "{mode} {path}");
    }
}

#[test]
fn boots_that_fail_or_hang_are_shown_as_such() {
    let mut w = ground();
    w.next_boots(None, 1, Boot::Fails(600));
    w.next_boots(Some(&set("farm")), 1, Boot::Stuck);
    let accepted = put(&mut w, &set("farm"), &body("Uniform", 3));
    w.advance_by(700);
    let states: Vec<_> = w.set_instances(&set("farm")).iter().map(|i| i.state).collect();
    let wanted = [ProvisioningState::Failed, ProvisioningState::Creating, ProvisioningState::Succeeded];
    assert_eq!(states, wanted);
    w.advance_by(3000);
    assert_eq!(outcome(&mut w, &accepted), ("Failed".to_owned(), "OSProvisioningTimedOut".to_owned()));
    assert_eq!(state(&mut w, "farm"), (3, "Failed".to_owned()));
    assert_eq!(w.set_instances(&set("farm"))[1].state, ProvisioningState::Creating);
}

#[test]
fn a_world_with_a_farm_is_kept_in_a_file() {
    let mut w = ground();
    settled(&mut w, "farm", "Flexible", 50);
    scale(&mut w, "farm", 60);
    let mut again = World::from_json(&w.to_json().unwrap()).unwrap();
    again.advance_by(900);
    w.advance_by(900);
    assert_eq!(w.set_instances(&set("farm")), again.set_instances(&set("farm")));
    assert_eq!(state(&mut w, "farm"), state(&mut again, "farm"));
}
