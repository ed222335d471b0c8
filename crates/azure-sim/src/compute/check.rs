//! What Azure checks before it accepts a virtual machine.

use serde_json::{Value, json};

use super::{DISK, VM, quota};
use crate::catalogue::{self, Size};
use crate::resource::{Resource, reference};
use crate::wire::SimResponse;
use crate::world::World;

/// 400 for a region that does not exist.
pub(crate) fn no_such_location(location: &str) -> SimResponse {
    SimResponse::arm_error(
        400,
        "NoRegisteredProviderFound",
        &format!("No registered resource provider found for location '{location}'."),
    )
}

/// 400 with `target`, as the compute provider answers for a bad member.
pub(crate) fn invalid(target: &str, message: &str) -> SimResponse {
    SimResponse::json(
        400,
        &json!({"error": {"code": "InvalidParameter", "message": message, "target": target}}),
    )
}

/// The size of the body, allowed in the region and within quota.
pub(super) fn size(world: &World, location: &str, properties: &Value, id: &str) -> Result<Size, SimResponse> {
    let Some(name) = properties.pointer("/hardwareProfile/vmSize").and_then(Value::as_str) else {
        return Err(invalid("vmSize", "Required parameter 'vmSize' is missing (null)."));
    };
    let Some(size) = catalogue::size(name) else {
        return Err(unknown_size(name));
    };
    let spot = properties
        .get("priority")
        .and_then(Value::as_str)
        .is_some_and(|p| matches!(p.to_ascii_lowercase().as_str(), "spot" | "low"));
    if quota::is_restricted(world, location, &size) {
        return Err(sku_not_available(location, &size));
    }
    if spot && !size.family.spot {
        return Err(no_spot(&size));
    }
    if let Some(refusal) = quota::refuse(world, location, &size, spot, Some(id)) {
        return Err(refusal);
    }
    if world.market.exhausted(location, size.name) {
        return Err(sku_not_available(location, &size));
    }
    Ok(size)
}

/// 400 for a size that the catalogue does not have.
pub(crate) fn unknown_size(name: &str) -> SimResponse {
    invalid(
        "vmSize",
        &format!(
            "The value {name} provided for the VM size is not valid. The valid sizes in the current region are: {}. Find out more on the valid VM sizes in each region at https://aka.ms/azure-regions.",
            catalogue::sizes().map(|s| s.name).collect::<Vec<_>>().join(",")
        ),
    )
}

/// 400 for Spot on a size that is not sold so.
pub(crate) fn no_spot(size: &Size) -> SimResponse {
    SimResponse::arm_error(
        400,
        "AzureSpotIsNotSupportedForThisVMSize",
        &format!("Azure Spot is not supported for the VM size {}.", size.name),
    )
}

/// 409 SkuNotAvailable (quoted traffic): a restriction, or no capacity.
pub(crate) fn sku_not_available(location: &str, size: &Size) -> SimResponse {
    let message = format!(
        "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {}' is currently not available in location '{location}'. Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.",
        size.name
    );
    SimResponse::arm_error(409, "SkuNotAvailable", &message)
}

/// Login of a new VM: a name, and a key or a password.
pub(super) fn login(properties: &Value) -> Option<SimResponse> {
    let profile = properties.get("osProfile")?;
    let named = |name: &str| profile.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if named("adminUsername") && !named("computerName") {
        return Some(missing("osProfile.computerName"));
    }
    credentials(profile)
}

fn missing(what: &str) -> SimResponse {
    invalid(what, &format!("Required parameter '{what}' is missing (null)."))
}

/// Name, key or password, and custom data of a login profile.
pub(crate) fn credentials(profile: &Value) -> Option<SimResponse> {
    if profile.get("adminUsername").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Some(missing("osProfile.adminUsername"));
    }
    let no_password = profile
        .pointer("/linuxConfiguration/disablePasswordAuthentication")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let key = profile
        .pointer("/linuxConfiguration/ssh/publicKeys/0/keyData")
        .and_then(Value::as_str)
        .is_some_and(|key| !key.trim().is_empty());
    if no_password && !key {
        return Some(invalid(
            "linuxConfiguration",
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
        ));
    }
    if !no_password && !key && profile.get("adminPassword").is_none() {
        return Some(missing("adminPassword"));
    }
    let data = profile.get("customData").and_then(Value::as_str)?;
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data);
    match decoded {
        Err(_) => Some(invalid("customData", "Custom data in OSProfile must be in Base64 encoding.")),
        Ok(bytes) if bytes.len() > 65_535 => Some(invalid(
            "customData",
            "Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.",
        )),
        Ok(_) => None,
    }
}

