//! Documents judged by the tools that will read them: shellcheck, cloud-init, caddy, systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod guest_support;

use std::fs;
use std::path::Path;
use std::process::Command;

use guest_support::{configs, has};
use manager_vm::guest::*;

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{said}");
}

fn write(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn shellcheck_finds_nothing_in_any_script() {
    if !has("shellcheck") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for config in configs() {
        let mut scripts = vec![
            write(folder.path(), "start", &start_task_script(&config).unwrap()),
            write(folder.path(), "command", &start_task_command(&config).unwrap()),
        ];
        for file in
            manager_files(&config).unwrap().into_iter().filter(|f| f.content.starts_with("#!/bin/bash"))
        {
            scripts.push(write(folder.path(), file.path.rsplit('/').next().unwrap(), &file.content));
        }
        scripts.push(write(folder.path(), "node", &node_setup_script(&config).unwrap()));
        let tried = encrypted_mount_script(&config).unwrap();
        scripts.push(write(folder.path(), "try", &tried[1..tried.len() - 2].join("\n")));
        assert!(scripts.len() >= 6);
        run(Command::new("shellcheck").args(["--norc", "--shell=bash", "--severity=style"]).args(&scripts));
    }
}

#[test]
fn cloud_init_accepts_the_document() {
    if !has("cloud-init") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for config in configs() {
        let path = write(folder.path(), "user-data", &cloud_init(&config).unwrap());
        run(Command::new("cloud-init").args(["schema", "--config-file", &path]));
    }
}

#[test]
fn caddy_accepts_the_caddyfile() {
    if !has("caddy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for config in configs() {
        let Some(file) = manager_files(&config).unwrap().into_iter().find(|f| f.path.ends_with("/Caddyfile"))
        else {
            continue;
        };
        let path = write(folder.path(), "Caddyfile", &file.content);
        run(Command::new("caddy")
            .args(["validate", "--adapter", "caddyfile", "--config", &path])
            .env("MANAGER_ADDRESS", "10.0.0.4")
            .env("HOME", folder.path()));
    }
}

/// `systemd-analyze verify` looks for the programs of the units: they are put below a root of their own.
#[test]
fn systemd_accepts_every_unit() {
    if !has("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = write(folder.path(), "program", "#!/bin/sh\n");
    run(Command::new("chmod").args(["+x", &program]));
    for config in configs() {
        let mut units: Vec<(String, String)> = manager_files(&config)
            .unwrap()
            .into_iter()
            .filter(|file| file.path.starts_with("/etc/systemd/system/"))
            .map(|file| (file.path.rsplit('/').next().unwrap().to_owned(), file.content))
            .collect();
        units.push((
            "flamenco-worker.service".into(),
            heredoc(&node_setup_script(&config).unwrap(), "[Unit]\nDescription=Flamenco Worker", "\nFILE\n"),
        ));
        let start = start_task_script(&config).unwrap();
        units.push((
            mount_unit_name("/mnt/flamenco"),
            heredoc(&start, "[Unit]\nDescription=Flamenco farm share", "\nUNIT\n"),
        ));
        let folder_unit = heredoc(&start, "[Unit]\nDescription=Flamenco farm folder", "\nUNIT\n");
        for name in ["resources", "input", "output"] {
            let point = format!("/mnt/flamenco-{name}");
            let unit = folder_unit
                .replace("${folders[i]}", name)
                .replace("$share", "/mnt/flamenco")
                .replace("${points[i]}", &point);
            units.push((mount_unit_name(&point), unit));
        }
        assert_eq!(units.len(), 9);
        let paths: Vec<String> = units
            .iter()
            .map(|(name, unit)| {
                let unit: Vec<String> = unit
                    .lines()
                    .map(|line| match line.strip_prefix("ExecStart=/") {
                        Some(_) => format!("ExecStart={program}"),
                        None => line.replace("$shared/", "/mnt/batch/tasks/shared/"),
                    })
                    .collect();
                write(folder.path(), name, &unit.join("\n"))
            })
            .collect();
        let output =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> =
            said.lines().filter(|line| units.iter().any(|(name, _)| line.contains(name.as_str()))).collect();
        assert!(output.status.success() && ours.is_empty(), "{said}");
    }
}

fn heredoc(script: &str, start: &str, end: &str) -> String {
    let text = &script[script.find(start).expect(start)..];
    text[..text.find(end).unwrap()].to_owned() + "\n"
}

#[test]
fn mount_unit_names_are_those_that_systemd_expects() {
    let paths = [
        "/mnt/flamenco",
        "/mnt/flamenco-input",
        "/a_b/c.d",
        "/.x/y",
        "/a b",
        "/a:b",
        "/x/",
        "//y",
        "/",
        "/é",
        "/a\\b",
    ];
    let known = ["mnt-flamenco.mount", "mnt-flamenco\\x2dinput.mount"];
    assert_eq!(known.map(str::to_owned), [mount_unit_name(paths[0]), mount_unit_name(paths[1])]);
    if !has("systemd-escape") {
        return;
    }
    for path in paths {
        let output =
            Command::new("systemd-escape").args(["--path", "--suffix=mount", "--", path]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), mount_unit_name(path), "{path}");
    }
}

/// Readiness never depends on an authority: with none in reach Caddy serves a certificate of its own within seconds,
/// and what it serves is the Manager with the old `/setup` sent to `/app/`.
#[test]
fn without_any_authority_caddy_serves_its_own_certificate() {
    if !has("caddy") || !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (http, https) = (port(), port());
    let config = guest_support::config();
    let host = config.public_host.clone().unwrap();
    let file = manager_files(&config).unwrap().into_iter().find(|f| f.path.ends_with("/Caddyfile")).unwrap();
    // Both authorities become a closed port of this machine; the ports are free ones.
    let unreachable = "issuer acme {\n dir https://127.0.0.1:1/dir\n}";
    let text = file
        .content
        .replace("/mnt/flamenco/", &format!("{}/", folder.path().display()))
        .replace("issuer acme", unreachable)
        .replace("issuer zerossl", unreachable)
        .replace("\tadmin off", &format!("\tadmin off\n\thttp_port {http}\n\thttps_port {https}"));
    assert_eq!(text.matches("127.0.0.1:1/dir").count(), 2);
    let path = write(folder.path(), "Caddyfile", &text);
    let mut caddy = Command::new("caddy")
        .args(["run", "--adapter", "caddyfile", "--config", &path])
        .env("HOME", folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let root = folder.path().join(".flamenco-azure/caddy/pki/authorities/local/root.crt");
    let asked = format!(
        "for _ in $(seq 100); do if [ -e {0} ] && curl -s --cacert {0} --resolve {host}:{https}:127.0.0.1 -o /dev/null \
         -w '%{{http_code}} %{{redirect_url}}' https://{host}:{https}/setup; then exit; fi; sleep 0.2; done; exit 1",
        root.display()
    );
    let answer = Command::new("sh").args(["-c", &asked]).output().unwrap();
    caddy.kill().unwrap();
    caddy.wait().unwrap();
    let seen = String::from_utf8(answer.stdout).unwrap();
    // Answers before the certificate was there read "000 ".
    assert_eq!(seen.trim_start_matches("000 "), format!("302 https://{host}:{https}/app/"));
}
