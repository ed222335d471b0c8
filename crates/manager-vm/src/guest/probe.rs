//! Scripts that find out what Azure does, for `flamenco-azure doctor --live`.

use super::template::render;
use super::values::values;
use super::{GuestConfig, GuestError};

/// Mounts the farm's share with encryption in transit, beside the farm's own mount, and prints
/// `{"mounted": true}` or `{"mounted": false, "why": "..."}`.
pub fn encrypted_mount_script(config: &GuestConfig) -> Result<Vec<String>, GuestError> {
    let encrypted = GuestConfig { encrypt_in_transit: true, ..config.clone() };
    let script =
        render("try-encrypted.sh", include_str!("../../guest/try-encrypted.sh"), &values(&encrypted)?)?;
    // Run-command hands its lines to sh; a file, so that nothing inside reads the rest of the script as its input.
    let mut lines = vec!["cat >/run/flamenco-azure-try <<'FLAMENCO_AZURE_TRY'".to_owned()];
    lines.extend(script.lines().map(str::to_owned));
    lines.push("FLAMENCO_AZURE_TRY".to_owned());
    lines.push("bash /run/flamenco-azure-try </dev/null".to_owned());
    Ok(lines)
}

/// A script of at least `script_bytes` that prints `output_bytes` characters.
pub fn limits_script(script_bytes: usize, output_bytes: usize) -> Vec<String> {
    let mut lines = vec![format!("head -c {output_bytes} /dev/zero | tr '\\0' x")];
    let padding = "# a line that does nothing but make the script long enough to see whether Azure takes it";
    lines.extend((0..=script_bytes / (padding.len() + 1)).map(|_| padding.to_owned()));
    lines
}
