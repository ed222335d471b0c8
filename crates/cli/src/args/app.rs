//! `app`: application packages.

use clap::{Args, Subcommand};

/// `app`
#[derive(Debug, Clone, Args)]
pub struct AppArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AppCommand,
}

/// What to do about application packages.
#[derive(Debug, Clone, Subcommand)]
pub enum AppCommand {
    /// Pack a folder or upstream archive, upload it and make it ready for nodes; resumable
    Push(AppPushArgs),
    /// Show applications, their versions and which is the default
    List,
    /// Choose the version that pools get which name none
    Default(AppDefaultArgs),
    /// Remove a version, or an application with all its versions
    Remove(AppRemoveArgs),
}

/// `app push`
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "Executables have to be at the top level: a single top folder is taken away. Links become what they \
    point to. The same tree always makes the same package, and one that is there is not sent again."
)]
pub struct AppPushArgs {
    /// The application, such as blender, ffmpeg or flamenco-worker
    #[arg(value_name = "ID")]
    pub id: String,
    /// Its version, such as 5.0.1
    #[arg(long, value_name = "V")]
    pub version: String,
    /// A folder, or a .zip, .tar.xz, .tar.gz or .tar, here or by https
    #[arg(value_name = "PATH|URL")]
    pub source: String,
    /// The archive's SHA-256, as its publisher gives it: with other content nothing is made or sent
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    pub sha256: Option<String>,
    /// Replace the version if it is there with other content; nodes that have it keep the old one
    #[arg(long)]
    pub replace: bool,
    /// Do not ask before the storage account of the first package is made
    #[arg(long, short)]
    pub yes: bool,
}

/// `app default`
#[derive(Debug, Clone, Default, Args)]
pub struct AppDefaultArgs {
    /// The application
    #[arg(value_name = "ID")]
    pub id: String,
    /// One of its versions
    #[arg(value_name = "VERSION")]
    pub version: String,
}

/// `app remove`
#[derive(Debug, Clone, Default, Args)]
pub struct AppRemoveArgs {
    /// The application
    #[arg(value_name = "ID")]
    pub id: String,
    /// One of its versions [default: all, and the application]
    #[arg(value_name = "VERSION")]
    pub version: Option<String>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// Also what a pool refers to
    #[arg(long)]
    pub force: bool,
}

/// A SHA-256 as publishers write it.
fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a SHA-256 has 64 hexadecimal digits".to_owned())
    }
}
