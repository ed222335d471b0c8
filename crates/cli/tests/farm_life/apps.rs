//! Application packages by the real binary.

use azure_sim::{SimRequest, World};
use serde_json::json;

use super::place;
use super::support::{Place, SUBSCRIPTION, farm_file};

/// A request to the control plane.
fn arm(world: &mut World, method: &str, path: &str, version: &str, body: &serde_json::Value) {
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers");
    let url = format!("https://management.azure.com{group}/{path}?api-version={version}");
    let request = SimRequest::new(method, url.parse().unwrap()).header("authorization", "Bearer any");
    let response = world.handle(&request.json_body(body));
    assert!(response.is_success(), "{}", response.json_body());
    world.advance_by(120);
}

/// A farm, and a program in a folder.
pub(crate) fn with_program() -> Place {
    let place = place();
    place.simulate("deploy --yes").said(0, &[]);
    std::fs::create_dir_all(place.path("blender-5.0.1/5.0")).unwrap();
    place.write("blender-5.0.1/blender", "#!/bin/sh\n");
    place.write("blender-5.0.1/5.0/startup.py", "import bpy\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path("blender-5.0.1/blender"), mode).unwrap();
    place
}

/// A storage account with keys, as somebody linked it by hand.
pub(crate) fn link_storage(place: &Place) {
    place.poke(|world| {
        let storage = "Microsoft.Storage/storageAccounts/studiopackages";
        let body = json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
        arm(world, "PUT", storage, "2023-05-01", &body);
        let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/{storage}");
        let body = json!({"properties": {"autoStorage": {"storageAccountId": id}}});
        arm(world, "PATCH", "Microsoft.Batch/batchAccounts/studiobatch", "2025-06-01", &body);
    });
}

/// What was pushed is in somebody's own account, with its keys: it stays linked, and nodes read from it.
#[test]
fn a_storage_account_that_somebody_linked_stays_and_nodes_get_what_is_in_it() {
    let place = with_program();
    link_storage(&place);
    place.simulate("app push blender --version 5.0.1 blender-5.0.1").said(0, &["ready for nodes"]);
    let file = "batchAccountName: studiobatch\npools:\n  - {name: packed, dedicated: 2, packages: [blender#5.0.1]}\n";
    place.write("azure_config.yaml", &farm_file(file));
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    let pool = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/Microsoft.Batch/batchAccounts/studiobatch/pools/packed"
    );
    place.poke(|world| world.advance_by(900));
    let world = place.world();
    let states: Vec<&str> = world.nodes(&pool).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["idle"; 2]);
    let account = world.resource(pool.split("/pools/").next().unwrap()).unwrap();
    let linked = account.properties["autoStorage"]["storageAccountId"].as_str().unwrap();
    assert!(linked.ends_with("/studiopackages"), "{linked}");
    place.simulate("plan --check").said(0, &["nothing to do"]);
    place.simulate("teardown --yes").said(0, &[]);
    assert!(place.world().resource(linked).is_some(), "it is somebody's");
}

#[test]
fn a_package_is_pushed_listed_chosen_and_removed() {
    let place = with_program();
    let push = "app push blender --version 5.0.1 blender-5.0.1";
    for line in ["app list", "app default blender 5.0.1", "app remove blender --yes"] {
        place
            .simulate(line)
            .ended(1, &["has no auto-storage account", "the first `flamenco-azure app push` makes it"]);
    }
    let before = place.holdings();
    place.simulate("app push blender --version 5.0.1 gone --yes").ended(1, &["gone"]);
    place.simulate(push).ended(1, &["--yes"]);
    assert_eq!(place.holdings(), before, "nothing is made for what cannot be packed, or unasked");
    // A role works a while after it was assigned.
    place.poke(|world| world.role_lag(200));
    let first = place.simulate(&format!("{push} --yes"));
    first.said(0, &["application packages", "blender 5.0.1: ", "sent, ready for nodes"]);
    first.ended(0, &["Batch's role on the storage account does not work yet: waiting for it"]);
    place.simulate("plan --check").said(0, &["nothing to do: the farm is as the farm file says"]);
    place.simulate(push).said(0, &["nothing to do, the same content is there"]);
    place.simulate("app list").said(0, &["blender, no default", "5.0.1", "ready since 2026-11-21"]);
    place.simulate("app default blender 5.0.1").said(0, &["pools that name no version get 5.0.1"]);
    place.simulate("app list").said(0, &["blender, default 5.0.1"]);
    let listed = place.simulate("app list --json");
    listed.said(0, &["\"application\":\"blender\"", "\"default\":\"5.0.1\"", "\"active\":true"]);

    place.write("blender-5.0.1/5.0/startup.py", "import bpy, sys\n");
    place.simulate(push).ended(1, &["version 5.0.1 of `blender` is there with other content", "--replace"]);
    place.simulate(&format!("{push} --replace")).said(0, &["sent, ready for nodes"]);

    place.simulate("app remove blender").ended(1, &["--yes"]);
    place.simulate("app remove blender 5.0.1 --yes").said(0, &["blender 5.0.1: removed"]);
    place.simulate("app remove blender --yes").said(0, &["blender: removed"]);
    place.simulate("app list").said(0, &["no applications"]);
    place.simulate("teardown --yes").said(0, &[]);
    let left: Vec<String> = place.world().resources().keys().cloned().collect();
    assert_eq!(left, Vec::<String>::new());
}

