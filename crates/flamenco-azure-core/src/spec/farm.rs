//! The validated farm: every default applied, every value legal. Code that decides what should exist takes this.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use serde::Serialize;

use super::batch::{Autoscale, PackageRef};
use super::fleet::Fleet;
use super::image::PoolImage;
use super::ssh_key::SshPublicKey;
use crate::ids::{Location, ResourceId, SubscriptionId};
use crate::name::{self, NameError};
use crate::plan::IDENTITY;
use crate::tags::Tags;

/// A farm's name: the value of its ownership tag, 1 to 63 lower-case letters, digits and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FarmName(String);

impl FarmName {
    /// Checks the name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        name::check(name::Kind::Farm, name).map(|()| Self(name.to_owned()))
    }

    /// A legal farm name from any text: itself if legal, else folded; `None` when nothing of it can be used.
    pub fn folded(text: &str) -> Option<Self> {
        name::fold(name::Kind::Farm, text).map(Self)
    }

    /// The name of a farm that nothing names.
    pub(super) fn fallback() -> Self {
        Self(name::FALLBACK.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FarmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A farm that can be made: all that the farm file, the flags and the defaults say, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Farm {
    /// Names the farm in ownership tags.
    pub name: FarmName,
    /// The subscription that pays.
    pub subscription: SubscriptionId,
    /// Where everything runs.
    pub location: Location,
    /// The resource group, made or joined.
    pub resource_group: String,
    /// The Batch account; made only when there are [`Self::pools`].
    pub batch_account: String,
    /// Whose subscription the nodes of [`Self::pools`] run in.
    pub batch_mode: BatchMode,
    /// The storage account; made only for [`Storage::Own`], perhaps empty otherwise.
    pub storage_account: String,
    /// The account of the scaler's state and queue (general-purpose v2); made only when a feature needs it, such as
    /// [`Self::fleets`].
    pub scaler_account: String,
    /// The account of application packages (general-purpose v2), the Batch account's auto-storage; made with the first
    /// package.
    pub package_account: String,
    /// The Manager VM.
    pub manager: Manager,
    /// The Blender that the nodes render with.
    pub blender: Blender,
    /// The virtual network.
    pub network: Network,
    /// Where files and frames live.
    pub storage: Storage,
    /// The user's own tags, put on every taggable resource.
    pub tags: Tags,
    /// Which Azure.
    pub cloud: CloudName,
    /// The Batch pools. Together with [`Self::fleets`] at least one, names unique over both.
    pub pools: Vec<Pool>,
    /// The pools of scale sets.
    pub fleets: Vec<Fleet>,
}

/// Whose subscription the nodes of Batch pools run in (Azure's `poolAllocationMode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Allocation {
    /// One of Batch's own, within the Batch account's quotas.
    #[default]
    BatchService,
    /// The farm's, within its quotas.
    UserSubscription,
}

/// The application id of "Microsoft Azure Batch", the same in all directories (Microsoft's page "Create a Batch account
/// with the Azure portal").
pub const BATCH_APPLICATION: &str = "ddbf3205-c6bd-46ae-8127-60eb93363864";
/// How to look its object id up, for people.
pub const LOOK_UP: &str =
    "`az ad sp show --id ddbf3205-c6bd-46ae-8127-60eb93363864 --query id --output tsv` prints it";

/// [`Allocation`] with what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchMode {
    /// A subscription of Batch's own.
    BatchService,
    /// The farm's subscription.
    UserSubscription {
        /// The key vault that Batch asks for.
        key_vault: String,
        /// Object id of the service principal "Microsoft Azure Batch"; looked up where the farm file does not say it.
        service_principal: Option<String>,
    },
}

