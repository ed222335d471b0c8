//! `azure-truth replay|fidelity|examples [DIR]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use azure_truth::recording::read_folder;
use azure_truth::report::Report;
use azure_truth::{examples, fidelity, replay, truth_dir};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "azure-truth", about = "Judges the client and the simulator by recorded Azure traffic")]
struct Cli {
    #[command(subcommand)]
    judge: Judge,
    /// How many failures are explained
    #[arg(long, default_value_t = 20, global = true)]
    explain: usize,
}

#[derive(Debug, Subcommand)]
enum Judge {
    /// Every recorded interaction through the client's own code
    Replay {
        /// A folder of recordings
        dir: Option<PathBuf>,
    },
    /// Microsoft's examples to the simulator, and their answers to the client
    Examples {
        /// A folder of examples
        dir: Option<PathBuf>,
    },
    /// Every recorded request to the simulator, answers compared
    Fidelity {
        /// A folder of recordings
        dir: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let report = match cli.judge {
        Judge::Replay { dir } => {
            let (recordings, wrong) = read_folder(&or(dir, "recordings"));
            replay::judge(&recordings, wrong)
        }
        Judge::Examples { dir } => examples::judge(&or(dir, "openapi-examples")),
        Judge::Fidelity { dir } => {
            let folder = or(dir, "recordings");
            let (recordings, wrong) = read_folder(&folder);
            fidelity::judge(&recordings, wrong, is_whole(&folder))
        }
    };
    print(&report, cli.explain);
    if report.shortfalls().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folder asked for (or the part of it that has this name), else that of the whole truth.
fn or(dir: Option<PathBuf>, usual: &str) -> PathBuf {
    let dir = dir.unwrap_or_else(|| truth_dir(Path::new(env!("CARGO_MANIFEST_DIR"))));
    let part = dir.join(usual);
    if part.is_dir() { part } else { dir }
}

/// Whether this is the full folder: only there must every known difference occur.
fn is_whole(folder: &Path) -> bool {
    let whole = truth_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).join("recordings");
    matches!((folder.canonicalize(), whole.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[allow(clippy::print_stdout, reason = "a program that prints its report")]
fn print(report: &Report, explain: usize) {
    println!("{}", report.render(explain));
}
