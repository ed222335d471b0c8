//! Root file systems of their own: an overlay over this machine's, in a mount and network namespace.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::guest_support::has;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program that is stopped with its handle.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Publishers on loopback, a share, and a network namespace that machines have in common.
pub(crate) struct Site {
    folder: TempDir,
    holder: Running,
    _server: Running,
    /// Flamenco's version.
    pub(crate) version: String,
    /// Whether Flamenco is the real one.
    pub(crate) real: bool,
}

/// What only a booted machine with Azure around it can do, and is answered here: packages, starting units, NFS.
const PRETENDED: &[(&str, &str)] = &[
    ("apt-get", "exit 0"),
    ("dpkg-query", "printf installed"),
    ("journalctl", "echo 'mount.nfs: access denied by server'"),
    (
        "systemctl",
        r#"case $1 in
daemon-reload) exit 0 ;;
enable) exec /usr/bin/systemctl "${@/#--now/--quiet}" ;;
start | restart | reset-failed)
  case $2 in *.mount) ;; *) exit 0 ;; esac
  file=/etc/systemd/system/$2
  where=$(sed -n 's/^Where=//p' "$file") what=$(sed -n 's/^What=//p' "$file")
  grep -q "^$where " /srv/state/mounts && exit 0
  [ ! -e /srv/state/refuse-mounts ] || exit 1
  if grep -q '^Type=none$' "$file"; then
    source=$(sed -n "s,^${what%/*} nfs4 \(.*\) /$,\1,p" /srv/state/mounts)/${what##*/}
  else
    source=$what what=/srv/share
  fi
  mount --bind "$what" "$where" && echo "$where nfs4 $source /" >>/srv/state/mounts ;;
*) exec /usr/bin/systemctl "$@" ;;
esac"#,
    ),
    ("findmnt", r#"awk -v p="${!#}" '$1 == p { print $2, $3, $4 }' /srv/state/mounts"#),
    // Only the waits of a mount that is refused.
    ("sleep", "exec /usr/bin/sleep 0.1"),
];

fn shell(script: &str, folder: &Path) -> std::process::Output {
    Command::new("bash").args(["-ec", script]).current_dir(folder).output().unwrap()
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The right to make such machines; without it this is said loudly.
fn possible() -> bool {
    let tools = ["curl", "python3", "ip", "unshare", "nsenter", "setpriv", "xz", "systemd-analyze"];
    if !tools.iter().all(|tool| has(tool)) {
        return false;
    }
    let overlay = "test \"$(id -u)\" = 0; unshare --mount --net bash -ec 'mount -t tmpfs none /mnt; cd /mnt; mkdir u w m; \
                   mount -t overlay none -o lowerdir=/,upperdir=u,workdir=w m; chroot m true'";
    let made = shell(overlay, Path::new("/"));
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stderr).into_owned();
        let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(!required, "root and overlay mounts are required: {why}");
        println!("SKIPPED: machines with a root of their own need root and overlay mounts {why}");
    }
    made.status.success()
}

