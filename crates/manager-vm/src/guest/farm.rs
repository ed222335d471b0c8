//! From the farm to the machines' config.

use std::net::Ipv4Addr;

use flamenco_azure_core::spec::{Farm, Tls};

use super::{Archive, GuestConfig, MountPaths, TlsMode};

/// The config of a farm's machines. `encrypt`: mount with TLS; `address`: the Manager's private address where it is
/// static; `host`: its public DNS name if it has one. A farm without one cannot be certified by a public authority, so
/// `acme` becomes `internal` there.
pub fn config_of(
    farm: &Farm,
    nfs_export: impl Into<String>,
    encrypt: bool,
    address: Option<Ipv4Addr>,
    host: Option<String>,
) -> GuestConfig {
    let manager = &farm.manager;
    let tls = match (manager.tls, &host) {
        (Tls::Off, _) => TlsMode::Off,
        (Tls::Acme, Some(_)) => TlsMode::Acme,
        (Tls::Acme | Tls::Internal, _) => TlsMode::Internal,
    };
    GuestConfig {
        farm: farm.name.to_string(),
        flamenco: Archive {
            version: manager.flamenco_version.clone(),
            sha256: manager.flamenco_sha256.clone(),
        },
        blender: Archive { version: farm.blender.version.clone(), sha256: farm.blender.sha256.clone() },
        nfs_export: nfs_export.into(),
        encrypt_in_transit: encrypt,
        manager_address: address,
        public_host: host,
        tls,
        admin_user: crate::spec::ADMIN_USER.to_owned(),
        flamenco_base_url: super::config::FLAMENCO_BASE_URL.to_owned(),
        blender_base_url: super::config::BLENDER_BASE_URL.to_owned(),
        mounts: MountPaths::default(),
    }
}
