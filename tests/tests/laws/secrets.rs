//! No token, key or signature in anything that leaves the process or stays behind.

use std::path::Path;

use flamenco_azure_tests::yard::Yard;

fn files_below(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() {
            files_below(&entry.path(), found);
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            found.push((entry.path().display().to_string(), text));
        }
    }
}

#[test]
fn a_whole_run_leaves_no_secret_behind() {
    let secret = "q1w2e3r4t5-registration-secret-z9y8x7";
    let file = format!("{}workerRegistrationSecret: {secret}\n", flamenco_azure_tests::yard::FARM_FILE);
    let yard = Yard::new(&file, |_| {});
    for line in [
        "deploy --yes",
        "scale render --dedicated 3 --wait",
        "scale render --dedicated 1",
        "status",
        "pause --yes",
        "resume --yes",
        "teardown --yes",
    ] {
        yard.run(line);
        for (method, url, body) in yard.last_exchanges() {
            for text in [&url, &body] {
                assert!(!text.contains(secret), "{line}: {method} {url}");
                for mark in
                    ["Bearer ", "AccountKey", "sig=", "PRIVATE KEY", "SharedAccess", "adminPassword\""]
                {
                    assert!(!text.contains(mark), "`{mark}` in {line}: {method} {url}");
                }
            }
        }
    }
    let mut files = Vec::new();
    files_below(&yard.path().join(".flamenco-azure"), &mut files);
    assert!(!files.is_empty(), "a journal was kept");
    for (name, text) in files {
        assert!(!text.contains(secret) && !text.contains("Bearer "), "{name}");
        assert!(!text.contains("\"body\""), "{name} holds a body");
    }
}
