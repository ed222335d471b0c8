//! The Manager's and the nodes' scripts, run for real under bash on scratch machines with archives of the right layout.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod guest_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_support::has;
use guest_support::machine::{Machine, Site};
use manager_vm::guest::*;

const FLAMENCO: &str = "flamenco-3.8.5-linux-amd64.tar.gz";
const BLENDER: &str = "blender-4.5.14-linux-x64.tar.xz";

/// These scripts run on Linux with curl.
fn tools() -> bool {
    has("bash") && has("curl") && has("tar") && has("flock") && has("sha256sum")
}

fn shelf(site: &Site, name: &str) -> PathBuf {
    site.path("share/resources/flamenco-azure").join(name)
}

fn sha256_of_file(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// Half-made files on the machine and on the share.
fn leftovers(machine: &Machine<'_>) -> Vec<PathBuf> {
    let half_made =
        |path: &PathBuf| [".part", ".unpack", ".link"].iter().any(|w| path.display().to_string().contains(w));
    machine.snapshot().into_keys().filter(half_made).collect()
}

#[test]
fn the_manager_is_set_up_and_a_second_run_changes_nothing() {
    if !tools() {
        return;
    }
    for mut config in guest_support::configs() {
        // aznfs needs Microsoft's package source: its own test.
        config.encrypt_in_transit = false;
        let site = Site::new();
        let ours = site.config();
        (config.flamenco_base_url, config.blender_base_url) = (ours.flamenco_base_url, ours.blender_base_url);
        if config.flamenco.sha256.is_some() {
            config.flamenco.sha256 = Some(sha256_of_file(&site.path("web/flamenco").join(FLAMENCO)));
            config.blender.sha256 = Some(sha256_of_file(&site.path("web/blender/Blender4.5").join(BLENDER)));
        }
        let manager = site.machine("manager");
        manager.cloud_init(&config);
        assert_eq!(manager.set_up(), "done");

        let program = manager.read("/opt/flamenco/flamenco/flamenco-manager");
        assert!(program.contains("flamenco-manager 3.8.5"));
        assert!(
            manager
                .read("/var/lib/flamenco-manager/flamenco-manager.yaml")
                .contains("shared_storage_path: /mnt/flamenco-input")
        );
        for archive in [FLAMENCO, BLENDER] {
            let recorded = fs::read_to_string(shelf(&site, &format!("{archive}.sha256"))).unwrap();
            assert_eq!(recorded.trim(), sha256_of_file(&shelf(&site, archive)));
        }
        let script = node_setup_script(&config).unwrap();
        let on_share = shelf(&site, &format!("node-setup-{}.sh", sha256_of(&script)));
        assert_eq!(fs::read_to_string(on_share).unwrap(), script);
        let address = config.manager_address.map_or("10.9.0.7".to_owned(), |address| address.to_string());
        assert_eq!(fs::read_to_string(shelf(&site, "manager-address")).unwrap().trim(), address);
        assert!(site.path("share/output/render").is_dir());
        assert_eq!(manager.path("/etc/flamenco-azure/caddy.env").exists(), config.tls != TlsMode::Off);
        assert!(leftovers(&manager).is_empty());
        let log = manager.log();
        for command in [
            "systemctl restart flamenco-manager.service",
            "systemctl enable --quiet flamenco-manager.service",
        ] {
            assert!(log.iter().any(|line| line == command), "{command}: {log:#?}");
        }

        let before = manager.snapshot();
        assert_eq!(manager.set_up(), "done");
        assert_eq!(manager.snapshot(), before);
        let log = manager.log();
        assert!(log.iter().all(|line| line == "systemctl start flamenco-manager.service"), "{log:#?}");
    }
}

#[test]
fn a_wrong_checksum_stops_and_heals() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    let sums = site.path("web/flamenco/flamenco-3.8.5.sha256");
    let good = fs::read_to_string(&sums).unwrap();
    let is = sha256_of_file(&site.path("web/flamenco").join(FLAMENCO));
    let wrong = "5".repeat(64);
    fs::write(&sums, good.replace(&is, &wrong)).unwrap();
    assert_eq!(manager.set_up(), format!("failed: checksum of {FLAMENCO} is {is}, expected {wrong}"));
    assert!(!shelf(&site, FLAMENCO).exists() && leftovers(&manager).is_empty());
    assert!(!manager.log().iter().any(|line| line.contains("start flamenco-manager")));

    fs::write(&sums, "<html>moved</html>").unwrap();
    let url = site.config().flamenco_base_url;
    assert_eq!(
        manager.set_up(),
        format!("failed: {url}/flamenco-3.8.5.sha256 has no checksum of {FLAMENCO}")
    );

    fs::write(&sums, good).unwrap();
    assert_eq!(manager.set_up(), "done");
}

