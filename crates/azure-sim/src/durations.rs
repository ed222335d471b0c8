//! How long things take on the virtual clock, in seconds: one table, typical values.

/// What is being done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// First PUT.
    Create,
    /// PUT or PATCH on an existing resource.
    Update,
    /// DELETE.
    Delete,
}

/// (type in lower case, create, update, delete)
const TABLE: &[(&str, u64, u64, u64)] = &[
    ("microsoft.network/virtualnetworks", 5, 5, 11),
    ("microsoft.network/virtualnetworks/subnets", 4, 4, 11),
    ("microsoft.network/networksecuritygroups", 4, 4, 11),
    ("microsoft.network/networksecuritygroups/securityrules", 3, 3, 11),
    ("microsoft.network/publicipaddresses", 3, 3, 11),
    ("microsoft.network/natgateways", 9, 11, 21),
    ("microsoft.network/networkinterfaces", 2, 2, 11),
    ("microsoft.storage/storageaccounts", 22, 0, 0),
    ("microsoft.compute/virtualmachines", 48, 32, 45),
    ("microsoft.compute/virtualmachinescalesets", 55, 40, 70),
    ("microsoft.compute/disks", 4, 4, 6),
    // Recorded: done at the second poll after 15 s in five of eight, at the first in three.
    ("microsoft.batch/batchaccounts", 22, 0, 40),
    ("microsoft.batch/batchaccounts/pools", 0, 0, 90),
    ("microsoft.managedidentity/userassignedidentities", 0, 0, 0),
];

/// A Manager's first set-up after its VM's creation has ended, by its parts. Estimates for a small burstable size, none
/// of them measured on Azure; Blender is a download of about 380 MB.
const SET_UP: &[(&str, u64)] = &[
    ("boot, until the set-up begins", 20),
    ("packages are installed; the archives are downloaded meanwhile", 40),
    ("the share is mounted", 5),
    ("archives are verified and put on the share, Flamenco is unpacked", 20),
    ("Manager and web server start", 10),
];

/// Seconds of a Manager's first set-up.
pub(crate) fn set_up() -> u64 {
    SET_UP.iter().map(|part| part.1).sum()
}

/// Time of a resource type that the table does not name.
const OTHERWISE: u64 = 5;

/// What deleting a resource group takes on top of its slowest resource.
pub(crate) const GROUP_DELETE: u64 = 16;

/// Registration of a resource provider.
pub(crate) const REGISTER: u64 = 30;

/// Until a new identity is known to the directory that role assignments ask (recorded: up to 24 refusals in a row).
pub(crate) const IDENTITY_REPLICATION: u64 = 25;

/// Seconds for a verb on a full type name (any casing).
pub(crate) fn seconds(kind: &str, verb: Verb) -> u64 {
    let kind = kind.to_ascii_lowercase();
    let Some(row) = TABLE.iter().find(|row| row.0 == kind) else {
        return OTHERWISE;
    };
    match verb {
        Verb::Create => row.1,
        Verb::Update => row.2,
        Verb::Delete => row.3,
    }
}
