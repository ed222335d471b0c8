//! The OData `$filter` subset that clients of the simulated services use:
//! `field eq 'value'`, `ne`, `lt`, `le`, `gt`, `ge`, `startswith(field,'x')`, `contains(field,'x')`, `and`, `or`, `not`, parentheses.

/// A parsed filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Everything passes.
    All,
    /// `field eq 'value'`
    Equal(String, String),
    /// `field lt 'value'`; numbers by their value, everything else (times too) as text.
    Less(String, String),
    /// `field gt 'value'`
    Greater(String, String),
    /// `startswith(field,'value')`
    Starts(String, String),
    /// `contains(field,'value')`
    Contains(String, String),
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
    /// Its opposite.
    Not(Box<Filter>),
}

impl Filter {
    /// Parses a filter; blank text lets everything pass. The error names what was not understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = tokens(text)?;
        if tokens.is_empty() {
            return Ok(Self::All);
        }
        tokens.reverse();
        let filter = either(&mut tokens)?;
        match tokens.last() {
            None => Ok(filter),
            Some(rest) => Err(format!("unexpected {rest:?}")),
        }
    }

    /// Whether something passes whose fields are given as text; an absent field equals nothing.
    pub(crate) fn admits(&self, field: &dyn Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::All => true,
            Self::Equal(name, value) => field(name).is_some_and(|v| v == *value),
            Self::Less(name, value) => field(name).is_some_and(|v| order(&v, value).is_lt()),
            Self::Greater(name, value) => field(name).is_some_and(|v| order(&v, value).is_gt()),
            Self::Starts(name, value) => field(name).is_some_and(|v| v.starts_with(value.as_str())),
            Self::Contains(name, value) => field(name).is_some_and(|v| v.contains(value.as_str())),
            Self::And(a, b) => a.admits(field) && b.admits(field),
            Self::Or(a, b) => a.admits(field) || b.admits(field),
            Self::Not(inner) => !inner.admits(field),
        }
    }

    /// What a field must start with for anything to pass, when the filter says so plainly.
    pub(crate) fn prefix(&self, name: &str) -> Option<&str> {
        match self {
            Self::Starts(field, value) if field.eq_ignore_ascii_case(name) => Some(value),
            Self::And(a, b) => a.prefix(name).or_else(|| b.prefix(name)),
            _ => None,
        }
    }

    /// The value that a field must equal for anything to pass, when the filter says so plainly.
    pub(crate) fn required(&self, name: &str) -> Option<&str> {
        match self {
            Self::Equal(field, value) if field.eq_ignore_ascii_case(name) => Some(value),
            Self::And(a, b) => a.required(name).or_else(|| b.required(name)),
            _ => None,
        }
    }
}

/// Numbers by their value, other texts by their letters.
fn order(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '(' | ')' | ',' => found.push(Token::Mark(c)),
            '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        // A doubled quote stands for one.
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            value.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => value.push(other),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
                found.push(Token::Text(value));
            }
            _ => {
                let mut word = String::from(c);
                while let Some(next) = chars.peek() {
                    if " (),'\t\n\r".contains(*next) {
                        break;
                    }
                    word.push(*next);
                    chars.next();
                }
                found.push(Token::Word(word));
            }
        }
    }
    Ok(found)
}

// The token list is reversed: `pop` takes the next one.
fn either(tokens: &mut Vec<Token>) -> Result<Filter, String> {
    let mut left = both(tokens)?;
    while next_is(tokens, "or") {
        tokens.pop();
        left = Filter::Or(Box::new(left), Box::new(both(tokens)?));
    }
    Ok(left)
}

fn both(tokens: &mut Vec<Token>) -> Result<Filter, String> {
    let mut left = term(tokens)?;
    while next_is(tokens, "and") {
        tokens.pop();
        left = Filter::And(Box::new(left), Box::new(term(tokens)?));
    }
    Ok(left)
}

