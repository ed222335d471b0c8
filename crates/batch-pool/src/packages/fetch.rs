//! Fetches an upstream archive by https.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use azure_core::http::headers::HeaderName;
use azure_core::http::{HttpClient, HttpClientOptions, Method, Request};
use flamenco_azure_core::arm::causes_in_words;
use flamenco_azure_core::exec::Reporter;
use futures::StreamExt as _;
use url::Url;

use super::meter::Meter;
use super::push_error::FetchError;

/// Mirrors lead on, a few times.
const MOST_REDIRECTS: usize = 10;

/// A source without what may be secret in it, for messages: user, password, query and fragment of an address.
pub fn shown_source(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    Url::parse(text).map_or_else(|_| shown_text(text), |url| shown(&url))
}

/// The same of what is no address. Nothing of it can be told apart for sure: nothing before the last `@` is shown.
fn shown_text(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() || scheme.contains('@') { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// An address without what may be secret in it.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

fn address(text: &str) -> Result<Url, FetchError> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" && url.has_host() => Ok(url),
        Ok(url) => Err(FetchError::Address { url: shown(&url) }),
        Err(_) => Err(FetchError::Address { url: shown_text(text) }),
    }
}

/// Fetches what is at `url` into a file without a name in `work`, which goes with its handle. Follows where it is led, by
/// https only, and sends nobody a token. Of more than `most` bytes nothing is kept. `transport` is the wire, `None` is HTTPS.
pub async fn fetch(
    url: &str,
    work: &Path,
    most: u64,
    transport: Option<Arc<dyn HttpClient>>,
    reporter: &dyn Reporter,
) -> Result<File, FetchError> {
    let mut to = tempfile::tempfile_in(work).map_err(FetchError::Write)?;
    let transport = transport.unwrap_or_else(|| {
        azure_core::http::new_http_client(Some(HttpClientOptions { automatic_decompression: false }))
    });
    let first = address(url)?;
    let mut at = first.clone();
    for _ in 0..=MOST_REDIRECTS {
        let failed = |error: azure_core::Error| FetchError::Connection {
            url: shown(&at),
            why: causes_in_words(&error),
        };
        let request = Request::new(at.clone(), Method::Get);
        let response = transport.execute_request(&request).await.map_err(failed)?;
        let status = u16::from(response.status());
        let header =
            |name| response.headers().get_optional_str(&HeaderName::from_static(name)).map(str::to_owned);
        if matches!(status, 301..=303 | 307 | 308) {
            let next = header("location").unwrap_or_default();
            let next = at.join(&next).map_err(|_| FetchError::Address { url: shown(&at) })?;
            at = address(next.as_str())?;
            continue;
        }
        if status != 200 {
            let reason = response.status().canonical_reason().into_owned();
            return Err(FetchError::Refused { url: shown(&at), status, reason });
        }
        let announced: Option<u64> = header("content-length").and_then(|length| length.trim().parse().ok());
        let too_large = || FetchError::TooLarge { url: shown(&at), limit: most };
        if announced.is_some_and(|announced| announced > most) {
            return Err(too_large());
        }
        let last =
            first.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
        let mut meter = Meter::new(format!("fetch {last}"), reporter);
        let mut got = 0;
        let mut body = response.into_body();
        while let Some(part) = body.next().await {
            let part = part.map_err(failed)?;
            got += part.len() as u64;
            if got > most {
                return Err(too_large());
            }
            to.write_all(&part).map_err(FetchError::Write)?;
            if let Some(announced) = announced {
                meter.tell(got, announced);
            }
        }
        return match announced {
            Some(announced) if got != announced => Err(FetchError::Short { url: shown(&at), got, announced }),
            _ => Ok(to),
        };
    }
    Err(FetchError::Redirects { url: shown(&first) })
}
