//! `pool`: one Batch pool and its nodes.

mod file;
mod formula;
mod nodes;
mod replace;
mod rollout;

use batch_pool::BatchPool;
use flamenco_azure_core::inventory::Inventory;

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
