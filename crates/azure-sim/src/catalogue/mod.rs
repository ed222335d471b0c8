//! What Microsoft publishes and sells: regions, VM sizes, quotas, prices. Data and pure functions.

pub mod locations;
pub mod prices;
pub mod retail;
pub mod skus;

pub use locations::{Location, location, locations};
pub use skus::{Family, Size, families, size, sizes};
