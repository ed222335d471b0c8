//! `deploy`: makes the farm, or brings it to what the farm file says.

use flamenco_azure_core::exec::ExecError;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Plan, Verb};

use super::{connect, plan as plan_command, urls};
use crate::args::DeployArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::farmfile::FarmFile;
use crate::session::Session;
use crate::{cost, farm, files, progress, show};

/// Runs `deploy`.
pub async fn run(session: &Session, args: &DeployArgs) -> Outcome {
    let begun = session.clock.now();
    let file = session.farm_file(args.ssh_key.as_deref(), args.allow_world)?;
    let executor = session.executor(file.farm.name.as_str())?;
    executor.settle().await?;
    let prepared = plan_command::prepare(session, &file).await?;
    if let Some(path) = &args.plan {
        same_as_saved(&files::read(&session.here.join(path))?, &prepared.plan)?;
    }
    plan_command::present(session, &prepared).await;
    if prepared.plan.is_empty() {
        urls::summary(session, &file).await;
        return Ok(Exit::Done);
    }
    if !args.yes && !session.ask.confirm("Carry this out?", "--yes").await? {
        session.printer.info("nothing was changed");
        return Ok(Exit::User);
    }
    let report = match executor.run(&prepared.plan).await {
        Ok(report) => report,
        Err(error) => return Err(half_done(session, &file, error).await),
    };
    for (step, error) in report.shortfalls() {
        session.printer.warn(format!("{step}: {}", batch_pool::error::explain(error)));
    }
    if prepared
        .plan
        .steps
        .iter()
        .any(|step| step.verb == Verb::Create && step.resource.is_kind(manager_vm::wire::VM))
    {
        connect::forget_host_keys(session, &file.farm)?;
    }
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.info(format!("{} in {}", session.printer.bold("deployed"), progress::seconds(took)));
    urls::summary(session, &file).await;
    progress::finished(session.printer, "deploy", took);
    Ok(Exit::Done)
}

/// A saved plan is carried out only while it is still the plan.
fn same_as_saved(text: &str, plan: &Plan) -> Outcome<()> {
    let saved: Plan = serde_json::from_str(text)
        .map_err(|error| Failure::user(format!("the plan file is not a plan: {error}")))?;
    if saved == *plan {
        return Ok(());
    }
    Err(Failure::user("what exists or the farm file has changed since the plan was written")
        .hint("`flamenco-azure plan --out FILE` writes a new one"))
}

/// Says what a deploy that did not reach its end leaves behind: what costs money now, and the command that removes it.
async fn half_done(session: &Session, file: &FarmFile, error: ExecError) -> Failure {
    let group = file.farm.group_id();
    let mut failure: Failure = error.into();
    let lines = match left_behind(session, file, &group).await {
        Some(lines) if !lines.is_empty() => format!("exists and costs money now: {}", lines.join(", ")),
        Some(_) => "nothing that costs money was made".to_owned(),
        None => "what exists now could not be read".to_owned(),
    };
    let next =
        "run `flamenco-azure deploy` again to go on, or `flamenco-azure teardown` to remove everything";
    let hint = failure.hint.take().map(|hint| format!("{hint}\n       ")).unwrap_or_default();
    failure.hint = Some(format!("{hint}{lines}; {next}"));
    failure
}

async fn left_behind(session: &Session, file: &FarmFile, group: &ResourceId) -> Option<Vec<String>> {
    let inventory = farm::observe(&session.client, group).await.ok()?;
    let prices = cost::prices(session, &file.farm).await;
    Some(cost::existing(&file.farm, &inventory, prices))
}

/// Used by `teardown` and `pause` too: runs a plan and turns its failure into words.
pub async fn carry_out(session: &Session, farm: &str, plan: &Plan, again: &str) -> Outcome<()> {
    match session.executor(farm)?.run(plan).await {
        Ok(report) => {
            for (step, error) in report.shortfalls() {
                session.printer.warn(format!("{step}: {}", batch_pool::error::explain(error)));
            }
            Ok(())
        }
        Err(error) => {
            let left = show::count(error.failures.len() + error.report.not_begun.len(), "step");
            let mut failure: Failure = error.into();
            let hint = failure.hint.take().map(|hint| format!("{hint}\n       ")).unwrap_or_default();
            failure.hint = Some(format!("{hint}{left} not done: {again}"));
            Err(failure)
        }
    }
}
