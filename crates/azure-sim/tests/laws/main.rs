//! The laws of the simulated Azure, a file for each part of it. One program: each further one is linked anew.

#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, clippy::must_use_candidate)]

mod batch;
mod batch_autoscale;
mod batch_nodes;
mod batch_packages;
mod compute;
mod deployments;
mod farm;
mod fleet;
mod fleet_limits;
mod fleet_week;
mod imds;
mod prices;
mod scalesets;
#[cfg(feature = "server")]
mod server;
mod spot;
mod storage;
mod storage_data;
mod support;
#[cfg(feature = "server")]
mod tls;
mod uploads;
mod wire;
mod world;
