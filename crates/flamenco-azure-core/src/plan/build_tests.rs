//! Laws of the planner, on resources made up by proptest and applied in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Absent, Desired, GroupWish, TeardownOptions, Update, Verb, Wanted, plan_teardown};
use super::super::{Grant, IDENTITY, Principal, lookups, roles};
use super::*;
use crate::arm::Method;
use crate::ids::SubscriptionId;
use crate::tags::Tags;

const FARM: &str = "studio";

fn group() -> ResourceId {
    let subscription: SubscriptionId = "5b3a7c1e-0000-4000-8000-0123456789ab".parse().unwrap();
    ResourceId::group(&subscription, "rg")
}

fn vnet(name: &str) -> ResourceId {
    group().resource("Microsoft.Network/virtualNetworks", name)
}

#[allow(clippy::needless_pass_by_value, reason = "shorter calls")]
fn desired(id: ResourceId, properties: Value, after: Vec<ResourceId>) -> Desired {
    let body = json!({"location": "westeurope", "tags": {"flamenco-farm": FARM}, "properties": properties});
    Desired {
        after,
        create_only: &["/properties/secret"],
        replace_on: &["/properties/fixed"],
        replace_remedy: "make it anew",
        ..Desired::new(id, "2024-05-01", "test", body)
    }
}

fn wanted(resources: Vec<Desired>) -> Wanted {
    Wanted {
        farm: FARM.to_owned(),
        group: GroupWish { id: group(), location: "westeurope".parse().unwrap(), tags: Tags::new() },
        resources,
        orders: Vec::new(),
        absent: Vec::new(),
        checkpoints: Vec::new(),
    }
}

/// A tiny Azure: what a request leaves behind.
fn apply(plan: &Plan, inventory: &mut Inventory) {
    let mut done: Vec<&str> = Vec::new();
    for step in &plan.steps {
        for need in &step.needs {
            assert!(done.contains(&need.as_str()), "{} runs before {need}", step.id);
        }
        done.push(&step.id);
        let Action::Send { request } = &step.action else { continue };
        let body = request.body.clone().unwrap_or_default();
        let old = inventory.get(&step.resource).map(|o| o.body.clone()).unwrap_or_default();
        let new = match request.method {
            Method::Put => body,
            Method::Patch => merge(&old, &body),
            _ => continue,
        };
        let mut new =
            merge(&json!({"id": step.resource, "properties": {"provisioningState": "Succeeded"}}), &new);
        if step.resource == group() {
            if let Some(tags) = new.pointer("/properties/tags").cloned() {
                new["tags"] = tags;
                new["location"] = "westeurope".into();
            }
            inventory.group = Observed::from_body(new);
        } else {
            inventory.insert(Observed::from_body(new).unwrap());
        }
    }
}

fn properties() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..5_u8).prop_map(Value::from),
        "[a-c]{1,2}".prop_map(Value::from)
    ];
    let map = prop::collection::btree_map("[a-d]", scalar.clone(), 0..3);
    prop::collection::btree_map(
        "[a-e]|secret",
        prop_oneof![
            scalar.clone(),
            map.prop_map(|m| json!(m)),
            prop::collection::btree_set("[x-z]", 0..3).prop_map(|s| json!(s))
        ],
        0..5,
    )
    .prop_map(|map| json!(map))
}

fn farm(most: usize) -> impl Strategy<Value = Vec<Desired>> {
    prop::collection::vec((properties(), any::<u64>()), 1..most).prop_map(|specs| {
        let ids: Vec<_> = (0..specs.len()).map(|n| vnet(&format!("v{n}"))).collect();
        let mut resources: Vec<_> = specs
            .into_iter()
            .enumerate()
            .map(|(n, (properties, mask))| {
                // Only earlier ones come first, so there is no cycle.
                let after = ids[..n]
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| mask >> (bit % 64) & 1 == 1)
                    .map(|(_, id)| id.clone());
                desired(ids[n].clone(), properties, after.collect())
            })
            .collect();
        // The order in which crates name their resources does not matter.
        resources.reverse();
        resources
    })
}

