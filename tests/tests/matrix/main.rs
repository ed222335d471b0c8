//! The fault matrix: every fault at every call of every command that changes something.
//!
//! The law: a run either converges (exit 0, and the world is that of an undisturbed run), or it ends in bounded time
//! with one clear message, a hint, the right exit code, and a state from which the same command, run again without the
//! fault, ends in that same world. The counts are generated into `docs/faults.md`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests print what they counted")]

mod cell;
mod faults;
mod roles;
mod table;
mod words;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamenco_azure_tests::yard::{POOL, Yard};

use crate::cell::Command;
use crate::table::Counts;

/// A Worker renders until after the drain has begun, so that the drain waits.
fn rendering(yard: &Yard) {
    yard.poke(|world| {
        world.advance_by(600);
        let until = world.now() + std::time::Duration::from_mins(2);
        for (node, _) in world.nodes(POOL) {
            assert!(world.set_rendering(&node, until));
        }
    });
}

fn commands() -> Vec<Command> {
    let deployed = Yard::default();
    deployed.run("deploy --yes");
    let busy = deployed.fork(true);
    rendering(&busy);
    let paused = deployed.fork(true);
    paused.run("pause --yes");
    vec![
        Command::new("deploy", "deploy --yes", Yard::default()),
        Command::new("scale up", "scale render --dedicated 4 --wait", deployed.fork(true)),
        Command::new("scale down", "scale render --dedicated 1 --wait", busy.fork(true)),
        Command::new("pause", "pause --yes", busy),
        Command::new("resume", "resume --yes", paused),
        Command::new("teardown", "teardown --yes", deployed),
    ]
}

#[test]
fn every_fault_at_every_call_converges_or_ends_in_words_as_the_generated_table_says() {
    let commands = commands();
    let faults = faults::all();
    let cells: Vec<(usize, usize, usize)> = (0..faults.len())
        .flat_map(|fault| {
            commands.iter().enumerate().map(move |(command, c)| (fault, command, c.calls.len()))
        })
        .flat_map(|(fault, command, calls)| (0..calls).map(move |call| (fault, command, call)))
        .filter(|(fault, command, call)| faults[*fault].applies(&commands[*command].calls[*call]))
        .collect();
    println!(
        "{} faults at {} calls: {} cells",
        faults.len(),
        commands.iter().map(|c| c.calls.len()).sum::<usize>(),
        cells.len()
    );
    let next = AtomicUsize::new(0);
    let counts: Mutex<BTreeMap<(usize, usize), Counts>> = Mutex::default();
    let violations: Mutex<Vec<String>> = Mutex::default();
    let work = || {
        while let Some((fault, command, call)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (rule, run) = (&faults[*fault], &commands[*command]);
            match cell::run(run, &run.calls[*call], rule) {
                Ok(end) => counts.lock().unwrap().entry((*fault, *command)).or_default().add(&end),
                Err(what) => violations.lock().unwrap().push(format!(
                    "{} | {} | call {call} {} {}\n    {what}",
                    run.name, rule.name, run.calls[*call].method, run.calls[*call].path
                )),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(work);
        }
    });
    let violations = violations.into_inner().unwrap();
    let counts = counts.into_inner().unwrap();
    println!("{} cells, {}", cells.len(), table::totals(&counts));
    if !violations.is_empty() {
        // More than anyone wants on a terminal.
        if let Some(file) = std::env::var_os("MATRIX_VIOLATIONS") {
            std::fs::write(file, violations.join("\n")).unwrap();
        }
        let some: Vec<&str> = violations.iter().take(40).map(String::as_str).collect();
        panic!("{} of {} cells break the law:\n{}", violations.len(), cells.len(), some.join("\n"));
    }
    table::check(&commands, &faults, &counts);
}
