//! Brings a packed file to the nodes: checks first, then the upload, then the activation.

use std::sync::Mutex;

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
use super::upload::{Upload, UploadError};

/// So often another link is asked for while no further block is sent through those before. As there are only so many blocks,
/// a push ends.
const MOST_LINKS: u32 = 3;
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
    let sent = send(packages, blobs, id, packed, active, link, reporter).await?;
    packages.activate(id).await?;
    Ok(Pushed::Sent { sent, kept: packed.size() - sent })
}

/// Uploads, with another link when one is over: how many bytes were sent. What is `active` is read by nodes until the end.
async fn send(
    packages: &dyn Packages,
    blobs: &BlobOptions,
    id: &PackageId,
    packed: &Packed,
    active: bool,
    mut link: Link,
    reporter: &dyn Reporter,
) -> Result<u64, PushError> {
    let meter = Mutex::new(Meter::new(format!("send {id}"), reporter));
    let upload = Upload::new();
    let (mut links, mut restarts, mut blind_links) = (0, 0, 0);
    loop {
        let blob = Blob::new(&link, blobs).map_err(PushError::Blob)?;
        let before = upload.blocks();
        // The second that cannot read says that there will be no other.
        let error = match upload.run(packed, &blob, blind_links < 2, &meter).await {
            // What is there of an earlier attempt is not counted, and a block that had to be sent twice only once.
            Ok(()) => return Ok(upload.moved().min(packed.size())),
            Err(UploadError::Read(error)) => return Err(PushError::Read(error)),
            Err(UploadError::Blob(error)) => error,
        };
        if upload.blocks() > before {
            links = 0;
        }
        if error.is_one_of(LOST_BLOCKS) && restarts < 2 {
            restarts += 1;
            upload.forget();
        } else if error.is_one_of(FOREIGN_BLOCKS) && restarts < 2 {
            restarts += 1;
            upload.forget();
            if !blob.drop_waiting(active).await.map_err(PushError::Blob)? {
                let (application, version) = (id.application().to_owned(), id.version().to_owned());
                return Err(PushError::Unfinished { application, version });
            }
        } else if wants_another_link(&error, &link) && links < MOST_LINKS {
            blind_links += u32::from(error.is_one_of(&["AuthorizationPermissionMismatch"]));
            links += 1;
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
