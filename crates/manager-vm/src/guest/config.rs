//! The inputs of the machines' documents.

use std::net::Ipv4Addr;

use super::GuestError;

/// Where Flamenco's archives and their checksum files are published.
pub(super) const FLAMENCO_BASE_URL: &str = "https://flamenco.blender.org/downloads";
/// Where Blender's are.
pub(super) const BLENDER_BASE_URL: &str = "https://download.blender.org/release";

/// A released program: its version and, if pinned, the checksum of its Linux archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// For example `3.8.5` (Flamenco) or `4.5.14` (Blender).
    pub version: String,
    /// SHA-256 of the archive, 64 lower-case hexadecimal digits. It wins over the publisher's checksum file, which is
    /// fetched over TLS when this is `None`.
    pub sha256: Option<String>,
}

/// How the Manager's web address is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// A certificate from Let's Encrypt, else from ZeroSSL, else from Caddy's own authority until a later try works.
    Acme,
    /// A certificate from Caddy's own authority.
    Internal,
    /// No public listener at all: the Manager is reached through a tunnel.
    Off,
}

impl TlsMode {
    /// The word used in the farm file and in the control program's answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Internal => "internal",
            Self::Off => "off",
        }
    }
}

/// Where the share and its folders are mounted, the same on Manager and nodes. Absolute paths of letters, digits and
/// `-_.`, none inside another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPaths {
    /// The whole share.
    pub share: String,
    /// Its folder `resources`: programs and the node setup script.
    pub resources: String,
    /// Its folder `input`: Flamenco's shared storage (Shaman's file store and the jobs).
    pub input: String,
    /// Its folder `output`: rendered frames under `render/`, the nightly copy of the Manager.
    pub output: String,
}

impl Default for MountPaths {
    fn default() -> Self {
        Self {
            share: "/mnt/flamenco".to_owned(),
            resources: "/mnt/flamenco-resources".to_owned(),
            input: "/mnt/flamenco-input".to_owned(),
            output: "/mnt/flamenco-output".to_owned(),
        }
    }
}

/// All that the machines' documents depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestConfig {
    /// Shown by Flamenco as the Manager's name. 1 to 64 printable ASCII characters.
    pub farm: String,
    /// Flamenco's release.
    pub flamenco: Archive,
    /// Blender's release, three numbers.
    pub blender: Archive,
    /// The share: `{account}.file.core.windows.net:/{account}/{share}`, or any `{server}:/{path}` of NFS 4.1.
    pub nfs_export: String,
    /// Mount through `aznfs` with TLS (Azure Files' encryption in transit). Installs Microsoft's package source.
    pub encrypt_in_transit: bool,
    /// The Manager's static private address, to which the workers connect. `None` where it is not known beforehand (a
    /// dynamic address in an existing network): the Manager then writes its address on the share, where nodes read it.
    pub manager_address: Option<Ipv4Addr>,
    /// The Manager's public DNS name; needed by [`TlsMode::Acme`].
    pub public_host: Option<String>,
    /// How the web address is secured.
    pub tls: TlsMode,
    /// The VM's admin user: gets into the group `flamenco`, so that it can read and write the share.
    pub admin_user: String,
    /// Folder of Flamenco's archives. `https` (or `http` on 127.0.0.1 and `file`, for tests).
    pub flamenco_base_url: String,
    /// Folder of Blender's releases (holds `Blender4.5/…`). Same schemes.
    pub blender_base_url: String,
    /// Mount points.
    pub mounts: MountPaths,
}

impl GuestConfig {
    /// A farm with this tool's defaults: nothing pinned, the publishers' own servers, the usual mount points, admin
    /// user `flamencoadmin`, no public listener.
    pub fn new(
        farm: &str,
        flamenco_version: &str,
        blender_version: &str,
        nfs_export: &str,
        manager_address: Ipv4Addr,
    ) -> Self {
        Self {
            farm: farm.to_owned(),
            flamenco: Archive { version: flamenco_version.to_owned(), sha256: None },
            blender: Archive { version: blender_version.to_owned(), sha256: None },
            nfs_export: nfs_export.to_owned(),
            encrypt_in_transit: false,
            manager_address: Some(manager_address),
            public_host: None,
            tls: TlsMode::Off,
            admin_user: "flamencoadmin".to_owned(),
            flamenco_base_url: FLAMENCO_BASE_URL.to_owned(),
            blender_base_url: BLENDER_BASE_URL.to_owned(),
            mounts: MountPaths::default(),
        }
    }

