//! The nodes' documents and what their boot does.

use std::fs;

use base64::Engine as _;
use vmss_scaler::guest::*;

use super::machine::{Machine, reason, said};
use super::{samples, sha256_of};

const BOOT: &str = "/usr/local/lib/flamenco-azure/node-boot";

#[test]
fn the_same_node_gives_the_same_document() {
    for node in samples::nodes() {
        let document = node_cloud_init(&node).unwrap();
        assert_eq!(document, node_cloud_init(&node.clone()).unwrap());
        assert!(document.len().div_ceil(3) * 4 <= CLOUD_INIT_LIMIT);
    }
}

#[test]
fn a_node_gets_what_it_may_do_and_no_more() {
    let paths = |node: &NodeGuest| -> Vec<&str> {
        let files = node_files(node).unwrap();
        files.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect()
    };
    let nodes = samples::nodes();
    assert_eq!(paths(&nodes[0]), ["node.conf"]);
    assert_eq!(paths(&nodes[1]), ["node.conf", "spot-watch", "flamenco-azure-spot-watch.service"]);
    let full = [
        "node.conf",
        "delete-this-node",
        "spot-watch",
        "flamenco-azure-spot-watch.service",
        "idle-watch",
        "flamenco-azure-idle-watch.service",
        "setup",
        "node-boot",
        "flamenco-azure-node.service",
    ];
    assert_eq!(paths(&nodes[5]), full);
    let document = node_cloud_init(&nodes[5]).unwrap();
    // The watch for evictions does not wait for the set-up.
    let unit =
        |name: &str| document.find(&format!("--now, --no-block, flamenco-azure-{name}.service")).unwrap();
    assert!(unit("spot-watch") < unit("node") && unit("node") < unit("idle-watch"));
    assert!(
        document.contains(
            "- [ln, -sfn, /usr/local/bin/delete-this-node, /usr/local/bin/delete_vmss_instance.sh]"
        )
    );
    assert!(!node_cloud_init(&nodes[0]).unwrap().contains("delete"));
}

#[test]
fn custom_data_that_azure_would_refuse_is_refused_here() {
    let with = |length: usize| {
        let setup = Setup::Script(format!("#!/bin/sh\n{}\n", "#".repeat(length)));
        node_cloud_init(&NodeGuest { setup: Some(setup), ..NodeGuest::default() })
    };
    let least = with(1).unwrap().len() - 1;
    // Base64 makes four of three.
    let room = CLOUD_INIT_LIMIT / 4 * 3 - least;
    assert_eq!(with(room).unwrap().len().div_ceil(3) * 4, CLOUD_INIT_LIMIT / 4 * 4);
    let error = GuestError::TooLong { document: "cloud-init document", length: 65_536, limit: 65_535 };
    assert_eq!(with(room + 1), Err(error));
}