#[test]
fn the_pinned_checksum_wins_over_the_publishers() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let mut config = site.config();
    config.blender.sha256 = Some("6".repeat(64));
    let manager = site.machine("manager");
    manager.cloud_init(&config);
    let is = sha256_of_file(&site.path("web/blender/Blender4.5").join(BLENDER));
    assert_eq!(
        manager.set_up(),
        format!("failed: checksum of {BLENDER} is {is}, expected {}", "6".repeat(64))
    );
    // Rightly pinned, the publisher's file is not even needed.
    config.blender.sha256 = Some(is);
    fs::remove_file(site.path("web/blender/Blender4.5/blender-4.5.14.sha256")).unwrap();
    manager.cloud_init(&config);
    assert_eq!(manager.set_up(), "done");
}

#[test]
fn an_unreachable_publisher_stops_with_the_address() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let mut config = site.config();
    config.blender_base_url = "http://127.0.0.1:1/release".into();
    let manager = site.machine("manager");
    manager.cloud_init(&config);
    let url = "http://127.0.0.1:1/release/Blender4.5/blender-4.5.14.sha256";
    assert_eq!(manager.set_up(), format!("failed: cannot download {url} (curl exit status 7)"));
}

#[test]
fn a_full_disk_stops_with_that_word() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    // No file may grow beyond 64 KB: writes fail as on a full disk.
    let setup =
        "trap '' XFSZ; ulimit -f 64; \"$FLAMENCO_AZURE_ROOT/usr/local/lib/flamenco-azure/manager-setup\"";
    let state = manager.set_up_by(setup);
    assert!(
        state.starts_with("failed: cannot store the download of ") && state.ends_with("(disk full?)"),
        "{state}"
    );
    assert_eq!(manager.set_up(), "done");
    let node = site.machine("node");
    let start = start_task_command(&site.config()).unwrap();
    let reason = node.reason(&format!("trap '' XFSZ; ulimit -f 64; {start}"));
    assert_eq!(reason, format!("cannot copy {FLAMENCO} to local disk (disk full?)"));
    assert!(node.run(&start).status.success());
}

#[test]
fn no_machine_writes_into_an_unmounted_or_foreign_mount_point() {
    if !tools() {
        return;
    }
    let export = "crunchfarm.file.core.windows.net:/crunchfarm/flamenco";
    let denied = format!("cannot mount /mnt/flamenco from {export}: mount.nfs: access denied by server ");
    let cases = [
        ("refused", denied),
        ("silent", "/mnt/flamenco is not mounted".into()),
        ("foreign", format!("/mnt/flamenco is a mount of /other/share, not of {export}")),
        ("disk", "/mnt/flamenco is a mount of type ext4, not the NFS share".into()),
    ];
    for (mounts, reason) in cases {
        let site = Site::new();
        let mut manager = site.machine("manager");
        manager.mounts = mounts;
        manager.cloud_init(&site.config());
        assert_eq!(manager.set_up(), format!("failed: {}", reason.trim_end()));
        let mut node = site.machine("node");
        node.mounts = mounts;
        assert_eq!(node.reason(&start_task_command(&site.config()).unwrap()), reason);
        assert_eq!(fs::read_dir(site.path("share")).unwrap().count(), 0, "{mounts}");
        if !matches!(mounts, "foreign" | "disk") {
            let point = fs::metadata(manager.path("/mnt/flamenco")).unwrap();
            assert!(
                point.permissions().readonly()
                    && fs::read_dir(manager.path("/mnt/flamenco")).unwrap().count() == 0
            );
        }
    }
}

#[test]
fn encryption_in_transit_installs_the_mount_helper_once() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let config = GuestConfig { encrypt_in_transit: true, ..site.config() };
    let mut manager = site.machine("manager");
    // The helper's tunnel shows this machine as the server.
    manager.mounts = "tunnel";
    manager.cloud_init(&config);
    manager.write("/etc/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\n");
    manager.stub(
        "curl",
        r#"case ${!#} in https://packages.microsoft.com/*) echo "curl ${!#}" >>"$STUB/log" ;; *) PATH=${PATH#*:} exec curl "$@" ;; esac"#,
    );
    manager.stub("dpkg", r#"echo packages-microsoft-prod >>"$STUB/packages""#);
    assert_eq!(manager.set_up(), "done");
    let log = manager.log();
    let source = "curl https://packages.microsoft.com/config/ubuntu/24.04/packages-microsoft-prod.deb";
    assert!(log.iter().any(|line| line == source), "{log:#?}");
    assert!(log.iter().any(|line| line.starts_with("apt-get") && line.ends_with(" aznfs")), "{log:#?}");
    assert!(manager.read("/etc/systemd/system/mnt-flamenco.mount").contains("Type=aznfs\n"));
    assert_eq!(manager.set_up(), "done");
    assert_eq!(manager.log(), ["systemctl start flamenco-manager.service"]);
}

