//! The plan that removes a farm.
//!
//! Only resources that carry the farm's tag *and* are of a type the tool makes are deleted, one by one in the order
//! in which Azure lets go of them (in-use deletes are refused: recorded traffic). Everything else stays and is named.

use serde_json::json;

use super::build::{RESOURCES_API, tag_request};
use super::{Action, GroupRequests, Left, Plan, PlanError, Step, Verb};
use crate::arm::Request;
use crate::ids::ResourceId;
use crate::inventory::{Inventory, Observed};
use crate::tags;

/// What a teardown keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TeardownOptions {
    /// Keep the storage account with everything rendered, and with it the resource group.
    pub keep_data: bool,
}

/// A type that the tool makes: how it is deleted, and which types must be gone first.
struct Kind {
    name: &'static str,
    api_version: &'static str,
    purpose: &'static str,
    after: &'static [&'static str],
}

const VM: &str = "Microsoft.Compute/virtualMachines";
const DISK: &str = "Microsoft.Compute/disks";
const NIC: &str = "Microsoft.Network/networkInterfaces";
const VNET: &str = "Microsoft.Network/virtualNetworks";
const NSG: &str = "Microsoft.Network/networkSecurityGroups";
const NAT: &str = "Microsoft.Network/natGateways";
const PIP: &str = "Microsoft.Network/publicIPAddresses";
const STORAGE: &str = "Microsoft.Storage/storageAccounts";
const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
const BATCH: &str = "Microsoft.Batch/batchAccounts";
const POOL: &str = "Microsoft.Batch/batchAccounts/pools";

const KINDS: &[Kind] = &[
    Kind { name: POOL, api_version: "2025-06-01", purpose: "worker pool", after: &[] },
    Kind { name: BATCH, api_version: "2025-06-01", purpose: "Batch account", after: &[POOL] },
    Kind { name: VM, api_version: "2024-07-01", purpose: "Manager VM", after: &[] },
    Kind { name: DISK, api_version: "2024-03-02", purpose: "disk", after: &[VM] },
    Kind { name: NIC, api_version: "2024-05-01", purpose: "Manager network interface", after: &[VM] },
    Kind { name: STORAGE, api_version: "2023-05-01", purpose: "storage account", after: &[VM, POOL] },
    Kind { name: VNET, api_version: "2024-05-01", purpose: "virtual network", after: &[NIC, POOL] },
    Kind { name: NSG, api_version: "2024-05-01", purpose: "network security group", after: &[VNET, NIC] },
    Kind { name: NAT, api_version: "2024-05-01", purpose: "NAT gateway", after: &[VNET] },
    Kind { name: PIP, api_version: "2024-05-01", purpose: "public IP address", after: &[NAT, NIC] },
    Kind { name: IDENTITY, api_version: "2023-01-31", purpose: "managed identity", after: &[VM] },
];

/// Plans the removal of `farm` from what is observed; needs no farm file and no journal.
///
/// # Errors
/// None in practice: the order of types has no cycle.
pub fn plan_teardown(
    farm: &str,
    group: &ResourceId,
    inventory: &Inventory,
    options: TeardownOptions,
) -> Result<Plan, PlanError> {
    let mut plan = Plan { farm: farm.to_owned(), ..Plan::default() };
    let owned: Vec<&Observed> =
        inventory.iter().filter(|r| inventory.owner(r).as_deref() == Some(farm)).collect();
    let mut doomed: Vec<(&Observed, &Kind)> = Vec::new();
    for resource in &owned {
        match kind_of(&resource.id) {
            Some(kind) if options.keep_data && kind.name == STORAGE => {
                plan.left.push(Left {
                    resource: resource.id.clone(),
                    why: "holds the farm's data (--keep-data)".into(),
                });
            }
            // The VM takes its OS disk with it (deleteOption Delete).
            Some(kind) if kind.name == DISK && resource.text("/managedBy").is_some() => {}
            Some(kind) => doomed.push((resource, kind)),
            None if resource.id.parent().is_some() => {}
            None => {
                let why =
                    format!("carries the farm's tag, but flamenco-azure makes no {}", resource.id.kind());
                plan.left.push(Left { resource: resource.id.clone(), why });
            }
        }
    }
    for (resource, kind) in &doomed {
        let needs = doomed
            .iter()
            .filter(|(_, other)| kind.after.contains(&other.name))
            .map(|(other, _)| Step::id_of(Verb::Delete, &other.id))
            .collect();
        let request = Request::delete(resource.id.as_str()).api_version(kind.api_version);
        plan.steps.push(Step {
            id: Step::id_of(Verb::Delete, &resource.id),
            verb: Verb::Delete,
            resource: resource.id.clone(),
            purpose: kind.purpose.to_owned(),
            reason: "belongs to the farm".to_owned(),
            changes: Vec::new(),
            needs,
            action: Action::Send { request },
        });
    }
    for foreign in inventory.foreign(farm) {
        plan.left.push(Left { resource: foreign.id.clone(), why: "does not belong to this farm".to_owned() });
    }
    release_group(&mut plan, farm, group, inventory, options);
    plan.sort()?;
    Ok(plan)
}

/// Ends with the group: deleted if the tool made it and it is empty by then, else only our tags are taken off.
fn release_group(
    plan: &mut Plan,
    farm: &str,
    group: &ResourceId,
    inventory: &Inventory,
    options: TeardownOptions,
) {
    let Some(observed) = &inventory.group else { return };
    let have = observed.tags();
    let Some(made) = tags::get(&have, &tags::group_tag(farm)) else { return };
    let list = Request::get(format!("{group}/resources")).api_version(RESOURCES_API);
    let delete = Request::delete(group.as_str()).api_version(RESOURCES_API);
    let mut ours = json!({ tags::group_tag(farm): made });
    if let Some(counts) = tags::get(&have, &tags::paused_tag(farm)) {
        ours[tags::paused_tag(farm)] = counts.into();
    }
    let untag = tag_request(group, "Delete", &ours);
    let needs: Vec<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let mine = made == tags::CREATED;
    if options.keep_data && !plan.left.is_empty() {
        plan.left.push(Left { resource: group.clone(), why: "holds what stays".to_owned() });
        return;
    }
    let (verb, action, reason) = if mine && plan.left.is_empty() {
        let reason = "made by this farm; deleted only if it is empty by then";
        (Verb::Delete, Action::DeleteEmptyGroup(Box::new(GroupRequests { list, delete, untag })), reason)
    } else {
        let why = if mine { "resources of others are inside" } else { "was there before the farm" };
        plan.left.push(Left { resource: group.clone(), why: why.to_owned() });
        (Verb::Update, Action::Send { request: untag }, "the farm's tag comes off")
    };
    plan.steps.push(Step {
        id: Step::id_of(verb, group),
        verb,
        resource: group.clone(),
        purpose: "resource group".to_owned(),
        reason: reason.to_owned(),
        changes: Vec::new(),
        needs,
        action,
    });
}

fn kind_of(id: &ResourceId) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| id.is_kind(kind.name))
}
