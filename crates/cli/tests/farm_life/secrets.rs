//! What is secret stays so, whatever is switched on.

use std::path::{Path, PathBuf};

use azure_sim::SimRequest;

use crate::apps::{link_storage, with_program};
use crate::place;
use crate::support::{Place, Ran, SUBSCRIPTION, fed};

const SECRETS: &[&str] = &[
    "q1w2e3r4t5-registration-secret",
    "hunter2-client-secret",
    "Bearer",
    "sig=",
    "sim-token",
    "PRIVATE KEY",
    "AccountKey",
];

/// Files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Runs a line with everything logged: nothing secret is said.
fn discreet(place: &Place, form: &str, line: &str) -> Ran {
    let mut command = place.command();
    for (name, value) in [
        ("AZURE_TENANT_ID", "7e57e57e-57e5-47e5-a7e5-7e57e57e57e5"),
        ("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555"),
        ("AZURE_CLIENT_SECRET", "hunter2-client-secret"),
        ("RUST_LOG", "trace"),
    ] {
        command.env(name, value);
    }
    command.args(["--simulate=w.json", "--no-input"]).args(form.split(' ')).args(line.split(' '));
    let ran = fed(&mut command, "");
    assert_eq!(ran.code, 0, "{line}: {}{}", ran.out, ran.err);
    for secret in SECRETS {
        assert!(!ran.out.contains(secret), "`{secret}` in the output of `{line}`:\n{}", ran.out);
        assert!(!ran.err.contains(secret), "`{secret}` in the messages of `{line}`:\n{}", ran.err);
    }
    ran
}

/// What is kept on the machine, and has nothing secret in it.
fn kept(place: &Place) -> Vec<PathBuf> {
    let kept = files(&place.path(".flamenco-azure"));
    for path in &kept {
        let text = std::fs::read_to_string(path).unwrap();
        for word in SECRETS {
            assert!(!text.contains(word), "`{word}` in {}", path.display());
        }
    }
    kept
}

/// An account that somebody linked with its keys: there Batch hands out signed addresses.
#[test]
fn no_signature_of_a_packages_address_is_said_or_kept() {
    let place = with_program();
    link_storage(&place);
    for (version, form) in [("1", "--debug"), ("2", "--debug --json")] {
        let ran = discreet(&place, form, &format!("app push blender --version {version} blender-5.0.1"));
        assert!(ran.err.contains("/applications/blender/versions/"), "it logs its requests:\n{}", ran.err);
        discreet(&place, form, &format!("app push blender --version {version} blender-5.0.1 --replace"));
        discreet(&place, form, "app list");
    }
    assert!(!kept(&place).is_empty());
    place.poke(|world| {
        let group =
            format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/Microsoft.Batch");
        let version = format!("{group}/batchAccounts/studiobatch/applications/blender/versions/1");
        let url = format!("https://management.azure.com{version}?api-version=2025-06-01");
        let shown =
            world.handle(&SimRequest::new("GET", url.parse().unwrap()).header("authorization", "Bearer any"));
        assert!(shown.json_body()["properties"]["storageUrl"].as_str().unwrap().contains("sig="));
    });
}

#[test]
fn no_secret_is_said_or_kept_with_everything_logged() {
    let place = place();
    let lines = [
        "whoami",
        "plan",
        "deploy --yes",
        "status",
        "scale --dedicated 2 --spot 0 --wait",
        "ssh",
        "download",
    ];
    for line in lines.into_iter().chain(["pause --yes", "resume --yes", "urls"]) {
        for form in ["--debug", "--debug --json"] {
            let ran = discreet(&place, form, line);
            let quiet = ["urls", "pause --yes", "resume --yes", "ssh", "download"];
            assert!(
                quiet.contains(&line) || ran.err.contains("GET"),
                "{line} logs its requests:\n{}",
                ran.err
            );
        }
    }
    let kept = kept(&place);
    let names: Vec<_> = kept.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert!(names.contains(&"journal.jsonl") && names.contains(&"known_hosts"), "{names:?}");
    for path in kept {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["\"body\"", "cloud-init", "203.0.113.7"] {
            assert!(!text.contains(word), "`{word}` in {}", path.display());
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600,
                "{}",
                path.display()
            );
        }
    }
}
