//! Every variable that Batch sets for a task on a Linux node.
//!
//! The names and who gets them are from Microsoft's page "Azure Batch runtime environment variables"
//! (<https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables>, 06/13/2024) unless a constant
//! says otherwise.

/// What kind of task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskKind {
    /// A pool's start task: at each boot of a node.
    Start,
    /// A job's preparation task: on a node before the job's first task there.
    JobPreparation,
    /// A job's release task: on each node that had the preparation task.
    JobRelease,
    /// An ordinary task of a job.
    Job,
    /// The primary task or a subtask of a multi-instance task.
    MultiInstance,
}

impl TaskKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Start, Self::JobPreparation, Self::JobRelease, Self::Job, Self::MultiInstance];
}

/// Which tasks have a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetFor {
    /// All tasks.
    AllTasks,
    /// All tasks but the start task, which belongs to no job.
    TasksOfJobs,
    /// Tasks of a job that has a job preparation task, but not that task itself.
    AfterJobPreparation,
    /// Primary task and subtasks of a multi-instance task.
    MultiInstance,
    /// Tasks that asked for it when they were added; a start task cannot.
    OnRequest,
}

impl SetFor {
    /// Whether a task of this kind can have the variable.
    pub fn may_be_on(self, kind: TaskKind) -> bool {
        match self {
            Self::AllTasks => true,
            Self::TasksOfJobs => kind != TaskKind::Start,
            Self::AfterJobPreparation => !matches!(kind, TaskKind::Start | TaskKind::JobPreparation),
            Self::MultiInstance => kind == TaskKind::MultiInstance,
            Self::OnRequest => matches!(kind, TaskKind::Job | TaskKind::MultiInstance),
        }
    }
}

/// A variable of the contract. Those of application packages have names of their own ([`super::packages`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The variable's name.
    pub name: &'static str,
    /// Which tasks have it.
    pub set_for: SetFor,
}

impl Variable {
    const fn new(name: &'static str, set_for: SetFor) -> Self {
        Self { name, set_for }
    }

    /// The variable of this name; names are compared exactly.
    pub fn of_name(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|variable| variable.name == name)
    }
}

/// The Batch account's name.
pub const ACCOUNT_NAME: Variable = Variable::new("AZ_BATCH_ACCOUNT_NAME", SetFor::AllTasks);
/// The account's data-plane URL with a slash at its end, such as `https://farm.westeurope.batch.azure.com/` (seen on
/// nodes; Microsoft's table shows it without the slash).
pub const ACCOUNT_URL: Variable = Variable::new("AZ_BATCH_ACCOUNT_URL", SetFor::AllTasks);
/// A token for some of the Batch service's operations, where the task was added with `authenticationTokenSettings`.
/// A secret, and retired since 2024-09-30.
pub const AUTHENTICATION_TOKEN: Variable = Variable::new("AZ_BATCH_AUTHENTICATION_TOKEN", SetFor::OnRequest);
/// Where a task's certificates were put: `certs` in the task's folder. Certificates themselves ended in February 2024,
/// the variable stayed on Microsoft's page.
pub const CERTIFICATES_DIR: Variable = Variable::new("AZ_BATCH_CERTIFICATES_DIR", SetFor::AllTasks);
/// Addresses of the nodes of a multi-instance task, with commas between.
pub const HOST_LIST: Variable = Variable::new("AZ_BATCH_HOST_LIST", SetFor::MultiInstance);
/// Whether this node has the primary task of a multi-instance task: `true` or `false`.
pub const IS_CURRENT_NODE_MASTER: Variable =
    Variable::new("AZ_BATCH_IS_CURRENT_NODE_MASTER", SetFor::MultiInstance);
/// The task's job.
pub const JOB_ID: Variable = Variable::new("AZ_BATCH_JOB_ID", SetFor::TasksOfJobs);
/// The folder of the job preparation task.
pub const JOB_PREP_DIR: Variable = Variable::new("AZ_BATCH_JOB_PREP_DIR", SetFor::AfterJobPreparation);
/// The working directory of the job preparation task.
pub const JOB_PREP_WORKING_DIR: Variable =
    Variable::new("AZ_BATCH_JOB_PREP_WORKING_DIR", SetFor::AfterJobPreparation);
