//! Whole farms by seed: everything goes wrong for a while, the judges look on, then all faults end and the farm has to
//! come to rest at exactly the target.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_sim::{Boot, Boots, InstanceView, ProvisioningState, Resource, SpotWalk};
use flamenco_azure_core::arm::Request;
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vmss_scaler::file::{PlacementFile, ScalerFile};
use vmss_scaler::queue::DeletionQueue;
use vmss_scaler::run::{Control, run};
use vmss_scaler::scaler::{Pass, Pool, Scaler};
use vmss_scaler::spec::Priority;
use vmss_scaler::template::Mode;
use vmss_scaler::{request, wire};

use crate::check::{Judge, Limits};
use crate::tap::{Cut, Handle, Tap, Weather};
use crate::yard::{LOCATION, SIZE, Yard};

mod storm;

/// How one seed ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// The seed.
    pub seed: u64,
    /// What happened, one event a line.
    pub trace: Vec<String>,
    /// What was wrong; empty is good.
    pub wrong: Vec<String>,
    /// Requests that reached Azure.
    pub calls: u64,
    /// Virtual seconds.
    pub seconds: u64,
}

/// Steps of a storm: the seeds of the tests have short ones, for there are many of them in little time.
fn steps(seed: u64) -> u32 {
    if seed < 200 { 12 } else { 60 }
}
/// A farm that is left alone has to come to rest within this.
const PATIENCE: Duration = Duration::from_hours(8);

/// Plays one seed, on a runtime of its own.
pub fn play(seed: u64) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.unwrap(), async {
        let mut farm = Farm::new(seed).await;
        let begun = farm.yard.now();
        farm.storm(steps(seed)).await;
        if farm.fine() {
            farm.calm().await;
        }
        farm.end();
        let world = farm.yard.world();
        Played {
            seed,
            trace: std::mem::take(&mut *farm.trace.lock().unwrap()),
            wrong: farm.judge().wrong.clone(),
            calls: world.calls(),
            seconds: world.now().duration_since(begun).as_secs().unsigned_abs(),
        }
    })
}

/// Plays these seeds on all processors; calls back with each in no order. Returns those that failed.
pub fn play_all(seeds: std::ops::Range<u64>, each: impl Fn(&Played) + Sync) -> Vec<u64> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failed = Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let played = play(seed);
                    if !played.wrong.is_empty() {
                        failed.lock().unwrap().push(seed);
                    }
                    each(&played);
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    failed
}

type Trace = Arc<Mutex<Vec<String>>>;

fn write(trace: &Trace, now: Timestamp, line: &str) {
    trace.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} {line}", now.strftime("%H:%M:%S")));
}

/// A scaler's process.
struct Process {
    name: String,
    handle: Handle,
    control: mpsc::Sender<Control>,
    task: JoinHandle<()>,
}

struct Farm {
    yard: Yard,
    pool: Pool,
    rng: ChaCha8Rng,
    judge: Arc<Mutex<Judge>>,
    weather: Arc<Mutex<Weather>>,
    trace: Trace,
    queue: Arc<DeletionQueue>,
    processes: Vec<Process>,
    born: u32,
    /// Messages that were sent.
    sent: Vec<String>,
    /// No process is started before.
    rest_until: Timestamp,
}

fn shape(seed: u64, file: &mut ScalerFile) {
    let place = |size: &str, zone: Option<&str>, priority| PlacementFile {
        vm_size: size.to_owned(),
        zone: zone.map(str::to_owned),
        priority,
    };
    let pool = &mut file.pools[0];
    pool.placements = vec![
        place(SIZE, None, Priority::Spot),
        place("Standard_D16as_v5", Some("1"), Priority::Spot),
        place("Standard_D16s_v5", Some("2"), Priority::Regular),
    ];
    pool.placements.truncate([3, 1, 2, 3][seed as usize % 4]);
    pool.max_nodes = 40;
    pool.vms_per_scale_set = Some([4, 25, 10, 100, if seed % 50 == 9 { 1 } else { 15 }][seed as usize % 5]);
    pool.overprovision = [0, 0, 2][seed as usize % 3];
    pool.on_demand_percent = [100, 20, 50][seed as usize / 3 % 3];
    pool.orchestration = [Mode::Flexible, Mode::Uniform][seed as usize % 2];
}

