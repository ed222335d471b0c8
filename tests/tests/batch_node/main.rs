//! A Batch node for real: the pool's start task command, run as Batch runs it in the environment that Batch sets, with
//! application packages unpacked where Batch unpacks them. Nothing is pretended but what needs root or Azure (users,
//! units, mounts, apt), which is recorded.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../../../crates/manager-vm/tests/guest_support/mod.rs"]
mod guest_support;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use batch_pool::desired::PACKAGES_VARIABLE;
use batch_pool::environment::{Package, Unpacked, packages, variables};
use batch_pool::environment::{SetFor, TaskKind, Variable, package_folder};
use guest_support::has;
use guest_support::machine::Site;
use manager_vm::guest::{GuestConfig, node_setup_script, start_task_script};
use node::{Node, package};

fn tools() -> bool {
    has("bash") && has("curl") && has("tar") && has("flock") && has("sha256sum") && has("python3")
}

/// A farm whose Manager is set up, and so a share with the publishers' Flamenco 3.8.5 and Blender 4.5.14.
fn farm() -> (Site, GuestConfig) {
    let site = Site::new();
    let config = site.config();
    let manager = site.machine("manager");
    manager.cloud_init(&config);
    assert_eq!(manager.set_up(), "done");
    (site, config)
}

const BLENDER: &str = "/opt/flamenco/blender/blender";
const WORKER: &str = "/opt/flamenco/flamenco/flamenco-worker";
const FFMPEG: &str = "/opt/flamenco/flamenco/tools/ffmpeg-linux-amd64";
const RESTART: &str = "systemctl restart flamenco-worker.service";
const START: &str = "systemctl start flamenco-worker.service";

fn three() -> Vec<Unpacked> {
    vec![package("blender", "5.0.1"), package("flamenco-worker", "3.9"), package("ffmpeg", "7.1")]
}

#[test]
fn a_node_takes_its_programs_from_packages_and_a_second_run_changes_nothing() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    let run = node.start(&node.with(&three()));
    assert_eq!(run.code, 0, "{}", run.err);
    for (program, says) in [
        (BLENDER, "blender 5.0.1"),
        (WORKER, "flamenco-worker 3.9"),
        (FFMPEG, "ffmpeg 7.1"),
        ("/opt/flamenco/blender/5.0/python/bin/python", "python of blender 5.0.1"),
    ] {
        assert_eq!(node.says(program).as_deref(), Some(says), "{program}");
        // Batch's folders are closed to the Worker's user.
        let mode = fs::metadata(node.path(program)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "{program}");
    }
    assert_eq!(
        fs::read_link(node.path("/opt/flamenco/flamenco")).unwrap().to_str(),
        Some("flamenco-worker.package")
    );
    assert_eq!(
        fs::metadata(node.path("/opt/flamenco/blender")).unwrap().permissions().mode() & 0o7777,
        0o755
    );
    assert_eq!(node.folders(), ["blender.package", "ffmpeg.package", "flamenco-worker.package"]);
    let unit = node.read("/etc/systemd/system/flamenco-worker.service");
    let log = format!(
        "StandardOutput=append:{}/flamenco-worker.log\n",
        node.variables()["AZ_BATCH_NODE_SHARED_DIR"]
    );
    assert!(unit.contains(&log), "{unit}");
    assert!(node.read("/etc/flamenco-azure/worker.env").contains("FLAMENCO_WORKER_NAME=tvmps_1_d\n"));
    let log = node.log();
    for line in ["groupadd --gid 4080 flamenco", RESTART] {
        assert!(log.iter().any(|other| other == line), "{line}: {log:#?}");
    }
    assert!(log.iter().any(|line| line.starts_with("apt-get ") && line.contains(" libegl1")), "{log:#?}");

    let before = node.snapshot();
    let run = node.start(&node.with(&three()));
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "flamenco-azure: worker tvmps_1_d is set up\n"),
        "{}",
        run.err
    );
    assert_eq!(node.snapshot(), before);
    assert_eq!(node.log(), [START]);
}

