//! What goes wrong on a bad day, on order: an answer that is lost after the change was made, throttling, an expired
//! token. The client copes; the world ends as if nothing had happened. Simulator only.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use azure_sim::{Action, Fault, Match};
use flamenco_azure_core::arm::Request;
use flamenco_azure_examples::{Azure, Result, on_azure};
use serde_json::json;

fn main() -> Result {
    on_azure(run)
}

/// How many requests reached Azure for the one that was meant.
pub async fn run(azure: Azure) -> Result<usize> {
    {
        let mut world = azure.world()?;
        let puts = || Match::on("PUT", "/resourceGroups/");
        world.inject(Fault::once(puts(), Action::throttled(30)));
        world.inject(Fault::once(puts(), Action::ExpiredToken));
        // The group is made, and nobody hears of it.
        world.inject(Fault::once(puts(), Action::LoseResponse));
    }
    let begun = azure.clock.now();
    let group = azure.group()?;
    let put = Request::put(group.as_str(), json!({"location": "westeurope"})).api_version("2021-04-01");
    let made = azure.client.run(&put).await?.ok_or("azure gave no description")?;
    let waited = azure.clock.now().duration_since(begun).as_secs();
    println!("made {} after all, {waited} s later", made["name"]);

    let world = azure.world()?;
    for exchange in world.log() {
        println!(
            "  {} {} -> {}",
            exchange.request.method,
            exchange.request.url.path(),
            exchange.response.status
        );
    }
    Ok(world.log().len())
}
