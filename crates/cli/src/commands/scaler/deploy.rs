//! `scaler deploy`: a scaler that stands alone, made or brought to what its file says.

use std::time::Duration;

use flamenco_azure_core::exec::Executor;
use serde_json::json;
use vmss_scaler::alone::{Alone, Machine};

use crate::alone::{self, Prepared};
use crate::args::ScalerDeployArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::session::Session;
use crate::{farmfile, progress, show};

/// How often a deploy plans what the part before has made possible.
const LATER: usize = 4;

/// Runs `scaler deploy`.
pub(super) async fn run(session: &Session, args: &ScalerDeployArgs) -> Outcome {
    let begun = session.clock.now();
    let alone = alone::read(session, &args.file)?;
    let file = farmfile::shown(&session.here, &session.here.join(&args.file));
    let again = format!("flamenco-azure scaler deploy {file}");
    let executor = session.executor(&alone.place.farm)?;
    executor.settle().await?;
    let prepare = || alone::prepare(session, &alone, &file, args.scaler_binary.as_deref());
    let mut prepared = prepare().await?;
    present(session, &alone, &prepared);
    if prepared.plan.is_empty() {
        if let Some(appeal) = prepared.roles.appeal(session, &prepared.inventory, &again) {
            return Err(appeal);
        }
        summary(session, &alone, &prepared).await?;
        progress::finished(session.printer, "scaler deploy", Duration::ZERO);
        return Ok(reached(&prepared));
    }
    if !args.yes && !session.ask.confirm("Carry this out?", "--yes").await? {
        session.printer.info("nothing was changed");
        return Ok(Exit::User);
    }
    carry_on(session, &alone, &executor, &prepared, &again, &file).await?;
    // What can be said only now that the first part exists.
    for _ in 0..LATER {
        let next = prepare().await?;
        let done = next.plan.is_empty() || next.plan.steps == prepared.plan.steps;
        prepared = next;
        if done {
            break;
        }
        show::plan(session.printer, &prepared.plan);
        carry_on(session, &alone, &executor, &prepared, &again, &file).await?;
    }
    if let Some(appeal) = prepared.roles.appeal(session, &prepared.inventory, &again) {
        return Err(appeal);
    }
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.info(format!("{} in {}", session.printer.bold("deployed"), progress::seconds(took)));
    summary(session, &alone, &prepared).await?;
    progress::finished(session.printer, "scaler deploy", took);
    Ok(reached(&prepared))
}

fn present(session: &Session, alone: &Alone, prepared: &Prepared) {
    let (printer, place) = (session.printer, &alone.place);
    printer.info(format!(
        "{} in resource group {} ({}), subscription {}",
        printer.bold(&place.farm),
        place.group.name(),
        place.location,
        place.subscription
    ));
    match (prepared.plan.is_empty(), prepared.plan.blocked.is_empty()) {
        (true, true) => printer.result("nothing to do: the scaler is as its file says"),
        (true, false) => printer.result("nothing that can be changed in place:"),
        (false, _) => {}
    }
    show::plan(printer, &prepared.plan);
    if prepared.around.person.is_none() {
        printer.warn(
            "the sign-in's token does not say who you are: no role is assigned to you on the storage account",
        );
    }
    prepared.roles.announce(session);
    if prepared.roles.missing.is_empty() && prepared.ready.is_none() {
        let vm = alone.vm().name();
        printer.info(match alone.machine {
            Machine::Own(_) => format!("  then     VM `{vm}` is made, which runs the scaler"),
            Machine::Existing(_) => format!("  then     the scaler is installed on VM `{vm}`"),
        });
    }
}

async fn carry_on(
    session: &Session,
    alone: &Alone,
    executor: &Executor,
    prepared: &Prepared,
    again: &str,
    file: &str,
) -> Outcome<()> {
    prepared.program.upload(session, &alone.place.account, &prepared.plan).await?;
    executor.run(&prepared.plan).await.map(|_| ()).map_err(|error| {
        let mut failure: Failure = error.into();
        let hint = failure.hint.take().map(|hint| format!("{hint}\n       ")).unwrap_or_default();
        failure.hint = Some(format!(
            "{hint}run `{again}` again to go on, or `flamenco-azure scaler remove {file}` to remove what was made"
        ));
        failure
    })
}

/// How to get at it: what the old program's deployment put out, and how many nodes are set.
async fn summary(session: &Session, alone: &Alone, prepared: &Prepared) -> Outcome<()> {
    let ssh = alone::ssh(session, alone, &prepared.inventory).await?;
    let (place, printer) = (&alone.place, session.printer);
    let have = prepared
        .inventory
        .group
        .as_ref()
        .map(flamenco_azure_core::inventory::Observed::tags)
        .unwrap_or_default();
    let tags: Vec<String> =
        place.pools.iter().map(|pool| place.tag_names(&pool.name, &have).target).collect();
    printer.event(
        "scaler",
        json!({"ssh": ssh, "resourceGroup": place.group.name(), "location": place.location, "targets": tags}),
    );
    if let Some(ssh) = ssh {
        printer.result(format!("  ssh             {ssh}"));
    }
    printer.result(format!("  resource group  {}", place.group.name()));
    printer.result(format!("  location        {}", place.location));
    for tag in tags {
        printer.info(format!(
            "  nodes           az tag update --resource-id {} --operation Merge --tags {tag}=N",
            place.group
        ));
    }
    Ok(())
}

/// What cannot be changed in place is still another than the file wants.
fn reached(prepared: &Prepared) -> Exit {
    if prepared.plan.blocked.is_empty() { Exit::Done } else { Exit::Drift }
}
