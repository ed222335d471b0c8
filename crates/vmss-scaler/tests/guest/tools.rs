//! Documents judged by the tools that will read them: shellcheck, dash, cloud-init, systemd.

use std::fs;
use std::path::Path;
use std::process::Command;

use vmss_scaler::guest::*;

use super::machine::{Machine, reason, said, until};
use super::stub::{answer, event};
use super::{has, samples};

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}\n{said}");
}

fn write(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Every file of every sample.
fn files() -> Vec<GuestFile> {
    let mut all: Vec<GuestFile> =
        samples::nodes().iter().flat_map(|node| node_files(node).unwrap()).collect();
    all.extend(capacity_files(&samples::capacity()).unwrap());
    all
}

/// Every script that we wrote.
fn scripts(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> = files()
        .iter()
        .filter(|file| file.content.starts_with("#!/bin/sh\n"))
        .enumerate()
        .map(|(i, file)| write(folder, &format!("{i}{}", file.path.replace('/', "-")), &file.content))
        .collect();
    let mut lines: Vec<Vec<String>> = samples::scalers().iter().map(|s| install_script(s).unwrap()).collect();
    lines.push(uninstall_script());
    for (i, lines) in lines.iter().enumerate() {
        all.push(write(folder, &format!("{i}-command"), &format!("#!/bin/sh\n{}\n", lines.join("\n"))));
        // What run-command's lines write and run.
        let inner = &lines[2..lines.len() - 2];
        assert_eq!(inner[0], "#!/bin/sh");
        all.push(write(folder, &format!("{i}-inner"), &(inner.join("\n") + "\n")));
    }
    assert!(all.len() >= 15, "{all:?}");
    all
}

#[test]
fn shellcheck_finds_nothing_in_any_script() {
    if !has("shellcheck") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run(Command::new("shellcheck")
        .args(["--norc", "--shell=sh", "--severity=style"])
        .args(scripts(folder.path())));
}

#[test]
fn dash_reads_every_script() {
    if !has("dash") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for script in scripts(folder.path()) {
        run(Command::new("dash").args(["-n", &script]));
    }
}

#[test]
fn cloud_init_accepts_every_document() {
    if !has("cloud-init") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut documents: Vec<String> =
        samples::nodes().iter().map(|node| node_cloud_init(node).unwrap()).collect();
    for scaler in samples::scalers() {
        documents.push(scaler_cloud_init(&scaler, None).unwrap());
        documents.push(scaler_cloud_init(&scaler, Some(&samples::bootstrap())).unwrap());
    }
    for document in documents {
        let path = write(folder.path(), "user-data", &document);
        run(Command::new("cloud-init").args(["schema", "--config-file", &path]));
    }
}

/// `systemd-analyze verify` looks for the programs of the units: one stands for all.
#[test]
fn systemd_accepts_every_unit() {
    if !has("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = write(folder.path(), "program", "#!/bin/sh\n");
    run(Command::new("chmod").args(["+x", &program]));
    let mut units: Vec<(String, String)> = files()
        .into_iter()
        .filter(|file| file.path.starts_with("/etc/systemd/system/"))
        .map(|file| (file.path.rsplit('/').next().unwrap().to_owned(), file.content))
        .collect();
    units.sort();
    units.dedup();
    units.push(("flamenco-azure-scaler.service".into(), scaler_unit(LogFormat::Json).unwrap()));
    assert_eq!(units.len(), 4);
    let paths: Vec<String> = units
        .iter()
        .map(|(name, unit)| {
            let lines = unit.lines().map(|line| match line.strip_prefix("ExecStart=/") {
                Some(_) => format!("ExecStart={program}\n"),
                None => format!("{line}\n"),
            });
            write(folder.path(), name, &lines.collect::<String>())
        })
        .collect();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> =
        said.lines().filter(|line| units.iter().any(|(name, _)| line.contains(name.as_str()))).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

/// The exposure that `systemd-analyze security` computes: 10 is a service with all rights, below 2 is "OK".
#[test]
fn the_scaler_is_locked_in() {
    if !has("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "flamenco-azure-scaler.service", &scaler_unit(LogFormat::Text).unwrap());
    // The offline judgement came with systemd 250.
    let command = ["security", "--offline=yes", "--threshold=20", "--no-pager", &path];
    run(Command::new("systemd-analyze").args(command));
}

/// `/bin/sh` is dash on Debian and Ubuntu, bash on Red Hat's systems; busybox is as small as a shell gets.
#[test]
fn the_scripts_run_under_every_shell_that_calls_itself_sh() {
    let shells: [&'static [&'static str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];
    for shell in shells {
        if !has(shell[0]) {
            continue;
        }
        let mut machine = Machine::node();
        machine.shell = shell;
        machine.stub.first("/messages", [answer(503, ""), answer(0, "")]);
        let output = machine.run_as(&delete_this_node().unwrap(), "delete", &[], &["-x"], &[]);
        assert!(output.status.success(), "{shell:?}: {:?}", said(&output));
        assert_eq!(machine.stub.writes().len(), 3);

        let conf = format!("RESOURCE_MANAGER={}\n", machine.stub.url);
        machine.write("/etc/flamenco-azure/capacity.conf", &conf);
        let output =
            machine.run_as(&set_capacity().unwrap(), "set", &["--tag", "a \"b\"", "12"], &["-x"], &[]);
        assert!(output.status.success(), "{shell:?}: {:?}", said(&output));
        let body = r#"{"operation":"Merge","properties":{"tags":{"a \"b\"":"12"}}}"#;
        assert_eq!(machine.stub.writes()[3].body, body);
        assert_eq!(
            reason(&machine.run(&set_capacity().unwrap(), &["1,000"])),
            "'1,000' is no node count: expected digits only"
        );

        machine.stub.world.lock().unwrap().events = event("E-1", "Preempt", &["crunch-spot_12"]);
        let running = machine.start(spot_watch());
        until("the worker stops", || machine.log().contains("systemctl stop flamenco-worker.service"));
        drop(running);
    }
}
