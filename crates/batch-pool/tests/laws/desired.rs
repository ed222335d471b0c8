//! What a farm wants of Batch.

use std::collections::BTreeMap;

use batch_pool::desired::{
    Surroundings, checkpoints, cores, hold_back, let_nodes_read_packages, resources, scaling,
};
use batch_pool::spec::pool as pool_id;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{Action, GroupWish, Plan, Verb, Wanted, plan};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, PackageRef, validate};
use serde_json::{Value, json};

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

/// The farm's pool as the planner creates it, and the plan for what Azure says about it.
fn planned(farm: &Farm, inventory: &Inventory) -> Plan {
    let around = around(farm);
    let mut wanted = Wanted {
        farm: farm.name.to_string(),
        group: GroupWish { id: farm.group_id(), location: farm.location.clone(), tags: farm.tags.clone() },
        resources: resources(farm, &around),
        orders: Vec::new(),
        absent: Vec::new(),
        checkpoints: Vec::new(),
    };
    let_nodes_read_packages(farm, inventory, &mut wanted);
    let held = hold_back(farm, inventory, &BTreeMap::new(), &mut wanted);
    wanted.orders = scaling(farm, inventory);
    let mut plan = plan(&wanted, inventory).unwrap();
    plan.blocked.extend(held);
    plan
}

/// What there is once the plan of `farm` was carried out, as Azure would list it.
fn made(farm: &Farm) -> Inventory {
    let mut inventory = Inventory::default();
    let group =
        json!({"id": farm.group_id(), "location": "westeurope", "tags": {"flamenco-farm.farm": "created"}});
    inventory.group = Observed::from_body(group);
    let around = around(farm);
    let bodies = resources(farm, &around).into_iter().map(|wanted| {
        let mut body = wanted.body;
        body["id"] = json!(wanted.id);
        body["type"] = json!(wanted.id.kind());
        body["name"] = json!(wanted.id.name());
        body["properties"]["provisioningState"] = json!("Succeeded");
        body["properties"]["allocationState"] = json!("Steady");
        body["properties"]["autoStorage"] = json!({"storageAccountId": "/x"});
        body["properties"]["currentDedicatedNodes"] = json!(2);
        body
    });
    inventory.extend(bodies.collect::<Vec<_>>());
    inventory
}

fn patch_of(plan: &Plan) -> Value {
    let updates: Vec<_> = plan.steps.iter().filter(|step| step.verb == Verb::Update).collect();
    let [update] = updates.as_slice() else { panic!("one update, not {plan:?}") };
    let Action::Send { request } = &update.action else { panic!("{update:?}") };
    serde_json::to_value(request).unwrap()["body"]["properties"].clone()
}

const PACKAGES: &str = "[{name: a, dedicated: 2, packages: ['blender#5.0.1', ffmpeg], environment: {A: b}}]";

#[test]
fn packages_and_variables_are_in_the_body_as_azure_wants_them() {
    let farm = farm(PACKAGES);
    let body = resources(&farm, &around(&farm)).remove(1).body;
    let account = format!("{}/providers/Microsoft.Batch/batchAccounts/farmba", farm.group_id());
    assert_eq!(
        body["properties"]["applicationPackages"],
        json!([
            {"id": format!("{account}/applications/blender"), "version": "5.0.1"},
            {"id": format!("{account}/applications/ffmpeg"), "version": null},
        ])
    );
    assert_eq!(
        body["properties"]["startTask"]["environmentSettings"],
        json!([
            {"name": "A", "value": "b"},
            {"name": "FLAMENCO_AZURE_PACKAGES", "value": "blender ffmpeg"},
        ])
    );
}

#[test]
fn a_pool_that_is_as_wanted_plans_nothing() {
    for pools in [
        PACKAGES,
        "[{name: a, dedicated: 2}]",
        "[{name: a, maxNodes: 7, autoscale: {formula: '$TargetDedicatedNodes = 2', evaluationMinutes: 60}}]",
        "[{name: a, dedicated: 2}, {name: b, packages: [x]}, {name: c, spot: 1, environment: {A: ''}}]",
    ] {
        let farm = farm(pools);
        assert!(planned(&farm, &made(&farm)).is_empty(), "{pools}");
    }
}

