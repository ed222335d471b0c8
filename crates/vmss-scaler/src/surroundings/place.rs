//! Where a scaler is at home: what a farm and a scaler that stands alone have in common.

use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use flamenco_azure_core::plan::{IDENTITY, STORAGE};
use flamenco_azure_core::spec::{Farm, Fleet, FleetImage};
use flamenco_azure_core::tags::Tags;

use super::{PROGRAMS, program_blob};
use crate::queue::{poison_name, queue_name};
use crate::target::TagNames;

/// What the surroundings are made of, and for which pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The farm, as in ownership tags.
    pub farm: String,
    /// The subscription that pays.
    pub subscription: SubscriptionId,
    /// The group of the scale sets and of the targets' tags.
    pub group: ResourceId,
    /// The region.
    pub location: Location,
    /// The scaler's storage account, by name.
    pub account: String,
    /// The end of its addresses: `core.windows.net`.
    pub storage_suffix: String,
    /// The nodes' identity.
    pub node_identity: ResourceId,
    /// The user's tags.
    pub tags: Tags,
    /// The pools.
    pub pools: Vec<PlacePool>,
}

/// One pool, as far as it needs something around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacePool {
    /// Its name.
    pub name: String,
    /// The nodes to start with.
    pub nodes: u32,
    /// Whether nodes may ask for their own deletion.
    pub delete_by_message: bool,
    /// Its nodes' subnet.
    pub subnet: ResourceId,
    /// The image of one's own that they boot, managed or of a gallery.
    pub image: Option<ResourceId>,
}

impl Place {
    /// A farm's, its nodes being in `subnet`.
    pub fn of_farm(farm: &Farm, subnet: &ResourceId) -> Self {
        let pool = |fleet: &Fleet| PlacePool {
            name: fleet.name.clone(),
            nodes: fleet.nodes,
            delete_by_message: fleet.delete_by_message,
            subnet: subnet.clone(),
            image: match &fleet.image {
                FleetImage::Marketplace { .. } => None,
                FleetImage::Gallery { id } | FleetImage::Managed { id } => Some(id.clone()),
            },
        };
        Self {
            farm: farm.name.to_string(),
            subscription: farm.subscription.clone(),
            group: farm.group_id(),
            location: farm.location.clone(),
            account: farm.scaler_account.clone(),
            storage_suffix: farm.cloud.storage_suffix().to_owned(),
            node_identity: super::node_identity(farm),
            tags: farm.tags.clone(),
            pools: farm.fleets.iter().map(pool).collect(),
        }
    }

    /// The storage account.
    pub fn account_id(&self) -> ResourceId {
        self.group.resource(STORAGE, &self.account)
    }

    /// The container of the scaler's program.
    pub fn programs(&self) -> ResourceId {
        self.account_id().child("blobServices", "default").child("containers", PROGRAMS)
    }

    /// The address of the scaler's program of this SHA-256.
    pub fn program_url(&self, sha256: &str) -> String {
        let (account, suffix) = (&self.account, &self.storage_suffix);
        format!("https://{account}.blob.{suffix}/{PROGRAMS}/{}", program_blob(sha256))
    }

    /// A pool's queue.
    pub fn queue(&self, pool: &str) -> ResourceId {
        self.queue_id(&queue_name(&self.farm, pool))
    }

    /// The queue of requests of a pool that could not be met.
    pub fn poison_queue(&self, pool: &str) -> ResourceId {
        self.queue_id(&poison_name(&queue_name(&self.farm, pool)))
    }

    fn queue_id(&self, name: &str) -> ResourceId {
        self.account_id().child("queueServices", "default").child("queues", name)
    }

    /// The address of a pool's queue.
    pub fn queue_url(&self, pool: &str) -> String {
        format!("https://{}.queue.{}/{}", self.account, self.storage_suffix, queue_name(&self.farm, pool))
    }

    /// The names of a pool's tags on a group with these tags.
    pub fn tag_names(&self, pool: &str, group: &Tags) -> TagNames {
        TagNames::on(group, &self.farm, pool, self.pools.len() == 1)
    }

    /// Where the targets are written: not the group itself, so that it may come late and not first as steps on the group
    /// do.
    pub fn targets(&self) -> ResourceId {
        self.group.resource("Microsoft.Resources/tags", "default")
    }

    /// An identity of this farm's.
    pub fn identity(&self, name: &str) -> ResourceId {
        self.group.resource(IDENTITY, name)
    }
}
