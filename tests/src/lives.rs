//! Whole lives of farms, for judges of what goes over the wire.

use azure_sim::{Exchange, SimRequest, SimResponse, World};
use serde_json::{Value, json};

use crate::yard::{FARM_FILE, POOL, SUBSCRIPTION, Yard};

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

const FLEETS: &str = "\
defaultName: fleets
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: fleets-rg
storageAccountName: fleetsfiles
virtualMachine: fleets-vm
tags:
  project: short-film
pools:
  - name: flex
    kind: vmss
    maxNodes: 40
    maxPrice: 0.25
    placements:
      - {vmSize: Standard_D2as_v5, zone: 1}
      - {vmSize: Standard_D2as_v5, priority: regular}
  - name: uni
    kind: vmss
    orchestration: uniform
    vmSize: Standard_D4ds_v5
    maxNodes: 5
    nodes: 2
";

/// Runs whole lives (deploy, scale, pause, resume, changes, teardown) and returns what each command sent and got.
pub fn traffic() -> Vec<Exchange> {
    let mut all = usual_life();
    all.extend(life_with_everything());
    all.extend(life_in_an_existing_network());
    all.extend(life_in_scale_sets());
    all.extend(life_of_packages());
    all.extend(life_of_nodes());
    all
}

/// A pool that refers to packages, with variables; another version, rolled out; a formula; the pool anew.
fn life_of_packages() -> Vec<Exchange> {
    let pool = "    packages: [blender#5.0.1]\n    environment: {STUDIO: spring}\n";
    let file = FARM_FILE.replace("    dedicated: 2\n    spot: 0\n", "    maxNodes: 4\n");
    let fixed = |pool: &str| format!("{file}    dedicated: 2\n{pool}");
    let yard = Yard::new(&fixed(pool), |_| {});
    std::fs::create_dir_all(yard.path().join("program")).unwrap();
    std::fs::write(yard.path().join("program/blender"), "#!/bin/sh\n").unwrap();
    let mut all = run(&yard, &["deploy --yes", "app push blender --version 5.0.1 program", "deploy --yes"]);
    all.extend(run(&yard, &["app push blender --version 5.0.2 program", "app default blender 5.0.2"]));
    yard.write(&fixed(&pool.replace("#5.0.1", "")));
    all.extend(run(&yard, &["deploy --yes", "pool rollout --batch 50%", "pool export"]));
    let formula = "    autoscale: {formula: \"$TargetDedicatedNodes = 9;\", evaluationMinutes: 30}\n";
    yard.write(&format!("{file}{formula}"));
    all.extend(run(&yard, &["deploy --yes", "pool formula"]));
    yard.write(&format!("{}{formula}", file.replace("Standard_D4as_v5", "Standard_D8as_v5")));
    all.extend(run(&yard, &["pool rollout --replace --yes --force", "teardown --yes"]));
    // Bytes of packages go to storage, which has judges of its own.
    all.retain(|exchange| !exchange.request.url.host_str().unwrap_or_default().contains(".blob."));
    all
}

/// Nodes of a Batch pool that are listed, read, rebooted, reimaged, removed, and resized while they come.
fn life_of_nodes() -> Vec<Exchange> {
    let farm = format!("{FARM_FILE}manager:\n  access:\n    ssh: [192.0.2.0/24]\n");
    let yard = Yard::new(&farm, |_| {});
    yard.run("deploy --yes");
    let mut node = String::new();
    let mut all = Vec::new();
    for act in ["reboot", "reimage", "remove"] {
        yard.poke(|world| {
            world.advance_by(600);
            node.clone_from(&world.nodes(POOL)[0].0);
            assert!(world.fail_start_task(&node, 7, "mount.nfs: Connection timed out\n"));
        });
        let lines = [
            "pool nodes render".to_owned(),
            format!("pool logs render {node}"),
            format!("pool logs render {node} stderr"),
            format!("pool ssh render {node}"),
            format!("pool ssh render {node}"),
            format!("pool {act} render --failed"),
        ];
        all.extend(run(&yard, &lines.each_ref().map(String::as_str)));
    }
    yard.poke(|world| world.fail_next_start_tasks(POOL, 1, 7, "no share\n"));
    all.extend(run(&yard, &["scale render --dedicated 5", "scale render --dedicated 3 --wait"]));
    all
}

/// Pools of scale sets in both orchestration modes, Spot and regular, zonal and not, with a price and a seal.
fn life_in_scale_sets() -> Vec<Exchange> {
    let yard = Yard::new(FLEETS, |_| {});
    let mut all = run(&yard, &["deploy --yes", "scale flex --nodes 30 --wait", "scale uni --nodes 3 --wait"]);
    yard.poke(|world| {
        world.evict_some(4);
    });
    all.extend(run(
        &yard,
        &[
            "scaler run",
            "status",
            "scaler explain",
            "scale flex --nodes 5 --wait",
            "pause --yes",
            "resume --yes",
            "teardown --yes",
        ],
    ));
    all
}

