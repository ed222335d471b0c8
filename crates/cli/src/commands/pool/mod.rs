//! `pool`: one Batch pool and its nodes.

mod act;
mod file;
mod formula;
mod logs;
mod nodes;
mod replace;
mod rollout;
mod ssh;

use batch_pool::BatchPool;
use batch_pool::files::NodeError;
use batch_pool::nodes::Unnamed;
use flamenco_azure_core::error::chain;
use flamenco_azure_core::inventory::Inventory;

use self::act::Act;
use super::scale;
use crate::args::PoolCommand;
use crate::failure::{Failure, Outcome};
use crate::farmfile;
use crate::session::{Session, Target};

/// Runs `pool …`.
pub async fn run(session: &Session, command: &PoolCommand) -> Outcome {
    match command {
        PoolCommand::Nodes(args) => nodes::run(session, args).await,
        PoolCommand::Formula(args) => formula::run(session, args).await,
        PoolCommand::Import(args) => file::import(session, args),
        PoolCommand::Export(args) => file::export(session, args).await,
        PoolCommand::Rollout(args) => Box::pin(rollout::run(session, args)).await,
        PoolCommand::Logs(args) => logs::run(session, args).await,
        PoolCommand::Reboot(args) => act::run(session, args, Act::Reboot).await,
        PoolCommand::Reimage(args) => act::run(session, args, Act::Reimage).await,
        PoolCommand::Remove(args) => act::run(session, args, Act::Remove).await,
        PoolCommand::Ssh(args) => ssh::run(session, args).await,
    }
}

/// Finds the farm and its Batch pool of this name; without a name its only one.
async fn open(session: &Session, name: Option<&str>) -> Outcome<(Target, Inventory, BatchPool)> {
    let (target, inventory) = session.target().await?;
    if !target.exists(&inventory) {
        return Err(target.missing());
    }
    let is_fleet = |name: &str| {
        farmfile::whole(&session.here, &session.global).is_some_and(|farm| farm.fleet(name).is_some())
    };
    if let Some(name) = name.filter(|name| is_fleet(name)) {
        return Err(Failure::user(format!("`{name}` is a pool of scale sets, not a Batch pool"))
            .hint(format!("`flamenco-azure scaler status {name}` shows its nodes")));
    }
    let pool = scale::choose(scale::pools(session, &target, &inventory), name)?;
    Ok((target, inventory, pool))
}

/// A failure of a node with what to do about it.
fn failed(pool: &str, error: NodeError) -> Failure {
    let message = chain(&error);
    match error {
        NodeError::Pool(error) => error.into(),
        NodeError::Azure { source, .. } => Failure { message, ..Failure::from(*source) },
        NodeError::Gone { .. } => Failure::user(message).hint(nodes_hint(pool)),
        NodeError::NoFile { node, .. } => {
            Failure::user(message).hint(format!("`flamenco-azure pool logs {pool} {node}` lists its logs"))
        }
        NodeError::Folder { path, .. } => {
            Failure::user(message).hint(format!("`{path}/` with a slash at its end is listed"))
        }
        NodeError::State { node, .. } => Failure::azure(message).hint(format!(
            "{}; one that boots can be asked later, one that is lost is given back by `flamenco-azure pool remove {pool} {node}`",
            nodes_hint(pool)
        )),
        _ => Failure::azure(message).hint(nodes_hint(pool)),
    }
}

fn nodes_hint(pool: &str) -> String {
    format!("`flamenco-azure pool nodes {pool}` shows the nodes and their states")
}

fn unnamed(pool: &str, error: &Unnamed) -> Failure {
    Failure::user(format!("pool `{pool}`: {error}")).hint(nodes_hint(pool))
}
