//! Azure Batch accounts and pools of Flamenco Workers.
//!
//! Azure Batch is used as a machine allocator: no jobs, no tasks. Each node's start task mounts the farm's share and
//! starts a Flamenco Worker as a service. The crate has `spec` (ids), `desired` (pure: farm → account and pools),
//! `observe` (reads → inventory), `wire` (api-versions), `service` ([`BatchPool`], the
//! [`WorkerPool`](flamenco_azure_core::pool::WorkerPool) over Batch) and `error` (resize errors in words).

pub mod desired;
pub mod error;
pub mod observe;
pub mod service;
pub mod spec;
pub mod wire;

pub use service::BatchPool;
