//! Vocabulary, farm file, planner, executor and ARM client of **flamenco-azure**.
//!
//! For tools that make things on Azure and want to know beforehand what they will do: a farm file is checked, what is
//! wanted is compared with what is there, and the difference is a [`plan::Plan`] that can be printed, saved and carried
//! out by an [`exec::Executor`] which may be killed at any point. [`arm::ArmClient`] is usable alone: requests as values,
//! paging, long-running operations that survive the process, errors with a next step. The crate does not know what a
//! farm consists of (`manager-vm` and `batch-pool` do), reads no files or environment, and has no client for any other
//! Azure service than Resource Manager, Batch's data plane and the public price list.
//!
//! The crate has two halves.
//!
//! The *pure half* has no runtime, no clock and no HTTP: [`ids`], [`name`], [`tags`], [`spec`], [`inventory`],
//! [`plan`], [`shaman`], [`pool`], [`error`]. Everything that is decided is decided there, as a value that can be
//! printed, compared and tested.
//!
//! The *I/O half* carries decisions out: [`arm`] (requests, long-running operations, paging, error
//! classification), [`identity`] (credential chain), [`exec`] (runs a plan), [`journal`] (intent before effect),
//! [`prices`] and [`clock`].
//!
//! A resource group and an address in it, planned and made on a simulated Azure; planning again finds nothing to do:
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use azure_sim::{SimTransport, World, WorldConfig};
//! use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, Request, RetryPolicy};
//! use flamenco_azure_core::clock::{Clock as _, TokioClock};
//! use flamenco_azure_core::exec::{ExecOptions, Executor, NoReporter};
//! use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
//! use flamenco_azure_core::inventory::{Inventory, Observed};
//! use flamenco_azure_core::journal::MemoryJournal;
//! use flamenco_azure_core::plan::{Desired, GroupWish, Wanted, plan};
//! use flamenco_azure_core::tags::{self, Tags};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Paused tokio time is the simulator's clock. On Azure: `transport: None`, a `SystemClock`, a `CredentialChain`.
//! let subscription: SubscriptionId = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab".parse()?;
//! let world = World::new(WorldConfig::new(&subscription.to_string()));
//! let clock = TokioClock::starting_at(world.now());
//! let transport = SimTransport::new(Arc::new(Mutex::new(world)), Arc::new(move || clock.now()));
//! let client = ArmClient::new(ArmOptions {
//!     cloud: Cloud::public(),
//!     credential: SimTransport::credential(),
//!     transport: Some(Arc::new(transport)),
//!     clock: Arc::new(clock),
//!     seed: 1,
//!     retry: RetryPolicy::default(),
//! });
//!
//! let group = ResourceId::group(&subscription, "studio");
//! let location: Location = "westeurope".parse()?;
//! let id = group.resource("Microsoft.Network/publicIPAddresses", "studio-ip");
//! let body = json!({
//!     "location": location.as_str(),
//!     "tags": tags::for_resource("studio", &Tags::new()),
//!     "sku": {"name": "Standard"},
//!     "properties": {"publicIPAllocationMethod": "Static"},
//! });
//! let address = Desired {
//!     replace_on: &["/sku"],
//!     replace_remedy: "delete it first",
//!     ..Desired::new(id, "2024-05-01", "an address", body)
//! };
//! let wanted = Wanted {
//!     farm: "studio".to_owned(),
//!     group: GroupWish { id: group.clone(), location, tags: Tags::new() },
//!     resources: vec![address.clone()],
//!     orders: Vec::new(),
//!     absent: Vec::new(),
//!     checkpoints: Vec::new(),
//! };
//!
//! let first = plan(&wanted, &Inventory::default())?;
//! let steps: Vec<&str> = first.steps.iter().map(|step| step.id.as_str()).collect();
//! assert_eq!(steps, ["create resourceGroups/studio", "create publicIPAddresses/studio-ip"]);
//!
//! let journal = Arc::new(MemoryJournal::default());
//! let options = ExecOptions::default();
//! let executor = Executor::new(client.clone(), Arc::new(clock), journal, Arc::new(NoReporter), options);
//! executor.run(&first).await?;
//!
//! let read = |id: &ResourceId, version| Request::get(id.as_str()).api_version(version);
//! let body = client.get(&read(&group, "2021-04-01")).await?;
//! let mut there = Inventory::of_group(body.and_then(Observed::from_body));
//! there.extend(client.get(&read(&address.id, address.api_version)).await?);
//! assert!(plan(&wanted, &there)?.is_empty());
//! # Ok(())
//! # }
//! ```

pub mod arm;
pub mod clock;
pub mod error;
pub mod exec;
pub mod identity;
pub mod ids;
pub mod inventory;
pub mod journal;
pub mod name;
pub mod plan;
pub mod pool;
pub mod prices;
pub mod shaman;
pub mod spec;
pub mod storage;
pub mod tags;

pub use error::{Error, Result};
