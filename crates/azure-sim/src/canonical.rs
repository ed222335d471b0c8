//! The state of a world as crash tests compare it: what there is, without how it came about.

use serde_json::{Map, Value, json};

use crate::world::World;

/// Members whose value is drawn from the generator; points in time are left out wherever they stand.
const VOLATILE: &[&str] = &[
    "etag",
    "eTag",
    "resourceGuid",
    "principalId",
    // of a role assignment
    "principal",
    "clientId",
    "vmId",
    "uniqueId",
    "ipAddress",
    "macAddress",
    "_sim",
    "internalDomainNameSuffix",
    "nodeManagementEndpoint",
];

impl World {
    /// Groups, resources, locks, role assignments, registrations and usages, without etags, guids,
    /// timestamps, operations and rate buckets.
    pub fn canonical(&self) -> Value {
        let groups: Map<String, Value> = self
            .groups()
            .iter()
            .map(|(name, g)| {
                let body = json!({"location": g.location, "tags": g.tags, "state": g.state.as_str(), "managedBy": g.managed_by});
                (name.clone(), body)
            })
            .collect();
        let resources: Map<String, Value> = self
            .resources()
            .iter()
            .map(|(id, r)| {
                let mut body = Value::Object(r.envelope());
                body["properties"] = r.properties_body();
                strip(&mut body);
                (id.clone(), body)
            })
            .collect();
        let mut others = json!({
            "locks": self.locks.keys().collect::<Vec<_>>(),
            "roleAssignments": self.role_assignments,
            "registrations": self.registrations,
            "usages": self.cores_in_use(),
            "subscriptionTags": self.subscription_tags,
            "pools": crate::batch::canonical(self),
            "workers": crate::guest::canonical(self),
        });
        strip(&mut others);
        others["groups"] = Value::Object(groups);
        others["resources"] = Value::Object(resources);
        others
    }
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in VOLATILE {
                members.shift_remove(*name);
            }
            members.retain(|_, value| !is_time(value));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
