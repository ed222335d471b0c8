//! Every default of the farm file, in one place.

use super::farm::{CloudName, Tls};

/// Flamenco: the newest stable release when this was written.
pub const FLAMENCO_VERSION: &str = "3.8.5";
/// Blender: the newest long-term support series, with its patch release.
pub const BLENDER_VERSION: &str = "4.5.14";
/// The Manager: two burstable cores and 8 GiB serve Flamenco, Caddy and a nightly copy.
pub const MANAGER_VM_SIZE: &str = "Standard_B2s_v2";
/// vCPUs of [`MANAGER_VM_SIZE`].
pub const MANAGER_CORES: u32 = 2;
/// Nodes: four cores and 16 GiB.
pub const POOL_VM_SIZE: &str = "Standard_D4as_v5";
/// vCPUs of [`POOL_VM_SIZE`].
pub const POOL_CORES: u32 = 4;
/// The pool of a farm file that names none.
pub const POOL_NAME: &str = "workers";
/// Its dedicated nodes: with the Manager they fit [`FRESH_QUOTA_CORES`].
pub const POOL_DEDICATED: u32 = 4;
/// Cores per region of a fresh pay-as-you-go subscription (Microsoft's page "Azure subscription and service limits").
pub const FRESH_QUOTA_CORES: u32 = 20;
/// The image of the nodes.
pub const POOL_IMAGE: &str = "ubuntu-24.04";
/// The most nodes a pool may ever have; more when the farm file starts it with more.
pub const MAX_NODES: u32 = 10;
/// How often Batch evaluates a pool's formula, in minutes: its own default.
pub const EVALUATION_MINUTES: u32 = 15;
/// The size of a scale-set pool that names none, as one Spot placement.
pub const FLEET_VM_SIZE: &str = POOL_VM_SIZE;
/// How much of a scale-set pool's nodes may be regular, in percent.
pub const ON_DEMAND_PERCENT: u8 = 100;
/// How long a node of a scale set may be in the making, in minutes.
pub const BOOT_BUDGET_MINUTES: u32 = 15;
/// Provisioned size of the share in GiB: the least that a premium share can have.
pub const SHARE_GIB: u32 = 100;
/// The virtual network.
pub const ADDRESS_SPACE: &str = "10.42.0.0/16";
/// Certificates.
pub const TLS: Tls = Tls::Acme;
/// Which Azure.
pub const CLOUD: CloudName = CloudName::Public;

/// The keys that have no default, with the flag that gives each.
pub const REQUIRED: &[(&str, &str)] = &[
    ("subscriptionID", "--subscription"),
    ("location", "--location"),
    ("resourceGroup", "--group"),
    ("virtualMachine", "--vm"),
    ("storageAccountName", "--sa"),
    ("batchAccountName", "--ba"),
];

