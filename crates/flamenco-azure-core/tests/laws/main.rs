//! What the crate promises, a file for each part of it. One program: each further one is linked anew. On their own are
//! the test that listens to every log line of its process and the one with a feature of its own.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod classify;
mod client;
mod client_identity;
mod client_prices;
#[path = "../common/mod.rs"]
mod common;
mod farm_file;
mod lookup;
mod lro;
mod name;
mod pure_half;
mod shaman;
mod spec;
mod spec_batch;
mod spec_edit;
mod spec_errors;
mod spec_fleet;
