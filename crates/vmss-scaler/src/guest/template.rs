//! Placeholders: `@NAME@` in a template file.

use super::GuestError;

/// A value for a placeholder.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Written as one word of the shell, in quotes where it needs them.
    Shell(String),
    /// A piece of document that this crate made itself.
    Fragment(String),
}

impl Value {
    pub(super) fn shell(text: impl Into<String>) -> Self {
        Self::Shell(text.into())
    }

    pub(super) fn fragment(text: impl Into<String>) -> Self {
        Self::Fragment(text.into())
    }
}

/// Fills `text` in. Values are not searched for placeholders again.
pub(super) fn render(
    template: &'static str,
    text: &str,
    values: &[(&str, Value)],
) -> Result<String, GuestError> {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((start, end)) = next_placeholder(rest) {
        out.push_str(&rest[..start]);
        let name = &rest[start + 1..end];
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        match value {
            Some(Value::Shell(text)) => out.push_str(&shell_word(text)),
            Some(Value::Fragment(text)) => out.push_str(text.trim_end_matches('\n')),
            None => return Err(GuestError::UnknownPlaceholder { template, name: name.to_owned() }),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Positions of the two `@` of the first placeholder: `@`, capitals, digits and `_`, `@`.
fn next_placeholder(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|start| {
        if bytes[start] != b'@' || !bytes.get(start + 1)?.is_ascii_uppercase() {
            return None;
        }
        let rest = &bytes[start + 1..];
        let name =
            rest.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b'_').count();
        (rest.get(name) == Some(&b'@')).then_some((start, start + 1 + name))
    })
}

/// `text` as one word of a POSIX shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:+,=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_by_their_kind_and_not_searched_again() {
        let values = [("A", Value::fragment("x/y\n")), ("B", Value::shell("it's @A@"))];
        let text = render("t", "1@A@2 @B@ \"$@\" a@b @", &values);
        assert_eq!(text, Ok(r#"1x/y2 'it'\''s @A@' "$@" a@b @"#.into()));
    }

    #[test]
    fn an_unknown_placeholder_is_an_error() {
        let error = GuestError::UnknownPlaceholder { template: "t", name: "NOPE".into() };
        assert_eq!(render("t", "x @NOPE@", &[]), Err(error));
    }

    #[test]
    fn the_empty_word_stays_a_word() {
        assert_eq!(shell_word(""), "''");
    }
}
