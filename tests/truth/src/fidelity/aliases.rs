//! Names that Azure makes up and that clients send back: disks, principals, nodes.

use std::collections::BTreeMap;

use azure_sim::{SimRequest, World};
use serde_json::Value;
use url::Url;

use crate::recording::Interaction;

/// Members whose strings Azure makes up.
const MADE_UP: &[&str] = &["principalId", "clientId", "osDisk.name", "dataDisks.name"];

/// Pairs recorded and simulated names, member by member.
pub(super) fn pair(theirs: &Value, ours: &Value, place: &str, aliases: &mut BTreeMap<String, String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                let Some(here) = ours.get(name) else { continue };
                let inner = format!("{place}.{name}");
                let made_up =
                    MADE_UP.contains(&name.as_str()) || MADE_UP.contains(&inner.trim_start_matches('.'));
                match (value.as_str(), here.as_str()) {
                    (Some(theirs), Some(ours)) if made_up => note(theirs, ours, aliases),
                    _ => pair(value, here, name, aliases),
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            for (theirs, ours) in theirs.iter().zip(ours) {
                pair(theirs, ours, place, aliases);
            }
        }
        _ => {}
    }
}

/// Pairs the ids of a list's items, in their order.
pub(super) fn items(theirs: &Value, ours: &Value, aliases: &mut BTreeMap<String, String>) {
    let ids = |body: &Value| -> Vec<String> {
        let items = body.get("value").and_then(Value::as_array);
        items.into_iter().flatten().filter_map(|item| Some(item.get("id")?.as_str()?.to_owned())).collect()
    };
    for (theirs, ours) in ids(theirs).iter().zip(ids(ours)) {
        note(theirs, &ours, aliases);
    }
}

fn note(theirs: &str, ours: &str, aliases: &mut BTreeMap<String, String>) {
    if theirs != ours && theirs.len() > 8 {
        aliases.insert(theirs.to_owned(), ours.to_owned());
    }
}

/// Nodes that a request names and nothing showed stand for those that the pool has.
pub(super) fn unknown_nodes(
    world: &mut World,
    host: &str,
    pool: &str,
    interaction: &Interaction,
    aliases: &mut BTreeMap<String, String>,
) {
    let mut named: Vec<String> = Vec::new();
    let mut segments = interaction.url.path().split('/').skip_while(|segment| *segment != "nodes").skip(1);
    named.extend(segments.next().map(str::to_owned));
    let list = interaction.body.as_ref().and_then(|body| body.get("nodeList")?.as_array().cloned());
    named.extend(list.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())));
    named.retain(|name| !name.is_empty() && !aliases.contains_key(name));
    if named.is_empty() {
        return;
    }
    let Ok(url) = Url::parse(&format!("https://{host}/pools/{pool}/nodes?api-version=2024-02-01.19.0"))
    else {
        return;
    };
    let nodes = world.handle(&SimRequest::new("GET", url).header("authorization", "Bearer any")).json_body();
    let ids = nodes.get("value").and_then(Value::as_array).into_iter().flatten();
    let ids: Vec<&str> = ids.filter_map(|node| node.get("id")?.as_str()).collect();
    for (theirs, ours) in named.iter().zip(ids) {
        if theirs != ours {
            aliases.insert(theirs.clone(), ours.to_owned());
        }
    }
}
