//! Laws of evictions and of the Spot market.

use azure_sim::{Action, Fault, Match, SpotWalk, World};
use serde_json::{Value, json};

use crate::fleet::*;
use crate::support::*;

const HERE: &str = "westeurope";

fn zonal(zones: &[&str], capacity: u64) -> Value {
    let mut body = body("Flexible", capacity);
    body["zones"] = json!(zones);
    body
}

fn running(world: &World) -> usize {
    world.set_instances(&set("farm")).iter().filter(|i| i.allocated).count()
}

#[test]
fn the_policy_says_whether_the_evicted_stay() {
    for policy in ["Delete", "Deallocate"] {
        let mut w = ground();
        let mut body = body("Uniform", 4);
        body["properties"]["virtualMachineProfile"]["evictionPolicy"] = json!(policy);
        assert_eq!(put(&mut w, &set("farm"), &body).status, 201);
        w.advance_by(400);
        let instance = format!("{}/virtualMachines/1", set("farm"));
        assert_eq!(send(&mut w, "POST", &format!("{instance}/simulateEviction"), None).status, 204);
        w.advance_by(31);
        let view = get(&mut w, &format!("{instance}/instanceView"));
        if policy == "Delete" {
            assert_eq!(code(&view), (404, "NotFound".to_owned()));
            assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm").0), (3, 3));
        } else {
            assert_eq!(view.json_body()["statuses"][1]["code"], "PowerState/deallocated");
            assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm").0), (4, 4));
        }
        assert_eq!(w.cores_in_use()["westeurope/lowprioritycores"], 12);
        let start = format!("{}/start", set("farm"));
        assert_eq!(send(&mut w, "POST", &start, Some(&json!({"instanceIds": ["*"]}))).status, 202);
        w.advance_by(60);
        assert_eq!(running(&w), if policy == "Delete" { 3 } else { 4 });
    }
}

#[test]
fn regular_machines_are_not_evicted() {
    let mut w = ground();
    assert_eq!(put(&mut w, &set("farm"), &regular("Uniform", 2)).status, 201);
    w.advance_by(400);
    let path = format!("{}/virtualMachines/0/simulateEviction", set("farm"));
    assert_eq!(code(&send(&mut w, "POST", &path, None)), (409, "OperationNotAllowed".to_owned()));
    assert!(w.evict_some(5).is_empty());
    assert!(w.wipe_out(HERE, SIZE, None).is_empty());
}

#[test]
fn the_seed_chooses_whom_and_no_one_twice() {
    let chosen = || {
        let mut w = ground();
        settled(&mut w, "farm", "Flexible", 60);
        let mut gone = w.evict_some(20);
        gone.extend(w.evict_some(20));
        w.advance_by(40);
        assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm").0), (20, 20));
        gone
    };
    let first = chosen();
    assert_eq!(first, chosen());
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 40);
}

#[test]
fn what_is_short_comes_in_part_and_the_rest_is_owed() {
    let mut w = ground();
    w.spot_capacity(HERE, SIZE, None, Some(6));
    let accepted = put(&mut w, &set("farm"), &body("Uniform", 10));
    assert_eq!(accepted.status, 201);
    w.advance_by(600);
    assert_eq!(outcome(&mut w, &accepted), ("Failed".to_owned(), "SkuNotAvailable".to_owned()));
    assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm")), (6, (10, "Failed".to_owned())));
    // Nothing at all: refused at once, and no second set is there.
    let refused = put(&mut w, &set("more"), &body("Uniform", 1));
    assert_eq!(code(&refused), (409, "SkuNotAvailable".to_owned()));
    assert_eq!(get(&mut w, &set("more")).status, 404);
    // What is owed comes when the same number is asked for again.
    w.spot_capacity(HERE, SIZE, None, None);
    let again = scale(&mut w, "farm", 10);
    w.advance_by(600);
    assert_eq!(outcome(&mut w, &again).0, "Succeeded");
    assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm")), (10, (10, "Succeeded".to_owned())));
}

