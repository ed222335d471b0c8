//! Targets, policies, marks, messages and states by themselves.

use std::time::Duration;

use flamenco_azure_core::arm::classify::{CapacityScope, Kind};
use vmss_scaler::error::TargetError;
use vmss_scaler::ledger::{Fate, Ledger, MOST_FAILURES, Verdict};
use vmss_scaler::marks::Marks;
use vmss_scaler::observe::{Observed, VmId};
use vmss_scaler::spec::{Density, Image, Payload, Policy, Priority};
use vmss_scaler::target::{Count, Reading};
use vmss_scaler::{State, request, target};

use super::{farm, now, place, policy};

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
