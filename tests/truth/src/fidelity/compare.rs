//! What an answer of the simulator lacks of the recorded one.
//!
//! Compared: status; presence and style of operation links; presence of the etag; `Retry-After` where the recorder kept
//! it; every key path of the body with its JSON type; the values of enumerations; error codes. Not compared: values that
//! Azure invents. A null member counts as absent: no client sees the difference. Members that only the simulator sends
//! are judged elsewhere, by Microsoft's schemas (`tests/wire-oracle`): recordings are of older api-versions.

use azure_sim::SimResponse;
use flamenco_azure_core::arm::{Method, Response};
use serde_json::Value;
use url::Url;

use crate::links::style;
use crate::recording::Interaction;

/// Members whose values are words of the API, wherever they stand.
const ENUMS: &[&str] = &[
    "access",
    "accessTier",
    "action",
    "allocationState",
    "bypass",
    "caching",
    "category",
    "code",
    "createOption",
    "currentNodeCommunicationMode",
    "defaultAction",
    "deleteOption",
    "direction",
    "elevationLevel",
    "enabledProtocols",
    "evictionPolicy",
    "hyperVGeneration",
    "identityType",
    "keySource",
    "kind",
    "leaseState",
    "leaseStatus",
    "level",
    "minimumTlsVersion",
    "nodeDeallocationOption",
    "nodeFillType",
    "orchestrationMode",
    "osType",
    "poolAllocationMode",
    "principalType",
    "priority",
    "privateEndpointNetworkPolicies",
    "privateIPAddressVersion",
    "privateIPAllocationMethod",
    "privateLinkServiceNetworkPolicies",
    "protocol",
    "provisioningState",
    "publicAccess",
    "publicIPAddressVersion",
    "publicIPAllocationMethod",
    "publicNetworkAccess",
    "reason",
    "registrationState",
    "rootSquash",
    "schedulingState",
    "scope",
    "state",
    "status",
    "statusOfPrimary",
    "storageAccountType",
    "target",
    "tier",
    "type",
    "unit",
];

/// What is known of the pair beside its two answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// The recorder kept `Retry-After`.
    pub retry_after: bool,
    /// The recorder kept no request bodies: what the request asked for is unknown, so its body is not compared.
    pub unknown_request: bool,
    /// A poll: how long Azure asks to wait varies from one to the next.
    pub poll: bool,
}

/// The differences, in words that the table of known ones uses too.
pub fn compare(recorded: &Interaction, ours: &SimResponse, setting: Setting) -> Vec<String> {
    let truth = &recorded.response;
    if truth.status != ours.status {
        let code = ours.error_code().map(|code| format!(" ({code})")).unwrap_or_default();
        return vec![format!("status {} -> {}{code}", truth.status, ours.status)];
    }
    let mut differences = headers(recorded, ours, setting);
    if truth.status >= 400 {
        differences.extend(error_code(truth, ours));
    }
    let body = ours.json_body();
    if let Some(wanted) = truth.body.as_ref().filter(|_| !setting.unknown_request) {
        differences.extend(bodies(wanted, &body));
    }
    // A read without a body is one whose body the recorder dropped.
    let bodiless = truth.body.is_none() && truth.text.is_none() && recorded.method != Method::Get;
    if bodiless && !ours.body.is_empty() {
        differences.push("body: empty -> not empty".to_owned());
    }
    differences
}

fn headers(recorded: &Interaction, ours: &SimResponse, setting: Setting) -> Vec<String> {
    let mut differences = Vec::new();
    for name in ["azure-asyncoperation", "location"] {
        let theirs = recorded.links().find(|(known, _)| *known == name).map(|(_, link)| style(&link));
        let here = ours.header(name).and_then(|link| recorded.url.join(link).ok()).map(|link| style(&link));
        if theirs != here {
            let word = |link: Option<String>| link.unwrap_or_else(|| "absent".to_owned());
            differences.push(format!("header {name}: {} -> {}", word(theirs), word(here)));
        }
    }
    let etag = (recorded.response.etag().is_some(), ours.header("etag").is_some());
    if etag.0 && !etag.1 {
        differences.push("header etag: present -> absent".to_owned());
    }
    if setting.retry_after {
        let theirs = recorded.response.headers.get("retry-after").map(str::to_owned);
        let here = ours.header("retry-after").map(str::to_owned);
        let differs = if setting.poll { theirs.is_some() != here.is_some() } else { theirs != here };
        if differs {
            let word = |value: Option<String>| value.unwrap_or_else(|| "absent".to_owned());
            differences.push(format!("header retry-after: {} -> {}", word(theirs), word(here)));
        }
    }
    differences
}

