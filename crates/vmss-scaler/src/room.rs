//! Free cores, read before nodes are asked for: no request is sent that is known to fail.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::spec::{Placement, Priority};

/// What a region's quotas leave free, in cores. A quota that Azure does not list leaves all free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// All regular sizes together (`cores`).
    pub regular: Option<u64>,
    /// All Spot sizes together (`lowPriorityCores`).
    pub spot: Option<u64>,
    /// Regular sizes by family, in lower case.
    pub families: BTreeMap<String, u64>,
}

impl Room {
    /// Reads Azure's list of usages (`…/locations/{l}/usages`). Items without numbers say nothing.
    pub fn read(items: &[Value]) -> Self {
        let mut room = Self::default();
        for item in items {
            let name = item.pointer("/name/value").and_then(Value::as_str).map(str::to_ascii_lowercase);
            let number = |key: &str| item.get(key).and_then(Value::as_i64);
            let (Some(name), Some(limit), Some(used)) = (name, number("limit"), number("currentValue"))
            else {
                continue;
            };
            // A quota that was lowered below what is in use leaves nothing, not less than that. -1 is no limit.
            let free = if limit < 0 { continue } else { u64::try_from(limit - used).unwrap_or(0) };
            match name.as_str() {
                "cores" => room.regular = Some(free),
                "lowprioritycores" => room.spot = Some(free),
                name if name.ends_with("family") => {
                    room.families.insert(name.to_owned(), free);
                }
                _ => {}
            }
        }
        room
    }

    /// The most nodes of this placement that fit.
    pub fn nodes(&self, placement: &Placement) -> u32 {
        let free = match placement.priority {
            Priority::Spot => self.spot,
            Priority::Regular => {
                let family = self.families.get(&placement.family.to_ascii_lowercase()).copied();
                [self.regular, family].into_iter().flatten().min()
            }
        };
        free.map_or(u32::MAX, |free| {
            u32::try_from(free / u64::from(placement.vcpus.max(1))).unwrap_or(u32::MAX)
        })
    }

    /// So many nodes of this placement are asked for.
    pub fn take(&mut self, placement: &Placement, nodes: u32) {
        let cores = u64::from(nodes) * u64::from(placement.vcpus);
        let less = |free: &mut u64| *free = free.saturating_sub(cores);
        match placement.priority {
            Priority::Spot => self.spot.iter_mut().for_each(less),
            Priority::Regular => {
                self.regular.iter_mut().for_each(less);
                self.families.get_mut(&placement.family.to_ascii_lowercase()).into_iter().for_each(less);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(priority: Priority) -> Placement {
        Placement {
            sku: "Standard_D16as_v5".into(),
            family: "standardDASv5Family".into(),
            vcpus: 16,
            zone: None,
            priority,
        }
    }

    #[test]
    fn the_narrowest_quota_counts_and_what_is_taken_is_gone() {
        let row = |name: &str, used: i64, limit: i64| json!({"name": {"value": name}, "currentValue": used, "limit": limit});
        let mut room = Room::read(&[
            row("cores", 40, 200),
            row("lowPriorityCores", 0, 100),
            row("standardDASv5Family", 300, 100),
            row("virtualMachines", 1, 25_000),
            json!({"name": {"value": "odd"}}),
        ]);
        assert_eq!((room.nodes(&place(Priority::Spot)), room.nodes(&place(Priority::Regular))), (6, 0));
        room.families.clear();
        assert_eq!(room.nodes(&place(Priority::Regular)), 10);
        room.take(&place(Priority::Regular), 3);
        room.take(&place(Priority::Spot), 6);
        assert_eq!((room.nodes(&place(Priority::Spot)), room.nodes(&place(Priority::Regular))), (0, 7));
        assert_eq!(Room::read(&[row("cores", 5, -1)]).nodes(&place(Priority::Regular)), u32::MAX);
    }
}
