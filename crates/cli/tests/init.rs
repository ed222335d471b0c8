//! `init` as a process: from a pipe, alone, again, and on an old tool's file.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{KEY, Place, Ran, SUBSCRIPTION};

/// The answers to every question on a machine without a key, in their order.
const ANSWERS: &[&str] = &["westeurope", "sunrise", "203.0.113.0/24", "nobody", "", "yes"];

const COMPLETE: &str = "\
# our farm
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope # near us
defaultName: sunrise
resourceGroup: sunrise-rg
virtualMachine: sunrise-vm
storageAccountName: sunrisefiles
batchAccountName: sunrisebatch
manager:
  # the studio
  access:
    ssh: [203.0.113.0/24]
    web: [203.0.113.0/24]
";

/// The questions of a run, the summary's own left out.
fn asked(ran: &Ran) -> Vec<&'static str> {
    let titles = [
        "Subscription",
        "Location",
        "Farm name",
        "Resource group",
        "Manager VM",
        "Storage account",
        "Batch account",
        "Who may sign in by ssh",
        "Who may open the web page",
        "SSH public key",
    ];
    let title = |line: &str| {
        titles.into_iter().find(|title| {
            line.strip_prefix(title).is_some_and(|rest| rest.starts_with(" [") || rest.starts_with(": "))
        })
    };
    ran.err.lines().filter_map(title).collect()
}

#[test]
fn a_pipe_answers_in_order_and_the_rest_is_derived() {
    let place = Place::new();
    let ran = place.init(&[], ANSWERS);
    ran.ended(0, &["the only one", "Accept, or change a line", "flamenco-azure deploy"]);
    assert!(ran.out.contains("azure_config.yaml"));
    let file = place.file();
    for line in [
        &format!("subscriptionID: {SUBSCRIPTION}"),
        "location: westeurope",
        "defaultName: sunrise",
        "resourceGroup: sunrise",
        "virtualMachine: sunrise",
        "storageAccountName: sunrise",
        "batchAccountName: sunrise",
        "    ssh: [203.0.113.0/24]",
    ] {
        assert!(file.lines().any(|l| l == line), "`{line}` is missing in:\n{file}");
    }
    assert_eq!(place.run(&["plan", "--simulate", "w.json"]).code, 0);
}

#[cfg(unix)]
#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.init(&[], &["westeurope"]);
    assert_eq!(
        std::fs::metadata(place.path("azure_config.yaml")).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn each_answer_is_kept_when_the_pipe_ends() {
    for count in 0..ANSWERS.len() {
        let place = Place::new();
        place.init(&[], &ANSWERS[..count]).ended(1, &["standard input ended at the question", "hint"]);
        let file = place.file();
        for (answer, key) in ANSWERS[..count].iter().zip(["location", "defaultName", "ssh", "access"]) {
            assert!(file.contains(key), "{count} answers, `{answer}` for `{key}` is lost:\n{file}");
        }
        // And running again asks for the rest only.
        let rest: Vec<&str> = ANSWERS[count.min(4)..].to_vec();
        place.init(&[], &rest).ended(0, &[]);
    }
}

#[test]
fn closed_standard_input_is_an_error_not_a_panic() {
    let place = Place::new();
    let mut command = place.command();
    let output =
        command.args(["init", "--simulate", "w.json"]).stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`Location`"));
}

#[test]
fn without_input_everything_missing_is_one_error_with_keys_and_flags() {
    let place = Place::new();
    let ran = place.init_alone(&[]);
    ran.ended(1, &["location", "defaultName", "--location", "--name"]);
    assert_eq!(ran.count("error:"), 1, "{}", ran.err);
    assert!(!place.path("azure_config.yaml").exists());
}

#[test]
fn flags_answer_everything() {
    let place = Place::new();
    place.write("key.pub", KEY);
    let flags = "--location northeurope --name dawn --group dawn-rg --vm dawn-vm --sa dawnfiles --ba dawnbatch \
                 --ssh-from 203.0.113.0/24 --ssh-from 198.51.100.7 --web-from nobody --ssh-key key.pub";
    let flags: Vec<&str> = flags.split_whitespace().chain(["--subscription", SUBSCRIPTION]).collect();
    place.init_alone(&flags).ended(0, &["dawn-rg", "dawnfiles"]);
    let file = place.file();
    let lines =
        ["resourceGroup: dawn-rg", "virtualMachine: dawn-vm", "198.51.100.7", "web: []", "sam@studio"];
    for line in lines.iter().chain(&["location: northeurope", "batchAccountName: dawnbatch"]) {
        assert!(file.contains(line), "`{line}` is missing in:\n{file}");
    }
    let again = place.init_alone(&flags);
    again.ended(0, &[]);
    assert_eq!(place.file(), file, "the same answers change nothing");
}

#[test]
fn a_bad_flag_is_named_and_nothing_is_asked() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--location", "westeurop"], &["--location", "did you mean `westeurope`"]),
        (&["--name", "No Good"], &["--name", "`no-good`"]),
        (&["--sa", "Sun-Rise"], &["--sa", "lower-case"]),
        (&["--ssh-from", "203.0.113.1/24"], &["--ssh-from", "did you mean `203.0.113.0/24`"]),
        (&["--web-from", "0.0.0.0/0"], &["--web-from", "whole internet", "--allow-world"]),
        (&["--ssh-key", "private"], &["--ssh-key", "private key", ".pub"]),
        (&["--ssh-key", "nowhere.pub"], &["nowhere.pub"]),
        (
            &["--subscription", "11111111-2222-3333-4444-555555555555"],
            &["--subscription", "sees no subscription"],
        ),
    ];
    for (flags, words) in cases {
        let place = Place::new();
        place.write(
            "private",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LWhhbGY=\n-----END OPENSSH PRIVATE KEY-----\n",
        );
        let whole = ["--location", "westeurope", "--name", "sunrise"];
        let kept = whole.chunks(2).filter(|pair| pair[0] != flags[0]).flatten();
        let args: Vec<&str> = flags.iter().chain(kept).copied().collect();
        let ran = place.init_alone(&args);
        ran.ended(1, words);
        assert!(!ran.err.contains("c2VjcmV0"), "{}", ran.err);
    }
}

