//! Speed on the virtual clock: exact and repeatable, so a law and not a timing.

use std::collections::BTreeMap;
use std::time::Duration;

use flamenco_azure_core::plan::Step;
use flamenco_azure_tests::yard::{POOL, Yard};

/// From an allocated node to its awake Worker on the simulator, with the resize before it.
const BOOT: Duration = Duration::from_secs(150);

/// When the step would end if nothing but the steps it needs held it up.
fn earliest_end<'a>(
    step: &'a str,
    steps: &'a BTreeMap<String, (Step, Duration)>,
    known: &mut BTreeMap<&'a str, Duration>,
) -> Duration {
    if let Some(end) = known.get(step) {
        return *end;
    }
    let (plan, took) = &steps[step];
    let begin = plan.needs.iter().map(|need| earliest_end(need, steps, known)).max().unwrap_or_default();
    known.insert(step, begin + *took);
    begin + *took
}

#[test]
fn deploy_takes_hardly_longer_than_its_longest_chain_and_much_less_than_one_step_after_another() {
    let yard = Yard::default();
    let run = yard.timed("deploy --yes");
    let mut known = BTreeMap::new();
    let chain = run.steps.keys().map(|id| earliest_end(id, &run.steps, &mut known)).max().unwrap();
    let sum: Duration = run.steps.values().map(|(_, took)| *took).sum();
    let makespan = run.makespan;
    let ratio = makespan.as_secs_f64() / sum.as_secs_f64();
    println!(
        "deploy: {makespan:?} for a chain of {chain:?}; the steps one after another {sum:?}, ratio {ratio:.2}"
    );
    assert!(makespan.as_secs_f64() <= 1.05 * chain.as_secs_f64(), "{makespan:?} for a chain of {chain:?}");
    assert!(ratio <= 0.6, "{ratio}");
    // The farm renders when a Worker is awake. One step after another, nodes boot only after all of that.
    let booted = |world: &azure_sim::World| world.nodes(POOL).iter().any(|(_, state)| *state == "idle");
    let mut world = yard.world();
    let deployed = world.now();
    while !booted(&world) {
        world.advance_by(1);
    }
    let ours = makespan + world.now().duration_since(deployed).unsigned_abs();
    let theirs = sum + BOOT;
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("first Worker: after {ours:?}; one after another {theirs:?}, ratio {ratio:.2}");
    assert!(ratio <= 0.55, "{ratio}");
}

#[test]
fn a_node_boots_in_the_time_that_the_comparison_grants_it() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(3600));
    let begun = yard.world().now();
    yard.run("scale render --dedicated 3");
    let mut world = yard.world();
    while world.workers_awake().len() < 3 {
        world.advance_by(1);
    }
    let took = world.now().duration_since(begun).unsigned_abs();
    assert!(took.abs_diff(BOOT) < Duration::from_secs(45), "{took:?}");
}

#[test]
fn a_deploy_with_nothing_to_do_reads_each_type_once() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let before = yard.world().calls();
    yard.run("deploy --yes");
    let log: Vec<(String, String)> =
        yard.last_exchanges().into_iter().map(|(method, url, _)| (method, url)).collect();
    assert!(log.iter().all(|(method, _)| method == "GET"), "{log:#?}");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, url) in &log {
        *counts.entry(url).or_default() += 1;
    }
    for (url, count) in counts {
        assert_eq!(count, 1, "{url} was read {count} times");
    }
    let calls = yard.world().calls() - before;
    println!("nothing to do: {calls} reads");
    assert!(calls <= 30, "{calls} reads");
}
