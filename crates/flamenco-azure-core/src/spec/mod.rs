//! The farm file: as written ([`FarmSpec`]), checked and completed ([`Farm`]).
//!
//! Text in, values out: nothing here reads files, the environment or the clock.

mod error;
mod farm;
mod image;
mod ssh_key;

pub use error::{Finding, Origin, Problem, SpecError};
pub use farm::{
    Access, Blender, CidrList, CloudName, Farm, FarmName, Manager, Network, Pool, PoolKind, Storage, Tls,
};
pub use image::{AGENT_2204, AGENT_2404, KNOWN as KNOWN_IMAGES, PoolImage};
pub use ssh_key::{SshKeyError, SshPublicKey};
