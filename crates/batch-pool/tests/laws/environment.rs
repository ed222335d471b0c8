//! The environment of a start task: against Microsoft's table, against a listing of a real node, and both ways between
//! packages and variables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use batch_pool::environment::variables::{self, ALL};
use batch_pool::environment::*;
use jiff::civil::date;
use proptest::prelude::*;

type Variables = BTreeMap<String, String>;

fn unpacked(id: &str, version: &str, minute: i8, is_default: bool) -> Unpacked {
    Unpacked { package: Package::new(id, version), stamp: date(2026, 11, 3).at(7, minute, 59, 0), is_default }
}

fn node() -> StartTaskEnvironment {
    StartTaskEnvironment {
        account_endpoint: "studiobatch.swedencentral.batch.azure.com".to_owned(),
        pool: "render".to_owned(),
        node: "tvmps_9c1e_p".to_owned(),
        dedicated: false,
        root: NODE_ROOT.to_owned(),
        user: AutoUser::PoolAdmin,
        packages: vec![
            unpacked("blender", "5.0.1", 4, true),
            unpacked("flamenco-worker", "3.8-beta1", 30, false),
        ],
    }
}

#[test]
fn every_variable_follows_from_what_is_known_of_the_node() {
    let wanted = [
        ("AZ_BATCH_ACCOUNT_NAME", "studiobatch"),
        ("AZ_BATCH_ACCOUNT_URL", "https://studiobatch.swedencentral.batch.azure.com/"),
        ("AZ_BATCH_APP_PACKAGE_blender", "/mnt/batch/tasks/applications/blender5.0.12026-11-03-07-04"),
        ("AZ_BATCH_APP_PACKAGE_blender_5_0_1", "/mnt/batch/tasks/applications/blender5.0.12026-11-03-07-04"),
        (
            "AZ_BATCH_APP_PACKAGE_flamenco_worker_3_8_beta1",
            "/mnt/batch/tasks/applications/flamenco-worker3.8-beta12026-11-03-07-30",
        ),
        ("AZ_BATCH_CERTIFICATES_DIR", "/mnt/batch/tasks/startup/certs"),
        ("AZ_BATCH_NODE_ID", "tvmps_9c1e_p"),
        ("AZ_BATCH_NODE_IS_DEDICATED", "false"),
        ("AZ_BATCH_NODE_MOUNTS_DIR", "/mnt/batch/tasks/fsmounts"),
        ("AZ_BATCH_NODE_ROOT_DIR", "/mnt/batch/tasks"),
        ("AZ_BATCH_NODE_SHARED_DIR", "/mnt/batch/tasks/shared"),
        ("AZ_BATCH_NODE_STARTUP_DIR", "/mnt/batch/tasks/startup"),
        ("AZ_BATCH_POOL_ID", "render"),
        ("AZ_BATCH_TASK_DIR", "/mnt/batch/tasks/startup"),
        ("AZ_BATCH_TASK_USER", "_azbatch"),
        ("AZ_BATCH_TASK_USER_IDENTITY", "PoolAdmin"),
        ("AZ_BATCH_TASK_WORKING_DIR", "/mnt/batch/tasks/startup/wd"),
        ("HOME", "/mnt/batch/tasks/startup/wd"),
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/mnt/batch/tasks/shared:/mnt/batch/tasks/startup/wd",
        ),
        ("USER", "_azbatch"),
    ];
    let wanted: Variables =
        wanted.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(node().variables(), wanted);
}

