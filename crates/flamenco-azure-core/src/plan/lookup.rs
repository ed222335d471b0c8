//! Values that only a resource can tell, named in a body before it exists: the principal of an identity that the same
//! plan makes.
//!
//! A lookup is JSON, so a plan with one is printed, saved and compared like any other. The planner puts the observed
//! value in its place where the resource exists, and the executor reads the others just before it sends the body.

use serde_json::{Map, Value, json};

use crate::arm::Request;
use crate::ids::ResourceId;
use crate::inventory::{Inventory, Provisioning};

/// The member that no body of Azure's has.
const MARK: &str = "$lookup";

/// A value that is read from a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The resource.
    pub resource: ResourceId,
    /// Where in its body, as a JSON pointer.
    pub pointer: String,
    /// The api-version of the read.
    pub api_version: String,
}

impl Lookup {
    /// The read.
    pub fn request(&self) -> Request {
        let mut request = Request::get(self.resource.as_str());
        request.api_version = Some(self.api_version.clone());
        request
    }

    /// The value in the resource's body; `None` where it is absent or null.
    pub fn value_in<'a>(&self, body: &'a Value) -> Option<&'a Value> {
        body.pointer(&self.pointer).filter(|value| !value.is_null())
    }

    fn of(value: &Value) -> Option<Self> {
        let mark = value.as_object()?.get(MARK)?;
        let text = |key: &str| mark.get(key).and_then(Value::as_str);
        Some(Self {
            resource: text("resource")?.parse().ok()?,
            pointer: text("pointer")?.to_owned(),
            api_version: text("apiVersion")?.to_owned(),
        })
    }
}

/// Stands in a body for the value at `pointer` of another resource. The step waits for the steps of that resource.
pub fn lookup(resource: &ResourceId, pointer: &str, api_version: &'static str) -> Value {
    json!({MARK: {"resource": resource, "pointer": pointer, "apiVersion": api_version}})
}

/// The lookups in a body, in its order.
pub fn lookups(body: &Value) -> Vec<Lookup> {
    let mut found = Vec::new();
    // The walk sees each of them once and changes nothing.
    replace(body, &mut |lookup| {
        found.push(lookup.clone());
        None
    });
    found
}

/// The body with each lookup replaced by what `value` says; those it says nothing about stay.
pub fn replace(body: &Value, value: &mut dyn FnMut(&Lookup) -> Option<Value>) -> Value {
    if let Some(lookup) = Lookup::of(body) {
        return value(&lookup).unwrap_or_else(|| body.clone());
    }
    match body {
        Value::Object(members) => {
            let members: Map<String, Value> =
                members.iter().map(|(key, inner)| (key.clone(), replace(inner, value))).collect();
            Value::Object(members)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| replace(item, value)).collect()),
        other => other.clone(),
    }
}

/// The body with what is observed in place of its lookups. What is about to go says nothing.
pub(super) fn resolve(body: &Value, inventory: &Inventory) -> Value {
    replace(body, &mut |lookup| {
        let observed = inventory.get(&lookup.resource)?;
        let stays = observed.provisioning() != Provisioning::Deleting;
        lookup.value_in(&observed.body).filter(|_| stays).cloned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> ResourceId {
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
            .parse()
            .unwrap()
    }

    #[test]
    fn observed_values_take_the_place_of_lookups_and_others_stay() {
        let known = lookup(&identity(), "/properties/principalId", "v");
        let unknown = lookup(&identity(), "/properties/other", "v");
        let body = json!({"a": [known, 1], "b": {"c": unknown}});
        assert_eq!(lookups(&body).len(), 2);
        let mut inventory = Inventory::default();
        assert_eq!(resolve(&body, &inventory), body);
        inventory.extend([json!({"id": identity(), "properties": {"principalId": "p"}})]);
        assert_eq!(resolve(&body, &inventory), json!({"a": ["p", 1], "b": {"c": unknown}}));
        inventory.extend([
            json!({"id": identity(), "properties": {"principalId": "p", "provisioningState": "Deleting"}}),
        ]);
        assert_eq!(resolve(&body, &inventory), body);
    }
}
