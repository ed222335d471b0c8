//! How a scale set looks from outside (recorded traffic). Written straight into text: lists are long.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::state::ScaleSet;
use crate::resource::Resource;

/// A set with its resource.
pub(super) struct Body<'a>(pub(super) &'a Resource, pub(super) &'a ScaleSet);

/// Its `properties`.
struct Properties<'a>(&'a Resource);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(resource, set) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &resource.name)?;
        map.serialize_entry("id", &resource.id)?;
        map.serialize_entry("type", &resource.kind)?;
        map.serialize_entry("location", &resource.location)?;
        if let Some(tags) = &resource.tags {
            map.serialize_entry("tags", tags)?;
        }
        for (name, value) in &resource.extra {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("etag", &set.etag())?;
        map.serialize_entry("properties", &Properties(resource))?;
        map.end()
    }
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.properties.as_object().into_iter().flatten() {
            if name != "_sim" {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("provisioningState", self.0.state.as_str())?;
        map.end()
    }
}

/// The body as text.
pub(super) fn text(resource: &Resource, set: &ScaleSet) -> String {
    serde_json::to_string(&Body(resource, set)).unwrap_or_default()
}

/// The body as JSON.
pub(super) fn json(resource: &Resource, set: &ScaleSet) -> Value {
    serde_json::to_value(Body(resource, set)).unwrap_or_else(|_| json!({}))
}
