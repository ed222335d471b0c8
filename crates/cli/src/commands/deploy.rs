//! `deploy`: makes the farm, or brings it to what the farm file says.

use std::time::Duration;

use batch_pool::desired::push_command;
use batch_pool::formula::Running;
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::exec::{ExecError, Executor, Outcome as RunOutcome, Report};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Change, Plan, Verb};
use flamenco_azure_core::spec::edit;

use super::{connect, plan as plan_command, urls};
use crate::args::DeployArgs;
use crate::ask::Asker;
use crate::failure::{Exit, Failure, Outcome};
use crate::farmfile::FarmFile;
use crate::session::Session;
use crate::{cost, farm, files, progress, show};

/// How often a deploy plans what the part before has made possible.
const LATER: usize = 3;
/// What goes on after an administrator has assigned roles.
const AGAIN: &str = "flamenco-azure deploy";

/// Runs `deploy`.
pub async fn run(session: &Session, args: &DeployArgs) -> Outcome {
    let begun = session.clock.now();
    let file = session.farm_file(args.ssh_key.as_deref(), args.allow_world)?;
    let executor = session.executor(file.farm.name.as_str())?;
    executor.settle().await?;
    let mut prepared = Box::pin(plan_command::prepare(session, &file, args.scaler_binary.as_deref())).await?;
    if let Some(path) = &args.plan {
        same_as_saved(&files::read(&session.here.join(path))?, &prepared.plan)?;
    }
    plan_command::present(session, &prepared).await;
    if prepared.plan.is_empty() {
        if let Some(appeal) = prepared.roles().appeal(session, &prepared.inventory, AGAIN) {
            return Err(appeal);
        }
        urls::summary(session, &file, false).await;
        pool_notes(session, &file, &prepared.plan).await?;
        progress::finished(session.printer, "deploy", Duration::ZERO);
        return Ok(reached(&prepared.plan));
    }
    if !args.yes && !session.ask.confirm("Carry this out?", "--yes").await? {
        session.printer.info("nothing was changed");
        return Ok(Exit::User);
    }
    let report = carry_on(session, &file, &executor, &prepared).await?;
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
    reimage_note(session, &prepared.plan);
    // What can be said only now that the first part exists.
    for _ in 0..LATER {
        if !prepared.comes_in_parts() {
            break;
        }
        let next = Box::pin(plan_command::prepare(session, &file, args.scaler_binary.as_deref())).await?;
        let done = next.plan.is_empty() || next.plan.steps == prepared.plan.steps;
        prepared = next;
        if done {
            break;
        }
        show::plan(session.printer, &prepared.plan);
        carry_on(session, &file, &executor, &prepared).await?;
    }
    if let Some(appeal) = prepared.roles().appeal(session, &prepared.inventory, AGAIN) {
        return Err(appeal);
    }
    offer_pins(session, &file, &report, args.yes).await?;
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.info(format!("{} in {}", session.printer.bold("deployed"), progress::seconds(took)));
    urls::summary(session, &file, true).await;
    pool_notes(session, &file, &prepared.plan).await?;
    progress::finished(session.printer, "deploy", took);
    Ok(reached(&prepared.plan))
}

/// Carries a plan out, with the scaler's program where its machine finds it.
async fn carry_on(
    session: &Session,
    file: &FarmFile,
    executor: &Executor,
    prepared: &plan_command::Prepared,
) -> Outcome<Report> {
    if let Some(fleets) = &prepared.fleets {
        fleets.upload(session, &prepared.farm, &prepared.plan).await?;
    }
    match executor.run(&prepared.plan).await {
        Ok(report) => Ok(report),
        Err(error) => Err(half_done(session, file, error).await),
    }
}

/// What cannot be changed in place is still another than the farm file wants.
fn reached(plan: &Plan) -> Exit {
    if plan.blocked.is_empty() { Exit::Done } else { Exit::Drift }
}

