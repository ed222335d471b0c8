//! Helpers shared by the cross-crate suites: a farm on a simulated Azure whose wire can be cut at any call.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

pub mod lives;
pub mod mirror;
pub mod wire;
pub mod yard;