#[test]
fn values_that_could_be_secret_or_unsafe_are_refused() {
    let url = |url: &str| {
        let queue = QueueAccess { url: url.into(), ..samples::queue() };
        NodeGuest { queue: Some(queue), ..NodeGuest::default() }
    };
    let mut bad: Vec<NodeGuest> = [
        "http://crunch.queue.core.windows.net/deletions",
        "https://crunch.queue.core.windows.net/deletions?sv=2022&sig=abc",
        "https://user:pass@crunch.queue.core.windows.net/deletions",
        "https://crunch/x#y",
        "https://crunch/$(id)",
        "https://crunch/a b",
        "https://crunch/a\nb=c",
        "https://",
        "",
    ]
    .map(url)
    .into();
    let spot = |worker: &str, hook: Option<&str>| {
        let spot = SpotWatch { worker_service: worker.into(), hook: hook.map(str::to_owned) };
        NodeGuest { spot: Some(spot), ..NodeGuest::default() }
    };
    bad.extend([spot("worker", None), spot("a b.service", None), spot("--now.service", None)]);
    bad.extend([spot(WORKER_SERVICE, Some("a\nQUEUE_URL=b")), spot(WORKER_SERVICE, Some(""))]);
    let idle = |check: &str, minutes| {
        let idle = Some(IdleWatch { check: check.into(), minutes });
        NodeGuest { idle, queue: Some(samples::queue()), ..NodeGuest::default() }
    };
    bad.extend([idle("true\nx", 5), idle("true", 0), idle(" ", 1)]);
    bad.push(NodeGuest { queue: None, ..idle("true", 5) });
    let nfs = |change: fn(&mut NfsBootstrap)| {
        let mut bootstrap = samples::bootstrap();
        change(&mut bootstrap);
        NodeGuest { bootstrap: Some(bootstrap), ..NodeGuest::default() }
    };
    bad.extend([
        nfs(|b| b.export = "10.0.0.1".into()),
        nfs(|b| b.export = "-o:/x".into()),
        nfs(|b| b.export = "a;id:/x".into()),
        nfs(|b| b.mount_point = "b".into()),
        nfs(|b| b.mount_point = "/".into()),
        nfs(|b| b.script = "/../etc/x".into()),
        nfs(|b| b.script = "/a b".into()),
        nfs(|b| b.options = "hard rw".into()),
    ]);
    let get = |change: fn(&mut Download)| {
        let mut download = samples::download();
        change(&mut download);
        NodeGuest { setup: Some(Setup::Download(download)), ..NodeGuest::default() }
    };
    bad.extend([get(|d| d.sha256 = "ABC".into()), get(|d| d.url = "https://a/b?sig=c".into())]);
    for node in bad {
        let error = node_cloud_init(&node).unwrap_err();
        let expected = matches!(error, GuestError::InvalidValue { .. } | GuestError::IdleWithoutQueue);
        assert!(expected, "{error} of {node:?}");
    }
}

/// What cloud-init would write, out of the document.
pub fn written(document: &str) -> Vec<(String, String)> {
    let document: serde_json::Value = serde_saphyr::from_str(document).unwrap();
    let content = |file: &serde_json::Value| {
        let text = file["content"].as_str().unwrap().to_owned();
        if file["encoding"] != "b64" {
            return text;
        }
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
    };
    let files = document["write_files"].as_array().unwrap().iter();
    files.map(|file| (file["path"].as_str().unwrap().to_owned(), content(file))).collect()
}

#[test]
fn files_arrive_as_they_are() {
    for node in samples::nodes() {
        let expected: Vec<(String, String)> =
            node_files(&node).unwrap().into_iter().map(|file| (file.path.to_owned(), file.content)).collect();
        assert_eq!(written(&node_cloud_init(&node).unwrap()), expected);
    }
}

#[test]
fn the_set_up_finds_the_names_that_a_batch_start_task_finds() {
    let machine = Machine::new();
    let line = "echo \"$AZ_BATCH_NODE_ID $AZ_BATCH_NODE_SHARED_DIR\" >\"$STATE/seen\"";
    let setup = Some(Setup::command(line));
    machine.install(&node_files(&NodeGuest { setup, ..NodeGuest::default() }).unwrap());
    let output = machine.run(&machine.read(BOOT), &[]);
    assert!(output.status.success(), "{:?}", said(&output));
    let shared = machine.path("/var/lib/flamenco-azure/shared");
    assert_eq!(
        fs::read_to_string(machine.state("seen")).unwrap(),
        format!("crunch-spot_12 {}\n", shared.display())
    );
    assert_eq!(machine.read("/var/lib/flamenco-azure/node.state"), "done\n");
}

#[test]
fn a_set_up_that_fails_says_so() {
    let machine = Machine::new();
    let setup = Some(Setup::command("exit 3"));
    machine.install(&node_files(&NodeGuest { setup, ..NodeGuest::default() }).unwrap());
    let why = reason(&machine.run(&machine.read(BOOT), &[]));
    assert_eq!(why, "the set-up script ended with status 3");
    assert_eq!(machine.read("/var/lib/flamenco-azure/node.state"), format!("failed: {why}\n"));
}

