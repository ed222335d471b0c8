//! The names and ids of everything this crate makes, derived from the Manager VM's name.

use flamenco_azure_core::ids::{ResourceId, SubscriptionId};
use flamenco_azure_core::spec::{Farm, Network, Storage};

use crate::wire;

/// The NFS share of a farm.
pub const SHARE: &str = "flamenco";
/// The user who may sign in by SSH.
pub const ADMIN_USER: &str = "flamencoadmin";

/// Ids of the Manager's resources.
#[derive(Debug, Clone)]
pub struct Names {
    /// The resource group.
    pub group: ResourceId,
    vm: String,
}

impl Names {
    /// The names of a farm.
    pub fn of(farm: &Farm) -> Self {
        Self { group: farm.group_id(), vm: farm.manager.vm_name.clone() }
    }

    fn id(&self, kind: &str, suffix: &str) -> ResourceId {
        self.group.resource(kind, &format!("{}{suffix}", self.vm))
    }

    /// The Manager VM.
    pub fn vm(&self) -> ResourceId {
        self.id(wire::VM, "")
    }

    /// The VM's OS disk, made and deleted with it.
    pub fn os_disk(&self) -> String {
        format!("{}-os", self.vm)
    }

    /// The VM's network interface.
    pub fn nic(&self) -> ResourceId {
        self.id(wire::NIC, "-nic")
    }

    /// The VM's public address.
    pub fn public_ip(&self) -> ResourceId {
        self.id(wire::PIP, "-ip")
    }

    /// The address that nodes and Manager leave by.
    pub fn nat_ip(&self) -> ResourceId {
        self.id(wire::PIP, "-nat-ip")
    }

    /// The NAT gateway.
    pub fn nat(&self) -> ResourceId {
        self.id(wire::NAT, "-nat")
    }

    /// The virtual network.
    pub fn vnet(&self) -> ResourceId {
        self.id(wire::VNET, "-vnet")
    }

    /// The Manager subnet's security group.
    pub fn manager_nsg(&self) -> ResourceId {
        self.id(wire::NSG, "-nsg")
    }

    /// The workers subnet's security group.
    pub fn workers_nsg(&self) -> ResourceId {
        self.id(wire::NSG, "-workers-nsg")
    }

    /// The Manager's identity.
    pub fn identity(&self) -> ResourceId {
        self.id(wire::IDENTITY, "-identity")
    }
}

/// The subnets of a farm, its own or the existing ones.
pub fn subnets(farm: &Farm) -> (ResourceId, ResourceId) {
    match &farm.network {
        Network::Own { .. } => {
            let vnet = Names::of(farm).vnet();
            (vnet.child("subnets", "manager"), vnet.child("subnets", "workers"))
        }
        Network::Existing { resource_group, vnet, manager_subnet, workers_subnet } => {
            let vnet = existing_group(&farm.subscription, resource_group).resource(wire::VNET, vnet);
            (vnet.child("subnets", manager_subnet), vnet.child("subnets", workers_subnet))
        }
    }
}

fn existing_group(subscription: &SubscriptionId, group: &str) -> ResourceId {
    ResourceId::group(subscription, group)
}

/// The farm's storage account, unless it uses an existing NFS export.
pub fn storage_account(farm: &Farm) -> Option<ResourceId> {
    match &farm.storage {
        Storage::Own { .. } => Some(farm.group_id().resource(wire::STORAGE, &farm.storage_account)),
        Storage::Existing { .. } => None,
    }
}

/// The farm's NFS share, unless it uses an existing export.
pub fn share(farm: &Farm) -> Option<ResourceId> {
    storage_account(farm).map(|account| account.child("fileServices", "default").child("shares", SHARE))
}

/// What is mounted, such as `account.file.core.windows.net:/account/flamenco`.
pub fn nfs_export(farm: &Farm) -> String {
    match &farm.storage {
        Storage::Own { .. } => {
            let account = &farm.storage_account;
            format!("{account}.file.{}:/{account}/{SHARE}", farm.cloud.storage_suffix())
        }
        Storage::Existing { nfs_export } => nfs_export.clone(),
    }
}