/// A changed definition reaches the nodes that boot from now on.
fn reimage_note(session: &Session, plan: &Plan) {
    let what = |change: &Change| {
        let of = |part: &str| change.path.starts_with(&format!("/properties/{part}"));
        [("startTask", "start task"), ("applicationPackages", "packages")]
            .into_iter()
            .find_map(|(part, words)| of(part).then_some(words))
    };
    for step in plan.steps.iter().filter(|step| step.resource.is_kind(batch_pool::wire::POOL)) {
        let mut parts: Vec<&str> = step.changes.iter().filter_map(what).collect();
        parts.dedup();
        if !parts.is_empty() {
            let pool = step.resource.name();
            session.printer.warn(format!(
                "pool `{pool}`: the new {} reach nodes that boot from now on; `flamenco-azure pool rollout {pool}` \
                 reimages the others, a few at a time",
                parts.join(" and ")
            ));
        }
    }
}

/// What the formulas of the farm's pools give, and which pools wait for what. An error where Batch cannot evaluate one.
async fn pool_notes(session: &Session, file: &FarmFile, plan: &Plan) -> Outcome<()> {
    let mut wrong = Vec::new();
    for blocked in plan.blocked.iter().filter(|blocked| blocked.changes.is_empty()) {
        let Some(pool) = file.farm.pool(blocked.resource.name()) else { continue };
        let commands: Vec<String> = pool.packages.iter().map(push_command).collect();
        session.printer.warn(format!(
            "pool `{}` waits for its packages; push them, then deploy again:\n         {}",
            pool.name,
            commands.join("\n         ")
        ));
    }
    for pool in file.farm.pools.iter().filter(|pool| pool.autoscale.is_some()) {
        let id = batch_pool::spec::pool(&file.farm, &pool.name);
        let read = Request::get(id.as_str()).api_version(batch_pool::wire::BATCH_API);
        let body = session.client.get(&read).await.ok().flatten();
        let Some(last) = body.as_ref().and_then(Running::read).and_then(|live| live.last) else { continue };
        let name = &pool.name;
        match last.error {
            Some(why) => {
                wrong.push(format!(
                    "pool `{name}`: Batch cannot evaluate its formula, and leaves its size: {why}"
                ));
            }
            None => session.printer.info(format!(
                "pool `{name}`: its formula gives {} nodes now, {} at most",
                last.target, pool.max_nodes
            )),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::azure(wrong.join("\n"))
        .hint("correct `autoscale.formula` in the farm file, then deploy again"))
}

/// The archives were checked against the publisher's own checksums; pinned in the farm file they are checked against
/// what this deploy saw.
async fn offer_pins(session: &Session, file: &FarmFile, report: &Report, yes: bool) -> Outcome<()> {
    let seen = report.outcomes.values().find_map(|outcome| match outcome {
        RunOutcome::Answer(Some(answer)) => answer.get("sha256"),
        _ => None,
    });
    let pinned = file.farm.manager.flamenco_sha256.is_some() && file.farm.blender.sha256.is_some();
    let (Some(seen), false, true) = (seen, pinned, file.path.exists()) else { return Ok(()) };
    let pins = [("manager.flamencoSha256", "flamenco"), ("blender.sha256", "blender")];
    let pins: Vec<(&str, &str)> = pins
        .iter()
        .filter_map(|(key, name)| Some((*key, seen.get(name)?.as_str()?)))
        .filter(|(_, s)| s.len() == 64)
        .collect();
    if yes || session.ask == Asker::Nobody || pins.is_empty() {
        for (key, sha256) in pins {
            session.printer.info(format!("  to pin what was installed: {key}: {sha256}"));
        }
        return Ok(());
    }
    if !session.ask.confirm("Pin the installed archives' checksums in the farm file?", "--yes").await? {
        return Ok(());
    }
    let name = file.path.display().to_string();
    let mut text = files::read(&file.path)?;
    for (key, sha256) in pins {
        text = edit::set(&name, &text, key, &sha256.into()).map_err(flamenco_azure_core::Error::from)?;
    }
    files::write_private(&file.path, &text)
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
    Some(cost::existing(&file.farm, &inventory, prices).iter().map(ToString::to_string).collect())
}

/// Used by `teardown` and `pause` too: runs a plan and turns its failure into words.
pub async fn carry_out(session: &Session, farm: &str, plan: &Plan, again: &str) -> Outcome<Report> {
    match session.executor(farm)?.run(plan).await {
        Ok(report) => {
            for (step, error) in report.shortfalls() {
                session.printer.warn(format!("{step}: {}", batch_pool::error::explain(error)));
            }
            Ok(report)
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
