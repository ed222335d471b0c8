//! Texts with holes. What the instances of a set have in common is rendered once; a list of a thousand is then a
//! thousand times some copying.

use serde_json::Value;

/// Begins a hole; the next character says which. A private character: nobody's text has it.
const MARK: char = '\u{E000}';

/// A hole in a JSON text value.
pub(super) fn hole(letter: char) -> String {
    format!("{MARK}{letter}")
}

/// A hole for something that is no text (upper-case letters): the quotes around it go.
fn is_bare(letter: char) -> bool {
    letter.is_ascii_uppercase()
}

/// A text with holes.
#[derive(Debug)]
pub(super) struct Template {
    start: String,
    /// A hole and the text after it.
    parts: Vec<(char, String)>,
}

impl Template {
    /// The text of a body in which some values hold holes.
    pub(super) fn new(body: &Value) -> Self {
        let text = body.to_string();
        let mut pieces = text.split(MARK);
        let mut start = pieces.next().unwrap_or_default().to_owned();
        let mut parts: Vec<(char, String)> = Vec::new();
        for piece in pieces {
            let mut chars = piece.chars();
            let Some(letter) = chars.next() else { continue };
            let mut after = chars.as_str();
            if is_bare(letter) {
                let before = parts.last_mut().map_or(&mut start, |part| &mut part.1);
                before.pop();
                after = after.strip_prefix('"').unwrap_or(after);
            }
            parts.push((letter, after.to_owned()));
        }
        Self { start, parts }
    }

    /// Writes the text, its holes filled by `fill`.
    pub(super) fn write(&self, out: &mut String, mut fill: impl FnMut(char, &mut String)) {
        out.push_str(&self.start);
        for (letter, after) in &self.parts {
            fill(*letter, out);
            out.push_str(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn holes_are_filled_in_texts_and_bare() {
        let body = json!({"a": format!("x{}y", hole('n')), "b": hole('L'), "c": [hole('n'), 1]});
        let mut out = String::new();
        Template::new(&body)
            .write(&mut out, |letter, out| out.push_str(if letter == 'n' { "N" } else { "true" }));
        assert_eq!(out, r#"{"a":"xNy","b":true,"c":["N",1]}"#);
    }
}
