//! Laws of the parts, over arbitrary input.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use flamenco_azure_core::arm::classify::{CapacityScope, Kind};
use jiff::Timestamp;
use proptest::prelude::*;
use vmss_scaler::asked::Asked;
use vmss_scaler::buckets::{Buckets, Class};
use vmss_scaler::error::TargetError;
use vmss_scaler::ledger::{Fate, Ledger, MOST_FAILURES, Verdict};
use vmss_scaler::marks::{Cause, Mark, Marks, PROBE_AFTER, Reach, Scope, Zones};
use vmss_scaler::names::{COMPUTER_SUFFIX, Names};
use vmss_scaler::observe::{
    Instance, InstanceState, Observed, Provisioning, RenderView, ScaleSet, Seal, SealReason, VmId,
};
use vmss_scaler::reconcile::{Action, VictimWhy};
use vmss_scaler::spec::{Density, Image, Payload, Placement, Policy, Priority};
use vmss_scaler::target::{self, Count, Reading};
use vmss_scaler::{State, Target, reconcile, request};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn place(vcpus: u32, zone: &str, priority: Priority) -> Placement {
    Placement {
        sku: format!("Standard_D{vcpus}s_v5"),
        family: "standardDSv5Family".to_owned(),
        vcpus,
        zone: (!zone.is_empty()).then(|| zone.to_owned()),
        priority,
    }
}

fn policy() -> Policy {
    let placements = vec![place(16, "1", Priority::Spot), place(16, "", Priority::Regular)];
    Policy {
        density: 10,
        ..Policy::new("/subscriptions/s/resourceGroups/rg", "studio", "render", 40, placements)
    }
}

fn set(generation: u64, nodes: u32) -> ScaleSet {
    let instance = |n: u32| Instance {
        id: n.to_string(),
        vm: VmId::from_u128((u128::from(generation) << 32) + u128::from(n)),
        created: now() - Duration::from_secs(7200 - u64::from(n)),
        state: InstanceState::Running,
    };
    ScaleSet {
        name: policy().names().set(generation),
        generation,
        placement: policy().placements[0].clone(),
        capacity: nodes,
        provisioning: Provisioning::Succeeded,
        sealed: None,
        etag: Some("1".to_owned()),
        instances: Some((0..nodes).map(instance).collect()),
    }
}

fn farm(sizes: &[u32]) -> Observed {
    let sets = sizes.iter().enumerate().map(|(at, nodes)| set(at as u64, *nodes)).collect();
    Observed { sets, ..Observed::empty(now()) }
}

fn victims(observed: &Observed, target: &Target) -> Vec<(VmId, VictimWhy)> {
    let decision = reconcile(observed, target, &Marks::default(), &policy(), now());
    let all = decision.actions.into_iter().filter_map(|planned| match planned.action {
        Action::Delete { victims, .. } => Some(victims),
        _ => None,
    });
    all.flatten().map(|victim| (victim.vm, victim.why)).collect()
}

