//! Both scalers on the same traces: what a farm suffers under each, and what it costs in requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use azure_sim::{Action, Fault, Match, ProvisioningState, SetView};
use flamenco_azure_core::clock::Clock as _;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vmss_scaler::run::run;
use vmss_scaler::scaler::Pool;
use vmss_scaler::target::TOTAL_NODES_NOW;

use crate::old::{OldOptions, OldQueue, OldScaler};
use crate::yard::{LOCATION, SIZE, Yard};

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Avere's VMScaler.
    Old,
    /// This project's.
    New,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody sets the target.
    Want(u32),
    /// So many Spot machines are evicted.
    Evict(u32),
    /// A message about a machine that there is none of, in a set that there is.
    Poison,
    /// So many machines ask to go, and one that there is none of does too.
    Batch(u32),
    /// The process is restarted.
    Restart,
    /// The next list of scale sets is refused.
    ListFails,
    /// Azure has so many Spot machines for us, or plenty.
    Market(Option<u32>),
}

/// A farm's hours.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its letter or short name.
    pub name: &'static str,
    /// In words.
    pub words: &'static str,
    /// Nodes before it begins: they are up, and the scaler has run for a while.
    pub before: u32,
    /// Minutes.
    pub minutes: u64,
    /// What happens, by second, in order.
    pub events: Vec<(u64, Event)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Nodes missing or too many, times minutes.
    pub off_target: f64,
    /// Most nodes too many at once.
    pub over: u32,
    /// Targets lowered though nobody asked for it: nodes by which the target is too low in the end.
    pub lost: u32,
    /// ARM reads per hour.
    pub reads: u64,
    /// ARM writes per hour.
    pub writes: u64,
    /// Requests that were refused with 429.
    pub throttled: u64,
    /// Seconds from a loss to the start of the node that replaces it: median and 95th percentile.
    pub restored: Option<(u64, u64)>,
    /// Losses that were never made up for.
    pub unrestored: usize,
    /// Scale sets in the end.
    pub sets: usize,
}

/// The scenarios of the table.
pub fn all() -> Vec<Scenario> {
    let of = |name, words, before, minutes, events| Scenario { name, words, before, minutes, events };
    let mut all = vec![
        of("A", "one node is wanted", 0, 60, vec![(0, Event::Want(1))]),
        of("B", "a message about a machine that is gone, 100 nodes", 100, 360, vec![(60, Event::Poison)]),
        of(
            "C",
            "ten machines ask to go and one that is gone, 100 nodes",
            100,
            120,
            vec![(60, Event::Batch(10))],
        ),
        of(
            "D",
            "four evictions and a restart, 100 nodes",
            100,
            60,
            vec![(60, Event::Evict(4)), (92, Event::Restart)],
        ),
        of(
            "E",
            "scarce Spot for 100 minutes, then one failed list, 100 nodes",
            100,
            180,
            vec![(0, Event::Market(Some(60))), (6000, Event::Market(None)), (8400, Event::ListFails)],
        ),
        of(
            "F",
            "100 are raised to 500, one asks to go within the minute",
            100,
            60,
            vec![(65, Event::Want(500)), (68, Event::Batch(1))],
        ),
        of("G1", "nothing happens to 1,000 nodes", 1000, 60, vec![]),
        of("G5", "nothing happens to 5,000 nodes", 5000, 60, vec![]),
        of("H", "0.2 evictions per node and hour, 1,000 nodes", 1000, 120, evictions(1000, 120, None)),
        of("H30", "the same, and a restart each 30 minutes", 1000, 120, evictions(1000, 120, Some(30))),
    ];
    for (name, words, nodes) in [
        ("S1", "of 1,000 nodes a fifth goes at once, later a half", 1000),
        ("S5", "of 5,000 nodes a fifth goes at once, later a half", 5000),
        ("S10", "of 10,000 nodes a fifth goes at once, later a half", 10_000),
    ] {
        let storm = vec![(60, Event::Evict(nodes / 5)), (1500, Event::Evict(nodes / 2))];
        all.push(of(name, words, nodes, 60, storm));
    }
    all
}

