//! A Batch pool as a `WorkerPool`: resize, look at the nodes, remove chosen ones.
//!
//! On a subscription this resizes the first pool of the farm in `FLAMENCO_AZURE_GROUP` to three nodes and sets it
//! back. It does not ask the Manager who renders: use it on an idle farm, or `flamenco-azure scale`, which asks.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use batch_pool::{BatchPool, wire};
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::pool::{Count, WorkerPool};
use flamenco_azure_examples::{Azure, Result, observe, on_azure};
use serde_json::json;

fn main() -> Result {
    on_azure(run)
}

/// The node counts seen on the way.
pub async fn run(azure: Azure) -> Result<Vec<u32>> {
    if azure.is_simulated() {
        make_a_pool(&azure).await?;
    }
    let inventory = observe(&azure.client, &azure.group()?).await?;
    let id = inventory
        .of_kind(wire::POOL)
        .map(|pool| pool.id.clone())
        .next()
        .ok_or("the group has no farm's pool")?;
    let account = id.parent().and_then(|account| inventory.get(&account)).ok_or("the pool has no account")?;
    let endpoint = account.text("/properties/accountEndpoint").ok_or("the account has no endpoint")?;
    let pool = BatchPool::new(azure.client.clone(), id, endpoint);
    let before = pool.until_steady().await?;

    let mut seen = vec![nodes(&pool).await?];
    pool.resize(Count { dedicated: 3, ..before.target }).await?;
    // Asked for is not granted: quotas and capacity show in the errors of the steady state.
    for error in pool.until_steady().await?.errors {
        println!("fell short: {}", batch_pool::error::explain(&error));
    }
    seen.push(nodes(&pool).await?);

    // Exactly this node, where `resize` would let Azure choose.
    let first = pool.nodes().await?.into_iter().next().ok_or("the pool has no node")?;
    pool.delete_nodes(&[first.id]).await?;
    seen.push(nodes(&pool).await?);

    pool.resize(before.target).await?;
    pool.until_steady().await?;
    seen.push(nodes(&pool).await?);
    Ok(seen)
}

/// Anything that is a pool of workers can be asked the same.
async fn nodes(pool: &dyn WorkerPool) -> Result<u32> {
    let state = pool.observe().await?;
    println!("{}: {} (wanted {})", pool.name(), state.current, state.target);
    Ok(state.current.total())
}

/// A Batch account with a pool, tagged as a farm's.
async fn make_a_pool(azure: &Azure) -> Result {
    let group = azure.group()?;
    let make = Request::put(group.as_str(), json!({"location": "westeurope"})).api_version("2021-04-01");
    azure.client.run(&make).await?;
    let account = group.resource(wire::ACCOUNT, "examplebatch");
    let body = json!({"location": "westeurope", "tags": {"flamenco-farm": "example"}});
    azure.client.run(&Request::put(account.as_str(), body).api_version(wire::BATCH_API)).await?;
    let body = json!({"properties": {
        "vmSize": "Standard_D4as_v5",
        "deploymentConfiguration": {"virtualMachineConfiguration": {
            "imageReference": {
                "publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2404", "version": "latest",
            },
            "nodeAgentSkuId": "batch.node.ubuntu 24.04",
        }},
        "scaleSettings": wire::fixed_scale(Count { dedicated: 1, spot: 0 }),
    }});
    let pool = account.child("pools", "render");
    azure.client.run(&Request::put(pool.as_str(), body).api_version(wire::BATCH_API)).await?;
    Ok(())
}
