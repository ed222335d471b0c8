//! `teardown`: removes the farm and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use batch_pool::own_subscription;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::plan_teardown;

use super::deploy::carry_out;
use crate::args::TeardownArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::own_subscription::purge;
use crate::roles::left_roles;
use crate::session::{Session, Target};
use crate::{farm, progress, show};

/// Passes: what appears only when something else is gone (a disk that was attached) is seen by the next look.
const PASSES: usize = 3;

/// Runs `teardown`.
pub async fn run(session: &Session, args: TeardownArgs) -> Outcome {
    let (target, inventory) = session.target().await?;
    remove(session, &target, inventory, args).await
}

/// Removes what `target` is, of which `inventory` is the first look.
pub(super) async fn remove(
    session: &Session,
    target: &Target,
    mut inventory: Inventory,
    args: TeardownArgs,
) -> Outcome {
    let begun = session.clock.now();
    session.executor(&target.farm)?.settle().await?;
    if !target.exists(&inventory) {
        session.printer.result(format!(
            "there is nothing of farm `{}` in group `{}`",
            target.farm,
            target.group.name()
        ));
        progress::finished(session.printer, "teardown", Duration::ZERO);
        return Ok(Exit::Done);
    }
    let printer = session.printer;
    let mut asked = args.yes;
    let mut before: BTreeSet<String> = BTreeSet::new();
    let mut left: BTreeMap<String, ResourceId> = BTreeMap::new();
    for _ in 0..PASSES {
        inventory = farm::observe(&session.client, &target.group).await?;
        let vaults: Vec<_> = own_subscription::vaults(&target.farm, &inventory).collect();
        let options = farm::teardown_options(&target.farm, &inventory, args.keep_data);
        let plan = plan_teardown(&target.farm, &target.group, &inventory, &options)?;
        let steps: BTreeSet<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
        if plan.is_empty() || steps == before {
            break;
        }
        before = steps;
        show::plan(printer, &plan);
        if !asked {
            confirm(session, &target.farm, args.keep_data).await?;
            asked = true;
        }
        let again = "run `flamenco-azure teardown` again to go on";
        let report = carry_out(session, &target.farm, &plan, again).await?;
        left.extend(report.left.into_iter().map(|id| (id.key(), id)));
        purge(session, &vaults).await;
    }
    if let Some(appeal) = left_roles(session, left.into_values()).await? {
        return Err(appeal);
    }
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    printer.info(format!("{} in {}", printer.bold("removed"), progress::seconds(took)));
    progress::finished(printer, "teardown", took);
    Ok(Exit::Done)
}

async fn confirm(session: &Session, farm: &str, keep_data: bool) -> Outcome<()> {
    if !keep_data {
        session.printer.warn("everything rendered is deleted too; `--keep-data` keeps the storage account");
    }
    let question = format!("Type the farm's name ({farm}) to remove it");
    let answer = match session.ask {
        crate::ask::Asker::Nobody => {
            return Err(
                Failure::user("teardown wants the farm's name typed and --no-input is set").hint("add --yes")
            );
        }
        ask => ask.text(&question, None).await?,
    };
    if answer == farm {
        return Ok(());
    }
    Err(Failure::user(format!("`{answer}` is not `{farm}`: nothing was removed")))
}
