//! The model of a scale set: what was sent, merged into what is there, with what Azure fills in (recorded traffic).

use serde_json::{Map, Value, json};

use super::state::{Mode, ScaleSet};
use crate::catalogue::{self, Size, prices};
use crate::compute::respell;
use crate::resource::{Resource, key, reference};
use crate::world::World;

/// Sets a member that is missing or null.
fn default(value: &mut Value, name: &str, usual: Value) {
    if !value.is_object() {
        *value = json!({});
    }
    if value.get(name).is_none_or(Value::is_null) {
        value[name] = usual;
    }
}

/// What clients send back and cannot change.
const READ_ONLY: &[&str] = &["provisioningState", "uniqueId", "timeCreated"];

/// Objects are merged, all else replaced; nulls change nothing (recorded: a PUT without the image keeps it).
pub(super) fn merge(into: &mut Value, sent: &Value) {
    let (Some(target), Some(sent)) = (into.as_object_mut(), sent.as_object()) else {
        *into = sent.clone();
        return;
    };
    for (name, value) in sent {
        if value.is_null() || READ_ONLY.contains(&name.as_str()) {
            continue;
        }
        match target.get_mut(name) {
            Some(there) if there.is_object() && value.is_object() => merge(there, value),
            _ => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The mode that a body asks for: `Uniform` unless it says otherwise (the default of the REST API).
pub(super) fn mode(properties: &Value) -> Mode {
    let text = properties.get("orchestrationMode").and_then(Value::as_str).unwrap_or_default();
    if text.eq_ignore_ascii_case("Flexible") { Mode::Flexible } else { Mode::Uniform }
}

/// Removes what is never shown; keeps `customData` where only the simulator sees it.
fn hide(properties: &mut Value) {
    let mut custom = None;
    if let Some(profile) =
        properties.pointer_mut("/virtualMachineProfile/osProfile").and_then(Value::as_object_mut)
    {
        profile.shift_remove("adminPassword");
        custom = profile.shift_remove("customData");
    }
    if let Some(custom) = custom {
        default(properties, "_sim", json!({}));
        properties["_sim"]["customData"] = custom;
    }
}

/// Fills in what Azure fills in.
pub(super) fn complete(
    world: &mut World,
    properties: &mut Value,
    mode: Mode,
    zoned: bool,
    size: Option<&Size>,
) {
    hide(properties);
    let now = world.now().to_string();
    let flexible = mode == Mode::Flexible;
    if properties.get("uniqueId").is_none() {
        properties["uniqueId"] = json!(world.guid());
        properties["timeCreated"] = json!(now);
    }
    properties["orchestrationMode"] = json!(if flexible { "Flexible" } else { "Uniform" });
    default(properties, "singlePlacementGroup", json!(!flexible));
    default(properties, "upgradePolicy", json!({}));
    default(&mut properties["upgradePolicy"], "mode", json!("Manual"));
    respell(&mut properties["upgradePolicy"]["mode"], &["Manual", "Automatic", "Rolling"]);
    if flexible {
        default(properties, "constrainedMaximumCapacity", json!(false));
    } else {
        default(properties, "overprovision", json!(true));
        default(properties, "doNotRunExtensionsOnOverprovisionedVMs", json!(false));
        // Recorded: Spot sets have one.
        let spot = properties.get("virtualMachineProfile").is_some_and(is_spot);
        let alone = properties["singlePlacementGroup"] == json!(true) && !zoned && !spot;
        default(properties, "platformFaultDomainCount", json!(if alone { 5 } else { 1 }));
    }
    let Some(profile) = properties.get_mut("virtualMachineProfile").filter(|profile| profile.is_object())
    else {
        return;
    };
    default(profile, "timeCreated", json!(now));
    let windows = is_windows(profile);
    login(profile, flexible, windows);
    storage(profile, flexible, windows, size);
    network(profile, flexible);
    if let Some(priority) = profile.get_mut("priority") {
        respell(priority, &["Regular", "Low", "Spot"]);
    }
    if is_spot(profile) {
        default(profile, "evictionPolicy", json!("Deallocate"));
        respell(&mut profile["evictionPolicy"], &["Deallocate", "Delete"]);
        default(profile, "billingProfile", json!({"maxPrice": -1.0}));
    }
}

/// Whether a profile's machines are Spot.
pub(super) fn is_spot(profile: &Value) -> bool {
    let text = profile.get("priority").and_then(Value::as_str).unwrap_or_default();
    text.eq_ignore_ascii_case("Spot") || text.eq_ignore_ascii_case("Low")
}

fn is_windows(profile: &Value) -> bool {
    let text = |pointer: &str| profile.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    profile.pointer("/osProfile/windowsConfiguration").is_some_and(Value::is_object)
        || text("/storageProfile/osDisk/osType").eq_ignore_ascii_case("Windows")
        || text("/storageProfile/imageReference/publisher").to_ascii_lowercase().contains("windows")
}

fn login(profile: &mut Value, flexible: bool, windows: bool) {
    let Some(os) = profile.get_mut("osProfile").filter(|os| os.is_object()) else { return };
    default(os, "secrets", json!([]));
    default(os, "allowExtensionOperations", json!(true));
    default(os, "requireGuestProvisionSignal", json!(true));
    let name = if windows { "windowsConfiguration" } else { "linuxConfiguration" };
    default(os, name, json!({}));
    let system = &mut os[name];
    default(system, "provisionVMAgent", json!(true));
    if windows {
        default(system, "enableAutomaticUpdates", json!(true));
    } else {
        default(system, "disablePasswordAuthentication", json!(false));
    }
    if flexible {
        default(system, "patchSettings", json!({}));
        let usual = if windows { "AutomaticByOS" } else { "ImageDefault" };
        default(&mut system["patchSettings"], "patchMode", json!(usual));
        default(&mut system["patchSettings"], "assessmentMode", json!("ImageDefault"));
    }
}

fn storage(profile: &mut Value, flexible: bool, windows: bool, size: Option<&Size>) {
    let Some(storage) = profile.get_mut("storageProfile").filter(|storage| storage.is_object()) else {
        return;
    };
    default(storage, "diskControllerType", json!(size.map_or("SCSI", |size| size.family.controller)));
    default(storage, "osDisk", json!({}));
    let premium = size.is_some_and(|size| size.family.premium);
    let kind = if premium { "Premium_LRS" } else { "Standard_LRS" };
    let disk = &mut storage["osDisk"];
    default(disk, "osType", json!(if windows { "Windows" } else { "Linux" }));
    default(disk, "createOption", json!("FromImage"));
    default(disk, "caching", json!("ReadWrite"));
    for (name, words) in
        [("createOption", &["FromImage"][..]), ("caching", &["None", "ReadOnly", "ReadWrite"])]
    {
        respell(&mut disk[name], words);
    }
    if disk.get("vhdContainers").is_none() {
        default(disk, "managedDisk", json!({}));
        default(&mut disk["managedDisk"], "storageAccountType", json!(kind));
        default(disk, "diskSizeGB", json!(if windows { 127 } else { 30 }));
    }
    if flexible {
        default(disk, "deleteOption", json!("Delete"));
    }
    for disk in storage.get_mut("dataDisks").and_then(Value::as_array_mut).into_iter().flatten() {
        default(disk, "caching", json!("None"));
        default(disk, "managedDisk", json!({}));
        default(&mut disk["managedDisk"], "storageAccountType", json!(kind));
        if flexible {
            default(disk, "deleteOption", json!("Delete"));
        }
    }
}

fn network(profile: &mut Value, flexible: bool) {
    let pointer = "/networkProfile/networkInterfaceConfigurations";
    let Some(configurations) = profile.pointer_mut(pointer).and_then(Value::as_array_mut) else { return };
    let only = configurations.len() == 1;
    for configuration in configurations {
        default(configuration, "properties", json!({}));
        let nic = &mut configuration["properties"];
        if only {
            // Some recorders blot out everything called `primary`.
            nic["primary"] = json!(true);
        }
        default(nic, "disableTcpStateTracking", json!(false));
        default(nic, "dnsSettings", json!({}));
        default(&mut nic["dnsSettings"], "dnsServers", json!([]));
        default(nic, "enableIPForwarding", json!(false));
        default(nic, "enableAcceleratedNetworking", json!(false));
        if flexible {
            default(nic, "auxiliaryMode", json!("None"));
            default(nic, "auxiliarySku", json!("None"));
            default(nic, "deleteOption", json!("Delete"));
        }
        for address in nic.get_mut("ipConfigurations").and_then(Value::as_array_mut).into_iter().flatten() {
            default(address, "properties", json!({}));
            let address = &mut address["properties"];
            default(address, "privateIPAddressVersion", json!("IPv4"));
            if flexible {
                default(address, "applicationSecurityGroups", json!([]));
                default(address, "loadBalancerBackendAddressPools", json!([]));
                default(address, "applicationGatewayBackendAddressPools", json!([]));
            }
        }
    }
}

/// The subnet of a profile's machines.
pub(super) fn subnet(properties: &Value) -> Option<&str> {
    let configurations = properties
        .pointer("/virtualMachineProfile/networkProfile/networkInterfaceConfigurations")?
        .as_array()?;
    let first = configurations.first()?;
    reference(first.pointer("/properties/ipConfigurations/0/properties/subnet"))
}

/// Zones of a body as numbers.
pub(super) fn zones(extra: &Map<String, Value>) -> Vec<u8> {
    let zones = extra.get("zones").and_then(Value::as_array).into_iter().flatten();
    zones.filter_map(|zone| zone.as_str()?.parse().ok()).collect()
}

/// Takes over from the resource's model what the set itself goes by.
pub(super) fn adopt(set: &mut ScaleSet, resource: &Resource, size: Option<&Size>) {
    let profile = resource.property("/virtualMachineProfile").cloned().unwrap_or_default();
    set.spot = is_spot(&profile);
    set.eviction_deletes = profile
        .get("evictionPolicy")
        .and_then(Value::as_str)
        .is_some_and(|p| p.eq_ignore_ascii_case("Delete"));
    let number = |name: &str| {
        let value = resource.property(&format!("/priorityMixPolicy/{name}")).and_then(Value::as_u64);
        value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
    };
    set.mix = resource
        .property("/priorityMixPolicy")
        .filter(|mix| mix.is_object() && set.spot)
        .map(|_| (number("baseRegularPriorityCount"), number("regularPriorityPercentageAboveBase")));
    set.zones = zones(&resource.extra);
    set.subnet = subnet(&resource.properties).map(key);
    if let Some(size) = size {
        size.name.clone_into(&mut set.size);
        set.vcpus = size.vcpus;
        set.price = catalogue::location(&set.location).map_or([0; 2], |place| {
            [prices::Tier::Dedicated, prices::Tier::Spot].map(|tier| prices::machine(size, place, tier))
        });
    }
}
