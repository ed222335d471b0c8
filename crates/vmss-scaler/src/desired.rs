//! Pure: the bodies of scale sets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::tags::{self, Tags};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::observe::{POOL, SEAL, SealReason};
use crate::skus::Sku;
use crate::spec::{Placement, Policy, Priority};
use crate::template::{Mode, Template};
use crate::wire::{NETWORK_OF_FLEXIBLE, SCALE_SET};

/// Most characters of customData after encoding (Microsoft's page "Custom data and cloud-init": 64 KB).
pub const MOST_CUSTOM_DATA: usize = 65_535;

/// The id of a pool's scale set.
pub fn set_id(group: &ResourceId, set: &str) -> ResourceId {
    group.resource(SCALE_SET, set)
}

/// The tags of a new scale set: whose it is.
pub fn set_tags(policy: &Policy, template: &Template) -> Tags {
    let mut all = tags::for_resource(&policy.farm, &template.tags);
    all.insert(POOL.to_owned(), policy.pool.clone());
    all
}

/// The body of a new scale set with `capacity` machines at `placement`. `sku` is what Azure says about its size.
pub fn scale_set(
    policy: &Policy,
    template: &Template,
    placement: &Placement,
    sku: &Sku,
    generation: u64,
    capacity: u32,
) -> Value {
    let mut body = json!({
        "location": template.location.as_str(),
        "tags": set_tags(policy, template),
        "sku": {"name": sku.name, "tier": "Standard", "capacity": capacity},
        "properties": {
            "orchestrationMode": template.mode.as_str(),
            // "Max spreading", what Microsoft's page "Orchestration modes" advises for large sets; zonal Flexible sets take
            // no other number.
            "platformFaultDomainCount": 1,
            "virtualMachineProfile": machine(policy, template, placement, sku, generation),
        },
    });
    if let Some(zone) = &placement.zone {
        body["zones"] = json!([zone]);
    }
    if let Some(identity) = &template.identity {
        body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {identity.as_str(): {}}});
    }
    if template.mode == Mode::Uniform {
        let properties = &mut body["properties"];
        // Uniform's defaults are 100 machines at most and extra ones while it boots; Flexible has neither.
        properties["singlePlacementGroup"] = json!(false);
        properties["overprovision"] = json!(false);
        properties["upgradePolicy"] = json!({"mode": "Manual"});
    }
    body
}

fn machine(policy: &Policy, template: &Template, placement: &Placement, sku: &Sku, generation: u64) -> Value {
    let path = format!("/home/{}/.ssh/authorized_keys", template.admin);
    let mut os = json!({
        "computerNamePrefix": policy.names().computer_prefix(generation),
        "adminUsername": template.admin,
        "linuxConfiguration": {
            "disablePasswordAuthentication": true,
            "provisionVMAgent": true,
            "ssh": {"publicKeys": [{"path": path, "keyData": template.ssh_public_key}]},
        },
    });
    if let Some(text) = &template.custom_data {
        os["customData"] = json!(STANDARD.encode(text));
    }
    let mut profile = json!({
        "osProfile": os,
        "storageProfile": {"imageReference": template.image, "osDisk": os_disk(template, sku)},
        "networkProfile": network(template, sku),
        // The platform's own storage: no account to name.
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
    });
    // An image of one's own says by itself how it boots.
    if sku.trusted && template.image.kind() == crate::spec::Image::Marketplace {
        profile["securityProfile"] = json!({
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true},
        });
    }
    match placement.priority {
        Priority::Regular => profile["priority"] = json!("Regular"),
        Priority::Spot => {
            profile["priority"] = json!("Spot");
            // Deallocated machines would go on counting, in the set and in the quota.
            profile["evictionPolicy"] = json!("Delete");
            profile["billingProfile"] = json!({"maxPrice": max_price(template)});
        }
    }
    profile
}

/// -1 is "up to the pay-as-you-go price, never evicted for the price".
fn max_price(template: &Template) -> Value {
    let price = template.max_price.as_ref().and_then(|text| text.parse::<serde_json::Number>().ok());
    price.map_or_else(|| json!(-1), Value::Number)
}

fn os_disk(template: &Template, sku: &Sku) -> Value {
    let mut disk = json!({"createOption": "FromImage"});
    if let Some(local) = sku.ephemeral(template.os_disk_gib) {
        disk["caching"] = json!("ReadOnly");
        disk["diffDiskSettings"] = json!({"option": "Local", "placement": local.as_str()});
    } else {
        disk["caching"] = json!("ReadWrite");
        disk["managedDisk"] = json!({"storageAccountType": "StandardSSD_LRS"});
    }
    if template.mode == Mode::Flexible {
        disk["deleteOption"] = json!("Delete");
    }
    disk
}

fn network(template: &Template, sku: &Sku) -> Value {
    let mut interface = json!({
        "primary": true,
        "enableAcceleratedNetworking": sku.accelerated,
        "ipConfigurations": [{
            "name": "ip",
            "properties": {
                "primary": true,
                "privateIPAddressVersion": "IPv4",
                "subnet": {"id": template.subnet},
            },
        }],
    });
    let mut profile = json!({});
    if template.mode == Mode::Flexible {
        interface["deleteOption"] = json!("Delete");
        profile["networkApiVersion"] = json!(NETWORK_OF_FLEXIBLE);
    }
    profile["networkInterfaceConfigurations"] = json!([{"name": "nic", "properties": interface}]);
    profile
}

/// The body that raises a set's capacity, and takes its seal away where it has one: tags are replaced as a whole.
pub fn grow(sku: &str, to: u32, tags: Option<&Tags>) -> Value {
    let mut body = json!({"sku": {"name": sku, "tier": "Standard", "capacity": to}});
    if let Some(tags) = tags {
        let left: Tags = tags
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case(SEAL))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        body["tags"] = json!(left);
    }
    body
}

/// The body that seals a set.
pub fn seal(tags: &Tags, reason: SealReason, at: Timestamp) -> Value {
    let mut all = tags.clone();
    all.retain(|name, _| !name.eq_ignore_ascii_case(SEAL));
    all.insert(SEAL.to_owned(), format!("{at} {}", reason.as_str()));
    json!({"tags": all})
}
