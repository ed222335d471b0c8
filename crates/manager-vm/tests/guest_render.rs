//! Laws of rendering: what holds for every document of every farm.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod guest_support;

use std::process::Command;

use base64::Engine as _;
use guest_support::{config, configs};
use manager_vm::guest::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn file(config: &GuestConfig, name: &str) -> String {
    manager_files(config).unwrap().into_iter().find(|file| file.path.ends_with(name)).expect(name).content
}

/// All documents of a config, the start task in plain text.
fn documents(config: &GuestConfig) -> Vec<String> {
    vec![cloud_init(config).unwrap(), start_task_script(config).unwrap(), node_setup_script(config).unwrap()]
}

#[test]
fn same_config_same_bytes() {
    for config in configs() {
        assert_eq!(documents(&config), documents(&config.clone()));
        assert_eq!(config_digest(&config), config_digest(&config.clone()));
    }
}

#[test]
fn every_change_of_the_config_changes_the_digest() {
    let digests: std::collections::BTreeSet<_> =
        configs().iter().map(|c| config_digest(c).unwrap()).collect();
    assert_eq!(digests.len(), configs().len());
}

#[test]
fn documents_fit_their_limits() {
    for config in configs() {
        let document = cloud_init(&config).unwrap();
        assert!(document.len() < CLOUD_INIT_LIMIT, "{}", document.len());
        let command = start_task_command(&config).unwrap();
        assert!(command.len() < 8_000, "{}", command.len());
    }
}

#[test]
fn a_document_beyond_its_limit_is_an_error() {
    let mut config = config();
    config.mounts.output = format!("/{}", "o".repeat(199));
    config.mounts.resources = format!("/{}", "r".repeat(199));
    config.mounts.input = format!("/{}", "i".repeat(199));
    config.mounts.share = format!("/{}", "s".repeat(199));
    config.encrypt_in_transit = true;
    config.flamenco_base_url = format!("https://h/{}", "a".repeat(480));
    config.blender_base_url = format!("https://h/{}", "b".repeat(480));
    assert!(matches!(cloud_init(&config), Err(GuestError::TooLong { .. })));
}

#[test]
fn no_placeholder_is_left() {
    for config in configs() {
        for document in documents(&config) {
            let parts: Vec<&str> = document.split('@').collect();
            // Between two `@` of one document stands a placeholder's name only if it was one.
            for name in &parts[1..parts.len().saturating_sub(1).max(1)] {
                let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                assert!(name.is_empty() || !name.chars().all(is_name), "@{name}@");
            }
        }
    }
}

#[test]
fn no_document_looks_like_it_holds_a_secret() {
    for config in configs() {
        for document in documents(&config) {
            let document = document.to_lowercase();
            for word in
                ["password", "secret", "accountkey", "sharedaccess", "sig=", "private key", "bearer", "token"]
            {
                assert!(!document.contains(word), "{word}");
            }
        }
    }
}

#[test]
fn cloud_init_writes_exactly_the_files() {
    for config in configs() {
        let text = cloud_init(&config).unwrap();
        assert!(text.starts_with("#cloud-config\n"));
        let document = yaml(&text);
        let written = document["write_files"].as_array().unwrap();
        let files = manager_files(&config).unwrap();
        assert_eq!(written.len(), files.len());
        for (entry, file) in written.iter().zip(&files) {
            assert_eq!(entry["path"], file.path);
            assert_eq!(entry["permissions"], format!("{:04o}", file.mode));
            assert_eq!(entry["content"], file.content, "{}", file.path);
        }
        assert_eq!(document["runcmd"][2], json!(["systemctl", "start", "flamenco-azure-setup.service"]));
    }
}

#[test]
fn the_versions_stand_plainly_in_the_document() {
    let text = cloud_init(&config()).unwrap();
    assert!(text.lines().any(|line| line.trim() == "FLAMENCO_VERSION=3.8.5"));
    assert!(text.lines().any(|line| line.trim() == "BLENDER_VERSION=4.5.14"));
}

#[test]
fn the_start_task_carries_the_hash_of_the_script_that_the_manager_puts_on_the_share() {
    for config in configs() {
        let on_manager = file(&config, "/node-setup");
        assert_eq!(on_manager, node_setup_script(&config).unwrap());
        assert!(start_task_script(&config).unwrap().contains(&format!("sha={}\n", sha256_of(&on_manager))));
    }
}

#[test]
fn the_start_task_command_has_nothing_that_a_command_line_parser_could_change() {
    for config in configs() {
        let command = start_task_command(&config).unwrap();
        let script = command.strip_prefix("/bin/bash -c 's=$(echo ").unwrap();
        let script = script.strip_suffix(" | base64 -d) && exec /bin/bash -c \"$s\"'").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(script).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), start_task_script(&config).unwrap());
    }
}

