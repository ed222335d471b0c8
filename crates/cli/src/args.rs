//! The command line as data: clap structs and help text, nothing else.

mod app;
mod pool;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use app::*;
pub use pool::*;

/// Deploys, scales and tears down a Blender Flamenco 3 render farm on Microsoft Azure.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "flamenco-azure",
    version,
    about,
    max_term_width = 100,
    after_help = "Try it without an account: `flamenco-azure demo`. Every command takes `--simulate [FILE]`."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Farm file [default: azure_config.yaml, else flamenco_manager_azure.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Work on the embedded simulated Azure; with FILE its world is kept between commands
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, default_missing_value = "")]
    pub simulate: Option<PathBuf>,
    /// One JSON event a line on standard output, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Only errors and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log each request (never a token, key or body) to standard error
    #[arg(long, global = true)]
    pub debug: bool,
    /// Never ask: a missing answer is an error that names the key and the flag
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Azure subscription id
    #[arg(long, global = true, value_name = "ID")]
    pub subscription: Option<String>,
    /// Azure region such as westeurope
    #[arg(long, global = true, value_name = "REGION")]
    pub location: Option<String>,
    /// Resource group
    #[arg(long, global = true, value_name = "NAME")]
    pub group: Option<String>,
    /// Farm name, where the group holds more than one or there is no farm file
    #[arg(long, global = true, value_name = "NAME")]
    pub farm: Option<String>,
    /// Storage account name
    #[arg(long, global = true, value_name = "NAME")]
    pub sa: Option<String>,
    /// Batch account name
    #[arg(long, global = true, value_name = "NAME")]
    pub ba: Option<String>,
    /// Manager VM name
    #[arg(long, global = true, value_name = "NAME")]
    pub vm: Option<String>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Ask a few questions and write the farm file
    Init(InitArgs),
    /// Show what deploy would do and what the farm costs
    Plan(PlanArgs),
    /// Make the farm, or bring it to what the farm file says
    Deploy(DeployArgs),
    /// Show the farm: Manager, pools, nodes, cost
    Status(StatusArgs),
    /// Change a pool's node counts; rendering nodes are never taken
    Scale(ScaleArgs),
    /// Nodes of a Batch pool: list them, read their logs, act on them
    Pool(PoolArgs),
    /// Keep pools of scale sets at their targets: run, look, explain
    Scaler(ScalerArgs),
    /// Application packages of the farm's Batch account: push, list, choose, remove
    App(AppArgs),
    /// Fetch rendered frames over ssh, resumable
    Download(DownloadArgs),
    /// Stop what costs by the hour, keep data and addresses
    Pause(ConfirmArgs),
    /// Undo `pause`
    Resume(ResumeArgs),
    /// Remove the farm without a trace
    Teardown(TeardownArgs),
    /// Print the Manager's URLs and paths
    Urls,
    /// Forward the Manager's web page to this machine over ssh
    Tunnel(TunnelArgs),
    /// Sign in to the Manager VM
    Ssh(SshArgs),
    /// Show which credential is used and what it sees
    Whoami,
    /// Check what a first real run needs, and say how to get it
    Doctor(DoctorArgs),
    /// Convert between a Manager URL and its `shaman://` form
    ShamanUrl(ShamanUrlArgs),
    /// The whole life of a farm on a fresh simulated Azure
    Demo,
    /// Print a shell completion script
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// `init`
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "In a pipe each line answers one question, in this order: subscription (when there are several), \
    location, farm name, ssh ranges, web ranges, SSH key (when this machine has none), then `yes`. An empty line takes \
    the answer in brackets; a bad answer takes another line."
)]
pub struct InitArgs {
    /// Ask every question, also those with a default
    #[arg(long)]
    pub all: bool,
    /// Farm name from which the other names are derived
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Who may sign in by ssh (CIDR, repeatable, or `nobody`)
    #[arg(long, value_name = "CIDR")]
    pub ssh_from: Vec<String>,
    /// Who may open the web page (CIDR, repeatable, or `nobody`)
    #[arg(long, value_name = "CIDR")]
    pub web_from: Vec<String>,
    /// Public key file for ssh
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// Accept 0.0.0.0/0 in the access lists
    #[arg(long)]
    pub allow_world: bool,
    /// Accept the summary without asking
    #[arg(long, short)]
    pub yes: bool,
}

/// `plan`
#[derive(Debug, Clone, Default, Args)]
pub struct PlanArgs {
    /// Write the plan to a file that `deploy FILE` carries out
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 4 when something differs from the farm file
    #[arg(long)]
    pub check: bool,
    /// Public key file for ssh
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// The scaler's program for pools of scale sets [default: beside this one]
    #[arg(long, value_name = "PATH")]
    pub scaler_binary: Option<PathBuf>,
    /// Accept 0.0.0.0/0 in the access lists
    #[arg(long)]
    pub allow_world: bool,
}

/// `deploy`
#[derive(Debug, Clone, Default, Args)]
pub struct DeployArgs {
    /// A plan written by `plan --out`
    #[arg(value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// Public key file for ssh
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// The scaler's program for pools of scale sets [default: beside this one]
    #[arg(long, value_name = "PATH")]
    pub scaler_binary: Option<PathBuf>,
    /// Accept 0.0.0.0/0 in the access lists
    #[arg(long)]
    pub allow_world: bool,
}

