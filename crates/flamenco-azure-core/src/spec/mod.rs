//! The farm file: as written ([`FarmSpec`]), checked and completed ([`validate`]) to a [`Farm`].
//!
//! Text in, values out: nothing here reads files, the environment or the clock.
//!
//! ```
//! use flamenco_azure_core::spec::{FarmSpec, Overrides, validate};
//!
//! let text = "
//! subscriptionID: 5b3a7c1e-0000-4000-8000-0123456789ab
//! location: westeurope
//! resourceGroup: studio
//! virtualMachine: studio-farm
//! storageAccountName: studiofarm
//! batchAccountName: studiofarm
//! ";
//! let spec = FarmSpec::parse("azure_config.yaml", text)?;
//! let overrides = Overrides { allow_world: false, today: "2026-11-21T00:00:00Z".parse()? };
//! let (farm, _warnings) = validate(&spec, &overrides)?;
//! assert_eq!(farm.fqdn(), "studio-farm.westeurope.cloudapp.azure.com");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
pub mod defaults;
pub mod edit;
mod error;
mod farm;
mod file;
mod fleet;
mod image;
pub mod network;
mod parse;
pub mod retired;
mod secret;
mod shape;
mod ssh_key;
mod tree;
mod validate;

pub use batch::{
    Autoscale, FORMULA_ROOM, LONGEST_FORMULA, MOST_PACKAGES, PackageRef, PackageRefError, suspicious,
    unbounded,
};
pub use error::{Finding, Origin, Problem, SpecError};
pub use farm::{
    Access, Allocation, BATCH_APPLICATION, BatchMode, Blender, CidrList, CloudName, Farm, FarmName, LOOK_UP,
    Manager, Network, Pool, PoolKind, Storage, Tls,
};
pub use file::{
    AccessSpec, AutoscaleSpec, BatchSpec, BlenderSpec, ExistingNetworkSpec, ExistingStorageSpec, FarmSpec,
    ManagerSpec, NetworkSpec, PlacementSpec, PoolSpec, Source, StorageSpec,
};
pub use fleet::{
    BOOT_BUDGET_MINUTES, Fleet, FleetImage, MOST_OVERPROVISION, MOST_PER_SET, MOST_PER_SET_MANAGED_IMAGE,
    MaxPrice, Orchestration, Payload, Placement, Priority, SET_NAME_ROOM,
};
pub use image::{AGENT_2204, AGENT_2404, KNOWN as KNOWN_IMAGES, PoolImage};
pub use secret::Secret;
pub use shape::schema;
pub use ssh_key::{SshKeyError, SshPublicKey};
pub use validate::{Overrides, Warning, validate};