#[test]
fn packages_variables_and_nothing_else_are_changed_in_place() {
    let before = farm(PACKAGES);
    // Fewer or more packages are said in the start task's variables too.
    let both: &[&str] = &["applicationPackages", "startTask"];
    for (pools, parts) in [
        ("[{name: a, dedicated: 2, packages: ['blender#5.0.2', ffmpeg], environment: {A: b}}]", &both[..1]),
        ("[{name: a, dedicated: 2, packages: [blender, ffmpeg], environment: {A: b}}]", &both[..1]),
        ("[{name: a, dedicated: 2, packages: ['blender#5.0.1'], environment: {A: b}}]", both),
        ("[{name: a, dedicated: 2, environment: {A: b}}]", both),
        ("[{name: a, dedicated: 2, packages: ['blender#5.0.1', ffmpeg], environment: {A: B}}]", &both[1..]),
        ("[{name: a, dedicated: 2, packages: ['blender#5.0.1', ffmpeg]}]", &both[1..]),
    ] {
        let after = farm(pools);
        let plan = planned(&after, &made(&before));
        assert!(plan.blocked.is_empty(), "{pools}");
        let changes = &plan.steps.iter().find(|step| step.verb == Verb::Update).unwrap().changes;
        assert!(
            changes.iter().all(|change| {
                parts.iter().any(|part| change.path.starts_with(&format!("/properties/{part}")))
            }),
            "{pools}"
        );
        let patch = patch_of(&plan);
        let body = resources(&after, &around(&after)).remove(1).body;
        let packages = without_null_versions(&body["properties"]["applicationPackages"]);
        assert_eq!(patch["applicationPackages"], packages, "{pools}");
        assert_eq!(patch["startTask"], body["properties"]["startTask"], "{pools}");
        assert_eq!(patch.get("scaleSettings"), None, "node counts belong to whoever scales: {pools}");
    }
}

