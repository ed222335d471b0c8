//! Questions to the person at the terminal, or to a pipe, or to nobody.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::failure::{Failure, Outcome};

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A person at a terminal.
    Terminal,
    /// Lines on standard input, in the order of the questions.
    Pipe,
    /// Nobody (`--no-input`): each question is an error that names the flag.
    Nobody,
}

impl Asker {
    /// Asks where someone can answer.
    pub fn new(no_input: bool) -> Self {
        match (no_input, std::io::stdin().is_terminal()) {
            (true, _) => Self::Nobody,
            (false, true) => Self::Terminal,
            (false, false) => Self::Pipe,
        }
    }

    /// Asks for a line of text.
    pub fn text(self, question: &str, default: Option<&str>) -> Outcome<String> {
        let answer = match self {
            Self::Terminal => {
                let mut prompt = inquire::Text::new(question);
                if let Some(default) = default {
                    prompt = prompt.with_default(default);
                }
                prompt.prompt().map_err(|error| interrupted(&error))?
            }
            Self::Pipe => {
                let mut err = std::io::stderr().lock();
                let _ = match default {
                    Some(default) => write!(err, "{question} [{default}]: "),
                    None => write!(err, "{question}: "),
                };
                let line = next_line()?;
                let _ = writeln!(err, "{line}");
                line
            }
            Self::Nobody => return Err(Failure::user(format!("`{question}` needs an answer and --no-input is set"))),
        };
        let answer = answer.trim();
        Ok(if answer.is_empty() { default.unwrap_or_default().to_owned() } else { answer.to_owned() })
    }

    /// Asks yes or no; `flag` is what says yes without asking.
    pub fn confirm(self, question: &str, flag: &str) -> Outcome<bool> {
        match self {
            Self::Terminal => {
                inquire::Confirm::new(question).with_default(false).prompt().map_err(|error| interrupted(&error))
            }
            Self::Pipe => Ok(["y", "yes"].contains(&self.text(question, Some("no"))?.to_lowercase().as_str())),
            Self::Nobody => {
                Err(Failure::user(format!("`{question}` needs an answer and --no-input is set")).hint(format!("add {flag}")))
            }
        }
    }
}

fn next_line() -> Outcome<String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(Failure::user("standard input ended before all questions were answered")
            .hint("run it in a terminal, or give the answers as flags with --no-input")),
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(Failure::user(format!("could not read standard input: {error}"))),
    }
}

fn interrupted(error: &inquire::InquireError) -> Failure {
    match error {
        inquire::InquireError::OperationCanceled | inquire::InquireError::OperationInterrupted => {
            let mut failure = Failure::user("stopped at a question; answers so far are kept");
            failure.exit = crate::failure::Exit::Interrupted;
            failure
        }
        other => Failure::user(format!("could not ask: {other}")),
    }
}