#[test]
fn archives_are_downloaded_while_packages_are_installed() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    // An apt that takes until both archives are there, and fails if they never come.
    let fetched = "$FLAMENCO_AZURE_ROOT/var/lib/flamenco-azure/fetched";
    manager.stub(
        "apt-get",
        &format!(
            r#"for _ in $(seq 200); do
  if [ -s "{fetched}/{FLAMENCO}" ] && [ -s "{fetched}/{BLENDER}" ]; then : >"$STUB/there"; fi
  if [ -e "$STUB/there" ]; then printf '%s\n' "${{@##-*}}" >>"$STUB/packages"; exit 0; fi
  PATH=${{PATH#*:}} sleep 0.1
done
exit 100"#
        ),
    );
    assert_eq!(manager.set_up(), "done");
    assert!(!manager.path("/var/lib/flamenco-azure/fetched").exists());
    // A set-up that runs again downloads nothing.
    manager.stub("curl", r#"echo "curl ${!#}" >>"$STUB/log""#);
    manager.log();
    assert_eq!(manager.set_up(), "done");
    assert!(!manager.log().iter().any(|line| line.starts_with("curl")));
}

#[test]
fn an_early_download_that_was_tampered_with_stops_as_any_other() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    // The first download, and only that, brings other bytes.
    manager.stub(
        "curl",
        r#"case "$*" in *--parallel*) PATH=${PATH#*:} curl "$@"; for f in "$FLAMENCO_AZURE_ROOT"/var/lib/flamenco-azure/fetched/*; do echo more >>"$f"; done ;; *) PATH=${PATH#*:} exec curl "$@" ;; esac"#,
    );
    let state = manager.set_up();
    assert!(state.starts_with(&format!("failed: checksum of {FLAMENCO} is ")), "{state}");
    manager.stub("curl", r#"PATH=${PATH#*:} exec curl "$@""#);
    assert_eq!(manager.set_up(), "done");
}

#[test]
fn the_try_of_an_encrypted_mount_says_what_came_of_it_and_takes_it_back() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let script = encrypted_mount_script(&site.config()).unwrap();
    let tried = |mount: &str| {
        let manager = site.machine("manager");
        manager.stub("curl", ":");
        manager.stub("dpkg", r#"echo packages-microsoft-prod >>"$STUB/packages""#);
        manager.write("/etc/os-release", "ID=ubuntu\nVERSION_ID=24.04\n");
        manager.stub("umount", r#"echo "umount $*" >>"$STUB/log""#);
        manager.stub("mount", mount);
        manager.write("/try", &script[1..script.len() - 2].join("\n"));
        let output = manager.run("bash \"$FLAMENCO_AZURE_ROOT/try\" </dev/null");
        assert!(output.status.success(), "{output:?}");
        assert!(manager.log().iter().any(|line| line.starts_with("umount ")));
        assert!(!manager.path("/mnt/flamenco-azure-try").exists());
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap()
    };
    assert_eq!(tried(":"), serde_json::json!({"mounted": true}));
    let refused = tried("echo 'mount.aznfs: \"access\" denied' >&2; exit 32");
    assert_eq!(refused, serde_json::json!({"mounted": false, "why": "mount.aznfs: access denied"}));
}

#[test]
fn packages_that_cannot_be_installed_are_named() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    manager.stub("apt-get", "exit 100");
    assert_eq!(manager.set_up(), "failed: cannot install packages: curl ca-certificates xz-utils sqlite3");
}

#[test]
fn what_no_check_foresaw_is_told_with_its_place() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    manager.stub("sync", "exit 9");
    let state = manager.set_up();
    assert!(state.starts_with("failed: unexpected error in line ") && state.contains("sync -f"), "{state}");
}

#[test]
fn a_half_unpacked_program_is_not_taken_as_installed() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    manager.write("/opt/flamenco/flamenco-3.8.5-linux-amd64/flamenco-manager", "half");
    manager.write("/opt/flamenco/.unpack.killed/out/x", "half");
    assert_eq!(manager.set_up(), "done");
    assert!(manager.read("/opt/flamenco/flamenco/flamenco-manager").contains("3.8.5"));
    assert!(leftovers(&manager).is_empty());
}

