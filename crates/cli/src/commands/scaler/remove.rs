//! `scaler remove`: takes a scaler that stands alone away, with its nodes. Network, image and an existing VM stay.

use flamenco_azure_core::inventory::Inventory;
use vmss_scaler::alone::Machine;

use crate::alone;
use crate::args::{ScalerRemoveArgs, TeardownArgs};
use crate::commands::{deploy::carry_out, teardown};
use crate::failure::{Failure, Outcome};
use crate::session::{Session, Target};
use crate::show;

/// Runs `scaler remove`.
pub(super) async fn run(session: &Session, args: &ScalerRemoveArgs) -> Outcome {
    let alone = alone::read(session, &args.file)?;
    let place = &alone.place;
    let target = Target { farm: place.farm.clone(), group: place.group.clone() };
    let inventory = alone::observe(session, &alone).await?;
    session.executor(&target.farm)?.settle().await?;
    let mut yes = args.yes;
    // First: what could still make nodes anew, and what would be left on a machine that stays.
    let existing = if let Machine::Existing(vm) = &alone.machine { inventory.get(vm) } else { None };
    let plan = existing.map(|vm| alone.withdrawal(vm)).unwrap_or_default();
    if !plan.is_empty() {
        show::plan(session.printer, &plan);
        if !yes {
            confirm(session, &target.farm).await?;
            yes = true;
        }
        carry_out(session, &target.farm, &plan, "run `flamenco-azure scaler remove` again to go on").await?;
    }
    let inventory: Inventory = crate::farm::observe(&session.client, &target.group).await?;
    if !yes && target.exists(&inventory) {
        session.printer.info("it goes with all its nodes; network, images and the resources of others stay:");
    }
    teardown::remove(session, &target, inventory, TeardownArgs { yes, keep_data: false }).await
}

async fn confirm(session: &Session, farm: &str) -> Outcome<()> {
    if session.ask.confirm(&format!("Remove the scaler `{farm}` with all its nodes?"), "--yes").await? {
        return Ok(());
    }
    Err(Failure::user("nothing was removed"))
}
