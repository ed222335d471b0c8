//! Lists of resources with `$filter`, `$top` and `nextLink`.

use serde_json::{Map, Value, json};

use crate::operation::{ARM, later};
use crate::resource::{Resource, Tags, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The clauses of a `$filter`, joined by `and`.
#[derive(Debug, Default)]
pub(super) struct Filter {
    clauses: Vec<(String, String)>,
}

impl Filter {
    /// Clauses of the form `name eq 'value'`.
    pub(super) fn parse(text: Option<&str>) -> Self {
        let mut clauses = Vec::new();
        for clause in text.unwrap_or_default().split(" and ") {
            if let Some((name, value)) = clause.split_once(" eq ") {
                let value = value.trim().trim_matches('\'').replace("''", "'");
                clauses.push((name.trim().to_ascii_lowercase(), value));
            }
        }
        Self { clauses }
    }

    fn clause(&self, name: &str) -> Option<&str> {
        let found = self.clauses.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// Whether tags satisfy `tagName` and `tagValue`.
    pub(super) fn tags_match(&self, tags: Option<&Tags>) -> bool {
        let Some(wanted) = self.clause("tagname") else { return true };
        let found = tags.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        match (found, self.clause("tagvalue")) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, value)), Some(wanted)) => value == wanted,
        }
    }

    fn matches(&self, resource: &Resource) -> bool {
        let location = resource.location.as_deref().unwrap_or_default();
        self.clause("resourcetype").is_none_or(|kind| resource.is(kind))
            && self.clause("name").is_none_or(|name| resource.name.eq_ignore_ascii_case(name))
            && self.clause("location").is_none_or(|l| location.eq_ignore_ascii_case(l))
            && self.clause("resourcegroup").is_none_or(|g| resource.group.eq_ignore_ascii_case(g))
            && self.tags_match(resource.tags.as_ref())
    }
}

/// `GET …/resources` of a subscription or group: identity, type, tags, but no properties.
pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    if request.method != "GET" {
        return request.no_such_method();
    }
    let filter = Filter::parse(request.query("$filter"));
    let below = match &request.group {
        Some(group) => format!("{}/", key(&world.group_id(group))),
        None => String::new(),
    };
    let expand = request.query("$expand").unwrap_or_default();
    let value: Vec<Value> = world
        .resources()
        .iter()
        .filter(|(k, r)| k.starts_with(&below) && r.is_top_level() && filter.matches(r))
        .filter(|(_, r)| !r.is(super::deployments::DEPLOYMENT))
        .filter(|(_, r)| later(r.created_at, world.list_lag_s) <= world.now())
        .map(|(_, r)| brief(r, expand))
        .collect();
    let mut value = value;
    if filter.clause("resourcetype").is_none_or(|kind| kind.eq_ignore_ascii_case(crate::compute::VM)) {
        crate::scaleset::vm::each(world, &below, |machine| {
            if filter.matches(machine) {
                value.push(brief(machine, expand));
            }
        });
    }
    page(request, value)
}

fn brief(resource: &Resource, expand: &str) -> Value {
    let envelope = resource.envelope();
    let mut body = Map::new();
    for name in ["id", "name", "type", "location", "tags", "managedBy", "sku", "kind", "identity", "plan"] {
        if let Some(value) = envelope.get(name) {
            body.insert(name.into(), value.clone());
        }
    }
    if expand.contains("provisioningState") {
        body.insert("provisioningState".into(), json!(resource.state.as_str()));
    }
    if expand.contains("createdTime") {
        body.insert("createdTime".into(), json!(resource.created_at.to_string()));
    }
    Value::Object(body)
}

/// One page of a list: `$top` (1,000 at most), then `nextLink` with an opaque `$skiptoken`.
pub(crate) fn page(request: &Request, all: Vec<Value>) -> SimResponse {
    let top = request.query("$top").and_then(|t| t.parse().ok()).unwrap_or(1000_usize).clamp(1, 1000);
    let skip = request.query("$skiptoken").and_then(|t| t.parse().ok()).unwrap_or(0_usize);
    let total = all.len();
    let value: Vec<Value> = all.into_iter().skip(skip).take(top).collect();
    let mut body = json!({"value": value});
    if skip + top < total {
        let mut query = vec![format!("api-version={}", request.api_version)];
        for name in ["$filter", "$expand"] {
            if let Some(text) = request.query(name) {
                let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                query.push(format!("%24{}={text}", &name[1..]));
            }
        }
        if request.query("$top").is_some() {
            query.push(format!("%24top={top}"));
        }
        query.push(format!("%24skiptoken={}", skip + top));
        body["nextLink"] = json!(format!("{ARM}{}?{}", request.path, query.join("&")));
    }
    SimResponse::json(200, &body)
}
