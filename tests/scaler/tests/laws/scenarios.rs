//! Two of the scenarios of docs/scaler-comparison.md, so that the table does not go stale unnoticed.

use scaler_yard::scenarios::{Who, all, compare, play};

#[test]
fn one_node_is_one_node_and_a_message_about_nothing_costs_nothing() {
    let mut scenarios = all();
    scenarios.retain(|one| matches!(one.name, "A" | "B"));
    for one in &mut scenarios {
        one.minutes = one.minutes.min(90);
    }
    let rows = compare(&scenarios, 1);
    let [old, new] = &rows["A"];
    assert_eq!((old.over, new.over), (24, 0), "1 is 25 to the old one");
    assert!(new.off_target < old.off_target / 10.0);
    let [old, new] = &rows["B"];
    assert_eq!((old.lost, new.lost), (9, 0), "one node each ten minutes, for ever");
    assert!(old.writes > 200 && new.writes == 0);
}

#[test]
fn a_scenario_plays_the_same_every_time() {
    let mut scenario = all().remove(3);
    scenario.minutes = 20;
    for who in [Who::Old, Who::New] {
        assert_eq!(play(&scenario, who, 5), play(&scenario, who, 5));
    }
}
