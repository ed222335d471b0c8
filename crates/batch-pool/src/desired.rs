//! Pure: a farm's wanted Batch account and pools.

use std::collections::BTreeMap;

use flamenco_azure_core::arm::Request;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed, Provisioning};
use flamenco_azure_core::plan::{
    Action, Blocked, Checkpoint, Condition, Desired, How, Order, Update, Verb, Wanted,
};
use flamenco_azure_core::pool::Count;
use flamenco_azure_core::spec::{BatchMode, Farm, PackageRef, Pool, PoolImage};
use flamenco_azure_core::tags;
use serde_json::{Value, json};

use crate::auto_storage::{self, node_identity};
use crate::formula::Running;
use crate::rollout;
use crate::service::state_of;
use crate::spec::{account, pool as pool_id};
use crate::{own_subscription, wire};

/// The start task's variable with the ids of the pool's packages, separated by blanks.
pub const PACKAGES_VARIABLE: &str = "FLAMENCO_AZURE_PACKAGES";

/// What the pools need of the rest of the farm.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The subnet the nodes are in.
    pub subnet: ResourceId,
    /// What must be there, complete, before the first node boots: the network with its way out.
    pub after: Vec<ResourceId>,
    /// What must be there, though not yet ready: the share, the Manager's VM. Nodes boot while the Manager is set up,
    /// and their start task waits for it.
    pub beside: Vec<ResourceId>,
    /// The start task's command line.
    pub start_task: String,
    /// vCPUs of each size in use, for the gate; a size that is not known counts as none.
    pub cores: BTreeMap<String, u32>,
}

/// The Batch account and its pools; nothing for a farm without Batch pools.
pub fn resources(farm: &Farm, around: &Surroundings) -> Vec<Desired> {
    if farm.pools.is_empty() {
        return Vec::new();
    }
    let mut all = vec![batch_account(farm)];
    all.extend(farm.pools.iter().map(|pool| batch_pool(farm, pool, around)));
    all
}

/// The Batch account.
pub fn batch_account(farm: &Farm) -> Desired {
    let body = json!({
        "location": farm.location.as_str(),
        "tags": tags::for_resource(farm.name.as_str(), &farm.tags),
        "properties": {
            "poolAllocationMode": own_subscription::allocation(farm),
            "keyVaultReference": own_subscription::reference(farm),
            // Entra only: there is no account key to leak.
            "allowedAuthenticationModes": ["AAD"],
            "publicNetworkAccess": "Enabled",
        },
    });
    Desired {
        replace_on: &["/properties/poolAllocationMode"],
        replace_remedy: "tear the farm down with --keep-data and deploy again",
        update: Update::Patch(&[
            "/tags",
            "/identity",
            "/properties/autoStorage",
            "/properties/allowedAuthenticationModes",
            "/properties/publicNetworkAccess",
        ]),
        ..Desired::new(account(farm), wire::BATCH_API, "Batch account", body)
    }
}

/// What of a pool that exists is changed in place.
const CHANGED: &[&str] =
    &["/properties/startTask", "/properties/applicationPackages", "/properties/metadata"];
/// The same of a pool whose nodes could not read packages.
const CHANGED_WITHOUT_PACKAGES: &[&str] = &["/properties/startTask", "/properties/metadata"];

fn batch_pool(farm: &Farm, pool: &Pool, around: &Surroundings) -> Desired {
    let mut body = json!({"properties": {
        "vmSize": pool.vm_size,
        "deploymentConfiguration": {"virtualMachineConfiguration": {
            "imageReference": image_reference(&pool.image),
            "nodeAgentSkuId": pool.image.node_agent(),
        }},
        "networkConfiguration": {
            "subnetId": around.subnet,
            "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
        },
        "scaleSettings": scale_settings(pool),
        "applicationPackages": packages(farm, pool),
        "taskSlotsPerNode": 1,
        "interNodeCommunication": "Disabled",
        // Classic communication ended on 2026-03-31.
        "targetNodeCommunicationMode": "Simplified",
        "startTask": {
            "commandLine": around.start_task,
            "environmentSettings": environment(pool),
            "userIdentity": {"autoUser": {"scope": "Pool", "elevationLevel": "Admin"}},
            "waitForSuccess": true,
            "maxTaskRetryCount": 2,
        },
        "metadata": [{"name": tags::FARM, "value": farm.name.as_str()}],
    }});
    // Nodes read packages with it, and no pool gets one later (`Pool_Update` of BatchManagement.json has no `identity`).
    if !pool.packages.is_empty() {
        body["identity"] = read_with(node_identity(farm).as_str());
    }
    Desired {
        after: std::iter::once(account(farm)).chain(around.after.iter().cloned()).collect(),
        beside: around.beside.clone(),
        // Node counts belong to whoever scales once the pool exists; formulas are compared by `scaling`. The mark is
        // the rollout's, and void with the next change.
        create_only: &["/properties/scaleSettings", rollout::MARK_POINTER],
        replace_on: &[
            "/properties/vmSize",
            "/properties/deploymentConfiguration",
            "/properties/networkConfiguration",
            "/identity",
        ],
        replace_remedy: "`flamenco-azure pool rollout POOL --replace` drains it, removes it and makes it anew with as many \
                         nodes; or give the new one another `name` in the farm file",
        update: Update::Patch(CHANGED),
        ..Desired::new(pool_id(farm, &pool.name), wire::BATCH_API, "worker pool", body)
    }
}

