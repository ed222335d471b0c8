//! What `init` can ask: one row per question, in the order in which they are asked.

use flamenco_azure_core::name::{self, Kind};
use flamenco_azure_core::spec::{AccessSpec, FarmSpec, PoolSpec, defaults};
use serde_json::{Value, json};

/// A line of the farm file that `init` asks for, derives or shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Subscription,
    Location,
    Name,
    Group,
    Vm,
    Storage,
    Kind,
    Batch,
    Ssh,
    Web,
    SshKey,
    ManagerSize,
    NodeSize,
    Dedicated,
    Spot,
}

/// What is known about a field.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) field: Field,
    /// Its key in the farm file.
    pub(super) key: &'static str,
    /// The flag that answers it; empty when none does.
    pub(super) flag: &'static str,
    /// The question, and the line's name in the summary.
    pub(super) title: &'static str,
    /// One line more.
    pub(super) help: &'static str,
}

const fn row(
    field: Field,
    key: &'static str,
    flag: &'static str,
    title: &'static str,
    help: &'static str,
) -> Row {
    Row { field, key, flag, title, help }
}

const RANGES: &str =
    "IPv4 ranges such as 203.0.113.0/24, commas between; `nobody` keeps it shut until you change it";

/// Every field, in the order of the questions. `init --help` and docs name the same order.
pub(super) const ROWS: &[Row] = &[
    row(
        Field::Subscription,
        "subscriptionID",
        "--subscription",
        "Subscription",
        "pays for the farm; type to filter",
    ),
    row(
        Field::Location,
        "location",
        "--location",
        "Location",
        "where the farm runs; type to filter, such as `west eu`",
    ),
    row(
        Field::Name,
        "defaultName",
        "--name",
        "Farm name",
        "names the farm; the other names are made from it",
    ),
    row(
        Field::Group,
        "resourceGroup",
        "--group",
        "Resource group",
        "made if it is not there; one that is there is only added to",
    ),
    row(
        Field::Vm,
        "virtualMachine",
        "--vm",
        "Manager VM",
        "also the Manager's DNS name, unique in its region",
    ),
    row(
        Field::Storage,
        "storageAccountName",
        "--sa",
        "Storage account",
        "holds files and frames; unique in all of Azure",
    ),
    row(
        Field::Kind,
        "pools.kind",
        "",
        "Kind of pool",
        "what makes the machines; `vmss` keeps Spot scale sets at an exact count",
    ),
    row(Field::Batch, "batchAccountName", "--ba", "Batch account", "holds the nodes; unique in its region"),
    row(Field::Ssh, "manager.access.ssh", "--ssh-from", "Who may sign in by ssh", RANGES),
    row(Field::Web, "manager.access.web", "--web-from", "Who may open the web page", RANGES),
    row(
        Field::SshKey,
        "manager.sshPublicKey",
        "--ssh-key",
        "SSH public key",
        "a .pub file or the key itself; empty: later (`ssh-keygen -t ed25519` makes one)",
    ),
    row(Field::ManagerSize, "manager.vmSize", "", "Manager size", "two cores and 8 GiB serve a small studio"),
    row(Field::NodeSize, "pools.vmSize", "", "Node size", "VM size of the machines that render"),
    row(Field::Dedicated, "pools.dedicated", "", "Dedicated nodes", "stay until you remove them"),
    row(Field::Spot, "pools.spot", "", "Spot nodes", "cost less, and Azure may take them back at any time"),
];

/// The kind of pool that Azure Batch makes.
pub(super) const BATCH: &str = "batch";
/// The kind of pool that scale sets make.
pub(super) const VMSS: &str = "vmss";

/// The answer that admits nobody.
pub(super) const NOBODY: &str = "nobody";

