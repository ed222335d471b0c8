//! What a message must be: one, clear, with what to do next.

use azure_sim::Action;
use flamenco_azure_cli::failure::{Exit, Failure};

use crate::faults::Rule;

/// What the user is told, by the beginning of a line of the hint or a part of the message.
const KINDS: &[(&str, &str)] = &[
    ("this passes:", "temporary"),
    ("azure asks", "throttled"),
    ("the answer was lost", "answer lost"),
    ("an intermediary", "unreadable"),
    ("the sign-in is missing", "sign-in"),
    ("it may still end", "deadline"),
    ("something else still uses it", "in use"),
    ("a lock forbids", "lock"),
    ("a policy", "policy"),
    ("new identities", "identity"),
];

/// The kind of a failure; an error names the rule of words that it breaks.
pub(crate) fn judge(failure: &Failure, rule: &Rule) -> Result<&'static str, String> {
    let message = failure.message.as_str();
    let Some(hint) = failure.hint.as_deref().filter(|hint| !hint.trim().is_empty()) else {
        return Err("no hint".to_owned());
    };
    if message.lines().count() != 1 && !message.contains("things stand in the way") {
        return Err("not one message".to_owned());
    }
    if !message.contains('/')
        && !message.contains('`')
        && !message.contains("crunch")
        && !message.contains("Manager")
    {
        return Err("names nothing".to_owned());
    }
    if message.chars().filter(|c| c.is_alphabetic()).count() < 20 {
        return Err("says nothing".to_owned());
    }
    if let Some(bare) =
        message.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| is_status(word))
    {
        return Err(format!("a bare status ({bare})"));
    }
    if let Some(raw) = ["Some(", "None", "Error {", "Err(", "unwrap", "invalid type", "EOF while"]
        .iter()
        .find(|raw| message.contains(**raw))
    {
        return Err(format!("a programmer's words ({raw})"));
    }
    let kind = KINDS.iter().find(|(mark, _)| hint.lines().any(|line| line.trim_start().starts_with(mark)));
    let kind = match kind {
        Some((_, kind)) => kind,
        None if message.contains("Azure's own words about what went wrong") => "operation failed",
        None => "other",
    };
    match (&rule.action, failure.exit) {
        (_, Exit::Azure) | (Action::ExpiredToken | Action::Spoil(_), Exit::User) => Ok(kind),
        (_, other) => Err(format!("the wrong exit code ({})", other as u8)),
    }
}

fn is_status(word: &str) -> bool {
    word.len() == 3 && word.parse::<u16>().is_ok_and(|n| (200..600).contains(&n))
}
