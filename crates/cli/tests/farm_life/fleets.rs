//! Farms with pools of scale sets: what they do without.

use std::sync::LazyLock;

use crate::support::{Place, farm_file};

/// A farm file without a Batch account.
static FILE: LazyLock<String> = LazyLock::new(|| {
    farm_file(
        "\
manager: {access: {ssh: [203.0.113.7/32]}}
pools:
  - {name: render, kind: vmss, nodes: 3, placements: [{vmSize: Standard_D4as_v5}, {vmSize: SECOND}]}
",
    )
});

fn place(second: &str) -> Place {
    let place = Place::new();
    place.give_key();
    place.write("azure_config.yaml", &FILE.replace("SECOND", second));
    place
}

#[test]
fn a_farm_of_scale_sets_plans_nothing_of_batch_and_knows_its_cost() {
    let place = place("Standard_D8as_v5");
    let ran = place.simulate("plan");
    ran.said(0, &["create studio-vm"]);
    ran.ended(0, &["cost: about $"]);
    assert!(!format!("{}{}", ran.out, ran.err).to_lowercase().contains("batch"), "{} {}", ran.out, ran.err);
    let ran = place.simulate("doctor");
    assert!(!ran.out.contains("Batch") && !ran.err.contains("accounts in"), "{} {}", ran.out, ran.err);
}

#[test]
fn a_size_that_does_not_exist_is_named_with_its_pool() {
    let ran = place("Standard_D7as_v5").simulate("deploy --yes");
    ran.ended(1, &["pool `render`: placements: vmSize: `Standard_D7as_v5` does not exist in westeurope"]);
}
