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
        Self { printer, bar: None, last: String::new() }
    }

    /// Shows this line; whether it is another one than before.
    pub(super) fn show(&mut self, line: String) -> bool {
        let is_new = line != self.last;
        if self.printer.draws_progress() {
            self.bar.get_or_insert_with(spinner).set_message(line.clone());
        } else if is_new {
            self.printer.info(format!("  {line}"));
        }
        self.last = line;
        is_new
    }

    /// Makes way for other lines, until it is shown again.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("  {spinner} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}
