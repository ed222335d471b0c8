//! Laws of machines, quotas and the Manager's guest.

use azure_sim::{Finding, World, WorldConfig};
use serde_json::{Value, json};

use crate::farm::*;
use crate::support::*;

fn nic(world: &mut World, name: &str) -> String {
    let path = net(&format!("networkInterfaces/{name}"));
    let ip =
        json!({"ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet("manager")}}}]});
    make(world, &path, &tagged(ip));
    path
}

#[test]
fn a_machine_is_created_shown_and_deleted_with_its_disk() {
    let mut w = world();
    ground(&mut w, "10.0.8.0/22");
    let body = vm_body("Standard_B2as_v2", &net("networkInterfaces/nic"));
    let accepted = put(&mut w, &vm(), &body);
    assert_eq!(accepted.status, 201);
    assert!(accepted.header("azure-asyncoperation").is_some() && accepted.header("location").is_none());
    assert_eq!(accepted.json_body()["properties"]["provisioningState"], "Creating");
    w.advance_by(60);
    let shown = get(&mut w, &format!("{}?$expand=instanceView", vm())).json_body();
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    assert_eq!(shown["properties"]["instanceView"]["statuses"][1]["code"], "PowerState/running");
    assert_eq!(shown["etag"], "\"2\"");
    let text = shown.to_string();
    assert!(!text.contains("customData") && !text.contains("_sim"), "{text}");
    let disk = provider("Microsoft.Compute/disks/manager-os");
    assert_eq!(get(&mut w, &disk).json_body()["managedBy"], vm());
    assert_eq!(code(&delete(&mut w, &disk)), (409, "OperationNotAllowed".to_owned()));
    assert_eq!(code(&delete(&mut w, &net("networkInterfaces/nic"))), (400, "NicInUse".to_owned()));
    let gone = delete(&mut w, &vm());
    assert!(gone.header("azure-asyncoperation").is_some() && gone.header("location").is_some());
    w.advance_by(60);
    assert_eq!(get(&mut w, &vm()).status, 404);
    assert_eq!(get(&mut w, &disk).status, 404);
    assert_eq!(delete(&mut w, &vm()).status, 204);
    assert_eq!(delete(&mut w, &net("networkInterfaces/nic")).status, 202);
}

#[test]
fn what_azure_refuses_leaves_nothing_behind() {
    let mut w = world();
    ground(&mut w, "10.0.8.0/22");
    let nic_id = net("networkInterfaces/nic");
    let before = w.canonical();
    let size = |name: &str| vm_body(name, &nic_id);
    let mut no_key = size("Standard_B2as_v2");
    no_key["properties"]["osProfile"]["linuxConfiguration"]["ssh"] = json!({});
    let mut stranger = size("Standard_B2as_v2");
    stranger["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {
        provider("Microsoft.ManagedIdentity/userAssignedIdentities/nobody"): {},
    }});
    let mut elsewhere = size("Standard_B2as_v2");
    elsewhere["location"] = json!("eastus");
    let no_nic = vm_body("Standard_B2as_v2", &net("networkInterfaces/none"));
    for (body, status, wanted) in [
        (size("Standard_Q1"), 400, "InvalidParameter"),
        (size("Standard_NV12s_v3"), 409, "SkuNotAvailable"),
        (no_key, 400, "InvalidParameter"),
        (stranger, 400, "FailedIdentityOperation"),
        (elsewhere, 400, "InvalidResourceReference"),
        (no_nic, 400, "InvalidResourceReference"),
    ] {
        assert_eq!(code(&put(&mut w, &vm(), &body)), (status, wanted.to_owned()));
    }
    w.restrict_size("westeurope", "Standard_B2as_v2");
    assert_eq!(code(&put(&mut w, &vm(), &size("Standard_B2as_v2"))), (409, "SkuNotAvailable".to_owned()));
    assert_eq!(w.canonical(), before);
}