/// Every subset of the packages, each after one that differs from it in one package: what a node has follows its pool,
/// whatever it had before, and the Worker is restarted for it.
#[test]
fn a_nodes_programs_follow_the_pools_packages() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    let three = three();
    for step in 0..=8_u32 {
        // Neighbours in this order (a Gray code) differ in one bit; the last is the first again.
        let subset = (step % 8) ^ ((step % 8) >> 1);
        let of = |bit: usize| subset & (1 << bit) != 0;
        let packages: Vec<Unpacked> = three
            .iter()
            .enumerate()
            .filter(|(bit, _)| of(*bit))
            .map(|(_, package)| package.clone())
            .collect();
        let run = node.start(&node.with(&packages));
        assert_eq!(run.code, 0, "{subset:03b}: {}", run.err);
        let blender = if of(0) { "blender 5.0.1" } else { "blender 4.5.14" };
        let worker = if of(1) { "flamenco-worker 3.9" } else { "flamenco-worker 3.8.5" };
        // The share's Flamenco of these tests has no FFmpeg, the package's has one.
        let own = of(1).then_some("ffmpeg of flamenco-worker 3.9");
        let ffmpeg = if of(2) { Some("ffmpeg 7.1") } else { own };
        assert_eq!(node.says(BLENDER).as_deref(), Some(blender), "{subset:03b}");
        assert_eq!(node.says(WORKER).as_deref(), Some(worker), "{subset:03b}");
        assert_eq!(node.says(FFMPEG).as_deref(), ffmpeg, "{subset:03b}");
        assert_eq!(node.log().last().map(String::as_str), Some(RESTART), "{subset:03b}");
        let before = node.snapshot();
        assert_eq!(node.start(&node.with(&packages)).code, 0);
        assert_eq!(node.snapshot(), before, "{subset:03b}");
        assert!(node.log().iter().all(|line| line == START), "{subset:03b}");
    }
}

#[test]
fn another_version_or_another_upload_of_one_replaces_what_a_node_has() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    let old = package("blender", "5.0.1");
    assert_eq!(node.start(&node.with(std::slice::from_ref(&old))).code, 0);
    let again = Unpacked { stamp: old.stamp.date().at(23, 59, 0, 0), ..old.clone() };
    let other = package("blender", "5.1.0-beta");
    for (next, says) in
        [(again.clone(), "blender 5.0.1"), (other, "blender 5.1.0-beta"), (again, "blender 5.0.1")]
    {
        node.log();
        assert_eq!(node.start(&node.with(std::slice::from_ref(&next))).code, 0);
        assert_eq!(node.says(BLENDER).as_deref(), Some(says));
        let mark = node.read("/opt/flamenco/blender.package/.flamenco-azure-package");
        assert!(next.folder("").ends_with(mark.trim_end()), "{mark}");
        assert_eq!(node.log(), ["systemctl daemon-reload", RESTART]);
    }
    assert_eq!(node.folders(), ["blender.package", "flamenco-3.8.5-linux-amd64"]);
}

/// How a node writes the name of a variable.
type Spelling = fn(&str) -> String;

/// Microsoft's pages and nodes disagree about the case of the variables, and without a default version there is only
/// the variable with the version.
#[test]
fn a_package_is_found_under_every_name_that_nodes_give_it() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let addons = Unpacked { package: Package::new("blender-addons", "1.0"), ..package("blender", "1.0") };
    let versioned = Unpacked { is_default: false, ..package("blender", "v5-daily") };
    let cases: [(&str, Vec<Unpacked>, Spelling); 6] = [
        ("lower", vec![package("blender", "5.0.1")], str::to_owned),
        ("upper", vec![package("blender", "5.0.1")], |name| name.replace("blender", "BLENDER")),
        ("kept", vec![package("blender", "5.0.1")], |name| name.replace("blender", "Blender")),
        ("versioned", vec![Unpacked { is_default: false, ..package("blender", "5.0.1") }], str::to_owned),
        ("words", vec![versioned, addons.clone()], str::to_owned),
        ("beside", vec![addons, package("blender", "5.0.1")], str::to_owned),
    ];
    for (name, packages, spell) in cases {
        let node = Node::new(&site, name, &config);
        let environment = node.with(&packages);
        let wanted = packages.iter().find(|one| one.package.id == "blender").unwrap();
        let environment: BTreeMap<String, String> =
            environment.into_iter().map(|(name, value)| (spell(&name), value)).collect();
        // The library finds what the script finds.
        let version = (!wanted.is_default).then_some(wanted.package.version.as_str());
        let folder = package_folder(&environment, "blender", version).unwrap().expect(name).to_owned();
        let run = node.start(&environment);
        assert_eq!(run.code, 0, "{name}: {}", run.err);
        let version = &wanted.package.version;
        assert_eq!(node.says(BLENDER), Some(format!("blender {version}")), "{name}");
        let mark = node.read("/opt/flamenco/blender.package/.flamenco-azure-package");
        assert!(folder.ends_with(mark.trim_end()), "{name}: {mark}");
    }
    // A package whose id only starts like it is none.
    let node = Node::new(&site, "none", &config);
    let addons = Unpacked { package: Package::new("blender-addons", "1.0"), ..package("blender", "1.0") };
    assert_eq!(node.start(&node.with(&[addons])).code, 0);
    assert_eq!(node.says(BLENDER).as_deref(), Some("blender 4.5.14"));
}

