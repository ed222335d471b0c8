//! The file of a scaler that stands alone, as it is written. [`Alone::read`](super::Alone::read) checks it.
//!
//! What several pools have in common may be said once, at the top. The parameters of Avere's VMScaler are accepted under
//! their old names.

use flamenco_azure_core::tags::Tags;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::file::PlacementFile;
use crate::spec::Payload;
use crate::template::{ImageReference, Mode};

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AloneFile {
    /// Which Azure: `public` (default), `usgov` or `china`.
    pub cloud: Option<String>,
    /// The subscription that pays.
    #[serde(alias = "subscriptionID")]
    pub subscription: Option<String>,
    /// The region.
    pub location: Option<String>,
    /// The group that is made for the scaler and its scale sets.
    pub resource_group: Option<String>,
    /// The farm: names what is made, and whose it is.
    #[serde(alias = "uniquename")]
    pub farm: Option<String>,
    /// The StorageV2 account that is made for state and queues.
    #[serde(alias = "storageAccountName")]
    pub storage_account: Option<String>,
    /// Who may sign in, on the scaler's machine and on nodes; `flamenco` if absent.
    pub admin_username: Option<String>,
    /// With this public key, one line. There are no passwords.
    pub ssh_public_key: Option<String>,
    /// Tags of everything that is made, besides the ownership tags.
    #[serde(default)]
    pub tags: Tags,
    /// The subnet of machine and nodes where they name none: an id, of any group.
    pub subnet: Option<String>,
    /// The subnet in three words, as the old program had it.
    pub virtual_network_resource_group: Option<String>,
    /// Its virtual network.
    pub virtual_network_name: Option<String>,
    /// Its name.
    pub virtual_network_subnet_name: Option<String>,
    /// The NFS export of bootstrap scripts where machine and pools name none.
    pub nfs: Option<NfsFile>,
    /// The export's server, as the old program had it.
    #[serde(rename = "bootstrapNFSIP")]
    pub bootstrap_nfs_ip: Option<String>,
    /// The export's path on it.
    #[serde(rename = "nfsExportPath")]
    pub nfs_export_path: Option<String>,
    /// The scaler's machine.
    #[serde(default)]
    pub machine: MachineFile,
    /// [`MachineFile::vm_size`], as the old program had it.
    #[serde(rename = "vmscalerVmSize")]
    pub vmscaler_vm_size: Option<String>,
    /// [`MachineFile::bootstrap_script`], as the old program had it.
    #[serde(rename = "vmscalerBootstrapScriptPath")]
    pub vmscaler_bootstrap_script_path: Option<String>,
    /// What pools have that do not say otherwise. Without [`Self::pools`] this is the only pool, `nodes`.
    #[serde(alias = "vmssImageId")]
    pub image: Option<ImageText>,
    /// The size of nodes, as one Spot placement.
    #[serde(alias = "vmssSKU", alias = "vmSKU")]
    pub vm_size: Option<String>,
    /// Nodes per scale set.
    #[serde(alias = "vmsPerVMSS")]
    pub vms_per_scale_set: Option<u32>,
    /// The most nodes ever.
    pub max_nodes: Option<u32>,
    /// The nodes to start with; 0 if absent.
    pub nodes: Option<u32>,
    /// The nodes' script on the export.
    pub bootstrap_script: Option<String>,
    /// The pools.
    #[serde(default)]
    pub pools: Vec<AlonePoolFile>,
    /// The old program's; refused with words. Its value is not kept.
    #[serde(rename = "adminPassword")]
    pub admin_password: Option<IgnoredAny>,
    /// The old program's; refused with words.
    #[serde(rename = "rbacRoleAssignmentUniqueId")]
    pub rbac_role_assignment_unique_id: Option<IgnoredAny>,
}

/// The scaler's machine: one that is made, or an existing one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineFile {
    /// The id of a VM that runs Linux, of any group: the scaler is installed on it, and nothing else of it is changed.
    pub existing: Option<String>,
    /// The name of the VM that is made; `{farm}-scaler` if absent.
    pub vm_name: Option<String>,
    /// Its size.
    pub vm_size: Option<String>,
    /// Its subnet.
    pub subnet: Option<String>,
    /// What it boots: Ubuntu 24.04 if absent.
    pub image: Option<ImageText>,
    /// The export of its script.
    pub nfs: Option<NfsFile>,
    /// A script on the export that runs before the scaler is installed.
    pub bootstrap_script: Option<String>,
}

/// An NFS export.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NfsFile {
    /// `host:/path`.
    pub export: String,
    /// Where it is mounted while the script runs; `/b` if absent.
    pub mount: Option<String>,
    /// Mount options.
    pub options: Option<String>,
}

/// An image: an id, `publisher:offer:sku:version`, `ubuntu-24.04`, or Azure's own reference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ImageText {
    /// One word.
    Text(String),
    /// As in the scaler's own file.
    Whole(ImageReference),
}

/// One pool.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlonePoolFile {
    /// Its name.
    pub name: String,
    /// The most nodes ever, whatever a tag says.
    pub max_nodes: Option<u32>,
    /// The nodes to start with, at most `maxNodes`; 0 if absent. Later the tag on the group says it.
    pub nodes: Option<u32>,
    /// Where nodes may be had, best first.
    pub placements: Option<Vec<PlacementFile>>,
    /// Short for one Spot placement.
    #[serde(alias = "vmssSKU", alias = "vmSKU")]
    pub vm_size: Option<String>,
    /// The most that regular nodes may be of the target, in percent, where Spot placements are listed too.
    pub on_demand_percent: Option<u8>,
    /// How many more than wanted are started while nodes are missing.
    pub overprovision: Option<u32>,
    /// Nodes per scale set; absent: the rule.
    #[serde(alias = "vmsPerVMSS")]
    pub vms_per_scale_set: Option<u32>,
    /// What nodes carry.
    #[serde(default)]
    pub payload: Payload,
    /// How scale sets run their machines.
    #[serde(default)]
    pub orchestration: Mode,
    /// The most to pay for a Spot node in US dollars an hour.
    pub max_price: Option<f64>,
    /// How long a node may be in the making; 15 if absent.
    pub boot_budget_minutes: Option<u32>,
    /// Whether nodes may ask for their own deletion by message; they may if absent.
    pub delete_by_message: Option<bool>,
    /// What nodes boot.
    #[serde(alias = "vmssImageId")]
    pub image: Option<ImageText>,
    /// GiB of their operating system disk; 30 if absent.
    pub os_disk_gib: Option<u64>,
    /// Their subnet.
    pub subnet: Option<String>,
    /// The export of their script.
    pub nfs: Option<NfsFile>,
    /// A script on the export that makes a node a worker: once per machine.
    pub bootstrap_script: Option<String>,
    /// A command that a node runs when Azure takes it back; it has less than 30 seconds.
    pub eviction_hook: Option<String>,
    /// A node that has nothing to do for so long asks for its deletion.
    pub idle: Option<IdleFile>,
}

/// When a node has nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdleFile {
    /// A command that ends with status 0 when the node is idle; run every minute.
    pub check: String,
    /// So many minutes on end.
    pub minutes: u32,
}
