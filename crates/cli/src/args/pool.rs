//! `pool`: the pools of Azure Batch, their nodes and definitions.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `pool`
#[derive(Debug, Clone, Args)]
pub struct PoolArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PoolCommand,
}

/// What to do about a Batch pool.
#[derive(Debug, Clone, Subcommand)]
pub enum PoolCommand {
    /// List the nodes: state, address, how their start task ended, since when they are up
    Nodes(PoolNodesArgs),
    /// Show what a node's start task or Worker wrote, or list the logs that there are
    Logs(PoolLogsArgs),
    /// Boot nodes again; their start task runs again. Rendering nodes are left alone
    Reboot(PoolActArgs),
    /// Give nodes a fresh disk; their start task runs as on new ones. Rendering nodes are left alone
    Reimage(PoolActArgs),
    /// Remove nodes and lower the pool's target by as many. Rendering nodes are left alone
    Remove(PoolActArgs),
    /// Sign in to a node: by the pool's own endpoint, or by the Manager where it has no public address
    Ssh(PoolSshArgs),
    /// Bring nodes to the pool's newest start task and packages, a few at a time; resumable
    Rollout(PoolRolloutArgs),
    /// Try the formula that Batch sizes the pool by, and show what it gives now
    Formula(PoolFormulaArgs),
    /// Read an old `azure_batch_pool.json` into the farm file
    Import(PoolImportArgs),
    /// Write what runs now as an entry of the farm file
    Export(PoolExportArgs),
}

/// `pool rollout`
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "Each batch of nodes finishes what it renders, is reimaged, and must come up before the next one goes. \
    A batch whose start tasks fail is the last one. The same command again goes on."
)]
pub struct PoolRolloutArgs {
    /// The pool; may be left out when there is one
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
    /// Nodes at a time: a number, or a share of the pool
    #[arg(long, value_name = "N|PERCENT", default_value = "25%")]
    pub batch: batch_pool::rollout::Batch,
    /// Take nodes without waiting for their render to end
    #[arg(long)]
    pub force: bool,
    /// Remove the pool and make it anew with as many nodes, for what Azure cannot change in place
    #[arg(long)]
    pub replace: bool,
    /// With --replace: do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
}

/// `pool formula`
#[derive(Debug, Clone, Default, Args)]
pub struct PoolFormulaArgs {
    /// The pool; may be left out when there is one
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
}

/// `pool import`
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "Carried over: name, size, image, node counts or formula, packages, variables of the start task. What is \
    not is named; what Azure took away, and keys in the clear, are refused."
)]
pub struct PoolImportArgs {
    /// The pool file, as the old tool gave it to Batch
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The farm file to put it into [default: the farm file]
    #[arg(long, value_name = "FARM FILE")]
    pub into: Option<PathBuf>,
    /// Print the entry and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `pool export`
#[derive(Debug, Clone, Default, Args)]
pub struct PoolExportArgs {
    /// The pool; may be left out when there is one
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
    /// The farm file to put it into [default: print it]
    #[arg(long, value_name = "FARM FILE")]
    pub into: Option<PathBuf>,
}

/// `pool nodes`
#[derive(Debug, Clone, Default, Args)]
pub struct PoolNodesArgs {
    /// The pool; may be left out when there is one
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
    /// Look again every five seconds
    #[arg(long)]
    pub watch: bool,
}

/// `pool logs`
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "stdout and stderr are the start task's, worker is the Flamenco Worker's log; a folder with a slash at \
    its end (startup/) is listed. A node goes by its id or the beginning of it, as `pool nodes` shows it."
)]
pub struct PoolLogsArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// The node, or the beginning of its id
    #[arg(value_name = "NODE")]
    pub node: String,
    /// stdout, stderr, worker, or a path on the node [default: list what there is]
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Go on as the file grows, until Ctrl-C
    #[arg(long, short, requires = "file")]
    pub follow: bool,
}

/// `pool ssh`
#[derive(Debug, Clone, Default, Args)]
pub struct PoolSshArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// The node, or the beginning of its id
    #[arg(value_name = "NODE")]
    pub node: String,
    /// Command to run there instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `pool reboot`, `pool reimage`, `pool remove`
#[derive(Debug, Clone, Default, Args)]
pub struct PoolActArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// The nodes, or the beginnings of their ids
    #[arg(value_name = "NODE", required_unless_present = "failed")]
    pub nodes: Vec<String>,
    /// All nodes that failed: start task failed, unusable, offline, unknown
    #[arg(long, conflicts_with = "nodes")]
    pub failed: bool,
    /// Also nodes whose Workers render
    #[arg(long)]
    pub force: bool,
}
