//! `pool import`, `pool export`: pools as entries of the farm file.

use std::path::Path;

use batch_pool::pool_file::{self, Finding, PoolFileError};
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::error::chain;
use flamenco_azure_core::spec::{FarmSpec, Overrides, PoolSpec, SpecError, defaults, edit, validate};
use serde_json::json;

use super::open;
use crate::args::{PoolExportArgs, PoolImportArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Mode;
use crate::session::Session;
use crate::{farmfile, files};

/// Runs `pool import`. Nothing of Azure is needed or touched.
pub(super) fn import(session: &Session, args: &PoolImportArgs) -> Outcome {
    let text = files::read(&session.here.join(&args.file))?;
    let shown = args.file.display().to_string();
    let (pool, findings) = pool_file::import(&text).map_err(|error| {
        let failure = Failure::user(format!("{shown}: {}", chain(&error)));
        match error {
            PoolFileError::Json(_) => failure.hint("a pool file is the JSON that the old tool gave to Batch"),
            _ => failure,
        }
    })?;
    let refused: Vec<&Finding> = findings.iter().filter(|finding| finding.refused).collect();
    refuse(&shown, "imported", &refused)
        .map_err(|failure| failure.hint("nothing was imported; correct the file and import it again"))?;
    for finding in &findings {
        session.printer.warn(format!("{shown}: not carried over: {finding}"));
    }
    let file = args
        .into
        .as_ref()
        .map_or_else(|| farmfile::path(&session.here, &session.global), |into| session.here.join(into));
    if args.dry_run {
        // As it would stand there, and refused where it could not.
        if file.exists() {
            with_pool(session, &file, &pool)?;
        }
        return Ok(print(session, &pool));
    }
    put(session, &file, &pool)
}

fn refuse(shown: &str, done: &str, refused: &[&Finding]) -> Outcome<()> {
    match refused {
        [] => Ok(()),
        [one] => Err(Failure::user(format!("{shown}: {one}"))),
        many => {
            let lines: Vec<String> = many.iter().map(|one| format!("\n  - {one}")).collect();
            let message = format!("{shown}: {} things cannot be {done}:{}", many.len(), lines.concat());
            Err(Failure::user(message))
        }
    }
}

/// Runs `pool export`. A farm file with another pool than the one that runs would be worse than none.
pub(super) async fn export(session: &Session, args: &PoolExportArgs) -> Outcome {
    let (_, _, pool) = open(session, args.pool.as_deref()).await?;
    let read = Request::get(pool.id().as_str()).api_version(batch_pool::wire::BATCH_API);
    let body = session.client.get(&read).await?;
    let body = body.ok_or_else(|| Failure::user(format!("there is no pool `{}`", pool.id().name())))?;
    let farm = farmfile::whole(&session.here, &session.global);
    let known = farm.as_ref().and_then(|farm| farm.pool(pool.id().name()));
    let (entry, findings) = pool_file::export(&body, known);
    let shown = format!("pool `{}`", pool.id().name());
    let Some(into) = &args.into else {
        for finding in &findings {
            session.printer.warn(format!("{shown}: this entry is not the pool that runs: {finding}"));
        }
        return Ok(print(session, &entry));
    };
    refuse(&shown, "exported", &findings.iter().collect::<Vec<_>>()).map_err(|failure| {
        failure.hint("nothing was written; without `--into` the entry is printed as far as it goes")
    })?;
    put(session, &session.here.join(into), &entry)
}

fn print(session: &Session, pool: &PoolSpec) -> Exit {
    if session.printer.mode() == Mode::Json {
        session.printer.event("pool", json!({"pool": pool}));
    } else {
        session.printer.raw(format!("pools:\n{}", edit::pool_lines(pool)).as_bytes());
    }
    Exit::Done
}

/// The farm file with the pool in it, checked as `deploy` would.
fn with_pool(session: &Session, file: &Path, pool: &PoolSpec) -> Outcome<String> {
    let shown = farmfile::shown(&session.here, file);
    let wrong = |error: SpecError| Failure::from(flamenco_azure_core::Error::from(error));
    let mut text = files::read(file)?;
    let spec = FarmSpec::parse(&shown, &text).map_err(wrong)?;
    if let (Some(old), None) = (&spec.batch, &spec.pools) {
        // The old tool's block is the one pool, in other words.
        let id = old.pool_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        if !id.is_none_or(|id| pool.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(id))) {
            return Err(Failure::user(format!(
                "{shown}: the block `batch` describes another pool, `{}`",
                id.unwrap_or_default()
            ))
            .hint("write it as an entry of `pools` first, and delete `batch`"));
        }
        text = edit::unset(&shown, &text, "batch").map_err(wrong)?;
    }
    let text = edit::put_pool(&shown, &text, pool).map_err(wrong)?;
    let spec = FarmSpec::parse(&shown, &text).map_err(wrong)?;
    let overrides = Overrides { allow_world: true, today: session.clock.now() };
    let Err(error) = validate(&spec, &overrides) else { return Ok(text) };
    // What else the file lacks is for `deploy` to say.
    let about: Vec<String> = error
        .findings()
        .iter()
        .filter(|finding| finding.key.starts_with("pools") || finding.key.starts_with("batch"))
        .map(|finding| format!("\n  - `{}`: {}\n    {}", finding.key, finding.problem, finding.remedy))
        .collect();
    if about.is_empty() {
        return Ok(text);
    }
    Err(Failure::user(format!("{shown} with this pool would not be right:{}", about.concat()))
        .hint("the farm file was left as it is"))
}

fn put(session: &Session, file: &Path, pool: &PoolSpec) -> Outcome {
    let shown = farmfile::shown(&session.here, file);
    let name = pool.name.clone().unwrap_or_default();
    if !file.exists() {
        return Err(Failure::user(format!("there is no farm file `{shown}`"))
            .hint("`flamenco-azure init` writes one; `--dry-run` prints the pool"));
    }
    let before = files::read(file)?;
    let implied =
        FarmSpec::parse(&shown, &before).is_ok_and(|spec| spec.pools.is_none() && spec.batch.is_none());
    let text = with_pool(session, file, pool)?;
    session.printer.event("pool", json!({"pool": pool, "file": shown}));
    if text == before {
        session.printer.result(format!("{shown}: pool `{name}` is there as it is"));
        return Ok(Exit::Done);
    }
    files::write_private(file, &text)?;
    session.printer.result(format!("{shown}: pool `{name}` written"));
    if implied {
        session.printer.info(format!(
            "the file named no pool and stood for one `{}`: it is not in the farm any more",
            defaults::POOL_NAME
        ));
    }
    session.printer.info("`flamenco-azure plan` shows what that changes");
    Ok(Exit::Done)
}
