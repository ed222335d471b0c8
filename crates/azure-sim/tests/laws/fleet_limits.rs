//! Laws of what stands in the way of scale sets: bad bodies, quotas, subnets, token buckets, lists that lag.

use azure_sim::{Action, Fault, Finding, Match, Resource, Spoil, World};
use serde_json::{Value, json};

use crate::fleet::*;
use crate::support::*;

fn changed(mode: &str, pointer: &str, value: Value) -> Value {
    let mut body = body(mode, 3);
    let (front, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(front).unwrap()[name] = value;
    body
}

const PROFILE: &str = "/properties/virtualMachineProfile";

#[test]
fn what_azure_refuses_leaves_nothing_behind() {
    let mut w = ground();
    w.throttling(false);
    w.restrict_size("westeurope", "Standard_D8as_v5");
    let elsewhere = format!("{}/providers/Microsoft.Compute/images/there", group_path());
    let mut image = Resource::new(&elsewhere, "Microsoft.Compute/images", w.now());
    image.location = Some("eastus".to_owned());
    w.add_foreign(image);
    let gallery = format!("{}/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0", group_path());
    let nobody =
        format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nobody", group_path());
    let profile = |rest: &str| format!("{PROFILE}{rest}");
    let image = |id: &str| json!({"id": id});
    let stranger = json!({"type": "UserAssigned", "userAssignedIdentities": {nobody: {}}});
    let subnet =
        "/networkProfile/networkInterfaceConfigurations/0/properties/ipConfigurations/0/properties/subnet";
    let cases: Vec<(&str, String, Value, u16, &str)> = vec![
        ("Uniform", "/sku/name".into(), json!("Standard_Q1"), 400, "InvalidParameter"),
        ("Uniform", "/sku/name".into(), json!("Standard_NV12s_v3"), 409, "SkuNotAvailable"),
        ("Flexible", "/sku/name".into(), json!("Standard_D8as_v5"), 409, "SkuNotAvailable"),
        (
            "Flexible",
            "/sku/name".into(),
            json!("Standard_B2s_v2"),
            400,
            "AzureSpotIsNotSupportedForThisVMSize",
        ),
        ("Uniform", "/sku/capacity".into(), json!(1001), 400, "InvalidParameter"),
        ("Uniform", "/sku/capacity".into(), json!(-3), 400, "InvalidParameter"),
        ("Flexible", "/location".into(), json!("nowhere"), 400, "NoRegisteredProviderFound"),
        ("Flexible", "/properties/platformFaultDomainCount".into(), json!(null), 400, "InvalidParameter"),
        ("Flexible", profile("/networkProfile/networkApiVersion"), json!(null), 400, "InvalidParameter"),
        ("Flexible", "/properties/overprovision".into(), json!(true), 400, "InvalidParameter"),
        ("Flexible", "/identity".into(), json!({"type": "SystemAssigned"}), 400, "BadRequest"),
        ("Uniform", "/identity".into(), stranger, 400, "FailedIdentityOperation"),
        (
            "Uniform",
            profile("/priority"),
            json!("Regular"),
            400,
            "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
        ),
        (
            "Uniform",
            profile("/billingProfile"),
            json!({"maxPrice": 0.123_456_7}),
            400,
            "MaxPriceValueInvalid",
        ),
        ("Uniform", profile("/billingProfile"), json!({"maxPrice": -2}), 400, "MaxPriceValueInvalid"),
        (
            "Uniform",
            profile("/billingProfile"),
            json!({"maxPrice": 0.00001}),
            409,
            "SpotPriceGreaterThanProvidedMaxPrice",
        ),
        ("Uniform", profile("/storageProfile/imageReference"), image(&gallery), 404, "GalleryImageNotFound"),
        ("Uniform", profile("/storageProfile/imageReference"), image(&elsewhere), 400, "InvalidParameter"),
        ("Uniform", profile("/osProfile/computerNamePrefix"), json!("no blanks"), 400, "InvalidParameter"),
        ("Uniform", profile("/osProfile/linuxConfiguration/ssh"), json!({}), 400, "InvalidParameter"),
        ("Uniform", profile("/osProfile/customData"), json!("no base64!"), 400, "InvalidParameter"),
        (
            "Uniform",
            profile("/storageProfile/osDisk/diffDiskSettings"),
            json!({"option": "Local"}),
            400,
            "InvalidParameter",
        ),
        (
            "Flexible",
            profile(subnet),
            json!({"id": net("virtualNetworks/vnet/subnets/none")}),
            400,
            "InvalidResourceReference",
        ),
    ];
    for (mode, pointer, value, status, wanted) in cases {
        let refused = put(&mut w, &set("farm"), &changed(mode, &pointer, value.clone()));
        assert_eq!(code(&refused), (status, wanted.to_owned()), "{pointer} {value}: {}", refused.json_body());
        assert!(w.scale_sets().is_empty());
        assert_eq!(get(&mut w, &set("farm")).status, 404);
    }
    assert_eq!(put(&mut w, &set("-farm"), &body("Uniform", 1)).status, 400);
}

#[test]
fn placement_groups_limit_the_number() {
    let mut w = ground();
    let sized = |single: Value, capacity: u64| {
        let mut body = body("Uniform", capacity);
        body["properties"]["singlePlacementGroup"] = single;
        body
    };
    assert_eq!(put(&mut w, &set("a"), &sized(json!(null), 101)).status, 400);
    assert_eq!(put(&mut w, &set("a"), &sized(json!(true), 100)).status, 201);
    assert_eq!(put(&mut w, &set("b"), &sized(json!(false), 1000)).status, 201);
    w.advance_by(800);
    // One way only.
    let back = json!({"properties": {"singlePlacementGroup": true}});
    let refused = send(&mut w, "PATCH", &set("b"), Some(&back));
    assert_eq!(code(&refused), (400, "PropertyChangeNotAllowed".to_owned()));
    let there = json!({"properties": {"singlePlacementGroup": false}, "sku": {"capacity": 150}});
    assert_eq!(send(&mut w, "PATCH", &set("a"), Some(&there)).status, 200);
    let other = json!({"properties": {"orchestrationMode": "Flexible"}});
    assert_eq!(send(&mut w, "PATCH", &set("a"), Some(&other)).status, 400);
}

#[test]
fn quotas_refuse_before_anything_is_made() {
    for (counter, make) in [
        ("lowPriorityCores", body as fn(&str, u64) -> Value),
        ("cores", regular),
        ("standardDASv5Family", regular),
    ] {
        let mut w = ground();
        w.set_limit("westeurope", counter, 20);
        let refused = put(&mut w, &set("farm"), &make("Uniform", 6));
        assert_eq!(code(&refused), (409, "OperationNotAllowed".to_owned()), "{counter}");
        let message = refused.json_body()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("Current Limit: 20, Current Usage: 0, Additional Required: 24, (Minimum) New Limit Required: 24."), "{message}");
        assert!(w.scale_sets().is_empty());
        assert_eq!(put(&mut w, &set("farm"), &make("Uniform", 5)).status, 201);
        let etag = get(&mut w, &set("farm")).header("etag").unwrap().to_owned();
        let refused = scale(&mut w, "farm", 6);
        assert_eq!(refused.status, 409, "{counter}");
        assert_eq!((state(&mut w, "farm").0, ids(&w, "farm").len()), (5, 5));
        assert_eq!(get(&mut w, &set("farm")).header("etag").unwrap(), etag);
        // Another of the same counts too, and what goes gives back.
        assert_eq!(put(&mut w, &set("more"), &make("Flexible", 1)).status, 409);
        delete_instances(&mut w, "farm", &["0"]);
        assert_eq!(put(&mut w, &set("more"), &make("Flexible", 1)).status, 409);
        w.advance_by(60);
        assert_eq!(put(&mut w, &set("more"), &make("Flexible", 1)).status, 201);
        assert!(!w.check().iter().any(|finding| matches!(finding, Finding::OverQuota(..))));
    }
}

