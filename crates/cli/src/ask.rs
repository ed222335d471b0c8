//! Questions to the person at the terminal, or to a pipe, or to nobody.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use inquire::InquireError;
use inquire::validator::Validation;

use crate::failure::{Exit, Failure, Outcome};

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

/// A question.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// What is asked, without a question's punctuation.
    pub title: &'a str,
    /// One line more about it.
    pub help: &'a str,
    /// The answer that an empty line stands for.
    pub default: Option<&'a str>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// An answer.
    Answer(T),
    /// The person went back (Esc).
    Back,
}

/// One choice of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is shown and searched.
    pub label: String,
    /// What the choice is called in a pipe, beside its number.
    pub names: Vec<String>,
}

/// Judges an answer: the reason why it will not do.
pub type Judge<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// More choices than this are not listed in a pipe: their names are known or looked up elsewhere.
const LISTED: usize = 20;

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
    pub async fn text(self, question: &str, default: Option<&str>) -> Outcome<String> {
        let question = Question { title: question, help: "", default };
        match self.checked(question, &|_| Ok(())).await? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Back => Err(stopped()),
        }
    }

    /// Asks for a line of text until `judge` accepts it.
    pub async fn checked(self, question: Question<'_>, judge: Judge<'_>) -> Outcome<Reply<String>> {
        match self {
            Self::Terminal => {
                let validator = |input: &str| {
                    Ok(judge(input.trim())
                        .map_or_else(|why| Validation::Invalid(why.into()), |()| Validation::Valid))
                };
                let mut prompt = inquire::Text::new(question.title).with_validator(validator);
                if let Some(default) = question.default.filter(|default| !default.is_empty()) {
                    prompt = prompt.with_default(default);
                }
                if !question.help.is_empty() {
                    prompt = prompt.with_help_message(question.help);
                }
                Ok(reply(prompt.prompt())?.map(|answer| answer.trim().to_owned()))
            }
            Self::Pipe => loop {
                let line = next_line(question).await?;
                match judge(&line) {
                    Ok(()) => return Ok(Reply::Answer(line)),
                    Err(why) => say(&format!("  {why}")),
                }
            },
            Self::Nobody => Err(unanswerable(question.title)),
        }
    }

    /// Asks for one of several choices; on a terminal typing filters them, in a pipe a number or a name chooses.
    /// `start` is the choice that an empty line stands for.
    pub async fn choose(
        self,
        question: Question<'_>,
        choices: &[Choice],
        start: Option<usize>,
    ) -> Outcome<Reply<usize>> {
        match self {
            Self::Terminal => {
                let labels = choices.iter().map(|choice| choice.label.as_str()).collect();
                let scorer =
                    |typed: &str, _: &&str, label: &str, _: usize| matches_all(typed, label).then_some(0);
                let mut prompt = inquire::Select::new(question.title, labels)
                    .with_scorer(&scorer)
                    .with_formatter(&|chosen| chosen.value.split_whitespace().collect::<Vec<_>>().join(" "))
                    .with_starting_cursor(start.unwrap_or(0))
                    .with_page_size(15);
                if !question.help.is_empty() {
                    prompt = prompt.with_help_message(question.help);
                }
                Ok(reply(prompt.raw_prompt())?.map(|option| option.index))
            }
            Self::Pipe => {
                let listed = choices.len() <= LISTED;
                if listed {
                    for (index, choice) in choices.iter().enumerate() {
                        say(&format!("  {:>2}  {}", index + 1, choice.label));
                    }
                }
                loop {
                    let default = start.and_then(|at| choices[at].names.first().map(String::as_str));
                    let line = next_line(Question { default, ..question }).await?;
                    match pick(choices, &line, listed) {
                        Some(index) => return Ok(Reply::Answer(index)),
                        None => say(&none_of(choices, &line)),
                    }
                }
            }
            Self::Nobody => Err(unanswerable(question.title)),
        }
    }

    /// Asks yes or no; `flag` is what says yes without asking.
    pub async fn confirm(self, question: &str, flag: &str) -> Outcome<bool> {
        match self {
            Self::Terminal => {
                let answer = inquire::Confirm::new(question).with_default(false).prompt();
                Ok(reply(answer)? == Reply::Answer(true))
            }
            Self::Pipe => {
                Ok(["y", "yes"].contains(&self.text(question, Some("no")).await?.to_lowercase().as_str()))
            }
            Self::Nobody => Err(unanswerable(question).hint(format!("add {flag}"))),
        }
    }
}

