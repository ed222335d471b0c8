//! Where the wire is cut: before the effect of a call, or after it with the answer lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use azure_sim::{CallFate, CallHook, Phase};
use tokio::sync::Notify;

/// A cut at one call of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which call, from 1.
    pub call: u64,
    /// Whether its effect has happened.
    pub phase: Phase,
}

/// Counts calls and hangs at the cut; whoever waits for [`Wire::is_cut`] then drops the run, as a killed process is.
#[derive(Debug, Default)]
pub struct Wire {
    calls: AtomicU64,
    cut: AtomicBool,
    notify: Notify,
}

impl Wire {
    /// The hook for a transport.
    pub fn hook(self: &Arc<Self>, cut: Option<Cut>) -> CallHook {
        let wire = Arc::clone(self);
        let first = Arc::new(AtomicU64::new(0));
        Arc::new(move |number, phase| {
            // Call numbers go on over the life of a world: count from the first one of this run.
            let base = match first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => number,
                Err(base) => base,
            };
            let call = number - base + 1;
            wire.calls.fetch_max(call, Ordering::SeqCst);
            if cut.is_some_and(|cut| cut.call == call && cut.phase == phase) {
                wire.cut.store(true, Ordering::SeqCst);
                wire.notify.notify_one();
            }
            if wire.cut.load(Ordering::SeqCst) { CallFate::Hang } else { CallFate::Continue }
        })
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Resolves when the wire has been cut.
    pub async fn is_cut(&self) {
        self.notify.notified().await;
    }
}
