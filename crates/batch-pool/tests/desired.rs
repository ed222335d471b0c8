//! What a farm wants of Batch.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use batch_pool::desired::{Surroundings, checkpoints, cores, resources};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, validate};

fn farm(pools: &str) -> Farm {
    let text = format!(
        "{{subscriptionID: 5b3a7c1e-0000-4000-8000-0123456789ab, location: westeurope, resourceGroup: g, \
         virtualMachine: farm, storageAccountName: farmsa, batchAccountName: farmba, pools: {pools}}}"
    );
    let overrides = Overrides { allow_world: false, today: "2026-11-21T12:00:00Z".parse().unwrap() };
    validate(&FarmSpec::parse("f", &text).unwrap(), &overrides).unwrap().0
}

fn around(farm: &Farm) -> Surroundings {
    Surroundings {
        subnet: farm.group_id(),
        after: Vec::new(),
        beside: Vec::new(),
        start_task: "true".to_owned(),
        cores: [("standard_d4as_v5".to_owned(), 4)].into(),
    }
}

#[test]
fn a_farm_of_scale_sets_wants_nothing_of_batch() {
    let fleets = farm("[{name: a, kind: vmss, nodes: 3}]");
    let around = around(&fleets);
    assert!(resources(&fleets, &around).is_empty());
    assert!(checkpoints(&fleets, &around).is_empty());
    assert_eq!(cores(&fleets, &around), (0, 0));
}

#[test]
fn fleets_beside_batch_pools_change_nothing_of_batch() {
    let batch = farm("[{name: a, dedicated: 2}]");
    let both = farm("[{name: a, dedicated: 2}, {name: b, kind: vmss, nodes: 3}]");
    let around = around(&batch);
    let ids = |farm: &Farm| resources(farm, &around).into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(&batch).len(), 2);
    assert_eq!(ids(&both), ids(&batch));
    assert_eq!(cores(&both, &around), (8, 0));
    assert_eq!(checkpoints(&both, &around).len(), checkpoints(&batch, &around).len());
}
