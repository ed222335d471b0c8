//! `cargo xtask bench`: the figures of docs/performance.md, measured here and now.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::{root, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs of a command whose best time counts: the machine's other work only ever adds.
const RUNS: u32 = 20;

pub(crate) fn run(_: &Args) -> anyhow::Result<()> {
    cargo(&["build", "--release", "--quiet", "--bin", "flamenco-azure"])?;
    let program = root().join("target/release/flamenco-azure");
    let help = best(&program, &["--help"])?;
    say(&format!("`--help`: {:.1} ms", help.as_secs_f64() * 1e3));
    let demo = best(&program, &["demo"])?;
    say(&format!("`demo`: {:.0} ms", demo.as_secs_f64() * 1e3));
    if let Some(mib) = peak_memory(&program, &["demo"])? {
        say(&format!("`demo`: {mib} MiB at most"));
    }
    cargo(&[
        "test",
        "--release",
        "--quiet",
        "-p",
        "batch-pool",
        "--test",
        "pack",
        "packing_beside",
        "--",
        "--ignored",
        "--nocapture",
    ])?;
    say("On the virtual clock (exact and repeatable):");
    cargo(&[
        "test",
        "--release",
        "--quiet",
        "-p",
        "flamenco-azure-tests",
        "--test",
        "laws",
        "speed",
        "--",
        "--nocapture",
    ])?;
    say("Planning 1,000 resources:");
    cargo(&["bench", "--quiet", "-p", "flamenco-azure-core", "--bench", "plan"])
}

fn cargo(args: &[&str]) -> anyhow::Result<()> {
    let target = root().join("target");
    let status =
        Command::new(env!("CARGO")).current_dir(root()).env("CARGO_TARGET_DIR", target).args(args).status();
    ensure!(status.context("could not run cargo")?.success(), "cargo {} failed", args.join(" "));
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn best(program: &Path, args: &[&str]) -> anyhow::Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "{} {} failed", program.display(), args.join(" "));
        best = best.min(begun.elapsed());
    }
    Ok(best)
}

/// The most memory that the program held, by Linux's own account; `None` elsewhere.
fn peak_memory(program: &Path, args: &[&str]) -> anyhow::Result<Option<u64>> {
    let mut child = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib);
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(peak.map(|kib| kib / 1024))
}
