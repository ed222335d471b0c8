//! `scale`: changes a pool's node counts. Rendering nodes are never taken: their Workers are asked to finish first.

mod batch;
mod fleet;
mod live;
mod wait;

pub use batch::{choose, drain, free_of, pools};
pub use wait::PATIENCE;

use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::pool::WorkerPool as _;
use manager_vm::ManagerHost;
use vmss_scaler::look;
use vmss_scaler::observe::InstanceState;

use crate::args::ScaleArgs;
use crate::failure::{Failure, Outcome};
use crate::farm;
use crate::farmfile;
use crate::session::{Session, Target};

/// Runs `scale`.
pub async fn run(session: &Session, args: &ScaleArgs) -> Outcome {
    let named = (args.dedicated, args.spot, args.nodes);
    if named == (None, None, None) {
        return Err(Failure::user("how many nodes?").hint(
            "`flamenco-azure scale POOL --dedicated N --spot N`, or `--nodes N` for a pool of scale sets",
        ));
    }
    let (target, inventory) = session.target().await?;
    target.awake(&inventory)?;
    let is_fleet = match farmfile::whole(&session.here, &session.global) {
        None => args.nodes.is_some(),
        Some(farm) => match &args.pool {
            Some(name) => farm.fleet(name).is_some(),
            None => args.nodes.is_some() || farm.pools.is_empty(),
        },
    };
    match (is_fleet, args.nodes) {
        (true, Some(nodes)) => fleet::run(session, args, nodes, &target, &inventory).await,
        (true, None) => Err(Failure::user("this is a pool of scale sets: it has one number of nodes").hint(
            "`flamenco-azure scale POOL --nodes N`; its placements in the farm file say which are Spot",
        )),
        (false, Some(_)) => Err(Failure::user("this is a Batch pool: it has two numbers of nodes")
            .hint("`flamenco-azure scale POOL --dedicated N --spot N`")),
        (false, None) => batch::run(session, args, &target, &inventory).await,
    }
}

/// The most nodes that the farm file allows the pool.
fn within_limit(session: &Session, pool: &str, wanted: u32) -> Outcome<()> {
    // Without a farm file there is no limit to keep to but the subnet's.
    let Some(limit) = farmfile::max_nodes(&session.here, &session.global, pool) else { return Ok(()) };
    if wanted <= limit {
        return Ok(());
    }
    Err(Failure::user(format!("pool `{pool}`: {wanted} nodes are more than its `maxNodes` of {limit}"))
        .hint("raise `maxNodes` in the farm file and deploy, then scale; nothing was changed"))
}

/// The nodes of the farm's scale sets that are there to stay.
pub async fn set_nodes(session: &Session, target: &Target, inventory: &Inventory) -> Outcome<Vec<String>> {
    let mut nodes = Vec::new();
    for set in target.resources(inventory, vmss_scaler::wire::SCALE_SET) {
        let mode = vmss_scaler::read::mode(&set.body);
        let machines = look::machines(&session.client, &set.id, mode, session.clock.now()).await;
        let machines = machines.map_err(|error| Failure::azure(flamenco_azure_core::error::chain(&error)))?;
        let stays = machines.into_iter().filter(|one| one.instance.state != InstanceState::Deleting);
        nodes.extend(stays.map(|machine| machine.name));
    }
    Ok(nodes)
}

/// Lets the Manager forget the Workers of nodes that are gone.
pub async fn tidy(session: &Session, target: &Target, manager: &dyn ManagerHost, force: bool) -> Outcome<()> {
    let inventory = farm::observe(&session.client, &target.group).await?;
    let mut keep = Vec::new();
    for pool in pools(session, target, &inventory) {
        keep.extend(pool.nodes().await?.into_iter().map(|node| node.id));
    }
    keep.extend(set_nodes(session, target, &inventory).await?);
    let Err(error) = manager.forget_nodes(&keep).await else { return Ok(()) };
    let mut failure = Failure::from(error);
    failure.message =
        format!("the nodes are removed, and the Manager still lists their Workers: {}", failure.message);
    if force {
        session.printer.warn(&failure.message);
        return Ok(());
    }
    // Jobs would wait for those Workers for ever: not done yet.
    Err(failure)
}
