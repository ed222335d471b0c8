//! `cargo xtask sim` and `cargo xtask compare` run this.
#![allow(clippy::print_stdout, reason = "a tool for developers")]

use std::process::ExitCode;

use scaler_yard::scenarios::{all, compare, table};
use scaler_yard::seeds::{play, play_all};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["seed", seed] => one(seed.parse().unwrap_or(0)),
        ["seeds", from, count] => many(from.parse().unwrap_or(0), count.parse().unwrap_or(0)),
        ["compare", names @ ..] => {
            let mut scenarios = all();
            scenarios.retain(|one| names.is_empty() || names.contains(&one.name));
            print!("{}", table(&scenarios, &compare(&scenarios, 1)));
            ExitCode::SUCCESS
        }
        _ => {
            println!("compare [SCENARIO...] | seed N | seeds FROM COUNT");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64) -> ExitCode {
    let played = play(seed);
    for line in played.trace.iter().chain(&played.wrong) {
        println!("{line}");
    }
    println!("seed {seed}: {} requests in {} virtual minutes", played.calls, played.seconds / 60);
    if played.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(from: u64, count: u64) -> ExitCode {
    let failed = play_all(from..from + count, |played| {
        if let Some(wrong) = played.wrong.first() {
            println!("seed {}: {wrong}", played.seed);
        }
    });
    println!("{count} seeds, {} failed", failed.len());
    for seed in failed.iter().take(10) {
        println!("play it again: cargo xtask sim --seed {seed}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
