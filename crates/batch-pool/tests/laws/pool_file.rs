//! Old pool files, and pools as they run, as entries of the farm file.

use batch_pool::desired::{Surroundings, resources};
use batch_pool::pool_file::{export, import};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, edit, validate};
use serde_json::{Value, json};

/// As the old tool's example has it, without the secrets of its start task.
const OLD: &str = r#"{
    "id": "crunchtime-F16s",
    "vmSize": "Standard_F16s",
    "virtualMachineConfiguration": {
        "imageReference": {"publisher": "Canonical", "offer": "UbuntuServer", "sku": "18.04-LTS", "version": "latest"},
        "nodeAgentSKUId": "batch.node.ubuntu 18.04"
    },
    "maxTasksPerNode": 1,
    "targetDedicatedNodes": 0,
    "targetLowPriorityNodes": 5,
    "applicationPackageReferences": [
        {"applicationId": "blender"},
        {"applicationId": "ffmpeg", "version": "4.1"},
        {"applicationId": "flamenco-worker"}
    ],
    "certificateReferences": [],
    "startTask": {
        "commandLine": "bash -c 'env'",
        "environmentSettings": [{"name": "STUDIO", "value": "Spring"}],
        "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}},
        "waitForSuccess": true
    }
}"#;

fn with(path: &str, value: Value) -> String {
    let mut file: Value = serde_json::from_str(OLD).unwrap();
    let (parent, key) = path.rsplit_once('/').unwrap();
    file.pointer_mut(parent).unwrap()[key] = value;
    file.to_string()
}

#[test]
fn an_old_file_becomes_an_entry_and_what_is_left_behind_is_named() {
    let (spec, findings) = import(OLD).unwrap();
    assert_eq!(
        edit::pool_lines(&spec),
        "  - name: crunchtime-F16s
    vmSize: Standard_F16s
    dedicated: 0
    spot: 5
    packages: [blender, \"ffmpeg#4.1\", flamenco-worker]
    environment:
      STUDIO: Spring
"
    );
    assert!(findings.iter().all(|finding| !finding.refused), "{findings:?}");
    let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "virtualMachineConfiguration.imageReference",
            "maxTasksPerNode",
            "startTask.commandLine",
            "startTask.userIdentity",
            "startTask.waitForSuccess",
        ]
    );
}

fn by_formula(interval: &Value) -> String {
    let mut body: Value = serde_json::from_str(OLD).unwrap();
    body["enableAutoScale"] = json!(true);
    body["autoScaleFormula"] = json!("$TargetDedicatedNodes = 1;");
    body["autoScaleEvaluationInterval"] = interval.clone();
    body.to_string()
}

