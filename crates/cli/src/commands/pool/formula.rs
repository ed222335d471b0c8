//! `pool formula`: the formula that Batch sizes a pool by, and what it gives now.

use batch_pool::formula::{Evaluation, Running, evaluate};
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::spec::unbounded;
use serde_json::json;

use super::open;
use super::rollout::endpoint;
use crate::args::PoolFormulaArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::farmfile;
use crate::session::Session;

/// Runs `pool formula`. Changes nothing.
pub(super) async fn run(session: &Session, args: &PoolFormulaArgs) -> Outcome {
    let (_, inventory, pool) = open(session, args.pool.as_deref()).await?;
    let name = pool.id().name().to_owned();
    let read = Request::get(pool.id().as_str()).api_version(batch_pool::wire::BATCH_API);
    let body = session.client.get(&read).await?.unwrap_or_default();
    let Some(live) = Running::read(&body) else {
        return Err(Failure::user(format!(
            "pool `{name}` has a fixed size, and Batch tries formulas on pools that have one"
        ))
        .hint("`autoscale: {formula: …}` on the pool in the farm file, and `flamenco-azure deploy`"));
    };
    let printer = session.printer;
    let farm = farmfile::whole(&session.here, &session.global);
    let wanted = farm.as_ref().and_then(|farm| farm.pool(&name)).and_then(|pool| {
        Some(pool.autoscale.as_ref()?.bounded(pool.max_nodes)).filter(|formula| *formula != live.formula)
    });
    let (own, most) = unbounded(&live.formula);
    if wanted.is_none() {
        printer.info(own);
    }
    let every =
        live.evaluation_minutes.map(|minutes| format!(", every {minutes} minutes")).unwrap_or_default();
    let most = most.map_or_else(|| "without a limit".to_owned(), |most| format!("at most {most} nodes"));
    printer.info(format!("pool `{name}`: {most}{every}"));
    if let Some(last) = &live.last {
        let at = last.at.map(|at| format!(" at {at:.0}")).unwrap_or_default();
        printer.info(format!("last evaluated{at}: {}", words(last)));
    }
    let text = wanted.as_deref().unwrap_or(&live.formula);
    let now = evaluate(&session.client, &endpoint(&inventory, &pool)?, &name, text).await?;
    let which = if wanted.is_some() { "the farm file's formula" } else { "the formula" };
    printer
        .event("formula", json!({"pool": name, "deployed": wanted.is_none(), "last": live.last, "now": now}));
    if let Some(why) = &now.error {
        return Err(Failure::user(format!("pool `{name}`: {which} cannot be evaluated: {why}"))
            .hint("lines and columns are those of the formula in the farm file; the pool keeps its size"));
    }
    printer.result(format!("{which} gives now: {}", words(&now)));
    if wanted.is_some() {
        printer.info("`flamenco-azure deploy` brings it to Batch");
    }
    Ok(Exit::Done)
}

fn words(evaluation: &Evaluation) -> String {
    if let Some(why) = &evaluation.error {
        return why.clone();
    }
    let own: Vec<&str> = evaluation
        .variables
        .iter()
        .map(String::as_str)
        .filter(|variable| !variable.starts_with("$Target"))
        .collect();
    format!("{} nodes ({})", evaluation.target, own.join(", "))
}
