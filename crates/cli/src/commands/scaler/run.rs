//! `scaler run` and `scaler once`.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::mpsc;
use vmss_scaler::Scaler;
use vmss_scaler::run::{self, Control};
use vmss_scaler::scaler::{Pass, Standing};

use super::words::Told;
use super::{open, words};
use crate::args::{ScalerPoolArgs, ScalerRunArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::scalers;
use crate::session::Session;

/// On the simulator a run ends when so many passes of each pool in a row found nothing to do.
const CALM_PASSES: u32 = 3;
/// And at the latest after so long: an hour is more than any pool needs.
const LONGEST: Duration = Duration::from_hours(1);

/// Runs `scaler run`.
pub(super) async fn run(session: &Session, args: &ScalerRunArgs) -> Outcome {
    let (file, pools) = open(session, &args.pools).await?;
    let holder = scalers::holder("flamenco-azure scaler run");
    let mut running = Vec::new();
    for pool in pools {
        running.push(scalers::scaler(&session.client, &file, pool, &holder)?);
    }
    let limit = match (args.minutes, session.simulator.is_some()) {
        (Some(minutes), _) => Some(Duration::from_mins(minutes)),
        (None, true) => Some(LONGEST),
        (None, false) => None,
    };
    let until_calm = session.simulator.is_some() && args.minutes.is_none();
    if !until_calm && limit.is_none() {
        session.printer.info("keeping the pools at their targets until Ctrl-C");
    }
    keep(session, &mut running, limit, until_calm).await;
    Ok(Exit::Done)
}

/// Keeps pools at their targets, all at once, until `limit` has passed or (`until_calm`) nothing moves any more.
pub async fn keep(session: &Session, scalers: &mut [Scaler], limit: Option<Duration>, until_calm: bool) {
    let end = limit.map_or(Timestamp::MAX, |limit| session.clock.now() + limit);
    let loops = scalers.iter_mut().map(|scaler| async move {
        let mut calm = 0;
        keep_until(session, scaler, &mut |pass| {
            calm = if pass.settled() { calm + 1 } else { 0 };
            (until_calm && calm >= CALM_PASSES) || session.clock.now() >= end
        })
        .await;
    });
    join_all(loops).await;
}

/// Keeps one pool at its target until `done` says so of a pass.
pub async fn keep_until(
    session: &Session,
    scaler: &mut Scaler,
    done: &mut (dyn FnMut(&Pass) -> bool + Send),
) {
    // Nobody tells it anything: it ends by itself, or with the process.
    let (_, control) = mpsc::channel::<Control>(1);
    let pool = scaler.pool().policy.pool.clone();
    let mut told = Told::default();
    let clock = std::sync::Arc::clone(&session.clock);
    run::run(scaler, &*clock, control, &mut |_, pass| {
        show_pass(session.printer, &pool, clock.now(), pass, &mut told);
        !done(pass)
    })
    .await;
}

/// Prints what is new in a pass.
pub fn show_pass(printer: Printer, pool: &str, now: Timestamp, pass: &Pass, told: &mut Told) {
    words::show(printer, pool, &now.strftime("%H:%M:%S").to_string(), pass, told);
}

/// Runs `scaler once`.
pub(super) async fn once(session: &Session, args: &ScalerPoolArgs) -> Outcome {
    let (file, pools) = open(session, args).await?;
    let holder = scalers::holder("flamenco-azure scaler once");
    let mut blind = None;
    for pool in pools {
        let name = pool.policy.pool.clone();
        let mut scaler = scalers::scaler(&session.client, &file, pool, &holder)?;
        let pass = scaler.pass().await;
        show_pass(session.printer, &name, session.clock.now(), &pass, &mut Told::default());
        let _ = scaler.release().await;
        match &pass.standing {
            Standing::Waiting { by } => {
                blind = Some(Failure::azure(format!("pool `{name}`: {by} leads; nothing was done")).hint(
                    "one scaler at a time: that one does it; `flamenco-azure scaler explain` shows what",
                ));
            }
            Standing::Unsure => {
                let why = pass.troubles.join("; ");
                blind = Some(Failure::azure(format!("pool `{name}`: {why}")).hint("nothing was changed"));
            }
            Standing::Leading => {}
        }
    }
    blind.map_or(Ok(Exit::Done), Err)
}
