//! The command lines that `ssh`, `download`, `tunnel` and `pool ssh` show, run for real: the tester's own ssh, rsync and
//! sftp against an sshd on this machine that stands for the Manager, with the output folder mounted where the Manager has
//! it, and another that stands for a node.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use support::{Place, farm_file};

const HOST: &str = "studio-vm.westeurope.cloudapp.azure.com";

const POOL: &str = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/studio-rg/providers/Microsoft.Batch/batchAccounts/studiobatch/pools/render";

static FARM: LazyLock<String> = LazyLock::new(|| {
    farm_file(
        "\
batchAccountName: studiobatch
manager:
  access: {ssh: [203.0.113.7/32]}
pools: [{name: render, dedicated: 2}]
",
    )
});

fn sh(script: &str, folder: &Path) -> Output {
    Command::new("bash").args(["-ec", script]).current_dir(folder).output().unwrap()
}

/// The tools, and the right to mount in a namespace of one's own.
fn ready() -> bool {
    let needed = "for tool in ssh ssh-keygen sftp rsync; do command -v $tool; done; test -x /usr/sbin/sshd; \
                  unshare --map-root-user --mount mount -t tmpfs none /mnt";
    if sh(needed, Path::new("/")).status.success() {
        return true;
    }
    let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "ssh, sftp, rsync, /usr/sbin/sshd and user namespaces are required");
    println!("SKIPPED: real downloads need ssh, sftp, rsync, /usr/sbin/sshd and user namespaces");
    false
}

/// An sshd of this machine, with a host key of its own.
struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// Starts one that knows the tester's key, on a free port; `key` is the file of its host key.
    fn start(home: &Path, key: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shown = home.display();
        let config = home.join(format!("{key}.conf"));
        std::fs::write(
            &config,
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/{key}\nAuthorizedKeysFile {shown}/user_key.pub\n\
                 StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 Subsystem sftp internal-sftp\nForceCommand {shown}/inside\n"
            ),
        )
        .unwrap();
        let mut child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("Server listening") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "sshd does not start");
        }
        // The log is read on, or sshd would stop when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut log.by_ref(), &mut std::io::sink()));
        Self { child, port }
    }
}

/// A deployed farm, whose Manager is an sshd on this machine.
struct Site {
    place: Place,
    manager: Sshd,
}

/// What the Manager's side of a connection runs in: the output folder where the Manager has it.
const INSIDE: &str = r#"#!/bin/bash
export SSH_ORIGINAL_COMMAND
exec unshare --map-root-user --mount bash -c '
  mount -t tmpfs none /mnt && mkdir -p /mnt/flamenco-output && ln -s "@HOME@/frames" /mnt/flamenco-output/render &&
  case $SSH_ORIGINAL_COMMAND in internal-sftp) exec /usr/lib/openssh/sftp-server ;; *) exec bash -c "$SSH_ORIGINAL_COMMAND" ;; esac'
"#;

/// The tester's account in place of the Manager's, which this machine does not have.
const AS_TESTER: &str = r#"#!/bin/bash
words=()
for word in "$@"; do
  [ "$word" != flamencoadmin ] || word=$(id -un)
  words+=("${word/#flamencoadmin@/$(id -un)@}")
done
exec /usr/bin/ssh -F "@HOME@/ssh_config" "${words[@]}"
"#;

