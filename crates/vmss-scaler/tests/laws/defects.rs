//! The defects of Avere's VMScaler that the pure half can show not to have, by their numbers in its inventory of 28.
//! Those left out need Azure or a process: see the crate's documentation.

use std::collections::BTreeMap;
use std::time::Duration;

use vmss_scaler::buckets::{Buckets, Class};
use vmss_scaler::names::Names;
use vmss_scaler::observe::{self, Observed, SealReason};
use vmss_scaler::reconcile::{Action, Decision};
use vmss_scaler::spec::{Policy, Priority};
use vmss_scaler::{reconcile, request};

use crate::world::harness::Farm;
use crate::world::{PLENTY, placement, seen};

const STEP: Duration = Duration::from_secs(15);
const HOUR: Duration = Duration::from_hours(1);

fn policy(density: u32) -> Policy {
    let placements =
        vec![placement("Standard_D16s_v5", 16, "1", "spot"), placement("Standard_D16s_v5", 16, "2", "spot")];
    Policy {
        density,
        ..Policy::new("/subscriptions/s/resourceGroups/rg", "studio", "render", 5000, placements)
    }
}

/// A farm at rest with so many nodes.
fn farm(nodes: u32, density: u32) -> Farm {
    let mut farm = Farm::new(7, policy(density));
    farm.want(&nodes.to_string());
    farm.converge(STEP, HOUR);
    assert_eq!(farm.running().len() as u32, nodes);
    farm
}

fn effective(farm: &Farm) -> u32 {
    farm.state().count.effective().unwrap()
}

/// A decision about what is there now, without carrying it out.
fn decide(farm: &Farm) -> Decision {
    let state = farm.state();
    let observed = Observed {
        as_of: farm.world.now,
        sets: seen(&farm.world.sets),
        asked: state.asked.clone(),
        ..Observed::empty(farm.world.now)
    };
    reconcile(&observed, &state.target(), &state.marks, &farm.policy, farm.world.now)
}

fn hours(farm: &mut Farm, hours: u32) {
    for _ in 0..hours * 12 {
        farm.pass();
        farm.wait(Duration::from_mins(5));
    }
}

#[test]
fn defect_01_a_poison_message_does_not_drain_the_target() {
    let mut farm = farm(100, 25);
    for _ in 0..20 {
        farm.message("studio-render-gone,5".to_owned());
        hours(&mut farm, 1);
    }
    assert_eq!((effective(&farm), farm.running().len()), (100, 100));
    assert!(farm.queue.is_empty());
}

#[test]
fn defect_02_one_bad_id_does_not_spoil_the_good_ones_beside_it() {
    let mut farm = farm(100, 25);
    let victims: Vec<_> = farm.running().into_iter().take(10).collect();
    for vm in &victims {
        farm.ask_to_go(*vm, "r");
    }
    let name = farm.world.sets.keys().next().unwrap().clone();
    farm.message(format!("{name},4711"));
    farm.converge(STEP, HOUR);
    assert_eq!((effective(&farm), farm.running().len()), (90, 90));
    assert!(victims.iter().all(|vm| !farm.running().contains(vm)));
}

#[test]
fn defect_03_a_failed_read_or_a_typo_does_not_lower_the_target() {
    let mut farm = farm(100, 25);
    farm.tag_readable = false;
    hours(&mut farm, 2);
    assert_eq!(effective(&farm), 100);
    farm.tag_readable = true;
    for typo in ["1,000", "-3", "ten", "", "1e3", "5.0", "99999999999999999999"] {
        farm.want(typo);
        hours(&mut farm, 1);
        assert_eq!((effective(&farm), farm.running().len()), (100, 100), "{typo:?}");
    }
}

#[test]
fn defect_04_a_failed_list_is_not_an_empty_farm() {
    let farm = farm(100, 25);
    let state = farm.state();
    let observed = Observed { sets_complete: false, ..Observed::empty(farm.world.now) };
    let decision = reconcile(&observed, &state.target(), &state.marks, &farm.policy, farm.world.now);
    assert!(decision.actions.is_empty(), "{:?}", decision.actions);
    assert!(!decision.notes.is_empty());
}

#[test]
fn defect_05_an_operators_new_number_survives_a_deletion_at_the_same_time() {
    let mut farm = farm(100, 25);
    farm.want("500");
    farm.ask_to_go(farm.running()[3], "r");
    farm.converge(STEP, HOUR);
    assert_eq!(effective(&farm), 499);
}

#[test]
fn defect_06_a_request_lowers_the_target_once_however_often_it_is_sent_or_fails() {
    let mut farm = farm(100, 25);
    let vm = farm.running()[3];
    for again in 0..18 {
        farm.ask_to_go(vm, &format!("r{again}"));
    }
    // Every second request to Azure is lost and the scaler crashes now and then.
    farm.loss = 60;
    for _ in 0..40 {
        farm.pass();
        farm.wait(STEP);
    }
    farm.calm();
    farm.converge(STEP, HOUR);
    assert_eq!((effective(&farm), farm.running().len()), (99, 99));
    assert!(!farm.running().contains(&vm));
}

