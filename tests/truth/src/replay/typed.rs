//! What the client's types make of an answer: resources with id, tags and state, the wait that Azure asks for.

use flamenco_azure_core::inventory::{Observed, Provisioning};
use serde_json::Value;

use super::start;
use crate::recording::Interaction;

/// What is lost or read wrongly.
pub(super) fn judge(interaction: &Interaction) -> Vec<String> {
    let mut failures = Vec::new();
    let answer = &interaction.response;
    let asked = answer.headers.get("retry-after").and_then(|text| text.parse::<u64>().ok());
    if asked.is_some() && answer.retry_after(start()).map(|wait| wait.as_secs()) != asked {
        failures.push("retry-after is read wrongly".to_owned());
    }
    let Some(body) = answer.body.as_ref().filter(|_| answer.is_success()) else { return failures };
    let items = body.get("value").and_then(Value::as_array);
    for shown in items.map_or_else(|| vec![body], |items| items.iter().collect()) {
        let id = shown.get("id").and_then(Value::as_str);
        if let Some(id) = id.filter(|id| is_resource(id) && shown.get("name").is_some()) {
            failures.extend(judge_resource(id, shown));
            failures.extend(super::scale::judge(id, shown));
            failures.extend(super::batch::judge(id, shown));
        }
    }
    failures
}

/// A resource id of its own: not the bare subscription, region or operation.
fn is_resource(id: &str) -> bool {
    id.starts_with("/subscriptions/") && id.to_lowercase().contains("/resourcegroups/")
}

fn judge_resource(id: &str, shown: &Value) -> Option<String> {
    let Some(observed) = Observed::from_body(shown.clone()) else {
        return Some(format!("not read as a resource: {id}"));
    };
    let tags = shown.get("tags").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    let state = shown.pointer("/properties/provisioningState").and_then(Value::as_str);
    let done = state.is_none_or(|state| state.eq_ignore_ascii_case("succeeded"));
    if !observed.id.as_str().eq_ignore_ascii_case(id.trim_end_matches('/')) {
        return Some(format!("read as another resource: {id} -> {}", observed.id));
    }
    if observed.tags().len() != tags {
        return Some(format!("tags are lost: {id}"));
    }
    if (observed.provisioning() == Provisioning::Settled) != done {
        return Some(format!(
            "{} is read as {:?}: {id}",
            state.unwrap_or("no state"),
            observed.provisioning()
        ));
    }
    None
}
