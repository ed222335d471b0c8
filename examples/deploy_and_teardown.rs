//! A farm's life with the libraries alone: observe, plan, carry out. The second deploy plans nothing; the teardown
//! leaves nothing.
//!
//! On a subscription this makes a Manager VM, premium storage and two nodes, and removes them again: about half an hour
//! and less than a dollar.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use flamenco_azure_core::exec::{ExecOptions, Executor, Progress, Reporter};
use flamenco_azure_core::journal::MemoryJournal;
use flamenco_azure_core::plan::{TeardownOptions, plan, plan_teardown};
use flamenco_azure_examples::{Azure, Result, farm, farm_file, observe, on_azure, wanted};

fn main() -> Result {
    on_azure(run)
}

/// Prints each step when it has ended.
#[derive(Debug)]
struct Printing;

impl Reporter for Printing {
    fn report(&self, progress: &Progress) {
        match progress {
            Progress::Done { step, took } => println!("  done in {:>4} s: {step}", took.as_secs()),
            Progress::Failed { step, message } => println!("  FAILED: {step}: {message}"),
            _ => {}
        }
    }
}

/// How many steps each round took: first deploy, second deploy, teardown.
pub async fn run(azure: Azure) -> Result<[usize; 3]> {
    let group = azure.group()?;
    let farm = farm(&farm_file(&azure.subscription, group.name()))?;
    let wanted = wanted(&farm)?;
    let executor = Executor::new(
        azure.client.clone(),
        Arc::clone(&azure.clock),
        // Forgets when the program ends: `FileJournal` lets the next run wait for what this one has begun.
        Arc::new(MemoryJournal::default()),
        Arc::new(Printing),
        ExecOptions::default(),
    );
    let begun = azure.clock.now();

    println!("deploy");
    let first = plan(&wanted, &observe(&azure.client, &group).await?)?;
    executor.run(&first).await?;

    println!("deploy again");
    let second = plan(&wanted, &observe(&azure.client, &group).await?)?;
    executor.run(&second).await?;

    println!("teardown");
    // Needs no farm file: the resources' tags say what belongs to the farm.
    let inventory = observe(&azure.client, &group).await?;
    let last = plan_teardown(farm.name.as_str(), &group, &inventory, &TeardownOptions::default())?;
    executor.run(&last).await?;

    let minutes = azure.clock.now().duration_since(begun).as_mins();
    println!("a farm's life in {minutes} minutes of Azure's time");
    Ok([first.steps.len(), second.steps.len(), last.steps.len()])
}
