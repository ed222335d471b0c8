//! A yard to try scalers in: a simulated Azure with a group, a subnet and an account, ours and Avere's side by side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a tool of tests: what goes wrong here is a defect of the yard"
)]

pub mod check;
pub mod old;
pub mod scenarios;
pub mod seeds;
pub mod tap;
pub mod yard;