/// Address and port of the node with the primary task of a multi-instance task. The port is Batch's own.
pub const MASTER_NODE: Variable = Variable::new("AZ_BATCH_MASTER_NODE", SetFor::MultiInstance);
/// The node, such as `tvmps_0123_d`: the id that the data plane lists and removes it by.
pub const NODE_ID: Variable = Variable::new("AZ_BATCH_NODE_ID", SetFor::AllTasks);
/// `true` for a dedicated node, `false` for a Spot node.
pub const NODE_IS_DEDICATED: Variable = Variable::new("AZ_BATCH_NODE_IS_DEDICATED", SetFor::AllTasks);
/// Addresses of the nodes of a multi-instance task, with semicolons between.
pub const NODE_LIST: Variable = Variable::new("AZ_BATCH_NODE_LIST", SetFor::MultiInstance);
/// Where the pool's `mountConfiguration` puts its file systems: `fsmounts` in the root.
pub const NODE_MOUNTS_DIR: Variable = Variable::new("AZ_BATCH_NODE_MOUNTS_DIR", SetFor::AllTasks);
/// The root of all that Batch keeps on the node. "Files and directories in Azure Batch" has it on the temporary disk
/// (below `/mnt/batch` or `/mnt/resource/batch`) or, for sizes without one, below `/opt/batch/data`; nodes print
/// `/mnt/batch/tasks`.
pub const NODE_ROOT_DIR: Variable = Variable::new("AZ_BATCH_NODE_ROOT_DIR", SetFor::AllTasks);
/// `shared` in the root: a folder that all tasks of this node may write to, and no other node sees.
pub const NODE_SHARED_DIR: Variable = Variable::new("AZ_BATCH_NODE_SHARED_DIR", SetFor::AllTasks);
/// `startup` in the root: the start task's folder, with its `stdout.txt` and `stderr.txt`.
pub const NODE_STARTUP_DIR: Variable = Variable::new("AZ_BATCH_NODE_STARTUP_DIR", SetFor::AllTasks);
/// The node's pool.
pub const POOL_ID: Variable = Variable::new("AZ_BATCH_POOL_ID", SetFor::AllTasks);
/// The task's folder, with its `stdout.txt` and `stderr.txt`; for a start task the same as [`NODE_STARTUP_DIR`].
pub const TASK_DIR: Variable = Variable::new("AZ_BATCH_TASK_DIR", SetFor::AllTasks);
/// The task. A start task has no id.
pub const TASK_ID: Variable = Variable::new("AZ_BATCH_TASK_ID", SetFor::TasksOfJobs);
/// Bytes of disk that are kept free: below, the node counts as full.
pub const TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES: Variable =
    Variable::new("AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES", SetFor::AllTasks);
/// A folder with the same path on all nodes of a multi-instance task; nothing in it is shared.
pub const TASK_SHARED_DIR: Variable = Variable::new("AZ_BATCH_TASK_SHARED_DIR", SetFor::MultiInstance);
/// The name of the user that the task runs as. Not on Microsoft's table; printed by nodes.
pub const TASK_USER: Variable = Variable::new("AZ_BATCH_TASK_USER", SetFor::AllTasks);
/// The auto-user's scope and elevation in one word, such as `PoolNonAdmin`. Not on Microsoft's table; printed by nodes.
pub const TASK_USER_IDENTITY: Variable = Variable::new("AZ_BATCH_TASK_USER_IDENTITY", SetFor::AllTasks);
/// The folder that the task starts in: `wd` in [`TASK_DIR`].
pub const TASK_WORKING_DIR: Variable = Variable::new("AZ_BATCH_TASK_WORKING_DIR", SetFor::AllTasks);
/// Number of nodes of a multi-instance task, then address and cores of each. The one name without a prefix.
pub const CCP_NODES: Variable = Variable::new("CCP_NODES", SetFor::MultiInstance);

/// All variables but those of application packages, by name.
pub const ALL: &[Variable] = &[
    ACCOUNT_NAME,
    ACCOUNT_URL,
    AUTHENTICATION_TOKEN,
    CERTIFICATES_DIR,
    HOST_LIST,
    IS_CURRENT_NODE_MASTER,
    JOB_ID,
    JOB_PREP_DIR,
    JOB_PREP_WORKING_DIR,
    MASTER_NODE,
    NODE_ID,
    NODE_IS_DEDICATED,
    NODE_LIST,
    NODE_MOUNTS_DIR,
    NODE_ROOT_DIR,
    NODE_SHARED_DIR,
    NODE_STARTUP_DIR,
    POOL_ID,
    TASK_DIR,
    TASK_ID,
    TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES,
    TASK_SHARED_DIR,
    TASK_USER,
    TASK_USER_IDENTITY,
    TASK_WORKING_DIR,
    CCP_NODES,
];
