//! Helpers of the guest tests: tools that may be missing, and a scratch machine to run the real scripts on.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "test helpers")]

pub mod fake_manager;
pub mod machine;

use std::net::Ipv4Addr;
use std::process::Command;

use manager_vm::guest::{GuestConfig, TlsMode};

/// Whether `tool` can be run. A missing one is said loudly; with `FLAMENCO_AZURE_REQUIRE_ALL=1` it fails the test.
pub fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool} >/dev/null")]).status().unwrap();
    if !found.success() {
        let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(!required, "{tool} is not installed and FLAMENCO_AZURE_REQUIRE_ALL=1");
        eprintln!("SKIPPED: {tool} not installed");
    }
    found.success()
}

/// A farm with a public address and a certificate.
pub fn config() -> GuestConfig {
    let mut config = GuestConfig::new(
        "crunch",
        "3.8.5",
        "4.5.14",
        "crunchfarm.file.core.windows.net:/crunchfarm/flamenco",
        Ipv4Addr::new(10, 0, 0, 4),
    );
    config.public_host = Some("crunch.westeurope.cloudapp.azure.com".into());
    config.tls = TlsMode::Acme;
    config
}

/// Every shape of config that renders differently.
pub fn configs() -> Vec<GuestConfig> {
    let mut all = Vec::new();
    for tls in [TlsMode::Acme, TlsMode::Internal, TlsMode::Off] {
        for encrypt_in_transit in [false, true] {
            for known in [false, true] {
                let mut config = GuestConfig { tls, encrypt_in_transit, ..config() };
                if known {
                    config.flamenco.sha256 = Some("0123456789abcdef".repeat(4));
                    config.blender.sha256 = Some("f".repeat(64));
                } else {
                    config.manager_address = None;
                    if tls != TlsMode::Acme {
                        config.public_host = None;
                    }
                }
                all.push(config);
            }
        }
    }
    all
}