/// The Manager VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manager {
    /// VM name, computer name and DNS label.
    pub vm_name: String,
    /// Such as `Standard_B2s_v2`.
    pub vm_size: String,
    /// Such as `3.8.5`.
    pub flamenco_version: String,
    /// Pins the Linux archive; 64 lower-case hexadecimal digits. Absent: the publisher's checksum file decides.
    pub flamenco_sha256: Option<String>,
    /// Who may sign in. Absent when neither file nor flags name a key: the CLI then looks further.
    pub ssh_public_key: Option<SshPublicKey>,
    /// The studio's own DNS name for the Manager, instead of [`Farm::fqdn`].
    pub hostname: Option<String>,
    /// How the web interface gets its certificate.
    pub tls: Tls,
    /// Who may reach the Manager from outside.
    pub access: Access,
}

/// How the Manager's web interface is served to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Certificates by ACME, a second authority as fallback.
    Acme,
    /// A certificate of Caddy's own authority.
    Internal,
    /// No web server in front of Flamenco: reach it through the SSH tunnel.
    Off,
}

impl Tls {
    /// The word in the farm file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Internal => "internal",
            Self::Off => "off",
        }
    }
}

/// Who is admitted from outside the virtual network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Port 22.
    pub ssh: CidrList,
    /// Port 443.
    pub web: CidrList,
}

/// A list of address ranges, where "not said" differs from "nobody": nobody for both ssh and web means that the
/// Manager gets no public address at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CidrList {
    /// The key is absent: nobody is admitted yet, the public address exists.
    Unset,
    /// The key is there: exactly these, perhaps none.
    Only(Vec<IpNet>),
}

impl CidrList {
    /// The admitted ranges; none when unset.
    pub fn admitted(&self) -> &[IpNet] {
        match self {
            Self::Unset => &[],
            Self::Only(list) => list,
        }
    }

    /// Whether the farm file says "nobody" in so many words.
    pub fn is_explicitly_empty(&self) -> bool {
        matches!(self, Self::Only(list) if list.is_empty())
    }
}

/// The Blender that nodes render with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blender {
    /// Such as `4.5.14`.
    pub version: String,
    /// Pins the Linux archive; 64 lower-case hexadecimal digits.
    pub sha256: Option<String>,
}

impl Blender {
    /// Major and minor, as in the publisher's folder names: `4.5`.
    pub fn series(&self) -> &str {
        self.version.rsplit_once('.').map_or(self.version.as_str(), |(series, _)| series)
    }
}

/// The virtual network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Made with the farm.
    Own {
        /// The whole network.
        address_space: Ipv4Net,
        /// The Manager's subnet: the first /27 of the address space.
        manager_subnet: Ipv4Net,
        /// The nodes' subnet.
        workers_subnet: Ipv4Net,
        /// The Manager's static private address: the first usable one, `.4` (Azure keeps five of each subnet).
        manager_address: Ipv4Addr,
    },
    /// Someone else's, left untouched.
    Existing {
        /// The group it is in.
        resource_group: String,
        /// Its name.
        vnet: String,
        /// The Manager's subnet.
        manager_subnet: String,
        /// The nodes' subnet.
        workers_subnet: String,
    },
}

/// Where files and frames live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// A premium share made with the farm.
    Own {
        /// Provisioned size in GiB, 100 to 102,400.
        share_gib: u32,
        /// Mount with TLS (aznfs) and require secure transfer.
        encrypt_in_transit: bool,
    },
    /// Someone else's NFS export.
    Existing {
        /// `host:/path`.
        nfs_export: String,
    },
}

/// Which Azure.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum CloudName {
    /// The public cloud.
    #[default]
    Public,
    /// Azure Government.
    Usgov,
    /// Azure operated by 21Vianet.
    China,
}

