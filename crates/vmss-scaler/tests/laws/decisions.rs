//! What is decided about farms at hand.

use std::time::Duration;

use flamenco_azure_core::arm::classify::{CapacityScope, Kind};
use jiff::Timestamp;
use vmss_scaler::asked::Asked;
use vmss_scaler::marks::{Marks, PROBE_AFTER};
use vmss_scaler::observe::{InstanceState, Observed, Provisioning, RenderView, Seal, SealReason};
use vmss_scaler::reconcile::{Action, VictimWhy};
use vmss_scaler::spec::{Policy, Priority};
use vmss_scaler::{Target, reconcile};

use super::{farm, now, policy, victims};

#[test]
fn lowering_takes_booting_then_idle_then_the_newest_and_unknown_counts_as_busy() {
    let mut observed = farm(&[4, 4]);
    let vm = |set: usize, n: usize| observed.sets[set].instances.as_ref().unwrap()[n].vm;
    let (booting, idle, busy, newest) = (vm(1, 0), vm(0, 1), vm(1, 2), vm(1, 3));
    let second = vm(0, 3);
    observed.view = RenderView { busy: [(idle, false), (busy, true)].into() };
    let first = &mut observed.sets[1].instances.as_mut().unwrap()[0];
    first.state = InstanceState::Creating;
    first.created = now();
    let order = [
        (booting, VictimWhy::SurplusBooting),
        (idle, VictimWhy::SurplusIdle),
        (second, VictimWhy::SurplusNewest),
    ];
    for count in 0..=3 {
        let mut gone = victims(&observed, &Target::nodes(8 - count));
        gone.sort();
        let mut expected: Vec<_> = order[..count as usize].to_vec();
        // Both sets' newest are as old; the VM id decides, so the choice is the same each time.
        expected.sort();
        assert_eq!(gone, expected, "{newest}");
    }
}

#[test]
fn partial_sets_are_refilled_fullest_first_and_the_last_set_is_partial() {
    let grown = |sizes: &[u32], target: u32| -> Vec<(u32, u32)> {
        let decision = reconcile(&farm(sizes), &Target::nodes(target), &Marks::default(), &policy(), now());
        let all = decision.actions.into_iter().filter_map(|planned| match planned.action {
            Action::Grow { from, to, .. } => Some((from, to)),
            Action::Create { capacity, .. } => Some((0, capacity)),
            _ => None,
        });
        all.collect()
    };
    assert_eq!(grown(&[10, 7, 9], 27), [(9, 10)]);
    assert_eq!(grown(&[10, 7, 9], 28), [(9, 10), (7, 8)]);
    assert_eq!(grown(&[10, 7, 9], 33), [(9, 10), (7, 10), (0, 3)]);
    assert_eq!(grown(&[], 1), [(0, 1)]);
    assert_eq!(grown(&[10, 10], 20), []);
}

#[test]
fn regular_placements_get_no_more_than_their_share() {
    let mut marks = Marks::default();
    let spot = policy().placements[0].clone();
    marks.refused(&spot, "SkuNotAvailable", &Kind::CapacityUnavailable { scope: CapacityScope::Sku }, now());
    for (percent, nodes) in [(0, 0), (25, 10), (100, 40)] {
        let policy = Policy { on_demand_percent: percent, ..policy() };
        let decision = reconcile(&farm(&[]), &Target::nodes(40), &marks, &policy, now());
        let regular: u32 = decision
            .actions
            .iter()
            .map(|planned| match &planned.action {
                Action::Create { capacity, placement, .. } if placement.priority == Priority::Regular => {
                    *capacity
                }
                other => panic!("{other}"),
            })
            .sum();
        assert_eq!(regular, nodes);
        assert_eq!(decision.rejected.len(), 1);
        assert!(
            decision.rejected[0].to_string().contains("2026-01-01T13:00:00Z"),
            "{}",
            decision.rejected[0]
        );
    }
}

