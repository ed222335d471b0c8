//! What roles allow, for principals other than the one that is signed in: managed identities by their tokens.
//!
//! Actions are those of Microsoft's page "Azure built-in roles", as far as this simulator has what they are about.
//! Custom roles and deny assignments are not simulated.

use crate::resource::key;
use crate::world::World;

/// A built-in role.
struct Definition {
    id: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
    data_actions: &'static [&'static str],
}

const fn role(
    id: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
    data_actions: &'static [&'static str],
) -> Definition {
    Definition { id, actions, not_actions, data_actions }
}

const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*";
const CONTAINERS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/*";
const QUEUES: &str = "Microsoft.Storage/storageAccounts/queueServices/queues/*";
const MESSAGES: &str = "Microsoft.Storage/storageAccounts/queueServices/queues/messages/*";
const MESSAGE_READ: &str = "Microsoft.Storage/storageAccounts/queueServices/queues/messages/read";
const GROUP_READ: &str = "Microsoft.Resources/subscriptions/resourceGroups/read";

const DEFINITIONS: &[Definition] = &[
    role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", &["*"], &[], &[]), // Owner
    // Contributor
    role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        &["*"],
        &["Microsoft.Authorization/*/delete", "Microsoft.Authorization/*/write"],
        &[],
    ),
    role("acdd72a7-3385-48ef-bd42-f606fba81ae7", &["*/read"], &[], &[]), // Reader
    // Virtual Machine Contributor
    role(
        "9980e02c-c2be-4d73-94e8-173b1dc7cf3c",
        &[
            "Microsoft.Compute/locations/*",
            "Microsoft.Compute/virtualMachines/*",
            "Microsoft.Compute/virtualMachineScaleSets/*",
            "Microsoft.Compute/disks/*",
            "Microsoft.Network/networkInterfaces/*",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/subnets/join/action",
            "Microsoft.Network/networkSecurityGroups/read",
            "Microsoft.Network/publicIPAddresses/read",
            "Microsoft.Resources/deployments/*",
            GROUP_READ,
        ],
        &[],
        &[],
    ),
    // Network Contributor
    role(
        "4d97b98b-1d4f-4787-a291-c67834d212e7",
        &["Microsoft.Network/*", "Microsoft.Resources/deployments/*", GROUP_READ],
        &[],
        &[],
    ),
    // Managed Identity Operator
    role(
        "f1a07417-d97a-45cb-824c-7a7467783830",
        &["Microsoft.ManagedIdentity/userAssignedIdentities/*", GROUP_READ],
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
        ],
        &[],
    ),
    // Tag Contributor
    role(
        "4a9ae827-6dc8-4573-8ac7-8239d42aa03f",
        &[
            "Microsoft.Resources/tags/*",
            GROUP_READ,
            "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
        ],
        &[],
        &[],
    ),
    // Compute Recommendations Role
    role(
        "e82342c9-ac7f-422b-af64-e426d2e12b2d",
        &["Microsoft.Compute/locations/placementScores/*"],
        &[],
        &[],
    ),
    // Storage Blob Data Contributor, Owner, Reader
    role("ba92f5b4-2d11-453d-a403-e96b0029c9fe", &[CONTAINERS], &[], &[BLOBS]),
    role("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", &[CONTAINERS], &[], &[BLOBS]),
    role(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        &["Microsoft.Storage/storageAccounts/blobServices/containers/read"],
        &[],
        &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
    ),
    // Storage Queue Data Contributor, Message Processor, Message Sender, Reader
    role("974c5e8b-45b9-4653-ba55-5f855dd0fb88", &[QUEUES], &[], &[MESSAGES]),
    role(
        "8a0f0c08-91a1-4084-bc3d-661d67233fed",
        &[],
        &[],
        &[MESSAGE_READ, "Microsoft.Storage/storageAccounts/queueServices/queues/messages/process/action"],
    ),
    role(
        "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
        &[],
        &[],
        &["Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action"],
    ),
    role(
        "19e7f393-937e-4f77-808e-94535e297925",
        &["Microsoft.Storage/storageAccounts/queueServices/queues/read"],
        &[],
        &[MESSAGE_READ],
    ),
];

/// Whether an action is one of a pattern's, in any casing: `*` stands for any text.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == action,
        Some((front, back)) => {
            action.len() >= front.len() + back.len() && action.starts_with(front) && action.ends_with(back)
        }
    }
}

/// The roles that a principal has at a scope, or above it, by now: GUIDs of their definitions in lower case.
pub(crate) fn roles_at<'a>(
    world: &'a World,
    principal: &'a str,
    scope: &str,
) -> impl Iterator<Item = String> + 'a {
    let scope = key(scope);
    world.role_assignments.values().filter_map(move |assignment| {
        let above = key(assignment.scope());
        let covers = scope == above || scope.starts_with(&format!("{above}/"));
        let counts =
            covers && assignment.is_of(principal) && assignment.counts_at(world.now(), world.role_lag_s);
        counts.then(|| crate::resource::last_segment(assignment.role()).to_ascii_lowercase())
    })
}

fn definitions(world: &World, principal: &str, scope: &str) -> Vec<&'static Definition> {
    let roles: Vec<String> = roles_at(world, principal, scope).collect();
    DEFINITIONS.iter().filter(|definition| roles.iter().any(|role| role == definition.id)).collect()
}

/// Whether a principal's role assignments allow a control-plane action at a scope.
pub(crate) fn allow(world: &World, principal: &str, action: &str, scope: &str) -> bool {
    let allows = |definition: &&Definition| {
        definition.actions.iter().any(|pattern| fits(pattern, action))
            && !definition.not_actions.iter().any(|pattern| fits(pattern, action))
    };
    definitions(world, principal, scope).iter().any(allows)
}

/// Whether a principal's role assignments allow an action on data at a scope.
pub(crate) fn allow_data(world: &World, principal: &str, action: &str, scope: &str) -> bool {
    let allows =
        |definition: &&Definition| definition.data_actions.iter().any(|pattern| fits(pattern, action));
    definitions(world, principal, scope).iter().any(allows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_any_text() {
        for (pattern, action, wanted) in [
            ("*", "Microsoft.Compute/virtualMachines/read", true),
            ("*/read", "Microsoft.Compute/virtualMachines/read", true),
            ("*/read", "Microsoft.Compute/virtualMachines/write", false),
            ("Microsoft.Authorization/*/write", "microsoft.authorization/roleAssignments/write", true),
            ("Microsoft.Network/*", "Microsoft.Networks/x", false),
            ("a/read", "a/read", true),
        ] {
            assert_eq!(fits(pattern, action), wanted, "{pattern} {action}");
        }
    }
}
