//! Marketplace images of a region, as far as clients look at them before they create a machine. Every image exists, in
//! one version.

use serde_json::{Value, json};

use crate::route::Request;
use crate::wire::SimResponse;

/// The type of the path.
pub(super) const VERSIONS: &str = "locations/publishers/artifacttypes/offers/skus/versions";

/// The one version.
const VERSION: &str = "1.0.20261118";

/// `GET …/locations/{l}/publishers/{p}/artifacttypes/vmimage/offers/{o}/skus/{s}/versions[/{v}]`
pub(super) fn handle(world: &crate::world::World, request: &Request) -> SimResponse {
    let [_, publisher, _, offer, sku, rest @ ..] = request.names.as_slice() else {
        return request.no_such_type();
    };
    let location = request.region();
    let id = format!(
        "/Subscriptions/{}/Providers/Microsoft.Compute/Locations/{location}/Publishers/{publisher}/ArtifactTypes/VMImage/Offers/{offer}/Skus/{sku}/Versions/{VERSION}",
        world.subscription_id()
    );
    let brief = json!({"location": location, "name": VERSION, "id": id});
    match rest {
        [] => SimResponse::json(200, &json!([brief])),
        [version] if version == VERSION => SimResponse::json(200, &whole(brief, sku)),
        [version] => SimResponse::arm_error(
            404,
            "ImageVersionNotFound",
            &format!("The VM image version '{version}' of '{publisher}:{offer}:{sku}' was not found."),
        ),
        _ => request.no_such_type(),
    }
}

/// A managed image or one of a gallery, where somebody has put it into the world. Nobody makes one here.
pub(super) fn own(world: &crate::world::World, request: &Request) -> SimResponse {
    match world.resource(&request.id(world)) {
        Some(image) => SimResponse::json(200, &image.body()),
        None => request.not_found(),
    }
}

fn whole(brief: Value, sku: &str) -> Value {
    let generation = if sku.contains("gen1") { "V1" } else { "V2" };
    let mut image = brief;
    image["properties"] = json!({
        "hyperVGeneration": generation,
        "architecture": "x64",
        "replicaType": "Unmanaged",
        "disallowed": {"vmDiskType": "Unmanaged"},
        "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": false},
        "imageDeprecationStatus": {"imageState": "Active"},
        "features": [
            {"name": "SecurityType", "value": "TrustedLaunchSupported"},
            {"name": "IsAcceleratedNetworkSupported", "value": "True"},
        ],
        "osDiskImage": {"operatingSystem": "Linux", "sizeInGb": 31},
        "dataDiskImages": [],
    });
    image
}