#[test]
fn zones_run_short_each_for_itself() {
    let mut w = ground();
    w.spot_capacity(HERE, SIZE, Some("1"), Some(1));
    let accepted = put(&mut w, &set("farm"), &zonal(&["1", "2"], 8));
    assert_eq!(accepted.status, 201, "{}", accepted.json_body());
    let zones: Vec<_> = w.set_instances(&set("farm")).iter().map(|i| i.zone.unwrap()).collect();
    assert_eq!((zones.len(), zones.iter().map(|zone| u32::from(*zone == 1)).sum::<u32>()), (8, 1));
    w.spot_capacity(HERE, SIZE, Some("2"), Some(7));
    let more = scale(&mut w, "farm", 9);
    w.advance_by(600);
    assert_eq!(
        outcome(&mut w, &more),
        ("Failed".to_owned(), "OverconstrainedZonalAllocationRequest".to_owned())
    );
    let gone = w.wipe_out(HERE, SIZE, Some("2"));
    assert_eq!(gone.len(), 7);
    w.advance_by(31);
    assert_eq!(
        (ids(&w, "farm").len(), state(&mut w, "farm").0),
        (1, 2),
        "the one that is owed is not forgotten"
    );
}

#[test]
fn regular_allocations_fail_with_their_own_codes() {
    for (zones, wanted) in [(json!(null), "AllocationFailed"), (json!(["1"]), "ZonalAllocationFailed")] {
        let mut w = ground();
        w.set_capacity(HERE, SIZE, Some(2));
        let mut body = regular("Flexible", 3);
        body["zones"] = zones;
        let accepted = put(&mut w, &set("farm"), &body);
        assert_eq!(accepted.status, 201);
        w.advance_by(600);
        assert_eq!(outcome(&mut w, &accepted), ("Failed".to_owned(), wanted.to_owned()));
        assert_eq!(ids(&w, "farm").len(), 2);
    }
}

#[test]
fn an_injected_refusal_lets_no_machine_come() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 2);
    let refusal = Action::operation_fails("AllocationFailed", "no room");
    w.inject(Fault::once(Match::on("PATCH", "/virtualMachineScaleSets/farm"), refusal));
    let accepted = scale(&mut w, "farm", 5);
    w.advance_by(600);
    assert_eq!(outcome(&mut w, &accepted), ("Failed".to_owned(), "AllocationFailed".to_owned()));
    assert_eq!((ids(&w, "farm").len(), state(&mut w, "farm")), (2, (5, "Failed".to_owned())));
}

#[test]
fn capacity_that_shrinks_takes_machines_back() {
    let mut w = ground();
    settled(&mut w, "farm", "Flexible", 30);
    let later = w.now().checked_add(jiff::SignedDuration::from_secs(100)).unwrap();
    w.spot_capacity_at(later, HERE, SIZE, None, Some(12));
    w.advance_by(99);
    assert_eq!(running(&w), 30);
    w.advance_by(32);
    assert_eq!((running(&w), state(&mut w, "farm").0), (12, 12));
}

#[test]
fn a_walk_stays_within_its_bounds_and_follows_the_seed() {
    let walk = SpotWalk { least: 5, most: 25, step: 4, every_s: 60 };
    let series = || {
        let mut w = ground();
        settled(&mut w, "farm", "Flexible", 30);
        w.spot_walk(HERE, SIZE, None, Some(walk));
        let mut seen = Vec::new();
        for _ in 0..60 {
            w.advance_by(60);
            scale(&mut w, "farm", 30);
            seen.push(running(&w));
        }
        w.spot_walk(HERE, SIZE, None, None);
        seen
    };
    let first = series();
    assert!(first.iter().skip(2).all(|count| (5..=30).contains(count)), "{first:?}");
    assert!(first.iter().collect::<std::collections::BTreeSet<_>>().len() > 3, "{first:?}");
    assert_eq!(first, series());
}

#[test]
fn a_mix_keeps_its_regular_share() {
    let mut w = ground();
    let mut body = body("Flexible", 12);
    body["properties"]["priorityMixPolicy"] =
        json!({"baseRegularPriorityCount": 2, "regularPriorityPercentageAboveBase": 30});
    assert_eq!(put(&mut w, &set("farm"), &body).status, 201);
    let regular = w.set_instances(&set("farm")).iter().filter(|i| !i.spot).count();
    assert_eq!(regular, 2 + 3);
}

#[test]
fn allocated_machines_cost_by_the_second_and_spot_ones_less() {
    let cost = |body: Value| {
        let mut w = ground();
        assert_eq!(put(&mut w, &set("farm"), &body).status, 201);
        w.advance_by(3600);
        w.cost().iter().find(|line| line.id == set("farm")).unwrap().usd
    };
    let (spot, full) = (cost(body("Uniform", 10)), cost(regular("Uniform", 10)));
    assert!((full - 10.0 * 0.172).abs() < 0.5 && spot < full / 2.0, "{spot} {full}");
}