#[test]
fn settings_follow_the_farm_until_someone_edits_them() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    let yaml = "/var/lib/flamenco-manager/flamenco-manager.yaml";
    for name in ["first", "second"] {
        manager.cloud_init(&GuestConfig { farm: name.into(), ..site.config() });
        assert_eq!(manager.set_up(), "done");
        assert!(manager.read(yaml).contains(&format!("manager_name: \"{name}\"")));
        assert!(manager.log().contains(&"systemctl restart flamenco-manager.service".to_owned()));
    }
    let edited = manager.read(yaml).replace("-b -y", "-b -y --debug");
    manager.write(yaml, &edited);
    manager.cloud_init(&GuestConfig { farm: "third".into(), ..site.config() });
    assert_eq!(manager.set_up(), "done");
    assert_eq!(manager.read(yaml), edited);
}

#[test]
fn a_new_machine_takes_over_from_the_nightly_copy() {
    if !tools() || !has("sqlite3") {
        return;
    }
    let site = Site::new();
    let old = site.machine("old");
    old.cloud_init(&site.config());
    assert_eq!(old.set_up(), "done");
    let sql = |machine: &Machine<'_>, sql: &str| {
        let line = format!(
            "sqlite3 \"$FLAMENCO_AZURE_ROOT/var/lib/flamenco-manager/flamenco-manager.sqlite\" '{sql}'"
        );
        String::from_utf8(machine.run(&line).stdout).unwrap()
    };
    sql(&old, "PRAGMA journal_mode=WAL; CREATE TABLE jobs(name); INSERT INTO jobs VALUES (1)");
    let backup = "\"$FLAMENCO_AZURE_ROOT/usr/local/lib/flamenco-azure/manager-backup\"";
    assert!(old.run(backup).status.success());
    sql(&old, "INSERT INTO jobs VALUES (2)");
    assert!(old.run(backup).status.success());
    let copies = site.path("share/output/.flamenco-azure/manager-backup");
    assert!(copies.join("flamenco-manager.sqlite.previous").exists());
    // A damaged database does not replace the good copy.
    old.write("/var/lib/flamenco-manager/flamenco-manager.sqlite", &"no database".repeat(1000));
    let _ = fs::remove_file(old.path("/var/lib/flamenco-manager/flamenco-manager.sqlite-wal"));
    assert_eq!(old.reason(backup), "cannot copy the database");

    let new = site.machine("new");
    new.cloud_init(&site.config());
    assert_eq!(new.set_up(), "done");
    assert_eq!(sql(&new, "SELECT count(*) FROM jobs"), "2\n");
    // Only once: what the new machine has since then stays.
    sql(&new, "INSERT INTO jobs VALUES (3)");
    assert_eq!(new.set_up(), "done");
    assert_eq!(sql(&new, "SELECT count(*) FROM jobs"), "3\n");
}

