//! A formula in words, each with its place.

use super::Wrong;

/// Line and column, from 1.
pub(super) type Place = (usize, usize);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    /// A name as written, the dollar included.
    Name(String),
    /// An operator or a bracket.
    Mark(&'static str),
    End,
}

const MARKS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "=", "!", "+", "-", "*", "/", "(", ")", ",", ";", "?", ":",
    ".",
];

pub(super) fn wrong_at((line, column): Place, what: impl Into<String>) -> Wrong {
    Wrong { syntax: true, line, column, what: what.into() }
}

/// Splits a formula; the last token is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Place)>, Wrong> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut place = (1, 1);
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if rest.starts_with("//") {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").ok_or_else(|| wrong_at(place, "A comment is not closed"))?;
            (None, end + 2)
        } else if first == '"' {
            let end = rest[1..].find('"').ok_or_else(|| wrong_at(place, "A string is not closed"))?;
            (Some(Token::Text(rest[1..=end].to_owned())), end + 2)
        } else if first.is_ascii_digit() || is_fraction(rest) {
            let length = number_length(rest);
            let number = rest[..length].parse().map_err(|_| wrong_at(place, "Invalid number"))?;
            (Some(Token::Number(number)), length)
        } else if first == '$' || first == '_' || first.is_ascii_alphabetic() {
            let tail = rest[1..].find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            let length = tail.map_or(rest.len(), |at| at + 1);
            (Some(Token::Name(rest[..length].to_owned())), length)
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
            let mark = mark.ok_or_else(|| wrong_at(place, format!("Unexpected character: {first}")))?;
            (Some(Token::Mark(mark)), mark.len())
        };
        if let Some(token) = token {
            found.push((token, place));
        }
        let (read, left) = rest.split_at(length);
        for c in read.chars() {
            place = if c == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
        }
        rest = left;
    }
    found.push((Token::End, place));
    Ok(found)
}

fn is_fraction(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn number_length(rest: &str) -> usize {
    let digits =
        |from: usize| rest[from..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |at| from + at);
    let mut end = digits(0);
    if is_fraction(&rest[end..]) {
        end = digits(end + 1);
    }
    end
}
