//! `flamenco-azure-scaler`: the scaler as a service.
//!
//! Its own file and nothing else says what it may do; without a readable one it ends before it has sent anything. SIGTERM
//! and SIGINT finish the pass at hand and give the lease back, SIGHUP reads the file again, other signals do nothing.

mod board;
mod web;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::{Clock, SystemClock};
use flamenco_azure_core::identity::CredentialChain;
use futures::future::join_all;
use sd_notify::NotifyState;
use tokio::sync::mpsc;
use vmss_scaler::Scaler;
use vmss_scaler::file::ScalerFile;
use vmss_scaler::run::Control;

use self::board::Board;
use crate::commands::scaler::{Told, show_pass};
use crate::failure::{Exit, Failure, Outcome};
use crate::farmfile::Environment;
use crate::printer::{Mode, Printer};
use crate::scalers;
use crate::simulator::Simulator;

/// How often systemd's watchdog is told that passes are made. The unit's `WatchdogSec` is three times that and more.
const ALIVE: Duration = Duration::from_secs(30);

/// Keeps pools of Azure scale sets at their targets, as a service.
#[derive(Debug, Parser)]
#[command(name = "flamenco-azure-scaler", version, about, max_term_width = 100)]
struct Args {
    /// The scaler's own file
    #[arg(long, value_name = "FILE", default_value = "/etc/flamenco-azure/scaler.yaml")]
    config: PathBuf,
    /// Address of /metrics (Prometheus) and /healthz; on this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464", env = "FLAMENCO_AZURE_METRICS")]
    listen: SocketAddr,
    /// How to log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "FLAMENCO_AZURE_LOG_FORMAT")]
    log_format: LogFormat,
    /// Work on the simulated Azure of this file, in real time, and keep it there
    #[arg(long, value_name = "FILE")]
    simulate: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON event a line
    Json,
}

/// Runs the service with these arguments (the first is its name) until it is told to stop.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { Exit::User } else { Exit::Done };
            let _ = error.print();
            return ExitCode::from(code as u8);
        }
    };
    let environment = Environment::of_process();
    let mode = match args.log_format {
        LogFormat::Text => Mode::Human,
        LogFormat::Json => Mode::Json,
    };
    let printer = Printer::new(mode, true);
    let exit = match serve(&args, printer, &environment) {
        Ok(exit) => exit,
        Err(failure) => {
            printer.error(&failure.message, failure.hint.as_deref());
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

fn serve(args: &Args, printer: Printer, environment: &Environment) -> Outcome {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::user(format!("{} is no address of this machine alone", args.listen))
            .hint("use 127.0.0.1: who wants the figures elsewhere puts a proxy in front"));
    }
    // Before anything else: without it nothing is sent.
    let file = scalers::read_file(&args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(&error.into()))?;
    runtime.block_on(async {
        let simulator = args.simulate.as_deref().map(|path| simulated(path, &file)).transpose()?;
        let client = client(&file, simulator.as_ref(), environment)?;
        let outcome = keep(args, printer, &client, file).await;
        if let Some(simulator) = simulator {
            simulator.save()?;
        }
        outcome
    })
}

fn simulated(path: &Path, file: &ScalerFile) -> Outcome<Simulator> {
    if !path.exists() {
        return Err(Failure::user(format!("there is no simulated world `{}`", path.display()))
            .hint("`flamenco-azure deploy --simulate FILE` makes one"));
    }
    Simulator::open(Some(path), file.subscription.as_str())
}

fn client(file: &ScalerFile, simulator: Option<&Simulator>, environment: &Environment) -> Outcome<ArmClient> {
    let retry = RetryPolicy::default();
    let seed = u64::from(std::process::id());
    if let Some(simulator) = simulator {
        return Ok(ArmClient::new(ArmOptions {
            cloud: Cloud::public(),
            credential: azure_sim::SimTransport::credential(),
            transport: Some(Arc::new(simulator.transport())),
            clock: Arc::new(simulator.clock()),
            seed,
            retry,
        }));
    }
    let cloud = Cloud::by_name(&file.cloud).ok_or_else(|| {
        Failure::user(format!("cloud `{}` is unknown", file.cloud)).hint("write public, usgov or china")
    })?;
    let mut credentials = environment.credentials(Path::new("/"));
    if file.client_id.is_some() {
        credentials.client_id.clone_from(&file.client_id);
        credentials.on_azure_vm = true;
    }
    Ok(ArmClient::new(ArmOptions {
        credential: Arc::new(CredentialChain::new(credentials, &cloud)),
        cloud,
        transport: None,
        clock: Arc::new(SystemClock),
        seed,
        retry,
    }))
}