#[test]
fn a_subnet_gets_full() {
    let mut w = ground();
    let small = json!({"properties": {"addressPrefix": "10.0.200.0/28"}});
    assert!(put(&mut w, &net("virtualNetworks/vnet/subnets/small"), &small).is_success());
    w.advance_by(30);
    let inside = |capacity: u64| {
        let mut body = body("Flexible", capacity);
        let pointer = "/properties/virtualMachineProfile/networkProfile/networkInterfaceConfigurations/0/properties/ipConfigurations/0/properties/subnet/id";
        *body.pointer_mut(pointer).unwrap() = json!(net("virtualNetworks/vnet/subnets/small"));
        body
    };
    assert_eq!(code(&put(&mut w, &set("farm"), &inside(12))), (400, "SubnetIsFull".to_owned()));
    assert_eq!(put(&mut w, &set("farm"), &inside(11)).status, 201);
    assert_eq!(code(&scale(&mut w, "farm", 12)), (400, "SubnetIsFull".to_owned()));
    let held = delete(&mut w, &net("virtualNetworks/vnet/subnets/small"));
    assert_eq!(code(&held), (400, "InUseSubnetCannotBeDeleted".to_owned()));
}

fn left(response: &azure_sim::SimResponse) -> String {
    response.header("x-ms-ratelimit-remaining-resource").unwrap_or_default().to_owned()
}