impl CloudName {
    /// The word in the farm file, also understood by `arm::Cloud::by_name`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Usgov => "usgov",
            Self::China => "china",
        }
    }

    /// What follows `{label}.{location}.` in the name of a public address.
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Self::Public => "cloudapp.azure.com",
            Self::Usgov => "cloudapp.usgovcloudapi.net",
            Self::China => "cloudapp.chinacloudapi.cn",
        }
    }

    /// What follows `{account}.file.` in the name of a storage account.
    pub fn storage_suffix(self) -> &'static str {
        match self {
            Self::Public => "core.windows.net",
            Self::Usgov => "core.usgovcloudapi.net",
            Self::China => "core.chinacloudapi.cn",
        }
    }

    /// What follows the name of a key vault in its address.
    pub fn vault_suffix(self) -> &'static str {
        match self {
            Self::Public => "vault.azure.net",
            Self::Usgov => "vault.usgovcloudapi.net",
            Self::China => "vault.azure.cn",
        }
    }
}

impl fmt::Display for CloudName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What makes a pool's machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PoolKind {
    /// Azure Batch: [`Farm::pools`].
    Batch,
    /// Scale sets: [`Farm::fleets`].
    Vmss,
}

impl PoolKind {
    /// The word in the farm file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Vmss => "vmss",
        }
    }
}

/// One Batch pool of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// The Batch pool id.
    pub name: String,
    /// What makes its machines: always [`PoolKind::Batch`].
    pub kind: PoolKind,
    /// Such as `Standard_D4as_v5`.
    pub vm_size: String,
    /// The operating system image.
    pub image: PoolImage,
    /// Dedicated nodes to start with; none with [`Self::autoscale`].
    pub dedicated: u32,
    /// Spot nodes to start with; none with [`Self::autoscale`].
    pub spot: u32,
    /// The formula by which Batch sizes the pool, if it is to.
    pub autoscale: Option<Autoscale>,
    /// Application packages that each node gets, one version of each application.
    pub packages: Vec<PackageRef>,
    /// Variables of the start task; no secrets.
    pub environment: BTreeMap<String, String>,
    /// The most nodes the pool may ever have; the subnet is sized for it.
    pub max_nodes: u32,
}

pub(super) fn most_nodes(pools: &[Pool], fleets: &[Fleet]) -> u32 {
    let pools = pools.iter().map(|pool| pool.max_nodes);
    let fleets = fleets.iter().map(|fleet| fleet.max_nodes.saturating_add(fleet.overprovision));
    pools.chain(fleets).fold(0, u32::saturating_add)
}

impl Farm {
    /// The Manager's name in Azure's DNS: `{VM name}.{location}.cloudapp.azure.com`, or the cloud's own suffix.
    pub fn fqdn(&self) -> String {
        format!("{}.{}.{}", self.manager.vm_name, self.location, self.cloud.dns_suffix())
    }

    /// The name that artists use: the studio's own, else [`Self::fqdn`].
    pub fn host(&self) -> String {
        self.manager.hostname.clone().unwrap_or_else(|| self.fqdn())
    }

    /// The resource group's id.
    pub fn group_id(&self) -> ResourceId {
        ResourceId::group(&self.subscription, &self.resource_group)
    }

    /// An identity of the farm beside the Manager's own: `nodes` or `batch`.
    pub fn identity(&self, of: &str) -> ResourceId {
        self.group_id().resource(IDENTITY, &format!("{}-{of}-identity", self.manager.vm_name))
    }

    /// Whether the Manager has a public address: always, unless both access lists are explicitly empty.
    pub fn is_public(&self) -> bool {
        let access = &self.manager.access;
        !(access.ssh.is_explicitly_empty() && access.web.is_explicitly_empty())
    }

    /// The Batch pool of this name, compared without case as Batch does.
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name.eq_ignore_ascii_case(name))
    }

    /// The pool of scale sets of this name, compared without case.
    pub fn fleet(&self, name: &str) -> Option<&Fleet> {
        self.fleets.iter().find(|fleet| fleet.name.eq_ignore_ascii_case(name))
    }

    /// The most nodes that all pools together may ever have at once: what the workers subnet must hold.
    pub fn most_nodes(&self) -> u32 {
        most_nodes(&self.pools, &self.fleets)
    }
}
