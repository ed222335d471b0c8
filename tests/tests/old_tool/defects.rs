//! The 18 defects that reading its source showed, in that order.

use azure_sim::{Action, Fault, Match};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_cli::farmfile::Environment;
use flamenco_azure_cli::files;
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::identity::AuthFile;
use flamenco_azure_core::pool::{NodeState, WorkerPool as _};
use flamenco_azure_tests::yard::{FARM_FILE, POOL, SUBSCRIPTION, Yard, assert_same};

use crate::support::{client, farm, first_deploy, guest_files, in_virtual_time, sent};

/// `-ba` was ignored: the Batch account got the name that was given for the storage account.
#[test]
fn d01_the_batch_account_flag_names_the_batch_account() {
    let yard = Yard::default();
    yard.run("deploy --yes --ba otherbatch --sa otherfiles");
    let bodies = sent(&yard);
    assert!(
        bodies.contains_key("batchAccounts/otherbatch") && bodies.contains_key("storageAccounts/otherfiles")
    );
    assert!(
        !bodies.keys().any(|name| name == "batchAccounts/otherfiles" || name == "batchAccounts/crunchbatch")
    );
}

/// Lists were read without a token, and the loop over their pages never went on.
#[test]
fn d02_lists_are_read_with_a_token_and_to_their_end() {
    let (yard, _) = first_deploy();
    for exchange in yard.last_traffic() {
        let public = exchange.request.url.host_str() == Some("prices.azure.com");
        assert!(public || exchange.request.headers.contains_key("authorization"), "{}", exchange.request.url);
    }
    let many = Yard::new(FARM_FILE, |world| {
        for number in 0..25 {
            world.add_group(&format!("group-{number:02}"), "westeurope", azure_sim::Tags::new());
        }
    });
    let groups = Request::get(format!("/subscriptions/{SUBSCRIPTION}/resourcegroups"))
        .api_version("2021-04-01")
        .query("$top", "10");
    let read = in_virtual_time(client(&many).list(&groups)).unwrap();
    assert_eq!(read.len(), 25, "of three pages");
}

/// `-group` with an illegal name, or that of a group in another region, asked Azure again and again without a pause.
#[test]
fn d03_an_impossible_group_ends_the_run_at_once() {
    let yard = Yard::new(FARM_FILE, |world| world.add_group("crunch-rg", "westus", azure_sim::Tags::new()));
    let before = yard.world().calls();
    let illegal = yard.outcome("deploy --yes --group what/ever").unwrap_err();
    assert_eq!((illegal.exit, yard.world().calls()), (Exit::User, before), "{illegal}");
    assert!(illegal.message.contains("what/ever"), "{illegal}");
    let elsewhere = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(elsewhere.exit, Exit::User);
    assert!(elsewhere.message.contains("`crunch-rg` is in `westus`"), "{elsewhere}");
    assert!(yard.world().calls() - before < 50 && yard.world().resources().is_empty());
}

/// The VM's administrator had a password that was the same in every deployment, and could sign in with it.
#[test]
fn d04_there_is_no_password_to_guess() {
    let (_, bodies) = first_deploy();
    let profile = &bodies["virtualMachines/crunch-vm"]["properties"]["osProfile"];
    assert_eq!(profile["linuxConfiguration"]["disablePasswordAuthentication"], true);
    assert!(
        profile.get("adminPassword").is_none()
            && profile["linuxConfiguration"]["ssh"]["publicKeys"][0].is_object()
    );
    let outside = bodies["networkSecurityGroups/crunch-vm-nsg"].to_string();
    assert!(!outside.contains("ssh-from-outside"), "ssh is closed until somebody is admitted");
}

