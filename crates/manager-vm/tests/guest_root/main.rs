//! The machines' scripts with nothing pretended but Azure: they run as root under the real paths of a root file system
//! of their own (an overlay of this machine's, in a mount namespace), with real users, owners and units, and archives
//! served on loopback. Then the programs that they installed are started as their units say, and the Worker is awake.
//!
//! With `FLAMENCO_DIST=/path/to/flamenco-3.8.5-linux-amd64` these are Flamenco's own Manager and Worker; otherwise
//! stand-ins that read the same files and speak the same few calls.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[path = "../guest_support/mod.rs"]
mod guest_support;
mod root;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use manager_vm::guest::*;
use root::{Machine, Site};

const NODE: &str = "AZ_BATCH_NODE_ID=tvmps_1_d AZ_BATCH_NODE_SHARED_DIR=/mnt/batch/tasks/shared";

fn config(site: &Site) -> GuestConfig {
    GuestConfig {
        flamenco_base_url: "http://127.0.0.1:8000/flamenco".into(),
        blender_base_url: "http://127.0.0.1:8000/release".into(),
        flamenco: Archive { version: site.version.clone(), ..guest_support::config().flamenco },
        manager_address: Some(Ipv4Addr::LOCALHOST),
        ..guest_support::config()
    }
}

/// The files that cloud-init writes, and the set-up that it starts.
fn set_up(manager: &Machine, config: &GuestConfig) -> Result<(), String> {
    for file in manager_files(config).unwrap() {
        manager.write(file.path, file.mode, &file.content);
    }
    let ran = manager.run("/usr/local/lib/flamenco-azure/manager-setup");
    // The control program says to `deploy` what the set-up said here.
    let ready = format!("flamenco-azure-ctl ready --flamenco {} --wait 0", config.flamenco.version);
    let answer = manager.run(&ready);
    if ran.ok {
        return Ok(());
    }
    let reason =
        ran.err.lines().last().unwrap_or_default().trim_start_matches("flamenco-azure: failed: ").trim_end();
    assert!(answer.out.contains(&reason.replace('"', "\\\"")), "{reason}\n{answer:?}");
    Err(reason.to_owned())
}

fn start_node(node: &Machine, config: &GuestConfig) {
    let line = format!("{NODE} {}", start_task_command(config).unwrap());
    node.expect(&format!("mkdir -p /mnt/batch/tasks/shared && {line}"));
}