/// 0.2 evictions per node and hour, evenly over the minutes.
fn evictions(nodes: u32, minutes: u64, restart: Option<u64>) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    let mut owed = 0;
    for minute in 0..minutes - 10 {
        owed += nodes * 2;
        if owed >= 600 {
            events.push((minute * 60, Event::Evict(owed / 600)));
            owed %= 600;
        }
        if restart.is_some_and(|each| minute > 0 && minute % each == 0) {
            events.push((minute * 60 + 2, Event::Restart));
        }
    }
    events
}

/// How often the farm is looked at.
const STEP: Duration = Duration::from_secs(5);
/// The farm comes up and everything ends that follows from it.
const WARM_UP: Duration = Duration::from_mins(35);

/// Plays a scenario, on a runtime of its own.
pub fn play(scenario: &Scenario, who: Who, seed: u64) -> Row {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.unwrap(), async {
        let mut stage = Stage::new(who, seed).await;
        stage.start();
        if scenario.before > 0 {
            stage.want(scenario.before).await;
            stage.pass_time(WARM_UP).await;
        }
        stage.begin();
        let begun = stage.yard.now();
        for (second, event) in &scenario.events {
            let at = begun + Duration::from_secs(*second);
            stage.pass_time(at.duration_since(stage.yard.now()).unsigned_abs()).await;
            stage.happen(event).await;
        }
        let end = begun + Duration::from_mins(scenario.minutes);
        stage.pass_time(end.duration_since(stage.yard.now()).unsigned_abs()).await;
        if let Some(task) = stage.task.take() {
            task.abort();
        }
        stage.row(scenario.minutes)
    })
}

struct Stage {
    who: Who,
    yard: Yard,
    pool: Pool,
    old_queue: OldQueue,
    task: Option<JoinHandle<()>>,
    starts: u32,
    /// What people want, and what asked to go since they said so.
    wanted: u32,
    going: Vec<(Timestamp, u32)>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    off_target: f64,
    over: u32,
    reads: u64,
    writes: u64,
    throttled: u64,
    losses: VecDeque<Timestamp>,
    restored: Vec<u64>,
    /// Machines that are up and were counted.
    up: BTreeSet<String>,
}

impl Stage {
    async fn new(who: Who, seed: u64) -> Self {
        let yard = Yard::new(seed).await;
        let file = yard.file();
        let pool = yard.pools(&file).remove(0);
        yard.queue(&pool).ensure().await.unwrap();
        Self {
            who,
            pool,
            old_queue: OldQueue::default(),
            task: None,
            starts: 0,
            wanted: 0,
            going: Vec::new(),
            tally: Tally::default(),
            yard,
        }
    }

    fn start(&mut self) {
        self.starts += 1;
        let clock = self.yard.clock;
        self.task = Some(match self.who {
            Who::Old => {
                let options = OldOptions {
                    group: self.yard.group.clone(),
                    location: LOCATION.to_owned(),
                    sku: SIZE.to_owned(),
                    vms_per_vmss: 25,
                    subnet: self.yard.subnet.clone(),
                };
                let mut scaler = OldScaler::new(&self.yard.arm, options, self.old_queue.clone());
                tokio::task::spawn_local(async move { scaler.run_until(Timestamp::MAX).await })
            }
            Who::New => {
                let holder = format!("scaler-{}", self.starts);
                let mut parts = self.yard.parts(self.pool.clone(), &holder, self.yard.queue(&self.pool));
                // The service on one machine: a process that comes after another knows that it is dead.
                parts.dead = Some(std::sync::Arc::new(move |by: &str| by != holder));
                let mut scaler = vmss_scaler::Scaler::new(parts);
                tokio::task::spawn_local(async move {
                    let (_keep, told) = mpsc::channel(1);
                    run(&mut scaler, &clock, told, &mut |_, _| true).await;
                })
            }
        });
    }

    async fn want(&mut self, nodes: u32) {
        self.wanted = nodes;
        self.yard.want(&nodes.to_string()).await;
    }

    /// Forgets what was counted while the farm came up.
    fn begin(&mut self) {
        self.yard.world().take_log();
        self.tally = Tally { up: std::mem::take(&mut self.tally.up), ..Tally::default() };
    }