impl<T> Reply<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        match self {
            Self::Answer(answer) => Reply::Answer(f(answer)),
            Self::Back => Reply::Back,
        }
    }
}

/// Whether every word typed occurs in the label, without case.
fn matches_all(typed: &str, label: &str) -> bool {
    let label = label.to_lowercase();
    typed.to_lowercase().split_whitespace().all(|word| label.contains(word))
}

/// The choice that a line of a pipe means: its number where numbers were shown, or one of its names without case and
/// spaces.
fn pick(choices: &[Choice], line: &str, numbered: bool) -> Option<usize> {
    let number = line.parse::<usize>().ok().filter(|_| numbered);
    if let Some(index) =
        number.and_then(|number| number.checked_sub(1)).filter(|index| *index < choices.len())
    {
        return Some(index);
    }
    let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    let wanted = plain(line);
    choices.iter().position(|choice| choice.names.iter().any(|name| plain(name) == wanted))
}

fn none_of(choices: &[Choice], line: &str) -> String {
    let names: Vec<&str> = choices.iter().flat_map(|choice| &choice.names).map(String::as_str).collect();
    let near = crate::preflight::nearest(&line.to_lowercase(), &names);
    let near = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    format!("  `{line}` is none of the {} choices{near}", choices.len())
}

/// Reads a line without blocking the runtime, so that Ctrl-C is heard; the thread ends with the process.
async fn next_line(question: Question<'_>) -> Outcome<String> {
    let default = question.default.filter(|default| !default.is_empty());
    write_err(&default.map_or_else(
        || format!("{}: ", question.title),
        |default| format!("{} [{default}]: ", question.title),
    ));
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let result = std::io::stdin().lock().read_until(b'\n', &mut line);
        let _ = send.send(result.map(|count| (count > 0).then_some(line)));
    });
    let line = match receive.await {
        Ok(Ok(Some(line))) => String::from_utf8_lossy(&line).trim().to_owned(),
        Ok(Err(error)) => return Err(Failure::user(format!("could not read standard input: {error}"))),
        Ok(Ok(None)) | Err(_) => {
            say("");
            return Err(Failure::user(format!("standard input ended at the question `{}`", question.title))
                .hint("run it in a terminal, or give the answers as flags with --no-input"));
        }
    };
    say(&line);
    Ok(if line.is_empty() { default.unwrap_or_default().to_owned() } else { line })
}

/// Prompts go to standard error, whatever the mode: standard output holds results only.
fn say(line: &str) {
    write_err(&format!("{line}\n"));
}

fn write_err(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn unanswerable(question: &str) -> Failure {
    Failure::user(format!("`{question}` needs an answer and --no-input is set"))
}

fn reply<T>(answer: Result<T, InquireError>) -> Outcome<Reply<T>> {
    match answer {
        Ok(answer) => Ok(Reply::Answer(answer)),
        Err(InquireError::OperationCanceled) => Ok(Reply::Back),
        Err(InquireError::OperationInterrupted) => Err(stopped()),
        Err(other) => Err(Failure::user(format!("could not ask: {other}"))
            .hint("give the answers as flags with --no-input")),
    }
}

/// The person left at a question (Ctrl-C, or Esc where there is nothing to go back to).
pub fn stopped() -> Failure {
    let mut failure = Failure::user("stopped at a question");
    failure.exit = Exit::Interrupted;
    failure.hint("nothing is lost: run the same command again and it goes on")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions() -> Vec<Choice> {
        [("West Europe", "westeurope"), ("East US", "eastus"), ("East US 2", "eastus2")]
            .map(|(display, name)| Choice {
                label: format!("{display}  ({name})"),
                names: vec![name.to_owned(), display.to_owned()],
            })
            .to_vec()
    }

    #[test]
    fn a_line_chooses_by_number_name_or_display_name() {
        let regions = regions();
        for (line, index) in
            [("1", 0), ("westeurope", 0), ("West Europe", 0), ("EAST US 2", 2), ("eastus", 1)]
        {
            assert_eq!(pick(&regions, line, true), Some(index), "{line}");
        }
        for line in ["0", "4", "", "east", "99999999999999999999"] {
            assert_eq!(pick(&regions, line, true), None, "{line}");
        }
        assert_eq!(pick(&regions, "1", false), None);
    }

    #[test]
    fn typing_filters_by_words_in_any_order() {
        assert!(matches_all("eur we", "West Europe  (westeurope)"));
        assert!(matches_all("", "West Europe"));
        assert!(!matches_all("west us", "West Europe  (westeurope)"));
    }
}