impl Field {
    /// Its row of the table.
    pub(super) fn row(self) -> &'static Row {
        // Every field has a row (tested).
        ROWS.iter().find(|row| row.field == self).unwrap_or(&ROWS[0])
    }

    /// The naming rule, for fields that are derived from the farm's name.
    pub(super) fn derived_as(self) -> Option<Kind> {
        match self {
            Self::Group => Some(Kind::ResourceGroup),
            Self::Vm => Some(Kind::VirtualMachine),
            Self::Storage => Some(Kind::StorageAccount),
            Self::Batch => Some(Kind::BatchAccount),
            _ => None,
        }
    }

    /// Whether the farm file leaves this open to a question: an existing NFS export needs no storage account, scale
    /// sets need no Batch account, several pools are edited in the file.
    pub(super) fn applies(self, spec: &FarmSpec) -> bool {
        let is_single = spec.pools.as_ref().is_none_or(|pools| pools.len() == 1);
        let pool = spec.pools.as_ref().and_then(|pools| pools.first());
        match self {
            Self::Storage => spec.storage.as_ref().is_none_or(|storage| storage.existing.is_none()),
            Self::Batch => spec.pools.as_ref().is_none_or(|pools| !pools.iter().all(is_fleet)),
            // An old file keeps its block, which says nothing of scale sets.
            Self::Kind => is_single && (spec.pools.is_some() || spec.batch.is_none()),
            Self::NodeSize => is_single && pool.is_none_or(|pool| pool.placements.is_none()),
            Self::Dedicated => is_single && !pool.is_some_and(is_fleet),
            Self::Spot => is_single,
            _ => true,
        }
    }

    /// What the file says, as an answer; `None` when it says nothing.
    pub(super) fn read(self, spec: &FarmSpec) -> Option<String> {
        let manager = spec.manager.as_ref();
        let text =
            |value: &Option<String>| value.as_ref().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let pool = spec.pools.as_ref().and_then(|pools| pools.first());
        let batch = spec.batch.as_ref().filter(|_| spec.pools.is_none());
        match self {
            Self::Subscription => text(&spec.subscription_id),
            Self::Location => text(&spec.location),
            Self::Name => text(&spec.default_name),
            Self::Group => text(&spec.resource_group),
            Self::Vm => text(&spec.virtual_machine),
            Self::Storage => text(&spec.storage_account_name),
            Self::Batch => text(&spec.batch_account_name),
            Self::Ssh => answered(manager.and_then(|m| m.access.as_ref())).0.map(|list| ranges_text(&list)),
            Self::Web => answered(manager.and_then(|m| m.access.as_ref())).1.map(|list| ranges_text(&list)),
            Self::SshKey => text(&manager?.ssh_public_key),
            Self::ManagerSize => text(&manager?.vm_size),
            Self::NodeSize => pool.map_or_else(|| batch.and_then(|b| text(&b.vm_size)), |p| text(&p.vm_size)),
            Self::Dedicated => pool
                .map_or_else(|| batch.and_then(|b| b.target_dedicated_nodes), |p| p.dedicated)
                .map(|count| count.to_string()),
            Self::Kind => pool.map(|p| text(&p.kind).map_or(BATCH.to_owned(), |kind| kind.to_lowercase())),
            Self::Spot => pool
                .map_or_else(|| batch.and_then(|b| b.target_low_priority_nodes), |p| p.nodes.or(p.spot))
                .map(|count| count.to_string()),
        }
    }

    /// The keys and values that write an answer into the file; the reason when it is no answer at all.
    pub(super) fn edits(self, spec: &FarmSpec, answer: &str) -> Result<Vec<(String, Value)>, String> {
        let one = |value: Value| Ok(vec![(self.row().key.to_owned(), value)]);
        match self {
            Self::Ssh | Self::Web => Ok(access_edits(spec, self == Self::Ssh, ranges(answer))),
            Self::Kind => Ok(kind_edits(spec, answer)),
            Self::NodeSize => Ok(pool_edits(spec, "vmSize", &json!(answer))),
            Self::Dedicated | Self::Spot => {
                let count: u32 =
                    answer.parse().map_err(|_| format!("`{answer}` is not a number of nodes"))?;
                let fleet = spec.pools.iter().flatten().next().filter(|pool| is_fleet(pool));
                let key = match (self, fleet) {
                    (Self::Spot, Some(fleet)) if fleet.spot.is_none() => "nodes",
                    (Self::Spot, _) => "spot",
                    _ => "dedicated",
                };
                Ok(pool_edits(spec, key, &json!(count)))
            }
            _ => one(json!(answer)),
        }
    }
}

/// The ranges of an answer; none for `nobody` and for nothing.
pub(super) fn ranges(answer: &str) -> Vec<String> {
    let parts = answer.split([',', ' ', ';']).map(str::trim).filter(|part| !part.is_empty());
    parts
        .filter(|part| !["nobody", "none", "-"].contains(&part.to_lowercase().as_str()))
        .map(str::to_owned)
        .collect()
}

fn ranges_text(list: &[String]) -> String {
    if list.is_empty() { NOBODY.to_owned() } else { list.join(", ") }
}

type Lists = (Option<Vec<String>>, Option<Vec<String>>);