fn error_code(truth: &Response, ours: &SimResponse) -> Option<String> {
    let code = |body: &Value| -> Option<String> {
        let code = body
            .pointer("/error/code")
            .or_else(|| body.get("code"))
            .or_else(|| body.pointer("/Error/Code"))?;
        code.as_str().map(str::to_owned)
    };
    let (theirs, here) = (truth.body.as_ref().and_then(code), code(&ours.json_body()));
    let word = |code: Option<String>| code.unwrap_or_else(|| "none".to_owned());
    (theirs != here).then(|| format!("error code: {} -> {}", word(theirs), word(here)))
}

/// What `here` lacks of `wanted`.
pub fn bodies(wanted: &Value, here: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    walk(wanted, here, "", &mut differences);
    differences.sort();
    differences.dedup();
    differences
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn walk(wanted: &Value, here: &Value, path: &str, differences: &mut Vec<String>) {
    match (wanted, here) {
        (Value::Null, _) => {}
        (Value::Object(wanted), Value::Object(here)) => {
            for (name, value) in wanted {
                let path = join(path, name);
                match member(here, name) {
                    _ if value.is_null() => {}
                    None | Some(Value::Null) => differences.push(format!("lacks {path}")),
                    Some(found) => {
                        walk(value, found, &path, differences);
                        enumeration(name, value, found, &path, differences);
                    }
                }
            }
        }
        (Value::Array(wanted), Value::Array(here)) => {
            let path = format!("{path}[]");
            for (index, value) in wanted.iter().enumerate() {
                match counterpart(value, here, index) {
                    Some(found) => walk(value, found, &path, differences),
                    None => differences.push(format!("lacks {path}")),
                }
            }
        }
        (wanted, here) if kind(wanted) != kind(here) => {
            differences.push(format!("type {path}: {} -> {}", kind(wanted), kind(here)));
        }
        _ => {}
    }
}

/// Ids as names of members carry names that somebody chose.
fn join(path: &str, name: &str) -> String {
    let name = if name.contains('/') { "{id}" } else { name };
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn member<'a>(members: &'a serde_json::Map<String, Value>, name: &str) -> Option<&'a Value> {
    let folded =
        || members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    members.get(name).or_else(|| name.contains('/').then(folded).flatten())
}

/// The item that stands for the same thing: of the same name or id, else at the same place, else any.
fn counterpart<'a>(item: &Value, among: &'a [Value], index: usize) -> Option<&'a Value> {
    let mark = |value: &Value| {
        let name = ["name", "id", "code"].iter().find_map(|key| value.get(*key)?.as_str().map(str::to_owned));
        name.map(|name| name.rsplit('/').next().unwrap_or_default().to_lowercase())
    };
    let wanted = mark(item);
    let same = wanted.and_then(|wanted| among.iter().find(|value| mark(value).is_some_and(|m| m == wanted)));
    same.or_else(|| among.get(index)).or_else(|| among.first())
}

fn enumeration(name: &str, wanted: &Value, here: &Value, path: &str, differences: &mut Vec<String>) {
    let (Some(theirs), Some(ours)) = (wanted.as_str(), here.as_str()) else { return };
    if ENUMS.contains(&name) && theirs != ours {
        differences.push(format!("enum {path}: {theirs} -> {ours}"));
    }
}

/// The ids of a list's items, in lower case.
pub fn ids(list: &Value) -> Vec<String> {
    let items = list.get("value").and_then(Value::as_array);
    let id = |item: &Value| Some(item.get("id")?.as_str()?.to_lowercase());
    items.into_iter().flatten().filter_map(id).collect()
}

/// A list reduced to the items with these ids.
pub fn only(list: &Value, keep: &[String]) -> Value {
    let mut list = list.clone();
    if let Some(items) = list.get_mut("value").and_then(Value::as_array_mut) {
        items.retain(|item| {
            let id = item.get("id").and_then(Value::as_str).map(str::to_lowercase);
            id.is_some_and(|id| keep.contains(&id))
        });
    }
    list
}

/// The absolute URL of a link of ours.
pub fn link(ours: &SimResponse, name: &str, base: &Url) -> Option<Url> {
    base.join(ours.header(name)?).ok()
}
