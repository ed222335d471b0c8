//! Every exchange of whole lives on the simulator, judged by the models.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that reports figures")]

use azure_sim::{SimRequest, SimResponse, World};
use flamenco_azure_tests::yard::{FARM_FILE, SUBSCRIPTION, Yard};
use serde_json::{Value, json};
use wire_oracle::judge::{Exchange, Judge};
use wire_oracle::known::KNOWN;

/// A whole life sends each of these.
const SENT: &[&str] = &[
    "batch::BatchAccountCreateParameters",
    "batch::BatchAccountUpdateParameters",
    "batch::Pool",
    "compute::RunCommandInput",
    "compute::VirtualMachine",
    "compute::VirtualMachineUpdate",
    "network::NatGateway",
    "network::NetworkInterface",
    "network::NetworkSecurityGroup",
    "network::PublicIpAddress",
    "network::VirtualNetwork",
];

/// Encryption in transit, tags, two pools.
const SECOND: &str = "\
defaultName: second
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: second-rg
storageAccountName: secondfiles
batchAccountName: secondbatch
virtualMachine: second-vm
manager:
  access:
    ssh: [192.0.2.0/24]
    web: [192.0.2.0/24, 198.51.100.7]
storage:
  encryptInTransit: true
tags:
  project: short-film
  cost-center: \"42\"
pools:
  - name: render
    vmSize: Standard_D4as_v5
    dedicated: 1
    spot: 0
  - name: cheap
    vmSize: Standard_D8as_v5
    dedicated: 0
    spot: 1
";

/// `ours`: the requests are those of our client, so their bodies are judged too.
fn judge_all(judge: &mut Judge, traffic: &[azure_sim::Exchange], ours: bool) {
    for exchange in traffic {
        judge.exchange(&Exchange {
            method: &exchange.request.method,
            url: &exchange.request.url,
            sent: if ours { &exchange.request.body } else { &[] },
            status: exchange.response.status,
            answered: &exchange.response.body,
        });
    }
}

fn run(judge: &mut Judge, yard: &Yard, lines: &[&str]) {
    for line in lines {
        yard.run(line);
        judge_all(judge, &yard.last_traffic(), true);
    }
}

fn usual_life(judge: &mut Judge) {
    let yard = Yard::default();
    run(
        judge,
        &yard,
        &[
            "deploy --yes",
            "scale render --dedicated 4 --wait",
            "scale render --dedicated 1 --wait",
            "scale render --dedicated 1 --spot 1 --wait",
            "status",
            "pause --yes",
            "status",
            "resume --yes",
        ],
    );
    let changed = FARM_FILE.replace("Standard_D4as_v5", "Standard_D8as_v5");
    let access = "manager:\n  vmSize: Standard_D2as_v5\n  access:\n    ssh: [192.0.2.0/24]\ntags:\n  project: short-film\n";
    yard.write(&format!("{changed}{access}"));
    run(judge, &yard, &["plan", "deploy --yes", "status", "teardown --yes"]);
}

fn life_with_everything(judge: &mut Judge) {
    let yard = Yard::new(SECOND, |_| {});
    run(
        judge,
        &yard,
        &["deploy --yes", "scale cheap --spot 2 --wait", "status", "pause --yes", "resume --yes"],
    );
    yard.write(
        &SECOND.replace("cost-center: \"42\"", "cost-center: \"43\"").replace("198.51.100.7", "198.51.100.8"),
    );
    run(judge, &yard, &["deploy --yes", "teardown --yes"]);
}

fn send(world: &mut World, method: &str, path: &str, body: Option<&Value>) -> SimResponse {
    let batch = path.contains("Microsoft.Batch");
    let version = if batch { "2025-06-01" } else { "2024-03-01" };
    let url = format!("https://management.azure.com{path}?api-version={version}");
    let request = SimRequest::new(method, url.parse().unwrap()).header("authorization", "Bearer test");
    let request = match body {
        Some(body) => request.json_body(body),
        None => request,
    };
    world.handle(&request)
}

/// A network that was there before the farm.
fn studio(world: &mut World) {
    world.add_group("studio-net", "westeurope", azure_sim::Tags::new());
    let subnet = |name: &str, prefix: &str| {
        json!({"name": name, "properties": {
            "addressPrefix": prefix,
            "serviceEndpoints": [{"service": "Microsoft.Storage"}],
            "defaultOutboundAccess": true,
        }})
    };
    let body = json!({"location": "westeurope", "properties": {
        "addressSpace": {"addressPrefixes": ["10.7.0.0/16"]},
        "subnets": [subnet("managers", "10.7.0.0/24"), subnet("nodes", "10.7.4.0/22")],
    }});
    let path = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-net/providers/Microsoft.Network/virtualNetworks/studio"
    );
    let response = send(world, "PUT", &path, Some(&body));
    assert!(response.is_success(), "{}", response.json_body());
    world.advance_by(60);
}