/// Key, default and reason: the rows of the reference's table.
pub fn rows() -> Vec<(&'static str, String, &'static str)> {
    let text = str::to_owned;
    let why = |key: &str| if key == "batchAccountName" { "only Batch pools need it" } else { "" };
    let mut rows: Vec<(&str, String, &str)> =
        REQUIRED.iter().map(|(key, flag)| (*key, format!("none: required, or `{flag}`"), why(key))).collect();
    rows.extend([
        ("defaultName", text("the name of the Manager VM"), "names the farm in ownership tags"),
        (
            "scalerStorageAccountName",
            text("made from subscription, group and farm name"),
            "made only where there is a pool of kind `vmss`",
        ),
        (
            "packageStorageAccountName",
            text("made from subscription, group and farm name"),
            "made with the first application package",
        ),
        ("batch.mode", text("batchService"), "no quota of yours, no key vault"),
        (
            "batch.keyVaultName",
            text("made from subscription, group and farm name"),
            "made only with `mode: userSubscription`",
        ),
        ("batch.servicePrincipalObjectId", text("looked up"), ""),
        ("manager.vmSize", text(MANAGER_VM_SIZE), "two burstable cores, 8 GiB"),
        ("manager.flamencoVersion", text(FLAMENCO_VERSION), "newest stable"),
        ("manager.flamencoSha256", text("the publisher's checksum file"), "a value here pins the archive"),
        ("manager.sshPublicKey", text("the agent's first key, else ~/.ssh/id_{ed25519,ecdsa,rsa}.pub"), ""),
        ("manager.hostname", text("`{VM name}.{location}.cloudapp.azure.com`"), ""),
        ("manager.tls", text(TLS.as_str()), "certificates by ACME"),
        ("manager.access.ssh", text("nobody"), "the public address exists; both lists empty: it does not"),
        (
            "manager.access.web",
            text("nobody"),
            "Flamenco has no login: whoever is admitted can run code on the nodes",
        ),
        ("blender.version", text(BLENDER_VERSION), "long-term support"),
        ("blender.sha256", text("the publisher's checksum file"), "a value here pins the archive"),
        ("network.addressSpace", text(ADDRESS_SPACE), "subnets are carved from it"),
        ("storage.shareGiB", SHARE_GIB.to_string(), "the least a premium share can have"),
        ("storage.encryptInTransit", text("false"), "the share is reachable from the virtual network only"),
        ("cloud", text(CLOUD.as_str()), ""),
        (
            "pools",
            format!("one pool `{POOL_NAME}` of {POOL_DEDICATED} dedicated nodes"),
            "fits a fresh subscription's 20 cores",
        ),
        ("pools.kind", text("batch"), ""),
        ("pools.vmSize", text(POOL_VM_SIZE), "four cores, 16 GiB"),
        ("pools.image", text(POOL_IMAGE), "Batch node agent `batch.node.ubuntu 24.04`"),
        ("pools.dedicated", text("0"), ""),
        ("pools.spot", text("0"), ""),
        (
            "pools.maxNodes",
            format!("{MAX_NODES}, or the nodes to start with when they are more"),
            "the workers subnet is sized for it",
        ),
        ("pools.packages", text("none"), "programs come over NFS"),
        ("pools.autoscale.formula", text("none: required"), "never more than `maxNodes`"),
        ("pools.autoscale.evaluationMinutes", EVALUATION_MINUTES.to_string(), "Batch's own default"),
        ("pools.environment", text("none"), ""),
        ("pools.nodeAgent", text("that of Ubuntu 24.04"), "only for images of your own"),
        ("pools.nodes", text("0"), ""),
        ("pools.placements", format!("one Spot placement of {FLEET_VM_SIZE}"), "or of `vmSize`"),
        ("pools.placements.vmSize", text("none: required"), ""),
        ("pools.placements.zone", text("none: Azure chooses"), ""),
        ("pools.placements.priority", text("spot"), ""),
        ("pools.onDemandPercent", ON_DEMAND_PERCENT.to_string(), ""),
        ("pools.overprovision", text("0"), ""),
        (
            "pools.vmsPerScaleSet",
            text("25 for light payloads, 250 for heavy images"),
            "from a published boot study",
        ),
        ("pools.payload", text("light"), "tools come over NFS"),
        ("pools.orchestration", text("flexible"), ""),
        ("pools.maxPrice", text("up to the pay-as-you-go price"), "nodes are then evicted for capacity only"),
        ("pools.bootBudgetMinutes", BOOT_BUDGET_MINUTES.to_string(), "stuck nodes recover by deletion only"),
        ("pools.deleteByMessage", text("true"), ""),
    ]);
    rows
}

/// The table of defaults in Markdown, for the reference.
pub fn table() -> String {
    let rows = rows().into_iter().map(|(key, default, why)| format!("| `{key}` | {default} | {why} |\n"));
    format!("| key | default | why |\n|---|---|---|\n{}", rows.collect::<Vec<_>>().concat())
}