#[test]
fn manager_settings_have_the_keys_that_flamenco_needs() {
    let settings = yaml(&file(&config(), "/flamenco-manager.yaml"));
    assert_eq!(settings["_meta"], json!({"version": 3}));
    assert_eq!(settings["manager_name"], "crunch");
    assert_eq!(settings["listen"], ":8080");
    assert_eq!(settings["autodiscoverable"], false);
    assert_eq!(settings["shared_storage_path"], "/mnt/flamenco-input");
    assert_eq!(settings["database"], "/var/lib/flamenco-manager/flamenco-manager.sqlite");
    assert_eq!(settings["local_manager_storage_path"], "/var/lib/flamenco-manager/storage");
    assert_eq!(settings["shaman"]["enabled"], true);
    let variables = &settings["variables"];
    assert_eq!(variables["blender"]["values"][0]["value"], "/opt/flamenco/blender/blender");
    assert_eq!(variables["render"]["is_twoway"], true);
    let render: Vec<_> = variables["render"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            (v["audience"].as_str().unwrap(), v["platform"].as_str().unwrap(), v["value"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        render,
        [
            ("workers", "linux", "/mnt/flamenco-output/render"),
            ("users", "linux", "/render"),
            ("users", "darwin", "/Volumes/render"),
            ("users", "windows", "R:\\"),
        ]
    );
}

#[test]
fn tls_off_has_no_web_server() {
    let mut config = config();
    config.tls = TlsMode::Off;
    assert!(!cloud_init(&config).unwrap().to_lowercase().contains("caddy"));
}

#[test]
fn acme_falls_back_and_needs_a_public_name() {
    let caddyfile = file(&config(), "/Caddyfile");
    let issuers: Vec<_> = caddyfile.lines().filter_map(|line| line.trim().strip_prefix("issuer ")).collect();
    assert_eq!(issuers, ["acme", "zerossl", "internal"]);
    let nameless = GuestConfig { public_host: None, ..config() };
    assert!(matches!(cloud_init(&nameless), Err(GuestError::InvalidValue { field: "public host", .. })));
}

#[test]
fn aznfs_is_installed_only_for_encryption_in_transit() {
    for encrypt_in_transit in [false, true] {
        let config = GuestConfig { encrypt_in_transit, ..config() };
        for document in [cloud_init(&config).unwrap(), start_task_script(&config).unwrap()] {
            assert_eq!(document.contains("packages.microsoft.com"), encrypt_in_transit);
            assert_eq!(document.contains("Type=aznfs"), encrypt_in_transit);
        }
    }
}

/// The fields that scripts, units and settings hold outside quotes.
fn fields() -> Vec<fn(&mut GuestConfig) -> &mut String> {
    vec![
        |c| &mut c.flamenco.version,
        |c| &mut c.blender.version,
        |c| c.flamenco.sha256.get_or_insert("a".repeat(64)),
        |c| c.blender.sha256.get_or_insert("b".repeat(64)),
        |c| &mut c.nfs_export,
        |c| c.public_host.get_or_insert_default(),
        |c| &mut c.admin_user,
        |c| &mut c.flamenco_base_url,
        |c| &mut c.blender_base_url,
        |c| &mut c.mounts.share,
        |c| &mut c.mounts.resources,
        |c| &mut c.mounts.input,
        |c| &mut c.mounts.output,
    ]
}

#[test]
fn a_hostile_character_anywhere_in_a_field_is_refused() {
    for field in fields() {
        let length = field(&mut config()).len();
        for hostile in "'\"`$;|&<>(){}[]*?!#\\ \t\n\r\0\u{85}\u{2028}é^,=".chars() {
            for at in 0..=length {
                let mut config = config();
                field(&mut config).insert(at, hostile);
                assert!(
                    matches!(cloud_init(&config), Err(GuestError::InvalidValue { .. })),
                    "{hostile:?} at {at}"
                );
                assert!(start_task_command(&config).is_err());
            }
        }
    }
}

#[test]
fn mount_points_inside_one_another_are_refused() {
    for (share, input) in
        [("/mnt/a", "/mnt/a"), ("/mnt/a", "/mnt/a/b"), ("/mnt/a/b", "/mnt/a"), ("/", "/a"), ("/a/../b", "/c")]
    {
        let mut config = config();
        (config.mounts.share, config.mounts.input) = (share.into(), input.into());
        assert!(config.validate().is_err(), "{share} {input}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The farm's name is the one free text: it arrives whole in Flamenco's settings and in a shell, and nothing of it
    /// is taken for YAML or shell syntax.
    #[test]
    fn any_farm_name_arrives_whole(name in "[ -~]{1,64}") {
        let config = GuestConfig { farm: name.clone(), ..config() };
        let document = yaml(&cloud_init(&config).unwrap());
        let content = |path: &str| document["write_files"].as_array().unwrap().iter()
            .find(|f| f["path"] == path).unwrap()["content"].as_str().unwrap().to_owned();
        let settings = yaml(&content("/usr/local/lib/flamenco-azure/flamenco-manager.yaml"));
        prop_assert_eq!(&settings["manager_name"], &name);
        prop_assert_eq!(settings["shared_storage_path"].as_str(), Some("/mnt/flamenco-input"));
        let script = format!("set -eu\n{}printf %s \"$FARM\"", content("/etc/flamenco-azure/manager.env"));
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        prop_assert!(output.status.success());
        prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), name);
    }

    /// Whatever a field holds: it is refused, or it is harmless in every place.
    #[test]
    fn any_text_in_any_field_is_refused_or_harmless(index in 0_usize..13, text in "\\PC{0,40}") {
        let mut config = config();
        fields()[index](&mut config).clone_from(&text);
        if cloud_init(&config).is_ok() {
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:~%+".contains(&b)), "{:?}", text);
        }
    }

    /// Control characters would end a line of the YAML block that carries a file.
    #[test]
    fn farm_names_beyond_printable_ascii_are_refused(before in "[ -~]{0,8}", bad in "[^ -~]", after in "[ -~]{0,8}") {
        let config = GuestConfig { farm: format!("{before}{bad}{after}"), ..config() };
        prop_assert!(config.validate().is_err());
    }
}