fn next_is(tokens: &[Token], word: &str) -> bool {
    matches!(tokens.last(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
}

fn term(tokens: &mut Vec<Token>) -> Result<Filter, String> {
    match tokens.pop() {
        Some(Token::Mark('(')) => {
            let inner = either(tokens)?;
            expect(tokens, ')')?;
            Ok(inner)
        }
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
            Ok(Filter::Not(Box::new(term(tokens)?)))
        }
        Some(Token::Word(word)) if tokens.last() == Some(&Token::Mark('(')) => call(&word, tokens),
        Some(Token::Word(field)) => comparison(field, tokens),
        Some(other) => Err(format!("unexpected {other:?}")),
        None => Err("the filter ends too early".to_owned()),
    }
}

fn call(name: &str, tokens: &mut Vec<Token>) -> Result<Filter, String> {
    expect(tokens, '(')?;
    let (Some(Token::Word(field)), Some(Token::Mark(',')), Some(Token::Text(value))) =
        (tokens.pop(), tokens.pop(), tokens.pop())
    else {
        return Err(format!("{name} takes a field and a text"));
    };
    expect(tokens, ')')?;
    match name.to_ascii_lowercase().as_str() {
        "startswith" => Ok(Filter::Starts(field, value)),
        "contains" => Ok(Filter::Contains(field, value)),
        _ => Err(format!("unknown function {name}")),
    }
}

fn comparison(field: String, tokens: &mut Vec<Token>) -> Result<Filter, String> {
    let Some(Token::Word(operator)) = tokens.pop() else {
        return Err(format!("no operator after {field}"));
    };
    // `DateTime'2026-11-21T00:00:00Z'` is the text behind its type.
    if matches!(tokens.last(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("datetime")) {
        tokens.pop();
    }
    let Some(Token::Text(value) | Token::Word(value)) = tokens.pop() else {
        return Err(format!("no value after {field} {operator}"));
    };
    match operator.to_ascii_lowercase().as_str() {
        "eq" => Ok(Filter::Equal(field, value)),
        "ne" => Ok(Filter::Not(Box::new(Filter::Equal(field, value)))),
        "lt" => Ok(Filter::Less(field, value)),
        "gt" => Ok(Filter::Greater(field, value)),
        // Of what is there; an absent field passes neither.
        "le" => Ok(Filter::Or(
            Box::new(Filter::Less(field.clone(), value.clone())),
            Box::new(Filter::Equal(field, value)),
        )),
        "ge" => Ok(Filter::Or(
            Box::new(Filter::Greater(field.clone(), value.clone())),
            Box::new(Filter::Equal(field, value)),
        )),
        _ => Err(format!("unknown operator {operator}")),
    }
}

fn expect(tokens: &mut Vec<Token>, mark: char) -> Result<(), String> {
    match tokens.pop() {
        Some(Token::Mark(found)) if found == mark => Ok(()),
        other => Err(format!("{mark} expected, found {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str) -> bool {
        let field = |name: &str| match name {
            "size" => Some("D8as".to_owned()),
            "kind" => Some("it's".to_owned()),
            "since" => Some("2026-11-21T18:00:00Z".to_owned()),
            "count" => Some("12".to_owned()),
            _ => None,
        };
        Filter::parse(text).unwrap().admits(&field)
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(passes("size eq 'D8as' or size eq 'x' and kind eq 'y'"));
        assert!(!passes("(size eq 'D8as' or size eq 'x') and kind eq 'y'"));
        assert!(passes("startswith(size,'D8') and contains(size,'as') and size ne 'D8'"));
        assert!(passes("kind eq 'it''s'"));
        assert!(passes("not (absent eq 'x')"));
        assert!(passes(""));
        assert!(passes("since gt DateTime'2026-11-21T17:59:59Z' and since le '2026-11-21T18:00:00Z'"));
        assert!(passes("count gt 9 and count lt 100 and count ge 12 and not (count lt 12)"));
        assert!(!passes("absent lt 'z' or absent ge ''"));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["size", "size eq", "size is 'x'", "(size eq 'x'", "size eq 'x", "lower(size,'x')", ")"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