#[test]
fn what_cannot_be_had_any_more_is_refused_with_its_place() {
    let settings = |settings: Value| with("/startTask/environmentSettings", settings);
    let variable = |value: &str| settings(json!([{"name": "A", "value": value}]));
    let packages = |one: Value| with("/applicationPackageReferences", json!([one]));
    let image = |image: Value| with("/virtualMachineConfiguration/imageReference", image);
    let cases = [
        (variable("{STORAGE_ACCOUNT}"), "startTask.environmentSettings[0].value", "identities"),
        (variable("x {STORAGE_KEY} y"), "startTask.environmentSettings[0].value", "identities"),
        (
            with("/startTask/commandLine", json!("mount -o password={STORAGE_KEY}")),
            "startTask.commandLine",
            "identities",
        ),
        (with("/cloudServiceConfiguration", json!({"osFamily": "5"})), "cloudServiceConfiguration", "ended"),
        (with("/certificateReferences", json!([{"thumbprint": "x"}])), "certificateReferences", "ended"),
        (with("/targetNodeCommunicationMode", json!("Classic")), "targetNodeCommunicationMode", "ended"),
        (with("/vmsize", json!("x")), "vmsize", "no such member"),
        (with("/startTask/commandline", json!("x")), "startTask.commandline", "no such member"),
        (
            with("/virtualMachineConfiguration/windowsConfiguration", json!({})),
            "virtualMachineConfiguration.windowsConfiguration",
            "Ubuntu",
        ),
        (
            with(
                "/virtualMachineConfiguration/imageReference",
                json!({"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": "2016"}),
            ),
            "virtualMachineConfiguration.imageReference",
            "Ubuntu",
        ),
        (
            with("/applicationPackageReferences", json!([{"applicationId": "a b"}])),
            "applicationPackageReferences[0]",
            "not an application's id",
        ),
        (with("/applicationPackageReferences", json!([{}])), "applicationPackageReferences[0]", "names no"),
        (packages(json!("blender")), "applicationPackageReferences[0]", "an object"),
        (
            packages(json!({"applicationId": "blender", "verison": "4.1"})),
            "applicationPackageReferences[0].verison",
            "no such member",
        ),
        (
            packages(json!({"applicationId": "blender", "version": 4.1})),
            "applicationPackageReferences[0].version",
            "a text",
        ),
        (packages(json!({"applicationId": 7})), "applicationPackageReferences[0].applicationId", "a text"),
        (
            settings(json!([{"name": "THREADS", "value": 16}])),
            "startTask.environmentSettings[0].value",
            "a text",
        ),
        (
            settings(json!([{"name": "A", "vlaue": "1"}])),
            "startTask.environmentSettings[0].vlaue",
            "no such member",
        ),
        (settings(json!([{"name": ["A"]}])), "startTask.environmentSettings[0].name", "a text"),
        (settings(json!([{"value": "1"}])), "startTask.environmentSettings[0]", "no `name`"),
        (settings(json!(["A=1"])), "startTask.environmentSettings[0]", "an object"),
        (
            settings(json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])),
            "startTask.environmentSettings[1]",
            "a second time",
        ),
        (
            image(
                json!({"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "verison": "24.04.1"}),
            ),
            "virtualMachineConfiguration.imageReference.verison",
            "no such member",
        ),
        (
            image(
                json!({"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": 24.04}),
            ),
            "virtualMachineConfiguration.imageReference.version",
            "a text",
        ),
        (image(json!("ubuntu-24.04")), "virtualMachineConfiguration.imageReference", "an object"),
        (
            image(json!({"communityGalleryImageId": "/communityGalleries/x/images/y"})),
            "virtualMachineConfiguration.imageReference",
            "one of your own",
        ),
        (
            image(json!({"publisher": "canonical", "virtualMachineImageId": GALLERY})),
            "virtualMachineConfiguration.imageReference",
            "two images",
        ),
        (with("/applicationPackageReferences", json!("blender")), "applicationPackageReferences", "a list"),
        (with("/targetDedicatedNodes", json!(-1)), "targetDedicatedNodes", "whole number"),
        (with("/targetLowPriorityNodes", json!("5")), "targetLowPriorityNodes", "whole number"),
        (with("/id", json!("")), "id", "no name"),
        (with("/enableAutoScale", json!(true)), "autoScaleFormula", "no formula"),
        (with("/enableAutoScale", json!("true")), "enableAutoScale", "true or false"),
        (by_formula(&json!("quarterly")), "autoScaleEvaluationInterval", "PT15M"),
        (by_formula(&json!(15)), "autoScaleEvaluationInterval", "PT15M"),
    ];
    for (text, path, words) in cases {
        let (_, findings) = import(&text).unwrap();
        let refused: Vec<_> = findings.iter().filter(|finding| finding.refused).collect();
        let [one] = refused.as_slice() else { panic!("{path}: {refused:?}") };
        assert_eq!(one.path, path);
        assert!(one.what.contains(words), "{one}");
    }
    for text in ["", "[]", "3", "{\"id\": ", "null"] {
        assert!(import(text).is_err(), "{text}");
    }
}

const GALLERY: &str = "/subscriptions/5b3a7c1e-0000-4000-8000-0123456789ab/resourceGroups/i/providers/Microsoft.Compute/galleries/g/images/node";

