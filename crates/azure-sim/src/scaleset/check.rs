//! What Azure checks before it accepts a scale set, or more machines in one.

use serde_json::Value;

use super::model;
use super::state::{Mode, ScaleSet};
use crate::catalogue::{self, Size, prices};
use crate::compute::{check as machine, quota};
use crate::resource::{Resource, key, last_segment};
use crate::wire::SimResponse;
use crate::world::World;

/// What a body comes to, as far as checks need it.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a str,
    pub(super) location: &'a str,
    pub(super) mode: Mode,
    pub(super) properties: &'a Value,
    pub(super) zones: &'a [u8],
    pub(super) capacity: u64,
    /// The set is being made: its login stands in the body. Later nobody sees the password any more.
    pub(super) new: bool,
    /// The body itself was sent with this `identity`.
    pub(super) identity: Option<&'a Value>,
}

fn bad(code: &str, message: &str) -> SimResponse {
    SimResponse::arm_error(400, code, message)
}

fn missing(target: &str) -> SimResponse {
    machine::invalid(target, &format!("Required parameter '{target}' is missing (null)."))
}

/// 1 to 64 characters; the message is the provider's own.
pub(super) fn name(name: &str) -> Option<SimResponse> {
    let inner = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    let last = !name.ends_with(['-', '.']);
    let good = first && last && name.len() <= 64 && name.chars().all(inner);
    (!good).then(|| {
        machine::invalid(
            "vmScaleSetName",
            "The entity name 'vmScaleSetName' is invalid according to its validation rule: ^[^_\\W][\\w-._]{0,79}(?<![-.])$.",
        )
    })
}

/// The size of `sku.name`: known, not restricted, and sold as Spot where that is asked for.
pub(super) fn size(
    world: &World,
    location: &str,
    sku: Option<&Value>,
    spot: bool,
) -> Result<Size, SimResponse> {
    let Some(name) = sku.and_then(|sku| sku.get("name")).and_then(Value::as_str) else {
        return Err(missing("sku.name"));
    };
    let Some(size) = catalogue::size(name) else { return Err(machine::unknown_size(name)) };
    if quota::is_restricted(world, location, &size) {
        return Err(machine::sku_not_available(location, &size));
    }
    if spot && !size.family.spot {
        return Err(machine::no_spot(&size));
    }
    Ok(size)
}

/// All that is said about a set's shape, in the order in which Azure is likeliest to notice.
pub(super) fn shape(world: &World, wanted: &Wanted, size: &Size) -> Option<SimResponse> {
    let profile = wanted.properties.get("virtualMachineProfile");
    placement(wanted, size, profile)
        .or_else(|| flexible(wanted, profile))
        .or_else(|| profile.and_then(|profile| priority(world, wanted, size, profile)))
        .or_else(|| profile.filter(|_| wanted.new).and_then(login))
        .or_else(|| profile.filter(|_| wanted.new).and_then(|profile| disk(size, profile)))
        .or_else(|| image(world, wanted, profile))
        .or_else(|| network(world, wanted))
}

fn placement(wanted: &Wanted, size: &Size, profile: Option<&Value>) -> Option<SimResponse> {
    let single = wanted.properties.get("singlePlacementGroup").and_then(Value::as_bool);
    let alone = single.unwrap_or(wanted.mode == Mode::Uniform);
    let managed = profile
        .and_then(|profile| profile.pointer("/storageProfile/imageReference/id")?.as_str())
        .is_some_and(|id| key(id).contains("/providers/microsoft.compute/images/"));
    let domains = wanted.properties.get("platformFaultDomainCount").and_then(Value::as_u64);
    let special = ["_N", "_H", "_L", "_M", "_G"].iter().any(|letter| size.name.contains(letter));
    let (most, why) = match (alone, managed) {
        _ if wanted.mode == Mode::Flexible && special && domains.is_some_and(|count| count > 1) => {
            (200, "a platformFaultDomainCount greater than 1 and this VM size")
        }
        (true, _) if wanted.mode == Mode::Uniform => {
            (if wanted.zones.len() == 3 { 300 } else { 100 }, "a single placement group")
        }
        (_, true) => (600, "a managed image"),
        _ => (1000, "a platform or gallery image"),
    };
    if wanted.capacity > most {
        return Some(machine::invalid(
            "sku.capacity",
            &format!(
                "The value of parameter sku.capacity is invalid: {} instances were requested, and a virtual machine scale set with {why} may have at most {most}.",
                wanted.capacity
            ),
        ));
    }
    let zonal = catalogue::location(wanted.location).is_some_and(|place| place.zones);
    if !wanted.zones.is_empty() && !zonal {
        return Some(bad(
            "LocationDoesNotSupportAvailabilityZones",
            &format!("The location '{}' does not support availability zones.", wanted.location),
        ));
    }
    None
}