/// Gives pools with packages the identity that reads them, as the Batch account is linked now, and leaves packages out of
/// what is changed on pools that are there without it: each node that booted from then on would be unusable, and billed.
/// Such a pool has to be made anew, and the plan says so.
pub fn let_nodes_read_packages(farm: &Farm, inventory: &Inventory, wanted: &mut Wanted) {
    let reader = auto_storage::reader(farm, inventory);
    let has_it = |pool: &Observed| {
        let Some(reader) = &reader else { return true };
        let ids = pool.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
        ids.is_some_and(|ids| ids.keys().any(|id| id.eq_ignore_ascii_case(reader)))
    };
    for pool in farm.pools.iter().filter(|pool| !pool.packages.is_empty()) {
        let id = pool_id(farm, &pool.name);
        for resource in wanted.resources.iter_mut().filter(|resource| resource.id == id) {
            if let Some(body) = resource.body.as_object_mut() {
                body.remove("identity");
                body.extend(reader.as_deref().map(|reader| ("identity".to_owned(), read_with(reader))));
            }
        }
        let there = inventory.get(&id).filter(|pool| pool.provisioning() != Provisioning::Deleting);
        if there.is_some_and(|pool| !has_it(pool)) {
            for resource in wanted.resources.iter_mut().filter(|resource| resource.id == id) {
                resource.update = Update::Patch(CHANGED_WITHOUT_PACKAGES);
            }
        }
    }
}

/// The identity of a pool whose nodes read with this one.
fn read_with(identity: &str) -> Value {
    json!({"type": "UserAssigned", "userAssignedIdentities": {identity: {}}})
}

/// References as the control plane wants them (`ApplicationPackageReference` of Microsoft's OpenAPI). No version means
/// the default one, and so must not be there.
fn packages(farm: &Farm, pool: &Pool) -> Value {
    let account = account(farm);
    let reference = |package: &PackageRef| json!({"id": account.child("applications", &package.application), "version": package.version});
    pool.packages.iter().map(reference).collect()
}

/// The farm file's variables, and the ids of the packages that nodes must have: Batch lets a node go on that may not read
/// one (Microsoft's page "Use managed identities in an Azure Batch account or pool"), so the set-up looks for them.
fn environment(pool: &Pool) -> Value {
    let ids: Vec<&str> = pool.packages.iter().map(|package| package.application.as_str()).collect();
    let own = (!ids.is_empty()).then(|| json!({"name": PACKAGES_VARIABLE, "value": ids.join(" ")}));
    let given = pool.environment.iter().map(|(name, value)| json!({"name": name, "value": value}));
    given.chain(own).collect()
}

/// A new pool's size, or the formula that decides it.
pub fn scale_settings(pool: &Pool) -> Value {
    match &pool.autoscale {
        Some(auto) => wire::auto_scale(&auto.bounded(pool.max_nodes), auto.evaluation_minutes),
        None => wire::fixed_scale(count(pool)),
    }
}

/// What has to be done about the formulas of pools that exist.
pub fn scaling(farm: &Farm, inventory: &Inventory) -> Vec<Order> {
    let mut orders = Vec::new();
    for pool in &farm.pools {
        let id = pool_id(farm, &pool.name);
        let Some(observed) = inventory.get(&id).filter(|o| o.provisioning() != Provisioning::Deleting) else {
            continue;
        };
        let live = Running::read(&observed.body);
        let (settings, reason) = match (&pool.autoscale, live) {
            (None, None) => continue,
            (None, Some(_)) => {
                let state = state_of(&observed.body);
                // While it grows the count of now would take nodes away again once they are there, Batch's choice of them.
                let (now, has) =
                    if state.steady { (state.current, "has") } else { (state.target, "is to have") };
                (wire::fixed_scale(now), format!("a fixed size again, the {now} nodes that it {has}"))
            }
            (Some(wanted), live) => {
                let formula = wanted.bounded(pool.max_nodes);
                let reason = match live {
                    Some(live) if live.formula != formula => "another formula",
                    Some(live) if live.evaluation_minutes == Some(wanted.evaluation_minutes) => continue,
                    Some(_) => "another interval of evaluation",
                    None => "Batch sizes it by a formula from now on",
                };
                (wire::auto_scale(&formula, wanted.evaluation_minutes), reason.to_owned())
            }
        };
        let order = |verb, reason, action| Order {
            resource: id.clone(),
            verb,
            purpose: "worker pool",
            reason,
            after: Vec::new(),
            action,
        };
        if !state_of(&observed.body).steady {
            let request = Request::get(id.as_str()).api_version(wire::BATCH_API);
            let wait = Action::Poll { request, until: Condition::PoolSteady };
            orders.push(order(Verb::Await, "an earlier resize is still under way".to_owned(), wait));
        }
        let request = Request::patch(id.as_str(), json!({"properties": {"scaleSettings": settings}}));
        let request = request.api_version(wire::BATCH_API);
        orders.push(order(Verb::Update, reason, Action::Send { request }));
    }
    orders
}

