//! The life of Batch pools by the real binary: packages and the pools that refer to them, another version rolled out,
//! formulas, old pool files.

use std::os::unix::fs::PermissionsExt as _;

use super::support::{Place, SUBSCRIPTION};
use super::{ACCESS, OLD_FILE, assert_empty};

const POOL: &str = "\
pools:
  # the only one
  - name: render
    dedicated: 2
    packages: [blender#5.0.1, ffmpeg, flamenco-worker#3.8.5]
";

fn file(pools: &str) -> String {
    let (head, _) = OLD_FILE.split_once("batch:\n").unwrap();
    format!("{head}{ACCESS}{pools}")
}

fn pool_id() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/Microsoft.Batch/batchAccounts/studiobatch/pools/render"
    )
}

/// A folder with one program.
fn program(place: &Place, folder: &str, name: &str, text: &str) {
    std::fs::create_dir_all(place.path(folder)).unwrap();
    let path = format!("{folder}/{name}");
    place.write(&path, text);
    std::fs::set_permissions(place.path(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn push(place: &Place) {
    program(place, "b1", "blender", "one");
    program(place, "b2", "blender", "two");
    program(place, "f", "ffmpeg", "three");
    program(place, "w", "flamenco-worker", "four");
    place.simulate("app push blender --version 5.0.1 b1").said(0, &["ready for nodes"]);
    place.simulate("app push ffmpeg --version 7.1 f").said(0, &["ready for nodes"]);
    place.simulate("app push flamenco-worker --version 3.8.5 w").said(0, &["ready for nodes"]);
    place.simulate("app default ffmpeg 7.1").said(0, &[]);
}

fn idle(place: &Place) -> usize {
    place.poke(|world| world.advance_by(900));
    place.world().nodes(&pool_id()).iter().filter(|(_, state)| *state == "idle").count()
}

#[test]
fn three_packages_a_pool_another_version_and_nothing_left() {
    let place = Place::new();
    place.write("azure_config.yaml", &file(POOL));
    // Everything but the pool, and what to push.
    let first = place.simulate("deploy --yes");
    first.ended(
        4,
        &[
            "`render` waits",
            "pool `render` waits for its packages",
            "`flamenco-azure app push blender --version 5.0.1 PATH`",
            "app push ffmpeg",
        ],
    );
    assert!(place.world().resource(&pool_id()).is_none());
    place
        .simulate("deploy --yes")
        .ended(4, &["`render` waits: `flamenco-azure app push blender --version 5.0.1 PATH` first"]);
    push(&place);
    place.simulate("deploy --yes").said(0, &[]);
    assert_eq!(idle(&place), 2);
    place.simulate("plan --check").said(0, &["nothing to do"]);

    place.simulate("app push blender --version 5.0.2 b2").said(0, &["ready for nodes"]);
    place.write("azure_config.yaml", &file(&POOL.replace("5.0.1", "5.0.2")));
    place
        .simulate("pool rollout")
        .ended(1, &["the farm file says otherwise than Azure", "`flamenco-azure deploy` first"]);
    place
        .simulate("deploy --yes")
        .ended(0, &["the new packages reach nodes that boot from now on", "pool rollout render"]);
    place.simulate("pool rollout --batch 1").ended(0, &["reimaging 1 node of 2"]);
    assert_eq!(idle(&place), 2);
    place.simulate("pool rollout").said(0, &["no node is older than its definition"]);

    // Another default version is another definition.
    place.simulate("app push ffmpeg --version 7.2 b2").said(0, &[]);
    place.simulate("app default ffmpeg 7.2").said(0, &[]);
    place.simulate("pool rollout").said(0, &["2 nodes renewed"]);
    place.simulate("pool rollout").said(0, &["no node is older"]);
    // A package that a pool refers to and that is gone would make nodes unusable.
    place
        .simulate("app remove flamenco-worker --yes")
        .ended(1, &["pool `render` refers to flamenco-worker 3.8.5", "--force"]);
    place.simulate("app remove ffmpeg 7.2 --yes").ended(1, &["pool `render` refers to ffmpeg 7.2"]);
    place.simulate("app remove ffmpeg 7.1 --yes").said(0, &["removed"]);
    place.simulate("app remove flamenco-worker --yes --force").said(0, &["removed"]);
    place.simulate("pool rollout").ended(1, &["flamenco-worker#3.8.5", "none was touched"]);

    place.simulate("pool export").said(0, &["  - name: render", "packages: [\"blender#5.0.2\", ffmpeg"]);
    place.simulate("teardown --yes").said(0, &[]);
    assert_empty(&place);
}

const FORMULA: &str = "\
pools:
  - name: render
    maxNodes: 3
    autoscale:
      formula: |
        // as many as may be
        $TargetDedicatedNodes = 90;
      evaluationMinutes: 5
";

/// Batch looks whether a formula can be read when it gets it, and whether it can be evaluated only afterwards.
#[test]
fn a_first_formula_that_cannot_be_evaluated_ends_the_deploy_in_words_and_leaves_the_nodes() {
    let place = Place::new();
    let fixed = "pools:\n  - {name: render, dedicated: 2, maxNodes: 3}\n";
    place.write("azure_config.yaml", &file(fixed));
    place.simulate("deploy --yes").said(0, &[]);
    assert_eq!(idle(&place), 2);
    place.write("azure_config.yaml", &file(&FORMULA.replace("= 90", "= foo")));
    let wrong = place.simulate("deploy --yes");
    wrong.ended(
        2,
        &[
            "pool `render`: Batch cannot evaluate its formula, and leaves its size",
            "foo",
            "then deploy again",
        ],
    );
    assert_eq!(idle(&place), 2);
    // There is nothing more to change, and it is not well.
    let again = place.simulate("--json deploy --yes");
    assert_eq!(again.code, 2, "{}", again.out);
    assert!(again.out.contains(r#""steps":[]"#) && !again.out.contains(r#""finished""#), "{}", again.out);
    place.write("azure_config.yaml", &file(FORMULA));
    place.simulate("deploy --yes").said(0, &[]);
    assert_eq!(idle(&place), 3);
}

#[test]
fn a_pool_sizes_itself_within_its_limit_and_a_formula_that_is_wrong_changes_nothing() {
    let place = Place::new();
    place.write("azure_config.yaml", &file(&FORMULA.replace("= 90", "= 90 +")));
    place.simulate("deploy --yes").ended(2, &["Line 2"]);
    assert!(place.world().resource(&pool_id()).is_none(), "no pool with half a formula");
    place.write("azure_config.yaml", &file(FORMULA));
    let first = place.simulate("deploy --yes");
    first.ended(
        0,
        &["with 3 nodes (`maxNodes`)", "its formula gives 3 dedicated + 0 spot nodes now, 3 at most"],
    );
    assert_eq!(idle(&place), 3);
    place.simulate("pool formula").said(0, &["gives now: 3 dedicated"]);
    place.simulate("pool formula").ended(0, &["at most 3 nodes, every 5 minutes", "last evaluated"]);
    place.write("azure_config.yaml", &file(&FORMULA.replace("= 90", "= foo")));
    place
        .simulate("pool formula")
        .ended(1, &["the farm file's formula cannot be evaluated", "Line 2", "foo"]);
    place.simulate("deploy --yes").ended(1, &["autoscale.formula", "Line 2", "nothing was created"]);
    place.write("azure_config.yaml", &file(&FORMULA.replace("= 90", "= 1")));
    place.simulate("deploy --yes").ended(0, &["gives 1 dedicated"]);
    assert_eq!(idle(&place), 1);
    // At rest nothing is evaluated, and afterwards it is again.
    place.simulate("pause --yes").said(0, &[]);
    assert_eq!(idle(&place), 0);
    place.simulate("resume --yes").said(0, &[]);
    assert_eq!(idle(&place), 1);
    place.simulate("plan --check").said(0, &["nothing to do"]);
    place.write("azure_config.yaml", &file("pools: [{name: render, dedicated: 2}]\n"));
    place.simulate("deploy --yes").said(0, &["a fixed size again"]);
    assert_eq!(idle(&place), 1);
}

#[test]
fn an_old_pool_file_goes_into_the_farm_file_and_its_secrets_do_not() {
    let place = Place::new();
    place.write("azure_config.yaml", &file("pools:\n  # ours\n  - name: render # why\n"));
    let old = r#"{"id": "crunchtime-F16s", "vmSize": "Standard_F16s", "targetLowPriorityNodes": 5,
        "applicationPackageReferences": [{"applicationId": "blender"}],
        "startTask": {"commandLine": "x", "environmentSettings": [{"name": "K", "value": "{STORAGE_KEY}"}]}}"#;
    place.write("azure_batch_pool.json", old);
    let before = place.read("azure_config.yaml");
    let refused = place.simulate("pool import azure_batch_pool.json");
    refused.ended(1, &["startTask.environmentSettings[0].value", "use identities", "nothing was imported"]);
    assert_eq!(place.read("azure_config.yaml"), before);
    place.write("azure_batch_pool.json", &old.replace("{STORAGE_KEY}", "x"));
    place.simulate("pool import azure_batch_pool.json --dry-run").said(0, &["  - name: crunchtime-F16s"]);
    assert_eq!(place.read("azure_config.yaml"), before);
    place
        .simulate("pool import azure_batch_pool.json")
        .ended(0, &["not carried over: startTask.commandLine"]);
    let after = place.read("azure_config.yaml");
    assert!(after.starts_with(&before) && after.contains("packages: [blender]"), "{after}");
    place.simulate("pool import azure_batch_pool.json").said(0, &["is there as it is"]);
    place.write("bad.json", "{");
    place.simulate("pool import bad.json").ended(1, &["not JSON"]);
    place.simulate("pool import gone.json").ended(1, &["could not read"]);
}

#[test]
fn nodes_boot_an_image_of_ones_own_from_a_gallery_elsewhere() {
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/images-rg/providers");
    let image = format!("{group}/Microsoft.Compute/galleries/studio/images/node/versions/1.0.0");
    let pool = format!(
        "pools:\n  - {{name: render, dedicated: 1, image: {image}, nodeAgent: batch.node.ubuntu 22.04}}\n"
    );
    let place = Place::new();
    place.write("azure_config.yaml", &file(&pool));
    place
        .simulate("deploy --yes")
        .ended(1, &["pool `render`: image: there is no `1.0.0`", "nothing was created"]);
    let put = |region: &str| {
        place.poke(|world| {
            world.add_group("images-rg", region, azure_sim::Tags::new());
            let mut version =
                azure_sim::Resource::new(&image, "Microsoft.Compute/galleries/images/versions", world.now());
            version.properties =
                serde_json::json!({"publishingProfile": {"targetRegions": [{"name": region}]}});
            world.add_foreign(version);
        });
    };
    put("North Europe");
    place.simulate("deploy --yes").ended(1, &["`1.0.0` is in North Europe, the farm in westeurope"]);
    put("West Europe");
    place.simulate("deploy --yes").said(0, &[]);
    assert_eq!(idle(&place), 1);
    let world = place.world();
    let machine = "/deploymentConfiguration/virtualMachineConfiguration";
    let of = |name: &str| world.resource(&pool_id()).unwrap().property(&format!("{machine}/{name}")).cloned();
    assert_eq!(of("nodeAgentSkuId"), Some("batch.node.ubuntu 22.04".into()));
    assert_eq!(of("imageReference/id"), Some(image.as_str().into()));
    place.simulate("pool export").said(0, &["nodeAgent: batch.node.ubuntu 22.04", "versions/1.0.0"]);
    place.simulate("plan --check").said(0, &["nothing to do"]);
}