/// What only one of the modes takes (Microsoft Learn "Orchestration modes").
fn flexible(wanted: &Wanted, profile: Option<&Value>) -> Option<SimResponse> {
    let has = |name: &str| wanted.properties.get(name).is_some_and(|value| !value.is_null());
    if wanted.mode == Mode::Uniform {
        if has("priorityMixPolicy") {
            return Some(machine::invalid(
                "priorityMixPolicy",
                "Parameter 'priorityMixPolicy' is allowed only for Virtual Machine Scale Sets with Flexible orchestration mode.",
            ));
        }
        return profile.is_none().then(|| missing("virtualMachineProfile"));
    }
    let Some(domains) = wanted.properties.get("platformFaultDomainCount").and_then(Value::as_u64) else {
        return Some(missing("platformFaultDomainCount"));
    };
    if domains > 3 || domains == 0 || (!wanted.zones.is_empty() && domains != 1) {
        return Some(machine::invalid(
            "platformFaultDomainCount",
            &format!(
                "The value {domains} of parameter 'platformFaultDomainCount' is not supported for this Virtual Machine Scale Set with Flexible orchestration mode."
            ),
        ));
    }
    for name in ["overprovision", "doNotRunExtensionsOnOverprovisionedVMs"] {
        if wanted.properties.get(name) == Some(&Value::Bool(true)) {
            return Some(machine::invalid(
                name,
                &format!(
                    "Parameter '{name}' is not allowed for Virtual Machine Scale Set with Flexible orchestration mode."
                ),
            ));
        }
    }
    let own = wanted.identity.and_then(|identity| identity.get("type")).and_then(Value::as_str);
    if own.is_some_and(|kind| kind.to_ascii_lowercase().contains("systemassigned")) {
        return Some(bad(
            "BadRequest",
            "System assigned identity is not supported for Virtual Machine Scale Sets with Flexible orchestration mode.",
        ));
    }
    let network = profile.and_then(|profile| profile.get("networkProfile"));
    let configured = network.is_some_and(|network| network.get("networkInterfaceConfigurations").is_some());
    let version = network.and_then(|network| network.get("networkApiVersion")).and_then(Value::as_str);
    if configured && version.is_none_or(str::is_empty) {
        return Some(missing("networkApiVersion"));
    }
    (profile.is_none() && wanted.capacity > 0).then(|| missing("virtualMachineProfile"))
}

/// Codes: Microsoft Learn "Error messages for Azure Spot Virtual Machines".
fn priority(world: &World, wanted: &Wanted, size: &Size, profile: &Value) -> Option<SimResponse> {
    let spot = model::is_spot(profile);
    if profile.get("evictionPolicy").is_some_and(|policy| !policy.is_null()) && !spot {
        return Some(bad(
            "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
            "Eviction policy can be set only on Azure Spot Virtual Machines.",
        ));
    }
    let price = profile.pointer("/billingProfile/maxPrice").filter(|price| !price.is_null())?;
    let invalid = || {
        Some(bad(
            "MaxPriceValueInvalid",
            "The max price value is invalid. The only supported values for max price are -1 or a decimal greater than zero with at most 5 digits to the right of the decimal point.",
        ))
    };
    let Some(price) = price.as_f64() else { return invalid() };
    if (price + 1.0).abs() < f64::EPSILON {
        return None;
    }
    let scaled = price * 100_000.0;
    if price <= 0.0 || (scaled - scaled.round()).abs() > 1e-6 {
        return invalid();
    }
    let place = catalogue::location(wanted.location)?;
    let current = prices::machine(size, place, prices::Tier::Spot) as f64 / 1e6;
    _ = world;
    (spot && price < current).then(|| {
        SimResponse::arm_error(
            409,
            "SpotPriceGreaterThanProvidedMaxPrice",
            &format!(
                "Unable to perform operation 'Create VM' since the provided max price '{price} USD' is lower than the current spot price '{current} USD' for Azure Spot VM size '{}'. For more information, see https://aka.ms/AzureSpot/errormessages.",
                size.name
            ),
        )
    })
}

