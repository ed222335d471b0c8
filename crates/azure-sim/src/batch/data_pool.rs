//! Pools that are added through the data plane: `POST {endpoint}/pools`.

use serde_json::{Map, Value, json};

use crate::route::Request;

/// Enum values whose spelling differs between the planes: (property, data plane, control plane).
const SPELLINGS: &[(&str, &str, &str)] = &[
    ("scope", "pool", "Pool"),
    ("scope", "task", "Task"),
    ("elevationLevel", "admin", "Admin"),
    ("elevationLevel", "nonadmin", "NonAdmin"),
    ("nodeFillType", "spread", "Spread"),
    ("nodeFillType", "pack", "Pack"),
    ("provision", "batchmanaged", "BatchManaged"),
    ("provision", "usermanaged", "UserManaged"),
    ("provision", "nopublicipaddresses", "NoPublicIPAddresses"),
    ("caching", "none", "None"),
    ("caching", "readonly", "ReadOnly"),
    ("caching", "readwrite", "ReadWrite"),
    ("policy", "regional", "Regional"),
    ("policy", "zonal", "Zonal"),
    ("targetNodeCommunicationMode", "default", "Default"),
    ("targetNodeCommunicationMode", "classic", "Classic"),
    ("targetNodeCommunicationMode", "simplified", "Simplified"),
];

/// Properties of the same name in both planes.
const SAME: &[&str] = &[
    "displayName",
    "metadata",
    "networkConfiguration",
    "resourceTags",
    "startTask",
    "targetNodeCommunicationMode",
    "taskSchedulingPolicy",
    "taskSlotsPerNode",
    "userAccounts",
    "vmSize",
];

fn spelled(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                // The data plane spells `nodeAgentSKUId`.
                let to = if name == "nodeAgentSKUId" { "nodeAgentSkuId" } else { name };
                (to.to_owned(), spelled(name, value))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| spelled("", item)).collect()),
        Value::String(text) => {
            let row = SPELLINGS.iter().find(|row| row.0 == name && row.1.eq_ignore_ascii_case(text));
            row.map_or_else(|| value.clone(), |row| json!(row.2))
        }
        other => other.clone(),
    }
}

/// A count. `az` 2.91 sends its counts as text (`"3"`), which the service takes.
pub(super) fn number(body: &Value, name: &str) -> Option<u32> {
    let value = body.get(name)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}

fn scale(body: &Value) -> Value {
    if body.get("enableAutoScale").and_then(Value::as_bool) == Some(true) {
        let formula = body.get("autoScaleFormula").cloned().unwrap_or_default();
        let mut scale = json!({"formula": formula});
        if let Some(interval) = body.get("autoScaleEvaluationInterval") {
            scale["evaluationInterval"] = interval.clone();
        }
        return json!({"autoScale": scale});
    }
    let mut fixed = Map::new();
    for name in ["targetDedicatedNodes", "targetLowPriorityNodes"] {
        if let Some(number) = number(body, name) {
            fixed.insert(name.into(), json!(number));
        }
    }
    if let Some(timeout) = body.get("resizeTimeout") {
        fixed.insert("resizeTimeout".into(), timeout.clone());
    }
    json!({"fixedScale": fixed})
}

/// The request that adds the same pool in the control plane.
pub(super) fn to_control_plane(request: &Request, account: &str) -> Request {
    let body = &request.body;
    let mut properties = Map::new();
    for name in SAME {
        if let Some(value) = body.get(*name) {
            properties.insert((*name).to_owned(), spelled(name, value));
        }
    }
    if let Some(machine) = body.get("virtualMachineConfiguration") {
        let machine = spelled("", machine);
        properties.insert("deploymentConfiguration".into(), json!({"virtualMachineConfiguration": machine}));
    }
    if let Some(talk) = body.get("enableInterNodeCommunication").and_then(Value::as_bool) {
        let word = if talk { "Enabled" } else { "Disabled" };
        properties.insert("interNodeCommunication".into(), json!(word));
    }
    if let Some(references) = body.get("applicationPackageReferences") {
        let references = super::reference::control_plane(references, account);
        properties.insert("applicationPackages".into(), references);
    }
    properties.insert("scaleSettings".into(), scale(body));
    let mut request = request.clone();
    request.body = json!({"properties": properties});
    request
}

/// Code, message and values of an error of the control plane.
pub(super) fn error_of(body: &Value) -> (String, String, Vec<(String, String)>) {
    let error = body.get("error").cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
        // What follows is the request's id and time, of which the data plane has its own.
        text.lines().next().unwrap_or_default().to_owned()
    };
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let values = details.map(|detail| (text(detail, "code"), text(detail, "message"))).collect();
    (text(&error, "code"), text(&error, "message"), values)
}
