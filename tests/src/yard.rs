//! A place to build farms in: a directory with a farm file, and a simulated Azure that outlives each run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::http::HttpClient;
use azure_sim::{Exchange, World, WorldConfig};
use flamenco_azure_cli::args::{Cli, Global};
use flamenco_azure_cli::commands;
use flamenco_azure_cli::failure::{Exit, Failure, Outcome};
use flamenco_azure_cli::farmfile::Environment;
use flamenco_azure_cli::printer::{Mode, Printer};
use flamenco_azure_cli::session::Session;
use flamenco_azure_cli::simulator::Simulator;
use flamenco_azure_core::clock::{Clock as _, TokioClock};
use flamenco_azure_core::exec::{Progress, Reporter};
use flamenco_azure_core::plan::Step;

use crate::mirror::Mirror;
use crate::wire::{Cut, Wire};

/// The subscription of every test.
pub const SUBSCRIPTION: &str = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab";

/// The pool of [`FARM_FILE`] in Azure.
pub const POOL: &str = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/crunch-rg/providers/Microsoft.Batch/batchAccounts/crunchbatch/pools/render";

/// A small farm with one dedicated pool.
pub const FARM_FILE: &str = "\
defaultName: crunch
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: crunch-rg
storageAccountName: crunchfiles
batchAccountName: crunchbatch
virtualMachine: crunch-vm
pools:
  - name: render
    vmSize: Standard_D4as_v5
    dedicated: 2
    spot: 0
";

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Finished(Result<Exit, Failure>),
    /// Killed at the cut.
    Cut,
    /// Still going after two days of virtual time.
    Endless,
}

/// Two days: longer than any run may take, whatever goes wrong.
const FOREVER: Duration = Duration::from_hours(48);

/// What a run told while it went.
#[derive(Debug, Default)]
pub struct Timed {
    /// Each step and how long it took.
    pub steps: BTreeMap<String, (Step, Duration)>,
    /// From the first step's begin to the last one's end.
    pub makespan: Duration,
}

#[derive(Debug)]
struct Collector {
    clock: TokioClock,
    seen: Mutex<(Timed, Option<jiff::Timestamp>)>,
}

impl Reporter for Collector {
    fn report(&self, progress: &Progress) {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Started { step } => {
                seen.1.get_or_insert(now);
                seen.0.steps.insert(step.id.clone(), (Step::clone(step), Duration::ZERO));
            }
            Progress::Done { step, took } => {
                if let Some(entry) = seen.0.steps.get_mut(step) {
                    entry.1 = *took;
                }
                let begin = seen.1.unwrap_or(now);
                seen.0.makespan = now.duration_since(begin).unsigned_abs();
            }
            _ => {}
        }
    }
}

/// One request as it went over the wire: method, URL, body.
pub type Exchanged = (String, String, String);

/// A directory with a farm file, and a world.
#[derive(Debug)]
pub struct Yard {
    directory: tempfile::TempDir,
    world: Mutex<World>,
    log: Mutex<Vec<Exchange>>,
    timed: Mutex<Timed>,
    mirror: Option<(String, Arc<dyn HttpClient>)>,
}

impl Default for Yard {
    fn default() -> Self {
        Self::new(FARM_FILE, |_| {})
    }
}

impl Yard {
    /// A new world, changed by `prepare`, and a directory with this farm file.
    pub fn new(farm_file: &str, prepare: impl FnOnce(&mut World)) -> Self {
        Self::with_config(farm_file, |_| {}, prepare)
    }

    /// [`Yard::new`] where Batch's core quotas are no limit.
    pub fn with_room(farm_file: &str) -> Self {
        Self::new(farm_file, |world| {
            for counter in ["batch/cores", "batch/standardDASv5Family"] {
                world.set_limit("westeurope", counter, 20_000);
            }
        })
    }

    /// [`Yard::new`] in a world that is made otherwise.
    pub fn with_config(
        farm_file: &str,
        configure: impl FnOnce(&mut WorldConfig),
        prepare: impl FnOnce(&mut World),
    ) -> Self {
        let mut config = WorldConfig::new(SUBSCRIPTION);
        config.start = "2026-11-21T08:00:00Z".parse().unwrap();
        configure(&mut config);
        let mut world = World::new(config);
        prepare(&mut world);
        let yard = Self {
            directory: directory(),
            world: Mutex::new(world),
            log: Mutex::default(),
            timed: Mutex::default(),
            mirror: None,
        };
        yard.write(farm_file);
        yard
    }

    /// A yard of its own over a copy of this one's world (and of its journal, unless on another machine).
    pub fn fork(&self, same_machine: bool) -> Self {
        let fork = Self {
            directory: directory(),
            world: Mutex::new(self.world()),
            log: Mutex::default(),
            timed: Mutex::default(),
            mirror: self.mirror.clone(),
        };
        fork.write(&std::fs::read_to_string(self.path().join("azure_config.yaml")).unwrap());
        if same_machine {
            copy(&self.path().join(".flamenco-azure"), &fork.path().join(".flamenco-azure"));
        }
        fork
    }

