//! The machines' scripts and documents: run for real under dash, and judged by the tools that will read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]
#![allow(unreachable_pub, reason = "one test binary")]

mod capacity;
mod delete;
mod machine;
mod nodes;
mod samples;
mod scaler;
mod sim;
mod spot;
mod stub;
mod tools;

/// Whether `tool` can be run. A missing one is said loudly; with `FLAMENCO_AZURE_REQUIRE_ALL=1` it fails the test.
fn has(tool: &str) -> bool {
    let look = format!("command -v {tool} >/dev/null");
    let found = std::process::Command::new("sh").args(["-c", &look]).status().unwrap();
    if !found.success() {
        let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(!required, "{tool} is not installed and FLAMENCO_AZURE_REQUIRE_ALL=1");
        eprintln!("SKIPPED: {tool} not installed");
    }
    found.success()
}

fn sha256_of(text: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(text))
}