/// The exit code is all that Batch takes from a start task: with another than 0 (`FailureExitCode`) the node is
/// `starttaskfailed`. The words are the last line of `stderr.txt`, which `pool logs` shows.
#[test]
fn a_package_that_cannot_be_used_fails_the_start_task_and_heals() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    let blender = package("blender", "5.0.1");
    let environment = node.with(std::slice::from_ref(&blender));
    let folder = blender.folder(&node.variables()["AZ_BATCH_NODE_ROOT_DIR"]);
    let name = folder.rsplit('/').next().unwrap().to_owned();
    let no_program = format!("the application package blender ({name}) has no executable blender at its top");
    let refused = |reason: &str| {
        let run = node.start(&environment);
        let last = run.err.lines().last().unwrap_or_default();
        assert_eq!(
            (run.code, last),
            (1, format!("flamenco-azure: failed: {reason}").as_str()),
            "{}",
            run.err
        );
        assert!(!node.log().iter().any(|line| line.contains("flamenco-worker.service")), "{reason}");
        assert!(!node.path("/opt/flamenco/blender").exists(), "{reason}");
        let half_made =
            node.snapshot().into_keys().any(|path| path.display().to_string().contains(".unpack."));
        assert!(!half_made || reason.contains("cannot copy"), "{reason}");
    };
    // A folder at the top of the zip, as upstream archives have one.
    node.sh(&format!("cd '{folder}' && mkdir top && mv blender top/"));
    refused(&no_program);
    // Nor is it taken for another package where only the variable with the version is there.
    let versioned = node.with(&[Unpacked { is_default: false, ..blender.clone() }]);
    let run = node.start(&versioned);
    assert_eq!(
        (run.code, run.err.lines().last()),
        (1, Some(format!("flamenco-azure: failed: {no_program}").as_str()))
    );
    // The program's name is a folder's.
    node.sh(&format!("cd '{folder}' && mkdir blender"));
    refused(&no_program);
    // A zip without permission bits.
    node.sh(&format!("cd '{folder}' && rmdir blender && mv top/blender . && chmod -x blender"));
    refused(&no_program);
    node.sh(&format!("mv '{folder}' '{folder}.gone'"));
    refused(&no_program);
    node.sh(&format!("mv '{folder}.gone' '{folder}' && chmod +x '{folder}/blender'"));
    node.stub("cp", "exit 1");
    refused("cannot copy the application package blender (disk full?)");
    node.stub("cp", r#"PATH=${PATH#*:} exec cp "$@""#);

    let run = node.start(&environment);
    assert_eq!((run.code, node.says(BLENDER).as_deref()), (0, Some("blender 5.0.1")), "{}", run.err);
    assert!(!node.snapshot().into_keys().any(|path| path.display().to_string().contains(".unpack.")));
}

