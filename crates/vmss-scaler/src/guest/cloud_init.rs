//! Custom data: a `#cloud-config` document that writes files and starts units.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::GuestError;

/// The longest custom data in base64, in bytes (Microsoft's page "Virtual Machine Scale Sets - Create Or Update",
/// `customData`: 65,535 bytes).
pub const CLOUD_INIT_LIMIT: usize = 65_535;

/// One file for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path.
    pub path: &'static str,
    /// Permission bits, for example `0o644`. The owner is root.
    pub mode: u32,
    /// The whole content.
    pub content: String,
}

impl GuestFile {
    pub(super) fn new(path: &'static str, mode: u32, content: impl Into<String>) -> Self {
        Self { path, mode, content: content.into() }
    }
}

/// The document, in plain text: writes the files, makes the links (file to link) and starts the units.
pub(super) fn document(
    files: &[GuestFile],
    links: &[(&str, &str)],
    units: &[&str],
) -> Result<String, GuestError> {
    let mut text =
        String::from("#cloud-config\n# Made by flamenco-azure.\nssh_pwauth: false\nwrite_files:\n");
    for file in files {
        push_file(&mut text, file);
    }
    text.push_str("runcmd:\n");
    // Writing to a String cannot fail, here and below.
    for (file, link) in links {
        let _ = writeln!(text, "- [ln, -sfn, {file}, {link}]");
    }
    text.push_str("- [systemctl, daemon-reload]\n");
    for unit in units {
        // cloud-init goes on: how a unit fares is systemd's matter.
        let _ = writeln!(text, "- [systemctl, enable, --now, --no-block, {unit}]");
    }
    let length = text.len().div_ceil(3) * 4;
    if length > CLOUD_INIT_LIMIT {
        let limit = CLOUD_INIT_LIMIT;
        return Err(GuestError::TooLong { document: "cloud-init document", length, limit });
    }
    Ok(text)
}

/// One entry of `write_files`: the content as a literal block where YAML can hold it so, else in base64.
fn push_file(text: &mut String, file: &GuestFile) {
    let _ = writeln!(text, "- path: {}\n  permissions: '{:04o}'", file.path, file.mode);
    if !literal(&file.content) {
        let _ = writeln!(text, "  encoding: b64\n  content: {}", STANDARD.encode(&file.content));
        return;
    }
    text.push_str("  content: |\n");
    for line in file.content.lines() {
        if !line.is_empty() {
            text.push_str("   ");
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// Whether a literal block gives back exactly this: printable ASCII, no blank at the start, one line feed at the end.
fn literal(content: &str) -> bool {
    let printable = content.bytes().all(|b| b == b'\n' || b == b'\t' || (b' '..=b'~').contains(&b));
    printable
        && content.starts_with(|c: char| c.is_ascii_graphic())
        && content.ends_with('\n')
        && !content.ends_with("\n\n")
}
