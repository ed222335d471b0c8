//! What Batch takes: ids, versions, how many, how large. Known before anything is sent.

use super::error::{IdError, PackError};

/// Applications per account: Microsoft's page "Batch service quotas and limits". Older accounts have 20: the service
/// refuses the next one when it is made, before anything is uploaded.
pub const APPLICATIONS: usize = 200;
/// Packages per application: the same page.
pub const PACKAGES: usize = 40;

/// An application and one of its versions, as Batch accepts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageId {
    application: String,
    version: String,
}

impl PackageId {
    /// Both are checked by the patterns of Microsoft's OpenAPI of Batch's control plane: `ApplicationNameParameter`,
    /// `VersionNameParameter`.
    pub fn new(application: &str, version: &str) -> Result<Self, IdError> {
        application_id(application)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !(1..=64).contains(&version.len()) || !version.chars().all(plain) || version.starts_with('.') {
            return Err(IdError::Version { version: version.to_owned() });
        }
        Ok(Self { application: application.to_owned(), version: version.to_owned() })
    }

    /// The application's id, such as `blender`.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The version, such as `5.0.1`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl std::fmt::Display for PackageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.application, self.version)
    }
}

/// Checks an application's id.
pub fn application_id(id: &str) -> Result<(), IdError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if !(1..=64).contains(&id.len()) || !id.chars().all(plain) {
        return Err(IdError::Application { id: id.to_owned() });
    }
    Ok(())
}

/// How large a package may be. The usual values are what a zip holds that every unzip reads: below 4 GiB, packed and
/// for each file, and fewer than 65,535 entries. Beyond it lies the zip64 extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the packed file.
    pub packed: u64,
    /// Bytes of one file in it, unpacked.
    pub file: u64,
    /// Bytes of all files, unpacked: nodes have to hold them, and a small archive can hold very much of nothing.
    pub unpacked: u64,
    /// Entries.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let zip = u64::from(u32::MAX) - 1;
        Self { packed: zip, file: zip, unpacked: 32 << 30, entries: usize::from(u16::MAX) - 1 }
    }
}

impl Limits {
    pub(super) fn check_file(&self, size: u64) -> Result<(), PackError> {
        within("a file is too large", size, self.file)
    }

    pub(super) fn check_unpacked(&self, size: u64) -> Result<(), PackError> {
        within("the files together are too large", size, self.unpacked)
    }

    pub(super) fn check_packed(&self, size: u64) -> Result<(), PackError> {
        within("the packed file is too large", size, self.packed)
    }

    pub(super) fn check_entries(&self, count: usize) -> Result<(), PackError> {
        if count <= self.entries {
            return Ok(());
        }
        Err(PackError::TooLarge { what: "too many files", limit: format!("{} files", self.entries) })
    }
}

fn within(what: &'static str, size: u64, limit: u64) -> Result<(), PackError> {
    if size <= limit { Ok(()) } else { Err(PackError::TooLarge { what, limit: format!("{limit} bytes") }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_microsofts_patterns_say() {
        let long = "x".repeat(64);
        for good in ["a", "blender", "Blender_5-0", "-", &long] {
            assert_eq!(application_id(good), Ok(()), "{good}");
        }
        let longer = "x".repeat(65);
        for bad in ["", "a b", "a.b", "ä", "a/b", "a#b", "..", &longer] {
            assert!(matches!(application_id(bad), Err(IdError::Application { .. })), "{bad}");
        }
        for good in ["1", "5.0.1", "_", "-1", "1.0-rc.2", "1..2", &long] {
            assert!(PackageId::new("a", good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".1", "1 2", "1/2", "1+2", "1#2", "ö", &longer] {
            assert!(matches!(PackageId::new("a", bad), Err(IdError::Version { .. })), "{bad}");
        }
    }
}