    /// The same without pinned checksums.
    pub(super) fn unpinned(&self) -> Self {
        let mut config = self.clone();
        config.flamenco.sha256 = None;
        config.blender.sha256 = None;
        config
    }

    /// Checks every field against what the documents can carry.
    pub fn validate(&self) -> Result<(), GuestError> {
        check(
            "farm",
            &self.farm,
            (1..=64).contains(&self.farm.len()) && self.farm.bytes().all(|b| (0x20..0x7f).contains(&b)),
            "1 to 64 printable ASCII characters",
        )?;
        let version = &self.flamenco.version;
        check("flamenco version", version, is_flamenco_version(version), "a version such as 3.8.5")?;
        let version = &self.blender.version;
        check("blender version", version, is_numbers(version, 3), "three numbers such as 4.5.14")?;
        for (field, pinned) in
            [("flamenco sha256", &self.flamenco.sha256), ("blender sha256", &self.blender.sha256)]
        {
            if let Some(pinned) = pinned {
                check(field, pinned, is_sha256(pinned), "64 lower-case hexadecimal digits")?;
            }
        }
        check(
            "nfs export",
            &self.nfs_export,
            self.nfs_export.split_once(':').is_some_and(|(server, path)| is_host(server) && is_path(path)),
            "server:/path with letters, digits and -_.",
        )?;
        if let Some(host) = &self.public_host {
            check("public host", host, is_host(host), "a DNS name")?;
        } else if self.tls == TlsMode::Acme {
            check("public host", "", false, "a DNS name, since tls is acme")?;
        }
        check("admin user", &self.admin_user, is_user(&self.admin_user), "a Linux user name")?;
        for (field, url) in
            [("flamenco base url", &self.flamenco_base_url), ("blender base url", &self.blender_base_url)]
        {
            check(field, url, is_base_url(url), "an https URL without query and trailing slash")?;
        }
        let mounts = [
            ("mounts share", &self.mounts.share),
            ("mounts resources", &self.mounts.resources),
            ("mounts input", &self.mounts.input),
            ("mounts output", &self.mounts.output),
        ];
        for (i, (field, path)) in mounts.iter().enumerate() {
            let nested = mounts.iter().enumerate().any(|(j, (_, other))| {
                i != j
                    && (path == other
                        || path.strip_prefix(other.as_str()).is_some_and(|r| r.starts_with('/')))
            });
            check(field, path, is_path(path) && !nested, "an absolute path that lies in none of the others")?;
        }
        Ok(())
    }
}

fn check(field: &'static str, value: &str, good: bool, expected: &'static str) -> Result<(), GuestError> {
    if good { Ok(()) } else { Err(GuestError::InvalidValue { field, value: value.to_owned(), expected }) }
}

fn is_numbers(text: &str, parts: usize) -> bool {
    let all: Vec<&str> = text.split('.').collect();
    all.len() == parts
        && all.iter().all(|p| (1..=4).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
}

/// `3.8.5`, `3.9`, `3.9-beta1`.
fn is_flamenco_version(text: &str) -> bool {
    let (numbers, suffix) = text.split_once('-').unwrap_or((text, "beta1"));
    (is_numbers(numbers, 2) || is_numbers(numbers, 3))
        && (1..=16).contains(&suffix.len())
        && suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A DNS name or IPv4 address.
fn is_host(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn is_path(text: &str) -> bool {
    text.len() <= 200
        && text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| {
                !part.is_empty()
                    && part != "."
                    && part != ".."
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            })
        })
}

fn is_user(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn is_base_url(text: &str) -> bool {
    let scheme = ["https://", "http://127.0.0.1:", "http://localhost:", "file:///"];
    text.len() <= 500
        && !text.ends_with('/')
        && scheme.iter().any(|s| text.len() > s.len() && text.starts_with(s))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~:/%+".contains(&b))
}
