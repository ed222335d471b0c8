//! The project's own chores: `cargo xtask test | sim | compare | replay | fidelity | examples | clients | gen | bench`.

mod bench;
mod clients;
mod generate;
mod judge;
mod sim;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of the flamenco-azure workspace")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run every test; says what had to be skipped and why
    Test(test::Args),
    /// Run the suites of other people's clients alone
    Clients(clients::Args),
    /// Send every recorded interaction of a folder through the client's own code
    Replay(judge::Args),
    /// Send every recorded request of a folder to the simulator and compare the answers
    Fidelity(judge::Args),
    /// Send Microsoft's examples to the simulator, and their answers through the client
    Examples(judge::Args),
    /// Play whole farms of scale sets by seed
    Sim(sim::Args),
    /// Play both scalers on the same traces and write docs/scaler-comparison.md anew
    Compare(sim::CompareArgs),
    /// Measure what docs/performance.md states
    Bench(bench::Args),
    /// Write generated files anew (the farm file's schema, the command reference)
    Gen(generate::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Clients(args) => clients::run(&args),
        Chore::Replay(args) => judge::run("replay", &args),
        Chore::Fidelity(args) => judge::run("fidelity", &args),
        Chore::Examples(args) => judge::run("examples", &args),
        Chore::Sim(args) => sim::run(&args),
        Chore::Compare(args) => sim::compare(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Gen(args) => generate::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where recorded Azure traffic is: `AZURE_TRUTH_DIR`, else beside the project.
fn truth() -> PathBuf {
    std::env::var_os("AZURE_TRUTH_DIR").map_or_else(|| root().join("../shared/azure"), PathBuf::from)
}

#[allow(clippy::print_stderr, reason = "a chore talks to the developer")]
fn say(line: &str) {
    eprintln!("{line}");
}
