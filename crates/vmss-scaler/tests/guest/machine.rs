//! A scratch machine: the real scripts run under dash in an empty root; programs that would change this machine are
//! stubs that record what they were called with, and curl is the real one behind a recorder of its arguments.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use vmss_scaler::guest::GuestFile;

use super::stub::{CLIENT, Stub, TOKEN};

/// The secret of the service principal: everything that is awkward to quote.
pub const SECRET: &str = r#"s3cr"et\ 'q' $HOME &+=%~#"#;

#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
    pub stub: Stub,
    /// The shell that runs scripts.
    pub shell: &'static [&'static str],
}

const STUBS: &[(&str, &str)] = &[
    ("curl", "printf 'curl\\n' >>\"$LOG\"; printf ' <%s>\\n' \"$@\" >>\"$LOG\"; exec \"$REAL_CURL\" \"$@\""),
    ("sleep", "echo \"sleep $1\" >>\"$LOG\"; exec \"$REAL_SLEEP\" 0.02"),
    (
        "systemctl",
        "[ \"$1\" != --version ] || { echo 'systemd 255 (255.4)'; exit; }; echo \"systemctl $*\" >>\"$LOG\"",
    ),
    ("getent", "grep -qx \"$1 $2\" \"$STATE/accounts\""),
    ("groupadd", "echo \"groupadd $*\" >>\"$LOG\"; echo \"group $2\" >>\"$STATE/accounts\""),
    (
        "useradd",
        "echo \"useradd $*\" >>\"$LOG\"; for last; do :; done; echo \"passwd $last\" >>\"$STATE/accounts\"",
    ),
    ("userdel", "echo \"userdel $*\" >>\"$LOG\"; sed -i \"/^passwd $1$/d\" \"$STATE/accounts\""),
    ("groupdel", "echo \"groupdel $*\" >>\"$LOG\"; sed -i \"/^group $1$/d\" \"$STATE/accounts\""),
    ("chgrp", "echo \"chgrp $1 ${2%.*}\" >>\"$LOG\""),
    ("mount.nfs", ":"),
    ("findmnt", "cat \"$STATE/mounted\" 2>/dev/null"),
    ("mount", "echo \"mount $*\" >>\"$LOG\"; [ ! -e \"$STATE/refuse\" ]"),
    ("umount", "echo \"umount $*\" >>\"$LOG\""),
];

fn real(tool: &str) -> String {
    let output = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Machine {
    pub fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), stub: Stub::start(), shell: &["dash"] };
        for folder in ["root", "bin", "state", "tmp"] {
            fs::create_dir_all(machine.folder.path().join(folder)).unwrap();
        }
        fs::write(machine.folder.path().join("state/accounts"), "").unwrap();
        fs::write(machine.folder.path().join("state/log"), "").unwrap();
        for (name, body) in STUBS {
            machine.program(name, body);
        }
        machine
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Has a program take up to 60 ms before it does its work, each call another time: what two scripts do at once
    /// comes in many orders.
    pub fn dawdle(&self, name: &str) {
        self.program(name, &format!("\"$REAL_SLEEP\" 0.0$(($$ % 7))\nexec {} \"$@\"", real(name)));
    }

    /// A node that may ask for its deletion.
    pub fn node() -> Self {
        let machine = Self::new();
        let conf = format!("# settings\nQUEUE_URL={}/deletions\nCLIENT_ID={CLIENT}\n", machine.stub.url);
        machine.write("/etc/flamenco-azure/node.conf", &conf);
        machine
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    pub fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join("state").join(name)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts files there; https addresses of `example` become the stub's.
    pub fn install(&self, files: &[GuestFile]) {
        for file in files {
            self.write(file.path, &file.content.replace("https://example", &self.stub.url));
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let home = self.folder.path();
        let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("timeout");
        command
            .arg("60")
            .args(self.shell)
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("HOME", home)
            .env("TMPDIR", home.join("tmp"))
            .env("LOG", home.join("state/log"))
            .env("STATE", home.join("state"))
            .env("REAL_CURL", real("curl"))
            .env("REAL_SLEEP", real("sleep"))
            .env("FLAMENCO_AZURE_ROOT", home.join("root"))
            .env("FLAMENCO_AZURE_IMDS", &self.stub.url)
            // No request may go through it.
            .env("http_proxy", "http://127.0.0.1:1")
            .env("no_proxy", "127.0.0.1");
        command
    }

    /// Runs a script (its text, and arguments) plainly, and looks for secrets in all that it leaves.
    pub fn run(&self, script: &str, args: &[&str]) -> Output {
        self.run_as(script, "script", args, &[], &[])
    }

    /// Runs a script under this name, with options of the shell and variables.
    pub fn run_as(
        &self,
        script: &str,
        name: &str,
        args: &[&str],
        shell: &[&str],
        variables: &[(&str, &str)],
    ) -> Output {
        let path = self.folder.path().join(name);
        fs::write(&path, script).unwrap();
        let mut all = shell.to_vec();
        all.push(path.to_str().unwrap());
        all.extend(args);
        let output = self.command(&all).envs(variables.iter().copied()).output().unwrap();
        let said = format!("{}{}{}", said(&output).0, said(&output).1, self.log());
        for secret in [TOKEN, SECRET, "s3cr", "c2VjcmV0"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        let left: Vec<_> = fs::read_dir(self.folder.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        output
    }

    /// Starts a script file beside others.
    pub fn spawn(&self, path: &std::path::Path) -> Child {
        let mut command = self.command(&[path.to_str().unwrap()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts a script that runs until it is killed.
    pub fn start(&self, script: &str) -> Running {
        let path = self.folder.path().join("watch");
        fs::write(&path, script).unwrap();
        let mut command = self.command(&[path.to_str().unwrap()]);
        let output = fs::File::create(self.state("output")).unwrap();
        Running(command.stdout(output).stderr(Stdio::null()).spawn().unwrap())
    }

    /// What was recorded so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.state("log")).unwrap()
    }

    pub fn clear_log(&self) {
        fs::write(self.state("log"), "").unwrap();
    }

    /// Pauses that were taken, in seconds.
    pub fn pauses(&self) -> Vec<u32> {
        self.log()
            .lines()
            .filter_map(|line| line.strip_prefix("sleep "))
            .map(|n| n.parse().unwrap())
            .collect()
    }
}

/// A script that runs; it ends with this value.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` hands TERM on to the script.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Standard output and error.
pub fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The reason of a failure: the last line, and the script ended with status 1.
pub fn reason(output: &Output) -> String {
    let (out, err) = said(output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let last = err.lines().last().unwrap_or_default();
    last.strip_prefix("flamenco-azure: failed: ").unwrap_or_else(|| panic!("{err}")).to_owned()
}

/// Waits until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("never: {what}");
}
