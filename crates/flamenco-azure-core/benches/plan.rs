//! Planning 1,000 resources: into an empty group, and where everything is there already.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros and set-up")]

use criterion::{Criterion, criterion_group, criterion_main};
use flamenco_azure_core::ids::{ResourceId, SubscriptionId};
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{Desired, GroupWish, Wanted, plan};
use flamenco_azure_core::tags::Tags;
use serde_json::json;

fn wanted(count: usize) -> Wanted {
    let subscription: SubscriptionId = "5b3a7c1e-0000-4000-8000-0123456789ab".parse().unwrap();
    let group = ResourceId::group(&subscription, "rg");
    let id = |n: usize| group.resource("Microsoft.Network/networkSecurityGroups", &format!("nsg-{n}"));
    let resources = (0..count)
        .map(|n| {
            let rule = |rule: usize| json!({"name": format!("rule-{rule}"), "properties": {"priority": 100 + rule, "access": "Allow"}});
            let body = json!({
                "location": "westeurope",
                "tags": {"flamenco-farm": "studio"},
                "properties": {"securityRules": (0..4).map(rule).collect::<Vec<_>>()},
            });
            let after = (n.saturating_sub(3)..n).map(id).collect();
            Desired { after, ..Desired::new(id(n), "2024-05-01", "bench", body) }
        })
        .collect();
    Wanted {
        farm: "studio".to_owned(),
        group: GroupWish { id: group, location: "westeurope".parse().unwrap(), tags: Tags::new() },
        resources,
        orders: Vec::new(),
        absent: Vec::new(),
        checkpoints: Vec::new(),
    }
}

fn planning(criterion: &mut Criterion) {
    let wanted = wanted(1000);
    let mut there = Inventory::of_group(Observed::from_body(json!({
        "id": wanted.group.id, "location": "westeurope", "tags": {"flamenco-farm.studio": "created"},
    })));
    for desired in &wanted.resources {
        let mut body = desired.body.clone();
        body["id"] = json!(desired.id);
        there.extend([body]);
    }
    assert!(plan(&wanted, &there).unwrap().is_empty());
    criterion.bench_function("plan 1,000 resources into an empty group", |bencher| {
        bencher.iter_with_large_drop(|| plan(&wanted, &Inventory::default()).unwrap());
    });
    criterion.bench_function("plan 1,000 resources that are there", |bencher| {
        bencher.iter_with_large_drop(|| plan(&wanted, &there).unwrap());
    });
}

criterion_group!(benches, planning);
criterion_main!(benches);
