//! The Manager VM's custom data.

use super::{GuestConfig, GuestError, GuestFile, manager_files, sha256_of};

/// The longest cloud-init document that is sent, in bytes. Azure takes 64 KB of custom data, counted in base64 by some
/// of its pages: 49,000 bytes fit either way, for they are 65,336 in base64.
pub const CLOUD_INIT_LIMIT: usize = 49_000;

/// The Manager VM's `#cloud-config` document, in plain text (the caller encodes it for `osProfile.customData`).
///
/// It writes [`manager_files`] and starts `flamenco-azure-setup.service`, which runs again at every boot and keeps
/// `/var/lib/flamenco-azure/setup.state` (`running`, `done` or `failed: REASON`).
pub fn cloud_init(config: &GuestConfig) -> Result<String, GuestError> {
    let mut text = String::from(
        "#cloud-config\n# Flamenco Manager, made by flamenco-azure.\nssh_pwauth: false\nwrite_files:\n",
    );
    for file in manager_files(config)? {
        push_file(&mut text, &file);
    }
    text.push_str("runcmd:\n");
    for command in
        ["daemon-reload", "enable, flamenco-azure-setup.service", "start, flamenco-azure-setup.service"]
    {
        text.push_str("- [systemctl, ");
        text.push_str(command);
        text.push_str("]\n");
    }
    if text.len() > CLOUD_INIT_LIMIT {
        let (length, limit) = (text.len(), CLOUD_INIT_LIMIT);
        return Err(GuestError::TooLong { document: "cloud-init document", length, limit });
    }
    Ok(text)
}

/// One entry of `write_files`: the content as a literal block, readable as it is, indented as little as YAML allows.
fn push_file(text: &mut String, file: &GuestFile) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "- path: {}\n  permissions: '{:04o}'\n  content: |", file.path, file.mode);
    for line in file.content.lines() {
        if !line.is_empty() {
            text.push_str("   ");
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// A short hash of the Manager's document: 16 hexadecimal digits, for a tag on the VM that says which document made it
/// (custom data can neither be changed nor read back).
pub fn config_digest(config: &GuestConfig) -> Result<String, GuestError> {
    // Pinned checksums say how a download is checked, not what is set up: pinning what is there changes nothing.
    let mut digest = sha256_of(&cloud_init(&config.unpinned())?);
    digest.truncate(16);
    Ok(digest)
}