proptest! {
    #[test]
    fn applying_a_plan_leaves_nothing_to_plan(first in farm(8), second in farm(8)) {
        let mut inventory = Inventory::default();
        for resources in [first, second] {
            let wanted = wanted(resources);
            let plan1 = plan(&wanted, &inventory).unwrap();
            prop_assert_eq!(&plan1, &plan(&wanted, &inventory).unwrap());
            apply(&plan1, &mut inventory);
            let again = plan(&wanted, &inventory).unwrap();
            prop_assert!(again.is_empty(), "{:#?}", again.steps);
        }
    }

    #[test]
    fn every_step_comes_after_those_it_needs(resources in farm(12)) {
        let plan = plan(&wanted(resources), &Inventory::default()).unwrap();
        prop_assert_eq!(&plan.steps[0].id, "create resourceGroups/rg");
        for (index, step) in plan.steps.iter().enumerate() {
            for need in &step.needs {
                prop_assert!(plan.steps[..index].iter().any(|s| s.id == *need));
            }
        }
    }
}

#[test]
fn nothing_is_planned_over_a_foreign_resource() {
    let mut inventory = Inventory::default();
    inventory.extend([json!({"id": vnet("v"), "tags": {"flamenco-farm": "other"}})]);
    let error = plan(&wanted(vec![desired(vnet("V"), json!({}), vec![])]), &inventory).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not owned by farm `studio` but in the way: Microsoft.Network/virtualNetworks `v`"
    );
}

#[test]
fn an_existing_group_is_joined_and_never_claimed() {
    let inventory = Inventory::of_group(Observed::from_body(
        json!({"id": group(), "location": "westeurope", "tags": {"team": "fx"}}),
    ));
    let plan = plan(&wanted(vec![]), &inventory).unwrap();
    let Action::Send { request } = &plan.steps[0].action else { panic!("a request") };
    assert_eq!(
        request.body,
        Some(json!({"operation": "Merge", "properties": {"tags": {"flamenco-farm.studio": "joined"}}}))
    );
}

#[test]
fn a_group_in_another_region_is_refused() {
    let inventory = Inventory::of_group(Observed::from_body(json!({"id": group(), "location": "West US"})));
    assert!(
        matches!(plan(&wanted(vec![]), &inventory), Err(PlanError::GroupElsewhere { have, .. }) if have == "westus")
    );
}

#[test]
fn what_cannot_change_is_named_and_not_claimed() {
    let mut inventory = Inventory::default();
    let mut before = desired(vnet("v"), json!({"fixed": 1, "a": 1}), vec![]);
    inventory.group = Observed::from_body(
        json!({"id": group(), "location": "westeurope", "tags": {"flamenco-farm.studio": "created"}}),
    );
    inventory.extend([merge(&before.body, &json!({"id": vnet("v")}))]);
    before.body["properties"] = json!({"fixed": 2, "a": 2});
    let plan = plan(&wanted(vec![before]), &inventory).unwrap();
    assert_eq!(plan.blocked[0].changes[0].path, "/properties/fixed");
    let Action::Send { request } = &plan.steps[0].action else { panic!("a request") };
    let body = request.body.as_ref().unwrap();
    assert_eq!(
        (body.pointer("/properties/fixed"), body.pointer("/properties/a")),
        (Some(&json!(1)), Some(&json!(2)))
    );
}

#[test]
fn half_done_changes_are_awaited_first() {
    for (state, verbs) in [
        ("Updating", vec![Verb::Await]),
        ("Deleting", vec![Verb::Await, Verb::Create]),
        ("Failed", vec![Verb::Update]),
        ("Succeeded", vec![]),
    ] {
        let want = desired(vnet("v"), json!({}), vec![]);
        let mut inventory = Inventory::of_group(Observed::from_body(
            json!({"id": group(), "location": "westeurope", "tags": {"flamenco-farm.studio": "created"}}),
        ));
        inventory.extend([merge(
            &want.body,
            &json!({"id": vnet("v"), "properties": {"provisioningState": state}}),
        )]);
        let plan = plan(&wanted(vec![want]), &inventory).unwrap();
        assert_eq!(plan.steps.iter().map(|s| s.verb).collect::<Vec<_>>(), verbs, "{state}");
    }
}

#[test]
fn subnets_of_others_survive_an_update() {
    let mut want =
        desired(vnet("v"), json!({"subnets": [{"name": "workers", "properties": {"p": 2}}]}), vec![]);
    want.update = Update::PutKeeping("/properties/subnets");
    let mut inventory = Inventory::default();
    let others = json!({"name": "theirs", "properties": {"p": 9}});
    inventory.extend([json!({"id": vnet("v"), "location": "westeurope", "tags": {"flamenco-farm": FARM},
        "properties": {"subnets": [{"name": "Workers", "properties": {"p": 1}}, others]}})]);
    let plan = plan(&wanted(vec![want]), &inventory).unwrap();
    let Action::Send { request } = &plan.step("update virtualNetworks/v").unwrap().action else {
        panic!("a request")
    };
    let subnets = request.body.as_ref().unwrap().pointer("/properties/subnets").unwrap();
    assert_eq!(subnets, &json!([{"name": "workers", "properties": {"p": 2}}, others]));
}

