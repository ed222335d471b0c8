//! Whether an answer has the shape that every answer of its kind has.
//!
//! A reader that passes over what has another type than it should would take a tag that it cannot read for a tag that
//! is not there, and so a farm for nobody's. What is odd is no answer.

use serde_json::Value;

/// Members of resources and of list items whose type never varies, in Resource Manager and in Batch.
const TEXTS: &[&str] = &["id", "type", "location", "etag", "managedBy", "resourceType"];

/// What is odd about a resource or a list item, in words; `None` when it is well-formed.
pub(super) fn odd(item: &Value) -> Option<String> {
    let Some(object) = item.as_object() else {
        return Some("what should be an object is none".to_owned());
    };
    let wrong = |name: &str, should: &str| Some(format!("its `{name}` is no {should}"));
    for name in TEXTS {
        if object.get(*name).is_some_and(|value| !value.is_null() && !value.is_string()) {
            return wrong(name, "text");
        }
    }
    // A usage's name is an object with its translations.
    let named = |name: &Value| name.is_null() || name.is_string() || name.is_object();
    if object.get("name").is_some_and(|name| !named(name)) {
        return wrong("name", "text");
    }
    match object.get("tags") {
        None | Some(Value::Null) => {}
        Some(Value::Object(tags)) => {
            if tags.values().any(|value| !value.is_string() && !value.is_null()) {
                return wrong("tags", "list of texts");
            }
        }
        Some(_) => return wrong("tags", "object"),
    }
    let properties = object.get("properties").filter(|value| !value.is_null())?;
    let Some(properties) = properties.as_object() else { return wrong("properties", "object") };
    let state = properties.get("provisioningState").filter(|value| !value.is_null());
    state.filter(|state| !state.is_string()).and_then(|_| wrong("provisioningState", "text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_another_type_than_it_should_is_odd() {
        let table = [
            (json!({"id": "/x", "tags": {"a": "b"}, "properties": {"provisioningState": "Succeeded"}}), None),
            (json!({"name": {"value": "cores"}, "limit": 350, "tags": null, "properties": null}), None),
            (json!([]), Some("what should be an object is none")),
            (json!({"id": 7}), Some("its `id` is no text")),
            (json!({"tags": []}), Some("its `tags` is no object")),
            (json!({"tags": {"a": 7}}), Some("its `tags` is no list of texts")),
            (json!({"properties": "x"}), Some("its `properties` is no object")),
            (json!({"properties": {"provisioningState": 7}}), Some("its `provisioningState` is no text")),
        ];
        for (item, want) in table {
            assert_eq!(odd(&item).as_deref(), want, "{item}");
        }
    }
}
