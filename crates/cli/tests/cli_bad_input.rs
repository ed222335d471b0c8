//! Bad input: what each mistake answers, word for word, and that nothing was created.
//! `INSTA_UPDATE=always cargo test -p flamenco-azure-cli --test cli_bad_input` writes the snapshot anew.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use azure_sim::World;
use support::{Place, SUBSCRIPTION};

const GOOD: &str = "\
defaultName: crunch
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: crunch-rg
storageAccountName: crunchfiles
batchAccountName: crunchbatch
virtualMachine: crunch-vm
manager:
  vmSize: Standard_B2s_v2
";

const PRIVATE: &str = "manager:\n  sshPublicKey: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    c2VjcmV0LWhhbGY=\n    \
                       -----END OPENSSH PRIVATE KEY-----\n";

/// A mistake: its name, the farm file, what is different in the world.
struct Mistake {
    name: &'static str,
    file: String,
    prepare: fn(&mut World),
}

fn mistakes() -> Vec<Mistake> {
    let unchanged: fn(&mut World) = |_| {};
    let file = |name, file: String| Mistake { name, file, prepare: unchanged };
    let replaced = |name, from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        file(name, GOOD.replace(from, to))
    };
    let manager = |name, lines: &str| replaced(name, "  vmSize: Standard_B2s_v2\n", lines);
    let world = |name, prepare| Mistake { name, file: GOOD.to_owned(), prepare };
    vec![
        file("no farm file", String::new()),
        file("malformed YAML", "location: [westeurope\nresourceGroup: x\n".to_owned()),
        file("tabs", "manager:\n\tvmSize: x\n".to_owned()),
        file("two documents", format!("{GOOD}---\nlocation: x\n")),
        replaced("a list where a word belongs", "location: westeurope", "location: [westeurope]"),
        file("a word where a number belongs", format!("{GOOD}storage:\n  shareGiB: lots\n")),
        file("a duplicate key", format!("{GOOD}location: northeurope\n")),
        replaced("an unknown key", "location:", "lokation:"),
        file("an unknown key far from any", format!("{GOOD}autoscale: true\n")),
        replaced("missing keys", "location: westeurope\nresourceGroup: crunch-rg\n", ""),
        replaced("an illegal storage name", "crunchfiles", "Crunch-Files"),
        replaced("an illegal VM name", "crunch-vm", "crunch_vm"),
        replaced(
            "several mistakes at once",
            "crunchbatch\nvirtualMachine: crunch-vm",
            "Crunch\nvirtualMachine: 1",
        ),
        replaced("not a subscription id", SUBSCRIPTION, "my subscription"),
        manager("a private key", PRIVATE.strip_prefix("manager:\n").unwrap()),
        manager("a garbled key", "  sshPublicKey: ssh-ed25519 AAAAgarbled\n"),
        manager("a range's typo", "  access:\n    ssh: [203.0.113.1/24]\n"),
        manager("not a range", "  access:\n    web: [203.0.113.0/33]\n"),
        manager("everybody admitted", "  access:\n    web: [0.0.0.0/0]\n"),
        manager("Flamenco 2", "  flamencoVersion: \"2.7\"\n"),
        manager("a retired size", "  vmSize: Standard_NC6s_v3\n"),
        manager("not a size", "  vmSize: big\n"),
        manager("an unknown size", "  vmSize: Standard_D4zz_v5\n"),
        replaced("an unknown location", "westeurope", "westeurop"),
        replaced("no such subscription", SUBSCRIPTION, "11111111-2222-3333-4444-555555555555"),
        world("a quota too small", |world| world.set_limit("westeurope", "cores", 1)),
        world("a taken storage name", |world| world.take_name("storage", "crunchfiles")),
        world("taken names", |world| {
            world.take_name("batch/westeurope", "crunchbatch");
            world.take_name("dns/westeurope", "crunch-vm");
        }),
        world("a group in another region", |world| {
            world.add_group("crunch-rg", "northeurope", std::collections::BTreeMap::default());
        }),
    ]
}

/// Runs the commands that would write, and what they answer.
fn answer(mistake: &Mistake) -> String {
    let place = Place::with(mistake.prepare);
    if !mistake.file.is_empty() {
        place.write("azure_config.yaml", &mistake.file);
    }
    let before = place.holdings();
    let ran = place.run(&["deploy", "--yes", "--no-input", "--simulate", "w.json"]);
    assert_eq!(place.holdings(), before, "{}: something was created", mistake.name);
    assert_eq!(ran.code, 1, "{}: {}", mistake.name, ran.err);
    // Several problems have their remedies beside them.
    let remedy = ran.err.contains("hint:") || ran.err.contains(" problems in ");
    assert!(ran.err.contains("error:") && remedy, "{}: {}", mistake.name, ran.err);
    assert!(!ran.err.contains("c2VjcmV0"), "{}: a secret is shown", mistake.name);
    let here = place.path("").display().to_string();
    format!("## {}\n{}\n", mistake.name, ran.err.trim_end().replace(here.trim_end_matches('/'), "[HERE]"))
}

#[test]
fn each_mistake_gets_message_place_and_remedy_and_creates_nothing() {
    let answers: Vec<String> = mistakes().iter().map(answer).collect();
    insta::assert_snapshot!("bad_input", answers.join("\n"));
}

#[test]
fn the_good_file_is_good() {
    let place = Place::new();
    place.write("azure_config.yaml", GOOD);
    place.run(&["deploy", "--yes", "--no-input", "--quiet", "--simulate", "w.json"]).ended(0, &[]);
}

#[test]
fn another_farms_names_are_refused_and_left_alone() {
    let place = Place::new();
    place.write("azure_config.yaml", GOOD);
    place.run(&["deploy", "--yes", "--no-input", "--quiet", "--simulate", "w.json"]).ended(0, &[]);
    place.write("other.yaml", &GOOD.replace("defaultName: crunch", "defaultName: munch"));
    let before = place.holdings();
    let ran = place.run(&["deploy", "--yes", "--no-input", "--simulate", "w.json", "--config", "other.yaml"]);
    ran.ended(1, &["crunch", "nothing was changed"]);
    assert_eq!(place.holdings(), before);
}

#[test]
fn a_bad_command_line_is_the_users_error() {
    let place = Place::new();
    for args in [
        &["scale", "--dedicated", "many"][..],
        &["frobnicate"],
        &["deploy", "--nope"],
        &["shaman-url", "ftp://x"],
    ] {
        place.run(args).ended(1, &["error"]);
    }
}
