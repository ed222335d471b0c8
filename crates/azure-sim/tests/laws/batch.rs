//! Laws of Batch: accounts, resizes, nodes and the workers on them.

use azure_sim::{Finding, World, WorldConfig};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::farm::*;
use crate::support::*;

fn read_pool(world: &mut World) -> Value {
    get(world, &pool()).json_body()["properties"].clone()
}

fn error_codes(properties: &Value) -> Vec<String> {
    let errors = properties["resizeOperationStatus"]["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|e| e["code"].as_str().unwrap().to_owned()).collect()
}

fn names(world: &World) -> Vec<String> {
    world.nodes(&pool()).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn an_account_is_202_empty_then_200_and_goes_with_its_pools() {
    let mut w = world();
    network(&mut w);
    let accepted = put(&mut w, &account(), &tagged(json!({})));
    assert_eq!((accepted.status, accepted.body.len(), accepted.header("retry-after")), (202, 0, Some("15")));
    let link = accepted.header("location").unwrap().to_owned();
    assert!(link.contains("/batchAccounts/farmbatch/operationResults/"), "{link}");
    assert_eq!(get(&mut w, &link).status, 202);
    w.advance_by(60);
    let body = get(&mut w, &link).json_body();
    assert_eq!(body["properties"]["accountEndpoint"], HOST);
    assert_eq!(body["properties"]["dedicatedCoreQuota"], 350);
    assert_eq!(put(&mut w, &account(), &tagged(json!({}))).status, 200);
    let check =
        format!("/subscriptions/{SUB}/providers/Microsoft.Batch/locations/westeurope/checkNameAvailability");
    let asked = json!({"name": "farmbatch", "type": "Microsoft.Batch/batchAccounts"});
    assert_eq!(send(&mut w, "POST", &check, Some(&asked)).json_body()["nameAvailable"], false);
    let gone = delete(&mut w, &account());
    let link = gone.header("location").unwrap().to_owned();
    assert!(link.contains("/locations/westeurope/accountOperationResults/farmbatch-"), "{link}");
    w.advance_by(120);
    let end = get(&mut w, &link);
    assert_eq!((end.status, end.body.len()), (200, 0));
    assert_eq!(get(&mut w, &account()).status, 404);
}

#[test]
fn the_account_quota_of_a_region_is_refused_at_the_poll() {
    let mut w = world();
    network(&mut w);
    w.set_limit("westeurope", "batch/accounts", 0);
    let accepted = put(&mut w, &account(), &tagged(json!({})));
    assert_eq!(accepted.status, 202);
    w.advance_by(60);
    let link = accepted.header("location").unwrap().to_owned();
    assert_eq!(code(&get(&mut w, &link)), (409, "SubscriptionQuotaExceeded".to_owned()));
    assert_eq!(get(&mut w, &account()).status, 404);
}

#[test]
fn nodes_boot_run_their_start_task_and_become_workers() {
    let mut w = world();
    farm(&mut w);
    let created = put(&mut w, &pool(), &pool_body(3, 2));
    assert_eq!(created.status, 200);
    assert!(created.header("etag").unwrap().starts_with("W/\"0x"));
    assert_eq!(created.json_body()["properties"]["allocationState"], "Resizing");
    w.advance_by(60);
    let now = read_pool(&mut w);
    assert_eq!(
        (now["allocationState"].clone(), now["currentDedicatedNodes"].clone()),
        (json!("Steady"), json!(3))
    );
    assert!(states(&w).iter().all(|s| ["creating", "starting"].contains(s)), "{:?}", states(&w));
    w.advance_by(150);
    assert_eq!(states(&w), ["idle"; 5]);
    assert_eq!(w.workers_awake(), names(&w));
    assert_eq!(names(&w).iter().filter(|n| n.ends_with("_p")).count(), 2);
    assert_eq!(ctl(&mut w, "status").0["workers"]["awake"], 5);
    let list =
        data(&mut w, "GET", "/pools/render/nodes?$filter=state eq 'idle'&$select=id,state,ipAddress", None);
    let nodes = list.json_body()["value"].as_array().unwrap().clone();
    assert_eq!(nodes.len(), 5);
    assert_eq!(nodes[0].as_object().unwrap().len(), 3);
    let addresses: std::collections::BTreeSet<String> =
        nodes.iter().map(|n| n["ipAddress"].to_string()).collect();
    assert_eq!(addresses.len(), 5);
}

#[test]
fn a_node_list_pages_until_its_end() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 5, 0);
    let mut path = "/pools/render/nodes?maxresults=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = data(&mut w, "GET", &path, None).json_body();
        seen.extend(page["value"].as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap().to_owned()));
        match page["odata.nextLink"].as_str() {
            Some(link) => {
                path = link
                    .strip_prefix(&format!("https://{HOST}"))
                    .unwrap()
                    .replace("api-version=2025-06-01&", "");
            }
            None => break,
        }
    }
    assert_eq!(seen, names(&w));
}

