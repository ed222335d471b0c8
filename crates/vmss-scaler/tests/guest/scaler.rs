//! The scaler's installation, run for real in a scratch root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use vmss_scaler::guest::*;

use super::machine::{Machine, reason, said};
use super::nodes::written;
use super::{samples, sha256_of};

const BINARY: &str = "/usr/local/bin/flamenco-azure-scaler";
const UNIT: &str = "flamenco-azure-scaler.service";

/// A scaler whose program is what the stub gives.
fn with_program(machine: &Machine, program: &str, mut scaler: ScalerGuest) -> ScalerGuest {
    machine.stub.world.lock().unwrap().file = program.into();
    scaler.binary.sha256 = sha256_of(program);
    scaler
}

/// The lines as run-command runs them, with the stub in the place of https addresses.
fn run(machine: &Machine, lines: &[String]) -> std::process::Output {
    machine.run(&lines.join("\n").replace("https://example", &machine.stub.url), &[])
}

fn systemctl(machine: &Machine) -> Vec<String> {
    let log = machine.log();
    machine.clear_log();
    log.lines().filter_map(|line| line.strip_prefix("systemctl ")).map(str::to_owned).collect()
}

fn mode(machine: &Machine, path: &str) -> u32 {
    fs::metadata(machine.path(path)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_scaler_is_installed_and_a_second_run_changes_nothing() {
    for scaler in samples::scalers() {
        let machine = Machine::new();
        let scaler = with_program(&machine, "the program\n", scaler);
        let lines = install_script(&scaler).unwrap();
        let output = run(&machine, &lines);
        assert!(output.status.success(), "{:?}", said(&output));
        assert_eq!(machine.read(BINARY), "the program\n");
        assert_eq!(mode(&machine, BINARY), 0o755);
        assert_eq!(machine.read("/etc/flamenco-azure/scaler.yaml"), scaler.config);
        assert_eq!(mode(&machine, "/etc/flamenco-azure/scaler.yaml"), 0o640);
        let group =
            format!("chgrp flamenco-scaler {}\n", machine.path("/etc/flamenco-azure/scaler.yaml").display());
        assert!(machine.log().contains(&group));
        let unit = machine.read(&format!("/etc/systemd/system/{UNIT}"));
        assert_eq!(unit, scaler_unit(scaler.log).unwrap());
        assert!(unit.contains(&format!("Environment=FLAMENCO_AZURE_LOG_FORMAT={}\n", scaler.log.as_str())));
        assert!(machine.path(&format!("/etc/systemd/system/{UNIT}.d/10-backoff.conf")).exists());
        let private = scaler.binary.client_id.is_some();
        assert_eq!(machine.stub.seen("/token").len(), usize::from(private));
        assert_eq!(machine.path("/usr/local/bin/set-capacity").exists(), scaler.capacity.is_some());
        if scaler.capacity.is_some() {
            let link = fs::read_link(machine.path("/usr/local/bin/set_capacity.imds.sh")).unwrap();
            assert_eq!(link.to_str(), Some("/usr/local/bin/set-capacity"));
            assert!(
                machine.read("/etc/flamenco-azure/capacity.conf").contains("TAG=TOTAL_NODES.crunch.spot\n")
            );
        }
        let expected = [
            "daemon-reload".to_owned(),
            format!("enable --quiet {UNIT}"),
            format!("restart --no-block {UNIT}"),
        ];
        assert_eq!(systemctl(&machine), expected);

        let output = run(&machine, &lines);
        assert_eq!(said(&output).0, "flamenco-azure: flamenco-azure-scaler is as it should be\n");
        assert_eq!(
            systemctl(&machine),
            [format!("enable --quiet {UNIT}"), format!("start --no-block {UNIT}")]
        );
        assert_eq!(machine.stub.seen("/program").len(), 1, "fetched once");
    }
}

#[test]
fn whatever_the_scaler_reads_at_its_start_restarts_it() {
    let base = samples::scalers()[0].clone();
    let changes: [fn(&mut ScalerGuest); 3] = [
        |scaler| scaler.config.push_str("more: 1\n"),
        |scaler| scaler.log = LogFormat::Json,
        |scaler| scaler.binary.sha256.clear(),
    ];
    for (i, change) in changes.iter().enumerate() {
        let machine = Machine::new();
        let first = with_program(&machine, "one", base.clone());
        assert!(run(&machine, &install_script(&first).unwrap()).status.success());
        systemctl(&machine);
        let mut second = first.clone();
        change(&mut second);
        if i == 2 {
            second = with_program(&machine, "two", second);
        }
        assert!(run(&machine, &install_script(&second).unwrap()).status.success());
        assert!(systemctl(&machine).contains(&format!("restart --no-block {UNIT}")), "change {i}");
    }
    // The settings of set-capacity are no business of the daemon.
    let machine = Machine::new();
    let mut scaler = with_program(&machine, "one", base);
    assert!(run(&machine, &install_script(&scaler).unwrap()).status.success());
    systemctl(&machine);
    scaler.capacity = Some(samples::capacity());
    assert!(run(&machine, &install_script(&scaler).unwrap()).status.success());
    assert!(machine.path("/usr/local/bin/set-capacity").exists());
    assert!(!systemctl(&machine).iter().any(|line| line.starts_with("restart")));
}

#[test]
fn a_wrong_program_never_comes_into_place() {
    let machine = Machine::new();
    let scaler = with_program(&machine, "good", samples::scalers()[0].clone());
    let lines = install_script(&scaler).unwrap();
    assert!(run(&machine, &lines).status.success());
    systemctl(&machine);
    let mut next = scaler.clone();
    next.binary.sha256 = "5".repeat(64);
    let why = reason(&run(&machine, &install_script(&next).unwrap()));
    assert!(why.contains("expected 5555"), "{why}");
    assert_eq!(machine.read(BINARY), "good");
    assert!(systemctl(&machine).is_empty(), "the running scaler is left alone");
    let left: Vec<_> = fs::read_dir(machine.path("/usr/local/bin")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_blob_needs_the_identity() {
    let machine = Machine::new();
    let mut scaler = with_program(&machine, "one", samples::scalers()[1].clone());
    scaler.binary.client_id = None;
    let why = reason(&run(&machine, &install_script(&scaler).unwrap()));
    let url = &machine.stub.url;
    assert_eq!(why, format!("cannot download {url}/private/program: no reason given (HTTP status 409)"));
}

#[test]
fn uninstalling_leaves_nothing_behind_twice() {
    let machine = Machine::new();
    let scaler = with_program(&machine, "one", samples::scalers()[1].clone());
    assert!(run(&machine, &install_script(&scaler).unwrap()).status.success());
    systemctl(&machine);
    machine.write("/etc/flamenco-azure/manager.env", "not ours\n");
    for round in 0..2 {
        let output = run(&machine, &uninstall_script());
        assert!(output.status.success(), "{:?}", said(&output));
        let mut files = Vec::new();
        let mut folders = vec![machine.path("/")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        assert_eq!(files, [machine.path("/etc/flamenco-azure/manager.env")]);
        assert_eq!(fs::read_to_string(machine.state("accounts")).unwrap(), "");
        let disabled = systemctl(&machine).contains(&format!("disable --quiet --now {UNIT}"));
        assert_eq!(disabled, round == 0);
    }
}

#[test]
fn a_machine_of_its_own_installs_the_scaler_at_its_first_boot() {
    let machine = Machine::new();
    let scaler = with_program(&machine, "the program\n", samples::scalers()[0].clone());
    let document = scaler_cloud_init(&scaler, Some(&samples::bootstrap())).unwrap();
    for (path, content) in written(&document) {
        machine.write(&path, &content.replace("https://example", &machine.stub.url));
    }
    machine.write("/b/bootstrap/bootstrap.sh", "#!/bin/sh\necho bootstrap >>\"$LOG\"\n");
    let output = machine.run(&machine.read("/usr/local/lib/flamenco-azure/node-boot"), &[]);
    assert!(output.status.success(), "{:?}", said(&output));
    assert_eq!(machine.read(BINARY), "the program\n");
    let log = machine.log();
    assert!(log.find("bootstrap\n").unwrap() < log.find("systemctl restart").unwrap(), "{log}");
}

#[test]
fn settings_and_addresses_are_checked() {
    let good = samples::scalers()[1].clone();
    let changes: [fn(&mut ScalerGuest); 5] = [
        |s| s.binary.url = "https://example/b?sv=1&sig=x".into(),
        |s| s.binary.sha256 = "x".into(),
        |s| s.capacity.as_mut().unwrap().tag = Some("a\nCLIENT_ID=b".into()),
        |s| s.capacity.as_mut().unwrap().resource_manager = Some("http://arm".into()),
        |s| s.capacity.as_mut().unwrap().authority = Some("https://u:p@login".into()),
    ];
    for change in changes {
        let mut scaler = good.clone();
        change(&mut scaler);
        assert!(matches!(install_script(&scaler), Err(GuestError::InvalidValue { .. })));
        assert!(matches!(scaler_cloud_init(&scaler, None), Err(GuestError::InvalidValue { .. })));
    }
}
