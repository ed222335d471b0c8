//! The one place that writes to the terminal. Results go to standard output, everything else to standard error;
//! with `--json` standard output carries one event a line and nothing else.

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

/// How much is said, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For people.
    Human,
    /// For people who want the result only.
    Quiet,
    /// For programs.
    Json,
    /// For programs that call the commands as functions: nothing is written.
    Silent,
}

/// Writes to the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    mode: Mode,
    color: bool,
}

impl Printer {
    /// A printer of this mode; colour only on a terminal and without `NO_COLOR`.
    pub fn new(mode: Mode, no_color: bool) -> Self {
        Self { mode, color: !no_color && std::io::stderr().is_terminal() && std::io::stdout().is_terminal() }
    }

    /// The mode.
    pub fn mode(self) -> Mode {
        self.mode
    }

    /// Whether progress bars may be drawn: cargo's rule, only for people at a terminal.
    pub fn draws_progress(self) -> bool {
        self.mode == Mode::Human && std::io::stderr().is_terminal()
    }

    /// A line of the result.
    pub fn result(self, line: impl AsRef<str>) {
        if matches!(self.mode, Mode::Human | Mode::Quiet) {
            write_line(&mut std::io::stdout().lock(), line.as_ref());
        }
    }

    /// A line about what is going on.
    pub fn info(self, line: impl AsRef<str>) {
        if self.mode == Mode::Human {
            write_line(&mut std::io::stderr().lock(), line.as_ref());
        }
    }

    /// Begins a page that takes the place of the last one: the screen is cleared at a terminal, elsewhere a line parts them.
    pub fn new_page(self, title: &str) {
        if self.mode != Mode::Human {
            return;
        }
        let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
        write_line(&mut std::io::stdout().lock(), &format!("{clear}── {title}"));
    }

    /// Something that the user should know although it stops nothing.
    pub fn warn(self, line: impl AsRef<str>) {
        match self.mode {
            Mode::Json => self.event("warning", serde_json::json!({"message": line.as_ref()})),
            Mode::Human | Mode::Quiet => {
                let head = self.paint("33;1", "warning");
                write_line(&mut std::io::stderr().lock(), &format!("{head}: {}", line.as_ref()));
            }
            Mode::Silent => {}
        }
    }

    /// An error with its hint.
    pub fn error(self, message: &str, hint: Option<&str>) {
        if self.mode == Mode::Json {
            self.event("error", serde_json::json!({"message": message, "hint": hint}));
            return;
        }
        if self.mode == Mode::Silent {
            return;
        }
        let mut err = std::io::stderr().lock();
        write_line(&mut err, &format!("{}: {message}", self.paint("31;1", "error")));
        if let Some(hint) = hint {
            write_line(&mut err, &format!(" {}: {hint}", self.paint("36;1", "hint")));
        }
    }

    /// An event for programs: one line of JSON with the member `event`.
    pub fn event(self, name: &str, mut members: Value) {
        if self.mode == Mode::Json {
            if let Value::Object(map) = &mut members {
                map.shift_insert(0, "event".to_owned(), name.into());
            }
            write_line(&mut std::io::stdout().lock(), &members.to_string());
        }
    }

    /// Raw text on standard output, whatever the mode: completion scripts, the manual page.
    pub fn raw(self, bytes: &[u8]) {
        let _ = std::io::stdout().lock().write_all(bytes);
    }

    /// Paints `text` with an ANSI code where colour is wanted.
    pub fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// A closed pipe is the reader's choice, not our error.
fn write_line(out: &mut impl std::io::Write, line: &str) {
    let _ = writeln!(out, "{line}");
}