#[test]
fn an_absent_resource_is_deleted_after_what_releases_it() {
    let mut inventory = Inventory::default();
    let nat = group().resource("Microsoft.Network/natGateways", "n");
    inventory.extend([json!({"id": nat, "tags": {"flamenco-farm": FARM}})]);
    let mut wanted = wanted(vec![desired(vnet("v"), json!({}), vec![])]);
    wanted.absent.push(Absent {
        id: nat,
        api_version: "2024-05-01",
        purpose: "way out",
        reason: "paused".to_owned(),
        after: vec![vnet("v")],
    });
    let plan = plan(&wanted, &inventory).unwrap();
    let delete = plan.step("delete natGateways/n").unwrap();
    assert_eq!(delete.needs, ["create resourceGroups/rg", "create virtualNetworks/v"]);
}

fn inventory_of_two_farms(made: &str) -> Inventory {
    let mut inventory = Inventory::of_group(Observed::from_body(
        json!({"id": group(), "tags": {"flamenco-farm.studio": made}}),
    ));
    let vm = |name: &str| group().resource("Microsoft.Compute/virtualMachines", name);
    inventory.extend([
        json!({"id": vm("m"), "tags": {"flamenco-farm": FARM}}),
        json!({"id": group().resource("Microsoft.Compute/disks", "m-os"), "managedBy": vm("m")}),
        json!({"id": vnet("v"), "tags": {"flamenco-farm": FARM}}),
        json!({"id": group().resource("Microsoft.Network/networkInterfaces", "n"), "tags": {"flamenco-farm": FARM}}),
        json!({"id": group().resource("Microsoft.Storage/storageAccounts", "s"), "tags": {"flamenco-farm": FARM}}),
    ]);
    inventory
}

#[test]
fn teardown_deletes_in_the_order_in_which_azure_lets_go() {
    let plan = plan_teardown(FARM, &group(), &inventory_of_two_farms("created"), &TeardownOptions::default())
        .unwrap();
    let order: BTreeMap<&str, usize> =
        plan.steps.iter().enumerate().map(|(n, s)| (s.id.as_str(), n)).collect();
    assert!(order["delete virtualMachines/m"] < order["delete networkInterfaces/n"]);
    assert!(order["delete networkInterfaces/n"] < order["delete virtualNetworks/v"]);
    assert_eq!(plan.steps.last().unwrap().id, "delete resourceGroups/rg");
    assert!(matches!(plan.steps.last().unwrap().action, Action::DeleteEmptyGroup(_)));
    assert!(!order.contains_key("delete disks/m-os"), "the VM takes its disk with it");
}

#[test]
fn teardown_leaves_foreign_resources_and_groups_it_did_not_make() {
    let mut inventory = inventory_of_two_farms("created");
    inventory.extend([json!({"id": vnet("theirs"), "tags": {"flamenco-farm": "other"}})]);
    for inventory in [inventory, inventory_of_two_farms("joined")] {
        let plan = plan_teardown(FARM, &group(), &inventory, &TeardownOptions::default()).unwrap();
        assert_eq!(plan.steps.last().unwrap().id, "update resourceGroups/rg");
        assert!(plan.steps.iter().all(|s| s.resource.name() != "theirs"));
        assert!(plan.left.iter().any(|left| left.resource == group()));
    }
}

#[test]
fn keep_data_keeps_the_storage_account_and_its_group() {
    let options = TeardownOptions { keep_data: true, ..TeardownOptions::default() };
    let plan = plan_teardown(FARM, &group(), &inventory_of_two_farms("created"), &options).unwrap();
    assert!(plan.steps.iter().all(|s| s.resource.name() != "s" && s.resource != group()));
    assert_eq!(plan.left.len(), 2);
}