#[test]
fn deleting_a_key_and_running_again_asks_only_for_that() {
    let questions = [
        ("location: westeurope # near us\n", "Location", "northeurope"),
        ("defaultName: sunrise\n", "Farm name", "dawn"),
        ("    ssh: [203.0.113.0/24]\n", "Who may sign in by ssh", "nobody"),
        ("    web: [203.0.113.0/24]\n", "Who may open the web page", "192.0.2.0/24"),
    ];
    for (line, question, answer) in questions {
        let place = Place::new();
        place.give_key();
        assert!(COMPLETE.contains(line));
        place.write("azure_config.yaml", &COMPLETE.replace(line, ""));
        let ran = place.init(&[], &[answer, "yes"]);
        ran.ended(0, &[question]);
        assert_eq!(asked(&ran), [question], "{}", ran.err);
        let file = place.file();
        assert!(file.contains(answer) || answer == "nobody", "{file}");
        assert!(file.contains("# our farm") && file.contains("# the studio"), "comments stay:\n{file}");
    }
}

#[test]
fn a_complete_file_stays_byte_for_byte() {
    let place = Place::new();
    place.give_key();
    place.write("azure_config.yaml", COMPLETE);
    place.init(&[], &["yes"]).ended(0, &[]);
    assert_eq!(place.file(), COMPLETE);
    place.init_alone(&[]).ended(0, &[]);
    assert_eq!(place.file(), COMPLETE);
}

#[test]
fn nobody_is_asked_for_once() {
    let place = Place::new();
    place.give_key();
    place.init(&[], &["westeurope", "sunrise", "nobody", "nobody", "yes"]).ended(0, &["Nobody is admitted"]);
    let again = place.init(&[], &["yes"]);
    again.ended(0, &["Nobody is admitted"]);
    assert!(asked(&again).is_empty(), "{}", again.err);
}

#[test]
fn bad_answers_are_asked_again_with_the_reason() {
    let place = Place::new();
    let answers = [
        "westeurop",
        "westeurope",
        "No Good",
        "sunrise",
        "203.0.113.1/24",
        "0.0.0.0/0",
        "a.b.c.d",
        "203.0.113.0/24",
        "nobody",
        "nowhere.pub",
        "",
        "yes",
    ];
    let ran = place.init(&[], &answers);
    ran.ended(
        0,
        &[
            "did you mean `westeurope`",
            "`no-good`",
            "did you mean `203.0.113.0/24`",
            "whole internet",
            "nowhere.pub",
        ],
    );
    assert!(place.file().contains("ssh: [203.0.113.0/24]"));
}