/// By whoever is signed in, a role that the push needs is taken away.
fn without_role(place: &Place, of_batch: bool) {
    place.poke(|world| {
        let list = format!(
            "https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"
        );
        let me = world.principal_mut().object_id.clone();
        let list = SimRequest::new("GET", list.parse().unwrap()).header("authorization", "Bearer any");
        let all = world.handle(&list).json_body()["value"].as_array().unwrap().clone();
        for one in all {
            let role = one["properties"]["roleDefinitionId"].as_str().unwrap();
            let mine = one["properties"]["principalId"] == me.as_str();
            if mine != of_batch && role.ends_with("ba92f5b4-2d11-453d-a403-e96b0029c9fe") {
                let url = format!("https://management.azure.com{}?api-version=2022-04-01", one["id"].as_str().unwrap());
                let delete = SimRequest::new("DELETE", url.parse().unwrap()).header("authorization", "Bearer any");
                assert!(world.handle(&delete).is_success());
            }
        }
    });
}

#[test]
fn a_role_that_nobody_assigned_is_not_waited_for() {
    for (of_batch, words) in
        [(true, "does not admit the identity of the Batch account"), (false, "does not admit you")]
    {
        let place = with_program();
        place.simulate("app push blender --version 1 blender-5.0.1 --yes").said(0, &["ready for nodes"]);
        without_role(&place, of_batch);
        let refused = place.simulate("app push blender --version 2 blender-5.0.1");
        refused.ended(2, &[words]);
        assert!(!refused.err.contains("waiting for it"), "{}", refused.err);
    }
}

#[test]
fn what_is_no_package_is_refused_before_anything_is_made() {
    let place = with_program();
    link_storage(&place);
    let before = place.holdings();
    place.write("empty.zip", "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    place.write("text.zip", "no archive");
    let other = "0".repeat(64);
    let of_folder = format!("app push blender --version 1 blender-5.0.1 --sha256 {other}");
    let of_another = format!("app push blender --version 1 text.zip --sha256 {other}");
    let refusals = [
        (of_folder.as_str(), "is a folder, and a SHA-256 is that of an archive"),
        (of_another.as_str(), "text.zip` has the SHA-256 "),
        ("app push a/b --version 1 blender-5.0.1", "`a/b` is no application id"),
        ("app push blender --version .1 blender-5.0.1", "`.1` is no version"),
        ("app push blender --version 1 gone", "gone"),
        ("app push blender --version 1 empty.zip", "has no files in it"),
        ("app push blender --version 1 text.zip", "is neither a folder nor a .zip"),
        (
            "app push blender --version 1 https://example.org/blender.tar.xz",
            "a simulated Azure is not connected",
        ),
        ("app default blender 1", "there is no active version 1 of `blender`"),
        ("app remove blender 1 --yes", "there is no application `blender`"),
    ];
    for (line, words) in refusals {
        place.simulate(line).ended(1, &[words]);
    }
    assert_eq!(place.holdings(), before);
}

#[test]
fn what_a_pool_names_by_a_version_in_the_id_is_not_removed() {
    let place = with_program();
    link_storage(&place);
    place.simulate("app push blender --version 5.0.1 blender-5.0.1").said(0, &["ready for nodes"]);
    place.poke(|world| {
        let account = "Microsoft.Batch/batchAccounts/studiobatch";
        let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers");
        let id = format!("{group}/{account}/applications/blender/versions/5.0.1");
        let pool = world.resources().keys().find(|id| id.contains("/pools/")).unwrap().clone();
        assert!(world.edit(&pool, |pool| pool.set("applicationPackages", json!([{"id": id}]))));
    });
    place.simulate("app remove blender 5.0.1 --yes").ended(1, &["refers to blender 5.0.1"]);
}

/// A farm file that got a pool of scale sets and was not deployed since.
#[test]
fn a_first_push_needs_no_deploy_of_what_the_farm_file_has_beside() {
    let place = Place::new();
    place.give_key();
    let file = farm_file("batchAccountName: studiobatch\npools:\n  - {name: render, dedicated: 1}\n");
    place.write("azure_config.yaml", &file);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    let fleet =
        "  - {name: spots, kind: vmss, nodes: 0, maxNodes: 2, placements: [{vmSize: Standard_D4as_v5}]}\n";
    place.write("azure_config.yaml", &format!("{file}{fleet}"));
    std::fs::create_dir(place.path("tool")).unwrap();
    place.write("tool/tool", "#!/bin/sh\n");
    place.simulate("app push tool --version 1 tool --yes").said(0, &["ready for nodes"]);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    place.simulate("plan --check").said(0, &["nothing to do"]);
}
