//! A scaler that stands alone: a group of its own, an existing network, an image and an NFS export of others, and no
//! render farm's Manager. Pure: from its file to what is wanted.

mod check;
mod desired;
mod documents;
mod file;

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::Principal;

pub use desired::{FOR, Ready};
pub use file::{AloneFile, AlonePoolFile, IdleFile, ImageText, MachineFile, NfsFile};

use crate::file::ScalerFile;
use crate::guest::{IdleWatch, NfsBootstrap, SpotWatch};
use crate::surroundings::{Around, Place};
use crate::template::ImageReference;

/// A scaler that stands alone, checked as far as that is possible without asking Azure.
#[derive(Debug, Clone)]
pub struct Alone {
    /// The scaler's own file, without what only Azure can tell: client ids.
    file: ScalerFile,
    /// Its group and what is in it.
    pub place: Place,
    /// Where the scaler runs.
    pub machine: Machine,
    admin: String,
    ssh_public_key: String,
    /// What the nodes of each pool do at their start, in the pools' order.
    guests: Vec<PoolGuest>,
}

/// Where the scaler runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Machine {
    /// On a VM that is made for it.
    Own(Box<OwnMachine>),
    /// On a VM that is there.
    Existing(ResourceId),
}

/// A VM that is made for the scaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMachine {
    /// The VM.
    pub vm: ResourceId,
    /// Its network interface.
    pub nic: ResourceId,
    /// Its size.
    pub vm_size: String,
    /// Its subnet, perhaps of another group.
    pub subnet: ResourceId,
    /// What it boots.
    pub image: ImageReference,
    /// A script that runs first.
    pub bootstrap: Option<NfsBootstrap>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PoolGuest {
    bootstrap: Option<NfsBootstrap>,
    spot: Option<SpotWatch>,
    idle: Option<IdleWatch>,
}

impl Alone {
    /// The VM that the scaler runs on.
    pub fn vm(&self) -> &ResourceId {
        match &self.machine {
            Machine::Own(own) => &own.vm,
            Machine::Existing(vm) => vm,
        }
    }

    /// The identity that the scaler signs in with.
    pub fn identity(&self) -> ResourceId {
        self.place.identity(&format!("{}-scaler-identity", self.place.farm))
    }

    /// Who signs in on the machine that is made, and on nodes.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// What the pools use. `person`: who deploys, if known.
    pub fn around(&self, person: Option<Principal>) -> Around {
        let subnet = self.place.pools.first().map(|pool| pool.subnet.clone());
        Around {
            scaler: self.identity(),
            subnet: subnet.unwrap_or_else(|| self.place.group.clone()),
            after: Vec::new(),
            person,
        }
    }
}
