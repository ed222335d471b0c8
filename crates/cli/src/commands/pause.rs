//! `pause` and `resume`: stops what costs by the hour, and back.

use std::time::Duration;

use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::plan;
use flamenco_azure_core::pool::WorkerPool as _;

use super::deploy::carry_out;
use super::scale;
use crate::args::{ConfirmArgs, ResumeArgs};
use crate::failure::{Exit, Outcome};
use crate::farmfile::FarmFile;
use crate::session::{Session, Target};
use crate::{cost, farm, preflight, progress, scalers, show};

/// Runs `pause`.
pub async fn pause(session: &Session, args: ConfirmArgs) -> Outcome {
    let begun = session.clock.now();
    let (file, target, inventory) = existing(session).await?;
    let wanted = farm::paused(&file.farm, &inventory);
    let steps = plan(&wanted, &inventory)?;
    if steps.is_empty() {
        session.printer.result("the farm is paused");
        progress::finished(session.printer, "pause", Duration::ZERO);
        return Ok(Exit::Done);
    }
    show::plan(session.printer, &steps);
    if !args.yes && !session.ask.confirm("Pause the farm?", "--yes").await? {
        session.printer.info("nothing was changed");
        return Ok(Exit::User);
    }
    if !args.force {
        drain_everything(session, &target, &inventory).await?;
    }
    let work = carry_out(session, &target.farm, &steps, "run `flamenco-azure pause` again to go on");
    scalers::beside(session, work).await?;
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.info(format!("{} in {}", session.printer.bold("paused"), progress::seconds(took)));
    cost::present_idle(session, &file.farm).await;
    session.printer.info("  `flamenco-azure resume` brings it back");
    progress::finished(session.printer, "pause", took);
    Ok(Exit::Done)
}

/// The farm of the farm file, which must have a Manager.
async fn existing(session: &Session) -> Outcome<(FarmFile, Target, Inventory)> {
    let file = session.standing_farm()?;
    let target = Target { farm: file.farm.name.to_string(), group: file.farm.group_id() };
    session.executor(&target.farm)?.settle().await?;
    let inventory = farm::observe(&session.client, &target.group).await?;
    if target.manager_vm(&inventory).is_none() {
        return Err(target.missing());
    }
    Ok((file, target, inventory))
}

/// Lets every Worker finish before its node goes.
async fn drain_everything(session: &Session, target: &Target, inventory: &Inventory) -> Outcome<()> {
    let Some(vm) = target.manager_vm(inventory).filter(|vm| !manager_vm::observe::is_deallocated(vm)) else {
        return Ok(());
    };
    let manager = session.manager(&vm.id);
    for pool in scale::pools(session, target, inventory) {
        let state = pool.observe().await?;
        if state.current.total() == 0 {
            continue;
        }
        let nodes: Vec<String> = pool.nodes().await?.into_iter().map(|node| node.id).collect();
        session.printer.info(format!(
            "waiting for the Workers of pool `{}` to finish (`--force` does not)",
            pool.name()
        ));
        scale::drain(session.printer, &manager, &nodes, nodes.len()).await?;
    }
    let nodes = scale::set_nodes(session, target, inventory).await?;
    if !nodes.is_empty() {
        session.printer.info("waiting for the Workers of the scale sets to finish (`--force` does not)");
        scale::drain(session.printer, &manager, &nodes, nodes.len()).await?;
    }
    Ok(())
}

/// Runs `resume`.
pub async fn resume(session: &Session, args: ResumeArgs) -> Outcome {
    let begun = session.clock.now();
    let (file, target, inventory) = existing(session).await?;
    if farm::paused_counts(&target.farm, &inventory).is_none() {
        session.printer.result("the farm is not paused");
        progress::finished(session.printer, "resume", Duration::ZERO);
        return Ok(Exit::Done);
    }
    let sizes = preflight::sizes(&session.client, &file.farm).await?;
    let steps = plan(&farm::resumed(&file.farm, &sizes.cores(), &inventory)?, &inventory)?;
    show::plan(session.printer, &steps);
    if !args.yes && !session.ask.confirm("Resume the farm?", "--yes").await? {
        session.printer.info("nothing was changed");
        return Ok(Exit::User);
    }
    carry_out(session, &target.farm, &steps, "run `flamenco-azure resume` again to go on").await?;
    let took: Duration = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.info(format!("{} in {}", session.printer.bold("resumed"), progress::seconds(took)));
    session.printer.info("  `flamenco-azure status` shows the nodes come back");
    progress::finished(session.printer, "resume", took);
    Ok(Exit::Done)
}
