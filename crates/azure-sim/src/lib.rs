//! A deterministic simulated Azure that behaves as the real one does on the wire.
//!
//! For tests and demonstrations of programs that make things on Azure: resource groups, network, storage accounts, VMs
//! with run-command, scale sets in both orchestration modes with evictions and a Spot market, Batch, identities and the
//! metadata services of machines, prices; with long-running operations, paging, etags, quotas, throttling, locks,
//! durations and costs. It says no where Azure says no. It does not run machines (a VM's guest is a model of the
//! Flamenco Manager's control program), has no data planes but those of Batch, queues and block blobs, and checks no
//! signatures of tokens: any bearer token is somebody's.
//!
//! [`World`] is everything it knows, in one serialisable value: it answers one [`SimRequest`] at a time at
//! its own virtual time. [`SimTransport`] puts it under any `azure_core` client in the same process, and the
//! `server` feature serves it over loopback HTTP. Nothing here reads a clock or draws from the system's
//! randomness: the same seed and the same requests give the same bytes.
//!
//! Status codes, long-running headers and bodies follow recorded traffic and Microsoft's examples.
//!
//! ```
//! use azure_sim::{Action, Fault, Match, SimRequest, World, WorldConfig};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut world = World::new(WorldConfig::new("5b3a7c1e-6f5d-4c2b-9a80-0123456789ab"));
//! let group = "https://management.azure.com/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/studio";
//! let put = SimRequest::new("PUT", format!("{group}?api-version=2021-04-01").parse()?)
//!     .header("authorization", "Bearer somebody")
//!     .json_body(&json!({"location": "westeurope"}));
//!
//! // A bad moment, on order: the group is made, and the answer is lost.
//! world.inject(Fault::once(Match::on("PUT", "/resourceGroups/studio"), Action::LoseResponse));
//! assert!(world.handle(&put).lost);
//! assert_eq!(world.handle(&put).status, 200); // not 201: it is there already
//!
//! // Deleting takes its time; the world's clock is moved by whoever uses it.
//! let mut delete = put.clone();
//! delete.method = "DELETE".to_owned();
//! assert_eq!(world.handle(&delete).status, 202);
//! assert_eq!(world.groups().len(), 1);
//! world.advance_by(120);
//! assert!(world.groups().is_empty());
//!
//! // Everything is in one value.
//! let kept = world.to_json()?;
//! assert_eq!(World::from_json(&kept)?.now(), world.now());
//! # Ok(())
//! # }
//! ```

mod authorization;
mod batch;
mod calendar;
mod canonical;
pub mod catalogue;
pub mod check;
mod compute;
mod cost;
pub mod differences;
mod durations;
pub mod fault;
mod filter;
mod graph;
mod guest;
mod identity;
mod imds;
#[cfg(feature = "server")]
mod keyvault;
mod links;
mod login;
mod market;
mod network;
pub mod operation;
mod operations;
mod providers;
mod publishers;
pub mod resource;
mod resources;
mod roles;
mod route;
mod scaleset;
#[cfg(feature = "server")]
pub mod server;
mod spoil;
mod storage;
mod throttle;
#[cfg(feature = "server")]
pub mod tls;
pub mod transport;
mod wire;
mod world;

pub use authorization::{LockLevel, Principal, Role};
pub use check::Finding;
pub use cost::CostLine;
pub use fault::{Action, Fault, Match, OperationFault};
pub use graph::Directory;
pub use resource::{ProvisioningState, Resource, Tags};
pub use scaleset::boot::{Boot, Boots};
pub use scaleset::pokes::{InstanceView, Mode, SetView};
pub use scaleset::spot::SpotWalk;
pub use spoil::Spoil;
pub use transport::{CallFate, CallHook, NowFn, Phase, SimTransport};
pub use wire::{Exchange, SimRequest, SimResponse};
pub use world::{Group, Latency, World, WorldConfig};