fn login(profile: &Value) -> Option<SimResponse> {
    let os = profile.get("osProfile")?;
    let text = |name: &str| os.get(name).and_then(Value::as_str).unwrap_or_default();
    let prefix = text("computerNamePrefix");
    if prefix.is_empty() {
        return Some(missing("osProfile.computerNamePrefix"));
    }
    let windows = os.get("windowsConfiguration").is_some_and(Value::is_object);
    // UNCONFIRMED for Linux: 64 less the six digits that Azure adds.
    let most = if windows { 9 } else { 58 };
    if prefix.len() > most || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Some(machine::invalid(
            "computerNamePrefix",
            &format!(
                "The value of parameter computerNamePrefix is invalid: at most {most} letters, digits and hyphens."
            ),
        ));
    }
    machine::credentials(os)
}

fn disk(size: &Size, profile: &Value) -> Option<SimResponse> {
    let disk = profile.pointer("/storageProfile/osDisk")?;
    let settings = disk.get("diffDiskSettings").filter(|settings| settings.is_object())?;
    if size.local_gib == 0 {
        return Some(machine::invalid(
            "osDisk.diffDiskSettings",
            &format!("Ephemeral OS disk is not supported for VM size {}.", size.name),
        ));
    }
    let wanted = disk.get("diskSizeGB").and_then(Value::as_u64).unwrap_or(0);
    if wanted > u64::from(size.local_gib) {
        let placement = settings.get("placement").and_then(Value::as_str).unwrap_or("ResourceDisk");
        return Some(machine::invalid(
            "osDisk.diskSizeGB",
            &format!(
                "OS disk of Ephemeral VM with size greater than {} GB is not allowed for VM size {} when the DiffDiskPlacement is {placement}.",
                size.local_gib, size.name
            ),
        ));
    }
    let policy = profile.get("evictionPolicy").and_then(Value::as_str).unwrap_or("Deallocate");
    (model::is_spot(profile) && !policy.eq_ignore_ascii_case("Delete")).then(|| {
        machine::invalid(
            "evictionPolicy",
            "Eviction policy 'Deallocate' is not supported for virtual machines with Ephemeral OS disks: they cannot be deallocated.",
        )
    })
}

