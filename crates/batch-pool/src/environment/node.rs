//! From what is known about a node to its start task's environment.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use super::packages::{Package, package_variable};
use super::variables as var;

/// Root of all that Batch keeps on a node of Ubuntu with a temporary disk, as nodes print it.
pub const NODE_ROOT: &str = "/mnt/batch/tasks";

/// What a node's search path is before Batch adds its own two folders.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user that Batch makes for a start task (`userIdentity.autoUser`: its scope and its elevation level).
///
/// The non-administrators' names are from nodes. No printed environment of an administrator is known to us: Batch runs
/// it with root's rights, its words here follow the scheme of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoUser {
    /// Scope Task, elevation NonAdmin: a user for this task alone.
    TaskNonAdmin,
    /// Scope Task, elevation Admin.
    TaskAdmin,
    /// Scope Pool, elevation NonAdmin: the user of all tasks on the node.
    PoolNonAdmin,
    /// Scope Pool, elevation Admin: what a farm's start task has.
    PoolAdmin,
}

impl AutoUser {
    /// The user's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskNonAdmin | Self::TaskAdmin => "_azbatchtask_start",
            Self::PoolNonAdmin | Self::PoolAdmin => "_azbatch",
        }
    }

    /// Scope and elevation in one word.
    pub fn identity(self) -> &'static str {
        match self {
            Self::TaskNonAdmin => "TaskNonAdmin",
            Self::TaskAdmin => "TaskAdmin",
            Self::PoolNonAdmin => "PoolNonAdmin",
            Self::PoolAdmin => "PoolAdmin",
        }
    }
}

/// An application package on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The package.
    pub package: Package,
    /// The time in its folder's name, which has minutes. On the one node that is known it differs by package and is
    /// before the node's own creation: of the upload or the activation then. Another upload of the same version so gets
    /// another folder.
    pub stamp: DateTime,
    /// Whether its version is the application's default one.
    pub is_default: bool,
}

impl Unpacked {
    /// The folder below the node's root: id, version and time in one, with their case and dots.
    pub fn folder(&self, root: &str) -> String {
        let Package { id, version } = &self.package;
        format!("{root}/applications/{id}{version}{}", self.stamp.strftime("%Y-%m-%d-%H-%M"))
    }
}

/// What a start task's environment is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTaskEnvironment {
    /// Host of the account's data plane, such as `farm.westeurope.batch.azure.com`; it starts with the account's name.
    pub account_endpoint: String,
    /// The pool.
    pub pool: String,
    /// The node.
    pub node: String,
    /// Whether the node is a dedicated one.
    pub dedicated: bool,
    /// Root of all that Batch keeps on the node, without a slash at its end: [`NODE_ROOT`].
    pub root: String,
    /// The start task's user.
    pub user: AutoUser,
    /// The pool's application packages.
    pub packages: Vec<Unpacked>,
}

impl StartTaskEnvironment {
    /// The start task's folder, which gets its `stdout.txt` and `stderr.txt`.
    pub fn startup_dir(&self) -> String {
        format!("{}/startup", self.root)
    }

    /// The folder in which the start task runs.
    pub fn working_dir(&self) -> String {
        format!("{}/wd", self.startup_dir())
    }

    /// The folder that all tasks of the node share.
    pub fn shared_dir(&self) -> String {
        format!("{}/shared", self.root)
    }

    /// Every variable that Batch sets, with its value. Left out is the disk space that it reserves, which it alone
    /// knows; `PWD`, `SHLVL` and `_` are the shell's own.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let (startup, working) = (self.startup_dir(), self.working_dir());
        let shared = self.shared_dir();
        let account = self.account_endpoint.split('.').next().unwrap_or_default();
        let contract = [
            (var::ACCOUNT_NAME, account.to_owned()),
            (var::ACCOUNT_URL, format!("https://{}/", self.account_endpoint)),
            (var::CERTIFICATES_DIR, format!("{startup}/certs")),
            (var::NODE_ID, self.node.clone()),
            (var::NODE_IS_DEDICATED, self.dedicated.to_string()),
            (var::NODE_MOUNTS_DIR, format!("{}/fsmounts", self.root)),
            (var::NODE_ROOT_DIR, self.root.clone()),
            (var::NODE_SHARED_DIR, shared.clone()),
            (var::NODE_STARTUP_DIR, startup.clone()),
            (var::POOL_ID, self.pool.clone()),
            (var::TASK_DIR, startup),
            (var::TASK_USER, self.user.name().to_owned()),
            (var::TASK_USER_IDENTITY, self.user.identity().to_owned()),
            (var::TASK_WORKING_DIR, working.clone()),
        ];
        let session = [
            ("PATH", format!("{SYSTEM_PATH}:{shared}:{working}")),
            ("HOME", working),
            ("USER", self.user.name().to_owned()),
        ];
        let contract = contract.into_iter().map(|(variable, value)| (variable.name.to_owned(), value));
        let session = session.into_iter().map(|(name, value)| (name.to_owned(), value));
        contract.chain(session).chain(self.of_packages()).collect()
    }

    fn of_packages(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.packages.iter().flat_map(|unpacked| {
            let Package { id, version } = &unpacked.package;
            let folder = unpacked.folder(&self.root);
            let default = unpacked.is_default.then(|| (package_variable(id, None), folder.clone()));
            std::iter::once((package_variable(id, Some(version)), folder)).chain(default)
        })
    }
}
