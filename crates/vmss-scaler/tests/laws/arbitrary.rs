//! The same over arbitrary input.

use std::time::Duration;

use flamenco_azure_core::arm::classify::{CapacityScope, Kind};
use proptest::prelude::*;
use vmss_scaler::buckets::{Buckets, Class};
use vmss_scaler::marks::{Cause, Mark, Marks, Reach, Scope, Zones};
use vmss_scaler::names::{COMPUTER_SUFFIX, Names};
use vmss_scaler::observe::{
    Instance, InstanceState, Observed, Provisioning, ScaleSet, Seal, SealReason, VmId,
};
use vmss_scaler::reconcile::Action;
use vmss_scaler::spec::{Policy, Priority};
use vmss_scaler::{Target, reconcile, request, target};

use super::{now, place, policy, set};

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