    /// The same where requests to `host` go to the simulator and to another server, which has to answer alike.
    pub fn mirrored(self, host: &str, server: Arc<dyn HttpClient>) -> Self {
        Self { mirror: Some((host.to_owned(), server)), ..self }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces the farm file.
    pub fn write(&self, farm_file: &str) {
        std::fs::write(self.path().join("azure_config.yaml"), farm_file).unwrap();
    }

    /// The world as it is.
    pub fn world(&self) -> World {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is there once everything under way has ended and nodes have booted: what two runs are compared by.
    pub fn settled(&self) -> serde_json::Value {
        let mut world = self.world();
        world.advance_by(2 * 3600);
        let mut settled = world.canonical();
        without_digest(&mut settled);
        settled
    }

    /// Changes the world between runs.
    pub fn poke(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Runs a command line to its end; panics with the message when it fails.
    pub fn run(&self, line: &str) -> Exit {
        self.outcome(line).unwrap_or_else(|failure| panic!("`{line}`: {failure}\n{:?}", failure.hint))
    }

    /// Runs a command line to its end.
    pub fn outcome(&self, line: &str) -> Outcome {
        match self.cut(line, None).0 {
            Ended::Finished(outcome) => outcome,
            Ended::Cut => unreachable!("no cut was asked for"),
            Ended::Endless => panic!("`{line}` does not end"),
        }
    }

    /// Runs a command line and says how long each step took on the virtual clock.
    pub fn timed(&self, line: &str) -> Timed {
        self.run(line);
        std::mem::take(&mut self.timed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Method, URL and body of each request of the last run.
    pub fn last_exchanges(&self) -> Vec<Exchanged> {
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        self.last_traffic()
            .iter()
            .map(|e| (e.request.method.clone(), e.request.url.to_string(), text(&e.request.body)))
            .collect()
    }

    /// Each request of the last run with the answer it got.
    pub fn last_traffic(&self) -> Vec<Exchange> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Method and path of each request of the last run.
    pub fn last_log(&self) -> Vec<(String, String)> {
        let path = |url: &str| url.split('?').next().unwrap_or(url).to_owned();
        self.last_exchanges().iter().map(|(method, url, _)| (method.clone(), path(url))).collect()
    }

    /// Runs a command line, kills it at the cut, and says how many calls it made.
    pub fn cut(&self, line: &str, cut: Option<Cut>) -> (Ended, u64) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let wire = Arc::new(Wire::default());
        let ended = runtime.block_on(async {
            let simulator = Arc::new(Simulator::over(self.world(), None));
            let transport: Arc<dyn HttpClient> = Arc::new(simulator.transport().on_call(wire.hook(cut)));
            let transport = match self.mirror.clone() {
                Some((host, server)) => Arc::new(Mirror { simulator: transport, host, server }),
                None => transport,
            };
            let cli = parse(line);
            let mut session = Session::over(
                Printer::new(Mode::Silent, true),
                cli.global.clone(),
                self.path().to_owned(),
                Environment::default(),
                Arc::clone(&simulator),
                Arc::new(simulator.clock()),
                transport,
            );
            let collector = Arc::new(Collector { clock: simulator.clock(), seen: Mutex::default() });
            session.reporter = Arc::clone(&collector) as Arc<dyn Reporter>;
            let ended = tokio::select! {
                biased;
                () = wire.is_cut() => Ended::Cut,
                outcome = commands::dispatch(&session, &cli.command) => Ended::Finished(outcome),
                () = tokio::time::sleep(FOREVER) => Ended::Endless,
            };
            drop(session);
            let clock = simulator.clock();
            let world = simulator.world();
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            world.advance_to(clock.now());
            *self.log.lock().unwrap_or_else(PoisonError::into_inner) = world.take_log();
            *self.timed.lock().unwrap_or_else(PoisonError::into_inner) =
                std::mem::take(&mut collector.seen.lock().unwrap_or_else(PoisonError::into_inner).0);
            *self.world.lock().unwrap_or_else(PoisonError::into_inner) = world.clone();
            ended
        });
        (ended, wire.calls())
    }
}

/// The digest of the scaler's file has the identities' client ids in it, which are random.
fn without_digest(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            if let Some(digest) = members.get_mut("flamenco-farm-scaler") {
                *digest = "there".into();
            }
            members.values_mut().for_each(without_digest);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_digest),
        _ => {}
    }
}

/// In memory where there is such a place: the journal is flushed to disk at each entry, which takes longer than all
/// the rest of a simulated run (measured: four fifths).
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn parse(line: &str) -> Cli {
    let words = std::iter::once("flamenco-azure").chain(line.split_whitespace());
    let mut cli = <Cli as clap::Parser>::try_parse_from(words).unwrap();
    cli.global = Global { no_input: true, ..cli.global };
    cli
}

fn copy(from: &Path, to: &PathBuf) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    std::fs::create_dir_all(to).unwrap();
    for entry in entries.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Fails with the differing fields only: whole worlds are too long to read.
#[track_caller]
pub fn assert_same(have: &serde_json::Value, want: &serde_json::Value, what: &str) {
    if have != want {
        let text = differences(have, want);
        panic!("{what}: the worlds differ (have -> want):\n{}", text.chars().take(3000).collect::<String>());
    }
}

/// The fields in which two worlds differ, one a line: `path: have -> want`.
pub fn differences(have: &serde_json::Value, want: &serde_json::Value) -> String {
    let lines: Vec<String> = flamenco_azure_core::plan::diff::diff(want, have, &[])
        .iter()
        .map(|c| format!("{}: {} -> {}", c.path, c.have, c.want))
        .collect();
    let extra = flamenco_azure_core::plan::diff::diff(have, want, &[]);
    let extra = extra.iter().map(|c| format!("{}: {} -> {}", c.path, c.want, c.have));
    lines.into_iter().chain(extra).collect::<Vec<_>>().join("\n")
}
