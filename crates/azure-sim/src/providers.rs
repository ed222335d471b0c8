//! The resource providers: which types exist and which module answers for them.

use serde_json::Value;

use crate::resource::Resource;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Namespaces that need no registration.
pub(crate) const ALWAYS_REGISTERED: &[&str] =
    &["Microsoft.Resources", "Microsoft.Authorization", "Microsoft.ResourceGraph"];

/// Every namespace and its resource types in Azure's casing; the first api-version is the one advertised.
pub(crate) const TYPES: &[(&str, &str, &[&str])] = &[
    (
        "Microsoft.Resources",
        "2024-03-01",
        &["subscriptions", "resourceGroups", "tags", "deployments", "deployments/operationStatuses"],
    ),
    (
        "Microsoft.Authorization",
        "2022-04-01",
        &["roleAssignments", "roleDefinitions", "locks", "permissions"],
    ),
    ("Microsoft.ManagedIdentity", "2023-01-31", &["userAssignedIdentities"]),
    (
        "Microsoft.KeyVault",
        "2023-07-01",
        &[
            "vaults",
            "deletedVaults",
            "locations",
            "locations/deletedVaults",
            "locations/deletedVaults/purge",
            "locations/operationResults",
            "checkNameAvailability",
        ],
    ),
    (
        "Microsoft.Network",
        "2024-03-01",
        &[
            "virtualNetworks",
            "virtualNetworks/subnets",
            "networkSecurityGroups",
            "networkSecurityGroups/securityRules",
            "publicIPAddresses",
            "natGateways",
            "networkInterfaces",
            "locations",
            "locations/CheckDnsNameAvailability",
            "locations/usages",
        ],
    ),
    (
        "Microsoft.Compute",
        "2024-07-01",
        &[
            "virtualMachines",
            "virtualMachines/extensions",
            "virtualMachineScaleSets",
            "virtualMachineScaleSets/virtualMachines",
            "disks",
            "images",
            "galleries",
            "galleries/images",
            "galleries/images/versions",
            "skus",
            "locations",
            "locations/usages",
            "locations/publishers",
            "locations/publishers/artifactTypes/offers/skus/versions",
            "locations/vmSizes",
        ],
    ),
    (
        "Microsoft.Storage",
        "2023-05-01",
        &[
            "storageAccounts",
            "storageAccounts/blobServices",
            "storageAccounts/blobServices/containers",
            "storageAccounts/fileServices",
            "storageAccounts/fileServices/shares",
            "storageAccounts/queueServices",
            "storageAccounts/queueServices/queues",
            "storageAccounts/managementPolicies",
            "checkNameAvailability",
            "locations",
            "locations/usages",
            "skus",
        ],
    ),
    (
        "Microsoft.Batch",
        "2025-06-01",
        &[
            "batchAccounts",
            "batchAccounts/pools",
            "batchAccounts/applications",
            "batchAccounts/applications/versions",
            "locations",
            "locations/quotas",
            "locations/checkNameAvailability",
            "locations/virtualMachineSkus",
        ],
    ),
    ("Microsoft.ResourceGraph", "2022-10-01", &["resources"]),
];

/// All namespaces.
pub(crate) fn namespaces() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|row| row.0)
}

/// Azure's casing of a namespace.
pub(crate) fn namespace(name: &str) -> Option<&'static str> {
    namespaces().find(|known| known.eq_ignore_ascii_case(name))
}

/// Azure's casing of a type below a namespace.
pub(crate) fn kind(namespace: &str, kind: &str) -> Option<&'static str> {
    let row = TYPES.iter().find(|row| row.0.eq_ignore_ascii_case(namespace))?;
    row.2.iter().copied().find(|known| known.eq_ignore_ascii_case(kind))
}

/// Answers a request that passed the checks common to all providers.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match request.namespace.to_ascii_lowercase().as_str() {
        "microsoft.resources" if request.kind().starts_with("deployments") => {
            crate::resources::deployments::handle(world, request)
        }
        "microsoft.resources" => crate::resources::tags::handle(world, request),
        "microsoft.authorization" => crate::authorization::handle(world, request),
        "microsoft.managedidentity" => crate::identity::handle(world, request),
        "microsoft.keyvault" => crate::keyvault::handle(world, request),
        "microsoft.network" => crate::network::handle(world, request),
        "microsoft.compute" => crate::compute::handle(world, request),
        "microsoft.storage" => crate::storage::handle(world, request),
        "microsoft.batch" => crate::batch::handle(world, request),
        _ => request.no_such_type(),
    }
}

/// The body of a stored resource, as its provider renders it.
pub(crate) fn body(world: &World, id: &str) -> Option<Value> {
    let resource = world.resource(id)?;
    let namespace = resource.kind.split('/').next().unwrap_or_default();
    Some(match namespace.to_ascii_lowercase().as_str() {
        "microsoft.network" => crate::network::body(world, resource),
        "microsoft.managedidentity" => crate::identity::body(resource),
        "microsoft.keyvault" => crate::keyvault::body(resource),
        "microsoft.compute" => crate::compute::body(world, resource),
        "microsoft.storage" => crate::storage::body(world, resource),
        "microsoft.batch" => crate::batch::body(world, resource),
        _ => resource.body(),
    })
}

/// A resource became ready (or Failed).
pub(crate) fn on_settled(world: &mut World, id: &str) {
    let Some(resource) = world.resource(id) else { return };
    if resource.kind.starts_with("Microsoft.Network/") {
        crate::network::on_settled(world, id);
    } else if resource.kind.starts_with("Microsoft.Compute/") {
        crate::compute::on_settled(world, id);
    }
}

/// A resource is gone (its children first or later, each by itself).
pub(crate) fn on_removed(world: &mut World, resource: &Resource) {
    crate::compute::on_removed(world, resource);
    crate::batch::on_removed(world, resource);
    crate::storage::data::on_removed(world, resource);
    if resource.is("Microsoft.ManagedIdentity/userAssignedIdentities")
        && let Some(principal) = resource.text("/principalId")
    {
        world.directory.remove(principal);
    }
}

/// A provider's own event is due.
pub(crate) fn on_effect(world: &mut World, namespace: &str, data: &Value) {
    match namespace {
        "microsoft.compute" => crate::compute::on_effect(world, data),
        "microsoft.batch" => crate::batch::on_effect(world, data),
        "microsoft.resources" => crate::resources::deployments::on_effect(world, data),
        _ => {}
    }
}