#[test]
fn a_set_up_to_fetch_is_checked_and_fetched_once() {
    let machine = Machine::new();
    let program = "#!/bin/sh\necho run >>\"$STATE/runs\"\n";
    machine.stub.world.lock().unwrap().file = program.into();
    let node = |sha256: String| {
        let download = Download { sha256, ..samples::download() };
        NodeGuest { setup: Some(Setup::Download(download)), ..NodeGuest::default() }
    };
    machine.install(&node_files(&node(sha256_of(program))).unwrap());
    for _ in 0..2 {
        let output = machine.run(&machine.read(BOOT), &[]);
        assert!(output.status.success(), "{:?}", said(&output));
    }
    assert_eq!(fs::read_to_string(machine.state("runs")).unwrap(), "run\nrun\n");
    assert_eq!(machine.stub.seen("/public/program").len(), 1);

    machine.install(&node_files(&node("0".repeat(64))).unwrap());
    let why = reason(&machine.run(&machine.read(BOOT), &[]));
    let (is, not) = (sha256_of(program), "0".repeat(64));
    assert_eq!(why, format!("checksum of {}/public/program is {is}, expected {not}", machine.stub.url));
    assert_eq!(fs::read_to_string(machine.state("runs")).unwrap(), "run\nrun\n", "what is wrong never runs");
}

fn with_bootstrap(script: &str) -> Machine {
    let machine = Machine::new();
    let node = NodeGuest { bootstrap: Some(samples::bootstrap()), ..NodeGuest::default() };
    machine.install(&node_files(&node).unwrap());
    machine.write("/b/bootstrap/bootstrap.sh", script);
    machine
}

#[test]
fn the_bootstrap_script_of_an_export_runs_once_and_the_export_goes() {
    let machine = with_bootstrap("#!/bin/sh\necho bootstrap >>\"$LOG\"\n");
    let point = machine.path("/b").display().to_string();
    for _ in 0..2 {
        let output = machine.run(&machine.read(BOOT), &[]);
        assert!(output.status.success(), "{:?}", said(&output));
    }
    let expected =
        format!("mount -t nfs -o {NFS_OPTIONS} 10.0.16.12:/msazure {point}\nbootstrap\numount {point}\n");
    assert_eq!(machine.log(), expected);
    assert_eq!(machine.read("/var/lib/flamenco-azure/node.state"), "done\n");
}

#[test]
fn a_bootstrap_script_that_fails_unmounts_and_runs_again() {
    let machine = with_bootstrap("#!/bin/sh\n[ -e \"$STATE/again\" ] || { : >\"$STATE/again\"; exit 4; }\n");
    let why = reason(&machine.run(&machine.read(BOOT), &[]));
    assert_eq!(why, "/bootstrap/bootstrap.sh of 10.0.16.12:/msazure ended with status 4");
    assert!(machine.log().contains("umount "));
    assert!(machine.run(&machine.read(BOOT), &[]).status.success());
}

#[test]
fn a_mount_that_is_there_already_stays_and_a_foreign_one_is_not_used() {
    let machine = with_bootstrap("#!/bin/sh\necho bootstrap >>\"$LOG\"\n");
    fs::write(machine.state("mounted"), "10.0.16.12:/msazure\n").unwrap();
    assert!(machine.run(&machine.read(BOOT), &[]).status.success());
    assert_eq!(machine.log(), "bootstrap\n");

    let machine = with_bootstrap("#!/bin/sh\necho bootstrap >>\"$LOG\"\n");
    fs::write(machine.state("mounted"), "/dev/sdb1\n").unwrap();
    let why = reason(&machine.run(&machine.read(BOOT), &[]));
    assert_eq!(why, "/b is a mount of /dev/sdb1, not of 10.0.16.12:/msazure");
    assert_eq!(machine.log(), "");
}

#[test]
fn an_export_that_cannot_be_mounted_is_tried_thirty_times() {
    let machine = with_bootstrap("#!/bin/sh\n");
    fs::write(machine.state("refuse"), "").unwrap();
    let why = reason(&machine.run(&machine.read(BOOT), &[]));
    assert_eq!(why, "cannot mount 10.0.16.12:/msazure on /b");
    assert_eq!(machine.log().matches("mount -t nfs").count(), 30);
    assert!(!machine.log().contains("umount"));
}
