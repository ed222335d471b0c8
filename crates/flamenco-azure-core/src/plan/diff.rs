//! How a wanted body differs from an observed one.
//!
//! A wanted body names only the fields that the farm owns; anything else in the observed body is Azure's or the
//! user's business. `null` in a wanted body means "must be absent".

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// JSON pointer of the field.
    pub path: String,
    /// The observed value; `Null` when absent.
    pub have: Value,
    /// The wanted value; `Null` when it must go.
    pub want: Value,
}

/// Longer texts are scripts and keys: that they differ is all a line can say.
const LONGEST_SHOWN: usize = 60;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.trim_start_matches('/').trim_start_matches("properties/").replace('/', ".");
        let (have, want) = (brief(&self.have), brief(&self.want));
        if have.chars().count() > LONGEST_SHOWN && want.chars().count() > LONGEST_SHOWN {
            return write!(f, "{path}: another text ({} -> {} characters)", have.len(), want.len());
        }
        write!(f, "{path}: {} -> {}", cut(&have), cut(&want))
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Object(members) if members.len() == 1 && members.contains_key("id") => brief(&members["id"]),
        // The name is what tells ids apart.
        Value::String(text) if text.starts_with("/subscriptions/") => {
            text.rsplit('/').next().unwrap_or(text).to_owned()
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST_SHOWN {
        return text.to_owned();
    }
    text.chars().take(LONGEST_SHOWN - 1).chain(['…']).collect()
}

/// Lists the fields of `want` that `have` does not agree with, except below the pointers in `ignore`.
pub fn diff(want: &Value, have: &Value, ignore: &[&str]) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(want, have, &mut String::new(), ignore, &mut changes);
    changes
}

fn walk(want: &Value, have: &Value, path: &mut String, ignore: &[&str], out: &mut Vec<Change>) {
    if ignore.contains(&path.as_str()) {
        return;
    }
    match (want, have) {
        // Each is an empty object, whose absence would be none; ids come back in other casings.
        (Value::Object(wanted), Value::Object(had)) if path.ends_with("/userAssignedIdentities") => {
            let there = |id: &String| had.keys().any(|other| other.eq_ignore_ascii_case(id));
            for (id, value) in wanted.iter().filter(|(id, value)| !value.is_null() && !there(id)) {
                descend(path, id, |path| {
                    out.push(Change { path: path.clone(), have: Value::Null, want: value.clone() });
                });
            }
        }
        (Value::Object(wanted), Value::Object(_)) => {
            for (key, value) in wanted {
                descend(path, key, |path| {
                    walk(value, have.get(key).unwrap_or(&Value::Null), path, ignore, out);
                });
            }
        }
        // Tags compare without case and an absent map is an empty one.
        (Value::Object(wanted), Value::Null) if wanted.values().all(Value::is_null) => {}
        (Value::Array(wanted), Value::Array(had)) => walk_list(wanted, had, path, ignore, out),
        (Value::Array(wanted), Value::Null) if wanted.is_empty() => {}
        _ if same(want, have, path) => {}
        _ => out.push(Change { path: path.clone(), have: have.clone(), want: want.clone() }),
    }
}

/// Lists of named or identified objects are compared by name or id, in any order; an element too many is a change.
/// Lists of plain values are compared as sets.
fn walk_list(wanted: &[Value], had: &[Value], path: &mut String, ignore: &[&str], out: &mut Vec<Change>) {
    for (index, want) in wanted.iter().enumerate() {
        let label = label(want).unwrap_or_else(|| index.to_string());
        let found = had.iter().find(|have| matches(want, have));
        descend(path, &label, |path| match found {
            Some(have) => walk(want, have, path, ignore, out),
            None => out.push(Change { path: path.clone(), have: Value::Null, want: want.clone() }),
        });
    }
    for have in had.iter().filter(|have| !wanted.iter().any(|want| matches(want, have))) {
        let label = label(have).unwrap_or_else(|| "extra".to_owned());
        descend(path, &label, |path| {
            if !ignore.contains(&path.as_str()) {
                out.push(Change { path: path.clone(), have: have.clone(), want: Value::Null });
            }
        });
    }
}

fn descend(path: &mut String, key: &str, inner: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    if key.contains(['~', '/']) {
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
    } else {
        path.push_str(key);
    }
    inner(path);
    path.truncate(length);
}

fn label(value: &Value) -> Option<String> {
    let text = value.get("name").or_else(|| value.get("id"))?.as_str()?;
    Some(text.rsplit('/').next().unwrap_or(text).to_owned())
}

fn matches(want: &Value, have: &Value) -> bool {
    for key in ["name", "id"] {
        if let Some(name) = want.get(key).and_then(Value::as_str) {
            return have
                .get(key)
                .and_then(Value::as_str)
                .is_some_and(|other| other.eq_ignore_ascii_case(name));
        }
    }
    match (want, have) {
        (Value::Object(_), Value::Object(_)) => diff(want, have, &[]).is_empty(),
        _ => same(want, have, ""),
    }
}

