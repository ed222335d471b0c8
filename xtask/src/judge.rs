//! `cargo xtask replay | fidelity | examples [DIR]`: the judges of `tests/truth`, in a process of their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{root, truth};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of recordings, or the folder that has them as `recordings`; default `AZURE_TRUTH_DIR`
    dir: Option<PathBuf>,
    /// How many failures are explained
    #[arg(long, default_value_t = 20)]
    explain: usize,
}

/// Runs one judge; its report goes to the terminal.
pub(crate) fn run(judge: &str, args: &Args) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).env("AZURE_TRUTH_DIR", std::path::absolute(truth())?);
    cargo.args(["run", "-q", "-p", "azure-truth", "--", judge, "--explain", &args.explain.to_string()]);
    if let Some(dir) = &args.dir {
        cargo.arg(std::path::absolute(dir)?);
    }
    let status = cargo.status().context("could not run cargo")?;
    if !status.success() {
        bail!("{judge} is below its floors");
    }
    Ok(())
}