    async fn pass_time(&mut self, time: Duration) {
        let end = self.yard.now() + time;
        while self.yard.now() < end {
            let left = end.duration_since(self.yard.now()).unsigned_abs();
            self.yard.clock.sleep(left.min(STEP)).await;
            self.look(left.min(STEP));
        }
    }

    fn look(&mut self, since: Duration) {
        let mut world = self.yard.world();
        let now = world.now();
        let gone = |(at, _): &(Timestamp, u32)| *at <= now;
        self.wanted -= self.going.iter().filter(|one| gone(one)).map(|(_, count)| count).sum::<u32>();
        self.going.retain(|one| !gone(one));
        let slack: u32 = self.going.iter().map(|(_, count)| count).sum();
        let (mut all, mut up) = (0_u32, 0_u32);
        let mut ups = BTreeSet::new();
        for set in world.scale_sets() {
            for one in world.set_instances(&set.id) {
                match one.state {
                    ProvisioningState::Deleting => {}
                    ProvisioningState::Succeeded => {
                        (all, up) = (all + 1, up + 1);
                        ups.insert(one.vm_id);
                    }
                    _ => all += 1,
                }
            }
        }
        for vm in ups.difference(&self.tally.up) {
            let _ = vm;
            if let Some(loss) = self.tally.losses.pop_front() {
                self.tally.restored.push(now.duration_since(loss).as_secs().unsigned_abs());
            }
        }
        self.tally.up = ups;
        let (over, under) = (all.saturating_sub(self.wanted), (self.wanted - slack).saturating_sub(up));
        self.tally.off_target += f64::from(over + under) * since.as_secs_f64() / 60.0;
        self.tally.over = self.tally.over.max(over);
        for exchange in world.take_log() {
            if exchange.request.url.host_str() != Some("management.azure.com") {
                continue;
            }
            let read = matches!(exchange.request.method.as_str(), "GET" | "HEAD");
            *(if read { &mut self.tally.reads } else { &mut self.tally.writes }) += 1;
            self.tally.throttled += u64::from(exchange.response.status == 429);
        }
    }

    fn sets(&self) -> Vec<SetView> {
        let mut sets = self.yard.world().scale_sets();
        sets.retain(|set| set.machines > 0);
        sets
    }

    async fn send(&self, set: &str, instance: &str, vm: &str) {
        let name = set.rsplit('/').next().unwrap_or_default();
        match self.who {
            Who::Old => self.old_queue.send(&format!("{name},{instance}")),
            Who::New => {
                let text = vmss_scaler::request::write(vm, name, instance, vm.parse().unwrap());
                self.yard.queue(&self.pool).send(&text).await.unwrap();
            }
        }
    }

    async fn happen(&mut self, event: &Event) {
        const NOBODY: &str = "00000000-0000-0000-0000-000000000001";
        match event {
            Event::Want(nodes) => {
                self.want(*nodes).await;
                // Counted among the scaler's writes otherwise.
                self.tally.writes = self.tally.writes.saturating_sub(1);
            }
            Event::Evict(count) => {
                let now = self.yard.now();
                let gone = self.yard.world().evict_some(*count as usize).len();
                self.tally.losses.extend(std::iter::repeat_n(now, gone));
            }
            Event::Poison => {
                let set = self.sets().remove(0).id;
                self.send(&set, "9999", NOBODY).await;
            }
            Event::Batch(count) => {
                let set = self.sets().remove(0).id;
                let machines = self.yard.world().set_instances(&set);
                for one in machines.iter().take(*count as usize) {
                    self.send(&set, &one.instance_id, &one.vm_id).await;
                }
                if *count > 1 {
                    self.send(&set, "9999", NOBODY).await;
                }
                // Nobody can be as fast as to have them gone at once.
                self.going.push((self.yard.now() + Duration::from_mins(1), *count));
            }
            Event::Restart => {
                if let Some(task) = self.task.take() {
                    task.abort();
                }
                self.start();
            }
            Event::Market(room) => self.yard.world().spot_capacity(LOCATION, SIZE, None, *room),
            Event::ListFails => {
                let at = Match::on("GET", "virtualMachineScaleSets?");
                let refused =
                    Action::error(403, "AuthorizationFailed", "The client does not have authorization.");
                self.yard.world().inject(Fault::once(at, refused));
            }
        }
    }

