//! The scripts against the simulated Azure over loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use azure_sim::{SimRequest, World, WorldConfig};
use serde_json::{Value, json};
use vmss_scaler::guest::{delete_this_node, set_capacity, spot_watch};
use vmss_scaler::request;

use super::machine::{Machine, reason, said, until};
use super::stub::{CLIENT, SUBSCRIPTION, VM};

const GROUP: &str = "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/studio";
const QUEUE: &str = "crunchfarm.queue.core.windows.net";
const TENANT: &str = "99999999-2222-4333-8444-555555555555";
/// Storage Queue Data Message Sender, and Storage Queue Data Contributor.
const SENDER: &str = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a";
const CONTRIBUTOR: &str = "974c5e8b-45b9-4653-ba55-5f855dd0fb88";

fn ask(world: &mut World, method: &str, url: &str, body: Option<&Value>) -> azure_sim::SimResponse {
    let request = SimRequest::new(method, url.parse().unwrap())
        .header("Authorization", "Bearer any")
        .header("x-ms-version", "2021-12-02");
    let response = world.handle(&match body {
        Some(body) => request.json_body(body),
        None => request,
    });
    world.advance_by(60);
    response
}

fn arm(world: &mut World, method: &str, path: &str, body: &Value) {
    let url = format!("https://management.azure.com{path}?api-version=2022-04-01");
    let response = ask(world, method, &url, Some(body));
    assert!(response.is_success(), "{path}: {}", response.json_body());
}

fn grant(world: &mut World, role: &str) {
    let principal = world.principal_mut().object_id.clone();
    grant_to(world, role, &principal);
}

fn grant_to(world: &mut World, role: &str, principal: &str) {
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/crunchfarm");
    let definition =
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}");
    let path =
        format!("{account}/providers/Microsoft.Authorization/roleAssignments/{}", uuid::Uuid::new_v4());
    let properties = json!({"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"});
    arm(world, "PUT", &path, &json!({"properties": properties}));
}

/// A studio with an account and, if somebody may make it, the queue.
fn studio() -> World {
    let mut world = World::new(WorldConfig::new(SUBSCRIPTION));
    let body = json!({"location": "westeurope", "tags": {"owner": "it's \"us\"", "TOTAL_NODES": "7"}});
    arm(&mut world, "PUT", GROUP, &body);
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/crunchfarm");
    let body = json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}});
    arm(&mut world, "PUT", &account, &body);
    world
}

/// Serves the world as long as the returned runtime lives.
fn serve(world: World) -> (Arc<Mutex<World>>, SocketAddr, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let start = world.now();
    let world = Arc::new(Mutex::new(world));
    let served = azure_sim::server::Served::new(Arc::clone(&world), Arc::new(move || start));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(azure_sim::server::serve(listener, served));
    (world, address, runtime)
}

fn node(address: SocketAddr) -> Machine {
    let machine = Machine::new();
    let conf = format!("QUEUE_URL=http://{address}/host/{QUEUE}/deletions\nCLIENT_ID={CLIENT}\n");
    machine.write("/etc/flamenco-azure/node.conf", &conf);
    machine
}

#[test]
fn a_node_with_the_senders_role_puts_its_message_on_the_queue() {
    let mut world = studio();
    grant(&mut world, CONTRIBUTOR);
    let made = ask(&mut world, "PUT", &format!("https://{QUEUE}/deletions"), None);
    assert_eq!(made.status, 201);
    let (world, address, _runtime) = serve(world);
    let machine = node(address);
    for _ in 0..2 {
        let output = machine.run(&delete_this_node().unwrap(), &[]);
        assert!(output.status.success(), "{:?}", said(&output));
    }
    let requests = messages(&world);
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[0], requests[1]);
    assert_eq!((requests[0].set.as_str(), requests[0].instance.as_str()), ("crunch-spot", "12"));
    assert_eq!(requests[0].vm, Some(VM.parse().unwrap()));
}

#[test]
fn azures_refusals_read_well() {
    let mut world = studio();
    let (nobody, missing) = {
        let (_, address, _runtime) = serve(World::from_json(&world.to_json().unwrap()).unwrap());
        let nobody = reason(&node(address).run(&delete_this_node().unwrap(), &[]));
        grant(&mut world, SENDER);
        let (_, address, _runtime) = serve(world);
        (nobody, reason(&node(address).run(&delete_this_node().unwrap(), &[])))
    };
    assert!(missing.contains("there is no queue") && missing.contains("QueueNotFound: "), "{missing}");
    let expected = "(role Storage Queue Data Message Sender): AuthorizationPermissionMismatch: ";
    assert!(nobody.contains(expected), "{nobody}");
}

#[test]
fn a_service_principal_changes_one_tag_of_a_real_group() {
    let (world, address, _runtime) = serve(studio());
    let machine = Machine::new();
    let url = format!("http://{address}");
    machine.write("/etc/flamenco-azure/capacity.conf", &format!("RESOURCE_MANAGER={url}\nAUTHORITY={url}\n"));
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", super::machine::SECRET),
        ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
        ("AZURE_RESOURCE_GROUP", "studio"),
    ];
    let script = set_capacity().unwrap();
    let output = machine.run_as(&script, "set-capacity", &["100"], &[], &variables);
    assert!(output.status.success(), "{:?}", said(&output));
    let group = format!("https://management.azure.com{GROUP}?api-version=2021-04-01");
    let tags = ask(&mut world.lock().unwrap(), "GET", &group, None).json_body()["tags"].clone();
    assert_eq!(tags, json!({"owner": "it's \"us\"", "TOTAL_NODES": "100"}));

    let mut elsewhere = variables;
    elsewhere[4].1 = "nowhere";
    let why = reason(&machine.run_as(&script, "set-capacity", &["100"], &[], &elsewhere));
    assert!(why.contains("there is no resource group nowhere"), "{why}");
}

