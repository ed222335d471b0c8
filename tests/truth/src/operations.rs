//! Which operation a recorded request is, and whether it is ours to judge: the one table of both judges.
//!
//! Four lists. [`IN_SCOPE`]: operations that the product or its simulator is about. [`LATER`]: in scope too, and not
//! simulated, each with the reason; they count in the denominator. [`NEXT`]: what neither product nor simulator has
//! today and both will have; replay judges it, fidelity prints what the coverage is with it. [`OUT_OF_SCOPE`]: services
//! that the farm never touches, each with the reason; they count nowhere. A request on none of the lists is an *unknown operation*, which is
//! a failure of its own kind: nothing is passed over in silence.

use flamenco_azure_core::arm::Method;
use url::Url;

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// In scope and judged, by its name in Microsoft's specification.
    InScope(&'static str),
    /// A poll of a long-running operation; whose it is shows in the links of earlier answers.
    Poll,
    /// In scope, not simulated: name and reason.
    Later(String, &'static str),
    /// In scope of the product's next step: name and reason.
    Next(String, &'static str),
    /// Not ours: name and reason.
    OutOfScope(String, &'static str),
    /// On no list.
    Unknown(String),
}

/// `method`, path, name. The path begins with `rg` (below `/subscriptions/{s}/resourceGroups/{g}/providers`),
/// `sub` (below `/subscriptions/{s}/providers`), `any` (below any `/providers`), `arm` or `batch` (from the root); `*` is one name.
pub const IN_SCOPE: &[(&str, &str, &str)] = &[
    ("GET", "arm/subscriptions", "Subscriptions_List"),
    ("GET", "arm/subscriptions/*", "Subscriptions_Get"),
    ("GET", "arm/subscriptions/*/locations", "Subscriptions_ListLocations"),
    ("GET", "arm/tenants", "Tenants_List"),
    ("GET", "arm/subscriptions/*/providers", "Providers_List"),
    ("GET", "arm/subscriptions/*/providers/*", "Providers_Get"),
    ("POST", "arm/subscriptions/*/providers/*/register", "Providers_Register"),
    ("GET", "arm/subscriptions/*/resources", "Resources_List"),
    ("GET", "arm/subscriptions/*/resourceGroups", "ResourceGroups_List"),
    ("GET", "arm/subscriptions/*/resourceGroups/*", "ResourceGroups_Get"),
    ("HEAD", "arm/subscriptions/*/resourceGroups/*", "ResourceGroups_CheckExistence"),
    ("PUT", "arm/subscriptions/*/resourceGroups/*", "ResourceGroups_CreateOrUpdate"),
    ("PATCH", "arm/subscriptions/*/resourceGroups/*", "ResourceGroups_Update"),
    ("DELETE", "arm/subscriptions/*/resourceGroups/*", "ResourceGroups_Delete"),
    ("GET", "arm/subscriptions/*/resourceGroups/*/resources", "Resources_ListByResourceGroup"),
    ("GET", "any/Microsoft.Resources/tags/*", "Tags_GetAtScope"),
    ("PUT", "any/Microsoft.Resources/tags/*", "Tags_CreateOrUpdateAtScope"),
    ("PATCH", "any/Microsoft.Resources/tags/*", "Tags_UpdateAtScope"),
    ("DELETE", "any/Microsoft.Resources/tags/*", "Tags_DeleteAtScope"),
    ("GET", "any/Microsoft.Authorization/roleAssignments", "RoleAssignments_List"),
    ("GET", "any/Microsoft.Authorization/roleAssignments/*", "RoleAssignments_Get"),
    ("PUT", "any/Microsoft.Authorization/roleAssignments/*", "RoleAssignments_Create"),
    ("DELETE", "any/Microsoft.Authorization/roleAssignments/*", "RoleAssignments_Delete"),
    ("GET", "any/Microsoft.Authorization/roleDefinitions", "RoleDefinitions_List"),
    ("GET", "any/Microsoft.Authorization/permissions", "Permissions_List"),
    ("GET", "any/Microsoft.Authorization/locks", "ManagementLocks_List"),
    ("PUT", "any/Microsoft.Authorization/locks/*", "ManagementLocks_CreateOrUpdate"),
    ("DELETE", "any/Microsoft.Authorization/locks/*", "ManagementLocks_Delete"),
    (
        "GET",
        "sub/Microsoft.ManagedIdentity/userAssignedIdentities",
        "UserAssignedIdentities_ListBySubscription",
    ),
    (
        "GET",
        "rg/Microsoft.ManagedIdentity/userAssignedIdentities",
        "UserAssignedIdentities_ListByResourceGroup",
    ),
    ("GET", "rg/Microsoft.ManagedIdentity/userAssignedIdentities/*", "UserAssignedIdentities_Get"),
    ("PUT", "rg/Microsoft.ManagedIdentity/userAssignedIdentities/*", "UserAssignedIdentities_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.ManagedIdentity/userAssignedIdentities/*", "UserAssignedIdentities_Update"),
    ("DELETE", "rg/Microsoft.ManagedIdentity/userAssignedIdentities/*", "UserAssignedIdentities_Delete"),
    ("GET", "sub/Microsoft.Network/virtualNetworks", "VirtualNetworks_ListAll"),
    ("GET", "rg/Microsoft.Network/virtualNetworks", "VirtualNetworks_List"),
    ("GET", "rg/Microsoft.Network/virtualNetworks/*", "VirtualNetworks_Get"),
    ("PUT", "rg/Microsoft.Network/virtualNetworks/*", "VirtualNetworks_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.Network/virtualNetworks/*", "VirtualNetworks_UpdateTags"),
    ("DELETE", "rg/Microsoft.Network/virtualNetworks/*", "VirtualNetworks_Delete"),
    (
        "GET",
        "rg/Microsoft.Network/virtualNetworks/*/CheckIPAddressAvailability",
        "VirtualNetworks_CheckIPAddressAvailability",
    ),
    ("GET", "rg/Microsoft.Network/virtualNetworks/*/usages", "VirtualNetworks_ListUsage"),
    ("GET", "rg/Microsoft.Network/virtualNetworks/*/subnets", "Subnets_List"),
    ("GET", "rg/Microsoft.Network/virtualNetworks/*/subnets/*", "Subnets_Get"),
    ("PUT", "rg/Microsoft.Network/virtualNetworks/*/subnets/*", "Subnets_CreateOrUpdate"),
    ("DELETE", "rg/Microsoft.Network/virtualNetworks/*/subnets/*", "Subnets_Delete"),
    ("GET", "sub/Microsoft.Network/networkSecurityGroups", "NetworkSecurityGroups_ListAll"),
    ("GET", "rg/Microsoft.Network/networkSecurityGroups", "NetworkSecurityGroups_List"),
    ("GET", "rg/Microsoft.Network/networkSecurityGroups/*", "NetworkSecurityGroups_Get"),
    ("PUT", "rg/Microsoft.Network/networkSecurityGroups/*", "NetworkSecurityGroups_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.Network/networkSecurityGroups/*", "NetworkSecurityGroups_UpdateTags"),
    ("DELETE", "rg/Microsoft.Network/networkSecurityGroups/*", "NetworkSecurityGroups_Delete"),
    ("GET", "rg/Microsoft.Network/networkSecurityGroups/*/securityRules", "SecurityRules_List"),
    ("GET", "rg/Microsoft.Network/networkSecurityGroups/*/securityRules/*", "SecurityRules_Get"),
    ("PUT", "rg/Microsoft.Network/networkSecurityGroups/*/securityRules/*", "SecurityRules_CreateOrUpdate"),
    ("DELETE", "rg/Microsoft.Network/networkSecurityGroups/*/securityRules/*", "SecurityRules_Delete"),
    ("GET", "sub/Microsoft.Network/publicIPAddresses", "PublicIPAddresses_ListAll"),
    ("GET", "rg/Microsoft.Network/publicIPAddresses", "PublicIPAddresses_List"),
    ("GET", "rg/Microsoft.Network/publicIPAddresses/*", "PublicIPAddresses_Get"),
    ("PUT", "rg/Microsoft.Network/publicIPAddresses/*", "PublicIPAddresses_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.Network/publicIPAddresses/*", "PublicIPAddresses_UpdateTags"),
    ("DELETE", "rg/Microsoft.Network/publicIPAddresses/*", "PublicIPAddresses_Delete"),
    ("GET", "sub/Microsoft.Network/natGateways", "NatGateways_ListAll"),
    ("GET", "rg/Microsoft.Network/natGateways", "NatGateways_List"),
    ("GET", "rg/Microsoft.Network/natGateways/*", "NatGateways_Get"),
    ("PUT", "rg/Microsoft.Network/natGateways/*", "NatGateways_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.Network/natGateways/*", "NatGateways_UpdateTags"),
    ("DELETE", "rg/Microsoft.Network/natGateways/*", "NatGateways_Delete"),
    ("GET", "sub/Microsoft.Network/networkInterfaces", "NetworkInterfaces_ListAll"),
    ("GET", "rg/Microsoft.Network/networkInterfaces", "NetworkInterfaces_List"),
    ("GET", "rg/Microsoft.Network/networkInterfaces/*", "NetworkInterfaces_Get"),
    ("PUT", "rg/Microsoft.Network/networkInterfaces/*", "NetworkInterfaces_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.Network/networkInterfaces/*", "NetworkInterfaces_UpdateTags"),
    ("DELETE", "rg/Microsoft.Network/networkInterfaces/*", "NetworkInterfaces_Delete"),
    ("GET", "sub/Microsoft.Network/locations/*/usages", "Usages_List"),
    ("GET", "sub/Microsoft.Network/locations/*/CheckDnsNameAvailability", "CheckDnsNameAvailability"),
    ("POST", "sub/Microsoft.Storage/checkNameAvailability", "StorageAccounts_CheckNameAvailability"),
    ("GET", "sub/Microsoft.Storage/locations/*/usages", "Usages_ListByLocation"),
    ("GET", "sub/Microsoft.Storage/storageAccounts", "StorageAccounts_List"),
    ("GET", "rg/Microsoft.Storage/storageAccounts", "StorageAccounts_ListByResourceGroup"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*", "StorageAccounts_GetProperties"),
    ("PUT", "rg/Microsoft.Storage/storageAccounts/*", "StorageAccounts_Create"),
    ("PATCH", "rg/Microsoft.Storage/storageAccounts/*", "StorageAccounts_Update"),
    ("DELETE", "rg/Microsoft.Storage/storageAccounts/*", "StorageAccounts_Delete"),
    ("POST", "rg/Microsoft.Storage/storageAccounts/*/listKeys", "StorageAccounts_ListKeys"),
    ("POST", "rg/Microsoft.Storage/storageAccounts/*/regenerateKey", "StorageAccounts_RegenerateKey"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/fileServices", "FileServices_List"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*", "FileServices_GetServiceProperties"),
    ("PUT", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*", "FileServices_SetServiceProperties"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*/shares", "FileShares_List"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*/shares/*", "FileShares_Get"),
    ("PUT", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*/shares/*", "FileShares_Create"),
    ("PATCH", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*/shares/*", "FileShares_Update"),
    ("DELETE", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*/shares/*", "FileShares_Delete"),
    ("POST", "rg/Microsoft.Storage/storageAccounts/*/fileServices/*/shares/*/restore", "FileShares_Restore"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/blobServices/*", "BlobServices_GetServiceProperties"),
    ("PUT", "rg/Microsoft.Storage/storageAccounts/*/blobServices/*", "BlobServices_SetServiceProperties"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/blobServices/*/containers", "BlobContainers_List"),
    ("GET", "rg/Microsoft.Storage/storageAccounts/*/blobServices/*/containers/*", "BlobContainers_Get"),
    ("PUT", "rg/Microsoft.Storage/storageAccounts/*/blobServices/*/containers/*", "BlobContainers_Create"),
    ("DELETE", "rg/Microsoft.Storage/storageAccounts/*/blobServices/*/containers/*", "BlobContainers_Delete"),
    ("GET", "sub/Microsoft.Compute/virtualMachines", "VirtualMachines_ListAll"),
    ("GET", "rg/Microsoft.Compute/virtualMachines", "VirtualMachines_List"),
    ("GET", "rg/Microsoft.Compute/virtualMachines/*", "VirtualMachines_Get"),
    ("PUT", "rg/Microsoft.Compute/virtualMachines/*", "VirtualMachines_CreateOrUpdate"),
    ("PATCH", "rg/Microsoft.Compute/virtualMachines/*", "VirtualMachines_Update"),
    ("DELETE", "rg/Microsoft.Compute/virtualMachines/*", "VirtualMachines_Delete"),
    ("GET", "rg/Microsoft.Compute/virtualMachines/*/instanceView", "VirtualMachines_InstanceView"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/start", "VirtualMachines_Start"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/powerOff", "VirtualMachines_PowerOff"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/deallocate", "VirtualMachines_Deallocate"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/restart", "VirtualMachines_Restart"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/redeploy", "VirtualMachines_Redeploy"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/reapply", "VirtualMachines_Reapply"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/reimage", "VirtualMachines_Reimage"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/generalize", "VirtualMachines_Generalize"),
    (
        "POST",
        "rg/Microsoft.Compute/virtualMachines/*/performMaintenance",
        "VirtualMachines_PerformMaintenance",
    ),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/simulateEviction", "VirtualMachines_SimulateEviction"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/runCommand", "VirtualMachines_RunCommand"),
    (
        "POST",
        "rg/Microsoft.Compute/virtualMachines/*/retrieveBootDiagnosticsData",
        "VirtualMachines_RetrieveBootDiagnosticsData",
    ),
    ("GET", "sub/Microsoft.Compute/skus", "ResourceSkus_List"),
    ("GET", "sub/Microsoft.Compute/locations/*/usages", "Usage_List"),
    ("GET", "sub/Microsoft.Compute/locations/*/vmSizes", "VirtualMachineSizes_List"),
    ("GET", "sub/Microsoft.Batch/batchAccounts", "BatchAccount_List"),
    ("GET", "rg/Microsoft.Batch/batchAccounts", "BatchAccount_ListByResourceGroup"),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*", "BatchAccount_Get"),
    ("PUT", "rg/Microsoft.Batch/batchAccounts/*", "BatchAccount_Create"),
    ("PATCH", "rg/Microsoft.Batch/batchAccounts/*", "BatchAccount_Update"),
    ("DELETE", "rg/Microsoft.Batch/batchAccounts/*", "BatchAccount_Delete"),
    ("POST", "rg/Microsoft.Batch/batchAccounts/*/listKeys", "BatchAccount_GetKeys"),
    ("POST", "rg/Microsoft.Batch/batchAccounts/*/regenerateKeys", "BatchAccount_RegenerateKey"),
    (
        "POST",
        "rg/Microsoft.Batch/batchAccounts/*/syncAutoStorageKeys",
        "BatchAccount_SynchronizeAutoStorageKeys",
    ),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*/applications", "Application_List"),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*/applications/*", "Application_Get"),
    ("PUT", "rg/Microsoft.Batch/batchAccounts/*/applications/*", "Application_Create"),
    ("PATCH", "rg/Microsoft.Batch/batchAccounts/*/applications/*", "Application_Update"),
    ("DELETE", "rg/Microsoft.Batch/batchAccounts/*/applications/*", "Application_Delete"),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*/applications/*/versions", "ApplicationPackage_List"),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*/applications/*/versions/*", "ApplicationPackage_Get"),
    ("PUT", "rg/Microsoft.Batch/batchAccounts/*/applications/*/versions/*", "ApplicationPackage_Create"),
    ("DELETE", "rg/Microsoft.Batch/batchAccounts/*/applications/*/versions/*", "ApplicationPackage_Delete"),
    (
        "POST",
        "rg/Microsoft.Batch/batchAccounts/*/applications/*/versions/*/activate",
        "ApplicationPackage_Activate",
    ),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*/pools", "Pool_ListByBatchAccount"),
    ("GET", "rg/Microsoft.Batch/batchAccounts/*/pools/*", "Pool_Get"),
    ("PUT", "rg/Microsoft.Batch/batchAccounts/*/pools/*", "Pool_Create"),
    ("PATCH", "rg/Microsoft.Batch/batchAccounts/*/pools/*", "Pool_Update"),
    ("DELETE", "rg/Microsoft.Batch/batchAccounts/*/pools/*", "Pool_Delete"),
    (
        "POST",
        "rg/Microsoft.Batch/batchAccounts/*/pools/*/disableAutoScale",
        "Pool_DisableAutoScale (control plane)",
    ),
    ("POST", "rg/Microsoft.Batch/batchAccounts/*/pools/*/stopResize", "Pool_StopResize (control plane)"),
    ("GET", "sub/Microsoft.Batch/locations/*/quotas", "Location_GetQuotas"),
    ("POST", "sub/Microsoft.Batch/locations/*/checkNameAvailability", "Location_CheckNameAvailability"),
    ("GET", "sub/Microsoft.Batch/locations/*/virtualMachineSkus", "Location_ListSupportedVirtualMachineSkus"),
    ("GET", "batch/pools", "Pool_List"),
    ("POST", "batch/pools", "Pool_Add"),
    ("GET", "batch/pools/*", "Pool_Get (data plane)"),
    ("HEAD", "batch/pools/*", "Pool_Exists"),
    ("PATCH", "batch/pools/*", "Pool_Patch"),
    ("DELETE", "batch/pools/*", "Pool_Delete (data plane)"),
    ("POST", "batch/pools/*/resize", "Pool_Resize"),
    ("POST", "batch/pools/*/stopresize", "Pool_StopResize"),
    ("POST", "batch/pools/*/updateproperties", "Pool_UpdateProperties"),
    ("POST", "batch/pools/*/disableautoscale", "Pool_DisableAutoScale"),
    ("POST", "batch/pools/*/enableautoscale", "Pool_EnableAutoScale"),
    ("POST", "batch/pools/*/removenodes", "Pool_RemoveNodes"),
    ("GET", "batch/pools/*/nodes", "ComputeNode_List"),
    ("GET", "batch/pools/*/nodes/*", "ComputeNode_Get"),
    ("POST", "batch/pools/*/nodes/*/reboot", "ComputeNode_Reboot"),
    ("POST", "batch/pools/*/nodes/*/reimage", "ComputeNode_Reimage"),
    ("GET", "batch/pools/*/nodes/*/files", "File_ListFromComputeNode"),
    ("GET", "batch/pools/*/nodes/*/files/*", "File_GetFromComputeNode"),
    ("GET", "batch/nodecounts", "Account_ListPoolNodeCounts"),
    ("GET", "batch/supportedimages", "Account_ListSupportedImages"),
    ("GET", "prices/api/retail/prices", "RetailPrices_List"),
];

/// In scope by the product's plan and not simulated yet; the client's replay judges them all the same. The path is a
/// beginning; `""` stands for every method.
pub const LATER: &[(&str, &str, &str)] = &[
    (
        "POST",
        "batch/pools/*/evaluateautoscale",
        "formulas are kept and not evaluated: the farm's own loop scales",
    ),
    (
        "GET",
        "rg/Microsoft.Batch/batchAccounts/*/outboundNetworkDependenciesEndpoints",
        "a list of Microsoft's own hosts",
    ),
];

/// Neither product nor simulator has these today. Beginnings of paths.
pub const NEXT: &[(&str, &str, &str)] =
    &[("", "any/Microsoft.Compute/virtualMachineScaleSets", "scale sets: next issue")];

/// Not touched by the farm. Beginnings of paths, or `host` and the end of a host name.
pub const OUT_OF_SCOPE: &[(&str, &str, &str)] = &[
    (
        "",
        "any/Microsoft.Resources/deployments",
        "template deployments: the farm makes each resource by itself",
    ),
    ("", "any/Microsoft.Network/loadBalancers", "load balancers: the farm has none"),
    ("", "any/Microsoft.Network/publicIPPrefixes", "address prefixes: the farm has single addresses"),
    ("", "any/Microsoft.Network/applicationSecurityGroups", "application security groups: the farm has none"),
    ("", "any/Microsoft.Network/expressRouteCircuits", "ExpressRoute"),
    (
        "",
        "rg/Microsoft.Network/virtualNetworks/*/virtualNetworkPeerings",
        "peerings: the farm has one network",
    ),
    ("", "rg/Microsoft.Network/networkInterfaces/*/ipConfigurations", "read through the interface"),
    (
        "POST",
        "rg/Microsoft.Network/networkInterfaces/*/effectiveNetworkSecurityGroups",
        "diagnosis of a running VM's network",
    ),
    (
        "POST",
        "rg/Microsoft.Network/networkInterfaces/*/effectiveRouteTable",
        "diagnosis of a running VM's network",
    ),
    ("", "rg/Microsoft.Compute/virtualMachines/*/extensions", "VM extensions: set-up runs by cloud-init"),
    (
        "",
        "rg/Microsoft.Compute/virtualMachines/*/runCommands",
        "managed run commands: the farm uses the action",
    ),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/capture", "images of VMs"),
    ("POST", "rg/Microsoft.Compute/virtualMachines/*/convertToManagedDisks", "unmanaged disks are gone"),
    (
        "GET",
        "rg/Microsoft.Compute/virtualMachines/*/vmSizes",
        "sizes are read from the catalogue of the region",
    ),
    ("", "any/Microsoft.Compute/disks", "disks are made with their VM"),
    ("", "any/Microsoft.Compute/images", "images of VMs"),
    ("", "any/Microsoft.Compute/galleries", "galleries"),
    ("", "any/Microsoft.Compute/availabilitySets", "availability sets: the farm has none"),
    ("", "any/Microsoft.Compute/diskEncryptionSets", "disk encryption sets"),
    ("", "any/Microsoft.Compute/snapshots", "snapshots"),
    ("", "sub/Microsoft.Compute/locations/*/logAnalytics", "request rate exports"),
    ("", "sub/Microsoft.Compute/locations/*/runCommands", "the catalogue of ready-made commands"),
    ("", "sub/Microsoft.Compute/locations/*/publishers", "image catalogues"),
    ("", "rg/Microsoft.Storage/storageAccounts/*/encryptionScopes", "encryption scopes"),
    ("", "rg/Microsoft.Storage/storageAccounts/*/managementPolicies", "life cycle rules"),
    ("", "rg/Microsoft.Storage/storageAccounts/*/queueServices", "queues: nothing of the farm has one"),
    ("", "batch/jobs", "Batch jobs and tasks: Flamenco schedules"),
    ("", "batch/applications", "applications are managed in the control plane"),
    ("", "batch/poolusagemetrics", "retired by Microsoft"),
    ("", "batch/pools/*/nodes/*/users", "node users: the farm has none"),
    ("", "batch/pools/*/nodes/*/remoteloginsettings", "no remote login into nodes"),
    ("", "batch/pools/*/nodes/*/rdp", "no remote login into nodes"),
    ("", "batch/pools/*/nodes/*/uploadbatchservicelogs", "no remote login into nodes"),
    ("", "batch/pools/*/nodes/*/disablescheduling", "Batch tasks: Flamenco schedules"),
    ("", "batch/pools/*/nodes/*/enablescheduling", "Batch tasks: Flamenco schedules"),
    ("", "sub/Microsoft.Batch/locations/*/cloudServiceSkus", "retired by Microsoft"),
    ("", "any/Microsoft.Solutions", "managed applications"),
    ("", "any/Microsoft.VirtualMachineImages", "image builder"),
    ("", "any/Microsoft.Media", "media services"),
    ("", "any/Microsoft.RecoveryServices", "backup"),
    ("", "any/Microsoft.KeyVault", "key vaults: the farm has no secret"),
    ("", "any/Microsoft.Insights", "monitor"),
    ("", "any/Microsoft.OperationalInsights", "monitor"),
    ("", "any/Microsoft.DocumentDB", "databases"),
    ("", "any/Microsoft.Web", "web apps"),
    ("", "any/Microsoft.ContainerRegistry", "containers"),
    ("", "any/Microsoft.ContainerService", "containers"),
    ("", "any/Microsoft.App", "containers"),
    ("", "any/Microsoft.Marketplace", "marketplace terms"),
    ("", "any/Microsoft.MarketplaceOrdering", "marketplace terms"),
    ("", "any/Microsoft.ManagedIdentity/identities", "system-assigned identities are read with their VM"),
    (
        "POST",
        "rg/Microsoft.Network/virtualNetworks/*/subnets/*/PrepareNetworkPolicies",
        "asked by services that inject themselves",
    ),
    (
        "POST",
        "rg/Microsoft.Network/virtualNetworks/*/subnets/*/UnprepareNetworkPolicies",
        "asked by services that inject themselves",
    ),
    ("GET", "arm/providers", "providers are read within the subscription"),
    (
        "POST",
        "arm/subscriptions/*/resourceGroups/*/exportTemplate",
        "template deployments: the farm makes each resource by itself",
    ),
    ("POST", "sub/Microsoft.Resources/checkZonePeers", "zones of other subscriptions"),
    ("", "joined", "an id joined to another one by the recorded client's own mistake"),
    ("", "host/graph.windows.net", "the directory"),
    ("", "host/graph.microsoft.com", "the directory"),
    ("", "host/vault.azure.net", "key vaults: the farm has no secret"),
    ("", "host/core.windows.net", "storage data planes: the farm mounts NFS"),
    ("", "host/login.microsoftonline.com", "sign-in is azure_identity's"),
    ("", "host/githubusercontent.com", "catalogue of image aliases"),
];

/// Segments before the id of an operation, in lower case.
const POLLS: &[&str] = &[
    "operations",
    "operationresults",
    "asyncoperations",
    "diskoperations",
    "accountoperationresults",
    "pooloperationresults",
    "operationstatuses",
];

/// The path as the tables write it: prefix word and segments.
fn normal(url: &Url) -> Vec<String> {
    let segments: Vec<String> = url.path().split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let host = url.host_str().unwrap_or_default();
    let with = |word: &str, rest: &[String]| {
        std::iter::once(word.to_owned()).chain(rest.iter().cloned()).collect::<Vec<_>>()
    };
    if host.ends_with(".batch.azure.com") {
        return with("batch", &segments);
    }
    if host == "prices.azure.com" {
        return with("prices", &segments);
    }
    if host != "management.azure.com" {
        return vec!["host".to_owned(), host.to_owned()];
    }
    if segments.iter().skip(1).any(|s| s.eq_ignore_ascii_case("subscriptions")) {
        return vec!["joined".to_owned()];
    }
    let is = |index: usize, word: &str| segments.get(index).is_some_and(|s| s.eq_ignore_ascii_case(word));
    match segments.iter().rposition(|s| s.eq_ignore_ascii_case("providers")) {
        // `/subscriptions/s/providers/Ns` is about the provider itself.
        Some(2) if segments.len() <= 4 || is(4, "register") || is(4, "unregister") => with("arm", &segments),
        Some(2) => with("sub", &segments[3..]),
        Some(0) if segments.len() <= 2 => with("arm", &segments),
        Some(4) if is(2, "resourceGroups") => with("rg", &segments[5..]),
        Some(at) => with("any", &segments[at + 1..]),
        None => with("arm", &segments),
    }
}

/// Whether segments fit a pattern, or only its beginning.
fn fits(pattern: &str, segments: &[String], whole: bool) -> bool {
    let wanted: Vec<&str> = pattern.split('/').collect();
    let anywhere = wanted[0] == "any" && matches!(segments[0].as_str(), "rg" | "sub" | "any");
    let first = wanted[0] == segments[0] || anywhere;
    let long = if whole { wanted.len() == segments.len() } else { wanted.len() <= segments.len() };
    let mut pairs = wanted.iter().zip(segments).skip(1);
    if wanted[0] == "host" && segments[0] == "host" {
        return segments[1] == wanted[1] || segments[1].ends_with(&format!(".{}", wanted[1]));
    }
    first && long && pairs.all(|(pattern, segment)| *pattern == "*" || pattern.eq_ignore_ascii_case(segment))
}

/// `PUT Microsoft.Network/virtualNetworks/subnets`: method and types, without names.
fn types(method: Method, segments: &[String]) -> String {
    let kept: Vec<&str> = match segments[0].as_str() {
        "joined" => vec!["joined ids"],
        "rg" | "sub" | "any" => {
            segments[1..2].iter().chain(segments[2..].iter().step_by(2)).map(String::as_str).collect()
        }
        "host" => segments.iter().map(String::as_str).collect(),
        _ => segments[..1].iter().chain(segments[1..].iter().step_by(2)).map(String::as_str).collect(),
    };
    format!("{method} {}", kept.join("/"))
}

/// Whether a request polls an operation.
pub fn is_poll(method: Method, url: &Url) -> bool {
    let mut segments = url.path().rsplit('/');
    let mark = segments.nth(1).unwrap_or_default().to_ascii_lowercase();
    method == Method::Get && POLLS.contains(&mark.as_str())
}

/// What a recorded request is.
pub fn classify(method: Method, url: &Url) -> Class {
    let segments = normal(url);
    let listed = |list: &'static [(&str, &str, &'static str)], whole: bool| {
        list.iter().find(|(known, pattern, _)| {
            (known.is_empty() || *known == method.as_str()) && fits(pattern, &segments, whole)
        })
    };
    let label = || types(method, &segments);
    if let Some((_, _, reason)) = listed(OUT_OF_SCOPE, false) {
        return Class::OutOfScope(label(), reason);
    }
    if let Some((_, _, reason)) = listed(NEXT, false) {
        return Class::Next(label(), reason);
    }
    if let Some((_, _, reason)) = listed(LATER, false) {
        return Class::Later(label(), reason);
    }
    if is_poll(method, url) {
        return Class::Poll;
    }
    match listed(IN_SCOPE, true) {
        Some((_, _, name)) => Class::InScope(name),
        None => Class::Unknown(label()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_one_place() {
        let is = |method, url: &str| classify(method, &Url::parse(url).unwrap());
        let arm = "https://management.azure.com/subscriptions/s";
        assert_eq!(
            is(Method::Put, &format!("{arm}/resourcegroups/g?api-version=1")),
            Class::InScope("ResourceGroups_CreateOrUpdate")
        );
        assert_eq!(
            is(
                Method::Post,
                &format!("{arm}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v/deallocate")
            ),
            Class::InScope("VirtualMachines_Deallocate")
        );
        assert_eq!(
            is(Method::Post, "https://a.westeurope.batch.azure.com/pools/p/resize"),
            Class::InScope("Pool_Resize")
        );
        assert_eq!(
            is(Method::Get, &format!("{arm}/providers/Microsoft.Network/locations/l/operations/1")),
            Class::Poll
        );
        let nested = format!(
            "{arm}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Resources/tags/default"
        );
        assert_eq!(is(Method::Patch, &nested), Class::InScope("Tags_UpdateAtScope"));
        assert!(matches!(
            is(
                Method::Delete,
                &format!("{arm}/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v")
            ),
            Class::Next(..)
        ));
        assert!(matches!(is(Method::Get, "https://x.vault.azure.net/secrets/y"), Class::OutOfScope(..)));
        assert!(matches!(
            is(Method::Get, &format!("{arm}/resourceGroups/g/providers/Microsoft.Quantum/workspaces/w")),
            Class::Unknown(_)
        ));
        assert!(matches!(
            is(
                Method::Post,
                &format!("{arm}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v/levitate")
            ),
            Class::Unknown(_)
        ));
    }

    #[test]
    fn no_pattern_is_listed_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (method, pattern, _) in IN_SCOPE.iter().chain(LATER).chain(NEXT).chain(OUT_OF_SCOPE) {
            assert!(seen.insert((method, pattern.to_ascii_lowercase())), "{method} {pattern}");
        }
    }
}