#[test]
fn without_a_manager_start_tasks_wait_and_then_fail() {
    let mut w = world();
    ground(&mut w, "10.0.8.0/22");
    make(&mut w, &account(), &tagged(json!({})));
    settled_pool(&mut w, 1, 0);
    assert_eq!(states(&w), ["waitingforstarttask"]);
    w.advance_by(1300);
    assert_eq!(states(&w), ["starttaskfailed"]);
    let id = names(&w)[0].clone();
    let shown = data(&mut w, "GET", &format!("/pools/render/nodes/{id}"), None).json_body();
    assert_eq!(shown["startTaskInfo"]["failureInfo"]["code"], "FailureExitCode");
    let err = data(&mut w, "GET", &format!("/pools/render/nodes/{id}/files/startup/stderr.txt"), None);
    assert!(String::from_utf8(err.body).unwrap().contains("no Flamenco Manager"));
    // The Manager comes, the node is rebooted, all is well.
    make(&mut w, &vm(), &vm_body("Standard_B2as_v2", &net("networkInterfaces/nic")));
    w.advance_by(200);
    assert_eq!(data(&mut w, "POST", &format!("/pools/render/nodes/{id}/reboot"), None).status, 202);
    w.advance_by(300);
    assert_eq!((states(&w), w.workers_awake()), (vec!["idle"], vec![id]));
}

#[test]
fn a_share_that_cannot_be_mounted_fails_the_start_task() {
    let mut w = world();
    farm(&mut w);
    delete(&mut w, &share());
    settled_pool(&mut w, 1, 0);
    assert_eq!(states(&w), ["starttaskfailed"]);
}

#[test]
fn without_a_way_out_nodes_are_unusable() {
    let mut w = world();
    farm(&mut w);
    let mut closed = subnet_body("10.0.8.0/22");
    closed["properties"].as_object_mut().unwrap().remove("natGateway");
    make(&mut w, &subnet("workers"), &closed);
    settled_pool(&mut w, 1, 0);
    assert_eq!(states(&w), ["unusable"]);
}

#[test]
fn a_start_task_that_is_no_flamenco_worker_just_runs() {
    let mut w = world();
    network(&mut w);
    make(&mut w, &account(), &tagged(json!({})));
    let mut body = pool_body(2, 0);
    body["properties"]["startTask"]["commandLine"] = json!("/bin/true");
    body["properties"].as_object_mut().unwrap().remove("networkConfiguration");
    assert_eq!(put(&mut w, &pool(), &body).status, 200);
    w.advance_by(400);
    assert_eq!(states(&w), ["idle"; 2]);
    assert!(w.workers_awake().is_empty());
}