#[test]
fn cores_never_exceed_the_quota_and_the_refusal_does_the_sum() {
    let mut config = WorldConfig::new(SUB);
    config.quota_cores = 10;
    let mut w = World::new(config);
    ground(&mut w, "10.0.8.0/22");
    let mut accepted = 0;
    for i in 0..4 {
        let nic = nic(&mut w, &format!("n{i}"));
        let mut body = vm_body("Standard_D4as_v5", &nic);
        body["properties"]["storageProfile"]["osDisk"]["name"] = json!(format!("disk{i}"));
        let path = provider(&format!("Microsoft.Compute/virtualMachines/m{i}"));
        let response = put(&mut w, &path, &body);
        if response.status == 201 {
            accepted += 1;
        } else {
            assert_eq!(code(&response), (409, "OperationNotAllowed".to_owned()));
            let message = response.json_body()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains("Total Regional Cores quota"), "{message}");
            assert!(message.contains("Current Limit: 10, Current Usage: 8, Additional Required: 4, (Minimum) New Limit Required: 12."), "{message}");
        }
        w.advance_by(60);
        assert!(!w.check().iter().any(|f| matches!(f, Finding::OverQuota(..))), "{:?}", w.check());
    }
    assert_eq!(accepted, 2);
    // A deallocated machine gives its cores back and has to win them again.
    let first = provider("Microsoft.Compute/virtualMachines/m0");
    assert_eq!(send(&mut w, "POST", &format!("{first}/deallocate"), None).status, 202);
    w.advance_by(60);
    let third = provider("Microsoft.Compute/virtualMachines/m2");
    let nic2 = net("networkInterfaces/n2");
    assert_eq!(put(&mut w, &third, &vm_body("Standard_D4as_v5", &nic2)).status, 201);
    assert_eq!(code(&send(&mut w, "POST", &format!("{first}/start"), None)).0, 409);
    let usages =
        get(&mut w, &format!("/subscriptions/{SUB}/providers/Microsoft.Compute/locations/westeurope/usages"));
    let rows = usages.json_body()["value"].as_array().unwrap().clone();
    let row = |name: &str| rows.iter().find(|r| r["name"]["value"] == name).unwrap().clone();
    assert_eq!((row("cores")["currentValue"].clone(), row("cores")["limit"].clone()), (json!(8), json!(10)));
    assert_eq!(row("standardDASv5Family")["currentValue"], 8);
    assert_eq!(row("virtualMachines")["currentValue"], 3);
}

#[test]
fn an_interface_serves_one_machine() {
    let mut w = world();
    farm(&mut w);
    let other = provider("Microsoft.Compute/virtualMachines/other");
    let mut body = vm_body("Standard_B2as_v2", &net("networkInterfaces/nic"));
    body["properties"]["storageProfile"]["osDisk"]["name"] = json!("other-os");
    assert_eq!(code(&put(&mut w, &other, &body)), (400, "NicInUse".to_owned()));
}

#[test]
fn fixed_properties_stay_and_tags_change() {
    let mut w = world();
    farm(&mut w);
    let same = vm_body("Standard_B2as_v2", &net("networkInterfaces/nic"));
    assert_eq!(put(&mut w, &vm(), &same).status, 200);
    let mut other = same.clone();
    other["properties"]["osProfile"]["customData"] = json!("I2Nsb3VkLWNvbmZpZwo=");
    assert_eq!(code(&put(&mut w, &vm(), &other)), (409, "PropertyChangeNotAllowed".to_owned()));
    let patched = send(&mut w, "PATCH", &vm(), Some(&json!({"tags": {"flamenco-farm": "f", "x": "y"}})));
    assert_eq!(patched.status, 200);
    w.advance_by(10);
    assert_eq!(get(&mut w, &vm()).json_body()["tags"]["x"], "y");
    // Neither of these restarted the machine.
    assert_eq!(ctl(&mut w, "ready --flamenco 3.8 --wait 0").0["ready"], true);
}

#[test]
fn the_manager_is_ready_three_minutes_after_its_boot() {
    let mut w = world();
    ground(&mut w, "10.0.8.0/22");
    put(&mut w, &vm(), &vm_body("Standard_B2as_v2", &net("networkInterfaces/nic")));
    w.advance_by(50);
    let (early, _) = ctl(&mut w, "ready --flamenco 3.8.5 --wait 10");
    assert_eq!(early["ready"], false);
    let (wrong, _) = ctl(&mut w, "ready --flamenco 3.9 --wait 300");
    assert_eq!(wrong["ready"], false);
    let (ready, seconds) = ctl(&mut w, "ready --flamenco 3.8.5 --wait 1500");
    assert_eq!(
        ready,
        json!({"ready": true, "version": "3.8.5", "sha256": {"flamenco": "6c1d5e3f3e8e5".repeat(5)[..64].to_owned()}})
    );
    assert!(seconds < 180, "{seconds}");
    // After a pause it is back within half a minute.
    for verb in ["deallocate", "start"] {
        assert_eq!(send(&mut w, "POST", &format!("{}/{verb}", vm()), None).status, 202);
        w.advance_by(40);
        if verb == "deallocate" {
            let body = json!({"commandId": "RunShellScript", "script": ["true"]});
            let refused = send(&mut w, "POST", &format!("{}/runCommand", vm()), Some(&body));
            assert_eq!(code(&refused), (409, "OperationNotAllowed".to_owned()));
        }
    }
    let (_, seconds) = ctl(&mut w, "ready --flamenco 3.8.5 --wait 1500");
    assert!(seconds < 40, "{seconds}");
}

#[test]
fn a_failed_set_up_says_why_and_a_stuck_one_does_not() {
    let mut w = world();
    farm(&mut w);
    w.set_boot_failure(&vm(), "checksum of flamenco.tar.gz differs");
    let (answer, seconds) = ctl(&mut w, "ready --flamenco 3.8.5 --wait 600");
    assert_eq!(answer["ready"], false);
    assert!(answer["reason"].as_str().unwrap().contains("checksum"));
    assert!(seconds < 60, "a failure is told at once: {seconds}");
    w.repair_boot(&vm());
    w.never_ready(&vm());
    let (answer, seconds) = ctl(&mut w, "ready --flamenco 3.8.5 --wait 600");
    assert_eq!(answer["ready"], false);
    assert!(seconds >= 600);
}