/// The network interfaces of the body exist in the region and are free.
pub(super) fn interfaces(world: &World, location: &str, properties: &Value, vm: &str) -> Option<SimResponse> {
    let wanted = interfaces_of(properties);
    if wanted.is_empty() {
        return Some(invalid("networkProfile", "Required parameter 'networkProfile' is missing (null)."));
    }
    wanted.into_iter().find_map(|id| interface(world, location, id, vm))
}

fn interface(world: &World, location: &str, id: &str, vm: &str) -> Option<SimResponse> {
    let there = world.resource(id).filter(|nic| nic.location.as_deref() == Some(location));
    if there.is_none() {
        let message = format!(
            "Resource {id} referenced by resource {vm} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."
        );
        return Some(SimResponse::arm_error(400, "InvalidResourceReference", &message));
    }
    if let Some(refusal) = crate::network::missing(world, vm, id) {
        return Some(refusal);
    }
    let owner = world.resources().values().find(|other| {
        other.is(VM)
            && !other.id.eq_ignore_ascii_case(vm)
            && interfaces_of(&other.properties).iter().any(|nic| nic.eq_ignore_ascii_case(id))
    })?;
    let message = format!(
        "Network Interface {id} is used by existing resource {}. In order to delete or reuse the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.",
        owner.id
    );
    Some(SimResponse::arm_error(400, "NicInUse", &message))
}

/// Ids of the interfaces that a VM's properties name.
pub(crate) fn interfaces_of(properties: &Value) -> Vec<&str> {
    let list = properties.pointer("/networkProfile/networkInterfaces").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| reference(Some(entry))).collect()
}

/// The OS disk's name must be free.
pub(super) fn disk_name(world: &World, disk: &str) -> Option<SimResponse> {
    let there: &Resource = world.resource(disk)?;
    there.is(DISK).then(|| {
        SimResponse::arm_error(
            409,
            "ConflictingUserInput",
            &format!(
                "Disk {} already exists in resource group {}. Only CreateOption.Attach is supported.",
                there.name,
                there.group.to_ascii_uppercase()
            ),
        )
    })
}

/// The `identity` to store: user-assigned ones must exist.
pub(crate) fn identity(world: &mut World, body: &Value, vm: &str) -> Result<Option<Value>, SimResponse> {
    let Some(wanted) = body.get("identity").filter(|i| i.is_object()) else { return Ok(None) };
    let mut stored = json!({"type": wanted.get("type").cloned().unwrap_or_else(|| json!("None"))});
    if let Some(assigned) = wanted.get("userAssignedIdentities").and_then(Value::as_object) {
        let mut known = serde_json::Map::new();
        // `null` takes one away.
        for (id, _) in assigned.iter().filter(|(_, value)| !value.is_null()) {
            let Some(identity) = world.resource(id) else {
                let inner = format!("Resource '{id}' was not found.");
                let message = format!(
                    "Identity operation for resource '{vm}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: '{{\"error\":{{\"code\":\"BadRequest\",\"message\":\"{inner}\"}}}}'.'."
                );
                return Err(SimResponse::arm_error(400, "FailedIdentityOperation", &message));
            };
            let member = |name: &str| identity.property(name).cloned().unwrap_or_default();
            known.insert(
                id.clone(),
                json!({"principalId": member("/principalId"), "clientId": member("/clientId")}),
            );
        }
        stored["userAssignedIdentities"] = Value::Object(known);
    }
    if stored["type"].as_str().is_some_and(|t| t.contains("SystemAssigned")) {
        stored["principalId"] = json!(world.guid());
        stored["tenantId"] = json!(world.config.tenant_id);
    }
    Ok(Some(stored))
}
