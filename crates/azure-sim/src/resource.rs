//! The stored generic ARM resource.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Tags of a resource or resource group.
pub type Tags = BTreeMap<String, String>;

/// `properties.provisioningState` as ARM spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// A first PUT is being carried out.
    Creating,
    /// A later PUT or PATCH is being carried out (network resources say this on creation too).
    Updating,
    /// A DELETE is being carried out.
    Deleting,
    /// Done.
    Succeeded,
    /// The last operation ended in an error.
    Failed,
}

impl ProvisioningState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Whether an operation is still running.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Deleting)
    }
}

/// One ARM resource. Top-level resources and children (subnets, pools) are stored alike, under the lower-cased id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Resource id in the casing of its creation.
    pub id: String,
    /// Full type, for example `Microsoft.Network/virtualNetworks/subnets`.
    pub kind: String,
    /// Last name of the id.
    pub name: String,
    /// Name of the resource group.
    pub group: String,
    /// Region, normalised (`westeurope`); absent for children and global resources.
    pub location: Option<String>,
    /// Tags; `None` renders no `tags` member at all.
    pub tags: Option<Tags>,
    /// `properties` without `provisioningState`.
    pub properties: Value,
    /// Other top-level members of the body (sku, identity, zones, kind, plan).
    pub extra: Map<String, Value>,
    /// Entity tag with quotes, for example `W/"guid"`.
    pub etag: String,
    /// What reads show as `provisioningState`.
    pub state: ProvisioningState,
    /// When the running operation ends; `None` when none runs or it never ends.
    pub ready_at: Option<Timestamp>,
    /// Id of the resource that owns this one (`managedBy`).
    pub managed_by: Option<String>,
    /// When it was first accepted.
    pub created_at: Timestamp,
    /// Put into the world by a test instead of by a request; checkers pass over it.
    pub foreign: bool,
}

impl Resource {
    /// A resource that is ready, with empty properties.
    pub fn new(id: &str, kind: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            name: last_segment(id).to_owned(),
            group: group_of(id).unwrap_or_default().to_owned(),
            location: None,
            tags: None,
            properties: json!({}),
            extra: Map::new(),
            etag: String::new(),
            state: ProvisioningState::Succeeded,
            ready_at: None,
            managed_by: None,
            created_at: now,
            foreign: false,
        }
    }

    /// The key it is stored under.
    pub fn key(&self) -> String {
        key(&self.id)
    }

    /// Whether it is of the given full type (any casing).
    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Whether the type is top-level (`Namespace/type`), that is, listed by `/resources`.
    pub fn is_top_level(&self) -> bool {
        self.kind.matches('/').count() == 1
    }

    /// A member of `properties`, by JSON pointer.
    pub fn property(&self, pointer: &str) -> Option<&Value> {
        self.properties.pointer(pointer)
    }

    /// A string member of `properties`, by JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.property(pointer).and_then(Value::as_str)
    }

    /// Sets one member of `properties`.
    pub fn set(&mut self, name: &str, value: Value) {
        if !self.properties.is_object() {
            self.properties = json!({});
        }
        self.properties[name] = value;
    }

    /// `properties` with `provisioningState` in front, as Azure sends it.
    pub fn properties_body(&self) -> Value {
        let mut properties = Map::new();
        properties.insert("provisioningState".into(), json!(self.state.as_str()));
        if let Some(stored) = self.properties.as_object() {
            for (name, value) in stored {
                properties.insert(name.clone(), value.clone());
            }
        }
        Value::Object(properties)
    }

    /// The header part of the body: name, id, type, location, tags and the extra members.
    pub fn envelope(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("name".into(), json!(self.name));
        body.insert("id".into(), json!(self.id));
        body.insert("type".into(), json!(self.kind));
        if let Some(location) = &self.location {
            body.insert("location".into(), json!(location));
        }
        if let Some(tags) = &self.tags {
            body.insert("tags".into(), json!(tags));
        }
        if let Some(owner) = &self.managed_by {
            body.insert("managedBy".into(), json!(owner));
        }
        for (name, value) in &self.extra {
            body.insert(name.clone(), value.clone());
        }
        body
    }

    /// The whole body: envelope and properties.
    pub fn body(&self) -> Value {
        let mut body = self.envelope();
        body.insert("properties".into(), self.properties_body());
        Value::Object(body)
    }
}

/// The key under which an id is stored: Azure compares ids case-insensitively.
pub fn key(id: &str) -> String {
    id.trim_end_matches('/').to_ascii_lowercase()
}

/// The last segment of an id.
pub fn last_segment(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or(id)
}

/// The resource group's name in an id.
pub fn group_of(id: &str) -> Option<&str> {
    let mut segments = id.split('/');
    while let Some(segment) = segments.next() {
        if segment.eq_ignore_ascii_case("resourceGroups") {
            return segments.next();
        }
    }
    None
}

/// The id of the parent of a nested resource: two segments less.
pub fn parent_of(id: &str) -> Option<&str> {
    let (front, _) = id.rsplit_once('/')?;
    let (parent, _) = front.rsplit_once('/')?;
    Some(parent)
}

/// A region's short name: lower case, no blanks (`West Europe` is `westeurope`).
pub fn normal_location(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// The `id` member of a reference object such as `{"id": "…"}`.
pub fn reference(value: Option<&Value>) -> Option<&str> {
    value?.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBNET: &str =
        "/subscriptions/s/resourcegroups/Farm/providers/Microsoft.Network/virtualNetworks/v/subnets/a";

    #[test]
    fn ids_are_taken_apart_in_any_casing() {
        assert_eq!(group_of(SUBNET), Some("Farm"));
        assert_eq!(last_segment(SUBNET), "a");
        assert!(parent_of(SUBNET).is_some_and(|p| p.ends_with("virtualNetworks/v")));
        assert_eq!(normal_location("West Europe"), "westeurope");
    }
}
