//! What paths and ids name.

use serde_json::Value;

/// Types that can be put into the world, with the api-version to do it with.
const KINDS: &[&str] = &[
    "microsoft.network/virtualnetworks",
    "microsoft.network/virtualnetworks/subnets",
    "microsoft.network/networksecuritygroups",
    "microsoft.network/networksecuritygroups/securityrules",
    "microsoft.network/publicipaddresses",
    "microsoft.network/natgateways",
    "microsoft.network/networkinterfaces",
    "microsoft.storage/storageaccounts",
    "microsoft.storage/storageaccounts/fileservices/shares",
    "microsoft.storage/storageaccounts/blobservices/containers",
    "microsoft.storage/storageaccounts/queueservices/queues",
    "microsoft.compute/virtualmachines",
    "microsoft.compute/virtualmachinescalesets",
    "microsoft.compute/virtualmachinescalesets/virtualmachines",
    "microsoft.compute/images",
    "microsoft.compute/galleries/images",
    "microsoft.compute/galleries/images/versions",
    "microsoft.batch/batchaccounts",
    "microsoft.batch/batchaccounts/pools",
    "microsoft.batch/batchaccounts/applications",
    "microsoft.batch/batchaccounts/applications/versions",
    "microsoft.managedidentity/userassignedidentities",
    "microsoft.authorization/roleassignments",
];

/// `microsoft.network/virtualnetworks/subnets` of an id, when it names a resource of a provider.
pub(super) fn kind(id: &str) -> Option<String> {
    let lower = id.to_lowercase();
    let (_, rest) = lower.rsplit_once("/providers/")?;
    let mut segments = rest.trim_matches('/').split('/');
    let namespace = segments.next()?;
    let rest: Vec<&str> = segments.collect();
    if rest.is_empty() || rest.len() % 2 == 1 {
        return None;
    }
    let types: Vec<&str> = rest.iter().step_by(2).copied().collect();
    Some(format!("{namespace}/{}", types.join("/")))
}

pub(super) fn simulated(id: &str) -> bool {
    kind(id).is_some_and(|kind| KINDS.contains(&kind.as_str()))
}

pub(super) fn group_of(path: &str) -> Option<String> {
    let mut segments = path.split('/');
    segments.find(|segment| segment.eq_ignore_ascii_case("resourceGroups"))?;
    segments.next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What a path is below: the parent of a child; of a collection or an action, the resource that it is of.
pub(super) fn owner(path: &str) -> Option<&str> {
    let owner =
        if kind(path).is_none() { path.rsplit_once('/').map(|(front, _)| front) } else { parent(path) };
    owner.filter(|owner| kind(owner).is_some())
}

pub(super) fn parent(id: &str) -> Option<&str> {
    let (front, _) = id.rsplit_once('/')?;
    let (front, _) = front.rsplit_once('/')?;
    kind(front).map(|_| front)
}

/// The name in the path of a resource group itself.
pub(super) fn is_group(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is = segments.len() == 4 && segments[2].eq_ignore_ascii_case("resourceGroups");
    is.then(|| segments[3].to_owned())
}

/// Azure's casing of a type, as far as the simulator tells types apart by it.
pub(super) fn cased(kind: &str) -> String {
    const CASED: &[&str] = &[
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/virtualNetworks/subnets",
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/publicIPAddresses",
        "Microsoft.Network/natGateways",
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/fileServices/shares",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "Microsoft.Storage/storageAccounts/queueServices/queues",
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Compute/virtualMachineScaleSets",
        "Microsoft.Compute/images",
        "Microsoft.Batch/batchAccounts",
        "Microsoft.Batch/batchAccounts/pools",
        "Microsoft.Batch/batchAccounts/applications",
        "Microsoft.Batch/batchAccounts/applications/versions",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
    ];
    CASED
        .iter()
        .find(|known| known.eq_ignore_ascii_case(kind))
        .map_or_else(|| kind.to_owned(), |k| (*k).to_owned())
}

pub(super) fn normal(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// Every id in a body, as a value or as a member's name.
pub(super) fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(id) if id.starts_with("/subscriptions/") && !id.contains("/ipConfigurations/") => {
                        ids.push(id.to_owned());
                    }
                    _ => collect_ids(value, ids),
                }
                if name.starts_with("/subscriptions/") {
                    ids.push(name.clone());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        _ => {}
    }
}
