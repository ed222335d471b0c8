//! The plan that removes a farm.
//!
//! Only resources that carry the farm's tag *and* are of a type the tool makes are deleted, one by one in the order
//! in which Azure lets go of them (in-use deletes are refused: recorded traffic). Everything else stays and is named.

use serde_json::json;

use super::build::{RESOURCES_API, tag_request};
use super::common::{IDENTITY, IDENTITY_API, STORAGE, STORAGE_API};
use super::grant::{AUTHORIZATION_API, ROLE_ASSIGNMENT};
use super::{Action, GroupRequests, Left, Plan, PlanError, Step, Verb};
use crate::arm::Request;
use crate::ids::ResourceId;
use crate::inventory::{Inventory, Observed};
use crate::tags::{self, Tags};

/// What a teardown keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeardownOptions {
    /// Keep the storage account with everything rendered, and with it the resource group.
    pub keep_data: bool,
    /// Tags of the group that are set before anything is deleted: targets at 0, so that whoever holds the farm at a
    /// count makes nothing anew meanwhile.
    pub stop: Tags,
    /// Further tags of the group that go with the farm, where they are there.
    pub tags: Vec<String>,
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
const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
const BATCH: &str = "Microsoft.Batch/batchAccounts";
const VAULT: &str = "Microsoft.KeyVault/vaults";
const POOL: &str = "Microsoft.Batch/batchAccounts/pools";

const KINDS: &[Kind] = &[
    Kind { name: POOL, api_version: "2025-06-01", purpose: "worker pool", after: &[] },
    Kind { name: BATCH, api_version: "2025-06-01", purpose: "Batch account", after: &[POOL] },
    // Before their identities: an assignment of a principal that is gone stays for ever. After Batch: in the farm's own
    // subscription it needs its roles to let nodes go.
    Kind {
        name: ROLE_ASSIGNMENT,
        api_version: AUTHORIZATION_API,
        purpose: "role assignment",
        after: &[POOL, BATCH],
    },
    Kind { name: VM, api_version: "2024-07-01", purpose: "Manager VM", after: &[] },
    // After the scaler's machine and rights: nobody makes them anew.
    Kind { name: SCALE_SET, api_version: "2024-07-01", purpose: "scale set", after: &[VM, ROLE_ASSIGNMENT] },
    Kind { name: DISK, api_version: "2024-03-02", purpose: "disk", after: &[VM, SCALE_SET] },
    Kind {
        name: NIC,
        api_version: "2024-05-01",
        purpose: "Manager network interface",
        after: &[VM, SCALE_SET],
    },
    Kind { name: VAULT, api_version: "2023-07-01", purpose: "key vault", after: &[BATCH, ROLE_ASSIGNMENT] },
    Kind {
        name: STORAGE,
        api_version: STORAGE_API,
        purpose: "storage account",
        after: &[VM, BATCH, POOL, SCALE_SET, ROLE_ASSIGNMENT],
    },
    Kind {
        name: VNET,
        api_version: "2024-05-01",
        purpose: "virtual network",
        after: &[NIC, POOL, SCALE_SET],
    },
    Kind { name: NSG, api_version: "2024-05-01", purpose: "network security group", after: &[VNET, NIC] },
    Kind { name: NAT, api_version: "2024-05-01", purpose: "NAT gateway", after: &[VNET] },
    Kind { name: PIP, api_version: "2024-05-01", purpose: "public IP address", after: &[NAT, NIC] },
    Kind {
        name: IDENTITY,
        api_version: IDENTITY_API,
        purpose: "managed identity",
        after: &[VM, BATCH, SCALE_SET, ROLE_ASSIGNMENT],
    },
];

