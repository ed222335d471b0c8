//! Where the programs come from.

use super::GuestConfig;

/// A program's release on its publisher's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The folder inside the archive, which the archive is named after.
    pub folder: String,
    /// URL of the checksum file.
    pub sums: String,
    base: String,
    suffix: &'static str,
}

impl Release {
    /// The archive's file name.
    pub fn archive(&self) -> String {
        format!("{}{}", self.folder, self.suffix)
    }

    /// URL of the archive.
    pub fn url(&self) -> String {
        format!("{}/{}", self.base, self.archive())
    }
}

/// Flamenco's and Blender's releases (<https://flamenco.blender.org/download/>, <https://download.blender.org/release/>).
pub fn releases(config: &GuestConfig) -> [Release; 2] {
    let flamenco = &config.flamenco.version;
    let blender = &config.blender.version;
    let series = blender.rsplit_once('.').map_or(blender.as_str(), |(series, _)| series);
    let release = |base: String, folder, suffix, sums| Release {
        sums: format!("{base}/{sums}.sha256"),
        folder,
        base,
        suffix,
    };
    [
        release(
            config.flamenco_base_url.clone(),
            format!("flamenco-{flamenco}-linux-amd64"),
            ".tar.gz",
            format!("flamenco-{flamenco}"),
        ),
        release(
            format!("{}/Blender{series}", config.blender_base_url),
            format!("blender-{blender}-linux-x64"),
            ".tar.xz",
            format!("blender-{blender}"),
        ),
    ]
}
