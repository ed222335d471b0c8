//! Application packages: folders and upstream archives, repacked into the zips that Batch unpacks on its nodes, uploaded
//! and activated.
//!
//! [`pack`] is about files only: it reads a folder, .zip, .tar.xz, .tar.gz or .tar and makes the same bytes each time.
//! [`Packages`] is what Batch knows about applications and versions, [`BatchPackages`] the one on Azure. [`push`] brings
//! the two together: checks, upload in blocks to the link that Batch offers, activation.

mod archive;
mod blob;
mod error;
mod fetch;
mod lanes;
pub mod limits;
mod link;
mod meter;
mod path;
mod push;
mod push_error;
mod repack;
mod service;
mod squeeze;
mod tree;
mod upload;
mod verify;
mod zipfile;

pub use blob::BlobOptions;
pub use error::{IdError, PackError};
pub use fetch::{fetch, shown_source};
pub use limits::PackageId;
pub use link::Link;
pub use push::{Pushed, check, push};
pub use push_error::{FetchError, PushError};
pub use repack::{PackOptions, Packed, pack, pack_archive};
pub use service::{Application, BatchPackages, Package, Packages};