/// `status`
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StatusArgs {
    /// Look again every few seconds
    #[arg(long)]
    pub watch: bool,
}

/// `scale`
#[derive(Debug, Clone, Default, Args)]
pub struct ScaleArgs {
    /// The pool; may be left out when there is one
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
    /// Dedicated nodes wanted
    #[arg(long, value_name = "N")]
    pub dedicated: Option<u32>,
    /// Spot nodes wanted
    #[arg(long, value_name = "N")]
    pub spot: Option<u32>,
    /// Nodes wanted of a pool of scale sets; its placements say which are Spot
    #[arg(long, value_name = "N", conflicts_with_all = ["dedicated", "spot"])]
    pub nodes: Option<u32>,
    /// Wait until the nodes are allocated and, in a Batch pool, up with their start tasks done
    #[arg(long)]
    pub wait: bool,
    /// With --wait: how often nodes whose start task failed are replaced by new ones
    #[arg(long, value_name = "N", default_value_t = 1, requires = "wait")]
    pub retry_failed: u32,
    /// Take nodes without waiting for their render to end
    #[arg(long)]
    pub force: bool,
}

/// `scaler`
#[derive(Debug, Clone, Args)]
pub struct ScalerArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ScalerCommand,
}

/// What to do about pools of scale sets.
#[derive(Debug, Clone, Subcommand)]
pub enum ScalerCommand {
    /// Keep the pools at their targets until Ctrl-C; on the simulator until nothing moves
    Run(ScalerRunArgs),
    /// Make one pass: look, decide, do
    Once(ScalerPoolArgs),
    /// Look and say what would be done and why, and which placements cannot be used until when
    Explain(ScalerPoolArgs),
    /// Show targets, nodes, requests to delete and who runs the scaler
    Status(ScalerPoolArgs),
    /// Print the scaler's own file for the farm file's pools, to run it elsewhere
    File,
    /// Make a scaler that stands alone, without a farm: a VM in a group of its own, or on a VM that is there
    Deploy(ScalerDeployArgs),
    /// Remove a scaler that stands alone, with its nodes; network, images and an existing VM stay
    Remove(ScalerRemoveArgs),
}

/// `scaler deploy`
#[derive(Debug, Clone, Default, Args)]
pub struct ScalerDeployArgs {
    /// The file that describes it (examples/scaler.yaml)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// The scaler's program [default: beside this one]
    #[arg(long, value_name = "PATH")]
    pub scaler_binary: Option<PathBuf>,
}

/// `scaler remove`
#[derive(Debug, Clone, Default, Args)]
pub struct ScalerRemoveArgs {
    /// The file that it was made from
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Do not ask for the farm's name
    #[arg(long, short)]
    pub yes: bool,
}

/// Which pools.
#[derive(Debug, Clone, Default, Args)]
pub struct ScalerPoolArgs {
    /// The pool [default: all]
    #[arg(value_name = "POOL")]
    pub pool: Option<String>,
    /// The scaler's own file, or that of a scaler that stands alone, where there is no farm file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `scaler run`
#[derive(Debug, Clone, Default, Args)]
pub struct ScalerRunArgs {
    /// Which pools.
    #[command(flatten)]
    pub pools: ScalerPoolArgs,
    /// End after so many minutes
    #[arg(long, value_name = "MINUTES")]
    pub minutes: Option<u64>,
}

/// `download`
#[derive(Debug, Clone, Default, Args)]
pub struct DownloadArgs {
    /// Path below /mnt/flamenco-output/render [default: all of it]
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Directory to put it into
    #[arg(long, value_name = "DIR", default_value = "render")]
    pub to: PathBuf,
    /// Use sftp, as where there is no rsync (version 3)
    #[arg(long)]
    pub sftp: bool,
}

/// `doctor`
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Public key file for ssh
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// Make a small farm in a group of its own, try what no document settles, and remove it again
    #[arg(long)]
    pub live: bool,
    /// With --live: the most it may cost
    #[arg(long, value_name = "USD", default_value_t = 2.0, requires = "live")]
    pub max_usd: f64,
    /// With --live: where to write what was found [default: flamenco-azure-doctor-DATE.md]
    #[arg(long, value_name = "FILE", requires = "live")]
    pub report: Option<PathBuf>,
    /// With --live: do not ask for confirmation
    #[arg(long, short, requires = "live")]
    pub yes: bool,
}

/// `resume`
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ResumeArgs {
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
}

/// `pause`
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ConfirmArgs {
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// Take nodes without waiting for their render to end
    #[arg(long)]
    pub force: bool,
}

/// `teardown`
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct TeardownArgs {
    /// Do not ask for the farm's name
    #[arg(long, short)]
    pub yes: bool,
    /// Keep the storage account with everything rendered
    #[arg(long)]
    pub keep_data: bool,
}

/// `tunnel`
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct TunnelArgs {
    /// Local port
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// `ssh`
#[derive(Debug, Clone, Default, Args)]
pub struct SshArgs {
    /// Command to run there instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `shaman-url`
#[derive(Debug, Clone, Args)]
pub struct ShamanUrlArgs {
    /// A Manager URL (https://…) or a shaman:// URL
    #[arg(value_name = "URL")]
    pub url: String,
}

/// `completions`
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that completions can be written for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}
