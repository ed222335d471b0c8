//! Vocabulary, farm file, planner, executor and ARM client of **flamenco-azure**.
//!
//! The crate has two halves.
//!
//! The *pure half* has no runtime, no clock and no HTTP: [`ids`], [`name`], [`tags`], [`spec`], [`inventory`],
//! [`plan`], [`shaman`], [`pool`], [`error`]. Everything that is decided is decided there, as a value that can be
//! printed, compared and tested.
//!
//! The *I/O half* carries decisions out: [`arm`] (requests, long-running operations, paging, error
//! classification), [`identity`] (credential chain), [`exec`] (runs a plan), [`journal`] (intent before effect),
//! [`prices`] and [`clock`].

pub mod arm;
pub mod clock;
pub mod error;
pub mod exec;
pub mod identity;
pub mod ids;
pub mod inventory;
pub mod journal;
pub mod name;
pub mod plan;
pub mod pool;
pub mod prices;
pub mod shaman;
pub mod spec;
pub mod tags;

pub use error::{Error, Result};
