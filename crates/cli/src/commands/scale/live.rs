//! One line that changes while something is waited for: drawn at a terminal, said anew when it changed elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// The line. It is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Live {
    printer: Printer,
    bar: Option<ProgressBar>,
    last: String,
}

impl Live {
    pub(super) fn new(printer: Printer) -> Self {
        let bar = printer.draws_progress().then(|| {
            let style = ProgressStyle::with_template("  {spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { printer, bar, last: String::new() }
    }

    /// Shows this line; whether it is another one than before.
    pub(super) fn show(&mut self, line: String) -> bool {
        if line == self.last {
            return false;
        }
        match &self.bar {
            Some(bar) => bar.set_message(line.clone()),
            None => self.printer.info(format!("  {line}")),
        }
        self.last = line;
        true
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