#[test]
fn defect_08_a_restart_with_a_deficit_creates_nothing_too_much() {
    let mut farm = farm(100, 25);
    for vm in farm.running().into_iter().step_by(25) {
        farm.world.evict(vm);
    }
    // Each pass starts from the stored document alone: a restart every five seconds.
    for _ in 0..60 {
        farm.pass();
        farm.wait(Duration::from_secs(5));
        assert!(farm.world.all().count() <= 100 && farm.world.sets.len() <= 4);
    }
    assert_eq!(farm.running().len(), 100);
}

#[test]
fn defect_09_foreign_scale_sets_are_not_ours() {
    let policy = policy(25);
    let name = policy.names().set(5);
    let tags = |farm: &str, pool: &str| {
        [("Flamenco-Farm".to_owned(), farm.to_owned()), (observe::POOL.to_owned(), pool.to_owned())].into()
    };
    assert!(observe::owned(&name, &tags("studio", "render"), &policy));
    assert!(!observe::owned(&name, &BTreeMap::new(), &policy));
    assert!(!observe::owned(&name, &tags("other", "render"), &policy));
    assert!(!observe::owned(&name, &tags("studio", "sim"), &policy));
    assert!(!observe::owned("vmss0", &tags("studio", "render"), &policy));
}

#[test]
fn defect_10_spot_means_spot_and_nothing_falls_back_to_full_price() {
    for spot in ["spot", "Spot", "low", "Low"] {
        assert_eq!(spot.parse(), Ok(Priority::Spot));
    }
    assert_eq!("Regular".parse(), Ok(Priority::Regular));
    for wrong in ["", "Sopt", "dedicated"] {
        assert!(wrong.parse::<Priority>().is_err());
    }
}

#[test]
fn defect_11_failed_and_stuck_instances_are_no_nodes_and_are_made_anew() {
    let mut farm = farm(0, 25);
    farm.world.rough = true;
    farm.want("200");
    for _ in 0..40 {
        farm.pass();
        farm.wait(Duration::from_mins(1));
    }
    farm.world.rough = false;
    farm.converge(STEP, HOUR);
    farm.judge_rest();
}

#[test]
fn defect_12_a_set_that_cannot_grow_hides_no_deficit() {
    let mut farm = farm(50, 25);
    farm.world.room.insert(farm.policy.placements[0].clone(), 0);
    for vm in farm.running().into_iter().take(5) {
        farm.world.evict(vm);
    }
    farm.converge(STEP, Duration::from_mins(15));
    assert_eq!(farm.running().len(), 50);
    // The gap of five got five nodes, not a full set.
    assert_eq!(farm.world.all().count(), 50);
}

#[test]
fn defect_13_a_set_whose_creation_failed_is_replaced_and_removed() {
    let mut farm = farm(0, 25);
    farm.world.room.insert(farm.policy.placements[0].clone(), 0);
    farm.want("25");
    farm.converge(STEP, Duration::from_mins(15));
    assert_eq!(farm.world.sets.len(), 1);
    assert_eq!(farm.world.sets.values().next().unwrap().placement.zone.as_deref(), Some("2"));
}

#[test]
fn defect_14_a_farm_at_rest_writes_nothing() {
    farm(500, 25).judge_rest();
}

#[test]
fn defect_15_an_old_capacity_is_never_written_back() {
    let mut farm = farm(25, 25);
    let (name, set) =
        farm.world.sets.first_key_value().map(|(name, set)| (name.clone(), set.clone())).unwrap();
    farm.want("30");
    farm.policy.density = 100;
    let mut state = farm.state();
    state.count.reset(30);
    let stored = state.write().unwrap();
    farm.stored = stored;
    let decision = decide(&farm);
    let grow = &decision.actions[0].action;
    assert!(matches!(grow, Action::Grow { from: 25, to: 30, .. }), "{grow}");
    // Between the look and the request three are evicted: the etag no longer fits, nothing is written.
    for vm in farm.running().into_iter().take(3) {
        farm.world.evict(vm);
    }
    farm.world.send(grow);
    assert_eq!((farm.world.sets[&name].capacity, set.capacity), (22, 25));
}

#[test]
fn defect_16_a_wall_is_not_run_against_each_minute_and_requests_keep_below_the_buckets() {
    let mut farm = farm(0, 25);
    for room in farm.world.room.values_mut() {
        *room = 0;
    }
    farm.want("100");
    for _ in 0..50 {
        farm.pass();
        farm.wait(Duration::from_mins(1));
    }
    assert!(farm.world.writes <= 30, "{} writes in 50 minutes", farm.world.writes);
    let decision = decide(&farm);
    assert_eq!(decision.rejected.len(), 2);
    assert!(decision.rejected.iter().all(|one| one.mark.until > farm.world.now), "said until when");

    let (mut buckets, now) = (Buckets::default(), farm.world.now);
    for _ in 0..12 {
        assert_eq!(buckets.next(Class::SetUpdate, Some("a"), now), now);
        buckets.take(Class::SetUpdate, Some("a"), now);
    }
    assert_eq!(buckets.next(Class::SetUpdate, Some("A"), now), now + Duration::from_secs(15));
    assert_eq!(buckets.next(Class::SetUpdate, Some("b"), now), now);
}

