//! A scale set's node.

use uuid::Uuid;

use super::boot::{self, BOOT_UNIT};
use super::cloud_init::document;
use super::scripts::{delete_this_node, idle_watch, spot_watch};
use super::{GuestError, GuestFile, NfsBootstrap, Setup, check};

/// The Flamenco Worker's service, as the farm's set-up script calls it.
pub const WORKER_SERVICE: &str = "flamenco-worker.service";

/// What a node is to do. Nothing in it is secret, and its document holds nothing else: the identity's client id names
/// an identity, it does not prove one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeGuest {
    /// A script of an NFS export, run before the set-up.
    pub bootstrap: Option<NfsBootstrap>,
    /// What makes the machine a worker.
    pub setup: Option<Setup>,
    /// The node may ask for its own deletion, here.
    pub queue: Option<QueueAccess>,
    /// The node looks for the notice of its eviction.
    pub spot: Option<SpotWatch>,
    /// The node asks for its deletion when it has nothing to do. Needs `queue`.
    pub idle: Option<IdleWatch>,
}

/// The right to ask for deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAccess {
    /// The queue, such as `https://account.queue.core.windows.net/deletions`.
    pub url: String,
    /// The client id of the nodes' identity, a Storage Queue Data Message Sender on it.
    pub client_id: Uuid,
}

/// What happens when Azure takes the machine back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotWatch {
    /// The service that is stopped, so that Flamenco gives its task to another worker.
    pub worker_service: String,
    /// A command line for sh that is run instead. It has less than 30 seconds, runs again when it fails, and the machine
    /// may go as soon as it ends.
    pub hook: Option<String>,
}

impl Default for SpotWatch {
    fn default() -> Self {
        Self { worker_service: WORKER_SERVICE.to_owned(), hook: None }
    }
}

/// When a node has nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleWatch {
    /// A command line for sh that ends with status 0 when the node is idle. It runs every minute.
    pub check: String,
    /// So many minutes on end, at least 1.
    pub minutes: u32,
}

const CONF: &str = "/etc/flamenco-azure/node.conf";
const DELETE: &str = "/usr/local/bin/delete-this-node";
/// The script's name in Avere's VMScaler.
const OLD_DELETE: &str = "/usr/local/bin/delete_vmss_instance.sh";
const SPOT_UNIT: &str = "flamenco-azure-spot-watch.service";
const IDLE_UNIT: &str = "flamenco-azure-idle-watch.service";

/// Every file of a node, in the order of the document: the settings first, they are what a reader looks for.
pub fn node_files(node: &NodeGuest) -> Result<Vec<GuestFile>, GuestError> {
    let mut files = vec![GuestFile::new(CONF, 0o644, conf(node)?)];
    if node.queue.is_some() {
        files.push(GuestFile::new(DELETE, 0o755, delete_this_node()?));
    }
    if node.spot.is_some() {
        files.push(GuestFile::new("/usr/local/lib/flamenco-azure/spot-watch", 0o755, spot_watch()));
        let unit = include_str!("../../guest/spot-watch.service");
        files.push(GuestFile::new("/etc/systemd/system/flamenco-azure-spot-watch.service", 0o644, unit));
    }
    if node.idle.is_some() {
        files.push(GuestFile::new("/usr/local/lib/flamenco-azure/idle-watch", 0o755, idle_watch()));
        let unit = include_str!("../../guest/idle-watch.service");
        files.push(GuestFile::new("/etc/systemd/system/flamenco-azure-idle-watch.service", 0o644, unit));
    }
    if boots(node) {
        files.extend(boot::files(node.bootstrap.as_ref(), node.setup.as_ref())?);
    }
    Ok(files)
}

/// The node's `#cloud-config` document, in plain text (the caller encodes it for `osProfile.customData`).
///
/// The watch for evictions starts first; `flamenco-azure-node.service` then runs bootstrap and set-up, again at every
/// boot, and keeps `/var/lib/flamenco-azure/node.state` (`running`, `done` or `failed: REASON`).
pub fn node_cloud_init(node: &NodeGuest) -> Result<String, GuestError> {
    let links: &[_] = if node.queue.is_some() { &[(DELETE, OLD_DELETE)] } else { &[] };
    let units =
        [(node.spot.is_some(), SPOT_UNIT), (boots(node), BOOT_UNIT), (node.idle.is_some(), IDLE_UNIT)];
    let units: Vec<&str> = units.into_iter().filter_map(|(wanted, unit)| wanted.then_some(unit)).collect();
    document(&node_files(node)?, links, &units)
}

fn boots(node: &NodeGuest) -> bool {
    node.bootstrap.is_some() || node.setup.is_some()
}

fn conf(node: &NodeGuest) -> Result<String, GuestError> {
    let mut text = String::from("# Settings of this node: KEY=value, read as they are. No secrets.\n");
    let mut set = |key: &str, value: &str| text.extend([key, "=", value, "\n"]);
    if let Some(QueueAccess { url, client_id }) = &node.queue {
        check::url("url", url)?;
        set("QUEUE_URL", url.trim_end_matches('/'));
        set("CLIENT_ID", &client_id.to_string());
    }
    if let Some(SpotWatch { worker_service, hook }) = &node.spot {
        check::service("worker_service", worker_service)?;
        set("WORKER_SERVICE", worker_service);
        if let Some(hook) = hook {
            check::line("hook", hook)?;
            set("SPOT_HOOK", hook);
        }
    }
    if let Some(IdleWatch { check, minutes }) = &node.idle {
        if node.queue.is_none() {
            return Err(GuestError::IdleWithoutQueue);
        }
        check::line("check", check)?;
        if *minutes == 0 {
            let value = minutes.to_string();
            return Err(GuestError::InvalidValue { field: "minutes", value, expected: "at least 1" });
        }
        set("IDLE_CHECK", check);
        set("IDLE_MINUTES", &minutes.to_string());
    }
    Ok(text)
}