#[test]
fn an_early_creation_lets_others_go_on_and_is_completed_once() {
    let (network, gate, user, last) = (vnet("network"), vnet("slow"), vnet("user"), vnet("last"));
    let slow = desired(gate.clone(), json!({}), Vec::new());
    let mut early = desired(network.clone(), json!({"way": "out"}), vec![gate.clone()]);
    let body = json!({"tags": {"flamenco-farm": FARM}, "properties": {"way": null}});
    early.early = Some(super::super::Early { body, without: vec![gate.clone()], reason: "later" });
    let mut content = desired(user.clone(), json!({}), Vec::new());
    content.beside = vec![network.clone()];
    let all = wanted(vec![slow, early, content, desired(last.clone(), json!({}), vec![network.clone()])]);
    let mut inventory = Inventory::default();
    let first = plan(&all, &inventory).unwrap();
    let needs = |verb, id: &ResourceId| {
        first.steps.iter().find(|s| s.id == Step::id_of(verb, id)).unwrap().needs.clone()
    };
    let (create, whole) = (Step::id_of(Verb::Create, &network), Step::id_of(Verb::Update, &network));
    let slow = Step::id_of(Verb::Create, &gate);
    assert!(!needs(Verb::Create, &network).contains(&slow));
    assert_eq!(needs(Verb::Update, &network), [create.clone(), slow]);
    assert!(needs(Verb::Create, &user).contains(&create) && !needs(Verb::Create, &user).contains(&whole));
    assert!(needs(Verb::Create, &last).contains(&whole));
    apply(&first, &mut inventory);
    assert!(plan(&all, &inventory).unwrap().steps.is_empty());
    // Cut off between the two steps: one update is left to do.
    let mut half = inventory.get(&network).unwrap().body.clone();
    half["properties"].as_object_mut().unwrap().remove("way");
    inventory.insert(Observed::from_body(half).unwrap());
    let rest = plan(&all, &inventory).unwrap();
    assert_eq!(rest.steps.iter().map(|s| &s.id).collect::<Vec<_>>(), [&whole]);
}

fn identity() -> ResourceId {
    group().resource(IDENTITY, "node")
}

fn grant() -> Grant {
    Grant {
        purpose: "test",
        scope: group().to_string(),
        principal: Principal::Identity(identity()),
        role: roles::TAG_CONTRIBUTOR,
    }
}

fn with_identity(principal: &str) -> Inventory {
    let mut inventory = Inventory::of_group(Observed::from_body(
        json!({"id": group(), "location": "westeurope", "tags": {"flamenco-farm.studio": "created"}}),
    ));
    inventory.extend([json!({"id": identity(), "location": "westeurope", "tags": {"flamenco-farm": FARM},
        "properties": {"principalId": principal}})]);
    inventory
}

fn assignment(id: &ResourceId, principal: &str) -> Value {
    json!({"id": id, "properties": {
        "scope": group(), "principalId": principal,
        "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{}", roles::TAG_CONTRIBUTOR.guid),
    }})
}

fn granting() -> Wanted {
    let mut node = desired(identity(), json!({}), Vec::new());
    node.api_version = "2023-01-31";
    wanted(vec![grant().desired(FARM, Vec::new()).unwrap(), node])
}

#[test]
fn a_role_is_assigned_after_the_identity_that_holds_it_and_only_once() {
    let id = grant().id(FARM).unwrap();
    let first = plan(&granting(), &Inventory::default()).unwrap();
    let step = first.step(&Step::id_of(Verb::Create, &id)).unwrap();
    assert!(step.needs.contains(&Step::id_of(Verb::Create, &identity())), "{:?}", step.needs);
    let Action::Send { request } = &step.action else { panic!("a request") };
    assert_eq!(lookups(request.body.as_ref().unwrap())[0].resource, identity());
    let text = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), first, "a plan with lookups is data");

    // By its own name, or by another's hand under another name.
    let others = group().resource(ROLE_ASSIGNMENT, "9b0ea5e7-0000-4000-8000-000000000001");
    for there in [&id, &others] {
        let mut inventory = with_identity("p-1");
        inventory.extend([assignment(there, "P-1")]);
        assert!(plan(&granting(), &inventory).unwrap().is_empty(), "{there}");
        assert!(grant().is_held(&inventory));
        assert_eq!(inventory.owner(inventory.get(there).unwrap()).is_some(), *there == id);
    }
}

#[test]
fn a_role_of_an_identity_that_was_made_anew_is_assigned_anew() {
    let id = grant().id(FARM).unwrap();
    let mut inventory = with_identity("p-2");
    inventory.extend([assignment(&id, "p-1")]);
    let plan = plan(&granting(), &inventory).unwrap();
    let verbs: Vec<Verb> = plan.steps.iter().map(|step| step.verb).collect();
    assert_eq!(verbs, [Verb::Delete, Verb::Create]);
    let Action::Send { request } = &plan.steps[1].action else { panic!("a request") };
    assert_eq!(request.body.as_ref().unwrap()["properties"]["principalId"], "p-2");
}