#[test]
fn defect_17_a_message_goes_when_its_machine_is_gone_not_when_the_deletion_is_accepted() {
    let mut farm = farm(10, 25);
    let vm = farm.running()[0];
    farm.ask_to_go(vm, "r");
    farm.pass();
    assert!(farm.world.told.contains(&vm));
    assert_eq!(farm.queue.len(), 1);
    farm.converge(STEP, HOUR);
    assert!(farm.queue.is_empty() && !farm.running().contains(&vm));
}

#[test]
fn defect_18_a_late_message_kills_no_new_machine() {
    let mut farm = farm(10, 25);
    let name = farm.world.sets.keys().next().unwrap().clone();
    let old = farm.running()[0];
    farm.ask_to_go(old, "r");
    farm.converge(STEP, HOUR);
    farm.want("0");
    farm.converge(STEP, HOUR);
    farm.want("10");
    farm.converge(STEP, HOUR);
    // No set has the old name, and another machine under an old index has another VM id.
    assert!(!farm.world.sets.contains_key(&name));
    farm.message(format!("{name},0"));
    let (set, id) = farm.world.all().next().map(|(set, one)| (set.name.clone(), one.id.clone())).unwrap();
    farm.message(request::write("late", &set, &id, old));
    let before = farm.running();
    farm.converge(STEP, HOUR);
    assert_eq!((effective(&farm), farm.running()), (10, before));
}

#[test]
fn defect_19_sealed_and_partial_sets_do_not_pile_up() {
    let mut farm = farm(400, 25);
    for round in 0..60 {
        let vms: Vec<_> = farm.running().into_iter().skip(round % 7).step_by(9).collect();
        for vm in vms {
            farm.world.evict(vm);
        }
        let zone = farm.policy.placements[round % 2].clone();
        farm.world.room.insert(zone, if round % 3 == 0 { 0 } else { PLENTY });
        for _ in 0..8 {
            farm.pass();
            farm.wait(Duration::from_mins(1));
        }
        let open = farm.world.sets.values().filter(|set| set.seal.is_none()).count();
        assert!(open <= 400 / 25 + 2 + 2, "{open} open sets in round {round}");
        assert!(farm.world.sets.len() <= 60, "{} sets in round {round}", farm.world.sets.len());
    }
}

#[test]
fn defect_20_a_typo_in_the_tag_starts_no_more_than_max_nodes() {
    let mut farm = farm(10, 25);
    farm.policy.max_nodes = 60;
    farm.want("10000");
    farm.pass();
    assert_eq!(farm.world.sets.values().map(|set| set.capacity).sum::<u32>(), 60);
    assert!(farm.last.unwrap().notes.iter().any(|note| note.to_string().contains("maxNodes")));
}

#[test]
fn defect_21_an_empty_set_that_is_wanted_is_refilled_not_removed() {
    let mut farm = farm(10, 25);
    let name = farm.world.sets.keys().next().unwrap().clone();
    farm.running().into_iter().for_each(|vm| farm.world.evict(vm));
    farm.converge(STEP, HOUR);
    assert_eq!(farm.world.sets.keys().collect::<Vec<_>>(), [&name]);
}

#[test]
fn defect_25_long_names_and_odd_cases_of_the_group_are_no_trouble() {
    let group = format!("/subscriptions/s/resourceGroups/{}", "Render.Farm_(Munich)".repeat(4));
    let names = Names::new(&group, "studio", "render");
    assert_eq!(names.check(), Ok(()));
    assert_eq!(names, Names::new(&group.to_uppercase(), "studio", "render"));
}

#[test]
fn defect_26_computer_names_of_two_farms_and_of_two_sets_never_meet() {
    let one = Names::new("/subscriptions/s/resourceGroups/a", "studio", "render");
    let two = Names::new("/subscriptions/s/resourceGroups/b", "studio", "render");
    assert_ne!(one.computer_prefix(0), two.computer_prefix(0));
    assert_ne!(one.computer_prefix(0), one.computer_prefix(1));
    assert_ne!(one.computer_prefix(0)[..12], two.computer_prefix(1)[..12]);
}

#[test]
fn defect_27_what_is_said_to_be_sealed_is_sealed_and_for_that_reason() {
    let mut farm = farm(50, 25);
    farm.world.room.insert(farm.policy.placements[0].clone(), 0);
    for vm in farm.running().into_iter().take(5) {
        farm.world.evict(vm);
    }
    farm.converge(STEP, Duration::from_mins(15));
    let sealed: Vec<_> = farm.world.sets.values().filter_map(|set| set.seal).collect();
    assert_eq!(sealed.iter().map(|seal| seal.why).collect::<Vec<_>>(), vec![SealReason::Wall; sealed.len()]);
    assert!(!sealed.is_empty());
    let said =
        farm.world.trace.iter().filter(|line| line.contains(" seal ") && line.ends_with("accepted")).count();
    assert_eq!(said, sealed.len());
}
