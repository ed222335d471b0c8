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
            let complete = dir.is_none();
            let (recordings, wrong) = read_folder(&or(dir, "recordings"));
            fidelity::judge(&recordings, wrong, complete)
        }
    };
    print(&report, cli.explain);
    if report.shortfalls().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn or(dir: Option<PathBuf>, usual: &str) -> PathBuf {
    dir.unwrap_or_else(|| truth_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).join(usual))
}

#[allow(clippy::print_stdout, reason = "a program that prints its report")]
fn print(report: &Report, explain: usize) {
    println!("{}", report.render(explain));
}