#[test]
fn every_value_of_a_pool_file_is_carried_over_named_or_refused() {
    // A number, a list and a stranger in the place of each value: the entry may not silently be another one than with the
    // value, nor than without it.
    let whole: Value = json!({
        "id": "all", "vmSize": "Standard_F16s", "targetDedicatedNodes": 1, "targetLowPriorityNodes": 5,
        "virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "24.04.1"},
            "nodeAgentSKUId": "batch.node.ubuntu 24.04",
        },
        "applicationPackageReferences": [{"applicationId": "blender", "version": "4.1"}],
        "startTask": {"commandLine": "x", "environmentSettings": [{"name": "A", "value": "1"}]},
    });
    let entry = |file: &Value| {
        let (spec, findings) = import(&file.to_string()).unwrap();
        (edit::pool_lines(&spec), findings.iter().any(|finding| finding.refused))
    };
    assert!(!entry(&whole).1);
    let mut pointers = vec![String::new()];
    let mut at = 0;
    while let Some(pointer) = pointers.get(at).cloned() {
        at += 1;
        match whole.pointer(&pointer).unwrap() {
            Value::Object(members) => pointers.extend(members.keys().map(|name| format!("{pointer}/{name}"))),
            Value::Array(items) => {
                pointers.extend((0..items.len()).map(|index| format!("{pointer}/{index}")));
            }
            _ => {}
        }
    }
    assert!(pointers.len() > 15, "{pointers:?}");
    for pointer in pointers.iter().filter(|pointer| !pointer.is_empty()) {
        for other in [json!(true), json!({"stranger": 1})] {
            let mut file = whole.clone();
            *file.pointer_mut(pointer).unwrap() = other.clone();
            // The command line is left behind whatever it is.
            let left = pointer.ends_with("/commandLine");
            assert_eq!(entry(&file).1, !left, "{pointer}: {other}");
        }
    }
}

#[test]
fn secrets_are_not_repeated() {
    let key = format!("{}==", "aB3+/".repeat(18).split_at(86).0);
    let text = with("/startTask/environmentSettings", json!([{"name": "A", "value": key}]));
    let (_, findings) = import(&text).unwrap();
    assert!(!format!("{findings:?}").contains(&key));
}

fn farm(pools: &str) -> Farm {
    let text = format!(
        "subscriptionID: 5b3a7c1e-0000-4000-8000-0123456789ab\nlocation: westeurope\nresourceGroup: g\nvirtualMachine: farm\n\
         storageAccountName: farmsa\nbatchAccountName: farmba\n{pools}"
    );
    let overrides = Overrides { allow_world: false, today: "2026-11-21T12:00:00Z".parse().unwrap() };
    validate(&FarmSpec::parse("f", &text).unwrap(), &overrides).unwrap().0
}

const POOLS: &[&str] = &[
    "pools: [{name: a}]\n",
    "pools: [{name: Render-1, vmSize: Standard_D8as_v5, dedicated: 3, spot: 2, maxNodes: 20}]\n",
    "pools: [{name: a, image: ubuntu-22.04, packages: ['blender#5.0.1', ffmpeg], environment: {A: '', B: 'x: y'}}]\n",
    "pools: [{name: a, image: 'canonical:ubuntu-24_04-lts:server:24.04.202611180'}]\n",
    "pools: [{name: a, maxNodes: 40, autoscale: {formula: \"// nights\\n$TargetDedicatedNodes = 4\", evaluationMinutes: 60}}]\n",
    "pools: [{name: a, image: /subscriptions/5b3a7c1e-0000-4000-8000-0123456789ab/resourceGroups/i/providers/Microsoft.Compute/galleries/g/images/node, nodeAgent: batch.node.ubuntu 22.04}]\n",
];

/// The pool as Azure would send it back.
fn running(farm: &Farm) -> Value {
    let around = Surroundings {
        subnet: farm.group_id(),
        after: Vec::new(),
        beside: Vec::new(),
        start_task: "true".to_owned(),
        cores: std::collections::BTreeMap::new(),
    };
    let wanted =
        resources(farm, &around).into_iter().find(|one| one.id.is_kind(batch_pool::wire::POOL)).unwrap();
    let mut body = wanted.body;
    body["name"] = json!(wanted.id.name());
    body["properties"]["vmSize"] = json!(body["properties"]["vmSize"].as_str().unwrap().to_ascii_uppercase());
    body
}