fn without_null_versions(packages: &Value) -> Value {
    let mut packages = packages.clone();
    for package in packages.as_array_mut().unwrap() {
        package.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    packages
}

#[test]
fn what_batch_cannot_change_needs_a_replacement_that_the_plan_offers() {
    let before = farm(PACKAGES);
    let after = farm(&PACKAGES.replace("name: a,", "name: a, vmSize: Standard_D8as_v5,"));
    let plan = planned(&after, &made(&before));
    assert!(plan.is_empty());
    let [blocked] = plan.blocked.as_slice() else { panic!("{plan:?}") };
    assert_eq!(blocked.changes.len(), 1);
    assert!(blocked.remedy.contains("pool rollout POOL --replace"), "{}", blocked.remedy);
}

#[test]
fn a_rollouts_mark_is_no_drift_and_goes_with_the_next_change() {
    let before = farm(PACKAGES);
    let mut inventory = made(&before);
    let pool = pool_id(&before, "a");
    let mut body = inventory.get(&pool).unwrap().body.clone();
    let mark = json!({"name": batch_pool::rollout::MARK, "value": "0011 2026-11-21T12:00:00Z"});
    body["properties"]["metadata"].as_array_mut().unwrap().push(mark);
    inventory.extend(vec![body]);
    assert!(planned(&before, &inventory).is_empty());
    let after = farm(&PACKAGES.replace("5.0.1", "5.0.2"));
    assert_eq!(
        patch_of(&planned(&after, &inventory))["metadata"],
        json!([{"name": "flamenco-farm", "value": "farm"}])
    );
}

#[test]
fn formulas_are_set_changed_and_switched_off_and_never_ask_for_more_than_max_nodes() {
    let fixed = farm("[{name: a, dedicated: 2}]");
    let auto = |more: &str| {
        farm(&format!(
            "[{{name: a, {more}, autoscale: {{formula: '$TargetDedicatedNodes = 900;', evaluationMinutes: 10}}}}]"
        ))
    };
    let scale = |plan: &Plan| patch_of(plan)["scaleSettings"].clone();
    let settings = scale(&planned(&auto("maxNodes: 7"), &made(&fixed)));
    let formula = settings["autoScale"]["formula"].as_str().unwrap();
    assert!(formula.contains("min(7, $TargetDedicatedNodes)"), "{formula}");
    assert_eq!(settings["autoScale"]["evaluationInterval"], json!("PT10M"));
    // Another limit is another formula.
    let changed = scale(&planned(&auto("maxNodes: 8"), &made(&auto("maxNodes: 7"))));
    assert!(changed["autoScale"]["formula"].as_str().unwrap().contains("min(8,"), "{changed}");
    // A fixed size again: what is there stays.
    let back = scale(&planned(&fixed, &made(&auto("maxNodes: 7"))));
    assert_eq!(back["fixedScale"]["targetDedicatedNodes"], json!(2));
}

#[test]
fn a_formula_that_goes_while_it_grows_a_pool_takes_no_node_away() {
    let fixed = farm("[{name: a, dedicated: 2}]");
    let auto = farm("[{name: a, maxNodes: 20, autoscale: {formula: '$TargetDedicatedNodes = 20'}}]");
    for (state, kept) in [("Steady", 2), ("Resizing", 20)] {
        let mut inventory = made(&auto);
        let mut pool = inventory.get(&pool_id(&auto, "a")).unwrap().body.clone();
        pool["properties"]["allocationState"] = json!(state);
        pool["properties"]["resizeOperationStatus"] =
            json!({"targetDedicatedNodes": 20, "targetLowPriorityNodes": 0});
        inventory.extend(vec![pool]);
        let settings = patch_of(&planned(&fixed, &inventory))["scaleSettings"].clone();
        assert_eq!(settings["fixedScale"]["targetDedicatedNodes"], json!(kept), "{state}");
    }
}

#[test]
fn a_pool_gets_its_first_packages_with_the_nodes_identity_and_never_in_place() {
    let before = farm("[{name: a, dedicated: 2}]");
    let after = farm("[{name: a, dedicated: 2, packages: [blender], environment: {A: b}}]");
    let identity = |body: &Value| body["identity"]["userAssignedIdentities"].clone();
    let wanted = resources(&after, &around(&after)).remove(1).body;
    let ours = batch_pool::auto_storage::node_identity(&after);
    assert_eq!(identity(&wanted), json!({ours.as_str(): {}}));
    assert_eq!(identity(&resources(&before, &around(&before)).remove(1).body), Value::Null);
    let other = json!({"type": "UserAssigned", "userAssignedIdentities": {"/subscriptions/x": {}}});
    for has in [Value::Null, json!({"type": "None"}), other] {
        let mut inventory = made(&before);
        let mut pool = inventory.get(&pool_id(&before, "a")).unwrap().body.clone();
        pool["identity"] = has.clone();
        inventory.extend(vec![pool]);
        let plan = planned(&after, &inventory);
        let [blocked] = plan.blocked.as_slice() else { panic!("{has}: {plan:?}") };
        assert!(
            blocked.changes.iter().any(|change| change.path.starts_with("/identity")),
            "{has}: {blocked:?}"
        );
        let patch = patch_of(&plan);
        assert!(patch.get("applicationPackages").is_none() && patch.get("startTask").is_some(), "{patch}");
    }
    // The identity by another casing, and others beside it.
    let mut inventory = made(&after);
    let mut pool = inventory.get(&pool_id(&after, "a")).unwrap().body.clone();
    pool["identity"]["userAssignedIdentities"] =
        json!({ours.as_str().to_ascii_uppercase(): {"clientId": "x"}, "/subscriptions/x": {}});
    inventory.extend(vec![pool]);
    assert!(planned(&after, &inventory).is_empty());
}

#[test]
fn an_allocation_has_a_quarter_of_an_hour_for_each_thousand_nodes() {
    for (nodes, timeout) in [(0, "PT15M"), (1000, "PT15M"), (1001, "PT30M"), (4000, "PT60M")] {
        let count = flamenco_azure_core::pool::Count { dedicated: nodes / 2, spot: nodes - nodes / 2 };
        assert_eq!(
            batch_pool::wire::fixed_scale(count)["fixedScale"]["resizeTimeout"],
            json!(timeout),
            "{nodes}"
        );
    }
    let most = flamenco_azure_core::pool::Count { dedicated: u32::MAX, spot: 1 };
    assert_eq!(most.total(), u32::MAX, "what nobody has is no panic");
}

#[test]
fn pools_wait_for_their_packages_where_there_is_no_place_for_them() {
    let both = farm("[{name: a, packages: ['blender#5.0.1', ffmpeg]}, {name: b, dedicated: 1}]");
    let plan = planned(&both, &Inventory::default());
    let pools: Vec<_> =
        plan.steps.iter().filter(|step| step.resource.is_kind(batch_pool::wire::POOL)).collect();
    assert_eq!(pools.iter().map(|step| step.resource.name()).collect::<Vec<_>>(), ["b"]);
    let [blocked] = plan.blocked.as_slice() else { panic!("{plan:?}") };
    assert!(
        blocked.remedy.contains("`flamenco-azure app push blender --version 5.0.1 PATH`"),
        "{}",
        blocked.remedy
    );
    assert!(blocked.remedy.contains("app push ffmpeg --version VERSION"), "{}", blocked.remedy);
    // Not a pool that is there either, while its account has no storage for packages.
    let before = farm("[{name: a}, {name: b, dedicated: 1}]");
    let mut inventory = made(&before);
    let mut account = inventory.get(&batch_pool::spec::account(&before)).unwrap().body.clone();
    account["properties"].as_object_mut().unwrap().remove("autoStorage");
    inventory.extend(vec![account]);
    let plan = planned(&both, &inventory);
    assert!(plan.is_empty() && plan.blocked.len() == 1, "{plan:?}");
}

#[test]
fn core_and_this_crate_agree_on_what_a_package_is() {
    for text in
        ["blender#5.0.1", "a#1..2", "a#-1", "A_b-C#_", "a#.1", "a.b#1", "#1", "a#", "ä#1", "a#1 2", "a/b#1"]
    {
        let (application, version) = text.split_once('#').unwrap();
        let here = batch_pool::packages::PackageId::new(application, version).is_ok();
        assert_eq!(text.parse::<PackageRef>().is_ok(), here, "{text}");
    }
}
