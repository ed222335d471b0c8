//! Tags: their rules, and `…/providers/Microsoft.Resources/tags/default` at any scope.

use serde_json::{Value, json};

use crate::resource::{Tags, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The `tags` of a body, checked: 50 at most, names to 512, values to 256 characters.
pub(crate) fn read_tags(body: &Value) -> Result<Option<Tags>, SimResponse> {
    let tags = match body.get("tags") {
        None | Some(Value::Null) => return Ok(None),
        Some(tags) => tags,
    };
    let Some(members) = tags.as_object() else {
        return Err(bad("InvalidRequestContent", "The request content was invalid: 'tags' is no object."));
    };
    let mut out = Tags::new();
    for (name, value) in members {
        let Some(value) = value.as_str() else {
            return Err(bad(
                "InvalidRequestContent",
                &format!("The tag '{name}' has a value that is no string."),
            ));
        };
        if name.is_empty() || name.len() > 512 || name.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            return Err(bad(
                "InvalidTagNameCharacters",
                &format!(
                    "The tag name '{name}' has reserved characters '<,>,%,&,\\,?,/' or an illegal length."
                ),
            ));
        }
        if value.len() > 256 {
            return Err(bad(
                "InvalidTagValueLength",
                &format!("Tag value too large. The tag '{name}' has more than 256 characters."),
            ));
        }
        out.insert(name.clone(), value.to_owned());
    }
    if out.len() > 50 {
        return Err(bad(
            "TooManyTags",
            &format!("Too many tags on the resource: {}. The maximum is 50.", out.len()),
        ));
    }
    Ok(Some(out))
}

fn bad(code: &str, message: &str) -> SimResponse {
    SimResponse::arm_error(400, code, message)
}

enum Scope {
    Subscription,
    Group(String),
    Resource(String),
}

fn find(world: &World, request: &Request) -> Result<Scope, SimResponse> {
    let scope = key(&request.scope);
    if world.resource(&scope).is_some() {
        return Ok(Scope::Resource(scope));
    }
    match (&request.group, scope.contains("/providers/")) {
        (_, true) => Err(SimResponse::arm_error(
            404,
            "ResourceNotFound",
            &format!("The Resource '{}' was not found.", request.scope),
        )
        .by_gateway()),
        (Some(group), false) => Ok(Scope::Group(group.to_ascii_lowercase())),
        (None, false) => Ok(Scope::Subscription),
    }
}

fn stored<'a>(world: &'a mut World, scope: &Scope) -> Option<&'a mut Tags> {
    match scope {
        Scope::Subscription => Some(&mut world.subscription_tags),
        Scope::Group(name) => world.groups.get_mut(name).map(|g| g.tags.get_or_insert_default()),
        Scope::Resource(id) => world.resource_mut(id).map(|r| r.tags.get_or_insert_default()),
    }
}

/// GET, PUT, PATCH (Merge, Replace, Delete) and DELETE of `tags/default`.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    if request.kind() != "tags" {
        return request.no_such_type();
    }
    let scope = match find(world, request) {
        Ok(scope) => scope,
        Err(refusal) => return refusal,
    };
    let sent = match read_tags(request.body.get("properties").unwrap_or(&Value::Null)) {
        Ok(sent) => sent.unwrap_or_default(),
        Err(refusal) => return refusal,
    };
    let Some(tags) = stored(world, &scope) else { return request.not_found() };
    match request.method.as_str() {
        "GET" => {}
        "PUT" => *tags = sent,
        "DELETE" => {
            tags.clear();
            return SimResponse::empty(200);
        }
        "PATCH" => match request.body.get("operation").and_then(Value::as_str) {
            Some("Merge") => tags.extend(sent),
            Some("Replace") => *tags = sent,
            Some("Delete") => tags.retain(|name, value| sent.get(name) != Some(value)),
            _ => {
                return bad(
                    "InvalidTagsPatchOperation",
                    "The tags patch operation is invalid. It must be 'Merge', 'Replace' or 'Delete'.",
                );
            }
        },
        _ => return request.no_such_method(),
    }
    let tags = tags.clone();
    let body = json!({
        "id": format!("{}/providers/Microsoft.Resources/tags/default", request.scope),
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": tags},
    });
    SimResponse::json(200, &body)
}