impl Site {
    fn new() -> Self {
        let place = Place::new();
        place.give_key();
        place.write("azure_config.yaml", &FARM);
        place.simulate("deploy --yes --quiet").ended(0, &[]);
        let home = place.path("home");
        let shown = home.display().to_string();
        std::fs::write(home.join("inside"), INSIDE.replace("@HOME@", &shown)).unwrap();
        std::fs::create_dir(home.join("bin")).unwrap();
        std::fs::write(home.join("bin/ssh"), AS_TESTER.replace("@HOME@", &shown)).unwrap();
        let script = "ssh-keygen -q -t ed25519 -N '' -f host_key; ssh-keygen -q -t ed25519 -N '' -f user_key
            printf '#!/bin/bash\\nexec /usr/bin/sftp -S \"%s/bin/ssh\" \"${@//flamencoadmin@/$(id -un)@}\"\\n' \"$PWD\" >bin/sftp
            chmod +x inside bin/ssh bin/sftp; mkdir frames
            [ \"$(id -u)\" != 0 ] || mkdir -p /run/sshd";
        let made = sh(script, &home);
        assert!(made.status.success(), "{made:?}");
        let manager = Sshd::start(&home, "host_key");
        let site = Self { place, manager };
        site.reach(HOST, site.manager.port);
        site
    }

    /// Hosts of this pattern are at this port of the machine.
    fn reach(&self, host: &str, port: u16) {
        let home = self.place.path("home");
        let path = home.join("ssh_config");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let block = format!(
            "Host {host}\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {host}\n  IdentityFile {}/user_key\n  \
             IdentitiesOnly yes\n  BatchMode yes\n",
            home.display()
        );
        // The first that fits counts.
        std::fs::write(path, block + &before).unwrap();
    }

    /// The keys that the simulated Manager names are nobody's: the sshd's own in their place.
    fn known(&self, key_file: &str) {
        let key = self.place.read(&format!("home/{key_file}.pub"));
        let words: Vec<&str> = key.split_whitespace().take(2).collect();
        self.place.write(".flamenco-azure/studio/known_hosts", &format!("{HOST} {}\n", words.join(" ")));
    }

    /// Runs the command line that a command shows.
    fn run(&self, line: &str) -> Output {
        self.shown(line).output().unwrap()
    }

    /// The command line that a command shows, with this site's programs on the search path.
    fn shown(&self, line: &str) -> Command {
        let ran = self.place.simulate(line);
        ran.ended(0, &["the command is shown, not run"]);
        let path = format!("{}:{}", self.place.path("home/bin").display(), std::env::var("PATH").unwrap());
        let mut command = self.place.program("bash");
        command.env("PATH", path).args(["-c", &format!("exec {}", ran.out.trim_end())]);
        command
    }

    fn frame(&self, name: &str, bytes: &[u8]) {
        let path = self.place.path("home/frames").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn frames_come_whole_go_on_where_they_stopped_and_only_from_the_right_machine() {
    if !ready() {
        return;
    }
    let site = Site::new();
    let big: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    site.frame("shot010/v2 (final)/0001.exr", &big);
    site.frame("shot010/v2 (final)/0002.exr", b"second");
    site.frame("shot020/0001.exr", b"other");
    for (how, to) in [("", "by-rsync"), ("--sftp ", "by-sftp")] {
        let line = format!("download {how}--to {to}");
        // Not the machine whose keys were read inside the VM: nothing is sent.
        site.place.simulate("ssh --quiet");
        let refused = site.run(&line);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("Host key verification failed"), "{said}");
        assert!(std::fs::read_dir(site.place.path(to)).unwrap().next().is_none());
        site.known("host_key");
        // An earlier download was cut off in the middle of a frame.
        let partial = site.place.path(to).join("shot010/v2 (final)/0001.exr");
        std::fs::create_dir_all(partial.parent().unwrap()).unwrap();
        std::fs::write(&partial, &big[..big.len() / 3]).unwrap();
        let done = site.run(&line);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(std::fs::read(&partial).unwrap() == big, "{to}");
        assert_eq!(std::fs::read(partial.with_file_name("0002.exr")).unwrap(), b"second");
        assert_eq!(std::fs::read(site.place.path(to).join("shot020/0001.exr")).unwrap(), b"other");
        std::fs::remove_file(site.place.path(".flamenco-azure/studio/known_hosts")).unwrap();
    }
    // One folder of it.
    site.place.simulate("ssh --quiet");
    site.known("host_key");
    assert!(site.run("download shot020 --to one").status.success());
    assert_eq!(std::fs::read(site.place.path("one/shot020/0001.exr")).unwrap(), b"other");
    // A command on the Manager.
    let listed = site.run("ssh -- ls /mnt/flamenco-output/render");
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "shot010\nshot020\n");
}

#[test]
fn the_tunnel_leads_to_the_managers_own_port() {
    if !ready() {
        return;
    }
    let Ok(manager) = TcpListener::bind("127.0.0.1:8080") else {
        println!("SKIPPED: something else has port 8080 of this machine");
        return;
    };
    std::thread::spawn(move || {
        for stream in manager.incoming() {
            let _ = stream.unwrap().write_all(b"Flamenco");
        }
    });
    let site = Site::new();
    site.place.simulate("ssh --quiet");
    site.known("host_key");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut tunnel = site.shown(&format!("tunnel --port {port}")).spawn().unwrap();
    let said = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", port)).ok()?.read_to_string(&mut text).ok()?;
        Some(text)
    });
    tunnel.kill().unwrap();
    tunnel.wait().unwrap();
    assert_eq!(said.as_deref(), Some("Flamenco"));
}

#[test]
fn a_node_is_reached_by_the_manager_and_known_by_its_id_not_its_address() {
    if !ready() {
        return;
    }
    let site = Site::new();
    let home = site.place.path("home");
    assert!(
        sh("ssh-keygen -q -t ed25519 -N '' -f node_key; ssh-keygen -q -t ed25519 -N '' -f other_key", &home)
            .status
            .success()
    );
    let nodes: Vec<String> = site.place.world().nodes(POOL).into_iter().map(|(id, _)| id).collect();
    let [first, second] = nodes.as_slice() else { panic!("two nodes") };
    let line = |node: &str| format!("pool ssh render {node} -- echo here");
    let said = |run: &Output| {
        format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
    };

    let node = Sshd::start(&home, "node_key");
    site.reach("10.42.*", node.port);
    // Not by a machine that is not the Manager.
    site.place.simulate("ssh --quiet");
    let refused = site.run(&line(first));
    assert!(
        !refused.status.success() && said(&refused).contains("Host key verification failed"),
        "{}",
        said(&refused)
    );
    site.known("host_key");
    for _ in 0..2 {
        let ran = site.run(&line(first));
        assert!(ran.status.success() && said(&ran).contains("here"), "{}", said(&ran));
    }
    let known = site.place.read(".flamenco-azure/studio/known_nodes");
    assert_eq!(known.lines().count(), 1, "{known}");
    assert!(known.starts_with(first.as_str()), "{known}");

    // Another machine at that address: the first node has not changed, the second may be it.
    drop(node);
    let other = Sshd::start(&home, "other_key");
    site.reach("10.42.*", other.port);
    let refused = site.run(&line(first));
    assert!(
        !refused.status.success() && said(&refused).contains("verification failed"),
        "{}",
        said(&refused)
    );
    let ran = site.run(&line(second));
    assert!(ran.status.success() && said(&ran).contains("here"), "{}", said(&ran));
}