#[test]
fn a_node_becomes_a_worker_and_a_second_run_changes_nothing() {
    if !tools() {
        return;
    }
    for (address, expected) in [(Some([10, 0, 0, 4].into()), "10.0.0.4"), (None, "10.9.0.7")] {
        let site = Site::new();
        let config = GuestConfig { manager_address: address, ..site.config() };
        let start = start_task_command(&config).unwrap();
        let node = site.machine("node");
        // Before the Manager is there, a node waits its time and says for what.
        let sha = sha256_of(&node_setup_script(&config).unwrap());
        assert_eq!(
            node.reason(&start),
            format!("no node-setup-{sha}.sh on the share: see the Manager's setup")
        );
        let manager = site.machine("manager");
        manager.cloud_init(&config);
        assert_eq!(manager.set_up(), "done");
        node.log();

        let output = node.run(&start);
        assert!(output.status.success(), "{output:?}");
        assert!(node.read("/opt/flamenco/flamenco/flamenco-worker").contains("3.8.5"));
        assert!(node.read("/opt/flamenco/blender/blender").contains("4.5.14"));
        let yaml: serde_json::Value =
            serde_saphyr::from_str(&node.read("/var/lib/flamenco-worker/flamenco-worker.yaml")).unwrap();
        assert_eq!(yaml["manager_url"], format!("http://{expected}:8080"));
        assert_eq!((&yaml["restart_exit_code"], &yaml["oom_score_adjust"]), (&47.into(), &500.into()));
        assert_eq!(
            node.read("/etc/flamenco-azure/worker.env"),
            "FLAMENCO_WORKER_NAME=tvmps_1_d\nFLAMENCO_HOME=/var/lib/flamenco-worker/home\n"
        );
        let unit = node.read("/etc/systemd/system/flamenco-worker.service");
        let log_file = node.path("/batch/shared/flamenco-worker.log");
        assert!(unit.contains(&format!("StandardOutput=append:{}\n", log_file.display())), "{unit}");
        assert!(unit.contains(
            "RequiresMountsFor=/mnt/flamenco-resources /mnt/flamenco-input /mnt/flamenco-output\n"
        ));
        assert!(node.log().contains(&"systemctl restart flamenco-worker.service".to_owned()));
        for unit in ["mnt-flamenco.mount", "mnt-flamenco\\x2dinput.mount", "mnt-flamenco\\x2doutput.mount"] {
            let path = format!("/etc/systemd/system/{unit}");
            assert_eq!(node.read(&path), manager.read(&path));
        }

        let before = node.snapshot();
        assert!(node.run(&start).status.success());
        assert_eq!(node.snapshot(), before);
        let log = node.log();
        assert!(log.iter().all(|line| line == "systemctl start flamenco-worker.service"), "{log:#?}");
    }
}

#[test]
fn a_node_runs_nothing_that_was_changed_on_the_share() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    assert_eq!(manager.set_up(), "done");
    let start = start_task_command(&site.config()).unwrap();
    let sha = sha256_of(&node_setup_script(&site.config()).unwrap());

    let blender = shelf(&site, BLENDER);
    let good = fs::read(&blender).unwrap();
    fs::write(&blender, b"changed").unwrap();
    let node = site.machine("node-1");
    assert!(node.reason(&start).starts_with(&format!("checksum of {BLENDER} is ")));
    assert!(
        !node.path("/opt/flamenco/blender").exists()
            && !node.log().iter().any(|line| line.contains("worker.service"))
    );
    fs::write(&blender, good).unwrap();
    assert!(node.run(&start).status.success());

    fs::write(shelf(&site, &format!("node-setup-{sha}.sh")), "touch \"$FLAMENCO_AZURE_ROOT/owned\"").unwrap();
    let node = site.machine("node-2");
    assert!(node.reason(&start).starts_with("checksum of the node setup script is "));
    assert!(!node.path("/owned").exists());
}

#[test]
fn a_node_without_a_batch_node_id_stops() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let manager = site.machine("manager");
    manager.cloud_init(&site.config());
    assert_eq!(manager.set_up(), "done");
    let mut node = site.machine("node");
    for id in [None, Some("a b"), Some("$(reboot)")] {
        node.node = id;
        let reason = node.reason(&start_task_command(&site.config()).unwrap());
        assert_eq!(
            reason,
            format!("AZ_BATCH_NODE_ID is '{}': this script runs as a Batch start task", id.unwrap_or(""))
        );
    }
}

#[test]
fn a_manager_gets_another_set_up_in_place() {
    if !tools() {
        return;
    }
    let site = Site::new();
    let old = site.config();
    let manager = site.machine("manager");
    manager.cloud_init(&old);
    assert_eq!(manager.set_up(), "done");
    let mut new = old.clone();
    new.farm = "another name".to_owned();
    manager.log();
    let script = refresh_script(&new).unwrap().join("\n");
    let output = manager.run(&script);
    assert!(output.status.success(), "{output:?}");
    for file in manager_files(&new).unwrap() {
        assert_eq!(manager.read(file.path), file.content, "{}", file.path);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(manager.path(file.path)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, file.mode, "{}", file.path);
    }
    assert!(manager.log().iter().any(|line| line.contains("restart flamenco-azure-setup.service")));
    assert_eq!(manager.set_up(), "done", "what that service runs");
}

#[test]
fn pinned_checksums_are_no_other_set_up() {
    let plain = guest_support::config();
    let mut pinned = plain.clone();
    pinned.flamenco.sha256 = Some("ab".repeat(32));
    pinned.blender.sha256 = Some("cd".repeat(32));
    assert_eq!(config_digest(&plain).unwrap(), config_digest(&pinned).unwrap());
    assert_eq!(start_task_command(&plain).unwrap(), start_task_command(&pinned).unwrap());
    assert_ne!(cloud_init(&plain).unwrap(), cloud_init(&pinned).unwrap());
}