#[test]
fn a_taken_name_is_varied_when_derived_and_asked_again_when_given() {
    let taken = |world: &mut azure_sim::World| {
        world.take_name("storage", "sunrise");
        world.take_name("batch/westeurope", "sunrise");
        world.take_name("dns/westeurope", "sunrise");
    };
    let place = Place::with(taken);
    place.give_key();
    let ran = place.init(&[], &["westeurope", "sunrise", "", "", "yes"]);
    ran.ended(0, &["(`sunrise` is taken)"]);
    let file = place.file();
    for key in ["storageAccountName", "batchAccountName", "virtualMachine"] {
        let line = file.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line.contains(": sunrise") && !line.ends_with("sunrise"), "{line}");
    }
    assert!(file.contains("resourceGroup: sunrise\n"));

    let place = Place::with(taken);
    place.give_key();
    // A line of the summary is chosen by its name, and a taken name takes another line.
    let ran = place
        .init(&[], &["westeurope", "sunrise", "", "", "Storage account", "sunrise", "sunriseframes", "yes"]);
    ran.ended(0, &["already taken"]);
    assert!(place.file().contains("storageAccountName: sunriseframes"), "{}", place.file());
    place.init_alone(&["--sa", "sunrise"]).ended(1, &["--sa", "already taken"]);
}

#[test]
fn a_changed_line_carries_over_to_what_was_made_from_it() {
    let place = Place::with(|world| world.take_name("batch/northeurope", "dawn"));
    place.give_key();
    let ran = place
        .init(&[], &["westeurope", "sunrise", "", "", "Farm name", "dawn", "location", "northeurope", "yes"]);
    ran.ended(0, &["North Europe (northeurope)", "(`dawn` is taken)"]);
    let file = place.file();
    for line in
        ["location: northeurope", "resourceGroup: dawn", "virtualMachine: dawn", "storageAccountName: dawn"]
    {
        assert!(file.lines().any(|l| l == line), "`{line}` is missing in:\n{file}");
    }
    assert!(!file.contains("sunrise") && !file.contains("batchAccountName: dawn\n"), "{file}");

    // A name that was given is judged again where it now is.
    let place = Place::with(|world| world.take_name("batch/northeurope", "sunrisebatch"));
    place.give_key();
    place.write("azure_config.yaml", COMPLETE);
    let ran = place.init(&[], &["location", "northeurope", "otherbatch", "yes"]);
    ran.ended(0, &["already in use"]);
    assert_eq!(asked(&ran), ["Location", "Batch account"], "{}", ran.err);
    assert!(place.file().contains("batchAccountName: otherbatch"));
}

#[test]
fn names_that_the_farm_itself_holds_are_not_taken() {
    let place = Place::new();
    place.give_key();
    place.write("azure_config.yaml", COMPLETE);
    place.run(&["deploy", "--yes", "--no-input", "--quiet", "--simulate", "w.json"]).ended(0, &[]);
    let flags =
        ["--sa", "sunrisefiles", "--ba", "sunrisebatch", "--vm", "sunrise-vm", "--group", "sunrise-rg"];
    place.init_alone(&flags).ended(0, &[]);
    assert_eq!(place.file(), COMPLETE);
}

#[test]
fn a_group_in_another_region_is_refused() {
    let place =
        Place::with(|world| world.add_group("sunrise", "northeurope", std::collections::BTreeMap::default()));
    place.give_key();
    place
        .init_alone(&["--location", "westeurope", "--name", "dawn", "--group", "sunrise"])
        .ended(1, &["--group", "`sunrise` is in northeurope"]);
}

