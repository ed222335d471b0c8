//! What the crate promises, a file for each part of it. One program: each further one is linked anew.

#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod desired;
mod environment;
mod fetch;
mod nodes;
mod pool_file;
mod rollout;
