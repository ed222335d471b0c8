//! Brings a packed file to the nodes: checks first, then the upload, then the activation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use flamenco_azure_core::exec::Reporter;
use flamenco_azure_core::storage::StorageError;
use jiff::Timestamp;

use super::blob::{Blob, BlobOptions};
use super::limits::{APPLICATIONS, PACKAGES, PackageId};
use super::link::Link;
use super::meter::Meter;
use super::push_error::PushError;
use super::repack::Packed;
use super::service::{Application, Packages};
use super::upload::{Sent, UploadError, upload};

/// So often another link is asked for while nothing is moved through those before.
const MOST_LINKS: u32 = 3;
/// And so often in all: with a link that writes and cannot read all is sent again with each.
const MOST_LINKS_IN_ALL: u32 = 40;
/// What storage says when the blocks that it should put together are not there: it forgets them after a week ("Put Block").
const LOST_BLOCKS: &[&str] = &["InvalidBlockList"];
/// What it says when blocks of another tool wait there, with ids of another length ("Put Block").
const FOREIGN_BLOCKS: &[&str] = &["InvalidBlobOrBlock"];

/// How a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The same content was there and active: nothing was done.
    AlreadyThere,
    /// The same content was there and is active now.
    Activated,
    /// It was uploaded and is active now.
    Sent {
        /// Bytes that were sent.
        sent: u64,
        /// Bytes that an earlier attempt had sent.
        kept: u64,
    },
}

/// Looks whether there is room for a package, before it is packed: auto-storage, number of applications and packages.
/// The application, if it is there.
pub async fn check(packages: &dyn Packages, id: &PackageId) -> Result<Option<Application>, PushError> {
    packages.storage().await?;
    let applications = packages.applications().await?;
    let count = applications.len();
    let found = applications.into_iter().find(|app| app.id.eq_ignore_ascii_case(id.application()));
    if found.is_none() {
        if count >= APPLICATIONS {
            return Err(PushError::Applications { limit: APPLICATIONS });
        }
        return Ok(None);
    }
    let versions = packages.packages(id.application()).await?;
    let is_new = versions.iter().all(|package| !package.version.eq_ignore_ascii_case(id.version()));
    if is_new && versions.len() >= PACKAGES {
        return Err(PushError::Packages { application: id.application().to_owned(), limit: PACKAGES });
    }
    Ok(found)
}

/// Uploads and activates a package. The same content that is there is not sent again, nor are the blocks that an attempt
/// before left; an active version with other content is replaced only if `replace` says so.
///
/// May be ended at any time and called again. Until its end the version is there, but not active; nodes do not see it.
pub async fn push(
    packages: &dyn Packages,
    blobs: &BlobOptions,
    id: &PackageId,
    packed: &Packed,
    replace: bool,
    reporter: &dyn Reporter,
) -> Result<Pushed, PushError> {
    let application = check(packages, id).await?;
    if application.is_none() {
        packages.make(id.application()).await?;
    }
    let before = packages.package(id).await?;
    let active = before.as_ref().is_some_and(|package| package.active);
    let frozen = active && application.is_some_and(|application| !application.allow_updates);
    let known = before.as_ref().and_then(|package| package.link.clone());
    let usable = known.filter(|link| link.lasts(blobs.clock.now()));

    // Looking does not need a link that writes; making one would change a version that nothing is to be done about.
    let may_open = !frozen && (!active || replace);
    let mut link = match usable {
        Some(link) => link,
        None if may_open => packages.offer(id).await?,
        None if frozen => return Err(PushError::Frozen { application: id.application().to_owned() }),
        None => {
            let (application, version) = (id.application().to_owned(), id.version().to_owned());
            return Err(PushError::Unseen { application, version });
        }
    };
    if let Some(before) = &before {
        let mut there = Blob::new(&link, blobs).map_err(PushError::Blob)?.there().await;
        if there.as_ref().is_err_and(|error| error.is_forbidden() && link.is_signed()) && may_open {
            link = packages.offer(id).await?;
            there = Blob::new(&link, blobs).map_err(PushError::Blob)?.there().await;
        }
        let there = match there {
            // A link that cannot read: what is there is not known.
            Err(error) if error.is_forbidden() && link.is_signed() => None,
            there => there.map_err(PushError::Blob)?,
        };
        if let Some(there) = there.filter(|there| there.sha256 == packed.sha256()) {
            // A replacement that was killed between its upload and its activation is known by its time alone.
            let since = before.activated.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
            let is_newer = |since: Timestamp| there.modified.is_some_and(|modified| modified > since);
            if active && !since.is_some_and(is_newer) {
                return Ok(Pushed::AlreadyThere);
            }
            packages.activate(id).await?;
            return Ok(Pushed::Activated);
        }
    }
    if frozen {
        return Err(PushError::Frozen { application: id.application().to_owned() });
    }
    if active && !replace {
        let (application, version) = (id.application().to_owned(), id.version().to_owned());
        return Err(PushError::Taken { application, version });
    }
    if active {
        // Batch is to know that it changes.
        link = packages.offer(id).await?;
    }
    let Sent { sent, kept } = send(packages, blobs, id, packed, link, reporter).await?;
    packages.activate(id).await?;
    Ok(Pushed::Sent { sent, kept })
}

/// Uploads, with another link when one is over.
async fn send(
    packages: &dyn Packages,
    blobs: &BlobOptions,
    id: &PackageId,
    packed: &Packed,
    mut link: Link,
    reporter: &dyn Reporter,
) -> Result<Sent, PushError> {
    let meter = Mutex::new(Meter::new(format!("send {id}"), reporter));
    let moved = AtomicU64::new(0);
    let (mut links, mut all_links, mut restarts, mut may_list) = (0, 0, 0, true);
    loop {
        let blob = Blob::new(&link, blobs).map_err(PushError::Blob)?;
        let before = moved.load(Ordering::Relaxed);
        let error = match upload(packed, &blob, may_list, &moved, &meter).await {
            Ok(mut sent) => {
                // Over all links, this one's blocks that were there are those that were sent before.
                sent.sent = moved.load(Ordering::Relaxed).min(packed.size());
                sent.kept = packed.size() - sent.sent;
                return Ok(sent);
            }
            Err(UploadError::Read(error)) => return Err(PushError::Read(error)),
            Err(UploadError::Blob(error)) => error,
        };
        if moved.load(Ordering::Relaxed) > before {
            links = 0;
        }
        if error.is_one_of(LOST_BLOCKS) && restarts < 2 {
            restarts += 1;
        } else if error.is_one_of(FOREIGN_BLOCKS) && restarts < 2 {
            restarts += 1;
            blob.forget().await.map_err(PushError::Blob)?;
        } else if wants_another_link(&error, &link) && links < MOST_LINKS && all_links < MOST_LINKS_IN_ALL {
            // One that writes and cannot read is good enough in the end.
            may_list = links == 0 || !error.is_one_of(&["AuthorizationPermissionMismatch"]);
            links += 1;
            all_links += 1;
            link = packages.offer(id).await?;
        } else {
            return Err(PushError::Blob(error));
        }
    }
}

/// A link without a signature has no end: what is missing is a role.
fn wants_another_link(error: &StorageError, link: &Link) -> bool {
    error.is_forbidden() && link.is_signed()
}