/// Takes the pools out of what is wanted that cannot be made or changed yet, because their packages have to be pushed first:
/// all with packages while the Batch account, or its storage for packages, is not there; then those in `missing`, new pools
/// with what their packages lack. What waits, for the plan to say.
pub fn hold_back(
    farm: &Farm,
    inventory: &Inventory,
    missing: &BTreeMap<String, String>,
    wanted: &mut Wanted,
) -> Vec<Blocked> {
    let stores = |account: &Observed| account.text("/properties/autoStorage/storageAccountId").is_some();
    let stores = inventory.get(&account(farm)).is_some_and(stores);
    let why = |pool: &Pool| {
        if stores {
            return missing.get(&pool.name).cloned();
        }
        let pushes: Vec<String> = pool.packages.iter().map(push_command).collect();
        (!pushes.is_empty()).then(|| {
            format!("its packages can be pushed once the Batch account is made: {}", pushes.join(", "))
        })
    };
    let blocked = |pool: &Pool| {
        let remedy = format!("{}; then deploy again", why(pool)?);
        Some(Blocked { resource: pool_id(farm, &pool.name), changes: Vec::new(), remedy })
    };
    let waiting: Vec<Blocked> = farm.pools.iter().filter_map(blocked).collect();
    let waits = |id: &ResourceId| waiting.iter().any(|one| one.resource == *id);
    wanted.resources.retain(|resource| !waits(&resource.id));
    wanted.checkpoints.retain(|checkpoint| !waits(&checkpoint.resource));
    waiting
}

/// The command that brings a package.
pub fn push_command(package: &PackageRef) -> String {
    let version = package.version.as_deref().unwrap_or("VERSION");
    format!("`flamenco-azure app push {} --version {version} PATH`", package.application)
}

fn image_reference(image: &PoolImage) -> Value {
    match image {
        PoolImage::Marketplace { publisher, offer, sku, version, .. } => {
            json!({"publisher": publisher, "offer": offer, "sku": sku, "version": version})
        }
        PoolImage::Gallery { id, .. } => json!({"id": id}),
    }
}

/// How many nodes the farm file gives a new pool.
pub fn count(pool: &Pool) -> Count {
    Count { dedicated: pool.dedicated, spot: pool.spot }
}

/// The account's quota suffices, seen before anything that costs is made; each pool's allocation has ended. Nothing
/// for a farm without Batch pools.
pub fn checkpoints(farm: &Farm, around: &Surroundings) -> Vec<Checkpoint> {
    if farm.pools.is_empty() {
        return Vec::new();
    }
    let account = account(farm);
    let read = |id: &ResourceId| Request::get(id.as_str()).api_version(wire::BATCH_API);
    let (dedicated, spot) = cores(farm, around);
    let gate = Checkpoint {
        purpose: "Batch core quota",
        after: Vec::new(),
        how: How::Poll(read(&account), Condition::BatchCores { dedicated, spot }),
        evidence: None,
        after_each_step: true,
        mark: None,
        resource: account,
    };
    // In the farm's own subscription the account has no quota of cores: the subscription's is seen before.
    let gate = matches!(farm.batch_mode, BatchMode::BatchService).then_some(gate);
    let steady = farm.pools.iter().map(|pool| {
        let id = pool_id(farm, &pool.name);
        Checkpoint {
            purpose: "nodes allocated",
            after: Vec::new(),
            how: How::Poll(read(&id), Condition::PoolSteady),
            evidence: Some(("/properties/allocationState".to_owned(), json!("Steady"))),
            after_each_step: true,
            mark: None,
            resource: id,
        }
    });
    gate.into_iter().chain(steady).collect()
}

/// Dedicated and Spot cores that the farm file's counts need.
pub fn cores(farm: &Farm, around: &Surroundings) -> (u32, u32) {
    farm.pools.iter().fold((0, 0), |(dedicated, spot), pool| {
        let each = around.cores.get(&pool.vm_size.to_ascii_lowercase()).copied().unwrap_or(0);
        (dedicated + each * pool.dedicated, spot + each * pool.spot)
    })
}