#[test]
fn a_manager_whose_subnet_may_not_mount_never_gets_ready() {
    let mut w = world();
    ground(&mut w, "10.0.8.0/22");
    let rules = json!({"properties": {"networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": []}}});
    assert_eq!(send(&mut w, "PATCH", &storage(), Some(&rules)).status, 200);
    make(&mut w, &vm(), &vm_body("Standard_B2as_v2", &net("networkInterfaces/nic")));
    let (answer, _) = ctl(&mut w, "ready --flamenco 3.8.5 --wait 600");
    assert!(answer["reason"].as_str().unwrap().contains("access denied"), "{answer}");
}

#[test]
fn one_run_command_at_a_time_and_other_scripts_are_silent() {
    let mut w = world();
    farm(&mut w);
    let body = json!({"commandId": "RunShellScript", "script": ["uptime"]});
    let path = format!("{}/runCommand", vm());
    let first = send(&mut w, "POST", &path, Some(&body));
    assert_eq!(code(&send(&mut w, "POST", &path, Some(&body))), (409, "Conflict".to_owned()));
    w.advance_by(30);
    let output = get(&mut w, first.header("location").unwrap()).json_body();
    assert_eq!(output["value"][0]["message"], "Enable succeeded: \n[stdout]\n\n[stderr]\n");
    assert_eq!(output["value"][0]["code"], "ProvisioningState/succeeded");
    let keys = ctl(&mut w, "hostkeys").0;
    assert_eq!(keys, ctl(&mut w, "hostkeys").0);
    assert!(keys["keys"][0].as_str().unwrap().starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
    // Nobody outside reaches the machine, so no authority does.
    assert_eq!(ctl(&mut w, "tls").0["issuer"], "Caddy Local Authority");
    let (nsg, pip) = (net("networkSecurityGroups/open"), net("publicIPAddresses/pip"));
    let rule = |port: &str| {
        json!({"securityRules": [{"name": "in", "properties": {
            "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*",
            "sourceAddressPrefix": "Internet", "destinationAddressPrefix": "*", "destinationPortRange": port,
        }}]})
    };
    make(&mut w, &nsg, &tagged(rule("22")));
    let mut address = tagged(json!({"publicIPAllocationMethod": "Static"}));
    address["sku"] = json!({"name": "Standard"});
    make(&mut w, &pip, &address);
    let config = json!({"subnet": {"id": subnet("manager")}, "publicIPAddress": {"id": pip}});
    let properties = json!({
        "ipConfigurations": [{"name": "ip", "properties": config}], "networkSecurityGroup": {"id": nsg},
    });
    make(&mut w, &net("networkInterfaces/nic"), &tagged(properties));
    assert_eq!(ctl(&mut w, "tls").0["issuer"], "Caddy Local Authority");
    make(&mut w, &nsg, &tagged(rule("80-81")));
    assert_eq!(ctl(&mut w, "tls").0["issuer"], "Let's Encrypt");
}

#[test]
fn skus_name_region_restrictions_and_capabilities() {
    let mut w = world();
    let path =
        format!("/subscriptions/{SUB}/providers/Microsoft.Compute/skus?$filter=location eq 'westeurope'");
    let all = get(&mut w, &path).json_body()["value"].as_array().unwrap().clone();
    assert!(all.iter().all(|item| item["locations"] == json!(["westeurope"])));
    let item = |name: &str| all.iter().find(|i| i["name"] == name).unwrap().clone();
    let capability = |item: &Value, name: &str| {
        let found = item["capabilities"].as_array().unwrap().iter().find(|c| c["name"] == name);
        found.map(|c| c["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(capability(&item("Standard_F16s_v2"), "vCPUs").unwrap(), "16");
    assert_eq!(capability(&item("Standard_B2as_v2"), "LowPriorityCapable").unwrap(), "False");
    assert_eq!(item("Standard_NC6s_v3")["restrictions"][0]["reasonCode"], "NotAvailableForSubscription");
    assert_eq!(item("Standard_F16s")["restrictions"], json!([]));
}

#[test]
fn writes_to_one_machine_are_throttled_after_twelve() {
    let mut w = world();
    farm(&mut w);
    let tags = json!({"tags": {"flamenco-farm": "f"}});
    let statuses: Vec<u16> = (0..13).map(|_| send(&mut w, "PATCH", &vm(), Some(&tags)).status).collect();
    assert!(statuses[..12].iter().all(|s| *s == 200), "{statuses:?}");
    let refused = send(&mut w, "PATCH", &vm(), Some(&tags));
    assert_eq!(code(&refused), (429, "OperationNotAllowed".to_owned()));
    assert!(refused.header("retry-after").is_some());
}
