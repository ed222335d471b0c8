//! Pure: from Azure's answers to what [`reconcile`](crate::reconcile::reconcile) looks at. Nothing is passed over: an
//! answer that cannot be understood is an error, for a set or machine that is not counted would be made again.

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::tags::{self, Tags};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::observe::{Instance, InstanceState, Provisioning, SEAL, ScaleSet, Seal, VmId, owned};
use crate::skus::Catalog;
use crate::spec::{Placement, Policy, Priority};
use crate::template::Mode;

/// A scale set as listed, with what only requests need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What is decided from; its machines are not in the list.
    pub set: ScaleSet,
    /// How it runs its machines.
    pub mode: Mode,
    /// Its size in Azure's spelling.
    pub sku: String,
    /// All its tags.
    pub tags: Tags,
}

/// An item of Azure's list that should be understood and cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: its {what} is missing or odd")]
pub struct Odd {
    /// The item's name.
    pub name: String,
    /// The field.
    pub what: &'static str,
}

/// Reads one item of the list of scale sets; none when it is not the pool's own.
pub fn set(item: &Value, policy: &Policy, catalog: &Catalog) -> Result<Option<Listed>, Odd> {
    let name = text(item, "/name").unwrap_or_default().to_owned();
    let tags: Tags = item
        .get("tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    if !owned(&name, &tags, policy) {
        return Ok(None);
    }
    let odd = |what| Odd { name: name.clone(), what };
    let capacity = item.pointer("/sku/capacity").and_then(Value::as_u64);
    let capacity = capacity.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| odd("sku.capacity"))?;
    let sku = text(item, "/sku/name").ok_or_else(|| odd("sku.name"))?.to_owned();
    let set = ScaleSet {
        generation: policy.names().generation(&name).ok_or_else(|| odd("name"))?,
        placement: placement(item, &sku, policy, catalog),
        capacity,
        provisioning: provisioning(text(item, "/properties/provisioningState")),
        sealed: tags::get(&tags, SEAL).map(Seal::read),
        etag: text(item, "/etag").map(str::to_owned),
        instances: None,
        name,
    };
    Ok(Some(Listed { set, mode: mode(item), sku, tags }))
}

/// How a set runs its machines. Absent means Uniform, as it did before there was another mode.
pub fn mode(item: &Value) -> Mode {
    let word = text(item, "/properties/orchestrationMode");
    let flexible = word.is_some_and(|word| word.eq_ignore_ascii_case("Flexible"));
    if flexible { Mode::Flexible } else { Mode::Uniform }
}

/// The set's placement: the farm file's where one fits, else what Azure says.
fn placement(item: &Value, sku: &str, policy: &Policy, catalog: &Catalog) -> Placement {
    let zone = item.pointer("/zones/0").and_then(Value::as_str);
    let spot = text(item, "/properties/virtualMachineProfile/priority").is_some_and(|priority| {
        priority.eq_ignore_ascii_case("spot") || priority.eq_ignore_ascii_case("low")
    });
    let priority = if spot { Priority::Spot } else { Priority::Regular };
    let same = |one: &&Placement| {
        one.sku.eq_ignore_ascii_case(sku) && one.zone.as_deref() == zone && one.priority == priority
    };
    policy.placements.iter().find(same).cloned().unwrap_or_else(|| {
        let known = catalog.get(sku);
        Placement {
            sku: sku.to_owned(),
            family: known.map(|sku| sku.family.clone()).unwrap_or_default(),
            vcpus: known.map_or(0, |sku| sku.vcpus),
            zone: zone.map(str::to_owned),
            priority,
        }
    })
}

fn provisioning(state: Option<&str>) -> Provisioning {
    match state.map(str::to_ascii_lowercase).as_deref() {
        Some("succeeded") => Provisioning::Succeeded,
        Some("failed" | "canceled") => Provisioning::Failed,
        Some("deleting") => Provisioning::Deleting,
        Some("creating" | "updating" | "migrating") => Provisioning::Updating,
        _ => Provisioning::Unknown,
    }
}

