//! The files that cloud-init puts on the Manager VM.

use super::template::{Values, render};
use super::values::values;
use super::{GuestConfig, GuestError, TlsMode, node_setup_script};

/// One file for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path.
    pub path: &'static str,
    /// Permission bits, for example `0o644`. The owner is root.
    pub mode: u32,
    /// The whole content, with a line feed at its end.
    pub content: String,
}

/// Renders one template file of the folder `guest/`.
macro_rules! guest_file {
    ($values:expr, $path:literal, $mode:literal, $template:literal) => {
        file($values, $path, $mode, $template, include_str!(concat!("../../guest/", $template)))
    };
}

fn file(
    values: &Values,
    path: &'static str,
    mode: u32,
    template: &'static str,
    text: &str,
) -> Result<GuestFile, GuestError> {
    Ok(GuestFile { path, mode, content: render(template, text, values)? })
}

/// Every file of the Manager VM, in the order of the cloud-init document. The small settings come first: they are what
/// a reader of the document looks for.
pub fn manager_files(config: &GuestConfig) -> Result<Vec<GuestFile>, GuestError> {
    let v = &values(config)?;
    let mut files = vec![
        guest_file!(v, "/etc/flamenco-azure/manager.env", 0o644, "manager.env")?,
        guest_file!(v, "/usr/local/lib/flamenco-azure/flamenco-manager.yaml", 0o644, "manager.yaml")?,
        guest_file!(v, "/etc/systemd/system/flamenco-azure-setup.service", 0o644, "setup.service")?,
        guest_file!(v, "/etc/systemd/system/flamenco-manager.service", 0o644, "manager.service")?,
        guest_file!(v, "/etc/systemd/system/flamenco-manager-backup.service", 0o644, "backup.service")?,
        guest_file!(v, "/etc/systemd/system/flamenco-manager-backup.timer", 0o644, "backup.timer")?,
    ];
    if config.tls != TlsMode::Off {
        files.push(guest_file!(v, "/etc/flamenco-azure/Caddyfile", 0o644, "Caddyfile")?);
        files.push(guest_file!(v, "/usr/local/lib/flamenco-azure/caddy.conf", 0o644, "caddy.conf")?);
    }
    files.push(guest_file!(v, "/usr/local/lib/flamenco-azure/manager-setup", 0o755, "manager-setup.sh")?);
    files.push(guest_file!(v, "/usr/local/lib/flamenco-azure/manager-backup", 0o755, "manager-backup.sh")?);
    files.push(GuestFile {
        path: "/usr/local/lib/flamenco-azure/node-setup",
        mode: 0o644,
        content: node_setup_script(config)?,
    });
    files.push(guest_file!(v, "/usr/local/sbin/flamenco-azure-ctl", 0o755, "flamenco-azure-ctl")?);
    Ok(files)
}
