//! What exists: the resources of one resource group as last observed.
//!
//! An inventory holds raw JSON bodies: Azure adds properties at will, and a reader that drops what it does not know
//! could not compare or send back a body without losing something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::ResourceId;
use crate::plan::{ROLE_ASSIGNMENT, owner_of};
use crate::tags::{self, Tags};

/// One resource as Azure described it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The resource's id.
    pub id: ResourceId,
    /// The whole body.
    pub body: Value,
}

/// How far Azure is with a resource's last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioning {
    /// Done, or the type has no such state.
    Settled,
    /// Being created or changed.
    InProgress,
    /// Being deleted.
    Deleting,
    /// The last change failed or was cancelled.
    Failed,
}

impl Observed {
    /// Reads a resource from its JSON; `None` when it has no valid `id`.
    pub fn from_body(body: Value) -> Option<Self> {
        let id = body.get("id")?.as_str()?.parse().ok()?;
        Some(Self { id, body })
    }

    /// The resource's tags.
    pub fn tags(&self) -> Tags {
        let object = self.body.get("tags").and_then(Value::as_object);
        object
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// One tag, by its name without case.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let tags = self.body.get("tags")?.as_object()?;
        tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1.as_str()
    }

    /// A value at a JSON pointer such as `/properties/provisioningState`.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.body.pointer(pointer)
    }

    /// A string at a JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.pointer(pointer)?.as_str()
    }

    /// How far Azure is with the last change (`properties.provisioningState`, whose casing varies).
    pub fn provisioning(&self) -> Provisioning {
        let state = self.text("/properties/provisioningState").unwrap_or_default().to_ascii_lowercase();
        match state.as_str() {
            "" | "succeeded" => Provisioning::Settled,
            "failed" | "canceled" | "cancelled" | "invalid" => Provisioning::Failed,
            "deleting" => Provisioning::Deleting,
            _ => Provisioning::InProgress,
        }
    }
}

/// The observed resources of one group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// The resource group itself; `None` when it does not exist.
    pub group: Option<Observed>,
    resources: BTreeMap<String, Observed>,
}

impl Inventory {
    /// The inventory of a group with nothing in it yet.
    pub fn of_group(group: Option<Observed>) -> Self {
        Self { group, ..Self::default() }
    }

    /// Adds a resource, replacing an earlier observation of it.
    pub fn insert(&mut self, resource: Observed) {
        self.resources.insert(resource.id.key(), resource);
    }

    /// Adds each body that is a resource.
    pub fn extend(&mut self, bodies: impl IntoIterator<Item = Value>) {
        for resource in bodies.into_iter().filter_map(Observed::from_body) {
            self.insert(resource);
        }
    }

    /// The resource with this id.
    pub fn get(&self, id: &ResourceId) -> Option<&Observed> {
        self.resources.get(&id.key())
    }

    /// All resources, in the order of their lower-cased ids.
    pub fn iter(&self) -> impl Iterator<Item = &Observed> {
        self.resources.values()
    }

    /// All resources of one type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Observed> {
        self.iter().filter(move |resource| resource.id.is_kind(kind))
    }

    /// The farm that owns the resource: its own tag, else its parent's, else the tag of the resource that manages it
    /// (a VM's OS disk).
    pub fn owner(&self, resource: &Observed) -> Option<String> {
        if let Some(farm) = resource.tag(tags::FARM) {
            return Some(farm.to_owned());
        }
        if resource.id.is_kind(ROLE_ASSIGNMENT) {
            return owner_of(resource, self);
        }
        // A share's parent is its file service, which nobody lists: the nearest ancestor that is known decides.
        let ancestor =
            std::iter::successors(resource.id.parent(), ResourceId::parent).find_map(|id| self.get(&id));
        // A disk's machine, a network interface's, a machine's scale set.
        let manager = || {
            let pointers =
                ["/managedBy", "/properties/virtualMachine/id", "/properties/virtualMachineScaleSet/id"];
            pointers.iter().find_map(|pointer| self.get(&resource.text(pointer)?.parse().ok()?))
        };
        self.owner(ancestor.or_else(manager)?)
    }

    /// The farms that the group's tags name.
    pub fn farms(&self) -> Vec<String> {
        let prefix = format!("{}.", tags::FARM);
        let all = self.group.as_ref().map(Observed::tags).unwrap_or_default();
        all.iter()
            .filter(|(_, value)| [tags::CREATED, tags::JOINED].contains(&value.as_str()))
            .filter_map(|(name, _)| name.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }

    /// The top-level resources in the group that do not belong to `farm`. Role assignments are no resources of the group.
    pub fn foreign<'a>(&'a self, farm: &'a str) -> impl Iterator<Item = &'a Observed> {
        let top = |r: &Observed| r.id.parent().is_none() && !r.id.is_kind(ROLE_ASSIGNMENT);
        self.iter().filter(move |r| top(r) && self.owner(r).as_deref() != Some(farm))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers";

    #[test]
    fn children_and_managed_disks_belong_to_the_owner_above() {
        let mut inventory = Inventory::default();
        inventory.extend([
            json!({"id": format!("{GROUP}/Microsoft.Network/virtualNetworks/v"), "tags": {"flamenco-farm": "a"}}),
            json!({"id": format!("{GROUP}/Microsoft.Network/virtualNetworks/v/subnets/w")}),
            json!({"id": format!("{GROUP}/Microsoft.Compute/virtualMachines/m"), "tags": {"Flamenco-Farm": "a"}}),
            json!({"id": format!("{GROUP}/Microsoft.Compute/disks/d"),
                   "managedBy": format!("{GROUP}/Microsoft.Compute/VIRTUALMACHINES/M")}),
            json!({"id": format!("{GROUP}/Microsoft.Compute/disks/loose")}),
            json!({"id": format!("{GROUP}/Microsoft.Network/virtualNetworks/v/x/default/shares/s")}),
        ]);
        let owned: Vec<_> = inventory.iter().filter(|r| inventory.owner(r).as_deref() == Some("a")).collect();
        assert_eq!(owned.len(), 5);
        assert_eq!(inventory.foreign("a").map(|r| r.id.name()).collect::<Vec<_>>(), ["loose"]);
    }

    #[test]
    fn provisioning_states_are_read_whatever_their_case() {
        let state = |s: &str| {
            Observed::from_body(
                json!({"id": "/subscriptions/s/resourceGroups/g", "properties": {"provisioningState": s}}),
            )
            .unwrap()
            .provisioning()
        };
        assert_eq!(state("succeeded"), Provisioning::Settled);
        assert_eq!(state("Deleting"), Provisioning::Deleting);
        assert_eq!(state("Canceled"), Provisioning::Failed);
        assert_eq!(state("ResolvingDNS"), Provisioning::InProgress);
    }
}