async fn keep(args: &Args, printer: Printer, client: &ArmClient, file: ScalerFile) -> Outcome {
    // The signals are caught before anything is sent.
    let mut signals = Signals::catch()?;
    let pools = scalers::pools(client, &file).await?;
    let holder = scalers::holder(scalers::SERVICE);
    let board = Arc::new(Board::default());
    let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(|error| {
        Failure::user(format!("cannot listen on {}: {error}", args.listen))
            .hint("choose another address with --listen, 127.0.0.1:0 for any port")
    })?;
    if let Ok(address) = listener.local_addr() {
        printer.info(format!("metrics on http://{address}/metrics"));
        printer.event("listening", serde_json::json!({"address": address.to_string()}));
    }
    let mut controls: Vec<(String, mpsc::Sender<Control>)> = Vec::new();
    let mut running: Vec<(Scaler, mpsc::Receiver<Control>)> = Vec::new();
    for pool in pools {
        let (sender, receiver) = mpsc::channel(4);
        controls.push((pool.policy.pool.clone(), sender));
        running.push((scalers::scaler(client, &file, pool, &holder)?, receiver));
    }
    let clock = Arc::clone(client.clock());
    let loops = join_all(running.iter_mut().map(|(scaler, control)| {
        let (board, clock) = (Arc::clone(&board), Arc::clone(&clock));
        let control = std::mem::replace(control, mpsc::channel(1).1);
        async move {
            let pool = scaler.pool().policy.pool.clone();
            let mut told = Told::default();
            let timer = Arc::clone(&clock);
            vmss_scaler::run::run(scaler, &*clock, control, &mut |scaler, pass| {
                show_pass(printer, &pool, timer.now(), pass, &mut told);
                board.note(&pool, scaler, pass, timer.now());
                true
            })
            .await;
        }
    }));
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    printer.info(format!("keeping {} pools; the file is {}", controls.len(), args.config.display()));
    let web = web::serve(listener, Arc::clone(&board), Arc::clone(&clock));
    let alive = alive(&board, &*clock);
    let told = async {
        loop {
            match signals.next().await {
                Signal::Stop => {
                    let _ = sd_notify::notify(&[NotifyState::Stopping]);
                    printer.info("stopping after this pass");
                    for (_, control) in &controls {
                        let _ = control.send(Control::Stop).await;
                    }
                    return;
                }
                Signal::Reload => reload(args, printer, client, &controls).await,
            }
        }
    };
    tokio::pin!(web, alive, told, loops);
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = &mut loops => return Ok(Exit::Done),
            () = &mut told, if !stopping => stopping = true,
            () = &mut alive => {}
            error = &mut web => return Err(error),
        }
    }
}

/// Tells systemd's watchdog as long as passes are made.
async fn alive(board: &Board, clock: &dyn Clock) {
    loop {
        clock.sleep(ALIVE).await;
        if board.healthy(clock.now()) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}

/// Reads the file again. One that cannot be used changes nothing; pools that came or went need a restart.
async fn reload(
    args: &Args,
    printer: Printer,
    client: &ArmClient,
    controls: &[(String, mpsc::Sender<Control>)],
) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
    }
    let read = async {
        let file = scalers::read_file(&args.config)?;
        scalers::pools(client, &file).await
    };
    match read.await {
        Ok(pools) => {
            let same = pools.len() == controls.len()
                && pools.iter().all(|pool| controls.iter().any(|(name, _)| *name == pool.policy.pool));
            if !same {
                printer.warn("the file names other pools than before: restart the service to take them in");
            }
            for pool in pools {
                if let Some((name, control)) = controls.iter().find(|(name, _)| *name == pool.policy.pool) {
                    printer.info(format!("{name}: goes by the file as it is now"));
                    let _ = control.send(Control::Reload(Box::new(pool))).await;
                }
            }
        }
        Err(failure) => {
            printer.warn(format!("the file is not taken in, the old one goes on: {}", failure.message));
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

enum Signal {
    Stop,
    Reload,
}

/// The signals that mean something. All others keep their defaults, which for those that a runtime sends itself is nothing.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> Outcome<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let catch = |kind| signal(kind).map_err(|error| Failure::bug(&error.into()));
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> Outcome<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }
}