#[test]
fn buckets_per_set_run_out_and_fill_up_again() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 2);
    settled(&mut w, "other", "Uniform", 1);
    let tag = |n: u32| json!({"tags": {"n": n.to_string()}});
    for n in 0..12 {
        let answer = send(&mut w, "PATCH", &set("farm"), Some(&tag(n)));
        assert_eq!(answer.status, 200);
        assert!(
            left(&answer).contains(&format!("Microsoft.Compute/VMScaleSetActionsResource;{}", 11 - n)),
            "{}",
            left(&answer)
        );
    }
    let refused = send(&mut w, "PATCH", &set("farm"), Some(&tag(12)));
    assert_eq!(code(&refused), (429, "OperationNotAllowed".to_owned()));
    assert_eq!(refused.json_body()["error"]["details"][0]["code"], "TooManyRequests");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=15).contains(&wait), "four a minute: {wait}");
    assert_eq!(send(&mut w, "PATCH", &set("other"), Some(&tag(0))).status, 200, "each set has its own");
    assert_eq!(get(&mut w, &set("farm")).status, 200, "reads count apart");
    w.advance_by(wait);
    assert_eq!(send(&mut w, "PATCH", &set("farm"), Some(&tag(13))).status, 200);
}

#[test]
fn the_classes_are_those_of_the_published_table() {
    let mut w = ground();
    let created = put(&mut w, &set("farm"), &body("Uniform", 2));
    assert_eq!(
        left(&created),
        "Microsoft.Compute/CreateVMScaleSetSubscriptionMaximum;374,Microsoft.Compute/CreateVMScaleSetResource;11"
    );
    w.advance_by(600);
    let instance = format!("{}/virtualMachines/0", set("farm"));
    for (method, path, wanted) in [
        (
            "GET",
            set("farm"),
            "GetVMScaleSetSubscriptionMaximum;2399,Microsoft.Compute/GetVMScaleSetResource;35",
        ),
        (
            "GET",
            format!("{}/virtualMachines", set("farm")),
            "HighCostGetVMScaleSetSubscriptionMaximum;1079,Microsoft.Compute/HighCostGetVMScaleSetResource;29",
        ),
        ("GET", set("").trim_end_matches('/').to_owned(), "HighCostGetVMScaleSetSubscriptionMaximum;1078"),
        (
            "GET",
            instance.clone(),
            "GetVMScaleSetVMSubscriptionMaximum;5999,Microsoft.Compute/GetVMScaleSetVMResource;35",
        ),
        (
            "POST",
            format!("{instance}/simulateEviction"),
            "VMScaleSetVMActionsSubscriptionMaximum;1499,Microsoft.Compute/VMScaleSetVMActionsResource;11",
        ),
        (
            "POST",
            format!("{}/powerOff", set("farm")),
            "DeleteVMScaleSetSubscriptionMaximum;524,Microsoft.Compute/DeleteVMScaleSetResource;11",
        ),
        (
            "DELETE",
            set("farm"),
            "DeleteVMScaleSetSubscriptionMaximum;523,Microsoft.Compute/DeleteVMScaleSetResource;10",
        ),
    ] {
        let answer = send(&mut w, method, &path, None);
        assert_eq!(left(&answer), format!("Microsoft.Compute/{wanted}"), "{method} {path}");
    }
    let link = created.header("azure-asyncoperation").unwrap().to_owned();
    assert!(left(&get(&mut w, &link)).starts_with("Microsoft.Compute/GetOperationResource;44,"));
    for _ in 0..44 {
        assert_eq!(get(&mut w, &link).status, 200);
    }
    assert_eq!(get(&mut w, &link).status, 429);
}