/// Wanted error, how the world is limited, nodes that come, seconds to wait.
type Case = (&'static str, Box<dyn Fn(&mut World)>, (u32, u32), u64);

#[test]
fn each_limit_ends_the_resize_with_its_own_error() {
    let quota = |w: &mut World, counter: &str, n: u32| w.set_limit("westeurope", counter, n);
    let cases: Vec<Case> = vec![
        ("AccountCoreQuotaReached", Box::new(move |w| quota(w, "batch/cores", 9)), (2, 0), 60),
        (
            "AccountVMSeriesCoreQuotaReached",
            Box::new(move |w| quota(w, "batch/standardDASv5Family", 4)),
            (1, 0),
            60,
        ),
        (
            "AccountLowPriorityCoreQuotaReached",
            Box::new(move |w| quota(w, "batch/lowPriorityCores", 7)),
            (3, 1),
            60,
        ),
        (
            "AllocationTimedOut",
            Box::new(|w| w.set_capacity("westeurope", "Standard_D4as_v5", Some(2))),
            (2, 0),
            1000,
        ),
    ];
    for (wanted, limit, (dedicated, spot), seconds) in cases {
        let mut w = world();
        farm(&mut w);
        limit(&mut w);
        assert_eq!(put(&mut w, &pool(), &pool_body(3, 3)).status, 200);
        w.advance_by(seconds);
        let state = read_pool(&mut w);
        assert_eq!(state["allocationState"], "Steady", "{wanted}");
        assert!(error_codes(&state).contains(&wanted.to_owned()), "{wanted}: {state}");
        assert_eq!(state["currentDedicatedNodes"], dedicated, "{wanted}");
        assert_eq!(
            state["currentLowPriorityNodes"],
            if wanted == "AccountLowPriorityCoreQuotaReached" {
                spot
            } else {
                state["currentLowPriorityNodes"].as_u64().unwrap() as u32
            }
        );
        assert!(!w.check().iter().any(|f| matches!(f, Finding::OverQuota(..))));
    }
}

#[test]
fn a_small_subnet_takes_what_fits() {
    let mut w = world();
    farm(&mut w);
    make(&mut w, &subnet("tiny"), &subnet_body("10.0.20.0/29"));
    let mut body = pool_body(5, 0);
    body["properties"]["networkConfiguration"]["subnetId"] = json!(subnet("tiny"));
    put(&mut w, &pool(), &body);
    w.advance_by(60);
    let state = read_pool(&mut w);
    assert_eq!(
        (state["currentDedicatedNodes"].clone(), error_codes(&state)),
        (json!(3), vec!["SubnetInsufficientIPs".to_owned()])
    );
    assert_eq!(code(&delete(&mut w, &subnet("tiny"))), (400, "InUseSubnetCannotBeDeleted".to_owned()));
}

#[test]
fn spot_is_given_or_refused_as_the_world_is_set() {
    for (accepts, nodes) in [(true, 2), (false, 0)] {
        let mut config = WorldConfig::new(SUB);
        config.spot_in_batch_service = accepts;
        let mut w = World::new(config);
        farm(&mut w);
        put(&mut w, &pool(), &pool_body(1, 2));
        w.advance_by(60);
        let state = read_pool(&mut w);
        assert_eq!(
            (state["currentDedicatedNodes"].clone(), state["currentLowPriorityNodes"].clone()),
            (json!(1), json!(nodes))
        );
        assert_eq!(error_codes(&state).is_empty(), accepts);
    }
}

#[test]
fn one_resize_at_a_time_and_it_can_be_stopped() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 1, 0);
    assert_eq!(resize(&mut w, 4, 0).status, 200);
    assert_eq!(code(&resize(&mut w, 5, 0)), (409, "PoolBeingResized".to_owned()));
    let body = json!({"targetDedicatedNodes": 5});
    assert_eq!(
        code(&data(&mut w, "POST", "/pools/render/resize", Some(&body))),
        (409, "PoolBeingResized".to_owned())
    );
    assert_eq!(send(&mut w, "POST", &format!("{}/stopResize", pool()), None).status, 200);
    w.advance_by(10);
    let state = read_pool(&mut w);
    assert_eq!(
        (state["allocationState"].clone(), error_codes(&state)),
        (json!("Steady"), vec!["ResizeStopped".to_owned()])
    );
    assert_eq!(data(&mut w, "POST", "/pools/render/stopresize", None).status, 409);
    assert_eq!(data(&mut w, "POST", "/pools/render/resize", Some(&body)).status, 202);
    w.advance_by(60);
    let state = read_pool(&mut w);
    assert_eq!((state["currentDedicatedNodes"].clone(), error_codes(&state)), (json!(5), vec![]));
}