/// What a pool refers to is what its nodes render with, or they do not render: the share's program is no substitute.
#[test]
fn a_node_without_a_package_that_its_pool_refers_to_fails_its_start_task() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    let blender = package("blender", "5.0.1");
    let addons = package("blender-addons", "1.0");
    let cases = [
        ("blender", vec![], Some("blender")),
        ("Blender", vec![], Some("Blender")),
        ("blender", vec![addons.clone()], Some("blender")),
        ("blender tool", vec![blender.clone()], Some("tool")),
        ("blender", vec![blender.clone()], None),
        ("blender blender-addons", vec![blender, addons], None),
    ];
    for (names, there, missing) in cases {
        let mut environment = node.with(&there);
        environment.insert(PACKAGES_VARIABLE.to_owned(), names.to_owned());
        let run = node.start(&environment);
        let Some(missing) = missing else {
            assert_eq!((run.code, node.says(BLENDER).as_deref()), (0, Some("blender 5.0.1")), "{}", run.err);
            continue;
        };
        let reason = format!("the application package {missing} is not on this node");
        assert!(run.code == 1 && run.err.contains(&reason), "{names}: {} {}", run.code, run.err);
        assert!(!node.path("/opt/flamenco/blender").exists(), "{names}");
    }
}

#[test]
fn several_versions_without_a_default_are_refused() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    let mut two = vec![package("blender", "5.0.1"), package("blender", "5.1.0")];
    for package in &mut two {
        package.is_default = false;
    }
    let run = node.start(&node.with(&two));
    let reason = "this pool has several versions of the application package blender, and none is its default";
    assert_eq!(
        (run.code, run.err.lines().last()),
        (1, Some(format!("flamenco-azure: failed: {reason}").as_str()))
    );
    two[1].is_default = true;
    assert_eq!(node.start(&node.with(&two)).code, 0);
    assert_eq!(node.says(BLENDER).as_deref(), Some("blender 5.1.0"));
}

/// What no check foresaw ends with the failed command's own exit code.
#[test]
fn an_unforeseen_failure_keeps_its_exit_code() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    node.stub("sync", "exit 9");
    let run = node.start(&node.with(&three()));
    let last = run.err.lines().last().unwrap_or_default();
    assert_eq!(run.code, 9, "{}", run.err);
    assert!(
        last.starts_with("flamenco-azure: failed: unexpected error in line ") && last.contains("sync -f"),
        "{last}"
    );
    assert!(!node.path("/opt/flamenco/flamenco").exists());
}

/// A node that lost its power in the middle of a start task: what is half made is not taken for installed.
#[test]
fn a_start_task_that_was_killed_is_made_up_for() {
    if !tools() {
        return;
    }
    let (site, config) = farm();
    let node = Node::new(&site, "node", &config);
    assert_eq!(node.start(&node.with(&three())).code, 0);
    let base = node.path("/opt/flamenco").display().to_string();
    // Killed while it copied, and after it moved Flamenco's own FFmpeg away.
    node.sh(&format!(
        "cd '{base}' && mkdir -p .unpack.killed/out && echo half >blender.package/blender && \
         rm blender.package/.flamenco-azure-package && rm flamenco/tools/ffmpeg-linux-amd64"
    ));
    let two = &three()[..2];
    let run = node.start(&node.with(two));
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(node.says(BLENDER).as_deref(), Some("blender 5.0.1"));
    assert_eq!(node.says(FFMPEG).as_deref(), Some("ffmpeg of flamenco-worker 3.9"));
    assert!(!node.path("/opt/flamenco/.unpack.killed").exists());
    assert!(node.log().contains(&RESTART.to_owned()));
}

/// The scripts read no variable that a start task does not have.
#[test]
fn the_scripts_read_only_what_batch_sets_for_a_start_task() {
    for config in guest_support::configs() {
        let scripts = [start_task_script(&config).unwrap(), node_setup_script(&config).unwrap()].concat();
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        let names: BTreeSet<&str> = scripts
            .match_indices("AZ_BATCH_")
            .map(|(at, _)| &scripts[at..])
            .map(|rest| &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())])
            .collect();
        assert!(names.contains(variables::NODE_ID.name) && names.contains(variables::NODE_SHARED_DIR.name));
        for name in names {
            let variable =
                Variable::of_name(name).unwrap_or_else(|| panic!("{name} is no variable of Batch"));
            assert!(variable.set_for.may_be_on(TaskKind::Start), "{name}");
            assert_eq!(variable.set_for, SetFor::AllTasks, "{name}");
        }
        // Names of packages are compared in lower case.
        assert!(scripts.contains(&packages::PACKAGE_PREFIX.to_lowercase()));
    }
}
