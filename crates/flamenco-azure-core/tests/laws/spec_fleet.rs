//! Pools of scale sets in the farm file. What is refused stands in `spec_errors.txt`.

use flamenco_azure_core::name::{self, Kind};
use flamenco_azure_core::spec::{
    Farm, FarmSpec, Fleet, FleetImage, MaxPrice, Network, Orchestration, Payload, Priority, Warning,
    defaults, edit, validate,
};
use proptest::prelude::*;
use serde_json::json;

use crate::farm_file::overrides;

/// No Batch account: none is needed.
const LEAST: &str = "subscriptionID: 5b3a7c1e-0000-4000-8000-0123456789ab
location: westeurope
resourceGroup: g
virtualMachine: farm
storageAccountName: farmsa
";

const FULL: &str = "pools:
  - name: render
    kind: vmss
    image: ubuntu-24.04
    maxNodes: 200
    nodes: 50
    placements:
      - {vmSize: Standard_D16as_v5, zone: \"1\", priority: spot}
      - {vmSize: Standard_D16as_v5, zone: 2, priority: low}
      - {vmSize: Standard_D16as_v5, priority: Regular}
    onDemandPercent: 20
    overprovision: 3
    vmsPerScaleSet: 25
    payload: heavyImage
    orchestration: uniform
    maxPrice: 0.25
    bootBudgetMinutes: 30
    deleteByMessage: false
";

fn load(text: &str) -> (Farm, Vec<Warning>) {
    validate(&FarmSpec::parse("farm.yaml", text).unwrap(), &overrides()).unwrap()
}

fn with(more: &str) -> Farm {
    load(&format!("{LEAST}{more}")).0
}

fn fleet(keys: &str) -> Fleet {
    let mut farm = with(&format!("pools: [{{name: render, kind: vmss{keys}}}]"));
    assert!(farm.pools.is_empty() && farm.fleets.len() == 1);
    farm.fleets.remove(0)
}

#[test]
fn every_key_of_a_fleet_is_read() {
    let farm = with(FULL);
    let fleet = farm.fleet("Render").unwrap();
    assert_eq!((fleet.name.as_str(), fleet.nodes, fleet.max_nodes), ("render", 50, 200));
    let placements: Vec<String> = fleet.placements.iter().map(ToString::to_string).collect();
    let wanted =
        ["spot Standard_D16as_v5 in zone 1", "spot Standard_D16as_v5 in zone 2", "regular Standard_D16as_v5"];
    assert_eq!(placements, wanted);
    assert_eq!((fleet.on_demand_percent, fleet.overprovision), (20, 3));
    assert_eq!((fleet.vms_per_scale_set, fleet.payload), (Some(25), Payload::HeavyImage));
    assert_eq!(fleet.orchestration, Orchestration::Uniform);
    assert_eq!(fleet.max_price.map(f64::from), Some(0.25));
    assert_eq!((fleet.boot_budget_minutes, fleet.delete_by_message), (30, false));
    assert!(matches!(&fleet.image, FleetImage::Marketplace { sku, .. } if sku == "server"));
}

#[test]
fn a_name_alone_is_a_fleet_with_the_documented_defaults() {
    let fleet = fleet("");
    assert_eq!((fleet.nodes, fleet.max_nodes), (0, defaults::MAX_NODES));
    let [placement] = fleet.placements.as_slice() else { panic!("one placement") };
    assert_eq!(placement.to_string(), "spot Standard_D4as_v5");
    assert_eq!((fleet.on_demand_percent, fleet.overprovision, fleet.boot_budget_minutes), (100, 0, 15));
    assert_eq!((fleet.vms_per_scale_set, fleet.max_price), (None, None));
    assert_eq!((fleet.payload, fleet.orchestration), (Payload::Light, Orchestration::Flexible));
    assert!(fleet.delete_by_message);
    assert_eq!(Some(fleet.image), FleetImage::parse(defaults::POOL_IMAGE));
}

#[test]
fn old_and_short_words_mean_the_same() {
    assert_eq!(fleet(", vmsPerVMSS: 40").vms_per_scale_set, Some(40));
    assert_eq!(fleet(", spot: 30"), fleet(", nodes: 30"));
    assert_eq!(fleet(", nodes: 30").max_nodes, 30, "as many as it starts with");
    let short = fleet(", vmSize: Standard_D16as_v5");
    assert_eq!(short, fleet(", placements: [{vmSize: Standard_D16as_v5, priority: spot}]"));
    assert_eq!(short, fleet(", placements: [{vmSize: Standard_D16as_v5, zone: '', priority: LOW}]"));
    assert_eq!(short.placements[0].priority, Priority::Spot);
}

#[test]
fn a_fleet_boots_gallery_and_managed_images() {
    let images =
        "/subscriptions/5b3a7c1e-0000-4000-8000-0123456789ab/resourceGroups/img/providers/Microsoft.Compute";
    let gallery = fleet(&format!(", vmsPerScaleSet: 1000, image: {images}/galleries/g/images/node"));
    assert!(matches!(gallery.image, FleetImage::Gallery { .. }));
    let managed = fleet(&format!(", vmsPerScaleSet: 600, image: {images}/images/node"));
    assert!(matches!(&managed.image, FleetImage::Managed { id } if id.name() == "node"));
    assert_eq!((gallery.image.most_per_set(), managed.image.most_per_set()), (1000, 600));
}

#[test]
fn pools_of_both_kinds_stand_side_by_side() {
    let farm =
        with("batchAccountName: farmba\npools: [{name: a}, {name: b, kind: VMSS}, {name: c, kind: batch}]");
    let names: Vec<&str> = farm.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!((names, farm.fleets.len(), farm.batch_account.as_str()), (vec!["a", "c"], 1, "farmba"));
    assert!(farm.pool("b").is_none() && farm.fleet("b").is_some() && farm.fleet("a").is_none());
    // A Batch pool needs its account, beside fleets too.
    let spec =
        FarmSpec::parse("f", &format!("{LEAST}pools: [{{name: a}}, {{name: b, kind: vmss}}]")).unwrap();
    assert_eq!(validate(&spec, &overrides()).unwrap_err().findings()[0].key, "batchAccountName");
}

#[test]
fn subnets_have_room_for_fleets_and_their_overprovision() {
    let farm = with(
        "batchAccountName: farmba\npools: [{name: a, maxNodes: 100}, {name: b, kind: vmss, maxNodes: 100}]",
    );
    assert_eq!(farm.most_nodes(), 200);
    let Network::Own { workers_subnet, .. } = farm.network else { panic!("an own network") };
    assert_eq!(workers_subnet.prefix_len(), 24);
    let farm = with("pools: [{name: b, kind: vmss, maxNodes: 200, overprovision: 20}]");
    assert_eq!(farm.most_nodes(), 220);
    let Network::Own { workers_subnet, .. } = farm.network else { panic!("an own network") };
    assert_eq!(workers_subnet.prefix_len(), 23);
}

#[test]
fn the_scalers_account_is_derived_from_what_tells_farms_apart() {
    let pools = "pools: [{name: a, kind: vmss}]";
    let account = |text: &str| load(text).0.scaler_account;
    let own = account(&format!("{LEAST}{pools}"));
    assert!(own.starts_with("fzs") && name::check(Kind::StorageAccount, &own).is_ok(), "{own}");
    // The same on every machine, from now on: a changed name would lose the state.
    assert_eq!(own, "fzs50d35ca7aa2c2190");
    // What names the same farm in Azure names the same account.
    assert_eq!(account(&format!("{LEAST}{pools}").replace("resourceGroup: g", "resourceGroup: G")), own);
    assert_eq!(account(&format!("{LEAST}{pools}").replace("5b3a", "5B3A")), own);
    let others = [("Group: g", "Group: g2"), ("Machine: farm", "Machine: other"), ("5b3a", "5b3b")];
    for (from, to) in others {
        assert_ne!(account(&format!("{LEAST}{pools}").replace(from, to)), own, "{to}");
    }
    assert_eq!(account(&format!("{LEAST}scalerStorageAccountName: mine\n{pools}")), "mine");
}

#[test]
fn a_farm_without_batch_pools_needs_no_batch_account() {
    let farm = with("pools: [{name: a, kind: vmss}]");
    assert!(name::check(Kind::BatchAccount, &farm.batch_account).is_ok(), "{}", farm.batch_account);
    assert_ne!(farm.batch_account, farm.scaler_account);
}

#[test]
fn a_share_for_nobody_is_worth_a_word() {
    let warnings = |more: &str| load(&format!("{LEAST}{more}")).1;
    let [warning] = warnings("pools: [{name: a, kind: vmss, onDemandPercent: 20}]").try_into().unwrap();
    assert_eq!(warning.key, "pools[0].onDemandPercent");
    assert!(warning.to_string().contains("priority: regular"), "{warning}");
    assert_eq!(warnings(FULL), []);
    // Sizes of placements are judged as all others.
    let [warning] =
        warnings("pools: [{name: a, kind: vmss, placements: [{vmSize: Standard_F16s}]}]").try_into().unwrap();
    assert_eq!(warning.key, "pools[0].placements[0].vmSize");
}

#[test]
fn a_fleet_survives_being_written_and_read() {
    let old = FULL.replace("vmsPerScaleSet", "vmsPerVMSS").replace("nodes: 50", "spot: 50");
    for text in [format!("{LEAST}{FULL}"), format!("{LEAST}{old}")] {
        let spec = FarmSpec::parse("f", &text).unwrap();
        let written = spec.to_yaml().unwrap();
        assert_eq!(FarmSpec::parse("f", &written).unwrap(), spec, "{written}");
        assert_eq!(load(&written).0, load(&text).0);
    }
}

#[test]
fn edits_elsewhere_leave_a_fleet_and_the_old_words_as_they_are() {
    let text = format!(
        "# ours\n{LEAST}workerRegistrationSecret: abc\n{} # dense\n",
        FULL.replace("vmsPerScaleSet: 25", "vmsPerVMSS: 25 # as before").trim_end()
    );
    let edited = edit::set("f", &text, "location", &json!("northeurope")).unwrap();
    assert_eq!(edited, text.replace("westeurope", "northeurope"));
    let edited = edit::set("f", &text, "scalerStorageAccountName", &json!("mine")).unwrap();
    assert_eq!(edited, format!("{text}scalerStorageAccountName: mine\n"));
    assert_eq!(edit::unset("f", &edited, "scalerStorageAccountName").unwrap(), text);
    // The list as a whole, with the old word in it.
    let pools = json!([{"name": "render", "kind": "vmss", "vmsPerVMSS": 30, "maxPrice": 0.5}]);
    let edited = edit::set("f", &text, "pools", &pools).unwrap();
    assert!(edited.contains("vmsPerVMSS: 30") && edited.contains("# ours"), "{edited}");
    assert_eq!(load(&edited).0.fleets[0].vms_per_scale_set, Some(30));
}

proptest! {
    #[test]
    fn prices_of_five_decimals_are_kept_exactly(units in 1u32..1_000_000_000) {
        let text = format!("{}.{:05}", units / 100_000, units % 100_000);
        let price = MaxPrice::new(text.parse().unwrap()).unwrap();
        prop_assert_eq!(format!("{:.5}", price.usd()), text.clone());
        prop_assert_eq!(price.usd().to_string(), price.to_string());
        let finer: f64 = format!("{text}3").parse().unwrap();
        prop_assert_eq!(MaxPrice::new(finer), None);
    }
}

#[test]
fn what_is_no_price_is_refused() {
    for usd in [0.0, -0.0, -1.0, 0.000_001, 10_000.0, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE] {
        assert_eq!(MaxPrice::new(usd), None, "{usd}");
    }
    assert_eq!(MaxPrice::new(0.00001).map(f64::from), Some(0.00001));
    assert_eq!(MaxPrice::new(9999.99999).map(f64::from), Some(9999.99999));
}
