//! The old tool's farm file, from the first deploy to the last delete.

use crate::support::{Place, fed};
use crate::{assert_empty, deployed, old_place};

#[test]
fn the_demo_lives_a_whole_life_with_packages_and_leaves_nothing() {
    let ran = Place::new().run(&["demo"]);
    assert!(ran.out.contains("; 0 resources left"), "{} {}", ran.out, ran.err);
    ran.ended(
        0,
        &[
            "app push flamenco-worker --version 3.8.5",
            "mount.nfs: Connection timed out",
            "replacing 1 node (try 1 of 1)",
            "reimaging 2 nodes of 3",
        ],
    );
}

#[test]
fn the_old_tools_file_lives_a_whole_life() {
    let place = old_place();
    let empty = place.holdings();
    place.simulate("plan --check").said(4, &["create studio-vm", "Manager VM: does not exist"]);

    let ran = place.simulate("deploy --yes");
    ran.said(
        0,
        &[
            "https://studio-vm.westeurope.cloudapp.azure.com/",
            "shaman://studio-vm.westeurope.cloudapp.azure.com/",
            "/mnt/flamenco-output/render",
            "nobody is admitted yet",
        ],
    );
    for words in [
        "`workerRegistrationSecret` is not used",
        "nobody is admitted from outside",
        "Flamenco has no login",
        "resize       flamenco-azure scale flamenco-workers --dedicated N --spot N",
        "remove  flamenco-azure teardown",
        "deployed in",
        "certificate  the Manager's own (no authority can reach it), sha256 ",
    ] {
        assert_eq!(ran.count(words), 1, "`{words}` in\n{}", ran.err);
    }
    // With the plan, and after the run.
    assert_eq!(ran.count("cost: about $"), 2, "{}", ran.err);

    place.simulate("plan --check").said(0, &["nothing to do"]);
    place.simulate("status").said(
        0,
        &[
            "studio in group studio-rg: exists",
            "Manager  studio-vm (Standard_B2s_v2): running",
            "Flamenco 3.8.5",
            "flamenco-workers",
            "1 dedicated + 2 spot",
        ],
    );

    let ran = place.simulate("scale flamenco-workers --dedicated 3 --spot 0 --wait");
    ran.said(0, &["pool `flamenco-workers`: 3 dedicated + 0 spot nodes allocated"]);
    assert!(!ran.out.contains("asked for"), "said twice: {}", ran.out);
    place.simulate("status").said(0, &["3 dedicated + 0 spot"]);
    place.simulate("plan --check").said(0, &["nothing to do"]);
    place.simulate("deploy --yes").said(0, &["nothing to do"]);
    place.simulate("status").said(0, &["3 dedicated + 0 spot"]);

    let ran = place.simulate("pause --yes");
    ran.ended(0, &["paused in", "a month while paused", "`flamenco-azure resume` brings it back"]);
    assert_eq!(ran.count("workerRegistrationSecret"), 0, "said by plan and deploy, not by everything");
    place.simulate("pause --yes").said(0, &["the farm is paused"]);
    let ran = place.simulate("status");
    ran.said(
        0,
        &[
            "studio in group studio-rg: paused",
            "deallocated",
            "0 dedicated + 0 spot",
            "about $31 a month while paused",
        ],
    );
    ran.ended(0, &["`flamenco-azure resume` brings it back"]);
    for line in ["deploy --yes", "plan", "scale --dedicated 1"] {
        place.simulate(line).ended(1, &["farm `studio` is paused", "flamenco-azure resume"]);
    }

    let ran = place.simulate("resume --yes");
    ran.said(0, &["delete studio-rg                    pause mark"]);
    ran.ended(0, &["✓ delete studio-rg (pause mark)", "resumed in", "`flamenco-azure status`"]);
    place.simulate("resume --yes").said(0, &["the farm is not paused"]);
    place.simulate("status").said(0, &["running", "3 dedicated + 0 spot"]);
    place.simulate("plan --check").said(0, &["nothing to do"]);

    place.simulate("teardown --yes").ended(0, &["removed in"]);
    assert_eq!(place.holdings(), empty);
    let ran = place.simulate("status");
    ran.said(0, &["studio in group studio-rg: does not exist"]);
    ran.ended(0, &["`flamenco-azure deploy` makes it"]);
    assert!(!ran.out.contains("cost"), "{}", ran.out);
    place.simulate("teardown --yes").said(0, &["there is nothing of farm `studio`"]);
    assert_eq!(place.read("flamenco_manager_azure.yaml"), crate::OLD_FILE, "nobody asked to change it");
}

#[test]
fn the_thin_binaries_are_the_same_program() {
    let place = old_place();
    let thin = |executable: &str, line: &str| {
        let mut command = place.program(executable);
        fed(command.args(line.split_whitespace()).arg("--simulate=w.json").arg("--no-input"), "")
    };
    thin(env!("CARGO_BIN_EXE_flamenco-deploy"), "--yes").said(0, &["https://studio-vm."]);
    thin(env!("CARGO_BIN_EXE_flamenco-scale"), "flamenco-workers --dedicated 2 --wait")
        .said(0, &["2 dedicated + 2 spot nodes allocated"]);
    thin(env!("CARGO_BIN_EXE_flamenco-teardown"), "").ended(1, &["add --yes"]);
    thin(env!("CARGO_BIN_EXE_flamenco-teardown"), "--yes").ended(0, &["removed in"]);
    assert_empty(&place);
}

#[test]
fn another_machine_sees_scales_and_removes_the_farm_with_flags_alone() {
    let here = deployed();
    let there = Place::new();
    there.write("w.json", &here.read("w.json"));
    let farm = format!("--subscription {} --group studio-rg", crate::support::SUBSCRIPTION);
    there.simulate(&format!("status {farm}")).said(0, &["studio in group studio-rg: exists", "running"]);
    there
        .simulate(&format!("scale --dedicated 2 --wait {farm}"))
        .said(0, &["2 dedicated + 2 spot nodes allocated"]);
    there.simulate(&format!("teardown --yes {farm}")).ended(0, &["removed in"]);
    assert_empty(&there);
}

#[test]
fn kept_data_is_named_and_goes_with_the_next_teardown() {
    let place = deployed();
    place.simulate("teardown --yes --keep-data").said(0, &["= stays  studiofiles"]);
    let ran = place.simulate("status");
    ran.said(0, &["studio in group studio-rg: has no Manager", "cost     about $0.03"]);
    ran.ended(0, &["`flamenco-azure teardown` removes the rest"]);
    place.simulate("teardown --yes").ended(0, &[]);
    assert_empty(&place);
}

#[test]
fn long_names_keep_the_columns() {
    let place = old_place();
    let long = crate::OLD_FILE.replace("studio-vm", "a-studio-whose-name-nobody-can-remember");
    place.write("flamenco_manager_azure.yaml", &long);
    let ran = place.simulate("plan");
    let column = |words: &str| {
        let line = ran
            .out
            .lines()
            .find(|line| line.contains(words))
            .unwrap_or_else(|| panic!("{words}: {}", ran.out));
        line.find(words).unwrap()
    };
    let first = column("resource group:");
    for words in ["keeps the nodes closed:", "Manager VM:", "worker pool:", "everything the farm reads"] {
        assert_eq!(column(words), first, "{words}\n{}", ran.out);
    }
}
