//! The scaler's own machine: binary, settings, unit, and `set-capacity` for people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::boot::{self, BOOT_UNIT, FETCH};
use super::cloud_init::document;
use super::scripts::{HTTP, set_capacity};
use super::template::{Value, render};
use super::{Download, GuestError, GuestFile, NfsBootstrap, Setup, check};

/// What the scaler's machine gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalerGuest {
    /// The program.
    pub binary: Download,
    /// The text of `/etc/flamenco-azure/scaler.yaml`. It holds no secret, and is read by the scaler alone (0640).
    pub config: String,
    /// How the scaler writes its log.
    pub log: LogFormat,
    /// Settings of `set-capacity`, if it is wanted there.
    pub capacity: Option<Capacity>,
}

/// How the scaler writes its log, for the journal: the environment variable `FLAMENCO_AZURE_LOG_FORMAT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// As the environment variable says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Settings of `set-capacity`: what it cannot find out where it runs. All of them can be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capacity {
    /// The tag; `TOTAL_NODES` if none.
    pub tag: Option<String>,
    /// The subscription; the machine's own if none.
    pub subscription: Option<Uuid>,
    /// The resource group; the machine's own if none.
    pub resource_group: Option<String>,
    /// The client id of the managed identity; the machine's system-assigned one if none.
    pub client_id: Option<Uuid>,
    /// Resource Manager's address; the public cloud's if none.
    pub resource_manager: Option<String>,
    /// The login service's address; the public cloud's if none.
    pub authority: Option<String>,
}

const CAPACITY: &str = "/usr/local/bin/set-capacity";
/// The script's names in Avere's VMScaler, which say whose identity is used.
const OLD_CAPACITY: [&str; 2] =
    ["/usr/local/bin/set_capacity.imds.sh", "/usr/local/bin/set_capacity.service_principal.sh"];

/// `set-capacity` and its settings.
pub fn capacity_files(capacity: &Capacity) -> Result<Vec<GuestFile>, GuestError> {
    let mut text = String::from("# Settings of set-capacity: KEY=value, read as they are. No secrets.\n");
    let subscription = capacity.subscription.map(|id| id.to_string());
    let client = capacity.client_id.map(|id| id.to_string());
    for (field, address) in
        [("resource_manager", &capacity.resource_manager), ("authority", &capacity.authority)]
    {
        if let Some(address) = address {
            check::url(field, address)?;
        }
    }
    for (key, field, value) in [
        ("TAG", "tag", &capacity.tag),
        ("SUBSCRIPTION_ID", "subscription", &subscription),
        ("RESOURCE_GROUP", "resource_group", &capacity.resource_group),
        ("CLIENT_ID", "client_id", &client),
        ("RESOURCE_MANAGER", "resource_manager", &capacity.resource_manager),
        ("AUTHORITY", "authority", &capacity.authority),
    ] {
        if let Some(value) = value {
            check::line(field, value)?;
            text.extend([key, "=", value, "\n"]);
        }
    }
    Ok(vec![
        GuestFile::new("/etc/flamenco-azure/capacity.conf", 0o644, text),
        GuestFile::new(CAPACITY, 0o755, set_capacity()?),
    ])
}

/// The daemon's systemd unit, `flamenco-azure-scaler.service`.
pub fn scaler_unit(log: LogFormat) -> Result<String, GuestError> {
    let values = [("LOG_FORMAT", Value::fragment(log.as_str()))];
    render("scaler.service", include_str!("../../guest/scaler.service"), &values)
}

/// The installation as one script.
fn installer(scaler: &ScalerGuest) -> Result<String, GuestError> {
    scaler.binary.check()?;
    let put = |path: &str, mode: u32, group: &str, content: &str| {
        format!("put {path} {mode:04o} {group} {}\n", STANDARD.encode(content))
    };
    let mut files = put("/etc/flamenco-azure/scaler.yaml", 0o640, "flamenco-scaler", &scaler.config);
    let unit = scaler_unit(scaler.log)?;
    files += &put("/etc/systemd/system/flamenco-azure-scaler.service", 0o644, "root", &unit);
    if let Some(capacity) = &scaler.capacity {
        // Nothing of it concerns the daemon.
        files += "before=$changed\n";
        for file in capacity_files(capacity)? {
            files += &put(file.path, file.mode, "root", &file.content);
        }
        for link in OLD_CAPACITY {
            files.extend(["link ", CAPACITY, " ", link, "\n"]);
        }
        files += "changed=$before\n";
    }
    let backoff = STANDARD.encode(include_str!("../../guest/scaler-backoff.conf"));
    let mut values = vec![
        ("HTTP", Value::fragment(HTTP)),
        ("FETCH", Value::fragment(FETCH)),
        ("FILES", Value::fragment(files)),
        ("BACKOFF", Value::fragment(backoff)),
    ];
    values.extend(scaler.binary.values());
    render("scaler-install.sh", include_str!("../../guest/scaler-install.sh"), &values)
}

/// The lines of a run-command that installs the scaler on an existing VM, or brings it to what is wanted now.
pub fn install_script(scaler: &ScalerGuest) -> Result<Vec<String>, GuestError> {
    Ok(as_run_command(&installer(scaler)?))
}

/// The lines of a run-command that takes the scaler off a VM. What it scaled stays as it is.
pub fn uninstall_script() -> Vec<String> {
    as_run_command(include_str!("../../guest/scaler-uninstall.sh"))
}

/// Run-command hands its lines to sh; a file, so that nothing inside reads the rest of the script as its input.
fn as_run_command(script: &str) -> Vec<String> {
    let mut lines =
        vec!["file=$(mktemp) || exit 1".to_owned(), "cat >\"$file\" <<'FLAMENCO_AZURE_SCRIPT'".to_owned()];
    lines.extend(script.lines().map(str::to_owned));
    lines.push("FLAMENCO_AZURE_SCRIPT".to_owned());
    lines.push("sh \"$file\" </dev/null; status=$?; rm -f \"$file\"; exit \"$status\"".to_owned());
    lines
}

/// The `#cloud-config` document, in plain text, of a VM that runs the scaler and nothing else: first the script of an
/// export, if any, then the installation. `flamenco-azure-node.service` does it, as on nodes.
pub fn scaler_cloud_init(
    scaler: &ScalerGuest,
    bootstrap: Option<&NfsBootstrap>,
) -> Result<String, GuestError> {
    let setup = Setup::Script(installer(scaler)?);
    document(&boot::files(bootstrap, Some(&setup))?, &[], &[BOOT_UNIT])
}
