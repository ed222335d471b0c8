//! What the models are known to be wrong about. An entry that nothing needs any more fails the test.

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The property is newer than the model (or missing from it): it may be lost.
    Newer,
    /// An open enum does not know this text.
    NewerValue,
}

/// An exception with its reason.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What is wrong.
    pub kind: Kind,
    /// Service and type of the document, such as `network::Subnet`.
    pub model: &'static str,
    /// The property, such as `properties.subnets[].name`; for [`Kind::NewerValue`] the text itself, where a final `*`
    /// stands for any rest.
    pub what: &'static str,
    /// Why Azure is right and the model is not, with the source.
    pub reason: &'static str,
}

impl Known {
    /// Whether it is about this property or text.
    pub fn covers(&self, what: &str) -> bool {
        match self.what.strip_suffix('*') {
            Some(begin) => what.starts_with(begin),
            None => what == self.what,
        }
    }
}

const fn newer(model: &'static str, what: &'static str, reason: &'static str) -> Known {
    Known { kind: Kind::Newer, model, what, reason }
}

const fn newer_value(model: &'static str, what: &'static str, reason: &'static str) -> Known {
    Known { kind: Kind::NewerValue, model, what, reason }
}

/// "The enum data type is currently deprecated and will be removed" (compute reference, `hardwareProfile.vmSize`): its
/// newest generation is v3.
const SIZES: &str = "the list of sizes in the schema is deprecated and ends with generation v3";

/// The generator made an empty struct of the dictionary.
const DICTIONARY: &str =
    "the schema has a dictionary of identities here, the generated model a struct without members";

/// Lists of instances carry what the specification gives their set only.
const SPOT_INSTANCE: &str =
    "answered by Azure in lists of instances (recorded 2024), not in the specification";

/// All exceptions.
pub const KNOWN: &[Known] = &[
    newer_value("compute::VirtualMachine", "Standard_*", SIZES),
    newer_value("compute::VirtualMachineUpdate", "Standard_*", SIZES),
    newer("compute::VirtualMachine", "identity.userAssignedIdentities.{}", DICTIONARY),
    newer("compute::VirtualMachineScaleSet", "identity.userAssignedIdentities.{}", DICTIONARY),
    newer("compute::VirtualMachineScaleSetVm", "identity.userAssignedIdentities.{}", DICTIONARY),
    newer_value("compute::VirtualMachineScaleSetVm", "Standard_*", SIZES),
    newer("compute::VirtualMachineScaleSetVm", "properties.priority", SPOT_INSTANCE),
    newer("compute::VirtualMachineScaleSetVm", "properties.evictionPolicy", SPOT_INSTANCE),
    newer("compute::VirtualMachineScaleSetVm", "properties.billingProfile", SPOT_INSTANCE),
    newer(
        "compute::Disk",
        "properties.isArmResource",
        "answered by Azure to a PATCH (recorded), not in the specification",
    ),
    newer(
        "network::NatGateway",
        "sku.tier",
        "answered by Azure (recorded 2024), not in the specification of 2024-03-01",
    ),
];
