//! What is secret stays so, whatever is switched on.

use std::path::{Path, PathBuf};

use crate::place;
use crate::support::fed;

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
            let quiet = ["urls", "pause --yes", "resume --yes", "ssh", "download"];
            assert!(
                quiet.contains(&line) || ran.err.contains("GET"),
                "{line} logs its requests:\n{}",
                ran.err
            );
        }
    }
    let kept = files(&place.path(".flamenco-azure"));
    let names: Vec<_> = kept.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert!(names.contains(&"journal.jsonl") && names.contains(&"known_hosts"), "{names:?}");
    for path in kept {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in SECRETS.iter().chain(&["\"body\"", "cloud-init", "203.0.113.7"]) {
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