#[test]
fn exactly_the_named_nodes_are_removed_and_the_target_follows() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 4, 2);
    let all = names(&w);
    let gone = vec![all[1].clone(), all[3].clone()];
    let body = json!({"nodeList": gone, "nodeDeallocationOption": "terminate"});
    assert_eq!(data(&mut w, "POST", "/pools/render/removenodes", Some(&body)).status, 202);
    assert_eq!(states(&w).iter().filter(|s| **s == "leavingpool").count(), 2);
    w.advance_by(40);
    let left = names(&w);
    assert_eq!(left, all.iter().filter(|n| !gone.contains(n)).cloned().collect::<Vec<_>>());
    let state = read_pool(&mut w);
    let scale = &state["scaleSettings"]["fixedScale"];
    let targets =
        scale["targetDedicatedNodes"].as_u64().unwrap() + scale["targetLowPriorityNodes"].as_u64().unwrap();
    assert_eq!(targets, 4);
    assert_eq!(w.workers_awake(), left);
    let again = data(&mut w, "POST", "/pools/render/removenodes", Some(&body));
    assert_eq!(code(&again), (404, "NodeNotFound".to_owned()));
    let many: Vec<String> = (0..101).map(|i| format!("n{i}")).collect();
    let body = json!({"nodeList": many});
    assert_eq!(
        code(&data(&mut w, "POST", "/pools/render/removenodes", Some(&body))),
        (400, "InvalidPropertyValue".to_owned())
    );
}

#[test]
fn drain_takes_idle_workers_first_and_waits_for_rendering_ones() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 3, 0);
    let all = names(&w);
    let list = all.join(",");
    let until = w.now() + jiff_seconds(600);
    assert!(w.set_rendering(&all[0], until));
    assert_eq!(ctl(&mut w, "status").0["busy"], 1);
    let (answer, seconds) = ctl(&mut w, &format!("drain --count 2 --wait 60 --candidates {list}"));
    assert_eq!(answer, json!({"drained": [1, 2], "pending": []}));
    assert!(seconds <= 30, "{seconds}");
    assert_eq!(w.workers_awake(), [all[0].clone()]);
    let (answer, seconds) = ctl(&mut w, &format!("drain --count 1 --wait 20 --candidates {}", all[0]));
    assert_eq!(answer, json!({"drained": [], "pending": [0]}));
    assert!(seconds >= 20);
    // The same call again goes on with the same one; undrain takes it back.
    assert_eq!(
        ctl(&mut w, &format!("drain --count 1 --wait 0 --candidates {}", all[0])).0["pending"],
        json!([0])
    );
    assert_eq!(ctl(&mut w, &format!("undrain --candidates {list}")).0, json!({"cleared": [0]}));
    w.advance_by(700);
    assert_eq!(w.workers_awake(), [all[0].clone()]);
    let keep = all[1].get(..22).unwrap_or(&all[1]);
    assert_eq!(ctl(&mut w, &format!("forget-nodes --keep {keep}")).0, json!({"done": true, "deleted": 1}));
    assert_eq!(ctl(&mut w, "forget-nodes").0, json!({"done": true, "deleted": 1}));
    assert_eq!(ctl(&mut w, "status").0["workers"]["offline"], 0);
}

fn jiff_seconds(seconds: i64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds.unsigned_abs())
}