#[test]
fn teardown_takes_our_assignments_before_their_identities_and_leaves_others() {
    let (id, mut inventory) = (grant().id(FARM).unwrap(), with_identity("p-1"));
    let others = group().resource(ROLE_ASSIGNMENT, "9b0ea5e7-0000-4000-8000-000000000001");
    inventory.extend([assignment(&id, "p-1"), assignment(&others, "p-1")]);
    let plan = plan_teardown(FARM, &group(), &inventory, &TeardownOptions::default()).unwrap();
    let last = plan.step(&Step::id_of(Verb::Delete, &identity())).unwrap();
    assert!(last.needs.contains(&Step::id_of(Verb::Delete, &id)), "{:?}", last.needs);
    assert!(plan.steps.iter().all(|step| step.resource != others));
    assert!(plan.left.is_empty(), "an assignment is no resource of the group: {:?}", plan.left);
}

/// Recorded traffic: a group's list has the assignments above it too (c7n, `test_find_assignments_by_resources`).
#[test]
fn teardown_leaves_what_somebody_known_may_do_above_the_group() {
    let group_id = group().to_string();
    let subscription = group_id.split("/resourceGroups").next().unwrap().to_owned();
    let known = Principal::Known { object: "b-1".to_owned(), kind: "ServicePrincipal" };
    for (scope, goes) in [(subscription, false), (group_id.clone(), true), (format!("{group_id}-2"), false)] {
        let grant = Grant { scope: scope.clone(), principal: known.clone(), ..grant() };
        let id = grant.id(FARM).unwrap();
        let mut inventory = with_identity("p-1");
        let mut body = assignment(&id, "b-1");
        body["properties"]["scope"] = scope.clone().into();
        inventory.extend([body]);
        let plan = plan_teardown(FARM, &group(), &inventory, &TeardownOptions::default()).unwrap();
        assert_eq!(plan.steps.iter().any(|step| step.resource == id), goes, "{scope}");
    }
}

/// Batch needs its roles until its nodes are gone.
#[test]
fn teardown_takes_roles_after_pools_and_batch_accounts() {
    let mut inventory = with_identity("p-1");
    let account = group().resource("Microsoft.Batch/batchAccounts", "b");
    let pool: ResourceId = format!("{account}/pools/p").parse().unwrap();
    let id = grant().id(FARM).unwrap();
    inventory.extend([
        json!({"id": account, "tags": {"flamenco-farm": FARM}}),
        json!({"id": pool}),
        assignment(&id, "p-1"),
    ]);
    let plan = plan_teardown(FARM, &group(), &inventory, &TeardownOptions::default()).unwrap();
    let step = plan.step(&Step::id_of(Verb::Delete, &id)).unwrap();
    for before in [&account, &pool] {
        assert!(step.needs.contains(&Step::id_of(Verb::Delete, before)), "{before}: {:?}", step.needs);
    }
}

#[test]
fn teardown_stops_who_scales_before_it_deletes_and_sets_take_their_machines_along() {
    let mut inventory = inventory_of_two_farms("created");
    let set = group().resource("Microsoft.Compute/virtualMachineScaleSets", "s1");
    let vm = group().resource("Microsoft.Compute/virtualMachines", "s1_0");
    let nic = group().resource("Microsoft.Network/networkInterfaces", "s1_0-nic");
    inventory.extend([
        json!({"id": set, "tags": {"flamenco-farm": FARM}}),
        json!({"id": vm, "properties": {"virtualMachineScaleSet": {"id": set}}}),
        json!({"id": nic, "properties": {"virtualMachine": {"id": vm}}}),
    ]);
    let options = TeardownOptions {
        stop: Tags::from([("TOTAL_NODES".to_owned(), "0".to_owned())]),
        ..TeardownOptions::default()
    };
    let plan = plan_teardown(FARM, &group(), &inventory, &options).unwrap();
    assert_eq!(plan.steps[0].id, "update tags/default");
    assert!(plan.steps[1..].iter().all(|step| step.needs.contains(&plan.steps[0].id)));
    let gone: Vec<&ResourceId> = plan.steps.iter().map(|step| &step.resource).collect();
    assert!(gone.contains(&&set) && !gone.contains(&&vm) && !gone.contains(&&nic) && plan.left.is_empty());
    let of_set = plan.step(&Step::id_of(Verb::Delete, &set)).unwrap();
    assert!(of_set.needs.contains(&"delete virtualMachines/m".to_owned()), "{:?}", of_set.needs);
}
