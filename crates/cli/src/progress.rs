//! Shows the events of a run: bars on a terminal, plain lines elsewhere, JSON lines for programs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flamenco_azure_core::exec::{Progress, Reporter};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::printer::{Mode, Printer};

/// The CLI's [`Reporter`].
#[derive(Debug)]
pub struct Lines {
    printer: Printer,
    bars: Option<MultiProgress>,
    running: Mutex<BTreeMap<String, Running>>,
}

#[derive(Debug)]
struct Running {
    title: String,
    bar: Option<ProgressBar>,
}

impl Lines {
    /// Draws bars only where the printer may.
    pub fn new(printer: Printer) -> Self {
        let bars = printer.draws_progress().then(MultiProgress::new);
        Self { printer, bars, running: Mutex::new(BTreeMap::new()) }
    }

    fn start(&self, step: &str, title: String) {
        let bar = self.bars.as_ref().map(|bars| {
            let style = ProgressStyle::with_template("  {spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = bars.add(ProgressBar::new_spinner().with_style(style).with_message(title.clone()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        self.lock().insert(step.to_owned(), Running { title, bar });
    }

    fn end(&self, step: &str, mark: &str, after: &str) {
        let Some(running) = self.lock().remove(step) else { return };
        let line = format!("  {mark} {}{after}", running.title);
        match (&self.bars, running.bar) {
            (Some(bars), Some(bar)) => {
                bar.finish_and_clear();
                bars.suspend(|| self.printer.info(line));
            }
            _ => self.printer.info(line),
        }
    }

    /// A bar with bytes; a line at the end.
    fn moved(&self, what: &str, done: u64, total: u64) {
        if !self.lock().contains_key(what) {
            let bar = self.bars.as_ref().map(|bars| {
                let style =
                    ProgressStyle::with_template("  {msg} {bar:24} {bytes}/{total_bytes} {bytes_per_sec}")
                        .unwrap_or_else(|_| ProgressStyle::default_bar());
                bars.add(ProgressBar::new(total).with_style(style).with_message(what.to_owned()))
            });
            self.lock().insert(what.to_owned(), Running { title: what.to_owned(), bar });
        }
        if let Some(Running { bar: Some(bar), .. }) = self.lock().get(what) {
            bar.set_position(done);
        }
        if done >= total {
            let mark = self.printer.paint("32", "✓");
            self.end(what, &mark, &format!("  {}", HumanBytes(total)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Lines {
    fn report(&self, progress: &Progress) {
        if self.printer.mode() == Mode::Json {
            if let Ok(serde_json::Value::Object(mut members)) = serde_json::to_value(progress) {
                let name = members
                    .shift_remove("event")
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default();
                if let Some(step) = members.get("step").and_then(|s| s.get("id")).cloned() {
                    members.insert("step".to_owned(), step);
                }
                let about = if matches!(progress, Progress::Moved { .. }) { "" } else { "step-" };
                self.printer.event(&format!("{about}{name}"), members.into());
            }
            return;
        }
        match progress {
            Progress::Resuming { step } => {
                self.printer.info(format!("  waiting for `{step}` of an earlier run"));
            }
            Progress::Begun { .. } => {}
            Progress::Started { step } => {
                self.start(
                    &step.id,
                    format!(
                        "{:<6} {} ({})",
                        step.verb.as_str(),
                        crate::show::name(&step.resource),
                        step.purpose
                    ),
                );
            }
            Progress::Waiting { step, note } => {
                if let Some(Running { title, bar: Some(bar) }) = self.lock().get(step) {
                    bar.set_message(format!("{title}: {note}"));
                }
            }
            Progress::Done { step, took } => {
                let mark = self.printer.paint("32", "✓");
                self.end(step, &mark, &format!("  {}", seconds(*took)));
            }
            Progress::Failed { step, .. } => {
                let mark = self.printer.paint("31", "✗");
                self.end(step, &mark, "");
            }
            Progress::Moved { what, done, total } => self.moved(what, *done, *total),
        }
    }
}

/// A duration for people: `48 s`, `3 min 20 s`, `2 h 5 min`.
pub fn seconds(duration: Duration) -> String {
    let total = duration.as_secs();
    match (total / 3600, total / 60 % 60, total % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// An event for programs about a whole command.
pub fn finished(printer: Printer, command: &str, took: Duration) {
    printer.event("finished", json!({"command": command, "seconds": took.as_secs()}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said = |s| seconds(Duration::from_secs(s));
        assert_eq!(
            [said(48), said(120), said(200), said(7500)],
            ["48 s", "2 min", "3 min 20 s", "2 h 5 min"]
        );
    }
}
