//! The Flamenco Manager on Azure: its network, storage, VM and health.
//!
//! For tools that need a Flamenco Manager on Azure, with whatever workers: it says which resources that takes
//! ([`desired`]), reads which are there ([`observe`]), renders what runs inside the machines ([`guest`]), and talks to
//! the running Manager through Azure's run-command ([`ManagerVm`]), so no port needs to be open. It sends no change by
//! itself (core's executor does), makes no pools, and starts no ssh.
//!
//! Like its siblings the crate has `spec` (names and ids of its part of a farm), `desired` (pure: farm → wanted
//! resources), `observe` (reads → inventory), `wire` (api-versions), `service` (the capability [`ManagerHost`]) and
//! `error`.
//!
//! A Manager without workers, made on a simulated Azure and asked how it is:
//!
//! ```
//! use std::sync::Arc;
//!
//! use flamenco_azure_core::arm::ArmClient;
//! use flamenco_azure_core::exec::{ExecOptions, Executor, NoReporter};
//! use flamenco_azure_core::inventory::Inventory;
//! use flamenco_azure_core::journal::MemoryJournal;
//! use flamenco_azure_core::plan::{GroupWish, Wanted, plan};
//! use flamenco_azure_core::spec::{FarmSpec, Overrides, validate};
//! use manager_vm::{ManagerHost, ManagerVm, Names};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client: ArmClient = simulated();
//! let text = "
//! subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
//! location: westeurope
//! resourceGroup: studio
//! virtualMachine: studio-manager
//! storageAccountName: studiofiles
//! batchAccountName: studiobatch
//! manager:
//!   sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 nobody
//! ";
//! let overrides = Overrides { allow_world: false, today: "2026-11-21T00:00:00Z".parse()? };
//! let (farm, _warnings) = validate(&FarmSpec::parse("azure_config.yaml", text)?, &overrides)?;
//!
//! let mut resources = manager_vm::desired::resources(&farm)?;
//! // In a whole farm everything that costs waits for the Batch account, whose quota is read first.
//! for resource in &mut resources {
//!     resource.after.retain(|id| !id.is_kind(manager_vm::wire::BATCH));
//! }
//! let wanted = Wanted {
//!     farm: farm.name.to_string(),
//!     group: GroupWish { id: farm.group_id(), location: farm.location.clone(), tags: farm.tags.clone() },
//!     resources,
//!     orders: Vec::new(),
//!     absent: Vec::new(),
//!     checkpoints: manager_vm::desired::checkpoints(&farm)?, // cloud-init done, Flamenco answers
//! };
//! let executor = Executor::new(
//!     client.clone(),
//!     Arc::clone(client.clock()),
//!     Arc::new(MemoryJournal::default()),
//!     Arc::new(NoReporter),
//!     ExecOptions::default(),
//! );
//! executor.run(&plan(&wanted, &Inventory::default())?).await?;
//!
//! let status = ManagerVm::new(client.clone(), Names::of(&farm).vm()).status().await?;
//! assert_eq!(status.version, farm.manager.flamenco_version);
//!
//! // What is there is what is wanted.
//! let mut there = Inventory::default();
//! manager_vm::observe::observe(&client, &farm.group_id(), &mut there).await?;
//! assert!(plan(&wanted, &there)?.is_empty());
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

pub mod desired;
pub mod error;
pub mod guest;
pub mod observe;
pub mod service;
pub mod spec;
pub mod wire;

pub use error::{Error, Result};
#[cfg(feature = "mock")]
pub use service::MockManagerHost;
pub use service::{Drained, ManagerHost, ManagerVm};
pub use spec::Names;
