//! From the config to the values of all placeholders.

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
    let series = blender.rsplit_once('.').map_or(blender.as_str(), |(series, _)| series);
    let flamenco_folder = format!("flamenco-{flamenco}-linux-amd64");
    let blender_folder = format!("blender-{blender}-linux-x64");
    let flamenco_base = &config.flamenco_base_url;
    let blender_base = format!("{}/Blender{series}", config.blender_base_url);
    let address = config.manager_address.to_string();
    let host = config.public_host.as_deref().unwrap_or(&address);
    // The private address works too where Caddy's own authority signs.
    let site = match config.tls {
        TlsMode::Internal if host != address => format!("{host}, {address}"),
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
        ("FLAMENCO_FOLDER", plain(&flamenco_folder)),
        ("BLENDER_FOLDER", plain(&blender_folder)),
        ("FLAMENCO_ARCHIVE", Value::Plain(format!("{flamenco_folder}.tar.gz"))),
        ("BLENDER_ARCHIVE", Value::Plain(format!("{blender_folder}.tar.xz"))),
        ("FLAMENCO_URL", Value::Shell(format!("{flamenco_base}/{flamenco_folder}.tar.gz"))),
        ("BLENDER_URL", Value::Shell(format!("{blender_base}/{blender_folder}.tar.xz"))),
        ("FLAMENCO_SUMS", Value::Shell(format!("{flamenco_base}/flamenco-{flamenco}.sha256"))),
        ("BLENDER_SUMS", Value::Shell(format!("{blender_base}/blender-{blender}.sha256"))),
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
        ("ADDRESS", plain(&address)),
        ("MANAGER_URL", Value::Plain(format!("http://{address}:8080"))),
        ("HOST", plain(host)),
        ("SITE", Value::Fragment(site)),
        ("ISSUERS", fragment(issuers)),
        ("TLS", plain(config.tls.as_str())),
        ("ADMIN", plain(&config.admin_user)),
        ("LIB", fragment(include_str!("../../guest/lib.sh"))),
        ("INSTALL", fragment(include_str!("../../guest/install.sh"))),
        ("FOLDER_MOUNT_UNIT", fragment(include_str!("../../guest/folder.mount"))),
    ]
    .into();

    let aznfs = if config.encrypt_in_transit { include_str!("../../guest/aznfs.sh") } else { "" };
    values.insert("AZNFS", fragment(aznfs));
    let unit = render("share.mount", include_str!("../../guest/share.mount"), &values)?;
    values.insert("SHARE_MOUNT_UNIT", Value::Fragment(unit));
    let mounts = render("mounts.sh", include_str!("../../guest/mounts.sh"), &values)?;
    values.insert("MOUNTS", Value::Fragment(mounts));
    let web = match config.tls {
        TlsMode::Off => include_str!("../../guest/web-off.sh"),
        TlsMode::Acme | TlsMode::Internal => include_str!("../../guest/web-caddy.sh"),
    };
    values.insert("WEB", fragment(web));
    Ok(values)
}