#[test]
fn what_is_exported_is_the_farm_that_runs() {
    for pools in POOLS {
        let farm = farm(pools);
        let (entry, findings) = export(&running(&farm), Some(&farm.pools[0]));
        assert_eq!(findings, []);
        let again = self::farm(&format!("pools:\n{}", edit::pool_lines(&entry)));
        assert_eq!(again.pools, farm.pools, "{pools}");
        // Without the farm file only what Azure does not keep is another.
        let mut entry = export(&running(&farm), None).0;
        entry.max_nodes = Some(farm.pools[0].max_nodes);
        let again = self::farm(&format!("pools:\n{}", edit::pool_lines(&entry)));
        assert_eq!(again.pools, farm.pools, "{pools}");
    }
}

#[test]
fn an_image_that_no_farm_file_names_is_not_left_out_in_silence() {
    let farm = farm(POOLS[0]);
    let reference = |publisher: &str, offer: &str, sku: &str| json!({"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"});
    for (image, words) in [
        (reference("almalinux", "almalinux-x86_64", "9-gen2"), "almalinux:almalinux-x86_64:9-gen2:latest"),
        (reference("MicrosoftWindowsServer", "WindowsServer", "2022-datacenter"), "nodes run Ubuntu"),
        (reference("canonical", "0001-com-ubuntu-server-focal", "20_04-lts"), "0001-com-ubuntu-server-focal"),
        (reference("canonical", "ubuntu-26_04-lts", "server"), "ubuntu-26_04-lts"),
        (json!({"id": GALLERY.replace("galleries/g/images", "images")}), "Compute Gallery"),
        (json!({"communityGalleryImageId": "/communityGalleries/x/images/y"}), "one of your own"),
    ] {
        let mut body = running(&farm);
        body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["imageReference"] =
            image;
        let findings = export(&body, Some(&farm.pools[0])).1;
        let [one] = findings.as_slice() else { panic!("{words}: {findings:?}") };
        assert_eq!(one.path, "image");
        assert!(one.what.contains(words), "{one}");
    }
}

#[test]
fn an_import_deployed_and_exported_is_the_import() {
    let formula = json!({
        "id": "auto", "vmSize": "STANDARD_D4AS_V5", "enableAutoScale": true, "targetDedicatedNodes": 3,
        "autoScaleFormula": "$TargetDedicatedNodes = 2;", "autoScaleEvaluationInterval": "PT30M",
    });
    for text in [OLD.to_owned(), formula.to_string(), json!({"id": "least"}).to_string()] {
        let (spec, _) = import(&text).unwrap();
        let farm = farm(&format!("pools:\n{}", edit::pool_lines(&spec)));
        let (entry, _) = export(&running(&farm), Some(&farm.pools[0]));
        let again = self::farm(&format!("pools:\n{}", edit::pool_lines(&entry)));
        assert_eq!(again.pools, farm.pools, "{text}");
    }
}

#[test]
fn what_was_exported_reads_as_what_the_data_plane_says() {
    // A pool of today, read over the data plane, is a pool file too.
    let farm = farm(POOLS[2]);
    let text = json!({
        "id": "a", "url": "https://x", "eTag": "y", "state": "active", "vmSize": "standard_d4as_v5",
        "virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts", "version": "latest"},
            "nodeAgentSKUId": "batch.node.ubuntu 22.04",
        },
        "targetDedicatedNodes": 0, "targetLowPriorityNodes": 0, "enableAutoScale": false,
        "applicationPackageReferences": [{"applicationId": "blender", "version": "5.0.1"}, {"applicationId": "ffmpeg"}],
        "startTask": {"commandLine": "x", "environmentSettings": [{"name": "A"}, {"name": "B", "value": "x: y"}]},
        "targetNodeCommunicationMode": "simplified",
    });
    let (spec, findings) = import(&text.to_string()).unwrap();
    assert!(findings.iter().all(|finding| !finding.refused), "{findings:?}");
    assert_eq!(self::farm(&format!("pools:\n{}", edit::pool_lines(&spec))).pools, farm.pools);
}
