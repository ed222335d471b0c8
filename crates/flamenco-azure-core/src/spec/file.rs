//! The farm file as written: every key optional, nothing judged but types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Origin;
use super::farm::{Allocation, CloudName, Tls};
use super::fleet::{Orchestration, Payload};
use super::secret::Secret;

/// Where each value of a [`FarmSpec`] was written. All are equal: where a farm is described does not change it.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Source {
    /// Where the value of `key` stands; the nearest block around it when the key itself is absent.
    pub fn of(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.origins.get(key) {
                return origin.clone();
            }
            match key.rfind(['.', '[']) {
                Some(cut) => key = &key[..cut],
                None => return Origin::Absent,
            }
        }
    }
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The farm file (`azure_config.yaml`), as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "flamenco-azure farm file")]
pub struct FarmSpec {
    /// The farm's name and the base of suggested names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_name: Option<String>,
    /// The subscription's GUID. Required.
    #[serde(rename = "subscriptionID", skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,
    /// Where everything runs, such as `westeurope`. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The resource group, made if it is not there. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// The Batch account. Required, unless every pool is of kind `vmss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_account_name: Option<String>,
    /// The storage account. Required, unless `storage.existing` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_account_name: Option<String>,
    /// The storage account of the scaler's state and queue, for pools of kind `vmss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaler_storage_account_name: Option<String>,
    /// The storage account of application packages, made with the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_storage_account_name: Option<String>,
    /// The Manager VM's name, also its DNS label. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<String>,
    /// Of the old tool; unused, since Flamenco 3 has no registration secret. Kept as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_registration_secret: Option<Secret>,
    /// The Manager VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<ManagerSpec>,
    /// The Blender that nodes render with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blender: Option<BlenderSpec>,
    /// The virtual network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSpec>,
    /// Where files and frames live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSpec>,
    /// Your own tags, for cost per project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Which Azure: `public` (default), `usgov` or `china`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<CloudName>,
    /// The worker pools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pools: Option<Vec<PoolSpec>>,
    /// The Batch account's mode; also the one pool of the old tool, for which use `pools` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchSpec>,
    /// Where each value was written.
    #[serde(skip)]
    #[schemars(skip)]
    pub source: Source,
}

impl FarmSpec {
    /// Puts the value of a command-line flag (`--subscription`, `--location`, `--group`, `--sa`, `--ba`, `--vm`,
    /// `--farm`, `--ssh-key`) in place of the file's, so that findings about it name the flag. Other flags are
    /// ignored.
    pub fn set_flag(&mut self, flag: &'static str, value: &str) {
        let (slot, key) = match flag {
            "--subscription" => (&mut self.subscription_id, "subscriptionID"),
            "--location" => (&mut self.location, "location"),
            "--group" => (&mut self.resource_group, "resourceGroup"),
            "--sa" => (&mut self.storage_account_name, "storageAccountName"),
            "--ba" => (&mut self.batch_account_name, "batchAccountName"),
            "--vm" => (&mut self.virtual_machine, "virtualMachine"),
            "--farm" => (&mut self.default_name, "defaultName"),
            "--ssh-key" => (&mut self.manager.get_or_insert_default().ssh_public_key, "manager.sshPublicKey"),
            _ => return,
        };
        *slot = Some(value.to_owned());
        self.source.origins.insert(key.to_owned(), Origin::Flag(flag));
    }
}

/// `manager`: the Manager VM.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagerSpec {
    /// VM size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// Flamenco version, such as `3.8.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flamenco_version: Option<String>,
    /// SHA-256 of Flamenco's Linux archive; pins it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flamenco_sha256: Option<String>,
    /// The public SSH key that may sign in, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_public_key: Option<String>,
    /// Your own DNS name for the Manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// How the web interface gets its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Who may reach the Manager from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessSpec>,
}

/// `manager.access`: who is admitted. Absent means nobody yet; both lists empty means no public address at all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessSpec {
    /// IPv4 ranges that may sign in by SSH, such as `203.0.113.0/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Vec<String>>,
    /// IPv4 ranges that may use the web interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<Vec<String>>,
}

/// `blender`: the Blender that nodes render with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlenderSpec {
    /// Version with its patch number, such as `4.5.14`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of Blender's Linux archive; pins it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// `network`: an address space of the farm's own, or an existing network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSpec {
    /// IPv4 range of the virtual network, such as `10.42.0.0/16`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_space: Option<String>,
    /// A network that is there already; it is left untouched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingNetworkSpec>,
}

