//! Pure: a farm's wanted Batch account and pools.

use flamenco_azure_core::arm::Request;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Checkpoint, Condition, Desired, How, Update};
use flamenco_azure_core::pool::Count;
use flamenco_azure_core::spec::{Farm, Pool, PoolImage};
use flamenco_azure_core::tags;
use serde_json::{Value, json};

use crate::spec::{account, pool as pool_id};
use crate::wire;

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
    pub cores: std::collections::BTreeMap<String, u32>,
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

fn batch_account(farm: &Farm) -> Desired {
    Desired {
        id: account(farm),
        api_version: wire::BATCH_API,
        body: json!({
            "location": farm.location.as_str(),
            "tags": tags::for_resource(farm.name.as_str(), &farm.tags),
            "properties": {
                "poolAllocationMode": "BatchService",
                // Entra only: there is no account key to leak.
                "allowedAuthenticationModes": ["AAD"],
                "publicNetworkAccess": "Enabled",
            },
        }),
        purpose: "Batch account",
        after: Vec::new(),
        early: None,
        beside: Vec::new(),
        create_only: &[],
        replace_on: &["/properties/poolAllocationMode"],
        replace_remedy: "tear the farm down with --keep-data and deploy again",
        update: Update::Patch(&[
            "/tags",
            "/properties/allowedAuthenticationModes",
            "/properties/publicNetworkAccess",
        ]),
    }
}

fn batch_pool(farm: &Farm, pool: &Pool, around: &Surroundings) -> Desired {
    Desired {
        id: pool_id(farm, &pool.name),
        api_version: wire::BATCH_API,
        body: json!({"properties": {
            "vmSize": pool.vm_size,
            "deploymentConfiguration": {"virtualMachineConfiguration": {
                "imageReference": image_reference(&pool.image),
                "nodeAgentSkuId": pool.image.node_agent(),
            }},
            "networkConfiguration": {
                "subnetId": around.subnet,
                "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
            },
            "scaleSettings": wire::fixed_scale(count(pool)),
            "taskSlotsPerNode": 1,
            "interNodeCommunication": "Disabled",
            // Classic communication ended on 2026-03-31.
            "targetNodeCommunicationMode": "Simplified",
            "startTask": {
                "commandLine": around.start_task,
                "userIdentity": {"autoUser": {"scope": "Pool", "elevationLevel": "Admin"}},
                "waitForSuccess": true,
                "maxTaskRetryCount": 2,
            },
            "metadata": [{"name": tags::FARM, "value": farm.name.as_str()}],
        }}),
        purpose: "worker pool",
        after: std::iter::once(account(farm)).chain(around.after.iter().cloned()).collect(),
        early: None,
        beside: around.beside.clone(),
        // Node counts belong to whoever scales once the pool exists.
        create_only: &["/properties/scaleSettings"],
        replace_on: &[
            "/properties/vmSize",
            "/properties/deploymentConfiguration",
            "/properties/networkConfiguration",
        ],
        replace_remedy: "give the pool another `name` in the farm file (the old one is removed by `teardown`), or \
                         delete it and deploy again",
        update: Update::Patch(&["/properties/startTask", "/properties/metadata"]),
    }
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
    std::iter::once(gate).chain(steady).collect()
}

/// Dedicated and Spot cores that the farm file's counts need.
pub fn cores(farm: &Farm, around: &Surroundings) -> (u32, u32) {
    farm.pools.iter().fold((0, 0), |(dedicated, spot), pool| {
        let each = around.cores.get(&pool.vm_size.to_ascii_lowercase()).copied().unwrap_or(0);
        (dedicated + each * pool.dedicated, spot + each * pool.spot)
    })
}