/// What a shell that Batch starts prints: the node's root is a scratch folder, shown as the real one.
fn printed(node: &StartTaskEnvironment) -> Variables {
    let scratch = std::fs::canonicalize(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = scratch.join("node-that-prints").display().to_string();
    let moved = StartTaskEnvironment { root: root.clone(), ..node.clone() };
    std::fs::create_dir_all(moved.working_dir()).unwrap();
    // As a script prints it; a shell that was told to print alone becomes the program and counts one level less.
    let output = Command::new("/bin/bash")
        .args(["-c", "/usr/bin/env; true"])
        .current_dir(moved.working_dir())
        .env_clear()
        .envs(moved.variables())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap().replace(&root, &node.root);
    lines_of_env(text.lines())
}

fn lines_of_env<'a>(lines: impl Iterator<Item = &'a str>) -> Variables {
    lines
        .map(|line| line.trim().split_once('=').expect("NAME=value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The listing of a real node's start task, in the notes of whoever made the first farms: beside the recorded traffic
/// and, as that, no part of this repository.
fn listing() -> Option<Variables> {
    let truth = std::env::var_os("AZURE_TRUTH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/azure"), PathBuf::from);
    let notes = truth.join("../seeds");
    let files = std::fs::read_dir(&notes).into_iter().flatten().filter_map(Result::ok);
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let listing = texts
        .filter(|text| text.contains("    AZ_BATCH_ACCOUNT_NAME="))
        .map(|text| {
            let lines = text.lines().skip_while(|line| !line.starts_with("    AZ_BATCH_ACCOUNT_NAME="));
            lines_of_env(lines.take_while(|line| line.starts_with("    ") && line.contains('=')))
        })
        .next();
    if listing.is_none() {
        eprintln!("SKIPPED: no listing of a node's environment in {} (set AZURE_TRUTH_DIR)", notes.display());
    }
    listing
}

/// The packages that a node's folders tell of, by the law of their names: id, version, time.
fn packages_of(listing: &Variables) -> Vec<Unpacked> {
    let folders: BTreeSet<&String> = listing
        .iter()
        .filter_map(|(name, folder)| name.starts_with(packages::PACKAGE_PREFIX).then_some(folder))
        .collect();
    let one = |folder: &&String| {
        let names: Vec<&String> =
            listing.iter().filter(|(_, value)| value == folder).map(|(name, _)| name).collect();
        let shortest = names.iter().map(|name| name.len()).min().unwrap() - packages::PACKAGE_PREFIX.len();
        let base = folder.rsplit('/').next().unwrap();
        let (rest, stamp) = base.split_at(base.len() - "2019-01-01-00-00".len());
        let (id, version) = rest.split_at(shortest);
        Unpacked {
            package: Package::new(id, version),
            stamp: jiff::civil::DateTime::strptime("%Y-%m-%d-%H-%M", stamp).unwrap(),
            is_default: names.len() == 2,
        }
    };
    folders.iter().map(one).collect()
}

#[test]
fn a_real_nodes_listing_follows_from_what_was_known_of_the_node() {
    let Some(listing) = listing() else { return };
    let of = |variable: Variable| listing[variable.name].clone();
    let url = of(variables::ACCOUNT_URL);
    let node = StartTaskEnvironment {
        account_endpoint: url.trim_start_matches("https://").trim_end_matches('/').to_owned(),
        pool: of(variables::POOL_ID),
        node: of(variables::NODE_ID),
        dedicated: of(variables::NODE_IS_DEDICATED) == "true",
        root: NODE_ROOT.to_owned(),
        user: AutoUser::TaskNonAdmin,
        packages: packages_of(&listing),
    };
    assert_eq!(node.packages.len(), 3, "{:?}", node.packages);
    assert!(node.packages.iter().all(|unpacked| unpacked.is_default));
    let mut printed = printed(&node);
    // Younger than the listing.
    assert!(printed.remove(variables::NODE_MOUNTS_DIR.name).is_some());
    assert_eq!(printed, listing);
    assert!(listing.len() >= 24, "the listing is complete");
}

#[test]
fn a_start_task_has_what_all_tasks_have_and_nothing_else() {
    let variables = node().variables();
    let of_contract =
        |name: &&String| name.starts_with("AZ_BATCH_") && !name.starts_with(packages::PACKAGE_PREFIX);
    let set: BTreeSet<&str> = variables.keys().filter(of_contract).map(String::as_str).collect();
    let wanted: BTreeSet<&str> = ALL
        .iter()
        .filter(|variable| variable.set_for.may_be_on(TaskKind::Start))
        .map(|variable| variable.name)
        .filter(|name| *name != variables::TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES.name)
        .collect();
    assert_eq!(set, wanted);
}

#[test]
fn each_variable_is_listed_once_and_found_by_its_name() {
    let names: BTreeSet<&str> = ALL.iter().map(|variable| variable.name).collect();
    assert_eq!(names.len(), ALL.len());
    for variable in ALL {
        assert_eq!(Variable::of_name(variable.name), Some(*variable));
        assert!(candidates(variable.name, &[Package::new("blender", "5.0.1")]).is_empty());
    }
    assert_eq!(Variable::of_name("az_batch_node_id"), None);
    assert_eq!(Variable::of_name("AZ_BATCH_APP_PACKAGE_blender"), None);
}

#[test]
fn what_all_tasks_have_each_kind_has() {
    for kind in TaskKind::ALL {
        let has = |variable: Variable| variable.set_for.may_be_on(kind);
        assert!(has(variables::NODE_ID) && has(variables::TASK_WORKING_DIR), "{kind:?}");
        assert_eq!(has(variables::JOB_ID), kind != TaskKind::Start);
        assert_eq!(has(variables::TASK_ID), kind != TaskKind::Start);
        assert_eq!(has(variables::CCP_NODES), kind == TaskKind::MultiInstance);
        let prepared = !matches!(kind, TaskKind::Start | TaskKind::JobPreparation);
        assert_eq!(has(variables::JOB_PREP_DIR), prepared);
        assert_eq!(
            has(variables::AUTHENTICATION_TOKEN),
            matches!(kind, TaskKind::Job | TaskKind::MultiInstance)
        );
    }
}

#[test]
fn names_of_packages_are_as_nodes_and_microsoft_write_them() {
    for (id, version, name) in [
        ("Agent-linux-x64", Some("1.1.46.0"), "agent_linux_x64_1_1_46_0"),
        ("blender", Some("2.7"), "blender_2_7"),
        ("FOO", Some("1"), "foo_1"),
        ("flamenco-worker", None, "flamenco_worker"),
    ] {
        assert_eq!(package_variable(id, version), format!("AZ_BATCH_APP_PACKAGE_{name}"));
    }
}

#[test]
fn a_name_of_two_packages_gives_both() {
    let known =
        [Package::new("ffmpeg", "4.1"), Package::new("ffmpeg-4", "1"), Package::new("ffmpeg-4-1", "7")];
    let meant: Vec<(&str, bool)> = candidates("AZ_BATCH_APP_PACKAGE_ffmpeg_4_1", &known)
        .iter()
        .map(|candidate| (candidate.package.id.as_str(), candidate.as_default))
        .collect();
    assert_eq!(meant, [("ffmpeg", false), ("ffmpeg-4", false), ("ffmpeg-4-1", true)]);
}

#[test]
fn variables_that_differ_in_case_alone_must_agree() {
    let name = |case: &str| format!("AZ_BATCH_APP_PACKAGE_{case}");
    let both = |other: &str| -> Variables {
        [(name("FOO"), "/a".to_owned()), (name("foo"), other.to_owned())].into()
    };
    assert_eq!(package_folder(&both("/a"), "Foo", None), Ok(Some("/a")));
    let error = package_folder(&both("/b"), "Foo", None).unwrap_err();
    assert_eq!((error.first, error.second), (name("FOO"), name("foo")));
    assert_eq!(package_folder(&both("/b"), "other", None), Ok(None));
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,8}"
}

fn version() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,8}"
}

