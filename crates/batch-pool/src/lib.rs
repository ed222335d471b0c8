//! Azure Batch accounts and pools of Flamenco Workers.
//!
//! For tools that want machines from Azure Batch, few or many, and want to choose which of them go: [`BatchPool`] reads
//! and resizes a pool, lists its nodes and removes exactly those that are named. Azure Batch is used as a machine
//! allocator: no jobs, no tasks. In a farm each node's start task mounts the farm's share and starts a Flamenco Worker
//! as a service. The crate does not know which node renders (the Manager does: `manager-vm` asks it).
//!
//! It has `spec` (ids), `desired` (pure: farm → account and pools), `observe` (reads → inventory), `wire`
//! (api-versions), `service` ([`BatchPool`], the [`WorkerPool`](flamenco_azure_core::pool::WorkerPool) over Batch),
//! `nodes` ([`BatchNode`]), `files` and `follow` (their logs), `node_actions` (reboot, reimage) and `error` (resize
//! errors in words). [`packages`] makes and uploads application packages, [`auto_storage`] is the account that they are
//! in, [`own_subscription`] what nodes in the farm's own subscription need, [`formula`] reads and tries autoscale formulas,
//! [`rollout`] brings nodes to the pool's newest definition, [`pool_file`] reads old pool files.
//!
//! ```
//! use batch_pool::{BatchPool, wire};
//! use flamenco_azure_core::arm::{ArmClient, Request};
//! use flamenco_azure_core::ids::ResourceId;
//! use flamenco_azure_core::pool::{Count, WorkerPool};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client: ArmClient = simulated();
//! let group = ResourceId::group(&"5b3a7c1e-6f5d-4c2b-9a80-0123456789ab".parse()?, "studio");
//! # client.run(&Request::put(group.as_str(), json!({"location": "westeurope"})).api_version("2021-04-01")).await?;
//! let account = group.resource(wire::ACCOUNT, "studiobatch");
//! let make = Request::put(account.as_str(), json!({"location": "westeurope"})).api_version(wire::BATCH_API);
//! let made = client.run(&make).await?.ok_or("no answer")?;
//! let endpoint = made["properties"]["accountEndpoint"].as_str().ok_or("no endpoint")?;
//!
//! let id = account.child("pools", "render");
//! let body = json!({"properties": {
//!     "vmSize": "Standard_D4as_v5",
//!     "deploymentConfiguration": {"virtualMachineConfiguration": {
//!         "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
//!         "nodeAgentSkuId": "batch.node.ubuntu 24.04",
//!     }},
//!     "scaleSettings": wire::fixed_scale(Count { dedicated: 2, spot: 0 }),
//! }});
//! client.run(&Request::put(id.as_str(), body).api_version(wire::BATCH_API)).await?;
//!
//! let pool = BatchPool::new(client, id, endpoint);
//! assert_eq!(pool.until_steady().await?.current.dedicated, 2);
//! // This node and no other.
//! let first = pool.nodes().await?.remove(0).id;
//! pool.delete_nodes(&[first]).await?;
//! assert_eq!(pool.observe().await?.current.dedicated, 1);
//! # Ok(())
//! # }
//! # fn simulated() -> ArmClient {
//! #     use std::sync::{Arc, Mutex};
//! #     use flamenco_azure_core::arm::{ArmOptions, Cloud, RetryPolicy};
//! #     use flamenco_azure_core::clock::{Clock as _, TokioClock};
//! #     let world = azure_sim::World::new(azure_sim::WorldConfig::new("5b3a7c1e-6f5d-4c2b-9a80-0123456789ab"));
//! #     let clock = TokioClock::starting_at(world.now());
//! #     let transport = azure_sim::SimTransport::new(Arc::new(Mutex::new(world)), Arc::new(move || clock.now()));
//! #     ArmClient::new(ArmOptions {
//! #         cloud: Cloud::public(),
//! #         credential: azure_sim::SimTransport::credential(),
//! #         transport: Some(Arc::new(transport)),
//! #         clock: Arc::new(clock),
//! #         seed: 1,
//! #         retry: RetryPolicy::default(),
//! #     })
//! # }
//! ```

pub mod auto_storage;
pub mod desired;
pub mod environment;
pub mod error;
pub mod files;
pub mod follow;
pub mod formula;
pub mod node_actions;
pub mod nodes;
pub mod observe;
pub mod own_subscription;
pub mod packages;
pub mod pool_file;
pub mod rollout;
pub mod service;
pub mod spec;
pub mod wire;

pub use nodes::BatchNode;
pub use service::BatchPool;
