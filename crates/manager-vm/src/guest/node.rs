//! The node's side: a small start task that mounts the share and runs the node setup script from it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::template::{Value, render};
use super::values::{values, without_comments};
use super::{GuestConfig, GuestError, sha256_of};

/// The longest start task command line that is sent. Batch takes 24,000 characters.
pub const START_TASK_LIMIT: usize = 24_000;

/// The script that makes a Batch node a Flamenco worker. The Manager puts it on the share as
/// `resources/flamenco-azure/node-setup-{sha256}.sh`; it may run any number of times.
///
/// It ends with status 0 or prints `flamenco-azure: failed: REASON`.
pub fn node_setup_script(config: &GuestConfig) -> Result<String, GuestError> {
    // Nodes trust the checksums that the Manager put on the share beside the archives, pinned or not.
    let mut values = values(&config.unpinned())?;
    let yaml = render("worker.yaml", include_str!("../../guest/worker.yaml"), &values)?;
    values.insert("WORKER_YAML", Value::Fragment(yaml));
    let unit = render("worker.service", include_str!("../../guest/worker.service"), &values)?;
    values.insert("WORKER_UNIT", Value::Fragment(unit));
    render("node-setup.sh", include_str!("../../guest/node-setup.sh"), &values)
}

/// The start task's script in plain text: mounts the share, waits up to 20 minutes for the node setup script with the
/// SHA-256 that it carries, verifies it and runs it. It must run as root (an elevated auto-user).
pub fn start_task_script(config: &GuestConfig) -> Result<String, GuestError> {
    let mut values = values(config)?;
    values.insert("NODE_SETUP_SHA256", Value::Plain(sha256_of(&node_setup_script(config)?)));
    let script = render("node-start.sh", include_str!("../../guest/node-start.sh"), &values)?;
    Ok(without_comments(&script))
}

/// The pool's start task command line: [`start_task_script`] in base64, so that no quoting rule between the Batch
/// service, its node agent and the shell can touch it.
pub fn start_task_command(config: &GuestConfig) -> Result<String, GuestError> {
    let script = STANDARD.encode(start_task_script(config)?);
    let command = format!("/bin/bash -c 's=$(echo {script} | base64 -d) && exec /bin/bash -c \"$s\"'");
    if command.len() > START_TASK_LIMIT {
        let (length, limit) = (command.len(), START_TASK_LIMIT);
        return Err(GuestError::TooLong { document: "start task command", length, limit });
    }
    Ok(command)
}
