//! `doctor`: what a first run needs is found or named, and nothing is written.

use azure_sim::{Action, Fault, Match, Role, World};
use serde_json::Value;

use crate::place;
use crate::support::Place;

/// One obstacle at a time: the topic that names it, and the words that say how to get past it.
type Obstacle = (fn(&mut World), &'static str, &'static [&'static str]);

const OBSTACLES: &[Obstacle] = &[
    (|w| w.inject(Fault::always(Match::any(), Action::ExpiredToken)), "sign-in", &["az login"]),
    (
        |w| w.principal_mut().set_subscription_role(Some(Role::Reader)),
        "rights",
        &["Contributor", "az role assignment create"],
    ),
    (|w| w.set_limit("westeurope", "cores", 1), "quotas", &["az quota update", "value=2"]),
    (|w| w.restrict_size("westeurope", "Standard_F16s"), "sizes", &["choose another size"]),
    (|w| w.take_name("storage", "studiofiles"), "names", &["choose another one"]),
    (|w| w.set_limit("westeurope", "batch/accounts", 0), "batch", &["Service and subscription limits"]),
    (
        |w| {
            w.inject(Fault::always(
                Match::on("HEAD", "/release/Blender4.5/"),
                Action::error(404, "NotFound", ""),
            ));
        },
        "archives",
        &["blender-4.5.14.sha256 does not exist", "blender.version"],
    ),
];

#[test]
fn a_machine_and_a_subscription_that_have_everything_are_told_so() {
    let place = place();
    let before = place.holdings();
    let ran = place.simulate("doctor");
    ran.said(0, &["everything that a first deploy needs is there"]);
    assert!(!ran.out.contains("bad ") && !ran.out.contains("note"), "{}", ran.out);
    assert_eq!(place.holdings(), before);
    place.simulate("deploy --yes --quiet").ended(0, &[]);
    let before = place.holdings();
    place.simulate("doctor").said(0, &["all free, or the farm's own"]);
    assert_eq!(place.holdings(), before);
}

#[test]
fn each_obstacle_is_named_with_the_way_past_it_and_nothing_is_written() {
    for (obstacle, topic, words) in OBSTACLES {
        let place = place();
        place.poke(obstacle);
        let before = place.holdings();
        let ran = place.simulate("doctor");
        ran.said(1, words);
        assert!(ran.out.contains(&format!("bad   {topic}")), "{topic}: {}", ran.out);
        let all: Vec<Value> = place
            .simulate("doctor --json")
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|event: &Value| event["event"] == "doctor")
            .collect();
        let checks = all[0]["checks"].as_array().unwrap();
        assert!(
            checks.iter().any(|c| c["topic"] == *topic && c["state"] == "bad" && c["remedy"].is_string())
        );
        assert_eq!(place.holdings(), before, "{topic}");
    }
}

#[test]
fn what_is_only_worth_knowing_does_not_fail() {
    let place = place();
    place.poke(|world| world.unregister("Microsoft.Batch"));
    place
        .simulate("doctor")
        .said(0, &["note  providers", "Microsoft.Batch", "the first deploy registers them"]);
}

#[test]
fn a_machine_without_ssh_and_without_a_farm_file_hears_of_both_at_once() {
    let place = Place::new();
    let empty = place.path("home").display().to_string();
    let ran = crate::support::fed(
        place.command().env("PATH", empty).args(["doctor", "--simulate", "w.json", "--no-input"]),
        "",
    );
    ran.said(1, &["bad   farm file", "flamenco-azure init", "bad   ssh", "note  download", "ok    sign-in"]);
}
