//! What the machines of a pool are made of: everything in a scale set's body that is not its placement or size.

use flamenco_azure_core::ids::{Location, ResourceId};
use flamenco_azure_core::tags::Tags;
use serde::{Deserialize, Serialize};

/// How a scale set runs its machines (Microsoft's page "Orchestration modes for Virtual Machine Scale Sets"). Fixed for
/// a set's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Machines are ordinary ones of the group; Azure's own default since November 2023.
    #[default]
    Flexible,
    /// Machines are children of the set.
    Uniform,
}

impl Mode {
    /// Azure's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flexible => "Flexible",
            Self::Uniform => "Uniform",
        }
    }
}

/// The operating system image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImageReference {
    /// From the marketplace, without a purchase plan.
    Marketplace {
        /// Such as `canonical`.
        publisher: String,
        /// Such as `ubuntu-24_04-lts`.
        offer: String,
        /// Such as `server`.
        sku: String,
        /// A version or `latest`.
        version: String,
    },
    /// A compute gallery image or a managed image.
    Own {
        /// Its id.
        id: ResourceId,
    },
}

impl ImageReference {
    /// What kind of image it is, for Azure's limit per set.
    pub fn kind(&self) -> crate::spec::Image {
        match self {
            Self::Marketplace { .. } => crate::spec::Image::Marketplace,
            Self::Own { id } if id.is_kind("Microsoft.Compute/images") => crate::spec::Image::Managed,
            Self::Own { .. } => crate::spec::Image::Gallery,
        }
    }
}

/// What every machine of a pool has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The region.
    pub location: Location,
    /// How the sets run their machines.
    pub mode: Mode,
    /// What they boot.
    pub image: ImageReference,
    /// The operating system disk's GiB: 30 for Ubuntu's images. A local disk has to hold it.
    pub os_disk_gib: u64,
    /// The subnet.
    pub subnet: ResourceId,
    /// Who may sign in by key; there are no passwords.
    pub admin: String,
    /// The public SSH key, one line.
    pub ssh_public_key: String,
    /// The user-assigned identity of the machines: it may send messages to the pool's queue and nothing else.
    pub identity: Option<ResourceId>,
    /// The cloud-init document, plain. It is readable on the machine: no secrets.
    pub custom_data: Option<String>,
    /// The most to pay for a Spot machine in US dollars an hour, at most five decimals; none for the pay-as-you-go
    /// price.
    pub max_price: Option<String>,
    /// The user's tags. Ownership tags are added.
    pub tags: Tags,
}
