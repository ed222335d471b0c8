//! The scaler and its predecessor on the simulated Azure, and their judges. One program: each further one is linked
//! anew.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod defects;
mod judges;
mod scenarios;
mod seeds;
mod smoke;
mod speed;
