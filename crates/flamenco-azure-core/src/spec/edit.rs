//! Changing single keys of a farm file's text, so that comments and order survive.
//!
//! An edit is made on the lines concerned, then read again: when the result does not say exactly what was meant
//! (anchors, exotic layouts), the whole file is written anew instead. Values are always right; comments are kept
//! whenever the layout is plain.

use serde_json::Value;

use super::error::{Finding, Problem, SpecError};
use super::file::{FarmSpec, PoolSpec};
use super::tree::{Kind, Node, bytes, end};
use super::{parse, shape};

/// Sets the key at `path` (such as `location` or `manager.access.ssh`) to `value`, and returns the new text.
/// Missing blocks are made. `pools` is set as a whole.
pub fn set(file_name: &str, text: &str, path: &str, value: &Value) -> Result<String, SpecError> {
    edit(file_name, text, path, Some(value))
}

/// Removes the key at `path` with all below it, and the block around it when nothing else is left there.
/// A key that is not there is no error.
pub fn unset(file_name: &str, text: &str, path: &str) -> Result<String, SpecError> {
    edit(file_name, text, path, None)
}

fn edit(file_name: &str, text: &str, path: &str, value: Option<&Value>) -> Result<String, SpecError> {
    let before = FarmSpec::parse(file_name, text)?;
    let keys: Vec<&str> = path.split('.').collect();
    let refused = |why: String| {
        SpecError::one(Finding {
            origin: before.source.of(path),
            key: path.to_owned(),
            problem: Problem::Value(why),
            remedy: "see the reference of the farm file for its keys and their types".to_owned(),
        })
    };
    let mut json = serde_json::to_value(&before).map_err(|error| refused(error.to_string()))?;
    match value {
        Some(value) => put(&mut json, &keys, value),
        None => drop_key(&mut json, &keys),
    }
    let wanted: FarmSpec = serde_json::from_value(json).map_err(|error| refused(error.to_string()))?;
    if wanted == before {
        return Ok(text.to_owned());
    }
    let tree = parse::tree(file_name, text)?;
    let edited = match value {
        Some(value) => set_lines(text, &tree, &keys, value),
        None => unset_lines(text, &tree, &keys),
    };
    let says_it = |text: &String| FarmSpec::parse(file_name, text).is_ok_and(|spec| spec == wanted);
    edited.filter(says_it).map_or_else(|| wanted.to_yaml(), Ok)
}

/// Puts a pool into `pools`: in place of the one of this name, else as the last one. The other entries keep their lines.
pub fn put_pool(file_name: &str, text: &str, pool: &PoolSpec) -> Result<String, SpecError> {
    let spec = FarmSpec::parse(file_name, text)?;
    let same = |other: &PoolSpec| match (&other.name, &pool.name) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    let mut pools = spec.pools.clone().unwrap_or_default();
    let index = pools.iter().position(same);
    match index {
        Some(index) => pools[index] = pool.clone(),
        None => pools.push(pool.clone()),
    }
    let wanted = FarmSpec { pools: Some(pools), ..spec };
    let value = serde_json::to_value(&wanted.pools).unwrap_or_default();
    let item = value.as_array().and_then(|items| items.get(index.unwrap_or(items.len() - 1)));
    let edited = item.and_then(|item| item_lines(text, &parse::tree(file_name, text).ok()?, index, item));
    let says_it = |text: &String| FarmSpec::parse(file_name, text).is_ok_and(|spec| spec == wanted);
    edited.filter(says_it).map_or_else(|| set(file_name, text, "pools", &value), Ok)
}

/// A pool as lines of YAML, as an entry of `pools`.
pub fn pool_lines(pool: &PoolSpec) -> String {
    let value = serde_json::to_value(pool).unwrap_or_default();
    entry(&value, 2)
}

