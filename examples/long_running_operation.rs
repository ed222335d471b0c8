//! Begins a long-running operation, keeps its handle as text, takes it up again as another process would, and waits.
//!
//! On a subscription this makes a virtual network, which costs nothing, and removes it again.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use flamenco_azure_core::arm::{Operation, Request};
use flamenco_azure_examples::{Azure, Result, on_azure};
use serde_json::{Value, json};

const GROUPS: &str = "2021-04-01";
const NETWORK: &str = "2024-05-01";

fn main() -> Result {
    on_azure(run)
}

/// The network as Azure describes it in the end.
pub async fn run(azure: Azure) -> Result<Value> {
    let client = &azure.client;
    let group = azure.group()?;
    let had = client.get(&Request::get(group.as_str()).api_version(GROUPS)).await?.is_some();
    if !had {
        let make = Request::put(group.as_str(), json!({"location": "westeurope"})).api_version(GROUPS);
        client.run(&make).await?;
    }
    let network = group.resource("Microsoft.Network/virtualNetworks", "example-vnet");
    let body = json!({
        "location": "westeurope",
        "properties": {"addressSpace": {"addressPrefixes": ["10.99.0.0/24"]}},
    });

    // Azure has accepted the request; nothing has been waited for.
    let operation = client.begin(&Request::put(network.as_str(), body).api_version(NETWORK)).await?;
    let kept = serde_json::to_string(&operation)?;
    println!("begun ({}); the handle is {} bytes of JSON", operation.state(), kept.len());
    drop(operation);

    // Later, perhaps in another process. The handle holds signed URLs: keep it in a private file.
    let mut operation: Operation = serde_json::from_str(&kept)?;
    let made =
        client.wait(&mut operation, &mut |now| println!("poll {}: {}", now.polls(), now.state())).await?;
    let made = made.ok_or("azure gave no description")?;
    println!("made {}: {}", made["name"], made["properties"]["provisioningState"]);

    // Ends when the deletion has.
    client.run(&Request::delete(network.as_str()).api_version(NETWORK)).await?;
    if !had {
        client.run(&Request::delete(group.as_str()).api_version(GROUPS)).await?;
    }
    Ok(made)
}