/// A set of two machines with the nodes' identity; gives the identity's client id and principal.
fn fleet(world: &mut World, mode: &str) -> (String, String) {
    let at = |kind: &str| format!("{GROUP}/providers/{kind}");
    let subnets = json!([{"name": "nodes", "properties": {"addressPrefix": "10.0.0.0/20"}}]);
    let network = json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets});
    let vnet = at("Microsoft.Network/virtualNetworks/vnet");
    arm(world, "PUT", &vnet, &json!({"location": "westeurope", "properties": network}));
    let id = at("Microsoft.ManagedIdentity/userAssignedIdentities/node");
    arm(world, "PUT", &id, &json!({"location": "westeurope"}));
    let url = format!("https://management.azure.com{id}?api-version=2023-01-31");
    let identity = ask(world, "GET", &url, None).json_body();
    let mut body = json!({
        "location": "westeurope",
        "sku": {"name": "Standard_D4as_v5", "tier": "Standard", "capacity": 2},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {id: {}}},
        "properties": {
            "orchestrationMode": mode,
            "virtualMachineProfile": {
                "priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1},
                "osProfile": {
                    "computerNamePrefix": "node", "adminUsername": "flamenco",
                    "linuxConfiguration": {"disablePasswordAuthentication": true, "ssh": {"publicKeys": [
                        {"path": "/home/flamenco/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAA"},
                    ]}},
                },
                "storageProfile": {
                    "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
                    "osDisk": {"createOption": "FromImage"},
                },
                "networkProfile": {"networkInterfaceConfigurations": [{"name": "nic", "properties": {
                    "primary": true,
                    "ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": format!("{vnet}/subnets/nodes")}}}],
                }}]},
            },
        },
    });
    let properties = &mut body["properties"];
    if mode == "Flexible" {
        properties["platformFaultDomainCount"] = json!(1);
        properties["virtualMachineProfile"]["networkProfile"]["networkApiVersion"] = json!("2022-11-01");
    } else {
        properties["upgradePolicy"] = json!({"mode": "Manual"});
        properties["singlePlacementGroup"] = json!(false);
        properties["overprovision"] = json!(false);
    }
    let set = at("Microsoft.Compute/virtualMachineScaleSets/crunch-spot");
    let url = format!("https://management.azure.com{set}?api-version=2024-07-01");
    let response = ask(world, "PUT", &url, Some(&body));
    assert!(response.is_success(), "{}", response.json_body());
    world.advance_by(900);
    let text = |name: &str| identity["properties"][name].as_str().unwrap().to_owned();
    (text("clientId"), text("principalId"))
}

#[test]
fn a_simulated_machine_says_who_it_is_and_is_heard() {
    for mode in ["Uniform", "Flexible"] {
        let mut world = studio();
        grant(&mut world, CONTRIBUTOR);
        assert_eq!(ask(&mut world, "PUT", &format!("https://{QUEUE}/deletions"), None).status, 201);
        let (client, principal) = fleet(&mut world, mode);
        grant_to(&mut world, SENDER, &principal);
        let set = format!("{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/crunch-spot");
        let instances = world.set_instances(&set);
        assert_eq!(instances.len(), 2);
        let (world, address, _runtime) = serve(world);
        for (i, instance) in instances.iter().enumerate() {
            let machine = Machine::new();
            let conf = format!("QUEUE_URL=http://{address}/host/{QUEUE}/deletions\nCLIENT_ID={client}\n");
            machine.write("/etc/flamenco-azure/node.conf", &conf);
            let imds = format!("http://{address}/imds/{}", instance.vm_id);
            let variables = [("FLAMENCO_AZURE_IMDS", imds.as_str())];
            let output = machine.run_as(&delete_this_node().unwrap(), "delete", &[], &["-x"], &variables);
            assert!(output.status.success(), "{mode}: {:?}", said(&output));
            assert!(!machine.log().contains("sim-identity") && !said(&output).1.contains("sim-identity"));
            let heard = &messages(&world)[i];
            assert_eq!(
                (heard.set.as_str(), heard.instance.as_str()),
                ("crunch-spot", instance.instance_id.as_str())
            );
            assert_eq!(heard.vm, Some(instance.vm_id.parse().unwrap()));
        }

        // The other one is told that it goes, by the same service.
        let gone = &instances[1];
        let machine = Machine::new();
        let imds = format!("http://{address}/imds/{}", gone.vm_id);
        machine.write("/etc/flamenco-azure/node.conf", "WORKER_SERVICE=render.service\n");
        let watch = format!("#!/bin/sh\nFLAMENCO_AZURE_IMDS={imds}\n{}", spot_watch());
        let _running = machine.start(&watch);
        assert!(world.lock().unwrap().evict_in(&set, &gone.instance_id, 30));
        until("the worker stops", || machine.log().contains("systemctl stop render.service\n"));
        until("the consent is taken", || {
            let world = world.lock().unwrap();
            !world.set_instances(&set).iter().any(|i| i.vm_id == gone.vm_id && i.allocated)
        });
    }
}

/// What is on the queue, as the scaler reads it; peeked at.
fn messages(world: &Mutex<World>) -> Vec<request::Request> {
    let url = format!("https://{QUEUE}/deletions/messages?peekonly=true&numofmessages=32");
    let answer = ask(&mut world.lock().unwrap(), "GET", &url, None);
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let texts = body.split("<MessageText>").skip(1).map(|rest| rest.split("</MessageText>").next().unwrap());
    texts.map(|text| request::read(&text.replace("&quot;", "\"")).unwrap()).collect()
}
