//! Laws of the whole program on a simulated Azure.
#![allow(clippy::unwrap_used, reason = "tests")]

mod crash;
mod deploy;
mod faults;
mod scale;
mod secrets;
mod speed;
mod teardown;
