//! Brings an existing Manager to another set-up, in place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{GuestConfig, GuestError, manager_files};

/// The lines of a run-command that writes the Manager's files anew and runs the set-up again. The set-up is
/// idempotent: it fetches what is missing, and restarts what has changed.
pub fn refresh_script(config: &GuestConfig) -> Result<Vec<String>, GuestError> {
    let mut lines = vec![
        "set -eu".to_owned(),
        // Written beside and moved into place: nobody ever reads half a file.
        "root=${FLAMENCO_AZURE_ROOT:-}".to_owned(),
        "put() { f=$root$2; install -D -m \"$1\" /dev/null \"$f.new\" && echo \"$3\" | base64 -d >\"$f.new\" && mv -T \"$f.new\" \"$f\"; }"
            .to_owned(),
    ];
    for file in manager_files(config)? {
        lines.push(format!("put {:04o} {} {}", file.mode, file.path, STANDARD.encode(&file.content)));
    }
    lines.push("systemctl daemon-reload".to_owned());
    // How it ends is in its state file, which `ready` reads.
    lines.push("systemctl restart flamenco-azure-setup.service || true".to_owned());
    Ok(lines)
}
