//! The flamenco-azure command line: parses, asks, prints, and leaves the work to the crates below.
//!
//! The only crate of the workspace with clap, prompts, the environment, the terminal and the user's files. [`run`] is
//! the whole program; the binaries are thin entries to it.

pub mod alone;
pub mod args;
pub mod ask;
pub mod auto_storage;
pub mod commands;
pub mod cost;
pub mod daemon;
pub mod failure;
pub mod farm;
pub mod farmfile;
pub mod files;
pub mod fleets;
pub mod identity;
pub mod own_subscription;
pub mod preflight;
pub mod printer;
pub mod progress;
pub mod roles;
pub mod scalers;
pub mod session;
pub mod shortage;
pub mod show;
pub mod simulator;
pub mod text;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser as _};
use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::shaman::ShamanUrl;
use serde_json::json;

use crate::args::{Cli, Command, Shell};
use crate::failure::{Exit, Failure, Outcome};
use crate::farmfile::Environment;
use crate::printer::{Mode, Printer};
use crate::session::Session;
use crate::simulator::Simulator;

/// Runs the program with these arguments (the first is its name) and ends with an exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::User } else { Exit::Done };
            let _ = error.print();
            return ExitCode::from(code as u8);
        }
    };
    let environment = Environment::of_process();
    let mode = match (cli.global.json, cli.global.quiet) {
        (true, _) => Mode::Json,
        (false, true) => Mode::Quiet,
        (false, false) => Mode::Human,
    };
    let printer = Printer::new(mode, environment.no_color());
    if cli.global.debug {
        log_requests();
    }
    let exit = match execute(&cli, printer, environment) {
        Ok(exit) => exit,
        Err(failure) => {
            printer.error(&failure.message, failure.hint.as_deref());
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

/// The thin binaries: the same program with its command given by its name.
pub fn run_as(command: &str) -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    args.insert(1.min(args.len()), command.into());
    run(args)
}

fn execute(cli: &Cli, printer: Printer, environment: Environment) -> Outcome {
    match &cli.command {
        Command::ShamanUrl(args) => return shaman_url(printer, &args.url),
        Command::Completions(args) => return Ok(completions(printer, args.shell)),
        Command::Man => return man(printer),
        _ => {}
    }
    let here =
        std::env::current_dir().map_err(|error| Failure::user(format!("no current directory: {error}")))?;
    let simulated = cli.global.simulate.is_some() || matches!(cli.command, Command::Demo);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Paused time is the simulator's virtual time: it jumps to the next timer whenever everybody waits.
        .start_paused(simulated)
        .build()
        .map_err(|error| Failure::bug(&error.into()))?;
    runtime.block_on(async {
        let session = open(cli, printer, environment, here, simulated)?;
        let outcome = tokio::select! {
            // First, so that the signals are caught before anything is printed or sent.
            biased;
            () = stop_asked() => Err(interrupted()),
            outcome = commands::dispatch(&session, &cli.command) => outcome,
        };
        if let Some(simulator) = &session.simulator {
            simulator.save()?;
        }
        outcome
    })
}

/// Ends when the user presses Ctrl-C, or a service manager or CI system asks the program to stop.
async fn stop_asked() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // Without handlers the signals do what they do by default: there is nothing to wait for here.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn interrupted() -> Failure {
    let mut failure = Failure::user("interrupted");
    failure.exit = Exit::Interrupted;
    failure.hint("nothing is lost: run the same command again and it goes on")
}

fn open(
    cli: &Cli,
    printer: Printer,
    environment: Environment,
    here: PathBuf,
    simulated: bool,
) -> Outcome<Session> {
    let mut global = cli.global.clone();
    if !simulated {
        let cloud = alone::named(&here, &cli.command)
            .map_or_else(|| farmfile::cloud(&here, &global), |(_, cloud)| cloud);
        let seed = u64::from(std::process::id());
        return Ok(Session::live(
            printer,
            global,
            here,
            environment,
            cloud.unwrap_or_else(Cloud::public),
            seed,
        ));
    }
    let file = global.simulate.take().filter(|path| !path.as_os_str().is_empty()).map(|path| here.join(path));
    let subscription = alone::named(&here, &cli.command)
        .map_or_else(|| farmfile::subscription(&here, &global), |(subscription, _)| subscription)
        .unwrap_or_else(|| commands::demo::SUBSCRIPTION.to_owned());
    let simulator = Arc::new(Simulator::open(file.as_deref(), &subscription)?);
    Ok(Session::simulated(printer, global, here, environment, simulator))
}

fn shaman_url(printer: Printer, text: &str) -> Outcome {
    let wrong = |error: flamenco_azure_core::shaman::ShamanError| Failure::user(error.to_string());
    if text.trim_start().to_ascii_lowercase().starts_with("shaman") {
        let url: ShamanUrl = text.parse().map_err(wrong)?;
        let (manager, checkout) = (url.manager_url(), url.checkout_id());
        printer.event("shaman-url", json!({"shaman": text.trim(), "manager": manager, "checkout": checkout}));
        printer.result(manager);
        if let Some(checkout) = checkout {
            printer.info(format!("checkout id: {checkout}"));
        }
    } else {
        let shaman = ShamanUrl::from_manager_url(text).map_err(wrong)?.to_string();
        printer.event("shaman-url", json!({"shaman": &shaman, "manager": text}));
        printer.result(shaman);
    }
    Ok(Exit::Done)
}

fn completions(printer: Printer, shell: Shell) -> Exit {
    use clap_complete::aot::{Shell as Complete, generate};
    let shell = match shell {
        Shell::Bash => Complete::Bash,
        Shell::Zsh => Complete::Zsh,
        Shell::Fish => Complete::Fish,
        Shell::Powershell => Complete::PowerShell,
    };
    let mut out = Vec::new();
    generate(shell, &mut Cli::command(), "flamenco-azure", &mut out);
    printer.raw(&out);
    Exit::Done
}

fn man(printer: Printer) -> Outcome {
    let mut out = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut out).map_err(|error| Failure::bug(&error.into()))?;
    printer.raw(&out);
    Ok(Exit::Done)
}

/// Requests by method and path on standard error; our own crates only, which log no header, body or query.
fn log_requests() {
    let filter = tracing_subscriber::EnvFilter::new("off,flamenco_azure_core=debug");
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