/// `network.existing`: all four keys are needed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingNetworkSpec {
    /// The group the network is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// The network's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vnet: Option<String>,
    /// The Manager's subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_subnet: Option<String>,
    /// The nodes' subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers_subnet: Option<String>,
}

/// `storage`: a share of the farm's own, or an existing NFS export.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageSpec {
    /// Provisioned size in GiB, at least 100.
    #[serde(rename = "shareGiB", skip_serializing_if = "Option::is_none")]
    pub share_gib: Option<u32>,
    /// Mount with TLS and require secure transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt_in_transit: Option<bool>,
    /// An NFS server that is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingStorageSpec>,
}

/// `storage.existing`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingStorageSpec {
    /// The export, as `host:/path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nfs_export: Option<String>,
}

/// An entry of `pools`. Some keys are of one kind only; the check says which.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSpec {
    /// The pool's name. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What makes its machines: `batch` (default) or `vmss`, Azure's scale sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// VM size of the nodes. `kind: vmss`: short for one Spot placement of this size in `placements`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// An image alias such as `ubuntu-24.04`, a Marketplace URN or the id of a Compute Gallery image; with `kind: vmss`
    /// also the id of a managed image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Dedicated nodes to start with. `kind: batch` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedicated: Option<u32>,
    /// Spot nodes to start with; with `kind: vmss` another word for `nodes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<u32>,
    /// `kind: vmss`: the nodes to start with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// The most nodes the pool may ever have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u32>,
    /// Application packages that each node gets: `id#version`, or `id` for the application's default version; 10 at
    /// most. `kind: batch` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Vec<String>>,
    /// Batch sizes the pool by a formula, instead of `dedicated` and `spot`. `kind: batch` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<AutoscaleSpec>,
    /// Variables of the start task. No secrets: who may see the pool sees them. `kind: batch` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// The Batch node agent that fits an image of your own, such as `batch.node.ubuntu 24.04`. `kind: batch` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_agent: Option<String>,
    /// `kind: vmss`: where nodes may be had, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placements: Option<Vec<PlacementSpec>>,
    /// `kind: vmss`: how much of the wanted nodes may be `regular` where `spot` is listed too, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_percent: Option<u32>,
    /// `kind: vmss`: how many more than wanted are started while nodes are missing, to race slow ones; 20 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overprovision: Option<u32>,
    /// `kind: vmss`: nodes in one scale set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vms_per_scale_set: Option<u32>,
    /// `kind: vmss`: the old name of `vmsPerScaleSet`.
    #[serde(rename = "vmsPerVMSS", skip_serializing_if = "Option::is_none")]
    pub vms_per_vmss: Option<u32>,
    /// `kind: vmss`: what a node brings along or reads while it boots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// `kind: vmss`: Azure's mode of the scale sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orchestration: Option<Orchestration>,
    /// `kind: vmss`: the most that a Spot node may cost in USD an hour, five decimals at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<f64>,
    /// `kind: vmss`: how long a node may be in the making before it is made anew, 5 to 120 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_budget_minutes: Option<u32>,
    /// `kind: vmss`: whether nodes may ask for their own deletion by a message on the farm's storage queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_by_message: Option<bool>,
}

/// `pools.autoscale`: a formula that Batch evaluates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoscaleSpec {
    /// The formula; it sets `$TargetDedicatedNodes`, `$TargetLowPriorityNodes` (Spot) or both. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// How often Batch evaluates it, 5 minutes to a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_minutes: Option<u32>,
}

/// An entry of `pools.placements`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacementSpec {
    /// VM size. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// Availability zone: 1, 2 or 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `spot` (default; `low` is its old name) or `regular`, pay-as-you-go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
}

/// `batch`: the Batch account's mode, and the one pool of the old tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchSpec {
    /// Whose subscription the nodes run in: `batchService` (default), one of Batch's own, or `userSubscription`, the farm's,
    /// with its quotas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Allocation>,
    /// `mode: userSubscription`: the key vault that Batch asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_vault_name: Option<String>,
    /// `mode: userSubscription`: the object id of the service principal "Microsoft Azure Batch" in your directory, where this
    /// sign-in may not look it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_principal_object_id: Option<String>,
    /// The pool's name.
    #[serde(rename = "poolID", skip_serializing_if = "Option::is_none")]
    pub pool_id: Option<String>,
    /// VM size of the nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// Dedicated nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_dedicated_nodes: Option<u32>,
    /// Spot nodes (the old tool's low-priority nodes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_low_priority_nodes: Option<u32>,
}
