//! Laws of the pure half: its parts at hand and over arbitrary input, whole farms in a world of the tests' own.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod arbitrary;
mod behaviour;
mod decisions;
mod defects;
mod farm_file;
mod parts;
mod seeds;
mod world;

use std::time::Duration;

use jiff::Timestamp;
use vmss_scaler::marks::Marks;
use vmss_scaler::observe::{Instance, InstanceState, Observed, Provisioning, ScaleSet, VmId};
use vmss_scaler::reconcile::{Action, VictimWhy};
use vmss_scaler::spec::{Placement, Policy, Priority};
use vmss_scaler::{Target, reconcile};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn place(vcpus: u32, zone: &str, priority: Priority) -> Placement {
    Placement {
        sku: format!("Standard_D{vcpus}s_v5"),
        family: "standardDSv5Family".to_owned(),
        vcpus,
        zone: (!zone.is_empty()).then(|| zone.to_owned()),
        priority,
    }
}

fn policy() -> Policy {
    let placements = vec![place(16, "1", Priority::Spot), place(16, "", Priority::Regular)];
    Policy {
        density: 10,
        ..Policy::new("/subscriptions/s/resourceGroups/rg", "studio", "render", 40, placements)
    }
}

fn set(generation: u64, nodes: u32) -> ScaleSet {
    let instance = |n: u32| Instance {
        id: n.to_string(),
        vm: VmId::from_u128((u128::from(generation) << 32) + u128::from(n)),
        created: now() - Duration::from_secs(7200 - u64::from(n)),
        state: InstanceState::Running,
    };
    ScaleSet {
        name: policy().names().set(generation),
        generation,
        placement: policy().placements[0].clone(),
        capacity: nodes,
        provisioning: Provisioning::Succeeded,
        sealed: None,
        etag: Some("1".to_owned()),
        instances: Some((0..nodes).map(instance).collect()),
    }
}

fn farm(sizes: &[u32]) -> Observed {
    let sets = sizes.iter().enumerate().map(|(at, nodes)| set(at as u64, *nodes)).collect();
    Observed { sets, ..Observed::empty(now()) }
}

fn victims(observed: &Observed, target: &Target) -> Vec<(VmId, VictimWhy)> {
    let decision = reconcile(observed, target, &Marks::default(), &policy(), now());
    let all = decision.actions.into_iter().filter_map(|planned| match planned.action {
        Action::Delete { victims, .. } => Some(victims),
        _ => None,
    });
    all.flatten().map(|victim| (victim.vm, victim.why)).collect()
}