impl Site {
    /// Publishers with one release each, made of a real Flamenco folder or of the stand-in. `None` where it cannot be.
    pub(crate) fn new(dist: Option<&Path>) -> Option<Self> {
        if !possible() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let real = dist.is_some();
        let version = dist.map_or_else(
            || "3.8.5".to_owned(),
            |dist| {
                let name = dist.file_name().unwrap().to_str().unwrap();
                name.split('-')
                    .nth(1)
                    .expect("FLAMENCO_DIST is named flamenco-VERSION-linux-amd64")
                    .to_owned()
            },
        );
        let top = format!("flamenco-{version}-linux-amd64");
        let made = path.join("make").join(&top);
        fs::create_dir_all(&made).unwrap();
        match dist {
            Some(dist) => assert!(shell(&format!("cp -r '{}'/. .", dist.display()), &made).status.success()),
            None => {
                for program in ["flamenco-manager", "flamenco-worker"] {
                    executable(&made.join(program), include_str!("stand_in.py"));
                }
            }
        }
        let blender = path.join("make/blender-4.5.14-linux-x64");
        fs::create_dir_all(&blender).unwrap();
        executable(&blender.join("blender"), "#!/bin/sh\necho Blender 4.5.14\n");
        // Larger than the disk that is full in one test.
        fs::write(blender.join("data"), vec![7_u8; 300_000]).unwrap();
        fs::write(
            made.join("noise"),
            (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>(),
        )
        .unwrap();
        let script = format!(
            "chmod 755 .; mkdir -p web/flamenco web/release/Blender4.5 share state bin
             tar -C make -czf web/flamenco/{top}.tar.gz {top}
             tar -C make -cJf web/release/Blender4.5/blender-4.5.14-linux-x64.tar.xz blender-4.5.14-linux-x64
             (cd web/flamenco && sha256sum {top}.tar.gz >flamenco-{version}.sha256)
             (cd web/release/Blender4.5 && sha256sum blender-*.tar.xz >blender-4.5.14.sha256)"
        );
        let output = shell(&script, path);
        assert!(output.status.success(), "{output:?}");
        for (name, body) in PRETENDED {
            executable(&path.join("bin").join(name), &format!("#!/bin/bash\n{body}\n"));
        }
        let mut holder = Running(
            Command::new("unshare")
                .args(["--mount", "--net", "bash", "-ec", "ip link set lo up; echo up; exec sleep infinity"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        // Only then are the namespaces there.
        let mut up = [0; 3];
        holder.0.stdout.take().unwrap().read_exact(&mut up).unwrap();
        let server = Running(
            nsenter(&holder)
                .args(["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory"])
                .arg(path.join("web"))
                .arg("8000")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let site = Self { folder, holder, _server: server, version, real };
        let up = "for _ in $(seq 100); do curl -sf http://127.0.0.1:8000/ >/dev/null && exit 0; sleep 0.1; done; exit 1";
        let waited = nsenter(&site.holder).args(["bash", "-c", up]).status().unwrap();
        assert!(waited.success(), "the publishers do not answer");
        Some(site)
    }

    /// A machine: this one's root file system under an empty layer, with the site at /srv.
    pub(crate) fn machine(&self, name: &str) -> Machine<'_> {
        let site = self.folder.path().display();
        let at = self.folder.path().join(name);
        let script = format!(
            "mkdir -p {at}; mount -t tmpfs none {at}; cd {at}; mkdir upper work root
             mount -t overlay none -o lowerdir=/,upperdir=upper,workdir=work root
             mount --rbind /dev root/dev; mount -t proc none root/proc
             mkdir -p root/srv/bin root/srv/share root/srv/state; mount --bind {site}/bin root/srv/bin
             mount --bind {site}/share root/srv/share; touch root/srv/state/mounts; chmod 755 .",
            at = at.display()
        );
        let output = nsenter(&self.holder).args(["bash", "-ec", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let machine = Machine { site: self, at };
        // Azure's agent makes the one, the web server's package the other.
        machine.expect(
            "useradd --create-home flamencoadmin; id caddy >/dev/null 2>&1 || useradd --system --no-create-home caddy",
        );
        machine
    }
}

fn nsenter(holder: &Running) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &holder.0.id().to_string(), "--mount", "--net"]);
    command
}

/// One machine.
pub(crate) struct Machine<'a> {
    site: &'a Site,
    at: PathBuf,
}

impl Machine<'_> {
    fn command(&self, line: &str) -> Command {
        let mut command = nsenter(&self.site.holder);
        command.arg("chroot").arg(self.at.join("root"));
        command.args([
            "env",
            "-i",
            "PATH=/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C",
        ]);
        command.args([
            "FLAMENCO_AZURE_RETRIES=0",
            "FLAMENCO_AZURE_WAIT=0",
            "timeout",
            "120",
            "bash",
            "-c",
            line,
        ]);
        command
    }

    /// Runs a shell line as root.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let output = self.command(line).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a shell line that must end well, and gives what it printed.
    #[track_caller]
    pub(crate) fn expect(&self, line: &str) -> String {
        let ran = self.run(line);
        assert!(ran.ok, "{line}\n{}\n{}", ran.out, ran.err);
        ran.out
    }

    /// Runs a shell line until it ends well.
    #[track_caller]
    pub(crate) fn until(&self, line: &str) -> String {
        for _ in 0..150 {
            let ran = self.run(line);
            if ran.ok {
                return ran.out;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("never: {line}\n{}", self.run("cat /srv/state/*.log").out);
    }

    /// Writes a file as cloud-init does.
    pub(crate) fn write(&self, path: &str, mode: u32, content: &str) {
        let shared = self.site.folder.path().join("share/.written");
        fs::write(&shared, content).unwrap();
        self.expect(&format!(
            "cmp -s /srv/share/.written {path} || install -D -m {mode:o} /srv/share/.written {path}"
        ));
        fs::remove_file(shared).unwrap();
    }

    /// Starts the program of a unit as the unit says: user, folder, environment files, command line.
    pub(crate) fn start_unit(&self, unit: &str) -> Running {
        let line = format!(
            r#"unit=/etc/systemd/system/{unit}
get() {{ sed -n "s/^$1=//p" "$unit"; }}
cd "$(get WorkingDirectory)"
set -a; for file in $(get EnvironmentFile); do . "$file"; done; set +a
user=$(get User)
exec setpriv --reuid "$user" --regid "$(get Group)" --init-groups $(get ExecStart) >/srv/state/{unit}.log 2>&1"#
        );
        let mut command = self.command("");
        // Not under `timeout`: it runs until its handle goes.
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let keep = words.iter().position(|word| word == "timeout").unwrap();
        command = Command::new("nsenter");
        command.args(&words[..keep]).args(["bash", "-ec", &line]);
        Running(command.spawn().unwrap())
    }

    /// Everything that differs from this machine's own root file system, and the share: mode, owner, size, time.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, String> {
        // Not a directory's time: comparing makes a file beside and removes it.
        let line =
            "find upper ../share -type d -printf '%p\\t%m %u %g\\n' -o -printf '%p\\t%m %u %g %s %T@ %l\\n'";
        let script = format!("cd {} && {line}", self.at.display());
        let output = nsenter(&self.site.holder).args(["bash", "-ec", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let changing =
            ["setup.state", "setup.lock", "upper/srv", "upper/tmp", "upper/var/lib/flamenco-azure"];
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(path, _)| !changing.iter().any(|part| path.contains(part)) && *path != "../share")
            .map(|(path, what)| (path.to_owned(), what.to_owned()))
            .collect()
    }
}

/// What is in one snapshot and not, or otherwise, in the other.
pub(crate) fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    keys.into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| format!("{key}: {:?} -> {:?}", one.get(key), other.get(key)))
        .collect()
}