/// The machine's computer name, which render managers know it by.
pub fn computer(item: &Value) -> Option<&str> {
    text(item, "/properties/osProfile/computerName")
}

/// Reads one item of a set's list of machines; none when it is a machine of another set. `seen` is when the item was
/// read: a machine without a time of creation is as old as that.
pub fn machine(item: &Value, set: &ResourceId, mode: Mode, seen: Timestamp) -> Result<Option<Instance>, Odd> {
    let name = text(item, "/name").unwrap_or_default();
    let odd = |what| Odd { name: name.to_owned(), what };
    let id = match mode {
        Mode::Uniform => text(item, "/instanceId").ok_or_else(|| odd("instanceId"))?,
        Mode::Flexible => {
            // Whether Azure heeds the filter is for Azure to know; a machine of another set is never taken for ours.
            let of = text(item, "/properties/virtualMachineScaleSet/id");
            if !of.is_some_and(|of| of.eq_ignore_ascii_case(set.as_str())) {
                return Ok(None);
            }
            text(item, "/name").filter(|name| !name.is_empty()).ok_or_else(|| odd("name"))?
        }
    };
    let vm = match text(item, "/properties/vmId") {
        Some(vm) => vm.parse().map_err(|_| odd("properties.vmId"))?,
        // A machine in the making may not have one yet: it is counted all the same.
        None => stand_in(set, id),
    };
    let created = text(item, "/properties/timeCreated").and_then(|time| time.parse().ok()).unwrap_or(seen);
    let state =
        state(text(item, "/properties/provisioningState"), item.pointer("/properties/instanceView/statuses"));
    Ok(Some(Instance { id: id.to_owned(), vm, created, state }))
}

/// An identity for a machine that Azure has not given one yet.
fn stand_in(set: &ResourceId, id: &str) -> VmId {
    let mut hash = Sha256::new();
    hash.update(set.as_str().to_ascii_lowercase());
    hash.update([0]);
    hash.update(id.to_ascii_lowercase());
    let digest: [u8; 32] = hash.finalize().into();
    VmId::from_slice(&digest[..16]).unwrap_or_default()
}

fn state(provisioning: Option<&str>, statuses: Option<&Value>) -> InstanceState {
    let mut codes = statuses.and_then(Value::as_array).into_iter().flatten();
    let power = codes.find_map(|one| one.get("code")?.as_str()?.strip_prefix("PowerState/"));
    match provisioning.map(str::to_ascii_lowercase).as_deref() {
        Some("creating") => InstanceState::Creating,
        Some("deleting") => InstanceState::Deleting,
        Some("failed" | "canceled") => InstanceState::Failed,
        Some("succeeded" | "updating") => match power {
            Some("stopped" | "stopping" | "deallocated" | "deallocating") => InstanceState::Stopped,
            _ => InstanceState::Running,
        },
        _ => InstanceState::Unknown,
    }
}

