//! The loop: pass after pass until it is told to stop.

use std::time::Duration;

use flamenco_azure_core::clock::Clock;
use flamenco_azure_core::error::chain;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::scaler::{Pass, Pool, Scaler};
use crate::store::RENEW_EVERY;

/// What the loop is told from outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Control {
    /// Finish the pass, give the lease back, end.
    Stop,
    /// Go by this from the next pass on.
    Reload(Box<Pool>),
    /// Look now.
    Look,
}

/// Runs a scaler until it is told to stop, or until `each` says so by returning false. A pass is never cut short. When
/// nobody is left to tell it anything it goes on.
pub async fn run(
    scaler: &mut Scaler,
    clock: &dyn Clock,
    mut control: mpsc::Receiver<Control>,
    each: &mut (dyn FnMut(&Scaler, &Pass) -> bool + Send),
) {
    let mut heard = true;
    loop {
        let pass = scaler.pass().await;
        if !each(scaler, &pass) || !wait(scaler, clock, pass.next_look, &mut control, &mut heard).await {
            break;
        }
    }
    if let Err(error) = scaler.release().await {
        // It ends by itself within a minute.
        tracing::warn!(error = chain(&error), "the lease could not be given back");
    }
}

/// Waits until `at`, keeping the lease. False when told to stop.
async fn wait(
    scaler: &mut Scaler,
    clock: &dyn Clock,
    at: Timestamp,
    control: &mut mpsc::Receiver<Control>,
    heard: &mut bool,
) -> bool {
    loop {
        let left = Duration::try_from(at.duration_since(clock.now())).unwrap_or(Duration::ZERO);
        if left.is_zero() {
            return true;
        }
        let told = tokio::select! {
            biased;
            told = control.recv(), if *heard => Some(told),
            () = clock.sleep(left.min(RENEW_EVERY)) => None,
        };
        match told {
            Some(Some(Control::Stop)) => return false,
            Some(Some(Control::Reload(pool))) => {
                scaler.set_pool(*pool);
                return true;
            }
            Some(Some(Control::Look)) => return true,
            Some(None) => *heard = false,
            None => {
                if let Err(error) = scaler.tend().await {
                    tracing::warn!(error = chain(&error), "the lease could not be renewed");
                }
            }
        }
    }
}