#[test]
fn with_nowhere_to_go_one_set_is_tried_and_not_unsealed() {
    let mut marks = Marks::default();
    let no_spot = Kind::CapacityUnavailable { scope: CapacityScope::Sku };
    marks.refused(&policy().placements[0], "SkuNotAvailable", &no_spot, now());
    let mut observed = farm(&[4, 5]);
    for set in &mut observed.sets {
        set.sealed = Some(Seal { at: now(), why: SealReason::Wall });
    }
    let asked = |observed: &Observed, marks: &Marks, percent: u8, after: Duration| {
        let policy = Policy { on_demand_percent: percent, ..policy() };
        let observed = Observed { as_of: now() + after, ..observed.clone() };
        let decision = reconcile(&observed, &Target::nodes(40), marks, &policy, now() + after);
        let all = decision.actions.into_iter().map(|planned| match planned.action {
            Action::Grow { from, to, unseal, placement, .. } => (placement.priority, from, to, unseal),
            Action::Create { capacity, placement, .. } => (placement.priority, 0, capacity, false),
            other => panic!("{other}"),
        });
        all.collect::<Vec<_>>()
    };
    let spot = |from, to, unseal| (Priority::Spot, from, to, unseal);
    let soon = PROBE_AFTER.saturating_sub(Duration::from_secs(1));
    assert_eq!(asked(&observed, &marks, 0, soon), []);
    assert_eq!(asked(&observed, &marks, 0, PROBE_AFTER), [spot(5, 10, false)]);
    let paid = asked(&observed, &marks, 100, PROBE_AFTER);
    assert!(paid.iter().all(|one| one.0 == Priority::Regular), "there is a way to go: {paid:?}");
    assert_eq!(asked(&farm(&[]), &marks, 0, PROBE_AFTER), [spot(0, 10, false)]);
    // While one is tried, nothing else is.
    let mut trying = observed.clone();
    trying.sets[0].provisioning = Provisioning::Updating;
    assert_eq!(asked(&trying, &marks, 0, PROBE_AFTER), []);
    // It was granted: the rest follows.
    marks.granted(&policy().placements[0], now());
    assert_eq!(asked(&observed, &marks, 0, PROBE_AFTER).len(), 4, "both are filled, two are made");
    marks.refused(&policy().placements[0], "SkuNotAvailable", &no_spot, now());
    marks.granted(&policy().placements[0], now() - Duration::from_secs(1));
    assert_eq!(asked(&observed, &marks, 0, Duration::ZERO), [], "refused after that was asked for");
}

#[test]
fn a_set_that_failed_is_not_asked_again_before_it_is_known_why() {
    let mut observed = farm(&[4]);
    observed.sets[0].provisioning = Provisioning::Failed;
    let actions = |observed: &Observed| {
        reconcile(observed, &Target::nodes(10), &Marks::default(), &policy(), now()).actions.len()
    };
    assert_eq!(actions(&observed), 1);
    observed.growing.insert(observed.sets[0].name.clone());
    assert_eq!(actions(&observed), 0);
}

#[test]
fn a_deletion_that_failed_is_undone_in_the_books_by_a_younger_look_only() {
    let mut observed = farm(&[10]);
    let decide = |observed: &Observed, nodes, now| {
        reconcile(observed, &Target::nodes(nodes), &Marks::default(), &policy(), now)
    };
    let first = decide(&observed, 6, now());
    let [planned] = &first.actions[..] else { panic!("one deletion: {:?}", first.actions) };
    let mut asked = observed.asked.clone();
    asked.note(&first, now());
    let accepted = now() + Duration::from_secs(1);
    asked.accepted(&planned.action, accepted);
    let heard = now() + Duration::from_secs(50);
    let mut seen = |as_of: Timestamp, asked: &Asked| {
        observed.as_of = as_of;
        observed.asked = asked.clone();
        decide(&observed, 6, as_of)
    };
    let later = heard + Duration::from_secs(5);
    assert_eq!((seen(later, &asked).nodes, seen(later, &asked).actions.len()), (6, 0), "on their way");
    // Another request's failure says nothing about this one.
    asked.failed(&planned.action, now(), heard);
    assert_eq!(seen(later, &asked).nodes, 6);
    asked.failed(&planned.action, accepted, heard);
    assert_eq!(seen(heard, &asked).nodes, 6, "as of before it was heard: some may be gone since");
    let again = seen(later, &asked);
    assert_eq!(again.nodes, 10);
    assert_eq!(again.actions[0].action, planned.action, "and the same ones are told once more");
    asked.note(&again, later);
    assert_eq!(seen(later + Duration::from_secs(5), &asked).actions, []);
}

#[test]
fn places_of_machines_that_have_to_go_and_went_by_themselves_are_not_filled_twice() {
    // Ten are listed, two of them broken; Azure's capacity is without the two already.
    let mut observed = farm(&[10]);
    observed.sets[0].capacity = 8;
    for broken in &mut observed.sets[0].instances.as_mut().unwrap()[..2] {
        broken.state = InstanceState::Failed;
    }
    let policy = Policy { density: 40, ..policy() };
    let grown = |observed: &Observed| {
        let decision = reconcile(observed, &Target::nodes(12), &Marks::default(), &policy, now());
        decision.actions.iter().find_map(|one| match one.action {
            Action::Grow { to, .. } => Some(to),
            _ => None,
        })
    };
    assert_eq!(grown(&observed), Some(12));
    // They are there: their places go with them.
    observed.sets[0].capacity = 10;
    assert_eq!(grown(&observed), Some(14));
    // A capacity below the nodes that are listed: none of them is put at risk.
    observed.sets[0].capacity = 5;
    assert_eq!(grown(&observed), Some(12));
}

#[test]
fn without_a_target_or_with_an_old_look_nothing_is_done() {
    let mut observed = farm(&[10, 3]);
    assert!(reconcile(&observed, &Target::default(), &Marks::default(), &policy(), now()).actions.is_empty());
    observed.as_of = now() - Duration::from_secs(61);
    assert!(reconcile(&observed, &Target::nodes(0), &Marks::default(), &policy(), now()).actions.is_empty());
    assert!(reconcile(&observed, &Target::nodes(40), &Marks::default(), &policy(), now()).actions.is_empty());
}
