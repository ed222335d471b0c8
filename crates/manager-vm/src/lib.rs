//! The Flamenco Manager on Azure: its network, storage, VM and health.
//!
//! Like its siblings the crate has `spec` (names and ids of its part of a farm), `desired` (pure: farm → wanted
//! resources), `observe` (reads → inventory), `wire` (api-versions), `service` (the capability [`ManagerHost`]) and
//! `error`; [`guest`] renders what runs inside the VM and on the nodes.

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
