//! What a farm does, seen from outside.

use std::time::Duration;

use vmss_scaler::spec::Policy;

use crate::world::harness::Farm;
use crate::world::{PLENTY, placement};

const STEP: Duration = Duration::from_secs(15);
const HOUR: Duration = Duration::from_hours(1);

fn farm(nodes: u32, change: impl FnOnce(&mut Policy)) -> Farm {
    let placements =
        vec![placement("Standard_D16s_v5", 16, "1", "spot"), placement("Standard_D16s_v5", 16, "2", "spot")];
    let mut policy = Policy::new("/subscriptions/s/resourceGroups/rg", "studio", "render", 5000, placements);
    change(&mut policy);
    let mut farm = Farm::new(3, policy);
    farm.want(&nodes.to_string());
    farm.converge(STEP, HOUR);
    farm
}

fn capacity(farm: &Farm) -> u32 {
    farm.world.sets.values().map(|set| set.capacity).sum()
}

#[test]
fn a_count_is_exact_and_one_means_one() {
    for nodes in [0, 1, 24, 25, 26, 1000] {
        let farm = farm(nodes, |_| {});
        assert_eq!(farm.world.all().count() as u32, nodes);
        assert_eq!(farm.world.sets.len() as u32, nodes.div_ceil(25), "{nodes}");
    }
}

#[test]
fn evictions_are_replaced_in_one_pass_and_without_a_new_set() {
    let mut farm = farm(100, |_| {});
    for vm in farm.running().into_iter().step_by(5) {
        farm.world.evict(vm);
    }
    assert_eq!(capacity(&farm), 80);
    farm.pass();
    assert_eq!((capacity(&farm), farm.world.sets.len()), (100, 4));
}

#[test]
fn failed_machines_are_replaced_in_their_own_set() {
    let mut farm = farm(0, |_| {});
    farm.world.rough = true;
    farm.want("100");
    for _ in 0..8 {
        farm.pass();
        farm.wait(Duration::from_secs(30));
    }
    farm.world.rough = false;
    farm.converge(STEP, HOUR);
    let failed = farm.world.trace.iter().filter(|line| line.contains("failed to start")).count();
    assert!(failed > 0, "the world was rough");
    assert_eq!((farm.running().len(), farm.world.sets.len()), (100, 4));
}

#[test]
fn stragglers_are_raced_and_the_losers_removed() {
    let up = |extra: u32| {
        let mut farm = farm(0, |policy| policy.overprovision = extra);
        farm.world.rough = true;
        farm.want("60");
        let start = farm.world.now;
        let mut most = 0;
        while farm.running().len() < 60 {
            farm.pass();
            most = most.max(
                farm.world
                    .all()
                    .filter(|(_, one)| one.state < vmss_scaler::observe::InstanceState::Failed)
                    .count(),
            );
            farm.wait(STEP);
        }
        let took = farm.world.now.duration_since(start);
        farm.world.rough = false;
        farm.converge(STEP, HOUR);
        farm.judge_rest();
        (took, most)
    };
    let (alone, most_alone) = up(0);
    let (raced, most_raced) = up(5);
    assert!(most_alone <= 60 && (61..=65).contains(&most_raced), "{most_alone} {most_raced}");
    assert!(raced < alone, "{raced} {alone}");
}

#[test]
fn a_walled_placement_is_left_sealed_and_used_again_when_its_mark_is_over() {
    let mut farm = farm(40, |_| {});
    let first = farm.policy.placements[0].clone();
    farm.world.room.insert(first.clone(), 0);
    for vm in farm.running().into_iter().take(6) {
        farm.world.evict(vm);
    }
    farm.converge(STEP, Duration::from_mins(15));
    let sealed = |farm: &Farm| farm.world.sets.values().filter(|set| set.seal.is_some()).count();
    assert!(sealed(&farm) > 0 && farm.world.sets.values().any(|set| set.placement != first));
    farm.world.room.insert(first, PLENTY);
    farm.wait(Duration::from_mins(61));
    farm.want("60");
    farm.converge(STEP, HOUR);
    assert_eq!((sealed(&farm), farm.running().len()), (0, 60));
}

#[test]
fn where_no_placement_is_open_one_set_is_tried_long_before_the_mark_is_over() {
    let mut farm = farm(0, |policy| policy.placements.truncate(1));
    let only = farm.policy.placements[0].clone();
    farm.world.room.insert(only.clone(), 0);
    farm.want("100");
    for _ in 0..6 {
        farm.pass();
        farm.wait(Duration::from_secs(30));
    }
    farm.world.room.insert(only, PLENTY);
    for _ in 0..8 {
        farm.pass();
        farm.wait(Duration::from_mins(1));
    }
    assert_eq!(farm.running().len(), 0, "not run against each minute");
    farm.converge(STEP, Duration::from_mins(45));
    assert_eq!(farm.running().len(), 100, "long before the hour is over");
}

#[test]
fn a_crash_before_sending_asks_for_nothing_twice_and_delays_only_by_the_patience() {
    let mut farm = farm(10, |_| {});
    farm.want("35");
    let mut state = farm.state();
    state.count.reset(35);
    // Decided and stored, never sent.
    let observed = vmss_scaler::Observed {
        as_of: farm.world.now,
        sets: crate::world::seen(&farm.world.sets),
        asked: state.asked.clone(),
        ..vmss_scaler::Observed::empty(farm.world.now)
    };
    let decision =
        vmss_scaler::reconcile(&observed, &state.target(), &state.marks, &farm.policy, farm.world.now);
    assert_eq!(decision.actions.len(), 2);
    state.asked.note(&decision, farm.world.now);
    farm.stored = state.write().unwrap();
    farm.pass();
    assert_eq!(capacity(&farm), 10);
    farm.wait(farm.policy.redo_after + Duration::from_secs(1));
    farm.pass();
    assert_eq!((capacity(&farm), farm.world.sets.len()), (35, 2));
}

#[test]
fn scaling_down_leaves_few_open_sets_and_up_again_uses_them() {
    let mut farm = farm(400, |_| {});
    for (at, vm) in farm.running().into_iter().enumerate() {
        farm.busy.insert(vm, at % 4 == 0);
    }
    farm.want("100");
    farm.converge(STEP, HOUR);
    assert!(farm.running().iter().all(|vm| farm.busy[vm]), "only idle nodes went");
    let open = farm.world.sets.values().filter(|set| set.seal.is_none()).count();
    assert!(open <= 4 + 2, "{open} open sets for 100 nodes");
    let before: Vec<_> = farm.world.sets.keys().cloned().collect();
    farm.want("400");
    farm.converge(STEP, HOUR);
    assert_eq!(farm.world.sets.keys().cloned().collect::<Vec<_>>(), before);
}