#[test]
fn a_target_is_digits_and_nothing_else() {
    for (text, nodes) in [("0", 0), ("5", 5), (" 5 ", 5), ("007", 7), ("4294967295", u32::MAX)] {
        assert_eq!(target::parse(text), Ok(nodes), "{text:?}");
    }
    for (text, error) in [
        ("", TargetError::Empty),
        ("  ", TargetError::Empty),
        ("-3", TargetError::Negative),
        ("1,000", TargetError::NoDigit { character: ',' }),
        ("+5", TargetError::NoDigit { character: '+' }),
        ("-", TargetError::NoDigit { character: '-' }),
        ("5.0", TargetError::NoDigit { character: '.' }),
        ("٣", TargetError::NoDigit { character: '٣' }),
        ("4294967296", TargetError::TooLarge),
        ("99999999999999999999999", TargetError::TooLarge),
    ] {
        assert_eq!(target::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn the_pools_own_tag_wins_and_the_plain_one_counts_only_for_a_sole_pool() {
    let tags = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let both = tags(&[("total_nodes", "3"), ("Total_Nodes.studio.render", "4")]);
    let plain = tags(&[("TOTAL_NODES", "3")]);
    assert_eq!(target::read(Some(&both), "studio", "render", true), Reading::Nodes(4));
    assert_eq!(target::read(Some(&plain), "studio", "render", true), Reading::Nodes(3));
    assert_eq!(target::read(Some(&plain), "studio", "render", false), Reading::Absent);
    assert_eq!(target::read(None, "studio", "render", true), Reading::Unread);
}

#[test]
fn density_keeps_to_azures_limits() {
    let auto = Density::default();
    let resolve = |density: Density| density.resolve().ok();
    assert_eq!(resolve(auto), Some(25));
    assert_eq!(resolve(Density { payload: Payload::HeavyImage, ..auto }), Some(250));
    assert_eq!(resolve(Density { payload: Payload::HeavyImage, gpu_spread: true, ..auto }), Some(200));
    for (image, gpu_spread, most) in
        [(Image::Gallery, false, 1000), (Image::Managed, false, 600), (Image::Marketplace, true, 200)]
    {
        let given = |nodes| Density { vms_per_scale_set: Some(nodes), image, gpu_spread, ..auto };
        assert_eq!(resolve(given(most)), Some(most));
        assert_eq!(resolve(given(most + 1)), None);
    }
    let old: Density = serde_json::from_str(r#"{"vmsPerVMSS": 40}"#).unwrap();
    assert_eq!(resolve(old), Some(40));
    assert_eq!(resolve(Density { vms_per_scale_set: Some(0), ..auto }), None);
}

#[test]
fn broken_policies_are_refused() {
    let breaks: [fn(&mut Policy); 6] = [
        |policy| policy.placements.clear(),
        |policy| policy.placements.push(policy.placements[0].clone()),
        |policy| policy.placements[0].vcpus = 0,
        |policy| policy.density = 1001,
        |policy| policy.on_demand_percent = 101,
        |policy| policy.pool = "Not_Legal".to_owned(),
    ];
    assert_eq!(policy().check(), Ok(()));
    for one in breaks {
        let mut policy = policy();
        one(&mut policy);
        assert!(policy.check().is_err(), "{policy:?}");
    }
}

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
fn each_refusal_marks_its_scope_for_its_time() {
    let (spot, regular) = (Priority::Spot, Priority::Regular);
    let quota = |which: &str, limit| Kind::QuotaExceeded {
        which: which.to_owned(),
        location: None,
        limit: Some(limit),
        usage: None,
        required: None,
        new_limit: None,
    };
    let capacity = |scope| Kind::CapacityUnavailable { scope };
    let at = place(16, "1", spot);
    let big = place(32, "1", spot);
    let small = place(8, "1", spot);
    let other_zone = place(16, "2", spot);
    let paid = place(16, "1", regular);
    let everywhere = [&at, &big, &small, &other_zone, &paid];
    for (code, kind, minutes, covered) in [
        ("QuotaExceeded", quota("LowPriorityCores", 10), 60, [true, true, true, true, false]),
        ("QuotaExceeded", quota("standardDSv5Family", 10), 10, [true, true, false, true, false]),
        ("QuotaExceeded", quota("standardDSv5Family", 0), 60, [true, true, false, true, false]),
        ("QuotaExceeded", quota("cores", 10), 10, [true, true, true, true, false]),
        ("SkuNotAvailable", capacity(CapacityScope::Sku), 60, [true, false, false, true, false]),
        ("ZonalAllocationFailed", capacity(CapacityScope::Zone), 60, [true, true, false, false, true]),
        (
            "OverconstrainedZonalAllocationRequest",
            capacity(CapacityScope::Zone),
            60,
            [true, true, false, false, false],
        ),
        ("AllocationFailed", capacity(CapacityScope::Region), 60, [true, true, false, false, true]),
        ("SubnetIsFull", Kind::SubnetFull, 10, [true, true, true, true, true]),
    ] {
        let mut marks = Marks::default();
        assert!(marks.refused(&at, code, &kind, now()).is_some());
        let is: Vec<_> = everywhere.map(|one| marks.blocking(one, now()).is_some()).into();
        assert_eq!(is, covered, "{code} {kind:?}");
        let until = now() + Duration::from_mins(minutes);
        assert_eq!(marks.blocking(&at, now()).unwrap().until, until, "{code} {kind:?}");
        assert!(marks.blocking(&at, until).is_none());
    }
    let mut marks = Marks::default();
    marks.refused(&paid, "SkuNotAvailable", &capacity(CapacityScope::Sku), now());
    assert_eq!(marks.blocking(&paid, now()).unwrap().until, now() + Duration::from_hours(23));
    for harmless in
        [Kind::Throttled { after: None }, Kind::PreconditionFailed, Kind::Transient, Kind::Preempted]
    {
        assert_eq!(Marks::default().refused(&at, "", &harmless, now()), None);
    }
}

#[test]
fn messages_are_understood_in_both_forms_and_refused_in_words() {
    let vm = VmId::from_u128(7);
    let read = request::read(&request::write("r1", "set", "3", vm)).unwrap();
    assert_eq!((read.request.as_deref(), read.vm), (Some("r1"), Some(vm)));
    let read = request::read(" vmss0 , 3 \n").unwrap();
    assert_eq!((read.set.as_str(), read.instance.as_str(), read.vm), ("vmss0", "3", None));
    for wrong in
        ["", "vmss0", "a,b,c", ",3", "vmss0,", "{}", "{\"version\":2}", "{\"version\":1}", "null", "[1]"]
    {
        assert!(request::read(wrong).is_err(), "{wrong:?}");
    }
    assert!(request::read(&"x,".repeat(4000)).is_err());
}

#[test]
fn after_five_failures_recorded_in_the_state_a_request_is_given_up_and_its_count_taken_back() {
    let observed = farm(&[10]);
    let mut count = Count::default();
    count.reset(10);
    let mut ledger = Ledger::default();
    let text = format!("{},3", observed.sets[0].name.to_uppercase());
    let request = request::read(&text).unwrap();
    let (Verdict::Counted(vm), Fate::Keep) = ledger.receive(&mut count, &request, &observed, now()) else {
        panic!("not counted")
    };
    for failure in 1..=MOST_FAILURES {
        assert_eq!((count.effective(), ledger.fate(vm)), (Some(9), Fate::Keep), "{failure}");
        ledger.failed(&mut count, vm, "locked", now());
    }
    assert_eq!(
        (count.effective(), ledger.fate(vm)),
        (Some(10), Fate::Poison { reason: "locked".to_owned() })
    );
    assert_eq!(ledger.receive(&mut count, &request, &observed, now()).0, Verdict::Duplicate(vm));
    assert!(ledger.leaving().is_empty());
    // A new number was set meanwhile: there is nothing to take back from it.
    let mut ledger = Ledger::default();
    ledger.receive(&mut count, &request, &observed, now());
    count.reset(20);
    (0..5).for_each(|_| ledger.failed(&mut count, vm, "locked", now()));
    assert_eq!(count.effective(), Some(20));
}

#[test]
fn a_request_that_this_look_cannot_judge_comes_back() {
    let mut count = Count::default();
    count.reset(10);
    let request =
        request::read(&request::write("r", &farm(&[10]).sets[0].name, "3", VmId::from_u128(3))).unwrap();
    let blind = Observed { sets_complete: false, ..Observed::empty(now()) };
    let mut half = farm(&[10]);
    half.sets[0].instances = None;
    for observed in [blind, half] {
        let answer = Ledger::default().receive(&mut count, &request, &observed, now());
        assert_eq!((answer, count.effective()), ((Verdict::Later, Fate::Keep), Some(10)));
    }
    let other =
        request::read(&request::write("r", &farm(&[10]).sets[0].name, "3", VmId::from_u128(99))).unwrap();
    let answer = Ledger::default().receive(&mut count, &other, &farm(&[10]), now());
    assert_eq!(answer, (Verdict::Reused, Fate::Drop));
}

#[test]
fn a_state_of_a_later_version_or_in_pieces_is_refused_not_replaced() {
    let state = State::starting(now());
    assert_eq!(State::read(&state.write().unwrap()).unwrap(), state);
    for wrong in ["", "{}", r#"{"version":2}"#, r#"{"version":1}"#] {
        assert!(State::read(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn without_a_target_or_with_an_old_look_nothing_is_done() {
    let mut observed = farm(&[10, 3]);
    assert!(reconcile(&observed, &Target::default(), &Marks::default(), &policy(), now()).actions.is_empty());
    observed.as_of = now() - Duration::from_secs(61);
    assert!(reconcile(&observed, &Target::nodes(0), &Marks::default(), &policy(), now()).actions.is_empty());
    assert!(reconcile(&observed, &Target::nodes(40), &Marks::default(), &policy(), now()).actions.is_empty());
}

fn arbitrary_set(generation: u64) -> impl Strategy<Value = ScaleSet> {
    let states = prop_oneof![
        6 => Just(InstanceState::Running),
        2 => Just(InstanceState::Creating),
        1 => Just(InstanceState::Failed),
        1 => Just(InstanceState::Deleting),
        1 => Just(InstanceState::Stopped),
        1 => Just(InstanceState::Unknown),
    ];
    let instances = proptest::collection::vec((states, 0_u64..3000), 0..12);
    let provisioning = prop_oneof![
        Just(Provisioning::Succeeded),
        Just(Provisioning::Updating),
        Just(Provisioning::Failed),
        Just(Provisioning::Deleting),
        Just(Provisioning::Unknown),
    ];
    (instances, provisioning, 0_u32..14, 0_usize..3, any::<bool>(), proptest::bool::weighted(0.1)).prop_map(
        move |(instances, provisioning, capacity, at, sealed, unread)| {
            let instances: Vec<_> = instances
                .into_iter()
                .enumerate()
                .map(|(n, (state, age))| Instance {
                    id: n.to_string(),
                    vm: VmId::from_u128((u128::from(generation) << 32) + n as u128),
                    created: now() - Duration::from_secs(age),
                    state,
                })
                .collect();
            let other = place(8, "3", Priority::Spot);
            ScaleSet {
                placement: policy().placements.get(at).cloned().unwrap_or(other),
                capacity,
                provisioning,
                sealed: sealed.then_some(Seal { at: now(), why: SealReason::Wall }),
                instances: (!unread).then_some(instances),
                ..set(generation, 0)
            }
        },
    )
}

fn arbitrary_farm() -> impl Strategy<Value = Observed> {
    (0_u64..6)
        .prop_flat_map(|count| (0..count).map(arbitrary_set).collect::<Vec<_>>())
        .prop_map(|sets| Observed { sets, ..Observed::empty(now()) })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn reconcile_is_total_deterministic_and_keeps_its_promises(
        observed in arbitrary_farm(), wanted in any::<u8>(), extra in 0_u32..3, blocked in any::<bool>(),
    ) {
        let policy = Policy { overprovision: extra, ..policy() };
        let target = Target::nodes(u32::from(wanted));
        let mut marks = Marks::default();
        if blocked {
            marks.refused(
                &policy.placements[0], "AllocationFailed",
                &Kind::CapacityUnavailable { scope: CapacityScope::Region }, now(),
            );
        }
        let decision = reconcile(&observed, &target, &marks, &policy, now());
        prop_assert_eq!(&decision, &reconcile(&observed, &target, &marks, &policy, now()));
        let mut backwards = observed.clone();
        backwards.sets.reverse();
        prop_assert_eq!(&decision, &reconcile(&backwards, &target, &marks, &policy, now()));
        prop_assert!(decision.next_look > now());

        let limit = u32::from(wanted).min(policy.max_nodes) + extra;
        let mut more = 0;
        for planned in &decision.actions {
            match &planned.action {
                Action::Grow { from, to, set, placement, .. } => {
                    prop_assert!(to >= from && *to <= policy.density.max(*from));
                    prop_assert!(marks.blocking(placement, now()).is_none());
                    let seen = observed.sets.iter().find(|one| one.name == *set).unwrap();
                    let deleting = |one: &&Instance| one.state == InstanceState::Deleting;
                    let here = seen.instances.as_ref().unwrap();
                    let nodes = here.iter().filter(|one| one.state == InstanceState::Running).count() as u32;
                    prop_assert!(*to >= nodes, "asked for fewer than there are, Azure would choose which go");
                    let here = (here.len() - here.iter().filter(deleting).count()) as u32;
                    let settled = matches!(seen.provisioning, Provisioning::Succeeded | Provisioning::Failed);
                    more += to.saturating_sub(if settled { here } else { here.max(*from) });
                }
                Action::Create { capacity, placement, .. } => {
                    prop_assert!((1..=policy.density).contains(capacity));
                    prop_assert!(marks.blocking(placement, now()).is_none());
                    more += capacity;
                }
                Action::Delete { victims, .. } => {
                    prop_assert!(observed.complete());
                    prop_assert!(!victims.is_empty());
                }
                Action::Remove { set, .. } => {
                    prop_assert!(observed.complete());
                    let seen = observed.sets.iter().find(|one| one.name == *set).unwrap();
                    prop_assert!(seen.instances.as_ref().unwrap().is_empty());
                }
                _ => {}
            }
        }
        prop_assert!(more == 0 || decision.pledged + more <= limit, "{} + {more} > {limit}", decision.pledged);
        // What was decided and noted is not decided again.
        let mut asked = observed.asked.clone();
        asked.note(&decision, now());
        let observed = Observed { asked, ..observed };
        let again = reconcile(&observed, &target, &marks, &policy, now());
        let grows = |planned: &vmss_scaler::reconcile::Planned| {
            matches!(planned.action, Action::Grow { .. } | Action::Create { .. } | Action::Delete { .. })
        };
        prop_assert!(!again.actions.iter().any(grows), "{:?} after {decision:?}", again.actions);
    }

    #[test]
    fn a_mark_is_never_shortened(minutes in proptest::collection::vec(1_u64..100, 1..8)) {
        let mut marks = Marks::default();
        let scope = Scope { reach: Reach::Region, zones: Zones::All, priority: None };
        for minutes in &minutes {
            let until = now() + Duration::from_mins(*minutes);
            marks.add(Mark { scope: scope.clone(), cause: Cause::Quota, code: String::new(), since: now(), until });
        }
        let longest = now() + Duration::from_mins(minutes.iter().copied().max().unwrap());
        prop_assert_eq!(marks.blocking(&place(16, "1", Priority::Spot), now()).unwrap().until, longest);
    }

    #[test]
    fn who_asks_the_buckets_first_is_never_above_the_published_limit(
        gaps in proptest::collection::vec(0_u64..20_000, 1..120), class in 0_usize..9,
    ) {
        let class = Class::ALL[class];
        let (mut buckets, mut at, mut sent) = (Buckets::default(), now(), Vec::new());
        for gap in gaps {
            at = buckets.next(class, Some("set"), at + Duration::from_millis(gap));
            buckets.take(class, Some("set"), at);
            sent.push(at);
        }
        for limit in [class.per_resource(), class.per_subscription()] {
            for (n, from) in sent.iter().enumerate() {
                for (count, to) in sent[n..].iter().enumerate() {
                    let millis = to.duration_since(*from).as_millis() as u64;
                    let allowed = u64::from(limit.most) + millis * u64::from(limit.refill) / 60_000;
                    prop_assert!((count as u64) < allowed, "{} in {millis} ms", count + 1);
                }
            }
        }
    }

    #[test]
    fn generations_survive_the_name_and_fit_a_computer_name(generation in 0_u64..36_u64.pow(7)) {
        let names = policy().names();
        let set = names.set(generation);
        prop_assert_eq!(names.generation(&set), Some(generation));
        prop_assert!(set.len() <= 64);
        prop_assert!(names.computer_prefix(generation).len() + COMPUTER_SUFFIX <= 63);
        prop_assert_eq!(Names::new("elsewhere", "studio", "render").generation(&set), None);
    }

    #[test]
    fn a_target_never_panics(text in ".{0,12}") {
        if let Ok(nodes) = target::parse(&text) {
            prop_assert_eq!(text.trim().trim_start_matches('0').parse().unwrap_or(0), nodes);
        }
    }

    #[test]
    fn any_message_is_understood_or_refused(text in ".{0,60}") {
        let _ = request::read(&text);
    }
}
