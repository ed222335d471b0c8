//! From the farm to the scaler's own file.

use std::collections::BTreeMap;

use flamenco_azure_core::spec::{Farm, Fleet, FleetImage, Orchestration, Payload, Priority};

use super::{Around, node_identity};
use crate::file::{PlacementFile, PoolFile, ScalerFile};
use crate::template::{ImageReference, Mode};

/// The cloud-init document of each fleet's nodes, by the fleet's name.
pub type NodeDocuments = BTreeMap<String, String>;

/// The scaler's file for a farm. `client_id`: of the identity that the scaler signs in with, where it has one;
/// `key`: who may sign in on nodes.
pub fn scaler_file(
    farm: &Farm,
    around: &Around,
    client_id: Option<&str>,
    admin: &str,
    key: &str,
    documents: &NodeDocuments,
) -> ScalerFile {
    let pool = |fleet: &Fleet| PoolFile {
        name: fleet.name.clone(),
        max_nodes: fleet.max_nodes,
        placements: fleet
            .placements
            .iter()
            .map(|one| PlacementFile {
                vm_size: one.vm_size.clone(),
                zone: one.zone.clone(),
                priority: match one.priority {
                    Priority::Spot => crate::spec::Priority::Spot,
                    Priority::Regular => crate::spec::Priority::Regular,
                },
            })
            .collect(),
        on_demand_percent: fleet.on_demand_percent,
        overprovision: fleet.overprovision,
        vms_per_scale_set: fleet.vms_per_scale_set,
        payload: match fleet.payload {
            Payload::Light => crate::spec::Payload::Light,
            Payload::HeavyImage => crate::spec::Payload::HeavyImage,
        },
        orchestration: match fleet.orchestration {
            Orchestration::Flexible => Mode::Flexible,
            Orchestration::Uniform => Mode::Uniform,
        },
        max_price: fleet.max_price.map(|price| price.to_string()),
        boot_budget_minutes: fleet.boot_budget_minutes,
        delete_by_message: fleet.delete_by_message,
        image: match &fleet.image {
            FleetImage::Marketplace { publisher, offer, sku, version } => ImageReference::Marketplace {
                publisher: publisher.clone(),
                offer: offer.clone(),
                sku: sku.clone(),
                version: version.clone(),
            },
            FleetImage::Gallery { id } | FleetImage::Managed { id } => ImageReference::Own { id: id.clone() },
        },
        os_disk_gib: crate::file::os_disk(),
        subnet: around.subnet.clone(),
        admin_username: admin.to_owned(),
        ssh_public_key: key.to_owned(),
        node_identity: Some(node_identity(farm)),
        custom_data: documents.get(&fleet.name).cloned(),
        tags: farm.tags.clone(),
    };
    ScalerFile {
        cloud: farm.cloud.as_str().to_owned(),
        subscription: farm.subscription.clone(),
        location: farm.location.clone(),
        resource_group: farm.resource_group.clone(),
        farm: farm.name.to_string(),
        storage_account: farm.scaler_account.clone(),
        client_id: client_id.map(str::to_owned),
        pools: farm.fleets.iter().map(pool).collect(),
    }
}
