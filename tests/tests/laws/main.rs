//! Laws of the whole program on a simulated Azure.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests print what they counted")]

mod alone;
mod change;
mod crash;
mod deploy;
mod faults;
mod fleet;
mod nodes;
mod rollout;
mod scale;
mod secrets;
mod speed;
mod surroundings;
mod teardown;
