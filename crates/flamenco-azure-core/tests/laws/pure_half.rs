//! The pure half of the crate stays pure: no runtime, no HTTP, no clock, no files, no environment.

use std::path::{Path, PathBuf};

/// Modules in which everything is decided and nothing is done.
const PURE: &[&str] = &[
    "arm/classify.rs",
    "arm/cloud.rs",
    "arm/error.rs",
    "arm/hint.rs",
    "arm/lro.rs",
    "arm/page.rs",
    "arm/redact.rs",
    "arm/request.rs",
    "arm/response.rs",
    "arm/retry.rs",
    "error.rs",
    "ids.rs",
    "inventory.rs",
    "name.rs",
    "plan",
    "pool.rs",
    "shaman.rs",
    "spec",
    "tags.rs",
];

/// What only the I/O half may use.
const IMPURE: &[&str] = &[
    "tokio::",
    "azure_core::",
    "azure_identity::",
    "std::fs",
    "std::env",
    "TcpStream",
    "ToSocketAddrs",
    "std::process",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
    ".sleep(",
];

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<_> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in &entries {
            sources(entry, found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

/// The code of a file without its comments and its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pure_half_uses_no_runtime_http_clock_file_or_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for module in PURE {
        let path = root.join(module);
        assert!(path.exists(), "{module} is gone: mend the list");
        sources(&path, &mut files);
    }
    files.retain(|path| !path.ends_with("build_tests.rs"));
    assert!(files.len() > 25, "{}", files.len());
    for file in files {
        let code = code(&std::fs::read_to_string(&file).unwrap());
        for word in IMPURE {
            assert!(!code.contains(word), "{} uses {word}", file.display());
        }
    }
}