/// Which lists have been answered. An `access` block with neither list is the answer "nobody yet" to both: two empty
/// lists would mean that the Manager gets no public address at all.
fn answered(access: Option<&AccessSpec>) -> Lists {
    match access {
        None => (None, None),
        Some(AccessSpec { ssh: None, web: None }) => (Some(Vec::new()), Some(Vec::new())),
        Some(access) => (access.ssh.clone(), access.web.clone()),
    }
}

fn access_edits(spec: &FarmSpec, is_ssh: bool, list: Vec<String>) -> Vec<(String, Value)> {
    let access = spec.manager.as_ref().and_then(|manager| manager.access.as_ref());
    let before = answered(access);
    let (ssh, web) = if is_ssh { (Some(list), before.1.clone()) } else { (before.0.clone(), Some(list)) };
    if access.is_some() && (ssh.clone(), web.clone()) == before {
        return Vec::new();
    }
    let block = |value| vec![("manager.access".to_owned(), value)];
    match (ssh, web) {
        (Some(ssh), Some(web)) if ssh.is_empty() && web.is_empty() => block(json!({})),
        (Some(ssh), Some(web)) if access.is_some_and(|a| a.ssh.is_none() && a.web.is_none()) => {
            block(json!({"ssh": ssh, "web": web}))
        }
        (ssh, web) => [("manager.access.ssh", ssh), ("manager.access.web", web)]
            .into_iter()
            .filter_map(|(key, list)| Some((key.to_owned(), json!(list?))))
            .collect(),
    }
}

/// An old file keeps its `batch` block; otherwise the one pool is written with all that the tool would choose.
fn pool_edits(spec: &FarmSpec, key: &str, value: &Value) -> Vec<(String, Value)> {
    if spec.pools.is_none() && spec.batch.is_some() {
        let key = match key {
            "dedicated" => "batch.targetDedicatedNodes",
            "spot" => "batch.targetLowPriorityNodes",
            _ => "batch.vmSize",
        };
        return vec![(key.to_owned(), value.clone())];
    }
    let mut pools = json!(spec.pools.clone().unwrap_or_else(|| vec![own_pool()]));
    if let Some(pool) = pools.get_mut(0).and_then(Value::as_object_mut) {
        pool.insert(key.to_owned(), value.clone());
    }
    vec![("pools".to_owned(), pools)]
}

/// The pool that the tool would choose, with all that can be asked about it.
fn own_pool() -> PoolSpec {
    PoolSpec {
        name: Some(defaults::POOL_NAME.to_owned()),
        vm_size: Some(defaults::POOL_VM_SIZE.to_owned()),
        dedicated: Some(defaults::POOL_DEDICATED),
        spot: Some(0),
        ..PoolSpec::default()
    }
}

fn is_fleet(pool: &PoolSpec) -> bool {
    pool.kind.as_ref().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(VMSS))
}

/// The one pool as one of the other kind: name, size, image and number of nodes are kept, the rest is of its kind only.
fn kind_edits(spec: &FarmSpec, kind: &str) -> Vec<(String, Value)> {
    let before = spec.pools.iter().flatten().next().cloned().unwrap_or_else(own_pool);
    if Field::Kind.read(spec).is_some_and(|now| now.eq_ignore_ascii_case(kind)) {
        return Vec::new();
    }
    let nodes = before.nodes.unwrap_or(0) + before.dedicated.unwrap_or(0) + before.spot.unwrap_or(0);
    let size = before.placements.iter().flatten().find_map(|placement| placement.vm_size.clone());
    let same = PoolSpec {
        name: before.name.clone(),
        vm_size: before.vm_size.clone().or(size),
        image: before.image.clone(),
        max_nodes: before.max_nodes,
        ..PoolSpec::default()
    };
    let pool = if kind.eq_ignore_ascii_case(VMSS) {
        let name = before.name.as_deref().map(|name| name::suggest(Kind::Fleet, name));
        PoolSpec { name, kind: Some(VMSS.to_owned()), nodes: Some(nodes), ..same }
    } else if is_fleet(&before) {
        PoolSpec { kind: Some(kind.to_owned()), dedicated: Some(0), spot: Some(nodes), ..same }
    } else {
        PoolSpec { kind: Some(kind.to_owned()), ..before }
    };
    vec![("pools".to_owned(), json!([pool]))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_own_row() {
        for row in ROWS {
            assert_eq!(row.field.row().key, row.key);
        }
    }

    #[test]
    fn ranges_are_split_and_nobody_is_none() {
        assert_eq!(ranges("203.0.113.0/24, 198.51.100.7"), ["203.0.113.0/24", "198.51.100.7"]);
        for nobody in ["", "nobody", "None", " - "] {
            assert!(ranges(nobody).is_empty(), "{nobody}");
        }
    }
}
