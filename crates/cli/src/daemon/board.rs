//! What the last passes said, for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use vmss_scaler::Scaler;
use vmss_scaler::metrics::{self, Figures};
use vmss_scaler::scaler::{Pass, Standing};

/// A pool whose next pass is overdue by so long is not well.
const OVERDUE: Duration = Duration::from_mins(2);

/// The pools' figures.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<String, (Figures, Timestamp)>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Figures, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, pool: &str, scaler: &Scaler, pass: &Pass, now: Timestamp) {
        let figures = Figures { pool: pool.to_owned(), sums: scaler.sums().clone(), last: pass.clone() };
        self.lock().insert(pool.to_owned(), (figures, now));
    }

    /// Whether passes are made, whatever they find.
    pub(super) fn healthy(&self, now: Timestamp) -> bool {
        let board = self.lock();
        let overdue = |figures: &Figures, at: Timestamp| {
            let due = figures.last.next_look.max(at);
            now.duration_since(due).as_secs_f64() > OVERDUE.as_secs_f64()
        };
        !board.is_empty() && !board.values().any(|(figures, at)| overdue(figures, *at))
    }

    /// One line for each pool: how it stands.
    pub(super) fn lines(&self) -> String {
        let line = |figures: &Figures| {
            let standing = match &figures.last.standing {
                Standing::Leading => "leads".to_owned(),
                Standing::Waiting { by } => format!("waits for {by}"),
                Standing::Unsure => format!("cannot lead: {}", figures.last.troubles.join("; ")),
            };
            format!("{}: {standing}\n", figures.pool)
        };
        self.lock().values().map(|(figures, _)| line(figures)).collect()
    }

    pub(super) fn metrics(&self) -> String {
        let all: Vec<Figures> = self.lock().values().map(|(figures, _)| figures.clone()).collect();
        metrics::page(&all)
    }
}
