//! What a template deployment makes: its request says it.

use flamenco_azure_core::arm::Method;
use serde_json::{Value, json};

use super::names::simulated;
use crate::recording::Interaction;

/// What a template deployment makes, in the order of the template.
pub(super) fn resources(interaction: &Interaction) -> Vec<(String, Value)> {
    let path = interaction.url.path();
    let Some(at) = path.to_lowercase().find("/providers/microsoft.resources/deployments/") else {
        return Vec::new();
    };
    let body = interaction.body.as_ref().filter(|_| interaction.method == Method::Put);
    let resources = body.and_then(|body| body.pointer("/properties/template/resources")?.as_array());
    let made = resources.into_iter().flatten().filter_map(|resource| {
        let (kind, name) = (resource.get("type")?.as_str()?, resource.get("name")?.as_str()?);
        let id = format!("{}/providers/{kind}/{name}", &path[..at]);
        let mut body = resource.as_object()?.clone();
        for name in ["type", "name", "apiVersion", "dependsOn"] {
            body.remove(name);
        }
        Some((id, expanded(&Value::Object(body), &path[..at])))
    });
    made.filter(|(id, _)| simulated(id)).collect()
}

/// `[resourceId('type', 'name')]` as the id that it stands for; other expressions stay.
fn expanded(value: &Value, group: &str) -> Value {
    match value {
        Value::String(text) => {
            let inner = text.strip_prefix("[resourceId('").and_then(|rest| rest.strip_suffix("')]"));
            match inner.and_then(|inner| inner.split_once("', '")) {
                Some((kind, name)) if !name.contains('\'') => {
                    json!(format!("{group}/providers/{kind}/{name}"))
                }
                _ => value.clone(),
            }
        }
        Value::Array(items) => items.iter().map(|item| expanded(item, group)).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), expanded(value, group))).collect(),
        ),
        other => other.clone(),
    }
}