#[test]
fn preempted_nodes_stay_listed_and_come_back_and_lost_ones_do_not() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 1, 1);
    let spot = names(&w).into_iter().find(|n| n.ends_with("_p")).unwrap();
    let dedicated = names(&w).into_iter().find(|n| n.ends_with("_d")).unwrap();
    assert!(!w.preempt_node(&dedicated) && w.preempt_node(&spot) && w.lose_node(&dedicated));
    assert!(w.workers_awake().is_empty());
    let rate = w.hourly_rate().into_iter().find(|l| l.id == pool()).unwrap().usd;
    w.advance_by(1500);
    let state = |w: &World, id: &str| w.nodes(&pool()).into_iter().find(|(n, _)| n == id).unwrap().1;
    assert_eq!((state(&w, &spot), state(&w, &dedicated)), ("idle", "unusable"));
    assert_eq!(w.workers_awake(), [spot]);
    assert!(
        w.hourly_rate().into_iter().find(|l| l.id == pool()).unwrap().usd > rate,
        "a preempted node is free"
    );
}

#[test]
fn a_pool_is_deleted_with_its_nodes() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 2, 0);
    let accepted = delete(&mut w, &pool());
    assert_eq!(accepted.status, 202);
    let link = accepted.header("location").unwrap().to_owned();
    assert!(link.contains("/poolOperationResults/delete-render"), "{link}");
    assert_eq!(get(&mut w, &link).status, 202);
    assert_eq!(code(&resize(&mut w, 5, 0)), (409, "PoolBeingDeleted".to_owned()));
    w.advance_by(120);
    assert_eq!(get(&mut w, &link).status, 200);
    assert_eq!(get(&mut w, &pool()).status, 404);
    assert!(w.workers_awake().is_empty());
    assert_eq!(delete(&mut w, &pool()).status, 204);
    assert_eq!(data(&mut w, "GET", "/pools/render/nodes", None).error_code().unwrap(), "PoolNotFound");
}

#[test]
fn bad_pools_are_refused_with_the_property_that_is_wrong() {
    let mut w = world();
    farm(&mut w);
    let change = |pointer: &str, value: Value| {
        let mut body = pool_body(1, 0);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let machine = "/properties/deploymentConfiguration/virtualMachineConfiguration";
    for (body, property) in [
        (change("/properties/vmSize", json!("Standard_NC6s_v3")), "vmSize"),
        (change("/properties/vmSize", json!("Standard_X")), "vmSize"),
        (change(&format!("{machine}/imageReference/offer"), json!("ubuntuserver")), "imageReference"),
        (change(&format!("{machine}/nodeAgentSkuId"), json!("batch.node.ubuntu 22.04")), "nodeAgentSkuId"),
        (change("/properties/networkConfiguration/subnetId", json!(subnet("none"))), "subnetId"),
        (change("/properties/startTask/commandLine", json!("x".repeat(32_769))), "commandLine"),
        (
            change(
                "/properties/scaleSettings/fixedScale",
                json!({"targetDedicatedNodes": 1, "resizeTimeout": "PT1M"}),
            ),
            "resizeTimeout",
        ),
    ] {
        let refused = put(&mut w, &pool(), &body);
        assert_eq!(code(&refused), (400, "InvalidPropertyValue".to_owned()), "{property}");
        assert_eq!(refused.json_body()["error"]["details"][0]["message"], property);
    }
    assert_eq!(get(&mut w, &pool()).status, 404);
}

#[test]
fn the_data_plane_wants_a_token_and_speaks_odata() {
    let mut w = world();
    farm(&mut w);
    let url: String = format!("https://{HOST}/pools?api-version=2025-06-01");
    let refused = w.handle(&azure_sim::SimRequest::new("GET", url.parse().unwrap()));
    assert_eq!(code(&refused), (401, "AuthenticationFailed".to_owned()));
    assert!(refused.json_body()["odata.metadata"].as_str().unwrap().contains("errors/@Element"));
    let images = data(&mut w, "GET", "/supportedimages", None).json_body();
    assert!(
        images["value"].as_array().unwrap().iter().any(|i| i["nodeAgentSKUId"] == "batch.node.ubuntu 24.04")
    );
    settled_pool(&mut w, 1, 0);
    let shown = data(&mut w, "GET", "/pools/render", None);
    assert_eq!(shown.header("content-type"), Some("application/json;odata=minimalmetadata"));
    let body = shown.json_body();
    assert_eq!(
        (body["allocationState"].clone(), body["vmSize"].clone()),
        (json!("steady"), json!("standard_d4as_v5"))
    );
    assert_eq!(body["eTag"], shown.header("etag").unwrap());
}

#[test]
fn a_reader_sees_nodes_and_changes_nothing() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 1, 0);
    w.principal_mut().set_subscription_role(Some(azure_sim::Role::Reader));
    assert_eq!(data(&mut w, "GET", "/pools/render/nodes", None).status, 200);
    let body = json!({"targetDedicatedNodes": 2});
    assert_eq!(
        code(&data(&mut w, "POST", "/pools/render/resize", Some(&body))),
        (403, "Forbidden".to_owned())
    );
    assert_eq!(resize(&mut w, 2, 0).status, 403);
}