fn run(yard: &Yard, lines: &[&str]) -> Vec<Exchange> {
    let mut all = Vec::new();
    for line in lines {
        yard.run(line);
        all.extend(yard.last_traffic());
    }
    all
}

fn usual_life() -> Vec<Exchange> {
    let yard = Yard::default();
    let mut all = run(
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
    all.extend(run(&yard, &["plan", "deploy --yes", "status", "teardown --yes"]));
    all
}

fn life_with_everything() -> Vec<Exchange> {
    let yard = Yard::new(SECOND, |_| {});
    let mut all =
        run(&yard, &["deploy --yes", "scale cheap --spot 2 --wait", "status", "pause --yes", "resume --yes"]);
    yard.write(
        &SECOND.replace("cost-center: \"42\"", "cost-center: \"43\"").replace("198.51.100.7", "198.51.100.8"),
    );
    all.extend(run(&yard, &["deploy --yes", "teardown --yes"]));
    all
}

fn life_in_an_existing_network() -> Vec<Exchange> {
    let existing = "network:\n  existing:\n    resourceGroup: studio-net\n    vnet: studio\n    managerSubnet: managers\n    workersSubnet: nodes\n";
    let yard = Yard::new(&format!("{FARM_FILE}{existing}"), studio);
    run(&yard, &["deploy --yes", "status", "teardown --yes"])
}

fn send(world: &mut World, method: &str, path: &str, body: Option<&Value>) -> SimResponse {
    let batch = path.contains("Microsoft.Batch");
    let version = if batch { "2025-06-01" } else { "2024-03-01" };
    ask(world, method, &format!("https://management.azure.com{path}?api-version={version}"), body)
}

fn ask(world: &mut World, method: &str, url: &str, body: Option<&Value>) -> SimResponse {
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

/// What our client does not ask, but the simulator answers to other clients: each resource of a farm alone, its lists,
/// its refusals. The bodies that are sent here are partly wrong on purpose.
pub fn tour() -> Vec<Exchange> {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let mut world = yard.world();
    world.throttling(false);
    data_plane(&mut world);
    other_services(&mut world);
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
    world.log().to_vec()
}

/// The Batch account's own endpoint.
fn data_plane(world: &mut World) {
    let mut call = |method: &str, path: &str, body: Option<&Value>| {
        let url = format!("https://crunchbatch.westeurope.batch.azure.com/{path}?api-version=2025-06-01");
        ask(world, method, &url, body).json_body()
    };
    for path in ["pools", "pools/render", "pools/absent", "supportedimages", "nodecounts"] {
        call("GET", path, None);
    }
    let nodes = call("GET", "pools/render/nodes", None);
    let node = format!("pools/render/nodes/{}", nodes["value"][0]["id"].as_str().unwrap());
    call("GET", &node, None);
    call("GET", &format!("{node}/files"), None);
    let image = json!({"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2"});
    let pool = json!({
        "id": "extra", "vmSize": "standard_d2as_v5", "targetDedicatedNodes": 1,
        "virtualMachineConfiguration": {"imageReference": image, "nodeAgentSKUId": "batch.node.el 9"},
    });
    call("POST", "pools", Some(&pool));
    call("POST", "pools", Some(&pool));
    call("GET", "pools/extra", None);
    call("POST", "pools/render/resize", Some(&json!({"targetDedicatedNodes": 3})));
    call("POST", "pools/render/resize", Some(&json!({"targetDedicatedNodes": 4})));
    call("POST", "pools/render/stopresize", Some(&json!({})));
    call("DELETE", "pools/extra", None);
}

/// Of services that have no model in the oracle.
fn other_services(world: &mut World) {
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    let group = format!("{subscription}/resourcegroups/crunch-rg");
    let files =
        format!("{subscription}/resourceGroups/crunch-rg/providers/Microsoft.Storage/storageAccounts");
    for (path, version) in [
        ("/subscriptions".to_owned(), "2022-12-01"),
        (subscription.clone(), "2022-12-01"),
        (format!("{subscription}/locations"), "2022-12-01"),
        ("/tenants".to_owned(), "2022-12-01"),
        (format!("{subscription}/resourcegroups"), "2021-04-01"),
        (group.clone(), "2021-04-01"),
        (format!("{group}/resources"), "2021-04-01"),
        (format!("{subscription}/resources"), "2021-04-01"),
        (format!("{subscription}/providers"), "2021-04-01"),
        (files.clone(), "2023-05-01"),
        (format!("{files}/crunchfiles"), "2023-05-01"),
        (format!("{files}/crunchfiles/fileServices/default/shares"), "2023-05-01"),
        (format!("{files}/crunchfiles/fileServices/default/shares/flamenco"), "2023-05-01"),
    ] {
        ask(world, "GET", &format!("https://management.azure.com{path}?api-version={version}"), None);
    }
}
