//! A deterministic simulated Azure that behaves as the real one does on the wire.
//!
//! [`World`] is everything it knows, in one serialisable value: it answers one [`SimRequest`] at a time at
//! its own virtual time. [`SimTransport`] puts it under any `azure_core` client in the same process, and the
//! `server` feature serves it over loopback HTTP. Nothing here reads a clock or draws from the system's
//! randomness: the same seed and the same requests give the same bytes.
//!
//! Status codes, long-running headers and bodies follow recorded traffic and Microsoft's examples.

mod authorization;
mod batch;
mod canonical;
pub mod catalogue;
pub mod check;
mod compute;
mod cost;
mod durations;
pub mod fault;
mod filter;
mod guest;
mod identity;
mod login;
mod market;
mod network;
pub mod operation;
mod providers;
pub mod resource;
mod resources;
mod route;
#[cfg(feature = "server")]
pub mod server;
mod storage;
mod throttle;
pub mod transport;
mod wire;
mod world;

pub use authorization::{LockLevel, Principal, Role};
pub use check::Finding;
pub use cost::CostLine;
pub use fault::{Action, Fault, Match, OperationFault};
pub use resource::{ProvisioningState, Resource, Tags};
pub use transport::{CallFate, CallHook, NowFn, Phase, SimTransport};
pub use wire::{Exchange, SimRequest, SimResponse};
pub use world::{Group, Latency, World, WorldConfig};
