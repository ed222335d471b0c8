//! `doctor --live`: the trial says what it saw, stays below its cap, and leaves nothing, whatever happens.

use azure_sim::{Action, Fault, Match, World, WorldConfig};
use serde_json::{Value, json};

use crate::support::{Place, SUBSCRIPTION};

const LIVE: &str = "doctor --live --yes --location westeurope --subscription 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab \
                    --report report.md";

#[track_caller]
fn nothing_is_left(place: &Place) {
    let world = place.world();
    assert!(world.groups().is_empty() && world.resources().is_empty(), "{}", place.holdings());
    assert!(!place.path(".flamenco-azure/doctor").exists());
}

/// The verdict of the row that contains these words.
#[track_caller]
fn verdict(place: &Place, words: &str) -> String {
    let report = place.read("report.md");
    let row = report.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}\n{report}"));
    row.split(" | ").nth(1).unwrap().to_owned()
}

#[test]
fn the_trial_tries_every_assumption_and_leaves_a_report_and_nothing_else() {
    let place = Place::new();
    // The simulator has no scale sets yet: that one row stays open, and the command says so by its code.
    place.simulate(LIVE).said(2, &["confirmed  Batch-managed accounts accept Spot nodes"]);
    nothing_is_left(&place);
    for words in ["accept Spot", "NFS share", "script of 60 kB", "encryption in transit", "public authority"]
    {
        assert_eq!(verdict(&place, words), "confirmed", "{words}");
    }
    assert_eq!(verdict(&place, "flexible scale set"), "unknown");
    let report = place.read("report.md");
    assert!(
        report.starts_with("# What the simulated Azure does") && !report.contains(SUBSCRIPTION),
        "{report}"
    );
}

#[test]
fn what_azure_refuses_is_refuted_in_its_words() {
    let place = Place::new();
    let mut config = WorldConfig::new(SUBSCRIPTION);
    config.spot_in_batch_service = false;
    place.write("w.json", &World::new(config).to_json().unwrap());
    place.simulate(LIVE);
    assert_eq!(verdict(&place, "accept Spot"), "**refuted**");
    nothing_is_left(&place);
}

#[test]
fn a_trial_that_could_cost_more_than_its_cap_makes_nothing() {
    let place = Place::new();
    place.simulate(&format!("{LIVE} --max-usd 0.10")).ended(1, &["more than $0.10", "`--max-usd` raises"]);
    nothing_is_left(&place);
    assert!(!place.path("report.md").exists());
    let place = Place::with(|world| {
        world.inject(Fault::always(Match::on("GET", "/api/retail/prices"), Action::error(500, "Broken", "")));
    });
    place.simulate(LIVE).ended(2, &["cost is not known"]);
    nothing_is_left(&place);
}

#[test]
fn a_trial_whose_farm_cannot_be_made_is_cleared_away_too() {
    let fault = Fault::once(
        Match::on("PUT", "/virtualMachines/"),
        Action::operation_fails("AllocationFailed", "no capacity"),
    );
    let place = Place::with(|world| world.inject(fault));
    place.simulate(LIVE).said(2, &["unknown    a farm can be made"]);
    nothing_is_left(&place);
}

#[test]
fn what_a_killed_trial_left_is_removed_by_the_next_one() {
    let place = Place::new();
    place.simulate(LIVE);
    let before = place.read("report.md");
    // A trial that was killed in its middle: its farm file and its farm.
    std::fs::create_dir_all(place.path(".flamenco-azure/doctor")).unwrap();
    place.write(
        ".flamenco-azure/doctor/azure_config.yaml",
        &format!(
            "defaultName: doctor\nsubscriptionID: {SUBSCRIPTION}\nlocation: westeurope\nresourceGroup: flamenco-doctor-1\n\
             storageAccountName: fdoctor1\nbatchAccountName: fdoctor1\nvirtualMachine: fdoctor-1\n"
        ),
    );
    place.simulate("deploy --yes --quiet --config .flamenco-azure/doctor/azure_config.yaml").ended(0, &[]);
    place.poke(World::clear_faults);
    place.simulate(LIVE).ended(2, &["an earlier trial did not reach its end"]);
    nothing_is_left(&place);
    assert_eq!(place.read("report.md").lines().count(), before.lines().count());
}

/// The simulator has no scale sets yet: their answers are scripted, in the form that was recorded.
fn scale_set(world: &mut World, left: &[&str]) {
    let mut script = |method: &str, path: &str, body: Option<Value>| {
        let answer = Action::Respond { status: 200, headers: Vec::new(), body };
        world.inject(Fault::once(Match::on(method, path), answer));
    };
    let instances = |names: &[&str]| {
        let value: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        Some(json!({"value": value}))
    };
    let (set, list) = ("/virtualMachineScaleSets/doctor-set", "/doctor-set/virtualMachines");
    script("PUT", set, Some(json!({"name": "doctor-set", "properties": {"provisioningState": "Succeeded"}})));
    script("GET", list, instances(&["doctor-set_ba6c6a3b"]));
    script("POST", "/doctor-set/delete", None);
    script("GET", list, instances(left));
    script("DELETE", set, None);
}

#[test]
fn chosen_instances_of_a_flexible_set_go_or_the_trial_says_that_they_stay() {
    let place = Place::with(|world| scale_set(world, &[]));
    place.simulate(LIVE).said(0, &["`doctor-set_ba6c6a3b` is gone"]);
    assert_eq!(verdict(&place, "flexible scale set"), "confirmed");
    nothing_is_left(&place);
    let place = Place::with(|world| scale_set(world, &["doctor-set_ba6c6a3b"]));
    place.simulate(LIVE).said(0, &["1 instances are left after the deletion of `doctor-set_ba6c6a3b`"]);
    assert_eq!(verdict(&place, "flexible scale set"), "**refuted**");
    nothing_is_left(&place);
}