fn item_lines(text: &str, tree: &Node, index: Option<usize>, item: &Value) -> Option<String> {
    let Some((_, list)) = tree.value.get("pools") else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Some(format!("{text}{gap}pools:\n{}", entry(item, 2)));
    };
    let Kind::List(items) = &list.value else { return None };
    if is_flow(text, list) {
        return None;
    }
    let line = |byte: usize| text[..byte].rfind('\n').map_or(0, |newline| newline + 1);
    let after = |byte: usize| text[byte..].find('\n').map_or(text.len(), |newline| byte + newline + 1);
    let first = line(bytes(items.first()?.referenced).0);
    let dash = text[first..].find('-').filter(|at| text[first..first + at].trim().is_empty())?;
    let lines = entry(item, dash);
    let (from, upto) = if let Some(index) = index {
        let node = items.get(index)?;
        (line(bytes(node.referenced).0), after(close(text, node).checked_sub(1)?))
    } else {
        let upto = after(close(text, items.last()?).checked_sub(1)?);
        (upto, upto)
    };
    let gap = if from > 0 && !text[..from].ends_with('\n') { "\n" } else { "" };
    Some(format!("{}{gap}{lines}{}", &text[..from], &text[upto..]))
}

/// An object as an entry of a list whose dashes stand in the column `indent`, a member a line.
fn entry(value: &Value, indent: usize) -> String {
    let lines = member_lines(value, indent + 2);
    format!("{:indent$}- {}", "", lines.trim_start())
}

fn member_lines(value: &Value, indent: usize) -> String {
    let Value::Object(members) = value else { return String::new() };
    let member = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => format!("{:indent$}{key}:\n{}", "", member_lines(value, indent + 2)),
        Value::String(text) if is_long(text) => {
            let body: Vec<String> = text
                .lines()
                .map(
                    |line| {
                        if line.is_empty() { String::new() } else { format!("{:1$}{line}", "", indent + 2) }
                    },
                )
                .collect();
            format!("{:indent$}{key}: |-\n{}\n", "", body.join("\n"))
        }
        value => format!("{:indent$}{key}: {}\n", "", inline(value)),
    };
    members.iter().map(member).collect()
}

/// A text of lines that a block text holds as they are.
fn is_long(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with('\n')
        && text.chars().all(|c| c == '\n' || !c.is_control())
}

fn put(json: &mut Value, keys: &[&str], value: &Value) {
    let Some((key, rest)) = keys.split_first() else {
        *json = value.clone();
        return;
    };
    if !json.is_object() {
        *json = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(map) = json {
        put(map.entry((*key).to_owned()).or_insert(Value::Null), rest, value);
    }
}

fn drop_key(json: &mut Value, keys: &[&str]) {
    let (Some((key, rest)), Value::Object(map)) = (keys.split_first(), json) else { return };
    if rest.is_empty() {
        map.shift_remove(*key);
    } else if let Some(inner) = map.get_mut(*key) {
        drop_key(inner, rest);
        if inner.as_object().is_some_and(serde_json::Map::is_empty) {
            map.shift_remove(*key);
        }
    }
}

fn set_lines(text: &str, tree: &Node, keys: &[&str], value: &Value) -> Option<String> {
    let mut at = tree;
    for (depth, key) in keys.iter().enumerate() {
        let Some((name, node)) = at.value.get(key) else {
            return insert(text, at, depth, &keys[depth..], value);
        };
        if depth + 1 == keys.len() || matches!(node.value, Kind::Null) {
            if depth + 1 < keys.len() {
                // `manager:` with nothing below: its keys go on the next lines.
                let indent = usize::try_from(name.referenced.column()).ok()? + 1;
                return Some(insert_after(
                    text,
                    bytes(name.referenced).1,
                    &block(&keys[depth + 1..], value, indent),
                ));
            }
            let (start, _) = bytes(node.referenced);
            // A block's first line comes up to its key, unless a comment stands between.
            let head = Some(text[..start].trim_end()).filter(|head| head.ends_with(':'));
            let head = head.map_or_else(|| text[..start].to_owned(), |head| format!("{head} "));
            return Some(format!("{head}{}{}", inline(value), text.get(close(text, node)..)?));
        }
        at = node;
    }
    None
}

/// Inserts a new key into the block `parent`, which has the depth `depth`.
fn insert(text: &str, parent: &Node, depth: usize, keys: &[&str], value: &Value) -> Option<String> {
    match &parent.value {
        Kind::Map(entries) if is_flow(text, parent) => {
            // `{ssh: []}`: the key goes before the closing brace.
            let at = close(text, parent).checked_sub(1)?;
            let gap = if entries.is_empty() { "" } else { ", " };
            let entry =
                inline(&keys.iter().rev().fold(value.clone(), |inner, key| serde_json::json!({*key: inner})));
            let entry = entry.strip_prefix('{')?.strip_suffix('}')?;
            Some(format!("{}{gap}{entry}{}", text[..at].trim_end(), &text[at..]))
        }
        Kind::Map(entries) => {
            let column = usize::try_from(entries.first()?.0.referenced.column()).ok()?;
            let lines = block(keys, value, column - 1);
            if depth == 0 {
                let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                return Some(format!("{text}{gap}{lines}"));
            }
            Some(insert_after(text, close(text, parent).checked_sub(1)?, &lines))
        }
        Kind::Null if depth == 0 => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            Some(format!("{text}{gap}{}", block(keys, value, 0)))
        }
        _ => None,
    }
}

