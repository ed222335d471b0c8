//! Laws of speed on the virtual clock, with Azure's published token buckets on: exact and repeatable.

use std::collections::BTreeMap;
use std::time::Duration;

use azure_sim::{Exchange, ProvisioningState};
use jiff::Timestamp;
use scaler_yard::yard::Yard;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use vmss_scaler::run::run;

const HOUR: Duration = Duration::from_hours(1);

async fn start(yard: &Yard) -> JoinHandle<()> {
    let pool = yard.pools(&yard.file()).remove(0);
    let mut scaler = yard.scaler(pool, "one").await;
    let clock = yard.clock;
    tokio::task::spawn_local(async move {
        let (_keep, told) = mpsc::channel(1);
        run(&mut scaler, &clock, told, &mut |_, _| true).await;
    })
}

fn up(yard: &Yard) -> usize {
    let world = yard.world();
    let sets = world.scale_sets();
    let all = sets.iter().flat_map(|set| world.set_instances(&set.id));
    all.filter(|one| one.state == ProvisioningState::Succeeded).count()
}

async fn until(yard: &Yard, step: Duration, mut done: impl FnMut() -> bool) {
    let end = yard.now() + HOUR;
    while !done() {
        assert!(yard.now() < end, "not within an hour");
        yard.wait(step).await;
    }
}

fn arm(log: &[Exchange]) -> (usize, usize, usize) {
    let all = || log.iter().filter(|one| one.request.url.host_str() == Some("management.azure.com"));
    let reads = all().filter(|one| one.request.method == "GET").count();
    let throttled = all().filter(|one| one.response.status == 429).count();
    (reads, all().count() - reads, throttled)
}

#[tokio::test(start_paused = true)]
async fn an_idle_farm_of_a_thousand_is_never_written_to_and_an_eviction_is_seen_in_15_seconds() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let yard = Yard::new(3).await;
            let task = start(&yard).await;
            yard.want("1000").await;
            until(&yard, Duration::from_secs(10), || up(&yard) == 1000).await;
            yard.wait(Duration::from_mins(5)).await;
            yard.world().take_log();
            // An hour of it is scenario G1 of docs/scaler-comparison.md.
            yard.wait(Duration::from_mins(6)).await;
            let log = yard.world().take_log();
            let (reads, writes, throttled) = arm(&log);
            let sets = yard.world().scale_sets().len();
            println!("six idle minutes, 1,000 nodes in {sets} sets: {reads} reads, {writes} writes");
            assert_eq!((writes, throttled, sets), (0, 0, 40));
            // Four looks a minute: the tags, the sets, and each set's machines.
            assert!(reads / 6 <= 4 * (sets + 2) + 4, "{reads} reads in six minutes");

            let mut slowest = 0;
            for round in 0..4 {
                yard.wait(Duration::from_secs(330 + round * 7)).await;
                yard.world().take_log();
                let (set, machine) = yard.world().evict_some(1).remove(0);
                let there = || yard.world().set_instances(&set).iter().any(|one| one.instance_id == machine);
                until(&yard, Duration::from_secs(1), || !there()).await;
                let gone = yard.now();
                let grown = || yard.world().take_log().iter().any(|one| one.request.method == "PATCH");
                until(&yard, Duration::from_secs(1), grown).await;
                slowest = slowest.max(yard.now().duration_since(gone).as_secs());
            }
            println!("an eviction is answered {slowest} s after the machine is gone, at most");
            // Seen in 15; then the quotas are read and the state is stored.
            assert!(slowest <= 17, "{slowest} s");
            task.abort();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn up_to_a_thousand_and_down_takes_hardly_longer_than_azure_does_and_meets_no_429() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let yard = Yard::new(4).await;
            let task = start(&yard).await;
            yard.wait(Duration::from_mins(2)).await;
            yard.world().take_log();
            let begun = yard.now();
            yard.want("1000").await;
            // When each machine was made, and when it was up.
            let mut boots: BTreeMap<String, (Timestamp, Option<Timestamp>)> = BTreeMap::new();
            let second = Duration::from_secs(1);
            let all_up = || {
                let world = yard.world();
                let now = world.now();
                for one in world.scale_sets().iter().flat_map(|set| world.set_instances(&set.id)) {
                    let entry = boots.entry(one.vm_id).or_insert((one.created, None));
                    if one.state == ProvisioningState::Succeeded {
                        entry.1.get_or_insert(now);
                    }
                }
                boots.values().filter(|(_, up)| up.is_some()).count() == 1000
            };
            until(&yard, second, all_up).await;
            let took = yard.now().duration_since(begun).as_secs();
            // All requests fit into full buckets (40 of 375 new sets), so the best is the slowest boot.
            let boot = |(made, up): &(Timestamp, Option<Timestamp>)| up.unwrap().duration_since(*made).as_secs();
            let best = boots.values().map(boot).max().unwrap();
            println!("0 -> 1,000 nodes: {took} s, the slowest boot takes {best} s");
            assert!(took * 10 <= best * 11, "{took} s, {best} s would do");

            yard.wait(Duration::from_mins(5)).await;
            let begun = yard.now();
            yard.want("0").await;
            // The machines, then the sets, one after the other: what Azure takes for each.
            let (mut going, mut gone, mut empty) = (None, None, None);
            let done = || {
                let world = yard.world();
                let (now, sets) = (world.now(), world.scale_sets());
                let all: Vec<_> = sets.iter().flat_map(|set| world.set_instances(&set.id)).collect();
                if all.iter().any(|one| one.state == ProvisioningState::Deleting) {
                    going.get_or_insert(now);
                }
                if all.is_empty() {
                    gone.get_or_insert(now);
                }
                if sets.iter().all(|set| set.state == ProvisioningState::Deleting) && all.is_empty() {
                    empty.get_or_insert(now);
                }
                sets.is_empty()
            };
            until(&yard, second, done).await;
            let ended = yard.now();
            let down = ended.duration_since(begun).as_secs();
            let machines = gone.unwrap().duration_since(going.unwrap()).as_secs();
            let sets = ended.duration_since(empty.unwrap()).as_secs();
            println!("1,000 -> 0 nodes: {down} s, of which Azure takes {machines} s for the machines and {sets} s for the sets");
            let (all, bound) = (took + down, best + machines + sets);
            let (reads, writes, throttled) = arm(&yard.world().take_log());
            println!("0 -> 1,000 -> 0: {all} s, {bound} s would do; {reads} reads, {writes} writes, {throttled} times 429");
            assert_eq!(throttled, 0);
            assert!(all * 10 <= bound * 11, "{all} s, {bound} s would do");
            task.abort();
        })
        .await;
}
