//! The Azure Resource Manager client: requests as values, long-running operations as a pure state machine, paging,
//! error classification, and one retry layer on a [`Clock`](crate::clock::Clock).
//!
//! [`request`], [`response`], [`lro`], [`page`], [`classify`](mod@classify) and [`cloud`] are pure: they take values and give values
//! and are tested as tables, and through recorded Azure traffic. [`client`] is the thin part that sends.

pub mod classify;
pub mod client;
pub mod cloud;
mod discreet;
pub mod error;
mod exchange;
pub mod hint;
pub mod lro;
pub mod page;
pub mod redact;
pub mod request;
pub mod response;
pub mod retry;
mod shape;
mod wire;

pub use classify::{CapacityScope, Detail, Kind, classify};
pub use client::{ArmClient, ArmOptions};
pub use cloud::Cloud;
pub use discreet::{Discreet, in_words as causes_in_words};
pub use error::{ArmError, Fault};
pub use lro::{Next, Operation};
pub use request::{Method, Part, Plane, Request};
pub use response::{Headers, Response};
pub use retry::RetryPolicy;
