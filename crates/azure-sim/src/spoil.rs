//! Answers that arrive otherwise than they were sent or meant.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::SimResponse;

/// How an answer is spoiled. The change that it tells of is applied all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spoil {
    /// Only the first half of the body arrives.
    Truncated,
    /// Every value at this depth has another JSON type: 0 is the document, 1 its members, and so on.
    WrongType(u8),
    /// Every state has a name that no client knows.
    UnknownEnum,
}

/// Members whose values are names out of a list that services lengthen at will.
const ENUMS: &[&str] = &[
    "provisioningState",
    "status",
    "state",
    "allocationState",
    "registrationState",
    "code",
    "statusOfPrimary",
    "vmState",
];

impl Spoil {
    /// Spoils a body; one without JSON stays as it is, unless it is cut.
    pub(crate) fn apply(self, response: &mut SimResponse) {
        if self == Self::Truncated {
            response.body.truncate(response.body.len() / 2);
            return;
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else { return };
        match self {
            Self::WrongType(depth) => retype(&mut body, depth),
            Self::UnknownEnum | Self::Truncated => rename_states(&mut body),
        }
        response.body = body.to_string().into_bytes();
    }
}

fn retype(value: &mut Value, depth: u8) {
    match value {
        Value::Object(members) if depth > 0 => members.values_mut().for_each(|v| retype(v, depth - 1)),
        Value::Array(items) if depth > 0 => items.iter_mut().for_each(|v| retype(v, depth - 1)),
        _ if depth > 0 => {}
        Value::Object(_) => *value = json!([]),
        Value::Array(_) => *value = json!({}),
        Value::String(_) => *value = json!(7),
        Value::Number(_) | Value::Bool(_) => *value = json!("seven"),
        Value::Null => {}
    }
}

fn rename_states(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if ENUMS.contains(&name.as_str()) => {
                        // `PowerState/running`, `ProvisioningState/succeeded`: the part before the slash is the kind.
                        let kind =
                            text.rsplit_once('/').map_or(String::new(), |(kind, _)| format!("{kind}/"));
                        *text = format!("{kind}Quivering");
                    }
                    other => rename_states(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename_states),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoiled(spoil: Spoil, body: &Value) -> Value {
        let mut response = SimResponse::json(200, body);
        spoil.apply(&mut response);
        response.json_body()
    }

    #[test]
    fn types_change_at_one_depth_only() {
        let body = json!({"id": "x", "properties": {"n": 1, "tags": {"a": "b"}, "list": [true]}});
        assert_eq!(spoiled(Spoil::WrongType(0), &body), json!([]));
        assert_eq!(spoiled(Spoil::WrongType(1), &body), json!({"id": 7, "properties": []}));
        let second = json!({"id": "x", "properties": {"n": "seven", "tags": [], "list": {}}});
        assert_eq!(spoiled(Spoil::WrongType(2), &body), second);
    }

    #[test]
    fn states_get_names_that_nobody_knows() {
        let body = json!({"properties": {"provisioningState": "Succeeded", "statuses": [{"code": "PowerState/running"}]}});
        let want = json!({"properties": {"provisioningState": "Quivering", "statuses": [{"code": "PowerState/Quivering"}]}});
        assert_eq!(spoiled(Spoil::UnknownEnum, &body), want);
    }
}