/// The storage key stood in the pool's start task, in scripts and in fstab; a service principal's secret on the VM.
#[test]
fn d05_no_key_is_read_so_none_can_lie_around() {
    let (yard, bodies) = first_deploy();
    for (method, path) in yard.last_log() {
        assert!(!path.to_ascii_lowercase().contains("listkeys"), "{method} {path}");
    }
    assert_eq!(bodies["storageAccounts/crunchfiles"]["properties"]["allowSharedKeyAccess"], false);
    assert_eq!(
        bodies["batchAccounts/crunchbatch"]["properties"]["allowedAuthenticationModes"],
        serde_json::json!(["AAD"])
    );
    for (name, text) in guest_files(&farm(&yard)) {
        for mark in ["password=", "AccountKey", "clientSecret", "client_secret", "credentials.json"] {
            assert!(!text.contains(mark), "`{mark}` in {name}");
        }
    }
}

/// `-debug` logged whole requests, with bearer tokens and the administrator's password.
#[test]
fn d06_the_request_log_has_no_token_and_no_body() {
    let log = crate::support::logged(|| {
        Yard::default().run("deploy --yes");
    });
    assert!(log.contains("virtualMachines/crunch-vm") && log.contains("PUT"), "requests are logged:\n{log}");
    for mark in ["Bearer", "sim-token", "customData", "publicKeys", "authorization"] {
        assert!(!log.contains(mark), "`{mark}` in the log");
    }
}

/// A Worker secret that was made anew at each run locked the Workers out of the Manager, which kept the old one.
#[test]
fn d07_there_is_no_worker_secret_to_drift() {
    let (yard, _) = first_deploy();
    for (name, text) in guest_files(&farm(&yard)) {
        assert!(!text.contains("registration_secret"), "{name}");
    }
    yard.write(&format!("{FARM_FILE}workerRegistrationSecret: from-the-old-file\n"));
    assert_eq!(yard.run("plan --check"), Exit::Done, "an old file's secret changes nothing");
}

/// A storage account name that was taken ended the run when the VM had been made; `-sa` could not be run twice.
#[test]
fn d08_a_taken_storage_name_is_found_before_anything_is_made_and_our_own_is_none() {
    let yard = Yard::new(FARM_FILE, |world| world.take_name("storage", "crunchfiles"));
    let before = yard.settled();
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.message.contains("`storageAccountName`: the name `crunchfiles` is taken"), "{failure}");
    assert_same(&yard.settled(), &before, "a deploy with a taken name");
    yard.run("deploy --yes --sa crunchfiles2");
    yard.run("deploy --yes --sa crunchfiles2");
    assert_eq!(yard.run("plan --check --sa crunchfiles2"), Exit::Done);
}

/// What existed was never brought up to date: changes of the file were passed over in silence.
#[test]
fn d09_changes_of_the_file_are_brought_in_or_said_to_be_impossible() {
    let (yard, _) = first_deploy();
    yard.write(&format!("{FARM_FILE}blender: {{version: 4.5.3}}\n"));
    yard.run("deploy --yes");
    let patched = yard
        .last_log()
        .into_iter()
        .any(|(method, path)| method == "PATCH" && path.ends_with("/pools/render"));
    assert!(patched, "the pool gets the new start task");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.write(&FARM_FILE.replace("Standard_D4as_v5", "Standard_D8as_v5"));
    assert_eq!(yard.run("plan --check"), Exit::Drift, "another size needs another pool, and that is said");
}

/// The installer made a key of one name and the program read another: it could not find what it had made.
#[test]
fn d10_the_key_is_found_under_every_usual_name_or_asked_for() {
    for name in ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"] {
        let home = tempfile::tempdir().unwrap();
        files::write_private(&home.path().join(".ssh").join(name), "ssh-ed25519 AAAA me").unwrap();
        let at = home.path().display().to_string();
        let environment = Environment::of([("HOME".to_owned(), at)]);
        assert_eq!(environment.ssh_key().unwrap().1, format!("~/.ssh/{name}"));
    }
    assert!(Environment::default().ssh_key().is_none());
    let failure = flamenco_azure_cli::failure::Failure::from(manager_vm::Error::NoSshKey);
    assert!(failure.exit == Exit::User && failure.hint.unwrap().contains("ssh-keygen"));
}