fn life_in_an_existing_network(judge: &mut Judge) {
    let existing = "network:\n  existing:\n    resourceGroup: studio-net\n    vnet: studio\n    managerSubnet: managers\n    workersSubnet: nodes\n";
    let yard = Yard::new(&format!("{FARM_FILE}{existing}"), studio);
    run(judge, &yard, &["deploy --yes", "status", "teardown --yes"]);
}

/// What our client does not ask, but the simulator answers to other clients: each resource alone, its lists, its
/// refusals.
fn tour(judge: &mut Judge) {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let mut world = yard.world();
    world.throttling(false);
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    let ids: Vec<String> = world.resources().values().map(|resource| resource.id.clone()).collect();
    let ids = ids.iter().filter(|id| {
        ["Batch", "Compute", "Network"].iter().any(|p| id.contains(&format!("/Microsoft.{p}/")))
    });
    for id in ids {
        let (list, _) = id.rsplit_once('/').unwrap();
        send(&mut world, "GET", id, None);
        send(&mut world, "GET", list, None);
        send(&mut world, "GET", &format!("{list}/absent"), None);
        if let Some((_, kind)) =
            list.split_once("/providers/").filter(|(_, kind)| kind.matches('/').count() == 1)
        {
            send(&mut world, "GET", &format!("{subscription}/providers/{kind}"), None);
            send(&mut world, "PATCH", id, Some(&json!({"tags": {"shot": "010"}})));
        }
        send(&mut world, "PUT", id, Some(&json!({"location": "atlantis"})));
        send(&mut world, "DELETE", id, None);
        if id.ends_with("-vm") {
            send(&mut world, "GET", &format!("{id}/instanceView"), None);
        }
    }
    for path in [
        "Batch/locations/westeurope/quotas",
        "Batch/locations/westeurope/virtualMachineSkus",
        "Compute/locations/westeurope/vmSizes",
        "Network/locations/westeurope/usages",
    ] {
        send(&mut world, "GET", &format!("{subscription}/providers/Microsoft.{path}"), None);
    }
    judge_all(judge, world.log(), false);
}

fn whole_lives() -> Judge {
    let mut judge = Judge::new(KNOWN);
    usual_life(&mut judge);
    life_with_everything(&mut judge);
    life_in_an_existing_network(&mut judge);
    judge
}

#[test]
fn every_body_survives_microsofts_models() {
    let mut judge = whole_lives();
    tour(&mut judge);
    println!("{judge}");
    let failures: Vec<&str> = judge.failures.iter().map(String::as_str).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let unused: Vec<String> =
        judge.unused().iter().map(|known| format!("{} {}", known.model, known.what)).collect();
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:#?}");
    for model in SENT {
        assert!(judge.scores.get(*model).is_some_and(|score| score.sent > 0), "no {model} was sent");
    }
    let total = judge.total();
    assert!(
        total.sent >= 60 && total.answered >= 1000 && total.distinct >= 400 && total.properties >= 15_000,
        "too little was judged: {total:?}"
    );
}

/// Every object member of a body, but for dictionaries whose names are ours.
fn members(body: &Value, pointer: &str, found: &mut Vec<(String, String)>) {
    match body {
        Value::Object(object) => {
            for (name, value) in object {
                found.push((pointer.to_owned(), name.clone()));
                if !["tags", "userAssignedIdentities"].contains(&name.as_str()) {
                    members(value, &format!("{pointer}/{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                members(item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn no_misspelt_property_passes() {
    let judge = whole_lives();
    let mut misspelt = 0;
    for (model, body) in &judge.sent {
        let mut found = Vec::new();
        members(body, "", &mut found);
        for (pointer, name) in found {
            let mut wrong = body.clone();
            let object = wrong.pointer_mut(&pointer).and_then(Value::as_object_mut).unwrap();
            let value = object.remove(&name).unwrap();
            object.insert(format!("{name}X"), value);
            let mut judge = Judge::new(KNOWN);
            judge.document(*model, &wrong, "is sent");
            assert!(!judge.failures.is_empty(), "{} did not miss {pointer}/{name}", model.name());
            misspelt += 1;
        }
    }
    println!("misspelt properties refused: {misspelt} of {misspelt}");
    assert!(misspelt >= 600, "{misspelt}");
}