fn image(world: &World, wanted: &Wanted, profile: Option<&Value>) -> Option<SimResponse> {
    let storage = profile?.get("storageProfile")?;
    let Some(image) = storage.get("imageReference").filter(|image| image.is_object()) else {
        let copied = storage.pointer("/osDisk/createOption").and_then(Value::as_str);
        return (copied != Some("Attach")).then(|| missing("storageProfile.imageReference"));
    };
    let Some(id) = image.get("id").and_then(Value::as_str) else {
        let part = ["publisher", "offer", "sku", "version"].iter().find(|part| image.get(**part).is_none());
        let shared = image.get("sharedGalleryImageId").or_else(|| image.get("communityGalleryImageId"));
        return part.filter(|_| shared.is_none()).map(|part| missing(&format!("imageReference.{part}")));
    };
    let gallery = key(id).contains("/galleries/");
    let security = profile?.pointer("/securityProfile/securityType").and_then(Value::as_str);
    if !gallery && security == Some("TrustedLaunch") {
        // Recorded.
        return Some(bad(
            "BadRequest",
            "Managed Images are not supported for virtual machines with security type TrustedLaunch.",
        ));
    }
    let here = |image: &Resource| {
        let regions = image.property("/publishingProfile/targetRegions").and_then(Value::as_array);
        let replicated = regions.into_iter().flatten().filter_map(|region| region.get("name")?.as_str());
        image.location.as_deref() == Some(wanted.location)
            || replicated.map(crate::resource::normal_location).any(|region| region == wanted.location)
    };
    match world.resource(id) {
        Some(image) if here(image) => None,
        Some(_) if gallery => Some(SimResponse::arm_error(
            404,
            "GalleryImageNotFound",
            &format!(
                "The gallery image {id} is not available in {} region. Please contact image owner to replicate to this region, or change your requested region.",
                wanted.location
            ),
        )),
        Some(_) => Some(machine::invalid(
            "imageReference",
            &format!(
                "The image '{id}' is not in the location '{}' of the virtual machine scale set.",
                wanted.location
            ),
        )),
        None => Some(SimResponse::arm_error(
            404,
            if gallery { "GalleryImageNotFound" } else { "NotFound" },
            &format!(
                "The image '{id}' was not found. Please make sure that it exists and that you may read it."
            ),
        )),
    }
}

/// Subnet and security groups exist in the region.
fn network(world: &World, wanted: &Wanted) -> Option<SimResponse> {
    let pointer = "/virtualMachineProfile/networkProfile/networkInterfaceConfigurations";
    let configurations = wanted.properties.pointer(pointer).and_then(Value::as_array);
    let Some(configurations) = configurations.filter(|list| !list.is_empty()) else {
        let asked = wanted.properties.get("virtualMachineProfile").is_some_and(Value::is_object);
        return asked.then(|| missing("networkProfile.networkInterfaceConfigurations"));
    };
    for configuration in configurations {
        let group = configuration.pointer("/properties/networkSecurityGroup/id").and_then(Value::as_str);
        if let Some(refusal) = group.and_then(|id| crate::network::missing(world, wanted.id, id)) {
            return Some(refusal);
        }
    }
    let Some(subnet) = model::subnet(wanted.properties) else {
        return Some(missing("ipConfigurations.subnet"));
    };
    if let Some(refusal) = crate::network::missing(world, wanted.id, subnet) {
        return Some(refusal);
    }
    let vnet = crate::resource::parent_of(subnet).and_then(|id| world.resource(id))?;
    (vnet.location.as_deref() != Some(wanted.location)).then(|| {
        bad(
            "InvalidResourceReference",
            &format!(
                "Resource {subnet} referenced by resource {} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.",
                wanted.id
            ),
        )
    })
}

/// Addresses in the subnet and cores in the quota for so many more machines.
pub(super) fn room(
    world: &World,
    set: &ScaleSet,
    size: &Size,
    spot: u32,
    regular: u32,
) -> Option<SimResponse> {
    let more = spot + regular;
    if more == 0 {
        return None;
    }
    if let Some(refusal) = addresses(world, set, more) {
        return Some(refusal);
    }
    let cores = |machines: u32| size.vcpus.saturating_mul(machines);
    quota::refuse_cores(world, &set.location, size, true, cores(spot), None)
        .or_else(|| quota::refuse_cores(world, &set.location, size, false, cores(regular), None))
}

fn addresses(world: &World, set: &ScaleSet, more: u32) -> Option<SimResponse> {
    let subnet = set.subnet.as_deref()?;
    let left = crate::batch::addresses_left_in(world, subnet)?;
    (more > left).then(|| {
        let prefix = world
            .resource(subnet)
            .and_then(|subnet| subnet.text("/addressPrefix").or_else(|| subnet.text("/addressPrefixes/0")))
            .unwrap_or_default();
        let name = world.resource(subnet).map_or_else(|| last_segment(subnet).to_owned(), |s| s.name.clone());
        bad(
            "SubnetIsFull",
            &format!("Subnet {name} with address prefix {prefix} does not have enough capacity for {more} IP addresses."),
        )
    })
}
