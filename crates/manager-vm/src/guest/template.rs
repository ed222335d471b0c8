//! Placeholders: `@NAME@` in a template file, with a value that knows how it may be written.

use std::collections::BTreeMap;

use super::GuestError;

/// A value for a placeholder.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Written as it is, anywhere (shell, unit, YAML, Caddyfile): only letters, digits and `-_./:+`, never empty.
    Plain(String),
    /// Written as one word of the shell, in quotes where it needs them.
    Shell(String),
    /// Written as one YAML scalar in double quotes.
    Yaml(String),
    /// A piece of document that this crate made itself.
    Fragment(String),
}

/// The values of one rendering.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// Fills `text` in. Values are not searched for placeholders again.
pub(super) fn render(template: &'static str, text: &str, values: &Values) -> Result<String, GuestError> {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((start, end)) = next_placeholder(rest) {
        out.push_str(&rest[..start]);
        let name = &rest[start + 1..end];
        let value = values
            .get(name)
            .ok_or_else(|| GuestError::UnknownPlaceholder { template, name: name.to_owned() })?;
        match value {
            Value::Plain(text) if is_plain(text) => out.push_str(text),
            Value::Plain(_) => return Err(GuestError::UnsafeValue { template, name: name.to_owned() }),
            Value::Shell(text) => out.push_str(&shell_word(text)),
            Value::Yaml(text) => out.push_str(&yaml_string(text)),
            Value::Fragment(text) => out.push_str(text.trim_end_matches('\n')),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Positions of the two `@` of the first placeholder: `@`, a capital letter, capitals, digits and `_`, `@`.
fn next_placeholder(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|start| {
        if bytes[start] != b'@' || !bytes.get(start + 1)?.is_ascii_uppercase() {
            return None;
        }
        let name = bytes[start + 1..]
            .iter()
            .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b'_')
            .count();
        let end = start + 1 + name;
        (bytes.get(end) == Some(&b'@')).then_some((start, end))
    })
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:+".contains(&b))
}

/// `text` as one word of a POSIX shell.
pub(super) fn shell_word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// `text` as a double-quoted YAML scalar: for the printable ASCII that the config admits, JSON's form is YAML's.
fn yaml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        [
            ("A", Value::Plain("x/y".into())),
            ("B", Value::Shell("it's @A@".into())),
            ("C", Value::Plain("two words".into())),
            ("D", Value::Yaml("a\"b\\c".into())),
        ]
        .into()
    }

    #[test]
    fn values_are_written_by_their_kind_and_not_searched_again() {
        assert_eq!(
            render("t", "1@A@2 @B@ \"$@\" a@b @D@", &values()),
            Ok(r#"1x/y2 'it'\''s @A@' "$@" a@b "a\"b\\c""#.into())
        );
    }

    #[test]
    fn an_unknown_placeholder_is_an_error() {
        let error = GuestError::UnknownPlaceholder { template: "t", name: "NOPE".into() };
        assert_eq!(render("t", "x @NOPE@", &values()), Err(error));
    }

    #[test]
    fn an_unquoted_place_takes_no_unsafe_value() {
        let error = GuestError::UnsafeValue { template: "t", name: "C".into() };
        assert_eq!(render("t", "x @C@", &values()), Err(error));
    }
}
