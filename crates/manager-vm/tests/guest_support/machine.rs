//! A scratch machine: the real scripts run under bash with `FLAMENCO_AZURE_ROOT` set to an empty folder; the programs
//! that would change the real machine are stubs that record their arguments and keep a little state.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use manager_vm::guest::{GuestConfig, manager_files};
use tempfile::TempDir;

/// What a farm's machines have in common: the publishers' servers and the share.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
}

const SYSTEMCTL: &str = r#"
case $1 in
is-enabled) grep -qxF "${!#}" "$STUB/enabled"; exit ;;
enable) printf '%s\n' "${@:2}" >>"$STUB/enabled" ;;
start)
  unit=$2
  case $unit in *.mount) ;; *) grep -qxF "$unit" "$STUB/active" && exit 0; echo "$unit" >>"$STUB/active" ;; esac
  file=$FLAMENCO_AZURE_ROOT/etc/systemd/system/$unit
  case $unit in *.mount)
    where=$(sed -n 's/^Where=//p' "$file") what=$(sed -n 's/^What=//p' "$file")
    grep -q "^$where " "$STUB/mounts" && exit 0
    [ "$MOUNTS" != refused ] || exit 1
    [ "$MOUNTS" != silent ] || exit 0
    if grep -q '^Type=none$' "$file"; then
      source=$(sed -n "s,^${what%/*} nfs4 \(.*\) /$,\1,p" "$STUB/mounts")/${what##*/}
      target=$FLAMENCO_AZURE_ROOT$what
    else
      source=$what target=$SHARE
    fi
    [ "$MOUNTS" != foreign ] || source=other.example:/other/share
    [ "$MOUNTS" != tunnel ] || source=127.0.0.1:${source#*:}
    rmdir "$FLAMENCO_AZURE_ROOT$where" && ln -s "$target" "$FLAMENCO_AZURE_ROOT$where"
    type=nfs4; [ "$MOUNTS" != disk ] || type=ext4
    echo "$where $type $source /" >>"$STUB/mounts" ;;
  esac ;;
esac
echo "systemctl $*" >>"$STUB/log"
"#;

const STUBS: &[(&str, &str)] = &[
    ("systemctl", SYSTEMCTL),
    (
        "findmnt",
        r#"path=${!#}; awk -v p="${path#"$FLAMENCO_AZURE_ROOT"}" '$1 == p { print $2, $3, $4 }' "$STUB/mounts""#,
    ),
    ("dpkg-query", r#"grep -qxF "${!#}" "$STUB/packages" && printf installed"#),
    (
        "apt-get",
        r#"echo "apt-get $*" >>"$STUB/log"
case "$*" in *install*) [ ! -e "$STUB/no-apt" ] || exit 100; printf '%s\n' "${@##-*}" >>"$STUB/packages" ;; esac"#,
    ),
    ("getent", r#"grep -qxF "$1 $2" "$STUB/accounts""#),
    ("groupadd", r#"echo "groupadd $*" >>"$STUB/log"; echo "group ${!#}" >>"$STUB/accounts""#),
    ("useradd", r#"echo "useradd $*" >>"$STUB/log"; echo "passwd ${!#}" >>"$STUB/accounts""#),
    ("usermod", r#"echo "usermod $*" >>"$STUB/log"; echo "$3" >>"$STUB/groups-of-${!#}""#),
    ("id", r#"cat "$STUB/groups-of-${!#}" 2>/dev/null | tr '\n' ' '"#),
    ("chown", ":"),
    ("journalctl", "echo 'mount.nfs: access denied by server'"),
    ("sleep", ":"),
    ("ip", "echo '168.63.129.16 via 10.9.0.1 dev eth0 src 10.9.0.7 uid 0'"),
];

impl Site {
    /// Publishers with one release each, and an empty share.
    pub fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(site.path("share")).unwrap();
        site.publish(
            "flamenco",
            "flamenco-3.8.5-linux-amd64",
            ".tar.gz",
            "3.8.5",
            &["flamenco-manager", "flamenco-worker"],
        );
        site.publish("blender/Blender4.5", "blender-4.5.14-linux-x64", ".tar.xz", "4.5.14", &["blender"]);
        site
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes an archive of the right layout and the publisher's checksum file beside it.
    fn publish(&self, folder: &str, top: &str, suffix: &str, version: &str, programs: &[&str]) {
        let content = self.path("make").join(top);
        fs::create_dir_all(&content).unwrap();
        for program in programs {
            fs::write(content.join(program), format!("#!/bin/sh\necho {program} {version}\n")).unwrap();
            fs::set_permissions(content.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // 200 KB that do not compress, for the full disk.
        let noise: Vec<u8> =
            (0..200_000_u64).map(|i| (i.wrapping_mul(6_364_136_223_846_793_005) >> 33) as u8).collect();
        fs::write(content.join("data"), noise).unwrap();
        let web = self.path("web").join(folder);
        fs::create_dir_all(&web).unwrap();
        let archive = format!("{top}{suffix}");
        let product = top.split('-').next().unwrap();
        // tar finds out by itself how an archive is packed: no xz is needed here.
        let script = format!(
            "tar -C '{}' -cf '{archive}' '{top}' && {{ echo '{}  other.zip'; sha256sum '{archive}'; }} >'{product}-{version}.sha256'",
            self.path("make").display(),
            "0".repeat(64),
        );
        assert!(Command::new("sh").args(["-ec", &script]).current_dir(web).status().unwrap().success());
    }

    /// The config with this site's servers.
    pub fn config(&self) -> GuestConfig {
        let url = |shelf| format!("file://{}", self.path("web").join(shelf).display());
        GuestConfig {
            flamenco_base_url: url("flamenco"),
            blender_base_url: url("blender"),
            ..super::config()
        }
    }

    /// A fresh machine that can mount the share.
    pub fn machine(&self, name: &str) -> Machine<'_> {
        let home = self.path(name);
        for folder in ["root", "bin", "state"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        for file in ["enabled", "active", "mounts", "packages", "accounts", "log"] {
            fs::write(home.join("state").join(file), "").unwrap();
        }
        for (stub, body) in STUBS {
            let path = home.join("bin").join(stub);
            fs::write(&path, format!("#!/bin/bash\n{body}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Machine { site: self, home, mounts: "good", node: Some("tvmps_1_d") }
    }
}

/// One machine.
#[derive(Debug)]
pub struct Machine<'a> {
    site: &'a Site,
    home: PathBuf,
    /// How mounting goes: `good`, `refused`, `silent` (says it did), `foreign` (another share), `disk` (no NFS),
    /// `tunnel` (as aznfs does).
    pub mounts: &'static str,
    /// The Batch node id.
    pub node: Option<&'static str>,
}

impl Machine<'_> {
    pub fn path(&self, path: &str) -> PathBuf {
        self.home.join("root").join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    pub fn stub(&self, name: &str, body: &str) {
        let path = self.home.join("bin").join(name);
        fs::write(&path, format!("#!/bin/bash\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What cloud-init's write_files does.
    pub fn cloud_init(&self, config: &GuestConfig) {
        for file in manager_files(config).unwrap() {
            self.write(file.path, &file.content);
            fs::set_permissions(self.path(file.path), fs::Permissions::from_mode(file.mode)).unwrap();
        }
    }

    /// Runs a shell line on the machine.
    pub fn run(&self, line: &str) -> Output {
        let path = format!("{}:{}", self.home.join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("timeout");
        command
            .args(["60", "bash", "-c", line])
            .env("PATH", path)
            .env("STUB", self.home.join("state"))
            .env("SHARE", self.site.path("share"))
            .env("MOUNTS", self.mounts)
            .env("FLAMENCO_AZURE_ROOT", self.home.join("root"))
            .env("FLAMENCO_AZURE_RETRIES", "0")
            .env("FLAMENCO_AZURE_WAIT", "0")
            .env("AZ_BATCH_NODE_SHARED_DIR", self.path("/batch/shared"));
        match self.node {
            Some(node) => command.env("AZ_BATCH_NODE_ID", node),
            None => command.env_remove("AZ_BATCH_NODE_ID"),
        };
        command.output().unwrap()
    }

    /// Runs the Manager's set-up and gives what it left in setup.state, which must agree with its exit status.
    pub fn set_up(&self) -> String {
        self.set_up_by("\"$FLAMENCO_AZURE_ROOT/usr/local/lib/flamenco-azure/manager-setup\"")
    }

    pub fn set_up_by(&self, line: &str) -> String {
        let output = self.run(line);
        let state = self.read("/var/lib/flamenco-azure/setup.state");
        assert_eq!(state.matches('\n').count(), 1, "{state}");
        assert_eq!(output.status.success(), state == "done\n", "{state}{output:?}");
        if let Some(reason) = state.strip_prefix("failed: ") {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains(&format!("flamenco-azure: failed: {reason}")), "{state}{said}");
        }
        state.trim_end().to_owned()
    }

    /// The reason with which a run stopped; it must be the last thing said.
    pub fn reason(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = said.lines().last().unwrap_or_default();
        last.strip_prefix("flamenco-azure: failed: ").unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// The recorded commands so far; clears the record.
    pub fn log(&self) -> Vec<String> {
        let path = self.home.join("state/log");
        let log = fs::read_to_string(&path).unwrap();
        fs::write(path, "").unwrap();
        log.lines().map(str::to_owned).collect()
    }

    /// Every file of machine and share with mode, time of change and content; without the set-up's own state.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        for root in [self.home.join("root"), self.site.path("share")] {
            collect(&root, &mut all);
        }
        all.retain(|path, _| !path.ends_with("setup.state") && !path.ends_with("setup.lock"));
        all
    }
}

fn collect(folder: &Path, all: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let seen = if meta.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else if meta.is_dir() {
            collect(&path, all);
            format!("{:o}", meta.mode())
        } else {
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            format!("{:o} {}.{} {content}", meta.mode(), meta.mtime(), meta.mtime_nsec())
        };
        all.insert(path, seen);
    }
}
