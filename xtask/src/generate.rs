//! `cargo xtask gen`: files that are generated from code and checked in.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::root;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// The tests that compare a generated file with the checked-in one write it instead when asked to.
pub(crate) fn run(_: &Args) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "test",
            "--quiet",
            "-p",
            "flamenco-azure-core",
            "-p",
            "flamenco-azure-cli",
            "-p",
            "flamenco-azure-tests",
            "generated",
        ])
        .env("UPDATE_GENERATED", "1")
        .status()
        .context("could not run cargo")?;
    if !status.success() {
        bail!("could not write the generated files");
    }
    Ok(())
}
