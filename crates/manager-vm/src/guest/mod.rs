//! What runs on the machines: the Manager's cloud-init document and the nodes' start task.
//!
//! Everything here is pure text: [`GuestConfig`] in, documents out, the same bytes for the same input. The scripts,
//! units and settings are template files of their own (folder `guest/` of this crate), filled in by a placeholder form
//! that refuses unknown names and unsafe values. No document holds a secret: there is none to hold, since the share
//! trusts the network and Flamenco 3 has no passwords.
//!
//! ```
//! use manager_vm::guest::{self, GuestConfig};
//!
//! let config = GuestConfig::new(
//!     "crunch",
//!     "3.8.5",
//!     "4.5.14",
//!     "crunchfarm.file.core.windows.net:/crunchfarm/flamenco",
//!     std::net::Ipv4Addr::new(10, 0, 0, 4),
//! );
//! let document = guest::cloud_init(&config)?;
//! assert!(document.starts_with("#cloud-config\n"));
//! assert!(guest::start_task_command(&config)?.contains("/bin/bash"));
//! # Ok::<(), guest::GuestError>(())
//! ```

mod cloud_init;
mod config;
mod error;
mod farm;
mod files;
mod node;
mod probe;
mod refresh;
mod release;
mod systemd;
mod template;
mod values;

pub use cloud_init::{CLOUD_INIT_LIMIT, cloud_init, config_digest};
pub use config::{Archive, GuestConfig, MountPaths, TlsMode};
pub use error::GuestError;
pub use farm::config_of;
pub use files::{GuestFile, manager_files};
pub use node::{START_TASK_LIMIT, node_setup_script, start_task_command, start_task_script};
pub use probe::{encrypted_mount_script, limits_script};
pub use refresh::refresh_script;
pub use release::{Release, releases};
pub use systemd::mount_unit_name;

use sha2::{Digest, Sha256};

/// The SHA-256 of a script in lower-case hexadecimal digits, as `sha256sum` prints it.
pub fn sha256_of(script: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(script.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
