//! From the config to the values of all placeholders.

use super::release::releases;
use super::template::{Value, Values, render};
use super::{GuestConfig, GuestError, TlsMode, mount_unit_name};

/// Options of the plain NFS mount (Azure Files' own recommendation plus systemd's network hints).
const NFS_OPTIONS: &str = "vers=4,minorversion=1,sec=sys,nconnect=4,noresvport,hard,_netdev,nofail";
/// Options that the aznfs helper takes.
const AZNFS_OPTIONS: &str = "vers=4,minorversion=1,sec=sys,nconnect=4,_netdev,nofail";

/// The values of everything that comes straight from the config, and the shared shell fragments.
pub(super) fn values(config: &GuestConfig) -> Result<Values, GuestError> {
    config.validate()?;
    let plain = |text: &str| Value::Plain(text.to_owned());
    let shell = |text: &str| Value::Shell(text.to_owned());
    let fragment = |text: &str| Value::Fragment(text.to_owned());
    let mounts = &config.mounts;
    let flamenco = &config.flamenco.version;
    let blender = &config.blender.version;
    let [of_flamenco, of_blender] = releases(config);
    let address = config.manager_address.map(|address| address.to_string()).unwrap_or_default();
    // Caddy takes the address from its environment, where the set-up script puts it.
    let host = config.public_host.as_deref().unwrap_or("{$MANAGER_ADDRESS}");
    // The private address works too where Caddy's own authority signs.
    let site = match (config.tls, &config.public_host) {
        (TlsMode::Internal, Some(host)) => format!("{host}, {{$MANAGER_ADDRESS}}"),
        _ => host.to_owned(),
    };
    // Caddy tries the issuers in turn at every issue and renewal, so a farm whose port 80 is closed serves its own
    // certificate at once and looks for a public one again when that is renewed, a few times a day.
    let issuers = match config.tls {
        TlsMode::Acme => "\t\tissuer acme\n\t\tissuer zerossl\n\t\tissuer internal",
        _ => "\t\tissuer internal",
    };

    let mut values: Values = [
        ("FARM", shell(&config.farm)),
        ("FARM_YAML", Value::Yaml(config.farm.clone())),
        ("FLAMENCO_VERSION", plain(flamenco)),
        ("BLENDER_VERSION", plain(blender)),
        ("FLAMENCO_FOLDER", plain(&of_flamenco.folder)),
        ("BLENDER_FOLDER", plain(&of_blender.folder)),
        ("FLAMENCO_ARCHIVE", Value::Plain(of_flamenco.archive())),
        ("BLENDER_ARCHIVE", Value::Plain(of_blender.archive())),
        ("FLAMENCO_URL", Value::Shell(of_flamenco.url())),
        ("BLENDER_URL", Value::Shell(of_blender.url())),
        ("FLAMENCO_SUMS", Value::Shell(of_flamenco.sums.clone())),
        ("BLENDER_SUMS", Value::Shell(of_blender.sums.clone())),
        ("FLAMENCO_SHA256", shell(config.flamenco.sha256.as_deref().unwrap_or_default())),
        ("BLENDER_SHA256", shell(config.blender.sha256.as_deref().unwrap_or_default())),
        ("EXPORT", plain(&config.nfs_export)),
        ("TYPE", plain(if config.encrypt_in_transit { "aznfs" } else { "nfs" })),
        ("OPTIONS", fragment(if config.encrypt_in_transit { AZNFS_OPTIONS } else { NFS_OPTIONS })),
        ("SHARE", plain(&mounts.share)),
        ("RESOURCES", plain(&mounts.resources)),
        ("INPUT", plain(&mounts.input)),
        ("OUTPUT", plain(&mounts.output)),
        ("SHARE_UNIT", Value::Shell(mount_unit_name(&mounts.share))),
        ("RESOURCES_UNIT", Value::Shell(mount_unit_name(&mounts.resources))),
        ("INPUT_UNIT", Value::Shell(mount_unit_name(&mounts.input))),
        ("OUTPUT_UNIT", Value::Shell(mount_unit_name(&mounts.output))),
        ("ADDRESS", shell(&address)),
        ("TLS_HOST", shell(config.public_host.as_deref().unwrap_or(&address))),
        ("HOST", fragment(host)),
        ("SITE", Value::Fragment(site)),
        ("ISSUERS", fragment(issuers)),
        ("TLS", plain(config.tls.as_str())),
        ("ADMIN", plain(&config.admin_user)),
        ("LIB", Value::Fragment(without_comments(include_str!("../../guest/lib.sh")))),
        ("INSTALL", Value::Fragment(without_comments(include_str!("../../guest/install.sh")))),
        ("APP_PACKAGES", Value::Fragment(without_comments(include_str!("../../guest/app-packages.sh")))),
        ("FOLDER_MOUNT_UNIT", fragment(include_str!("../../guest/folder.mount"))),
    ]
    .into();

    let aznfs = if config.encrypt_in_transit { include_str!("../../guest/aznfs.sh") } else { "" };
    values.insert("AZNFS", fragment(aznfs));
    let unit = render("share.mount", include_str!("../../guest/share.mount"), &values)?;
    values.insert("SHARE_MOUNT_UNIT", Value::Fragment(unit));
    let mounts = render("mounts.sh", include_str!("../../guest/mounts.sh"), &values)?;
    values.insert("MOUNTS", Value::Fragment(without_comments(&mounts)));
    let web = match config.tls {
        TlsMode::Off => include_str!("../../guest/web-off.sh"),
        TlsMode::Acme | TlsMode::Internal => include_str!("../../guest/web-caddy.sh"),
    };
    values.insert("WEB", fragment(web));
    Ok(values)
}

/// Shared shell parts go into several size-limited documents: their comments stay with this crate (but those that
/// shellcheck reads). No heredoc in them has a line that starts with `#`.
pub(super) fn without_comments(script: &str) -> String {
    script
        .lines()
        .filter(|line| {
            let line = line.trim_start();
            !line.starts_with('#') || line.starts_with("# shellcheck")
        })
        .fold(String::with_capacity(script.len()), |text, line| text + line + "\n")
}