/// As a node that keeps an id's case writes it.
fn kept_case(id: &str, version: &str) -> String {
    let name = format!("{id}_{version}").replace(['.', '-'], "_");
    format!("{}{name}", packages::PACKAGE_PREFIX)
}

proptest! {
    /// From packages to variables and back: each package is found by its own name in either case, by its default's
    /// name, and by no name that is not its own.
    #[test]
    fn packages_and_names_lead_to_each_other(
        pairs in proptest::collection::btree_set((id(), version()), 1..6),
    ) {
        let known: Vec<Package> = pairs.iter().map(|(id, version)| Package::new(id, version)).collect();
        for package in &known {
            let Package { id, version } = package;
            for name in [package_variable(id, Some(version)), kept_case(id, version)] {
                let found = candidates(&name, &known);
                let own = Candidate { package, as_default: false };
                prop_assert!(found.contains(&own), "{name}");
                for candidate in found {
                    let Package { id, version } = candidate.package;
                    let version = (!candidate.as_default).then_some(version.as_str());
                    prop_assert!(package_variable(id, version).eq_ignore_ascii_case(&name), "{name}");
                }
                let longer = format!("{name}_");
                prop_assert!(candidates(&longer, std::slice::from_ref(package)).is_empty());
            }
            let own = Candidate { package, as_default: true };
            prop_assert!(candidates(&package_variable(id, None), &known).contains(&own));
        }
    }

    /// A node's packages are where its environment says, whatever their ids and versions are.
    #[test]
    fn a_package_on_a_node_is_found_with_its_folder(id in id(), version in version(), is_default: bool) {
        let one = unpacked(&id, &version, 0, is_default);
        let folder = one.folder(NODE_ROOT);
        let variables = StartTaskEnvironment { packages: vec![one.clone()], ..node() }.variables();
        prop_assert_eq!(package_folder(&variables, &id, Some(&version)), Ok(Some(folder.as_str())));
        let default = package_folder(&variables, &id, None).unwrap();
        prop_assert_eq!(default, is_default.then_some(folder.as_str()));
        let known = [one.package];
        let found = packages_in(&variables, &known);
        prop_assert_eq!(found.len(), 1 + usize::from(is_default));
        for found in found {
            prop_assert_eq!(found.folder, &folder);
            prop_assert_eq!(found.candidates.len(), 1);
        }
        prop_assert!(packages_in(&variables, &[]).iter().all(|found| found.candidates.is_empty()));
    }
}