/// Plans the removal of `farm` from what is observed; needs no farm file and no journal.
///
/// # Errors
/// None in practice: the order of types has no cycle.
pub fn plan_teardown(
    farm: &str,
    group: &ResourceId,
    inventory: &Inventory,
    options: &TeardownOptions,
) -> Result<Plan, PlanError> {
    let mut plan = Plan { farm: farm.to_owned(), ..Plan::default() };
    let owned: Vec<&Observed> =
        inventory.iter().filter(|r| inventory.owner(r).as_deref() == Some(farm)).collect();
    let mut doomed: Vec<(&Observed, &Kind)> = Vec::new();
    for resource in &owned {
        match kind_of(&resource.id) {
            Some(kind) if options.keep_data && kind.name == STORAGE && holds_data(resource) => {
                plan.left.push(Left {
                    resource: resource.id.clone(),
                    why: "holds the farm's data (--keep-data)".into(),
                });
            }
            // The VM takes its OS disk with it (deleteOption Delete).
            Some(kind) if kind.name == DISK && resource.text("/managedBy").is_some() => {}
            // A scale set takes its machines with it, and they their network interfaces.
            Some(_) if goes_with_a_set(resource, inventory) => {}
            Some(kind) => doomed.push((resource, kind)),
            None if resource.id.parent().is_some() => {}
            None => {
                let why =
                    format!("carries the farm's tag, but flamenco-azure makes no {}", resource.id.kind());
                plan.left.push(Left { resource: resource.id.clone(), why });
            }
        }
    }
    stop(&mut plan, group, options);
    let stopped: Vec<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
    for (resource, kind) in &doomed {
        let needs: Vec<String> = doomed
            .iter()
            .filter(|(_, other)| kind.after.contains(&other.name))
            .map(|(other, _)| Step::id_of(Verb::Delete, &other.id))
            .chain(stopped.iter().cloned())
            .collect();
        let mut request = Request::delete(resource.id.as_str()).api_version(kind.api_version);
        if kind.name == SCALE_SET {
            // UNCONFIRMED: a Flexible scale set with machines in it may refuse to go without this.
            request = request.query("forceDeletion", "true");
        }
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
    options: &TeardownOptions,
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
    for name in &options.tags {
        if let Some(value) = tags::get(&have, name) {
            ours[name] = options.stop.get(name).map_or(value, String::as_str).into();
        }
    }
    let untag = tag_request(group, "Delete", &ours);
    let needs: Vec<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let mine = made == tags::CREATED;
    if options.keep_data && !plan.left.is_empty() {
        // A farm that takes the data over starts with the counts of its file.
        if let Some(ours) = ours.as_object_mut() {
            ours.retain(|name, _| options.tags.contains(name));
        }
        if ours.as_object().is_some_and(|ours| !ours.is_empty()) {
            let mark = group.resource("Microsoft.Resources/tags", "default");
            let mut step = group_step(Verb::Delete, &mark, "the counts go with the nodes");
            step.action = Action::Send { request: tag_request(group, "Delete", &ours) };
            step.needs = needs;
            plan.steps.push(step);
        }
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
    plan.steps.push(Step { needs, action, ..group_step(verb, group, reason) });
}

/// Before anything else: whoever keeps a count is told that it is none.
fn stop(plan: &mut Plan, group: &ResourceId, options: &TeardownOptions) {
    if !options.stop.is_empty() {
        let mark = group.resource("Microsoft.Resources/tags", "default");
        let request = tag_request(group, "Merge", &json!(options.stop));
        plan.steps.push(Step {
            action: Action::Send { request },
            ..group_step(Verb::Update, &mark, "no nodes are wanted any more")
        });
    }
}

/// A step on the group or its tags that does nothing yet.
fn group_step(verb: Verb, resource: &ResourceId, reason: &str) -> Step {
    Step {
        id: Step::id_of(verb, resource),
        verb,
        resource: resource.clone(),
        purpose: "resource group".to_owned(),
        reason: reason.to_owned(),
        changes: Vec::new(),
        needs: Vec::new(),
        action: Action::Poll { request: Request::get(resource.as_str()), until: super::Condition::Settled },
    }
}

/// What was rendered is in the premium file account; the scaler's general-purpose one holds its state and queue.
fn holds_data(account: &Observed) -> bool {
    account.text("/kind").is_none_or(|kind| !kind.eq_ignore_ascii_case("StorageV2"))
}

fn goes_with_a_set(resource: &Observed, inventory: &Inventory) -> bool {
    let named = |of: &Observed, pointer: &str| inventory.get(&of.text(pointer)?.parse().ok()?).cloned();
    let in_set = |vm: &Observed| named(vm, "/properties/virtualMachineScaleSet/id").is_some();
    in_set(resource) || named(resource, "/properties/virtualMachine/id").is_some_and(|vm| in_set(&vm))
}

fn kind_of(id: &ResourceId) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| id.is_kind(kind.name))
}