#[test]
fn an_old_tools_file_is_completed_and_its_secret_neither_lost_nor_shown() {
    let place = Place::new();
    place.give_key();
    let old = format!(
        "defaultName: sunrise\nsubscriptionID: {SUBSCRIPTION}\nlocation: westeurope\nresourceGroup: sunrise\n\
         workerRegistrationSecret: v3ry-s3cret\nbatch:\n  poolID: render\n  vmSize: Standard_D4as_v5\n  \
         targetDedicatedNodes: 1\n  targetLowPriorityNodes: 2\n"
    );
    place.write("flamenco_manager_azure.yaml", &old);
    let ran = place.init(&[], &["", "", "yes"]);
    ran.ended(0, &["Spot nodes"]);
    let file = place.read("flamenco_manager_azure.yaml");
    assert!(file.starts_with(&old), "{file}");
    assert!(file.contains("storageAccountName: sunrise") && file.contains("virtualMachine: sunrise"));
    assert!(!ran.err.contains("s3cret") && !ran.out.contains("s3cret"));
    assert!(!place.path("azure_config.yaml").exists());
}

#[test]
fn all_asks_each_question() {
    let place = Place::new();
    place.give_key();
    let answers = [
        "1",
        "westeurope",
        "sunrise",
        "g",
        "m-vm",
        "files1",
        "batch",
        "batch1",
        "",
        "",
        "",
        "Standard_D2as_v5",
        "Standard_D8as_v5",
        "2",
        "1",
        "yes",
    ];
    place.init(&["--all"], &answers).ended(0, &[]);
    let file = place.file();
    for value in [
        "resourceGroup: g\n",
        "virtualMachine: m-vm",
        "files1",
        "batch1",
        "vmSize: Standard_D2as_v5",
        "spot: 1",
    ] {
        assert!(file.contains(value), "`{value}` is missing in:\n{file}");
    }
    assert!(file.contains("vmSize: Standard_D8as_v5, dedicated: 2"), "{file}");
}

#[test]
fn a_pool_of_scale_sets_is_asked_for_without_a_batch_account() {
    let place = Place::new();
    place.give_key();
    let line = |text: &str, file: &str| assert!(file.contains(text), "`{text}` is missing in:\n{file}");
    let answers = [
        "1",
        "westeurope",
        "sunrise",
        "g",
        "m-vm",
        "files1",
        "vmss",
        "",
        "",
        "",
        "",
        "Standard_D8as_v5",
        "30",
        "yes",
    ];
    place.init(&["--all"], &answers).ended(0, &[]);
    line("pools: [{name: workers, kind: vmss, vmSize: Standard_D8as_v5, nodes: 30}]\n", &place.file());
    assert!(!place.file().contains("batchAccountName"), "{}", place.file());
    assert_eq!(place.run(&["plan", "--simulate", "w.json"]).code, 0);
    // Chosen on the summary: the account that was derived meanwhile is not written.
    let place = Place::new();
    place.give_key();
    let answers = ["westeurope", "sunrise", "203.0.113.0/24", "nobody", "Kind of pool", "vmss", "yes"];
    place.init(&[], &answers).ended(0, &[]);
    line("kind: vmss", &place.file());
    assert!(!place.file().contains("batchAccountName"), "{}", place.file());
    // And back: now it is needed.
    place.init(&[], &["Kind of pool", "batch", "yes"]).ended(0, &[]);
    line("batchAccountName: sunrise", &place.file());
}

#[test]
fn a_value_that_will_not_do_is_asked_again_and_without_input_an_error() {
    let old = COMPLETE.replace("sunrisefiles", "Sunrise-Files");
    let place = Place::new();
    place.give_key();
    place.write("azure_config.yaml", &old);
    place.init_alone(&[]).ended(1, &["Sunrise-Files", "azure_config.yaml:7", "sunrisefiles"]);
    place.init(&[], &["sunrisefiles", "yes"]).ended(0, &["Sunrise-Files"]);
    assert_eq!(place.file(), COMPLETE);
}

#[test]
fn a_broken_file_is_left_alone() {
    for broken in ["location: [westeurope\n", "lokation: westeurope\n", "location: a\nlocation: b\n"] {
        let place = Place::new();
        place.write("azure_config.yaml", broken);
        place.init(&[], ANSWERS).ended(1, &["azure_config.yaml:", "hint"]);
        assert_eq!(place.file(), broken);
    }
}

#[test]
fn json_keeps_standard_output_for_events() {
    let place = Place::new();
    let ran = place.init_alone(&["--json", "--location", "westeurope", "--name", "sunrise"]);
    ran.ended(0, &[]);
    let events: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.last().unwrap()["event"], "init");
    assert_eq!(events.last().unwrap()["file"], "azure_config.yaml");
}
