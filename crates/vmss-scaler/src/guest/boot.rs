//! What a machine does at its start: an export's bootstrap script, then the set-up.

use uuid::Uuid;

use super::scripts::HTTP;
use super::template::{Value, render};
use super::{GuestError, GuestFile, check};

/// How exports are mounted: as the old program's machines did, without the options that today's kernels ignore.
pub const NFS_OPTIONS: &str = "hard,proto=tcp,retry=5";

/// A file to be fetched, known by its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where it is: https, without a query (a SAS would be a secret).
    pub url: String,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
    /// The client id of the managed identity that may read it, for a blob that is not public.
    pub client_id: Option<Uuid>,
}

impl Download {
    pub(super) fn check(&self) -> Result<(), GuestError> {
        check::url("url", &self.url)?;
        check::sha256("sha256", &self.sha256)
    }

    pub(super) fn values(&self) -> [(&'static str, Value); 3] {
        [
            ("URL", Value::shell(&self.url)),
            ("SHA256", Value::shell(&self.sha256)),
            ("CLIENT", Value::shell(self.client_id.map(|id| id.to_string()).unwrap_or_default())),
        ]
    }
}

/// What makes the machine a node. It runs as root at every boot and once more when it failed, so it has to bear being
/// run again. `AZ_BATCH_NODE_ID` (the VM's name) and `AZ_BATCH_NODE_SHARED_DIR` are set, as in a Batch start task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setup {
    /// A script, with its `#!` line or for `sh`.
    Script(String),
    /// A script or program to fetch.
    Download(Download),
}

impl Setup {
    /// A command line, such as a Batch start task's.
    pub fn command(line: impl AsRef<str>) -> Self {
        Self::Script(format!("#!/bin/sh\n{}\n", line.as_ref()))
    }
}

/// An NFS export with a script on it that runs once per machine; the export is unmounted afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsBootstrap {
    /// The export, such as `10.0.16.12:/msazure`.
    pub export: String,
    /// Where it is mounted, such as `/b`.
    pub mount_point: String,
    /// The script's path on the export, such as `/bootstrap/bootstrap.sh`.
    pub script: String,
    /// Mount options.
    pub options: String,
}

impl NfsBootstrap {
    /// A script of an export, mounted on `/b` with [`NFS_OPTIONS`].
    pub fn new(export: impl Into<String>, script: impl Into<String>) -> Self {
        let (mount_point, options) = ("/b".to_owned(), NFS_OPTIONS.to_owned());
        Self { export: export.into(), mount_point, script: script.into(), options }
    }

    fn part(&self) -> Result<String, GuestError> {
        check::export("export", &self.export)?;
        check::path("mount_point", &self.mount_point)?;
        check::path("script", &self.script)?;
        check::options("options", &self.options)?;
        let values = [
            ("EXPORT", Value::shell(&self.export)),
            ("POINT", Value::shell(self.mount_point.trim_end_matches('/'))),
            ("SCRIPT", Value::shell(&self.script)),
            ("OPTIONS", Value::shell(&self.options)),
        ];
        render("bootstrap.sh", include_str!("../../guest/bootstrap.sh"), &values)
    }
}

pub(super) const FETCH: &str = include_str!("../../guest/fetch.sh");
/// The unit that runs it all.
pub(super) const BOOT_UNIT: &str = "flamenco-azure-node.service";
const SETUP: &str = "/usr/local/lib/flamenco-azure/setup";

/// The files of a machine that starts so: script, unit, and the set-up where its text is known.
pub(super) fn files(
    bootstrap: Option<&NfsBootstrap>,
    setup: Option<&Setup>,
) -> Result<Vec<GuestFile>, GuestError> {
    let (mut part, mut fetch) = (String::new(), "");
    let mut files = Vec::new();
    match setup {
        Some(Setup::Script(text)) => {
            part = format!("setup={SETUP}\n");
            files.push(GuestFile::new(SETUP, 0o755, text));
        }
        Some(Setup::Download(download)) => {
            download.check()?;
            let line = "setup=/var/lib/flamenco-azure/setup-@SHA256@\nfetch \"$root$setup\" @URL@ @SHA256@ @CLIENT@\n";
            part = render("setup", line, &download.values())?;
            fetch = FETCH;
        }
        None => {}
    }
    if setup.is_some() {
        part.push_str(include_str!("../../guest/setup.sh"));
    }
    let values = [
        ("HTTP", Value::fragment(HTTP)),
        ("FETCH", Value::fragment(fetch)),
        ("BOOTSTRAP", Value::fragment(bootstrap.map(NfsBootstrap::part).transpose()?.unwrap_or_default())),
        ("SETUP", Value::fragment(part)),
    ];
    let boot = render("node-boot.sh", include_str!("../../guest/node-boot.sh"), &values)?;
    files.push(GuestFile::new("/usr/local/lib/flamenco-azure/node-boot", 0o755, boot));
    let unit = include_str!("../../guest/node-boot.service");
    files.push(GuestFile::new("/etc/systemd/system/flamenco-azure-node.service", 0o644, unit));
    Ok(files)
}