impl Farm {
    async fn new(seed: u64) -> Self {
        let yard = Yard::with(seed, |config| config.latency.write_ms = 400).await;
        let mut file = yard.file();
        shape(seed, &mut file);
        foreign(&yard).await;
        let pool = yard.pools(&file).remove(0);
        yard.world().limit_log(1);
        let judge = Judge::new(Limits::of(&yard, &pool), &yard.world());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weather = Weather {
            per_mille: [0, 5, 20, 60][rng.random_range(0..4)],
            operations: true,
            outages: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(!seed),
        };
        let queue = yard.queue(&pool);
        queue.ensure().await.unwrap();
        let (judge, trace) = (Arc::new(Mutex::new(judge)), Trace::default());
        let rest_until = yard.now();
        Self {
            pool,
            rng,
            judge,
            weather: Arc::new(Mutex::new(weather)),
            trace,
            queue,
            processes: Vec::new(),
            born: 0,
            sent: Vec::new(),
            rest_until,
            yard,
        }
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fine(&self) -> bool {
        self.judge().wrong.is_empty()
    }

    fn log(&self, line: &str) {
        write(&self.trace, self.yard.now(), line);
    }

    fn dice(&mut self, sides: u32) -> u32 {
        self.rng.random_range(0..sides)
    }

    fn start(&mut self) {
        self.born += 1;
        let name = format!("scaler-{}", self.born);
        let (own, handle) = Tap::on(&self.yard, &name, &self.judge, &self.weather);
        let mut scaler = own.scaler_on(self.pool.clone(), &name, self.queue_of(&own));
        let (control, told) = mpsc::channel(1);
        let (clock, trace, who) = (self.yard.clock, Arc::clone(&self.trace), name.clone());
        let task = tokio::task::spawn_local(async move {
            let mut each = |_: &Scaler, pass: &Pass| {
                for line in lines(pass) {
                    write(&trace, flamenco_azure_core::clock::Clock::now(&clock), &format!("{who}: {line}"));
                }
                true
            };
            run(&mut scaler, &clock, told, &mut each).await;
        });
        self.log(&format!("{name} starts"));
        self.processes.push(Process { name, handle, control, task });
    }

    fn queue_of(&self, own: &Yard) -> Arc<DeletionQueue> {
        own.queue(&self.pool)
    }

    /// Buries the processes that hang or have ended.
    fn bury(&mut self) {
        for process in std::mem::take(&mut self.processes) {
            if process.handle.hangs() || process.task.is_finished() {
                self.log(&format!("{} is gone", process.name));
                process.task.abort();
            } else {
                self.processes.push(process);
            }
        }
    }

    fn end(&mut self) {
        for process in self.processes.drain(..) {
            process.task.abort();
        }
    }

    async fn storm(&mut self, steps: u32) {
        self.start();
        self.want(30).await;
        for _ in 0..steps {
            self.trouble().await;
            let wait = self.rng.random_range(3..25);
            self.tick(Duration::from_secs(wait)).await;
            if !self.fine() {
                return;
            }
            if self.processes.is_empty() && self.yard.now() >= self.rest_until {
                self.start();
            }
        }
    }

    async fn tick(&mut self, wait: Duration) {
        self.yard.wait(wait).await;
        self.bury();
        let world = self.yard.world();
        self.judge.lock().unwrap_or_else(PoisonError::into_inner).tick(&world);
    }

    async fn want(&mut self, nodes: u32) {
        self.log(&format!("{nodes} nodes are wanted"));
        self.yard.want(&nodes.to_string()).await;
        let now = self.yard.now();
        self.judge().wants(now, nodes);
    }

    /// Machines of the farm that nobody has announced the end of.
    fn machines(&self) -> Vec<(String, InstanceView)> {
        let world = self.yard.world();
        let sets = self.judge().sets(&world);
        let all = |set: &azure_sim::SetView| {
            let name = set.id.rsplit('/').next().unwrap_or_default().to_owned();
            let all = world.set_instances(&set.id).into_iter();
            all.filter(|one| one.state != ProvisioningState::Deleting && !one.evicting)
                .map(move |one| (name.clone(), one))
                .collect::<Vec<_>>()
        };
        sets.iter().flat_map(all).collect()
    }

    fn some_machine(&mut self) -> Option<(String, InstanceView)> {
        let mut all = self.machines();
        let index = self.rng.random_range(0..all.len().max(1));
        (index < all.len()).then(|| all.swap_remove(index))
    }

    fn some_set(&mut self) -> Option<azure_sim::SetView> {
        let world = self.yard.world();
        let mut all = self.judge().sets(&world);
        drop(world);
        let index = self.rng.random_range(0..all.len().max(1));
        (index < all.len()).then(|| all.swap_remove(index))
    }

    async fn message(&mut self, text: String) {
        self.log(&format!("message: {text}"));
        self.queue.send(&text).await.unwrap();
        self.sent.push(text);
    }

    async fn ask(&mut self, set: &str, one: &InstanceView, old: bool) {
        let now = self.yard.now();
        self.judge().asks(now, &one.vm_id);
        let text = if old {
            format!("{set},{}", one.instance_id)
        } else {
            request::write(
                &format!("r{}", self.sent.len()),
                set,
                &one.instance_id,
                one.vm_id.parse().unwrap(),
            )
        };
        self.message(text).await;
    }

    /// All faults end; the farm has to come to rest, and then does exactly what it is told.
    async fn calm(&mut self) {
        self.log("all faults end");
        {
            let mut weather = self.weather();
            weather.per_mille = 0;
            weather.outages.clear();
        }
        {
            let mut world = self.yard.world();
            world.list_lag(0);
            world.boots(Boots::default());
            world.next_boots(None, 0, Boot::Stuck);
            for (size, zone) in [(SIZE, None), ("Standard_D16as_v5", Some("1"))] {
                world.spot_walk(LOCATION, size, zone, None);
                world.spot_capacity(LOCATION, size, zone, None);
            }
        }
        if self.processes.is_empty() {
            self.start();
        }
        // Whoever stands still goes on, and every message that was received and not answered is visible again.
        self.tick(Duration::from_mins(9)).await;
        if self.processes.is_empty() {
            // The last one still had its death before it, and died with messages in its hands.
            self.start();
            self.tick(Duration::from_mins(6)).await;
        }
        // A number that was not set before.
        let nodes = [3, 11, 19, 28, 33, 39][self.dice(6) as usize];
        self.want(nodes).await;
        self.come_to_rest(nodes).await;
        if !self.fine() {
            return;
        }
        self.log("at rest; three are asked to go");
        let mut going = Vec::new();
        for _ in 0..3 {
            if let Some((set, one)) = self.some_machine().filter(|(_, one)| !going.contains(&one.vm_id)) {
                going.push(one.vm_id.clone());
                self.ask(&set, &one, going.len() == 3).await;
                let again = self.sent.last().cloned().unwrap_or_default();
                self.message(again).await;
            }
        }
        let left = nodes - going.len() as u32;
        self.come_to_rest(left).await;
        if let Some((_, one)) = self.machines().iter().find(|(_, one)| going.contains(&one.vm_id)) {
            let line = format!("{} was asked to go and is still there", one.instance_id);
            self.judge().wrong.push(line);
        }
        let text = self.sent.last().cloned().unwrap_or_default();
        self.message(text).await;
        self.tick(Duration::from_mins(2)).await;
        self.come_to_rest(left).await;
    }

    async fn come_to_rest(&mut self, nodes: u32) {
        let end = self.yard.now() + PATIENCE;
        let mut last = String::new();
        while self.yard.now() < end {
            self.tick(Duration::from_secs(20)).await;
            if !self.fine() {
                return;
            }
            let world = self.yard.world();
            let rest = self.judge().rest(&world, nodes);
            drop(world);
            match rest {
                Ok(()) => return self.log(&format!("{nodes} nodes, as wanted")),
                Err(why) => last = why,
            }
        }
        self.judge().wrong.push(format!("no rest within {PATIENCE:?}: {last}"));
    }
}

/// A pass in lines, where there is something to tell.
fn lines(pass: &Pass) -> Vec<String> {
    let mut lines = Vec::new();
    for done in &pass.done {
        lines.push(format!("{} -> {} {}", done.planned, done.outcome.as_str(), done.words));
    }
    if pass.counted > 0 {
        lines.push(format!("{} asked to go", pass.counted));
    }
    lines.extend(pass.failed.iter().map(|text| format!("failed: {text}")));
    lines.extend(pass.troubles.iter().map(|text| format!("trouble: {text}")));
    if lines.is_empty() {
        let decision = pass.decision.as_ref();
        let text = decision.map(|one| {
            let notes: Vec<String> = one.notes.iter().map(ToString::to_string).collect();
            format!("{}/{} of {:?} {}", one.nodes, one.pledged, one.target, notes.join("; "))
        });
        lines.push(text.unwrap_or_else(|| format!("{:?}", pass.standing)));
    }
    lines
}

/// Other people's things in the same group: a scale set of another farm, one without tags that is called like ours, a
/// tag on the group.
async fn foreign(yard: &Yard) {
    let set = |name: &str, tags: Value| {
        let id = format!("{}/providers/{}/{name}", yard.group, wire::SCALE_SET);
        let body = json!({
            "location": LOCATION,
            "tags": tags,
            "sku": {"name": SIZE, "tier": "Standard", "capacity": 3},
            "properties": {
                "overprovision": false, "singlePlacementGroup": false, "upgradePolicy": {"mode": "Manual"},
                "virtualMachineProfile": {
                    "osProfile": {"computerNamePrefix": "other", "adminUsername": "other", "adminPassword": "Sim-0nly-password"},
                    "storageProfile": {"imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}},
                    "networkProfile": {"networkInterfaceConfigurations": [{"name": "nic", "properties": {"primary": true,
                        "ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": yard.subnet}}}]}}]},
                },
            },
        });
        Request::put(id.as_str(), body).api_version("2020-06-01")
    };
    let owned = json!({"flamenco-farm": "other", "flamenco-farm-pool": "render"});
    yard.client.run(&set("foreign-farm", owned)).await.unwrap();
    let like = format!("studio-render-foreign{}", "0000001");
    yard.client.run(&set(&like, json!({"owner": "somebody"}))).await.unwrap();
    yard.client.run(&wire::merge_tags(&yard.group, &json!({"costCentre": "12"}))).await.unwrap();
    let mut machine = Resource::new(
        &format!("{}/providers/Microsoft.Compute/virtualMachines/studio-render-foreign", yard.group),
        "Microsoft.Compute/virtualMachines",
        yard.now(),
    );
    machine.location = Some(LOCATION.to_owned());
    yard.world().add_foreign(machine);
    // They have come up by now.
    yard.wait(Duration::from_mins(10)).await;
}