fn same(want: &Value, have: &Value, path: &str) -> bool {
    match (want, have) {
        (Value::String(a), Value::String(b)) if path.ends_with("/location") => fold(a) == fold(b),
        // A variable's value is what a program reads: not Azure's, and never folded.
        (Value::String(a), Value::String(b)) if path.contains("/environmentSettings/") => a == b,
        // Ids, enums and names come back in other casings (recorded traffic), and Azure compares them so.
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => want == have,
    }
}

fn fold(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// The value at a change's path: a JSON pointer in which elements of named lists go by their name.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(value, |value, key| match value {
        Value::Array(items) => {
            items.iter().find(|item| label(item).is_some_and(|l| l.eq_ignore_ascii_case(key)))
        }
        other => other.get(key),
    })
}

/// [`at`], to be changed.
pub fn at_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('/').skip(1).try_fold(value, |value, key| match value {
        Value::Array(items) => {
            items.iter_mut().find(|item| label(item).is_some_and(|l| l.eq_ignore_ascii_case(key)))
        }
        other => other.get_mut(key),
    })
}

/// `base` with `over` laid over it: objects are merged, everything else is replaced, `null` removes.
pub fn merge(base: &Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            let mut merged = base.clone();
            for (key, value) in over {
                if value.is_null() {
                    merged.shift_remove(key);
                } else {
                    let below = merged.get(key).cloned().unwrap_or(Value::Null);
                    merged.insert(key.clone(), merge(&below, value));
                }
            }
            Value::Object(merged)
        }
        (_, Value::Object(over)) => merge(&Value::Object(Map::new()), &Value::Object(over.clone())),
        _ => over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unmentioned_fields_are_not_ours() {
        let have = json!({"etag": "x", "properties": {"a": 1, "resourceGuid": "g"}});
        assert!(diff(&json!({"properties": {"a": 1.0}}), &have, &[]).is_empty());
    }

    #[test]
    fn a_hand_edited_rule_and_an_added_one_both_show() {
        let rule = |name: &str, port: &str| json!({"name": name, "properties": {"port": port}});
        let want = json!({"rules": [rule("ssh", "22"), rule("web", "443")]});
        let have = json!({"rules": [rule("Web", "443"), rule("ssh", "2222"), rule("open", "*")]});
        let paths: Vec<_> = diff(&want, &have, &[]).into_iter().map(|c| c.path).collect();
        assert_eq!(paths, ["/rules/ssh/properties/port", "/rules/open"]);
    }

    #[test]
    fn changes_read_well() {
        let change =
            |have: Value, want: Value| Change { path: "/properties/a/b".to_owned(), have, want }.to_string();
        assert_eq!(change(json!(null), json!(3)), "a.b: none -> 3");
        assert_eq!(change(json!("/subscriptions/s/resourceGroups/g"), json!("x")), "a.b: g -> x");
        let (script, other) = (json!("x".repeat(99)), json!("y".repeat(98)));
        assert_eq!(change(script, other), "a.b: another text (99 -> 98 characters)");
    }

    #[test]
    fn an_element_too_many_may_be_somebodys_own() {
        let (want, have) = (json!({"m": []}), json!({"m": [{"name": "mark"}, {"name": "other"}]}));
        let paths: Vec<_> = diff(&want, &have, &["/m/mark"]).into_iter().map(|c| c.path).collect();
        assert_eq!(paths, ["/m/other"]);
    }

    #[test]
    fn values_of_variables_keep_their_case() {
        let of = |value: &str| json!({"environmentSettings": [{"name": "A", "value": value}]});
        assert_eq!(diff(&of("x"), &of("X"), &[]).len(), 1);
        assert!(diff(&of("x"), &of("x"), &[]).is_empty());
    }

    #[test]
    fn null_wants_absence() {
        let want = json!({"natGateway": null});
        assert!(diff(&want, &json!({}), &[]).is_empty());
        assert_eq!(diff(&want, &json!({"natGateway": {"id": "/x"}}), &[]).len(), 1);
    }

    #[test]
    fn merged_bodies_have_no_difference_left() {
        let have = json!({"a": {"b": 1, "keep": true}, "gone": 1, "list": [1]});
        let want = json!({"a": {"b": 2, "c": {"d": null}}, "gone": null, "list": [2, 3]});
        let merged = merge(&have, &want);
        assert!(diff(&want, &merged, &[]).is_empty(), "{merged}");
        assert_eq!(merged["a"]["keep"], json!(true));
    }

    #[test]
    fn a_changes_path_leads_back_to_its_value() {
        let have = json!({"properties": {"subnets": [{"name": "Workers", "p": {"prefix": "a"}}]}});
        let want = json!({"properties": {"subnets": [{"name": "workers", "p": {"prefix": "b"}}]}});
        let path = &diff(&want, &have, &[])[0].path;
        assert_eq!((at(&want, path), at(&have, path)), (Some(&json!("b")), Some(&json!("a"))));
    }

    #[test]
    fn locations_and_ids_compare_as_azure_does() {
        let want = json!({"location": "westeurope", "id": "/subscriptions/s/resourceGroups/rg"});
        let have = json!({"location": "West Europe", "id": "/subscriptions/s/resourcegroups/RG"});
        assert!(diff(&want, &have, &[]).is_empty());
    }
}
