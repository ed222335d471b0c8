//! One pass over 10,000 nodes in 100 scale sets and 100,000 in 1,000: at rest, with evictions, and lowered to a half.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros and set-up")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use vmss_scaler::marks::Marks;
use vmss_scaler::observe::{Instance, InstanceState, Observed, Provisioning, ScaleSet, VmId};
use vmss_scaler::spec::{Placement, Policy, Priority};
use vmss_scaler::{Target, reconcile};

const PER_SET: u32 = 100;

fn placement() -> Placement {
    Placement {
        sku: "Standard_D16s_v5".to_owned(),
        family: "standardDSv5Family".to_owned(),
        vcpus: 16,
        zone: None,
        priority: Priority::Spot,
    }
}

fn farm(sets: u32, evicted: bool) -> Observed {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut observed = Observed::empty(now);
    observed.sets = (0..sets)
        .map(|set| {
            let here = if evicted { PER_SET - 7 } else { PER_SET };
            let instance = |n: u32| Instance {
                id: n.to_string(),
                vm: VmId::from_u128((u128::from(set) << 64) | (u128::from(n) * 0x9e37_79b9_7f4a_7c15)),
                created: now - std::time::Duration::from_secs(u64::from(n) * 61 % 40_000 + 1000),
                state: InstanceState::Running,
            };
            ScaleSet {
                name: format!("studio-render-abcde{set:07}"),
                generation: u64::from(set),
                placement: placement(),
                capacity: here,
                provisioning: Provisioning::Succeeded,
                sealed: None,
                etag: Some("1".to_owned()),
                instances: Some((0..here).map(instance).collect()),
            }
        })
        .collect();
    observed.view.busy = observed
        .sets
        .iter()
        .flat_map(|set| set.instances.iter().flatten())
        .map(|one| (one.vm, true))
        .collect();
    observed
}

fn passes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reconcile");
    group.sample_size(20);
    for sets in [100, 1000] {
        let nodes = sets * PER_SET;
        let mut policy =
            Policy::new("/subscriptions/s/resourceGroups/rg", "studio", "render", nodes, vec![placement()]);
        policy.density = PER_SET;
        for (what, evicted, target) in
            [("at rest", false, nodes), ("7 % evicted", true, nodes), ("lowered to a half", false, nodes / 2)]
        {
            let observed = farm(sets, evicted);
            let (target, marks) = (Target::nodes(target), Marks::default());
            group.bench_with_input(BenchmarkId::new(what, nodes), &observed, |bencher, observed| {
                bencher
                    .iter_with_large_drop(|| reconcile(observed, &target, &marks, &policy, observed.as_of));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
