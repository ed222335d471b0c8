//! The immutability policy of a storage account: what may become of what (recorded traffic).

use serde_json::{Value, json};

use crate::wire::SimResponse;

fn refused(message: &str) -> SimResponse {
    SimResponse::arm_error(400, "InvalidStorageAccountImmutabilityPolicy", message)
}

/// The stored member after a request asked for `wanted`; `stored` is null for a new account.
pub(super) fn merge(stored: &Value, wanted: &Value, new: bool) -> Result<Value, SimResponse> {
    let mut merged = if stored.is_object() { stored.clone() } else { json!({}) };
    if let Some(enabled) = wanted.get("enabled") {
        merged["enabled"] = enabled.clone();
    }
    let Some(policy) = wanted.get("immutabilityPolicy").filter(|policy| policy.is_object()) else {
        return Ok(merged);
    };
    if merged.get("enabled") != Some(&json!(true)) {
        return Err(refused(
            "Storage account level default immutability policy cannot be set as account level WORM is disabled",
        ));
    }
    if new && policy.get("state").is_none() {
        return Err(refused(
            "The required property immutabilityPolicy.state, immutabilityPolicy.immutabilityPeriodSinceCreationInDays is missing.",
        ));
    }
    let before = stored.pointer("/immutabilityPolicy/state").and_then(Value::as_str).unwrap_or_default();
    let asked = policy.get("state").and_then(Value::as_str);
    let days = |policy: &Value| policy.get("immutabilityPeriodSinceCreationInDays").and_then(Value::as_u64);
    if before == "Locked" {
        if asked.is_some_and(|state| state != "Locked") {
            return Err(refused("The immutability policy state cannot be changed once Locked."));
        }
        if days(policy) < stored.get("immutabilityPolicy").and_then(days) && days(policy).is_some() {
            return Err(refused(
                "The immutabilityPeriodSinceCreationInDays can only be extended for a Locked policy.",
            ));
        }
        if policy.get("allowProtectedAppendWrites").is_some() {
            return Err(refused("Request parameters are invalid: allowProtectedAppendWrites."));
        }
    }
    if asked == Some("Locked") && (new || before != "Unlocked" && before != "Locked") {
        return Err(refused(
            "Storage account immutability policy state can be set to \"Unlocked, Disabled\". Note that the immutability state can either be Disabled or Unlocked during account creation.",
        ));
    }
    for (name, value) in policy.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        if !merged["immutabilityPolicy"].is_object() {
            merged["immutabilityPolicy"] = json!({"state": "Disabled", "allowProtectedAppendWrites": false});
        }
        merged["immutabilityPolicy"][name] = value.clone();
    }
    Ok(merged)
}
