//! Fetches an upstream archive by https.

use std::io::Write;
use std::sync::Arc;

use azure_core::http::headers::HeaderName;
use azure_core::http::{HttpClient, HttpClientOptions, Method, Request};
use flamenco_azure_core::exec::Reporter;
use futures::StreamExt as _;
use url::Url;

use super::blob::in_words;
use super::meter::Meter;
use super::push_error::FetchError;

/// Mirrors lead on, a few times.
const MOST_REDIRECTS: usize = 10;

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
        Err(_) => {
            Err(FetchError::Address { url: text.split(['?', '#']).next().unwrap_or_default().to_owned() })
        }
    }
}

/// Writes what is at `url` to `to`: how many bytes it was. Follows where it is led, by https only, and sends nobody a
/// token. `transport` is the wire, `None` is HTTPS. What was written before a failure is of no use.
pub async fn fetch(
    url: &str,
    to: &mut (dyn Write + Send),
    transport: Option<Arc<dyn HttpClient>>,
    reporter: &dyn Reporter,
) -> Result<u64, FetchError> {
    let transport = transport.unwrap_or_else(|| {
        azure_core::http::new_http_client(Some(HttpClientOptions { automatic_decompression: false }))
    });
    let first = address(url)?;
    let mut at = first.clone();
    for _ in 0..=MOST_REDIRECTS {
        let failed =
            |error: azure_core::Error| FetchError::Connection { url: shown(&at), why: in_words(&error) };
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
        let last =
            first.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
        let mut meter = Meter::new(format!("fetch {last}"), reporter);
        let mut got = 0;
        let mut body = response.into_body();
        while let Some(part) = body.next().await {
            let part = part.map_err(failed)?;
            to.write_all(&part).map_err(FetchError::Write)?;
            got += part.len() as u64;
            if let Some(announced) = announced {
                meter.tell(got, announced);
            }
        }
        return match announced {
            Some(announced) if got != announced => Err(FetchError::Short { url: shown(&at), got, announced }),
            _ => Ok(got),
        };
    }
    Err(FetchError::Redirects { url: shown(&first) })
}
