//! `cargo xtask sim` and `cargo xtask compare`: farms of scale sets on the simulated Azure (tests/scaler), in release.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::{root, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Play this seed alone and print its trace
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Play so many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// Only these scenarios, printed and not written (such as A B S1)
    scenarios: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let words = match args.seed {
        Some(seed) => vec!["seed".to_owned(), seed.to_string()],
        None => vec!["seeds".to_owned(), args.from.to_string(), args.seeds.to_string()],
    };
    let status = yard(&words).status().context("could not run cargo")?;
    ensure!(status.success(), "the judges found something");
    Ok(())
}

fn yard(words: &[String]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["run", "--release", "--quiet", "-p", "scaler-yard", "--"]).args(words);
    cargo
}

const DOC: &str = "docs/scaler-comparison.md";
const BEGIN: &str = "<!-- begin: written by cargo xtask compare -->\n";
const END: &str = "<!-- end -->\n";

pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<()> {
    let words: Vec<String> =
        std::iter::once("compare".to_owned()).chain(args.scenarios.iter().cloned()).collect();
    let out = yard(&words).stderr(Stdio::inherit()).output().context("could not run cargo")?;
    ensure!(out.status.success(), "the scenarios could not be played");
    let table = String::from_utf8(out.stdout)?;
    if !args.scenarios.is_empty() {
        say(&table);
        return Ok(());
    }
    let path = root().join(DOC);
    let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {DOC}"))?;
    let (head, rest) = text.split_once(BEGIN).with_context(|| format!("{DOC} has no begin marker"))?;
    let (_, tail) = rest.split_once(END).with_context(|| format!("{DOC} has no end marker"))?;
    std::fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}"))?;
    say(&format!("written: {DOC}"));
    Ok(())
}