fn text<'a>(item: &'a Value, pointer: &str) -> Option<&'a str> {
    item.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy() -> Policy {
        let place = |zone: Option<&str>, priority| Placement {
            sku: "Standard_D4as_v5".into(),
            family: "standardDASv5Family".into(),
            vcpus: 4,
            zone: zone.map(str::to_owned),
            priority,
        };
        Policy::new(
            "/g",
            "studio",
            "render",
            10,
            vec![place(Some("2"), Priority::Spot), place(None, Priority::Regular)],
        )
    }

    fn body(policy: &Policy) -> Value {
        json!({
            "name": policy.names().set(7),
            "tags": {"flamenco-farm": "studio", "flamenco-farm-pool": "render", "flamenco-farm-sealed": "2026-01-01T00:00:00Z wall"},
            "sku": {"name": "STANDARD_D4AS_V5", "capacity": 3},
            "zones": ["2"], "etag": "\"4\"",
            "properties": {
                "provisioningState": "Updating", "orchestrationMode": "Flexible",
                "virtualMachineProfile": {"priority": "Spot"},
            },
        })
    }

    #[test]
    fn a_set_of_the_pool_is_read_and_no_other() {
        let policy = policy();
        let read = |item: &Value| set(item, &policy, &Catalog::default());
        let own = body(&policy);
        let listed = read(&own).unwrap().unwrap();
        assert_eq!(listed.set.placement, policy.placements[0]);
        assert_eq!((listed.set.generation, listed.set.capacity, listed.mode), (7, 3, Mode::Flexible));
        assert_eq!(listed.set.provisioning, Provisioning::Updating);
        assert_eq!(listed.set.sealed.unwrap().why, SealReasonOf::Wall);
        for (at, value) in [("/name", json!("studio-render")), ("/tags", json!({})), ("/tags", Value::Null)] {
            let mut foreign = own.clone();
            *foreign.pointer_mut(at).unwrap() = value;
            assert_eq!(read(&foreign), Ok(None), "{at}");
        }
        for (at, value) in
            [("/sku", Value::Null), ("/sku/capacity", json!("3")), ("/sku/capacity", json!(-1))]
        {
            let mut odd = own.clone();
            *odd.pointer_mut(at).unwrap() = value;
            assert!(read(&odd).is_err(), "{at}");
        }
    }

    use crate::observe::SealReason as SealReasonOf;

    #[test]
    fn machines_are_read_in_both_modes() {
        let group = ResourceId::group(&"5b3a7c1e-6f5d-4c2b-9a80-0123456789ab".parse().unwrap(), "g");
        let set = group.resource(crate::wire::SCALE_SET, "s");
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let vm = "968d0adf-f276-4330-8ca7-d2c933f60388";
        let uniform = |state: &str, power: &str| {
            json!({"name": "s_2", "instanceId": "2", "properties": {
                "vmId": vm, "provisioningState": state, "timeCreated": "2025-08-26T08:44:42.1284326+00:00",
                "instanceView": {"statuses": [{"code": "ProvisioningState/x"}, {"code": format!("PowerState/{power}")}]},
            }})
        };
        let table = [
            ("Creating", "", InstanceState::Creating),
            ("Succeeded", "running", InstanceState::Running),
            ("Updating", "", InstanceState::Running),
            ("Succeeded", "deallocated", InstanceState::Stopped),
            ("Succeeded", "stopped", InstanceState::Stopped),
            ("Failed", "running", InstanceState::Failed),
            ("Deleting", "running", InstanceState::Deleting),
            ("Odd", "running", InstanceState::Unknown),
        ];
        for (provisioning, power, state) in table {
            let one = machine(&uniform(provisioning, power), &set, Mode::Uniform, now).unwrap().unwrap();
            assert_eq!((one.id.as_str(), one.vm.to_string().as_str(), one.state), ("2", vm, state));
            assert!(one.created < now);
        }
        let flexible = |of: &str| json!({"name": "s_1a2b3c4d", "properties": {"provisioningState": "Creating", "virtualMachineScaleSet": {"id": of}}});
        let own =
            machine(&flexible(&set.as_str().to_uppercase()), &set, Mode::Flexible, now).unwrap().unwrap();
        assert_eq!((own.id.as_str(), own.created), ("s_1a2b3c4d", now));
        assert_eq!(machine(&flexible(&format!("{set}x")), &set, Mode::Flexible, now), Ok(None));
        assert!(machine(&json!({"properties": {}}), &set, Mode::Uniform, now).is_err());
        let mut odd = uniform("Succeeded", "running");
        odd["properties"]["vmId"] = json!("no guid");
        assert!(machine(&odd, &set, Mode::Uniform, now).is_err());
    }
}
