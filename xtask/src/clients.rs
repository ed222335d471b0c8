//! The suites of other people's programs (tests/clients): Microsoft's Python clients, `az`, Microsoft's OpenAPI
//! validator and JSON schemas. Each needs what `tests/clients/prepare.sh` installs under target/.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::{root, say, truth};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which (az, sdk, oav, schemas); all when none is named
    suites: Vec<String>,
}

/// A folder of tests/clients.
#[derive(Debug, Clone, Copy)]
struct Suite {
    name: &'static str,
    /// Folders of target/ that it needs.
    tools: &'static [&'static str],
    /// Whether it reads Microsoft's specifications.
    reads_truth: bool,
    /// What is lost without it.
    lost: &'static str,
}

/// The longest first: they run side by side.
const SUITES: &[Suite] = &[
    Suite { name: "az", tools: &["py", "az"], reads_truth: false, lost: "`az` on the simulator" },
    Suite {
        name: "sdk",
        tools: &["py"],
        reads_truth: false,
        lost: "Microsoft's Python clients on the simulator",
    },
    Suite { name: "oav", tools: &["py", "oav"], reads_truth: true, lost: "Microsoft's OpenAPI validator" },
    Suite { name: "schemas", tools: &["py"], reads_truth: true, lost: "the ARM template schemas" },
];

/// A folder of target/ and the list of what has to be in it.
const LISTS: &[(&str, &str)] = &[
    ("py", "requirements-py.txt"),
    ("az", "requirements-az.txt"),
    ("oav", "oav/package-lock.json"),
    ("azurite", "azurite/package-lock.json"),
];

fn folder() -> PathBuf {
    root().join("tests/clients")
}

fn tools() -> PathBuf {
    root().join("target")
}

/// Whether a folder of target/ holds what its list says now.
fn is_prepared(tool: &str) -> bool {
    let wanted = LISTS.iter().find(|row| row.0 == tool).map(|row| folder().join(row.1));
    let read = |path: PathBuf| std::fs::read(path).ok();
    let there = read(tools().join(tool).join(".prepared"));
    there.is_some() && there == wanted.and_then(read)
}

/// Why a suite cannot run, if so.
fn obstacle(suite: &Suite) -> Option<String> {
    if suite.tools.iter().any(|tool| !is_prepared(tool)) {
        return Some("not installed (bash tests/clients/prepare.sh)".to_owned());
    }
    let specifications = truth().join("openapi");
    (suite.reads_truth && !specifications.is_dir())
        .then(|| format!("no `{}` (set AZURE_TRUTH_DIR)", specifications.display()))
}

/// The suites that cannot run, each with the reason.
pub(crate) fn missing() -> Vec<String> {
    let line = |suite: &Suite| Some(format!("{}: {}", suite.lost, obstacle(suite)?));
    let mut lines: Vec<String> = SUITES.iter().filter_map(line).collect();
    if !is_prepared("azurite") {
        // Tests of cargo's need this one (tests/support/azurite.rs).
        lines.push(
            "queues, blobs and uploads with Azurite: not installed (bash tests/clients/prepare.sh)"
                .to_owned(),
        );
    }
    lines
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let known = |name: &&String| SUITES.iter().any(|suite| suite.name == name.as_str());
    if let Some(unknown) = args.suites.iter().find(|name| !known(name)) {
        bail!("there is no suite {unknown} in tests/clients");
    }
    let missing = missing();
    if !missing.is_empty() {
        bail!("these cannot run:\n  {}", missing.join("\n  "));
    }
    // Built as for the tests: another choice of features would compile most of it once more.
    let build = ["test", "--workspace", "--exclude", "wire-oracle", "--no-run"];
    let status = Command::new(env!("CARGO")).current_dir(root()).args(build).status();
    if !status.context("could not run cargo")?.success() {
        bail!("the programs could not be built");
    }
    if !play_all(&args.suites) {
        bail!("tests failed");
    }
    Ok(())
}

/// How a suite ended.
struct Ended {
    suite: &'static Suite,
    took: Duration,
    text: String,
    passed: bool,
}

/// Runs these suites (all when none is named) as far as they can run, side by side; whether all passed.
pub(crate) fn play_all(names: &[String]) -> bool {
    let Some(binaries) = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)) else {
        say("error: where the binaries are is not known");
        return false;
    };
    let wanted = |suite: &&Suite| names.is_empty() || names.iter().any(|name| name == suite.name);
    let ready: Vec<&'static Suite> =
        SUITES.iter().filter(wanted).filter(|suite| obstacle(suite).is_none()).collect();
    let ended: Vec<Ended> = std::thread::scope(|scope| {
        let threads: Vec<_> = ready.iter().map(|suite| scope.spawn(|| play(suite, &binaries))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    for one in &ended {
        say(&format!(
            "\n=== tests/clients/{} ({} s)\n{}",
            one.suite.name,
            one.took.as_secs(),
            one.text.trim_end()
        ));
    }
    ended.len() == ready.len() && ended.iter().all(|one| one.passed)
}

fn play(suite: &'static Suite, binaries: &Path) -> Ended {
    #[allow(clippy::disallowed_methods, reason = "how long a suite takes is told, not judged")]
    let begun = Instant::now();
    let python = tools().join("py/bin/python");
    let output = Command::new(python)
        .args(["-m", "unittest", "discover", "--start-directory", suite.name])
        .current_dir(folder())
        .env("PYTHONPATH", folder())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FLAMENCO_AZURE_BINARIES", binaries)
        .env("FLAMENCO_AZURE_TOOLS", tools())
        .env("AZURE_TRUTH_DIR", truth())
        .output();
    let (text, passed) = match output {
        Ok(output) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(&output.stdout) + &text(&output.stderr), output.status.success())
        }
        Err(error) => (format!("could not run Python: {error}"), false),
    };
    Ended { suite, took: begun.elapsed(), text, passed }
}
