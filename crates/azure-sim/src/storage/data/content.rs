//! A blob on its way out: headers and ranges.

use super::refusal::{BAD_HEADER, RANGE, Refusal};
use super::state::Blob;
use super::{Call, http_date};
use crate::wire::SimResponse;

/// The headers that describe a blob.
pub(super) fn describe(call: &Call, blob: &Blob, status: u16) -> SimResponse {
    let lease = blob.lease.at(call.now);
    let (state_of_lock, state, duration) = lease.words();
    let mut response = SimResponse::empty(status)
        .with_header("content-type", &blob.content_type)
        .with_header("etag", &blob.etag)
        .with_header("last-modified", &http_date(blob.modified))
        .with_header("accept-ranges", "bytes")
        .with_header("x-ms-creation-time", &http_date(blob.created))
        .with_header("x-ms-blob-type", "BlockBlob")
        .with_header("x-ms-lease-status", state_of_lock)
        .with_header("x-ms-lease-state", state)
        .with_header("x-ms-server-encrypted", "true");
    if let Some(md5) = &blob.md5 {
        response.set_header("content-md5", md5);
    }
    if let Some(duration) = duration {
        response.set_header("x-ms-lease-duration", duration);
    }
    for (name, value) in &blob.metadata {
        response.set_header(&format!("x-ms-meta-{name}"), value);
    }
    response
}

/// `bytes=first-last`, `bytes=first-`: the first byte and the one after the last.
fn range(text: &str, size: usize) -> Result<(usize, usize), Refusal> {
    let (first, last) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-')).ok_or(BAD_HEADER)?;
    let first: usize = first.parse().map_err(|_| BAD_HEADER)?;
    let end = match last {
        "" => size,
        last => last.parse::<usize>().map_err(|_| BAD_HEADER)?.saturating_add(1).min(size),
    };
    if first >= size { Err(RANGE.into()) } else { Ok((first, end.max(first))) }
}

/// The blob, or the range of it that is asked for.
pub(super) fn deliver(call: &Call, blob: &Blob) -> Result<SimResponse, Refusal> {
    let size = blob.data.len();
    let Some(asked) = call.header("x-ms-range").or(call.header("range")) else {
        let mut response = describe(call, blob, 200);
        response.body = blob.data.bytes();
        return Ok(response);
    };
    let (first, end) = range(asked, size).map_err(|refusal| {
        if size == 0 || refusal == RANGE.into() {
            Refusal::from(RANGE).with_header("content-range", &format!("bytes */{size}"))
        } else {
            refusal
        }
    })?;
    let mut response = describe(call, blob, 206)
        .with_header("content-range", &format!("bytes {first}-{}/{size}", end.saturating_sub(1)));
    response.body = blob.data.cut(first, end).bytes();
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_with_the_blob() {
        assert_eq!(range("bytes=0-4194303", 10), Ok((0, 10)));
        assert_eq!(range("bytes=3-3", 10), Ok((3, 4)));
        assert_eq!(range("bytes=9-", 10), Ok((9, 10)));
        assert_eq!(range("bytes=10-", 10), Err(RANGE.into()));
        assert_eq!(range("bytes=0-", 0), Err(RANGE.into()));
        for bad in ["0-1", "bytes=", "bytes=a-", "bytes=-5"] {
            assert_eq!(range(bad, 10), Err(BAD_HEADER.into()), "{bad}");
        }
    }
}
