//! Laws of the whole program on a simulated Azure.

mod crash;
mod deploy;
mod scale;
mod teardown;
