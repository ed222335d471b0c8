//! Text that machines wrote: byte for byte into a file or pipe, without control characters at a terminal.

use std::io::IsTerminal as _;

use serde_json::json;

use crate::printer::{Mode, Printer};

/// A stream of text that comes in pieces.
#[derive(Debug)]
pub struct Text {
    printer: Printer,
    /// Whether whole lines are wanted: for programs and for eyes.
    by_line: bool,
    begun: Vec<u8>,
}

impl Text {
    /// Writes to standard output, whatever that is.
    pub fn new(printer: Printer) -> Self {
        let by_line = printer.mode() == Mode::Json || std::io::stdout().is_terminal();
        Self { printer, by_line, begun: Vec::new() }
    }

    /// Some more of `file`.
    pub fn write(&mut self, file: &str, bytes: &[u8]) {
        if self.printer.mode() == Mode::Silent {
            return;
        }
        if !self.by_line {
            self.printer.raw(bytes);
            return;
        }
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            self.line(file, &line);
        }
    }

    /// What was begun ends here.
    pub fn end(&mut self, file: &str) {
        let rest = std::mem::take(&mut self.begun);
        if !rest.is_empty() {
            self.line(file, &rest);
        }
    }

    fn line(&self, file: &str, bytes: &[u8]) {
        let line = plain(&String::from_utf8_lossy(bytes));
        self.printer.event("log", json!({"file": file, "line": line}));
        self.printer.result(line);
    }
}

/// Text without control characters: what a machine wrote must not steer the terminal. Colours go as a whole.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A control sequence ends with its first letter.
            if chars.next_if_eq(&'[').is_some() {
                while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                chars.next();
            }
            continue;
        }
        if c == '\t' || !c.is_control() {
            out.push(c);
        }
    }
    out
}

/// The last so many lines of a text, each without control characters; without empty ones at its end.
pub fn last_lines(bytes: &[u8], count: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| plain(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_wrote_steers_no_terminal() {
        let table = [
            ("plain\ttext", "plain\ttext"),
            ("\u{1b}[31;1mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
            ("a\rb\u{8}c\u{9b}2J", "abc2J"),
            ("\u{1b}[", ""),
            ("Zürich ✓", "Zürich ✓"),
        ];
        for (text, shown) in table {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    #[test]
    fn the_last_lines_are_the_last_ones() {
        assert_eq!(last_lines(b"a\nb\r\nc\n\n\n", 2), ["b", "c"]);
        assert_eq!(last_lines(b"a", 2), ["a"]);
        assert!(last_lines(b"", 2).is_empty());
    }
}
