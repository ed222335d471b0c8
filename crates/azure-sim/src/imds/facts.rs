//! What a machine can read about itself.

use serde_json::{Value, json};

use super::Machine;
use crate::resource::Resource;
use crate::world::World;

/// The whole document; numbers and booleans are text, as in the real one.
pub(super) fn of(world: &World, machine: &Machine) -> Value {
    match machine {
        Machine::Own(id) => world.resource(id).map_or(Value::Null, |vm| own(world, vm)),
        Machine::Member(member) => {
            let Some(set) = world.resource(&member.set) else { return Value::Null };
            let profile = set.property("/virtualMachineProfile").cloned().unwrap_or_default();
            let mut compute = common(world, set, &profile);
            compute["name"] = json!(member.name);
            compute["resourceId"] = json!(member.resource_id);
            compute["vmId"] = json!(member.vm_id);
            compute["vmSize"] = json!(member.size);
            compute["vmScaleSetName"] = json!(set.name);
            compute["zone"] = json!(member.zone);
            compute["priority"] = json!(if member.spot { "Spot" } else { "Regular" });
            compute["evictionPolicy"] =
                json!(if member.spot { text(&profile, "/evictionPolicy") } else { "" });
            compute["osProfile"]["computerName"] = json!(member.computer);
            json!({"compute": compute, "network": network(&member.address)})
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn own(world: &World, vm: &Resource) -> Value {
    let mut compute = common(world, vm, &vm.properties);
    compute["name"] = json!(vm.name);
    compute["resourceId"] = json!(vm.id);
    compute["vmId"] = json!(vm.text("/vmId"));
    compute["vmSize"] = json!(vm.text("/hardwareProfile/vmSize"));
    compute["vmScaleSetName"] = json!("");
    let zone = vm.extra.get("zones").and_then(|zones| zones.get(0)).and_then(Value::as_str);
    compute["zone"] = json!(zone.unwrap_or_default());
    compute["priority"] = json!(vm.text("/priority").unwrap_or_default());
    compute["evictionPolicy"] = json!(vm.text("/evictionPolicy").unwrap_or_default());
    compute["osProfile"]["computerName"] = json!(vm.text("/osProfile/computerName"));
    let nic = crate::compute::interfaces_of(&vm.properties).first().and_then(|id| world.resource(id));
    let address =
        nic.and_then(|nic| nic.text("/ipConfigurations/0/properties/privateIPAddress")).unwrap_or_default();
    json!({"compute": compute, "network": network(address)})
}

fn common(world: &World, resource: &Resource, profile: &Value) -> Value {
    let tags = resource.tags.clone().unwrap_or_default();
    let list: Vec<Value> = tags.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let joined: Vec<String> = tags.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let image = |name: &str| text(profile, &format!("/storageProfile/imageReference/{name}"));
    let ssh =
        profile.pointer("/osProfile/linuxConfiguration/ssh/publicKeys").cloned().unwrap_or_else(|| json!([]));
    json!({
        "azEnvironment": "AzurePublicCloud",
        "customData": "",
        "isVmInStandbyPool": "false",
        "licenseType": "",
        "location": resource.location,
        "offer": image("offer"),
        "osProfile": {
            "adminUsername": text(profile, "/osProfile/adminUsername"),
            "disablePasswordAuthentication": "true",
        },
        "osType": text(profile, "/storageProfile/osDisk/osType"),
        "placementGroupId": "",
        "platformFaultDomain": "0",
        "platformUpdateDomain": "0",
        "provider": "Microsoft.Compute",
        "publicKeys": ssh,
        "publisher": image("publisher"),
        "resourceGroupName": resource.group,
        "sku": image("sku"),
        "subscriptionId": world.subscription_id(),
        "tags": joined.join(";"),
        "tagsList": list,
        "userData": text(profile, "/userData"),
        "version": image("version"),
    })
}

fn network(address: &str) -> Value {
    let addresses = if address.is_empty() {
        json!([])
    } else {
        json!([{"privateIpAddress": address, "publicIpAddress": ""}])
    };
    json!({"interface": [{"ipv4": {"ipAddress": addresses, "subnet": []}, "ipv6": {"ipAddress": []}, "macAddress": ""}]})
}
