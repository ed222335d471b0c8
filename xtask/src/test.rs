//! `cargo xtask test`: every suite, with what had to be skipped named at the end.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{clients, root, say, truth};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fail instead of skipping where a tool or the recorded traffic is missing
    #[arg(long)]
    require_all: bool,
    /// Leave out the wire oracle, which compiles Microsoft's models (about two minutes), and other people's clients
    #[arg(long, conflicts_with = "require_all")]
    quick: bool,
}

/// A tool that some tests run, the Debian package that has it, and what is lost without it.
const TOOLS: &[(&str, &str, &str)] = &[
    ("shellcheck", "shellcheck", "the linting of the machines' scripts"),
    ("cloud-init", "cloud-init", "the schema check of the cloud-init document"),
    ("caddy", "caddy", "the check of the web server's configuration"),
    ("systemd-analyze", "systemd", "the check of the systemd units"),
    ("ip", "iproute2", "the machines with a root file system of their own"),
    ("xz", "xz-utils", "the machines with a root file system of their own"),
    ("rsync", "rsync", "the downloads by real programs"),
    ("/usr/sbin/sshd", "openssh-server", "the downloads and tunnels by real programs"),
    ("python3", "python3", "the tests of the Manager's control program"),
];

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut skipped = missing();
    if !args.quick {
        skipped.extend(clients::missing());
    }
    if args.require_all && !skipped.is_empty() {
        bail!("--require-all, and these are missing:\n  {}", skipped.join("\n  "));
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["test", "--workspace", "--no-fail-fast"]);
    if args.quick {
        cargo.args(["--exclude", "wire-oracle"]);
    }
    cargo.env("AZURE_TRUTH_DIR", truth());
    if args.require_all {
        cargo.env("FLAMENCO_AZURE_REQUIRE_ALL", "1");
    }
    let status = cargo.status().context("could not run cargo")?;
    // A gigabyte is worth half a minute here, not each day.
    let gigabyte = !args.require_all || self::gigabyte()?;
    let certificates = certificates(args.require_all)?;
    // After cargo, which has built the programs that they run.
    let clients = args.quick || clients::play_all(&[]);
    for line in &skipped {
        say(&format!("SKIPPED: {line}"));
    }
    if !status.success() || !gigabyte || !certificates || !clients {
        bail!("tests failed");
    }
    Ok(())
}

/// The upload of a package of a gigabyte, cut and resumed, to the simulator and to Azurite: whether its tests passed.
fn gigabyte() -> anyhow::Result<bool> {
    let mut cargo = Command::new(env!("CARGO"));
    // Of the whole workspace, as it is built by now: one package's own choice of features would compile most of it anew.
    let test = ["test", "--workspace", "--test", "upload", "--", "--ignored", "a_gigabyte"];
    cargo.current_dir(root()).args(test).env("FLAMENCO_AZURE_REQUIRE_ALL", "1");
    Ok(cargo.status().context("could not run cargo")?.success())
}

/// The feature that links OpenSSL, where its headers are: whether its tests passed.
fn certificates(required: bool) -> anyhow::Result<bool> {
    let headers = Command::new("pkg-config").args(["--exists", "openssl"]).status();
    if !headers.is_ok_and(|status| status.success()) {
        let lost =
            "sign-in with a certificate: no OpenSSL headers (Debian: apt-get install libssl-dev pkg-config)";
        if required {
            bail!("--require-all, and this is missing:\n  {lost}");
        }
        say(&format!("SKIPPED: {lost}"));
        return Ok(true);
    }
    let mut cargo = Command::new(env!("CARGO"));
    let test = ["test", "--workspace", "--features", "flamenco-azure-core/client-certificate"];
    // One test with other features than the rest: optimised code takes longer to compile than it saves.
    let plain = ["--config", "profile.dev.package.flamenco-azure-core.opt-level=0"];
    cargo.current_dir(root()).args(test).args(plain).args(["--test", "client_certificate"]);
    Ok(cargo.status().context("could not run cargo")?.success())
}

fn missing() -> Vec<String> {
    let mut lines: Vec<String> = TOOLS
        .iter()
        .filter(|(tool, _, _)| !on_path(tool))
        .map(|(tool, package, lost)| format!("{lost}: no `{tool}` (Debian: apt-get install {package})"))
        .collect();
    if !truth().join("recordings").is_dir() {
        lines.push(format!(
            "the replay of recorded Azure traffic: no `{}` (set AZURE_TRUTH_DIR)",
            truth().display()
        ));
    }
    lines
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}
