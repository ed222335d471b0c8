//! The servers of Flamenco's and Blender's publishers, as far as someone asks whether a release is there. They hold
//! every release; there is nothing to download.

use crate::route::Request;
use crate::wire::SimResponse;

/// The hosts.
pub(crate) const HOSTS: &[&str] = &["flamenco.blender.org", "download.blender.org"];

/// `200` for what has the name of a release or of its checksums.
pub(crate) fn handle(request: &Request) -> SimResponse {
    let name = request.path.as_str().rsplit('/').next().unwrap_or_default();
    let release = ["flamenco-", "blender-"].iter().any(|start| name.starts_with(start))
        && [".tar.gz", ".tar.xz", ".sha256"].iter().any(|end| name.ends_with(end));
    if release && matches!(request.method.as_str(), "HEAD" | "GET") {
        return SimResponse::empty(200);
    }
    SimResponse::empty(404)
}
