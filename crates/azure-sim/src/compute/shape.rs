//! What Azure fills into a virtual machine's body (recorded traffic): disks, login profile, spelling of enumerations.

use serde_json::{Value, json};

use super::DISK;
use crate::resource::{Resource, last_segment, reference};
use crate::world::World;

/// Sets a member that is missing or null. What should be an object and is not becomes one: a wrong type is no reason
/// for the simulator to break down.
pub(super) fn default(value: &mut Value, name: &str, usual: Value) {
    if !value.is_object() {
        *value = json!({});
    }
    if value.get(name).is_none_or(Value::is_null) {
        value[name] = usual;
    }
}

/// Enumerations are taken in any casing and given in Azure's.
pub(crate) fn respell(value: &mut Value, words: &[&str]) {
    let known = value.as_str().and_then(|text| words.iter().find(|word| word.eq_ignore_ascii_case(text)));
    if let Some(word) = known {
        *value = json!(word);
    }
}

/// Whether the machine runs Windows: its profile or its image says so.
pub(super) fn is_windows(properties: &Value) -> bool {
    let text = |pointer: &str| properties.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    properties.pointer("/osProfile/windowsConfiguration").is_some_and(Value::is_object)
        || text("/storageProfile/osDisk/osType").eq_ignore_ascii_case("Windows")
        || text("/storageProfile/imageReference/publisher").to_ascii_lowercase().contains("windows")
}

/// Hypervisor generation of the image: those that say so in their name, and Ubuntu since 24.04.
pub(super) fn generation(vm: &Resource) -> &'static str {
    generation_of(vm.property("/storageProfile/imageReference").unwrap_or(&Value::Null))
}

/// The same of an image reference.
pub(crate) fn generation_of(image: &Value) -> &'static str {
    let part = |name: &str| image.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let (offer, sku) = (part("offer"), part("sku"));
    let said =
        sku.contains("gen2") || sku.ends_with("-g2") || sku.contains("-g2-") || sku.contains("azure-edition");
    if said || offer.contains("24_04") { "V2" } else { "V1" }
}

/// The login profile's defaults.
pub(super) fn login(profile: &mut Value, windows: bool) {
    default(profile, "secrets", json!([]));
    default(profile, "allowExtensionOperations", json!(true));
    default(profile, "requireGuestProvisionSignal", json!(true));
    let name = if windows { "windowsConfiguration" } else { "linuxConfiguration" };
    default(profile, name, json!({}));
    let system = &mut profile[name];
    default(system, "provisionVMAgent", json!(true));
    default(system, "patchSettings", json!({}));
    let usual = if windows { "AutomaticByOS" } else { "ImageDefault" };
    default(&mut system["patchSettings"], "patchMode", json!(usual));
    default(&mut system["patchSettings"], "assessmentMode", json!("ImageDefault"));
    if windows {
        default(system, "enableVMAgentPlatformUpdates", json!(false));
        default(system, "enableAutomaticUpdates", json!(true));
    } else {
        default(system, "disablePasswordAuthentication", json!(false));
    }
}

/// How disks are completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disks {
    /// The size takes premium disks, which are then the default.
    pub(super) premium: bool,
    /// The image is one of Windows.
    pub(super) windows: bool,
}

const OPTIONS: &[&str] = &["FromImage", "Attach", "Empty", "Copy", "Restore"];
const CACHING: &[&str] = &["None", "ReadOnly", "ReadWrite"];
const DELETION: &[&str] = &["Delete", "Detach"];

impl Disks {
    /// Fills in what Azure fills in.
    pub(super) fn complete(self, world: &mut World, vm: &Resource, storage: &mut Value) {
        let disk = &mut storage["osDisk"];
        if !disk.is_object() {
            *disk = json!({"createOption": "FromImage"});
        }
        disk["osType"] = json!(if self.windows { "Windows" } else { "Linux" });
        default(disk, "caching", json!("ReadWrite"));
        default(disk, "diskSizeGB", json!(if self.windows { 127 } else { 30 }));
        self.one(world, vm, disk, "OsDisk_1");
        default(storage, "dataDisks", json!([]));
        for disk in storage["dataDisks"].as_array_mut().into_iter().flatten() {
            default(disk, "caching", json!("None"));
            default(disk, "diskSizeGB", json!(30));
            default(disk, "toBeDetached", json!(false));
            let number = disk.get("lun").and_then(Value::as_u64).unwrap_or_default() + 2;
            self.one(world, vm, disk, &format!("disk{number}"));
        }
    }

    fn one(self, world: &mut World, vm: &Resource, disk: &mut Value, role: &str) {
        for (name, words) in [("createOption", OPTIONS), ("caching", CACHING), ("deleteOption", DELETION)] {
            if let Some(value) = disk.get_mut(name) {
                respell(value, words);
            }
        }
        // Disks are detached unless asked otherwise; unmanaged ones are no resources.
        default(disk, "deleteOption", json!("Detach"));
        if disk.get("vhd").is_some_and(Value::is_object) {
            default(disk, "name", json!(format!("{}_{role}", vm.name)));
            return;
        }
        default(disk, "managedDisk", json!({}));
        let usual = if self.premium { "Premium_LRS" } else { "Standard_LRS" };
        default(&mut disk["managedDisk"], "storageAccountType", json!(usual));
        let given = reference(disk.get("managedDisk")).map(str::to_owned);
        let name = disk
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| given.as_deref().map(|id| last_segment(id).to_owned()));
        let name = name.unwrap_or_else(|| format!("{}_{role}_{}", vm.name, world.guid().replace('-', "")));
        let id = given.unwrap_or_else(|| {
            format!(
                "/subscriptions/{}/resourceGroups/{}/providers/{DISK}/{name}",
                world.subscription_id(),
                // Recorded: references to disks carry the group's name in capitals.
                vm.group.to_ascii_uppercase()
            )
        });
        disk["name"] = json!(name);
        disk["managedDisk"]["id"] = json!(id);
    }
}