fn listed(world: &mut World, path: &str) -> Vec<String> {
    let page = get(world, path).json_body();
    let items = page["value"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn lists_may_lag_behind_both_ways() {
    for mode in ["Uniform", "Flexible"] {
        let mut w = ground();
        w.list_lag(90);
        let sets = set("").trim_end_matches('/').to_owned();
        let instances = format!("{}/virtualMachines", set("farm"));
        put(&mut w, &set("farm"), &body(mode, 2));
        assert!(listed(&mut w, &sets).is_empty() && listed(&mut w, &instances).is_empty());
        assert_eq!(get(&mut w, &set("farm")).status, 200, "reads do not lag");
        w.advance_by(90);
        assert_eq!(listed(&mut w, &sets), ["farm"]);
        assert_eq!(listed(&mut w, &instances).len(), 2);
        w.advance_by(600);
        let first = ids(&w, "farm")[0].clone();
        delete_instances(&mut w, "farm", &[&first]);
        w.advance_by(60);
        assert_eq!(ids(&w, "farm").len(), 1);
        assert!(listed(&mut w, &instances).contains(&first), "gone too long in the list");
        if mode == "Flexible" {
            assert!(listed(&mut w, &machines()).contains(&first));
            assert_eq!(get(&mut w, &format!("{}/{first}", machines())).status, 404);
        }
        w.advance_by(90);
        assert_eq!(listed(&mut w, &instances).len(), 1);
        delete(&mut w, &set("farm"));
        w.advance_by(80);
        assert_eq!(get(&mut w, &set("farm")).status, 404);
        assert_eq!(listed(&mut w, &sets), ["farm"]);
        w.advance_by(90);
        assert!(listed(&mut w, &sets).is_empty());
    }
}

#[test]
fn a_later_page_can_fail_or_be_cut() {
    let mut w = ground();
    settled(&mut w, "farm", "Uniform", 300);
    let instances = format!("{}/virtualMachines", set("farm"));
    w.inject(Fault::once(Match::on("GET", "skiptoken"), Action::error(503, "ServerTimeout", "later")));
    let next = get(&mut w, &instances).json_body()["nextLink"].as_str().unwrap().to_owned();
    assert_eq!(get(&mut w, &next).status, 503);
    assert_eq!(get(&mut w, &next).json_body()["value"].as_array().unwrap().len(), 100);
    w.inject(Fault::once(Match::on("GET", "skiptoken"), Action::Spoil(Spoil::Truncated)));
    assert!(get(&mut w, &next).json_body().is_null());
}

#[test]
fn checkers_find_sets_that_nobody_owns_and_counts_above_the_limit() {
    let mut w = ground();
    let mut stranger = body("Uniform", 1);
    stranger["tags"] = json!({});
    put(&mut w, &set("stranger"), &stranger);
    settled(&mut w, "farm", "Flexible", 5);
    let found = w.check();
    assert!(found.contains(&Finding::Untagged(set("stranger"))), "{found:?}");
    assert!(!found.contains(&Finding::Untagged(set("farm"))));
    w.set_limit("westeurope", "lowPriorityCores", 10);
    let over = Finding::OverQuota("westeurope/lowprioritycores".to_owned(), 24, 10);
    assert!(w.check().contains(&over), "{:?}", w.check());
}

#[test]
fn checkers_find_writes_to_other_peoples_sets() {
    for mode in ["Uniform", "Flexible"] {
        let mut w = ground();
        settled(&mut w, "theirs", mode, 3);
        settled(&mut w, "ours", mode, 3);
        w.take_log();
        assert!(w.disown(&set("theirs")));
        get(&mut w, &set("theirs"));
        scale(&mut w, "ours", 2);
        assert_eq!(w.check(), []);
        let one = ids(&w, "theirs")[0].clone();
        delete_instances(&mut w, "theirs", &[&one]);
        if mode == "Flexible" {
            let one = ids(&w, "theirs")[1].clone();
            delete(&mut w, &format!("{}/{one}", machines()));
        }
        let writes =
            w.check().into_iter().filter(|finding| matches!(finding, Finding::ForeignWrite(_))).count();
        assert_eq!(writes, if mode == "Flexible" { 2 } else { 1 });
    }
}
