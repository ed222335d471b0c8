//! Tells how far something is, a hundred times at most.

use flamenco_azure_core::exec::{Progress, Reporter};

/// One thing that is being moved.
#[derive(Debug)]
pub(super) struct Meter<'r> {
    what: String,
    reporter: &'r dyn Reporter,
    told: Option<u64>,
}

impl<'r> Meter<'r> {
    pub(super) fn new(what: String, reporter: &'r dyn Reporter) -> Self {
        Self { what, reporter, told: None }
    }

    /// `done` of `total`, in bytes. Each percent is told once, and the end.
    pub(super) fn tell(&mut self, done: u64, total: u64) {
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        if self.told.is_none_or(|told| told < percent) {
            self.told = Some(percent);
            self.reporter.report(&Progress::Moved { what: self.what.clone(), done, total });
        }
    }
}