/// Whether a list or block is written in brackets.
fn is_flow(text: &str, node: &Node) -> bool {
    matches!(node.value, Kind::Map(_) | Kind::List(_))
        && text[bytes(node.referenced).0..].starts_with(['[', '{'])
}

/// The byte after a value. The parser places brackets where they open; where they close is found by counting.
fn close(text: &str, node: &Node) -> usize {
    if !is_flow(text, node) {
        return match &node.value {
            Kind::Map(entries) => {
                entries.iter().map(|(_, value)| close(text, value)).fold(end(node), usize::max)
            }
            Kind::List(items) => items.iter().map(|item| close(text, item)).fold(end(node), usize::max),
            _ => end(node),
        };
    }
    let start = bytes(node.referenced).0;
    let (mut depth, mut quote) = (0usize, None);
    for (at, c) in text[start..].char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return start + at + c.len_utf8();
        }
    }
    end(node)
}

/// `text` with `lines` put after the line that holds the byte `at`.
fn insert_after(text: &str, at: usize, lines: &str) -> String {
    match text[at..].find('\n') {
        Some(offset) => format!("{}{lines}{}", &text[..=at + offset], &text[at + offset + 1..]),
        None => format!("{text}\n{lines}"),
    }
}

fn block(keys: &[&str], value: &Value, indent: usize) -> String {
    match keys {
        [] => String::new(),
        [key] => format!("{:indent$}{key}: {}\n", "", inline(value)),
        [key, rest @ ..] => format!("{:indent$}{key}:\n{}", "", block(rest, value, indent + 2)),
    }
}

/// A value on one line: JSON, which is YAML, without the quotes where none are needed.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", inline(&Value::from(key.as_str())), inline(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let word =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '+' | '=' | '@' | ' ');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with(' ')
        && text.chars().all(word)
        && !["null", "true", "false", "yes", "no", "on"].contains(&text.to_ascii_lowercase().as_str())
}

fn unset_lines(text: &str, tree: &Node, keys: &[&str]) -> Option<String> {
    // The outermost block that holds nothing but this key goes with it.
    let mut at = tree;
    let mut doomed = None;
    for (depth, key) in keys.iter().enumerate() {
        let Some((name, node)) = at.value.get(key) else { return Some(text.to_owned()) };
        let alone = matches!(&at.value, Kind::Map(entries) if entries.len() == 1);
        if depth == 0 || !alone || doomed.is_none() {
            doomed = Some((name, node));
        }
        at = node;
    }
    let (name, node) = doomed?;
    let from = text[..bytes(name.referenced).0].rfind('\n').map_or(0, |newline| newline + 1);
    let last = close(text, node).max(bytes(name.referenced).1);
    // A value that ends with its line (a block text) already covers the line's end.
    let upto = if text[..last].ends_with('\n') {
        last
    } else {
        text[last..].find('\n').map_or(text.len(), |n| last + n + 1)
    };
    Some(format!("{}{}", &text[..from], &text[upto..]))
}

/// Every key of the farm file as a path, in the order of the reference.
pub fn keys() -> Vec<String> {
    shape::Shape::of_farm_file().paths()
}