#[test]
fn machines_are_set_up_for_real_and_their_worker_wakes_up() {
    let dist = std::env::var_os("FLAMENCO_DIST").map(PathBuf::from);
    let Some(site) = Site::new(dist.as_deref()) else { return };
    let config = config(&site);
    let manager = site.machine("manager");
    set_up(&manager, &config).unwrap();

    assert_eq!(manager.expect("id -u flamenco; id -g flamenco"), "4080\n4080\n");
    for (path, wanted) in [
        ("/var/lib/flamenco-manager", "750 flamenco flamenco"),
        ("/var/lib/flamenco-manager/flamenco-manager.yaml", "600 flamenco flamenco"),
        ("/mnt/flamenco-resources", "755 root root"),
        ("/mnt/flamenco-input", "2775 flamenco flamenco"),
        ("/mnt/flamenco-output/render", "2775 flamenco flamenco"),
        ("/opt/flamenco/flamenco/flamenco-manager", "755 root root"),
    ] {
        assert_eq!(manager.expect(&format!("stat -L -c '%a %U %G' {path}")).trim_end(), wanted, "{path}");
    }
    let units = "flamenco-manager.service flamenco-manager-backup.timer mnt-flamenco\\\\x2dinput.mount";
    assert_eq!(manager.expect(&format!("systemctl is-enabled {units}")), "enabled\n".repeat(3));
    let verify =
        "systemd-analyze verify --man=no /etc/systemd/system/flamenco-* /etc/systemd/system/mnt-*.mount";
    let said = manager.run(verify);
    assert!(said.ok && !said.err.contains("flamenco"), "{}", said.err);
    manager.expect("grep -qx 'ExecStart=/opt/flamenco/flamenco/flamenco-manager' /etc/systemd/system/flamenco-manager.service");

    let node = site.machine("node");
    start_node(&node, &config);
    assert_eq!(node.expect("stat -c '%U' /var/lib/flamenco-worker/home"), "flamenco\n");
    let said = node.run("systemd-analyze verify --man=no /etc/systemd/system/flamenco-worker.service");
    assert!(said.ok && !said.err.contains("flamenco"), "{}", said.err);

    // A second run of both changes nothing.
    let before = (manager.snapshot(), node.snapshot());
    set_up(&manager, &config).unwrap();
    start_node(&node, &config);
    assert_eq!(root::differences(&before.0, &manager.snapshot()), [] as [String; 0]);
    assert_eq!(root::differences(&before.1, &node.snapshot()), [] as [String; 0]);

    // As the units say: user, folder, environment, program.
    let _manager_program = manager.start_unit("flamenco-manager.service");
    let version = manager.until("curl -sf http://127.0.0.1:8080/api/v3/version");
    assert!(version.contains(&site.version), "{version}");
    let _worker_program = node.start_unit("flamenco-worker.service");
    let workers = manager
        .until("curl -sf http://127.0.0.1:8080/api/v3/worker-mgt/workers | grep -E '\"status\": *\"awake\"'");
    assert!(workers.contains("tvmps_1_d"), "{workers}");
    // The control program, asked as the CLI asks it.
    let status = manager.expect("flamenco-azure-ctl status");
    assert!(status.contains(r#""awake":1"#), "{status}");
    println!("set up, started and awake with {}", if site.real { "the real Flamenco" } else { "stand-ins" });
}

#[test]
fn what_stops_a_set_up_is_what_deploy_shows() {
    let Some(site) = Site::new(None) else { return };
    let good = config(&site);
    let wrong = |change: &dyn Fn(&mut GuestConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    // In this order on one machine: each failure leaves it as it was, and the last run is good.
    let manager = site.machine("manager");
    let checksum = wrong(&|config| config.flamenco.sha256 = Some("0".repeat(64)));
    let reason = set_up(&manager, &checksum).unwrap_err();
    assert!(reason.starts_with("checksum of flamenco-") && reason.contains("expected 0000"), "{reason}");
    let absent = wrong(&|config| config.blender.version = "4.5.99".into());
    let reason = set_up(&manager, &absent).unwrap_err();
    assert!(reason.starts_with("cannot download http://127.0.0.1:8000/release/Blender4.5/"), "{reason}");
    let unreachable = wrong(&|config| config.blender_base_url = "http://127.0.0.1:1/release".into());
    let reason = set_up(&manager, &unreachable).unwrap_err();
    assert!(reason.ends_with("(curl exit status 7)"), "{reason}");
    set_up(&manager, &good).unwrap();

    let unmounted = site.machine("unmounted");
    unmounted.expect("touch /srv/state/refuse-mounts");
    let reason = set_up(&unmounted, &good).unwrap_err();
    assert!(reason.starts_with("cannot mount "), "{reason}");
    unmounted.expect("rm /srv/state/refuse-mounts");

    let full = site.machine("full");
    full.expect("mkdir -p /opt/flamenco && mount -t tmpfs -o size=64k none /opt/flamenco");
    let reason = set_up(&full, &good).unwrap_err();
    assert!(reason.contains("(disk full"), "{reason}");
    full.expect("umount /opt/flamenco");
    set_up(&full, &good).unwrap();
}

/// Batch's folder of a package is its own users' alone: what is installed belongs to root and runs as the Worker's user.
#[test]
fn an_application_package_runs_as_the_workers_user() {
    let Some(site) = Site::new(None) else { return };
    let config = config(&site);
    let manager = site.machine("manager");
    set_up(&manager, &config).unwrap();
    let node = site.machine("node");
    let folder = "/mnt/batch/tasks/applications/blender5.0.12026-11-03-07-04";
    node.write(&format!("{folder}/blender"), 0o770, "#!/bin/sh\necho Blender 5.0.1 as $(id -un)\n");
    node.expect("useradd --no-create-home _azbatch && chown -R _azbatch /mnt/batch/tasks && chmod -R o= /mnt/batch/tasks");
    let run = "setpriv --reuid flamenco --regid flamenco --init-groups";
    let command = start_task_command(&config).unwrap();
    node.expect(&format!(
        "mkdir -p /mnt/batch/tasks/shared && {NODE} AZ_BATCH_APP_PACKAGE_blender_5_0_1={folder} {command}"
    ));
    assert!(!node.run(&format!("{run} {folder}/blender")).ok);
    assert_eq!(node.expect(&format!("{run} /opt/flamenco/blender/blender")), "Blender 5.0.1 as flamenco\n");
    assert_eq!(node.expect("stat -L -c '%a %U %G' /opt/flamenco/blender/blender"), "755 root root\n");
    assert_eq!(node.expect("stat -L -c '%a %U %G' /opt/flamenco/blender"), "755 root root\n");
}