/// The credentials file could be cut off, and a failed `az` left an empty one that was then trusted.
#[test]
fn d11_a_cut_off_credentials_file_is_refused_and_none_is_written() {
    let whole = r#"{"clientId": "app", "clientSecret": "HUSH", "tenantId": "dir"}"#;
    assert!(AuthFile::parse(whole).is_ok());
    for length in 0..whole.len() {
        let refusal = AuthFile::parse(&whole[..length]).unwrap_err();
        assert!(!refusal.contains("HUSH"), "{refusal}");
    }
    let (yard, _) = first_deploy();
    assert!(!yard.path().join("client_credentials.json").exists());
}

/// The set-up ran over ssh without retry or host key check, and five silent minutes killed it.
#[test]
fn d12_the_set_up_needs_no_ssh_and_may_be_silent_for_long() {
    let yard = Yard::default();
    yard.poke(|world| {
        let slow = Action::Operation(azure_sim::OperationFault::Takes(40 * 60));
        world.inject(Fault::once(Match::on("POST", "/runCommand"), slow));
    });
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    let rules = manager_vm::desired::inbound_rules(&farm(&yard));
    assert!(rules.iter().all(|rule| rule.port != 22), "port 22 was closed all the while");
}

/// A VM of the same name in another region was not seen, so that making it failed half way.
#[test]
fn d13_a_vm_of_that_name_is_seen_wherever_it_is() {
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm"
    );
    let yard = Yard::new(FARM_FILE, |world| {
        world.add_group("crunch-rg", "westeurope", azure_sim::Tags::new());
        let mut vm = azure_sim::Resource::new(&id, "Microsoft.Compute/virtualMachines", world.now());
        vm.location = Some("eastus".to_owned());
        world.add_foreign(vm);
    });
    let before = yard.settled();
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.message.contains("crunch-vm"), "{failure}");
    assert_same(&yard.settled(), &before, "a deploy onto somebody's VM");
}

/// Scripts went on after errors, took half an unpacked archive for a whole one, named a network card and a unit that
/// may not exist, and fetched a daily build whose address is gone the next day.
#[test]
fn d14_scripts_stop_at_the_first_error_and_install_releases_whole() {
    let (yard, _) = first_deploy();
    let farm = farm(&yard);
    let files = guest_files(&farm);
    let text = |name: &str| &files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
    for name in ["manager-setup", "node-setup", "node-start"] {
        assert!(text(name).contains("set -Eeuo pipefail"), "{name}");
    }
    for (name, text) in &files {
        for mark in ["eth0", "mongod", "/Volume/", "builder.blender.org"] {
            assert!(!text.contains(mark), "`{mark}` in {name}");
        }
    }
    // Unpacked beside, checked, marked with its checksum, and only then given its name.
    assert!(text("node-setup").contains("mv -T \"$work/out/$folder\" \"$base/$folder\""));
    for release in manager_vm::guest::releases(&manager_vm::desired::guest_config(&farm)) {
        assert!(
            release.url().contains("/release/") || release.url().contains("flamenco"),
            "{}",
            release.url()
        );
        assert!(!release.url().contains("daily"), "{}", release.url());
    }
}

/// Farm file and credentials were readable by all, replaced in two steps, and looked for in the working directory only.
#[cfg(unix)]
#[test]
fn d15_what_we_write_is_private_and_is_found_wherever_it_lies() {
    use std::os::unix::fs::PermissionsExt as _;
    let (yard, _) = first_deploy();
    let journal = yard.path().join(".flamenco-azure/crunch/journal.jsonl");
    assert_eq!(std::fs::metadata(&journal).unwrap().permissions().mode() & 0o777, 0o600);
    let elsewhere = yard.path().join("deep/er/farm.yaml");
    files::write_private(&elsewhere, FARM_FILE).unwrap();
    assert_eq!(std::fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(elsewhere.parent().unwrap()).unwrap().count(),
        1,
        "nothing half-written stays"
    );
    assert_eq!(yard.run("plan --check --config deep/er/farm.yaml"), Exit::Done);
}

