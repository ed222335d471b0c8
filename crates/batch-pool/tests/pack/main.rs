//! Folders and archives become packages.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod bad;
mod forms;
mod samples;
mod speed;
