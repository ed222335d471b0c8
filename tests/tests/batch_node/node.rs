//! One Batch node: a scratch machine with Batch's folders on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use batch_pool::environment::{AutoUser, NODE_ROOT, Package, StartTaskEnvironment, Unpacked};
use manager_vm::guest::{GuestConfig, start_task_command};

use crate::guest_support::machine::{Machine, Site};

/// A package of the pool, its version the application's default.
pub(crate) fn package(id: &str, version: &str) -> Unpacked {
    let stamp = "2026-11-03T07:04:00".parse().unwrap();
    Unpacked { package: Package::new(id, version), stamp, is_default: true }
}

/// What came of a start task: the exit code that Batch sees, and what it reads from the start task's folder.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) struct Node<'a> {
    machine: Machine<'a>,
    share: PathBuf,
    command: String,
    environment: StartTaskEnvironment,
}

impl<'a> Node<'a> {
    pub(crate) fn new(site: &'a Site, name: &str, config: &GuestConfig) -> Self {
        let machine = site.machine(name);
        let environment = StartTaskEnvironment {
            account_endpoint: "crunch.westeurope.batch.azure.com".to_owned(),
            pool: "render".to_owned(),
            node: "tvmps_1_d".to_owned(),
            dedicated: true,
            root: machine.path(NODE_ROOT).display().to_string(),
            user: AutoUser::PoolAdmin,
            packages: Vec::new(),
        };
        for folder in
            ["applications", "fsmounts", "shared", "startup/certs", "startup/wd", "volatile", "workitems"]
        {
            fs::create_dir_all(machine.path(NODE_ROOT).join(folder)).unwrap();
        }
        Self { machine, share: site.path("share"), command: start_task_command(config).unwrap(), environment }
    }

    /// What Batch sets on this node without packages.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.environment.variables()
    }

    /// Batch prepares a boot with these packages: it unpacks what is not there and sets the variables, which are given.
    pub(crate) fn with(&self, packages: &[Unpacked]) -> BTreeMap<String, String> {
        for unpacked in packages {
            let folder = PathBuf::from(unpacked.folder(&self.environment.root));
            if !folder.exists() {
                let zip =
                    folder.with_file_name(format!("{}.zip", folder.file_name().unwrap().to_str().unwrap()));
                Self::python(PACK, &[zip.to_str().unwrap(), &unpacked.package.id, &unpacked.package.version]);
                Self::python(UNPACK, &[zip.to_str().unwrap(), folder.to_str().unwrap()]);
            }
        }
        StartTaskEnvironment { packages: packages.to_vec(), ..self.environment.clone() }.variables()
    }

    fn python(script: &str, args: &[&str]) {
        let output = Command::new("python3").arg("-c").arg(script).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs the start task as Batch does: the command line's words without a shell, in the start task's folder, with
    /// nothing in the environment but Batch's own and what the stubs need.
    pub(crate) fn start(&self, environment: &BTreeMap<String, String>) -> Run {
        let words = words(&self.command);
        let startup = PathBuf::from(self.environment.startup_dir());
        let home = self.machine.path("/").parent().unwrap().to_owned();
        let status = Command::new("timeout")
            .arg("60")
            .args(&words)
            .current_dir(startup.join("wd"))
            .env_clear()
            .envs(environment)
            .env("PATH", format!("{}:{}", home.join("bin").display(), environment["PATH"]))
            .env("STUB", home.join("state"))
            .env("SHARE", &self.share)
            .env("MOUNTS", "good")
            .env("FLAMENCO_AZURE_ROOT", self.machine.path("/"))
            .env("FLAMENCO_AZURE_WAIT", "0")
            .stdout(File::create(startup.join("stdout.txt")).unwrap())
            .stderr(File::create(startup.join("stderr.txt")).unwrap())
            .status()
            .unwrap();
        let read = |file| String::from_utf8(fs::read(startup.join(file)).unwrap()).unwrap();
        Run { code: status.code().unwrap(), out: read("stdout.txt"), err: read("stderr.txt") }
    }

    /// What an installed program says; `None` where there is none.
    pub(crate) fn says(&self, program: &str) -> Option<String> {
        let path = self.path(program);
        // A link that leads nowhere is no program either.
        path.exists().then(|| {
            let output = Command::new(path).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        })
    }

    /// The folders of /opt/flamenco, without the links to them.
    pub(crate) fn folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("/opt/flamenco")).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs a line of the shell on the machine's files.
    pub(crate) fn sh(&self, script: &str) {
        let output = Command::new("sh").args(["-ec", script]).current_dir(self.path("/")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.machine.path(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        self.machine.read(path)
    }

    pub(crate) fn stub(&self, name: &str, body: &str) {
        self.machine.stub(name, body);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.machine.log()
    }

    /// Every file of node and share; without what Batch writes itself.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let startup = PathBuf::from(self.environment.startup_dir());
        let mut all = self.machine.snapshot();
        all.retain(|path, _| path.parent() != Some(&startup) || path.is_dir());
        all
    }
}

/// Words of a command line: spaces separate, single and double quotes hold together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (' ', None) => words.push(String::new()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Makes a package's zip as `zip -r` makes one, with permission bits.
const PACK: &str = r##"
import sys, zipfile
path, name, version = sys.argv[1:]
def program(entry, says):
    info = zipfile.ZipInfo(entry, (2026, 11, 3, 7, 0, 0))
    info.create_system, info.external_attr = 3, 0o100755 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    package.writestr(info, f"#!/bin/sh\necho {says}\n")
with zipfile.ZipFile(path, "w") as package:
    if name == "blender-addons":
        program("addons/render.py", "addons")
    else:
        program(name, f"{name} {version}")
    if name == "blender":
        program(f"{version[:3]}/python/bin/python", f"python of blender {version}")
    if name == "flamenco-worker":
        program("tools/ffmpeg-linux-amd64", f"ffmpeg of flamenco-worker {version}")
"##;

/// Unpacks it as Batch's node agent does, for its own users and no others.
const UNPACK: &str = r"
import os, sys, zipfile
path, folder = sys.argv[1:]
with zipfile.ZipFile(path) as package:
    package.extractall(folder)
    for info in package.infolist():
        os.chmod(os.path.join(folder, info.filename), (info.external_attr >> 16) & 0o770)
for here, _, _ in os.walk(folder):
    os.chmod(here, 0o770)
";
