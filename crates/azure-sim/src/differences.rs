//! Known differences between this simulator and recorded traffic, each with its reason.
//!
//! The fidelity check (`tests/truth`, `cargo xtask fidelity`) consults this table: a difference that stands here does not
//! count as a failure (interactions that pass only by it are counted apart), and a row that no recording shows any more
//! is reported as stale.

/// One known difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The operation, `*` for any part of its name.
    pub operation: &'static str,
    /// The difference as the fidelity check words it, recorded before simulated; `*` for any text.
    pub what: &'static str,
    /// Why it is so and may stay so.
    pub reason: &'static str,
}

const fn row(operation: &'static str, what: &'static str, reason: &'static str) -> Difference {
    Difference { operation, what, reason }
}

/// The table.
pub const DIFFERENCES: &[Difference] = &[
    row(
        "*",
        "lacks *ipamPoolPrefixAllocations",
        "an empty list that Azure began to send in 2024, in some regions only, and in no specification",
    ),
    row("NetworkInterfaces_*", "lacks *kind", "sent by api-version 2022-01-01, in no specification"),
    row(
        "NetworkInterfaces_*",
        "lacks *allowPort25Out",
        "sent by api-version 2022-01-01, in no specification",
    ),
    row("NetworkInterfaces_*", "lacks *loadBalancerBackendAddressPools", "load balancers are not simulated"),
    row("NatGateways_*", "lacks properties.publicIpPrefixes", "address prefixes are not simulated"),
    row(
        "PublicIPAddresses_*",
        "lacks *properties.ipConfiguration",
        "held by a load balancer, which is not simulated",
    ),
    row(
        "PublicIPAddresses_*",
        "lacks *properties.ipAddress",
        "a dynamic address of a load balancer, which is not simulated",
    ),
    row(
        "VirtualNetworks_*",
        "lacks *subnets[].properties.ipConfigurations",
        "held by the interfaces of a scale set, which are not kept one by one",
    ),
    row(
        "operation poll (VirtualMachines_*)",
        "header retry-after: absent -> 9",
        "compute asks for 9 to 70 s at some polls and for nothing at others",
    ),
    row(
        "operation poll (ResourceGroups_Delete)",
        "status 200 -> 202",
        "the recorded client polled again after the end; the simulator's operation ends with the last poll",
    ),
    row(
        "VirtualMachineScaleSet*",
        "lacks *applicationProfile.galleryApplications[].*",
        "gallery applications are kept as they were sent",
    ),
    row(
        "VirtualMachineScaleSets_Get",
        "lacks properties.upgradePolicy.rollingUpgradePolicy.*",
        "shown by api-version 2022-11-01, also of sets that are upgraded by hand",
    ),
    row(
        "VirtualMachineScaleSets_Get",
        "lacks *windowsConfiguration.enableVMAgentPlatformUpdates",
        "shown by api-version 2022-11-01",
    ),
    row("VirtualMachineScaleSetVMs_List", "lacks *osDisk.vhd", "unmanaged disks are no more"),
    row(
        "VirtualMachineScaleSetVMs_GetInstanceView",
        "lacks *",
        "the agent of the recorded instance was shown for a while after it had been stopped",
    ),
    row(
        "operation poll (VirtualMachineScaleSets_*)",
        "header retry-after: absent -> 9",
        "compute asks for 9 to 70 s at some polls and for nothing at others",
    ),
    row("VirtualMachineScaleSet*", "lacks *extensionProfile*", "VM extensions are not simulated"),
    row("VirtualMachineScaleSet*", "lacks *extensions", "VM extensions are not simulated"),
    row("VirtualMachineScaleSet*", "lacks *extensionHandlers[]*", "VM extensions are not simulated"),
    row(
        "VirtualMachineScaleSetVMs_List",
        "enum *disks[].statuses[].code: EncryptionState/* -> *",
        "disk encryption is not simulated",
    ),
    row(
        "VirtualMachineScaleSetVMs_List",
        "enum value[].properties.provisioningState: Updating -> Succeeded",
        "the recorded instances went on with updates after their set's operation had ended",
    ),
    row(
        "VirtualMachineScaleSetVMs_List",
        "lacks an item of the list",
        "a lowered capacity takes whom the fault domains say, which no answer shows",
    ),
    row(
        "VirtualMachineScaleSetVMs_GetInstanceView",
        "status 404 -> 200",
        "overprovisioning had taken this number; the simulator's numbers have no gaps by themselves",
    ),
    row("VirtualMachines_*", "lacks *resources", "VM extensions are not simulated"),
    row("VirtualMachines_*", "lacks *extensions", "VM extensions are not simulated"),
    row("VirtualMachines_*", "lacks *extensionHandlers[]", "VM extensions are not simulated"),
    row(
        "VirtualMachines_*",
        "enum *vmAgent.statuses[].*: * -> *",
        "the agent of the recorded machine had not reported yet",
    ),
    row(
        "ResourceGroups_*",
        "lacks *tags.Creator",
        "a policy of the recorded subscription tags groups some time after their creation",
    ),
    row(
        "ResourceGroups_*",
        "lacks *tags.DateCreated",
        "a policy of the recorded subscription tags groups some time after their creation",
    ),
    row("Subscriptions_*", "lacks *tags.cctest_*", "the subscription had tags before the recording began"),
    row("Resources_List", "lacks nextLink", "the recorded subscription had thousands of resources"),
    row(
        "Providers_Get",
        "lacks *",
        "reduced to what clients read: types, api-versions, locations, registration",
    ),
    row(
        "Subscriptions_ListLocations",
        "lacks value[].metadata.*",
        "the catalogue has regions and their pairs, no places on the map",
    ),
    row("ComputeNode_*", "lacks *certificateReferences", "certificates were retired by Batch in 2024"),
    row("ComputeNode_*", "lacks *recentTasks", "Batch tasks are not simulated: Flamenco schedules"),
    row("Pool_Get (data plane)", "lacks certificateReferences", "certificates were retired by Batch in 2024"),
    row("Pool_*", "lacks *cloudServiceConfiguration", "Cloud Services pools were retired by Batch in 2024"),
    row(
        "ComputeNode_List",
        "enum value[].state: idle -> creating",
        "the recorded node was up 20 s after its allocation, others took up to five minutes; the simulated ones are between",
    ),
    row("ComputeNode_List", "lacks value[].lastBootTime", "a node that has not booted yet, as above"),
    row("ComputeNode_List", "lacks value[].nodeAgentInfo", "a node that has not booted yet, as above"),
    row("Pool_*", "lacks *windowsUserConfiguration", "of Cloud Services pools, which ran Windows"),
    row("Account_ListSupportedImages", "* value[].*", "the catalogue is today's, the recorded one of 2020"),
    row("*", "status 503 -> *", "an outage: no state brings it about; faults play it"),
    row("*", "status 504 -> *", "an outage: no state brings it about; faults play it"),
    row(
        "BatchAccount_Get",
        "* error.*",
        "right after a deletion Batch itself answers AccountNotFound, later the Resource Manager ResourceNotFound",
    ),
    row(
        "BatchAccount_Get",
        "error code: AccountNotFound -> ResourceNotFound",
        "right after a deletion Batch itself answers, later the Resource Manager",
    ),
    row("FileShares_*", "*", "share snapshots and deleted shares are not kept"),
    row("Subscriptions_*", "lacks *managedByTenants[]", "no service provider manages this subscription"),
    row("Subscriptions_ListLocations", "lacks value[].availabilityZoneMappings", "zones are not mapped"),
    row("Usages_List", "lacks value[].isAdjustable", "in no specification"),
    row(
        "VirtualMachines_*",
        "header azure-asyncoperation: absent -> *",
        "an update that changes nothing has no operation; the simulator always has one",
    ),
    row(
        "VirtualMachines_Get",
        "* NotFound -> ResourceNotFound",
        "after an eviction with policy Delete compute itself answers, later the Resource Manager",
    ),
];
