//! Farm file text → `Farm` → `Wanted` → `Plan`, printed. Pure functions of values: no network, no clock, no account.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{Plan, plan};
use flamenco_azure_examples::{Azure, Result, farm, farm_file, on_azure, wanted};

fn main() -> Result {
    on_azure(run)
}

/// Plans a farm where nothing exists yet.
pub async fn run(azure: Azure) -> Result<Plan> {
    let farm = farm(&farm_file(&azure.subscription, "studio"))?;
    println!("{} will be at https://{}/", farm.name, farm.host());

    // Everything that is decided is decided here, as data: it can be saved, compared and tested.
    let plan = plan(&wanted(&farm)?, &Inventory::default())?;
    for step in &plan.steps {
        println!("{:<6} {:<24} {} ({})", step.verb.as_str(), step.resource.name(), step.purpose, step.reason);
        if !step.needs.is_empty() {
            println!("       after {}", step.needs.join(", "));
        }
    }
    Ok(plan)
}
