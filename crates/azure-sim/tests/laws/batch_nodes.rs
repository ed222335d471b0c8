//! Laws of nodes and their files in the Batch data plane.

use azure_sim::{SimRequest, SimResponse, World};
use serde_json::{Value, json};

use crate::farm::*;
use crate::support::*;

fn first(w: &World) -> String {
    w.nodes(&pool())[0].0.clone()
}

fn state(w: &World) -> &'static str {
    w.nodes(&pool())[0].1
}

fn on_node(w: &mut World, method: &str, tail: &str) -> SimResponse {
    let path = format!("/pools/render/nodes/{}{tail}", first(w));
    data(w, method, &path, None)
}

/// One node that is idle.
fn idle() -> World {
    let mut w = world();
    farm(&mut w);
    settled_pool(&mut w, 1, 0);
    assert_eq!(state(&w), "idle");
    w
}

fn read(w: &mut World, path: &str, headers: &[(&str, &str)]) -> SimResponse {
    let url = format!("https://{HOST}/pools/render/nodes/{}/files/{path}?api-version=2025-06-01", first(w));
    let request = SimRequest::new("GET", url.parse().unwrap()).header("authorization", "Bearer any");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    w.handle(&request)
}

fn names(list: &SimResponse) -> Vec<String> {
    let items = list.json_body()["value"].as_array().cloned().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_directory_is_listed_alone_or_with_all_below() {
    let mut w = idle();
    let node = first(&w);
    assert!(w.write_node_file(&node, "workitems/render/job-1/task/stdout.txt", "x"));
    let top = on_node(&mut w, "GET", "/files");
    assert_eq!(names(&top), ["applications", "fsmounts", "shared", "startup", "volatile", "workitems"]);
    assert!(top.json_body()["value"].as_array().unwrap().iter().all(|item| item["isDirectory"] == true));
    let startup = on_node(&mut w, "GET", "/files?$filter=startswith(name,'startup/')");
    assert_eq!(names(&startup), ["startup/stderr.txt", "startup/stdout.txt", "startup/wd"]);
    let file = &startup.json_body()["value"][1];
    assert_eq!(
        (file["isDirectory"].clone(), file["properties"]["fileMode"].clone()),
        (json!(false), json!("0o100644"))
    );
    assert!(file["properties"]["contentLength"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    let all = names(&on_node(&mut w, "GET", "/files?recursive=true"));
    for wanted in ["workitems/render", "workitems/render/job-1/task/stdout.txt", "shared/flamenco-worker.log"]
    {
        assert!(all.contains(&wanted.to_owned()), "{all:?}");
    }
    let below =
        names(&on_node(&mut w, "GET", "/files?recursive=true&$filter=startswith(name,'workitems/render/')"));
    assert_eq!(below.len(), 3, "{below:?}");
}

#[test]
fn files_have_properties_and_parts() {
    let mut w = idle();
    let node = first(&w);
    assert!(w.write_node_file(&node, "shared/a.txt", "0123456789"));
    let properties = on_node(&mut w, "HEAD", "/files/shared/a.txt");
    assert_eq!((properties.status, properties.body.len()), (200, 0));
    for (name, wanted) in [
        ("content-length", "10"),
        ("ocp-batch-file-isdirectory", "False"),
        ("ocp-batch-file-mode", "0o100644"),
        ("content-type", "text/plain"),
    ] {
        assert_eq!(properties.header(name), Some(wanted));
    }
    assert_eq!(on_node(&mut w, "HEAD", "/files/shared").header("ocp-batch-file-isdirectory"), Some("True"));
    assert_eq!(
        read(&mut w, "shared%2Fa.txt", &[]).body,
        b"0123456789",
        "as recorded, with the slash encoded"
    );
    for (header, asked, status, wanted) in [
        ("ocp-range", "bytes=2-4", 200, "234"),
        ("range", "bytes=2-4", 206, "234"),
        ("ocp-range", "bytes=8-", 200, "89"),
        ("ocp-range", "bytes=9-99", 200, "9"),
    ] {
        let part = read(&mut w, "shared/a.txt", &[(header, asked)]);
        assert_eq!(
            (part.status, String::from_utf8(part.body).unwrap().as_str()),
            (status, wanted),
            "{asked}"
        );
    }
    assert_eq!(
        code(&read(&mut w, "shared/a.txt", &[("ocp-range", "bytes=10-")])),
        (416, "InvalidRange".to_owned())
    );
    assert_eq!(
        code(&read(&mut w, "shared/a.txt", &[("ocp-range", "2-4")])),
        (400, "InvalidHeaderValue".to_owned())
    );
    assert_eq!(code(&read(&mut w, "shared/b.txt", &[])), (404, "FileNotFound".to_owned()));
    assert_eq!(code(&read(&mut w, "shared", &[])), (404, "FileNotFound".to_owned()));
    let since = properties.header("last-modified").unwrap().to_owned();
    assert_eq!(read(&mut w, "shared/a.txt", &[("if-modified-since", &since)]).status, 304);
    w.advance_by(5);
    let node = first(&w);
    w.write_node_file(&node, "shared/a.txt", "new");
    assert_eq!(read(&mut w, "shared/a.txt", &[("if-modified-since", &since)]).body, b"new");
    let old = read(&mut w, "shared/a.txt", &[("if-unmodified-since", &since)]);
    assert_eq!(code(&old), (412, "ConditionNotMet".to_owned()));
}

#[test]
fn a_log_grows_as_time_passes() {
    let mut w = idle();
    let node = first(&w);
    w.write_node_file(&node, "shared/worker.log", "begin\n");
    assert!(w.grow_node_file(&node, "shared/worker.log", "line\n", 10));
    let mut seen = String::new();
    for wanted in [0, 1, 3] {
        let range = format!("bytes={}-", seen.len());
        let part = read(&mut w, "shared/worker.log", &[("ocp-range", &range)]);
        if part.status == 200 {
            seen.push_str(&String::from_utf8(part.body).unwrap());
        } else {
            assert_eq!(code(&part), (416, "InvalidRange".to_owned()));
        }
        assert_eq!(seen, format!("begin\n{}", "line\n".repeat(wanted)));
        w.advance_by(if wanted == 0 { 10 } else { 20 });
    }
    let changed = read(&mut w, "shared/worker.log", &[]);
    assert_eq!(changed.header("content-length"), None);
    assert!(String::from_utf8(changed.body).unwrap().ends_with("line\n"));
}

#[test]
fn each_state_takes_what_it_may() {
    // State, how a node comes to it, status of files, of a reboot and of switching its scheduling off.
    type Way = fn(&mut World);
    let codes = |w: &World, answer: &SimResponse| {
        let _ = w;
        answer.error_code().unwrap_or_else(|| answer.status.to_string())
    };
    let ways: &[(&str, Way, [&str; 3])] = &[
        ("idle", |_| {}, ["200", "202", "200"]),
        (
            "running",
            |w| {
                let node = first(w);
                assert!(w.run_on_node(&node, true));
            },
            ["200", "202", "OperationInvalidForCurrentState"],
        ),
        (
            "starttaskfailed",
            |w| {
                let node = first(w);
                assert!(w.fail_start_task(&node, 3, "no disk\n"));
            },
            ["200", "202", "OperationInvalidForCurrentState"],
        ),
        (
            "unusable",
            |w| {
                let node = first(w);
                assert!(w.lose_node(&node));
            },
            ["NodeNotReady", "NodeStateUnusable", "OperationInvalidForCurrentState"],
        ),
        (
            "unknown",
            |w| {
                let node = first(w);
                assert!(w.lose_contact(&node));
            },
            ["NodeNotReady", "OperationInvalidForCurrentState", "OperationInvalidForCurrentState"],
        ),
        (
            "offline",
            |w| {
                assert_eq!(on_node(w, "POST", "/disablescheduling").status, 200);
            },
            ["200", "OperationInvalidForCurrentState", "NodeAlreadyInTargetSchedulingState"],
        ),
        (
            "rebooting",
            |w| {
                assert_eq!(on_node(w, "POST", "/reboot").status, 202);
            },
            ["NodeNotReady", "NodeBeingRebooted", "OperationInvalidForCurrentState"],
        ),
        (
            "reimaging",
            |w| {
                assert_eq!(on_node(w, "POST", "/reimage").status, 202);
            },
            ["NodeNotReady", "NodeBeingReimaged", "OperationInvalidForCurrentState"],
        ),
        (
            "upgradingos",
            |w| {
                let node = first(w);
                assert!(w.upgrade_node(&node));
            },
            ["NodeNotReady", "OperationInvalidForCurrentState", "OperationInvalidForCurrentState"],
        ),
        (
            "deallocating",
            |w| {
                let node = first(w);
                assert!(w.deallocate_node(&node));
            },
            ["NodeNotReady", "OperationInvalidForCurrentState", "OperationInvalidForCurrentState"],
        ),
        (
            "deallocated",
            |w| {
                let node = first(w);
                assert!(w.deallocate_node(&node));
                w.advance_by(61);
            },
            ["NodeNotReady", "OperationInvalidForCurrentState", "OperationInvalidForCurrentState"],
        ),
        (
            "starting",
            |w| {
                on_node(w, "POST", "/reboot");
                w.advance_by(31);
            },
            ["NodeNotReady", "NodeBeingStarted", "OperationInvalidForCurrentState"],
        ),
        (
            "leavingpool",
            |w| {
                let body = json!({"nodeList": [first(w)]});
                assert_eq!(data(w, "POST", "/pools/render/removenodes", Some(&body)).status, 202);
            },
            ["NodeNotReady", "OperationInvalidForCurrentState", "OperationInvalidForCurrentState"],
        ),
    ];
    for (wanted, way, answers) in ways {
        let mut w = idle();
        way(&mut w);
        assert_eq!(state(&w), *wanted);
        let counted = data(&mut w, "GET", "/nodecounts", None).json_body()["value"][0]["dedicated"].clone();
        let ones: Vec<&String> =
            counted.as_object().unwrap().iter().filter(|(_, n)| **n == 1).map(|(name, _)| name).collect();
        assert_eq!(ones.len(), 2, "the state and the total: {counted}");
        assert!(ones.iter().any(|name| name.to_ascii_lowercase() == *wanted), "{counted}");
        for (tail, answer) in
            [("/files", answers[0]), ("/reboot", answers[1]), ("/disablescheduling", answers[2])]
        {
            let mut copy = w.clone();
            let method = if tail == "/files" { "GET" } else { "POST" };
            let got = on_node(&mut copy, method, tail);
            assert_eq!(codes(&copy, &got), answer, "{wanted} {tail}");
            if !got.is_success() {
                assert_eq!(got.status, 409);
                assert_eq!(state(&copy), *wanted, "refused, and nothing changed");
            }
        }
    }
}

#[test]
fn a_rebooted_node_keeps_its_files_and_a_reimaged_one_does_not() {
    for (action, kept) in [("reboot", 200), ("reimage", 404)] {
        let mut w = idle();
        let node = first(&w);
        w.write_node_file(&node, "shared/kept.txt", "x");
        let accepted = on_node(&mut w, "POST", &format!("/{action}"));
        assert!(accepted.header("dataserviceid").unwrap().ends_with(&format!("/nodes/{node}/{action}")));
        w.advance_by(300);
        assert_eq!((state(&w), first(&w)), ("idle", node));
        assert_eq!(read(&mut w, "shared/kept.txt", &[]).status, kept, "{action}");
    }
    let mut w = idle();
    w.refuse_reimage(true);
    let refused = on_node(&mut w, "POST", "/reimage");
    assert_eq!(code(&refused), (409, "OperationNotValidOnNode".to_owned()));
}

#[test]
fn a_failed_start_task_shows_its_exit_code_and_what_it_wrote() {
    let mut w = world();
    farm(&mut w);
    let stderr = "+ mount\nmount.nfs: Connection timed out\n";
    w.fail_next_start_tasks(&pool(), 2, 32, stderr);
    settled_pool(&mut w, 3, 0);
    let mut now = states(&w);
    now.sort_unstable();
    assert_eq!(now, ["idle", "starttaskfailed", "starttaskfailed"]);
    let failed = w.nodes(&pool()).into_iter().find(|(_, state)| *state == "starttaskfailed").unwrap().0;
    let shown = data(&mut w, "GET", &format!("/pools/render/nodes/{failed}"), None).json_body();
    let info = &shown["startTaskInfo"];
    assert_eq!((info["exitCode"].clone(), info["result"].clone()), (json!(32), json!("failure")));
    assert_eq!(info["failureInfo"]["code"], "FailureExitCode");
    let err = data(&mut w, "GET", &format!("/pools/render/nodes/{failed}/files/startup/stderr.txt"), None);
    assert_eq!(String::from_utf8(err.body).unwrap(), stderr);
    // The failures are used up: it comes up at the next try.
    assert_eq!(data(&mut w, "POST", &format!("/pools/render/nodes/{failed}/reboot"), None).status, 202);
    w.advance_by(300);
    assert!(w.nodes(&pool()).contains(&(failed, "idle")));
}

#[test]
fn two_thousand_nodes_come_in_two_pages() {
    let mut w = world();
    w.throttling(false);
    farm(&mut w);
    for counter in ["batch/cores", "batch/standardDASv5Family"] {
        w.set_limit("westeurope", counter, 20_000);
    }
    make(&mut w, &subnet("workers"), &subnet_body("10.0.16.0/20"));
    settled_pool(&mut w, 2000, 0);
    let one = data(&mut w, "GET", "/pools/render/nodes?$select=id,state", None).json_body();
    assert_eq!(one["value"].as_array().unwrap().len(), 1000);
    let link = one["odata.nextLink"].as_str().unwrap().to_owned();
    let request = SimRequest::new("GET", link.parse().unwrap()).header("authorization", "Bearer any");
    let two = w.handle(&request).json_body();
    assert_eq!(two["value"].as_array().unwrap().len(), 1000);
    assert!(two["odata.nextLink"].is_null());
    assert_eq!(two["value"][0].as_object().unwrap().len(), 2, "the selection stays");
}

#[test]
fn lists_are_filtered_selected_and_bounded() {
    let mut w = idle();
    for (query, wanted) in [
        ("$filter=allocationState eq 'steady'", 1),
        ("$filter=currentDedicatedNodes gt 1", 0),
        ("$filter=currentDedicatedNodes ge 1 and startswith(id,'ren')", 1),
        ("$filter=creationTime lt datetime'2026-01-01T00:00:00Z'", 0),
        ("maxresults=1000", 1),
    ] {
        let list = data(&mut w, "GET", &format!("/pools?{query}"), None).json_body();
        assert_eq!(list["value"].as_array().unwrap().len(), wanted, "{query}");
    }
    for (path, name) in [
        ("/pools?$filter=nonsense", "$filter"),
        ("/pools?maxresults=0", "maxresults"),
        ("/pools?maxresults=1001", "maxresults"),
        ("/nodecounts?maxresults=11", "maxresults"),
        ("/pools/render/nodes?maxresults=many", "maxresults"),
    ] {
        let refused = data(&mut w, "GET", path, None);
        assert_eq!(code(&refused), (400, "InvalidQueryParameterValue".to_owned()), "{path}");
        let body = refused.json_body();
        assert_eq!(body["values"][0], json!({"key": "QueryParameterName", "value": name}));
        assert!(body["message"]["value"].as_str().unwrap().contains("\nRequestId:"));
    }
}

#[test]
fn an_account_on_its_subscription_wants_a_key_vault_and_lives_on_its_quota() {
    let mut w = world();
    farm(&mut w);
    let other = provider("Microsoft.Batch/batchAccounts/ownbatch");
    let vault = provider("Microsoft.KeyVault/vaults/farmvault");
    let body =
        |vault: Value| tagged(json!({"poolAllocationMode": "UserSubscription", "keyVaultReference": vault}));
    for wrong in [
        Value::Null,
        json!({"id": vault}),
        json!({"id": "/somewhere", "url": "https://farmvault.vault.azure.net/"}),
        json!({"id": vault, "url": ""}),
    ] {
        let refused = put(&mut w, &other, &body(wrong.clone()));
        assert_eq!(code(&refused), (400, "InvalidRequestBody".to_owned()), "{wrong}");
        assert_eq!(refused.json_body()["error"]["details"][0]["code"], "Reason");
    }
    let shown =
        make(&mut w, &other, &body(json!({"id": vault, "url": "https://farmvault.vault.azure.net/"})));
    let properties = &shown["properties"];
    assert_eq!(properties["allowedAuthenticationModes"], json!(["AAD", "TaskAuthenticationToken"]));
    assert!(properties["dedicatedCoreQuota"].is_null() && properties["lowPriorityCoreQuota"].is_null());
    assert_eq!(properties["poolQuota"], 100);
    assert_eq!(send(&mut w, "POST", &format!("{other}/listKeys"), None).status, 409);
    // The Manager's two cores, and three nodes of four.
    w.set_limit("westeurope", "standardDASv5Family", 13);
    w.set_limit("westeurope", "batch/cores", 0);
    let own = format!("{other}/pools/render");
    assert_eq!(put(&mut w, &own, &pool_body(5, 0)).status, 200);
    w.advance_by(60);
    let properties = get(&mut w, &own).json_body()["properties"].clone();
    assert_eq!(properties["currentDedicatedNodes"], 3);
    assert_eq!(properties["resizeOperationStatus"]["errors"][0]["code"], "AccountVMSeriesCoreQuotaReached");
}

#[test]
fn an_allocation_that_cannot_be_ends_at_once_with_its_reason() {
    let mut w = world();
    farm(&mut w);
    w.refuse_allocation(
        "Standard_D4as_v5",
        Some("OverconstrainedAllocationRequestError"),
        "no room in the zone",
    );
    put(&mut w, &pool(), &pool_body(2, 0));
    w.advance_by(5);
    let shown = data(&mut w, "GET", "/pools/render", None).json_body();
    assert_eq!(shown["allocationState"], "steady");
    assert_eq!(
        shown["resizeErrors"],
        json!([{"code": "OverconstrainedAllocationRequestError", "message": "no room in the zone"}])
    );
    w.refuse_allocation("standard_d4as_v5", None, "");
    assert_eq!(resize(&mut w, 2, 0).status, 200, "the same again is tried again");
    w.advance_by(60);
    assert!(data(&mut w, "GET", "/pools/render", None).json_body()["resizeErrors"].is_null());
}

#[test]
fn users_sign_in_to_nodes_that_are_up_where_the_pool_has_an_endpoint() {
    let mut w = idle();
    let settings = on_node(&mut w, "GET", "/remoteloginsettings");
    assert_eq!(code(&settings), (409, "OperationNotValidOnNode".to_owned()));
    let endpoint =
        json!({"name": "ssh", "protocol": "TCP", "backendPort": 22, "frontendPortRangeStart": 60000});
    assert!(w.edit(&pool(), |pool| {
        pool.set("networkConfiguration", json!({"endpointConfiguration": {"inboundNatPools": [endpoint]}}));
    }));
    let settings = on_node(&mut w, "GET", "/remoteloginsettings").json_body();
    assert_eq!(
        (&settings["remoteLoginIPAddress"], &settings["remoteLoginPort"]),
        (&json!("20.0.0.4"), &json!(60000))
    );
    let path = format!("/pools/render/nodes/{}/users", first(&w));
    let user = json!({"name": "sam", "isAdmin": true, "sshPublicKey": "ssh-ed25519 AAAA sam"});
    let update = json!({"sshPublicKey": "ssh-ed25519 BBBB sam"});
    assert_eq!(
        code(&data(&mut w, "PUT", &format!("{path}/sam"), Some(&update))),
        (404, "NodeUserNotFound".to_owned())
    );
    assert_eq!(data(&mut w, "POST", &path, Some(&user)).status, 201);
    assert_eq!(code(&data(&mut w, "POST", &path, Some(&user))), (409, "NodeUserExists".to_owned()));
    assert_eq!(data(&mut w, "PUT", &format!("{path}/sam"), Some(&update)).status, 200);
    assert_eq!(code(&data(&mut w, "POST", &path, Some(&json!({})))).0, 400);
    // A fresh disk has no users, and a node that boots makes none.
    assert_eq!(on_node(&mut w, "POST", "/reimage").status, 202);
    assert_eq!(code(&data(&mut w, "POST", &path, Some(&user))), (409, "NodeNotReady".to_owned()));
    w.advance_by(300);
    assert_eq!(data(&mut w, "POST", &path, Some(&user)).status, 201);
}
