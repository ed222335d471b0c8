//! What a rollout decides, over random pools.

use batch_pool::rollout::{Batch, Mark, Ordered, Reference, Renewed, Seen, Standing, Step, next, recipe};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const STATES: &[&str] = &[
    "idle",
    "running",
    "starttaskfailed",
    "unusable",
    "offline",
    "unknown",
    "preempted",
    "leavingpool",
    "creating",
    "starting",
    "waitingforstarttask",
    "rebooting",
    "reimaging",
    "upgradingos",
    "deallocated",
    "a state of tomorrow",
];

fn moment() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn pool() -> impl Strategy<Value = Vec<Seen>> {
    let node = (0..STATES.len(), -9i64..9, proptest::option::of(-9i64..9));
    proptest::collection::vec(node, 0..12).prop_map(|nodes| {
        let at = |minutes: i64| moment() + SignedDuration::from_mins(minutes);
        let seen = |(index, (state, since, started)): (usize, (usize, i64, Option<i64>))| Seen {
            id: format!("n{index}"),
            state: STATES[state].to_owned(),
            since: Some(at(since)),
            started: started.map(at),
            trouble: None,
        };
        nodes.into_iter().enumerate().map(seen).collect()
    })
}

/// What the fleet would do with an order: boot anew, well.
fn renew(nodes: &mut [Seen], ids: &[String]) {
    for node in nodes.iter_mut().filter(|node| ids.contains(&node.id)) {
        "idle".clone_into(&mut node.state);
        node.started = Some(moment() + SignedDuration::from_hours(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn a_rollout_ends_with_no_old_node_and_never_renews_more_than_its_batch(mut nodes in pool(), size in 1u32..6) {
        let since = moment();
        let mut tried = Renewed::new();
        for _ in 0..100 {
            match next(&nodes, since, Batch::Nodes(size), &tried, moment()) {
                Step::Wait(ids) => {
                    prop_assert!(!ids.is_empty());
                    renew(&mut nodes, &ids);
                }
                Step::Renew { down, working, count } => {
                    prop_assert!(count >= 1 && count <= size as usize && count <= down.len() + working.len());
                    // Nothing else is on its way meanwhile, and what is new is left alone.
                    for node in &nodes {
                        let standing = node.standing(since);
                        prop_assert!(standing != Standing::Coming);
                        let chosen = down.contains(&node.id) || working.contains(&node.id);
                        prop_assert!(!(chosen && matches!(standing, Standing::Current | Standing::Away)));
                    }
                    let ids: Vec<String> = down.into_iter().chain(working).take(count).collect();
                    prop_assert!(ids.iter().all(|id| !tried.contains_key(id)), "renewed twice");
                    let was = nodes.clone();
                    renew(&mut nodes, &ids);
                    let order = |node: Seen| (node.id.clone(), Ordered::again(None, node, moment()));
                    tried.extend(was.into_iter().filter(|node| ids.contains(&node.id)).map(order));
                }
                Step::Stop(failed) => prop_assert!(false, "nothing failed that was tried: {failed:?}"),
                Step::Done { stuck } => {
                    prop_assert!(nodes.iter().all(|node| !matches!(node.standing(since), Standing::Old | Standing::Coming)));
                    prop_assert!(stuck.iter().all(|node| ["unusable", "offline", "unknown"].contains(&node.state.as_str())));
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "no end");
    }

    #[test]
    fn a_node_that_was_renewed_and_failed_stops_everything(mut nodes in pool(), at in 0usize..12) {
        nodes.push(Seen { id: "last".to_owned(), state: "idle".to_owned(), since: None, started: None, trouble: None });
        let at = at % nodes.len();
        nodes[at].state = "starttaskfailed".to_owned();
        nodes[at].started = Some(moment());
        let id = nodes[at].id.clone();
        let order = |was| -> Renewed { [(id.clone(), Ordered::again(None, was, moment()))].into() };
        // Failed before it was renewed, and listed as it was: how it fares now is not known yet.
        let unseen = next(&nodes, moment(), Batch::Percent(100), &order(nodes[at].clone()), moment());
        let Step::Wait(coming) = unseen else { panic!("{unseen:?}") };
        prop_assert!(coming.contains(&id));
        let later = moment() + SignedDuration::from_mins(4);
        nodes.retain(|node| node.id == id || node.standing(moment()) != Standing::Coming);
        let at = nodes.iter().position(|node| node.id == id).unwrap();
        let lost = next(&nodes, moment(), Batch::Percent(100), &order(nodes[at].clone()), later);
        prop_assert!(matches!(&lost, Step::Renew { down, .. } if down.contains(&id)), "{lost:?}");
        let before = Seen { started: Some(moment() - SignedDuration::from_mins(9)), ..nodes[at].clone() };
        let tried = order(before);
        let Step::Stop(failed) = next(&nodes, moment(), Batch::Percent(100), &tried, moment()) else { panic!("goes on") };
        prop_assert!(failed.iter().any(|node| node.id == id));
        // The next call tries it again before all others, once nothing is on its way.
        nodes.retain(|node| node.standing(moment()) != Standing::Coming);
        let Step::Renew { down, .. } = next(&nodes, moment(), Batch::Nodes(1), &Renewed::new(), moment()) else { panic!("done") };
        prop_assert!(down.contains(&id));
    }
}

#[test]
fn batches_are_numbers_or_shares_and_never_empty() {
    for (text, of_ten, of_none) in
        [("1", 1, 1), ("25%", 3, 1), ("100 %", 10, 1), ("20", 20, 20), ("1%", 1, 1)]
    {
        let batch: Batch = text.parse().unwrap();
        assert_eq!((batch.of(10), batch.of(0)), (of_ten, of_none), "{text}");
    }
    for text in ["", "0", "0%", "101%", "-1", "a", "1.5", "%"] {
        assert!(text.parse::<Batch>().is_err(), "{text}");
    }
}

fn body(metadata: &Value) -> Value {
    json!({"properties": {
        "metadata": metadata,
        "startTask": {"commandLine": "x", "environmentSettings": [{"name": "A", "value": "b"}, {"name": "C", "value": "d"}]},
    }})
}

#[test]
fn a_recipe_is_what_a_node_gets_and_nothing_else() {
    let package = |version: &str, activated: &str| Reference {
        application: "blender".to_owned(),
        version: version.to_owned(),
        by_default: false,
        activated: activated.to_owned(),
    };
    let usual = recipe(&body(&json!([])), &[package("1", "t")]);
    let mut other = body(&json!([{"name": "x", "value": "y"}]));
    assert_eq!(recipe(&other, &[package("1", "t")]), usual, "metadata reaches no node");
    other["properties"]["startTask"]["environmentSettings"].as_array_mut().unwrap().reverse();
    assert_eq!(recipe(&other, &[package("1", "t")]), usual, "in any order");
    other["properties"]["startTask"]["commandLine"] = json!("y");
    for (body, packages) in [
        (other, vec![package("1", "t")]),
        (body(&json!([])), vec![package("2", "t")]),
        (body(&json!([])), vec![package("1", "u")]),
        (body(&json!([])), vec![]),
    ] {
        assert_ne!(recipe(&body, &packages), usual);
    }
}

#[test]
fn a_mark_is_read_as_it_is_written() {
    let read = |value: &str| {
        Mark::read(&body(&json!([{"name": "a", "value": "b"}, {"name": "flamenco-rollout", "value": value}])))
    };
    let since = Some(moment());
    assert_eq!(read("0a1b 2026-11-21T12:00:00Z"), Some(Mark { recipe: "0a1b".to_owned(), since }));
    assert_eq!(read("0a1b"), Some(Mark { recipe: "0a1b".to_owned(), since: None }));
    assert_eq!(read("0a1b yesterday").unwrap().since, None);
    assert_eq!(Mark::read(&body(&json!([]))), None);
    assert_eq!(Mark::read(&json!({})), None);
}

#[test]
fn an_order_that_does_not_show_is_waited_for_and_then_given_again() {
    let old =
        Seen { id: "a".to_owned(), state: "idle".to_owned(), since: None, started: None, trouble: None };
    let failed = Seen { state: "starttaskfailed".to_owned(), started: Some(moment()), ..old.clone() };
    for node in [old, failed] {
        let mut order = Ordered::again(None, node.clone(), moment());
        for times in 1..=5 {
            let renewed: Renewed = [("a".to_owned(), order.clone())].into();
            let at = |minutes| {
                let later = order.at + SignedDuration::from_mins(minutes);
                (next(std::slice::from_ref(&node), moment(), Batch::Nodes(1), &renewed, later), later)
            };
            assert_eq!(at(1).0, Step::Wait(vec!["a".to_owned()]), "{times}");
            let (step, later) = at(4);
            if times < 5 {
                assert!(matches!(step, Step::Renew { .. }), "{times}: {step:?}");
            } else {
                // Batch never follows: the rollout ends and says so.
                assert_eq!(step, Step::Done { stuck: vec![node.clone()] });
            }
            order = Ordered::again(Some(&order), node.clone(), later);
        }
    }
}