/// Whoever opened `/setup` first owned the Manager, and it was open to the Internet.
#[test]
fn d16_nobody_reaches_the_manager_who_was_not_admitted() {
    let (yard, bodies) = first_deploy();
    let rules = &bodies["networkSecurityGroups/crunch-vm-nsg"]["properties"]["securityRules"];
    for rule in rules.as_array().unwrap() {
        let allows = rule["properties"]["access"] == "Allow";
        let from_inside = rule["properties"]["sourceAddressPrefix"] == "VirtualNetwork";
        assert!(!allows || from_inside, "{rule}");
    }
    yard.write(&format!("{FARM_FILE}manager: {{access: {{web: [0.0.0.0/0]}}}}\n"));
    let failure = yard.outcome("plan").unwrap_err();
    assert_eq!(failure.exit, Exit::User, "{failure}");
    yard.write(&format!("{FARM_FILE}manager: {{access: {{web: [192.0.2.0/24]}}}}\n"));
    let opened = manager_vm::desired::inbound_rules(&farm(&yard));
    assert!(opened.iter().all(|rule| rule.port != 8080), "Flamenco's own port stays inside: {opened:?}");
}

/// The Worker's log could grow to 50 GiB on a node's disk.
#[test]
fn d17_the_workers_log_is_bounded() {
    let (yard, _) = first_deploy();
    let files = guest_files(&farm(&yard));
    let node = &files.iter().find(|(name, _)| name == "node-setup").unwrap().1;
    let rotation = node.split("logrotate.d/flamenco-worker").nth(1).unwrap();
    let word =
        |key: &str| rotation.split_whitespace().skip_while(|word| *word != key).nth(1).unwrap().to_owned();
    let megabytes: u32 = word("size").trim_end_matches('M').parse().unwrap();
    let files: u32 = word("rotate").parse().unwrap();
    assert!(megabytes * (files + 1) <= 200, "{megabytes} MB × {files}");
}

/// Failed start tasks, a quota that was too small and sizes that a region does not have were never shown.
#[test]
fn d18_failed_start_tasks_are_told() {
    let yard = Yard::default();
    yard.poke(|world| world.fail_start_tasks(POOL, Some("no space left on the node")));
    yard.run("deploy --yes");
    yard.poke(|world| world.advance_by(3600));
    let pool = batch_pool::BatchPool::new(
        client(&yard),
        POOL.parse().unwrap(),
        "crunchbatch.westeurope.batch.azure.com",
    );
    let nodes = in_virtual_time(pool.nodes()).unwrap();
    assert!(
        !nodes.is_empty()
            && nodes.iter().all(|node| node.state == NodeState::Failed && node.trouble.is_some()),
        "{nodes:?}"
    );
}

/// The same defect: quota.
#[test]
fn d18_a_resize_that_falls_short_is_told() {
    let (yard, _) = first_deploy();
    yard.poke(|world| world.set_limit("westeurope", "batch/cores", 12));
    let failure = yard.outcome("scale render --dedicated 8 --wait").unwrap_err();
    assert_eq!(failure.exit, Exit::Azure);
    assert!(
        failure.message.contains("instead of 8 dedicated") && failure.message.contains("quota"),
        "{failure}"
    );
}

/// The same defect: sizes.
#[test]
fn d18_a_size_that_the_region_does_not_have_is_told_before_anything_is_made() {
    let yard = Yard::new(FARM_FILE, |world| world.restrict_size("westeurope", "Standard_D4as_v5"));
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::User);
    assert!(failure.message.contains("Standard_D4as_v5"), "{failure}");
    assert!(yard.world().groups().is_empty());
    assert!(yard.outcome("plan").is_err(), "the plan says it too");
}