#[test]
fn a_stale_etag_changes_nothing() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 1, 0);
    let path = pool();
    let request = request("PATCH", &path, Some(&json!({"properties": {"metadata": []}})))
        .header("If-Match", "W/\"0x0\"");
    assert_eq!(w.handle(&request).status, 412);
}

#[test]
fn a_world_read_back_in_the_middle_of_a_resize_goes_on_the_same() {
    let mut original = world();
    farm(&mut original);
    settled_pool(&mut original, 2, 1);
    resize(&mut original, 5, 0);
    original.advance_by(20);
    let mut copy = World::from_json(&original.to_json().unwrap()).unwrap();
    for w in [&mut original, &mut copy] {
        w.advance_by(500);
        assert_eq!(states(w), ["idle"; 5]);
    }
    assert_eq!(original.to_json().unwrap(), copy.to_json().unwrap());
    assert!((original.total_cost() - copy.total_cost()).abs() < f64::EPSILON);
}

#[test]
fn money_runs_while_things_run() {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 2, 0);
    let rate: f64 = w.hourly_rate().iter().map(|l| l.usd).sum();
    let before = w.total_cost();
    w.advance_by(3600);
    assert!((w.total_cost() - before - rate).abs() < 1e-6);
    // westeurope is 15 % above East US: two D4as_v5.
    let nodes = w.hourly_rate().into_iter().find(|l| l.id == pool()).unwrap().usd;
    assert!((nodes - 2.0 * 0.1978).abs() < 1e-9, "{nodes}");
    delete(&mut w, &pool());
    send(&mut w, "POST", &format!("{}/deallocate", vm()), None);
    w.advance_by(120);
    let idle: f64 = w.hourly_rate().iter().map(|l| l.usd).sum();
    assert!(idle < rate - nodes);
    assert!(!w.hourly_rate().iter().any(|l| l.id == vm() || l.id == pool()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_resize_ends_steady_with_its_target_or_an_error(
        steps in prop::collection::vec((0_u32..12, 0_u32..12, 30_u64..2000), 1..6),
        cores in 0_u32..60,
        spot_cores in 0_u32..60,
        capacity in prop::option::of(0_u32..10),
    ) {
        let mut w = world();
        w.throttling(false);
        farm(&mut w);
        w.set_limit("westeurope", "batch/cores", cores);
        w.set_limit("westeurope", "batch/lowPriorityCores", spot_cores);
        w.set_capacity("westeurope", "Standard_D4as_v5", capacity);
        put(&mut w, &pool(), &pool_body(0, 0));
        w.advance_by(10);
        for (dedicated, spot, wait) in steps {
            let asked = resize(&mut w, dedicated, spot);
            prop_assert!(asked.status == 200 || asked.status == 409);
            w.advance_by(wait);
            prop_assert!(!w.check().iter().any(|f| matches!(f, Finding::OverQuota(..))), "{:?}", w.check());
            if wait > 960 && asked.status == 200 {
                let state = read_pool(&mut w);
                prop_assert_eq!(&state["allocationState"], "Steady");
                let reached = state["currentDedicatedNodes"] == dedicated && state["currentLowPriorityNodes"] == spot;
                prop_assert!(reached == error_codes(&state).is_empty(), "{}", state);
            }
        }
    }
}