    fn row(&mut self, minutes: u64) -> Row {
        let world = self.yard.world();
        let group = world.groups().values().next().and_then(|group| group.tags.clone()).unwrap_or_default();
        let tag = match self.who {
            Who::Old => "TOTAL_NODES",
            Who::New => TOTAL_NODES_NOW,
        };
        let target: u32 = group.get(tag).and_then(|text| text.parse().ok()).unwrap_or(0);
        let tally = &mut self.tally;
        tally.restored.sort_unstable();
        let at = |percent: usize| {
            tally
                .restored
                .get((tally.restored.len() * percent / 100).min(tally.restored.len().saturating_sub(1)))
        };
        let per_hour = |count: u64| count * 60 / minutes;
        Row {
            off_target: tally.off_target,
            over: tally.over,
            lost: self.wanted.saturating_sub(target),
            reads: per_hour(tally.reads),
            writes: per_hour(tally.writes),
            throttled: tally.throttled,
            restored: at(50).copied().zip(at(95).copied()),
            unrestored: tally.losses.len(),
            sets: world.scale_sets().len(),
        }
    }
}

/// Plays scenarios with both, side by side on the processors.
pub fn compare(scenarios: &[Scenario], seed: u64) -> BTreeMap<&'static str, [Row; 2]> {
    let work: Vec<(&Scenario, Who)> =
        scenarios.iter().rev().flat_map(|one| [(one, Who::Old), (one, Who::New)]).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rows = std::sync::Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((scenario, who)) =
                    work.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
                {
                    let row = play(scenario, *who, seed);
                    rows.lock().unwrap().insert((scenario.name, *who == Who::New), row);
                }
            });
        }
    });
    let rows = Arc::new(rows.into_inner().unwrap());
    let pair = |name| [rows[&(name, false)].clone(), rows[&(name, true)].clone()];
    scenarios.iter().map(|one| (one.name, pair(one.name))).collect()
}

/// In which of its figures the new one is not at least as good.
pub fn worse(old: &Row, new: &Row) -> Vec<&'static str> {
    let restored = |row: &Row| (row.unrestored, row.restored.map_or(0, |(_, p95)| p95));
    let figures = [
        ("off target", new.off_target > old.off_target),
        ("too many", new.over > old.over),
        ("lost", new.lost > old.lost),
        ("reads", new.reads > old.reads),
        ("writes", new.writes > old.writes),
        ("429s", new.throttled > old.throttled),
        ("restored", restored(new) > restored(old)),
    ];
    figures.into_iter().filter(|(_, worse)| *worse).map(|(name, _)| name).collect()
}

/// The table as Markdown.
pub fn table(scenarios: &[Scenario], rows: &BTreeMap<&'static str, [Row; 2]>) -> String {
    let mut text = "| | scenario | | nodes off target × min | too many at once | target lost | reads/h | writes/h | 429s | restored in s, P50 / P95 | sets | worse in |\n|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n".to_owned();
    for one in scenarios {
        let pair = &rows[one.name];
        for (row, who) in pair.iter().zip(["old", "new"]) {
            let (name, words) = if who == "old" { (one.name, one.words) } else { ("", "") };
            let restored = match (row.restored, row.unrestored) {
                (None, 0) => "–".to_owned(),
                (None, never) => format!("never: {never}"),
                (Some((p50, p95)), 0) => format!("{p50} / {p95}"),
                (Some((p50, p95)), never) => format!("{p50} / {p95}, never: {never}"),
            };
            let worse = if who == "new" { worse(&pair[0], row).join(", ") } else { String::new() };
            let _ = writeln!(
                text,
                "| {name} | {words} | {who} | {:.0} | {} | {} | {} | {} | {} | {restored} | {} | {worse} |",
                row.off_target, row.over, row.lost, row.reads, row.writes, row.throttled, row.sets
            );
        }
    }
    text
}
