//! An answer of Azure as a value.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Response headers, by lower-case name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// The header's value; `name` in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Sets a header.
    pub fn insert(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_ascii_lowercase(), value.into());
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into()))
                .collect(),
        )
    }
}

/// An answer of Azure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body when it is JSON; `None` when it is empty or something else.
    pub body: Option<Value>,
    /// The body's text when it is neither JSON nor empty (an error page, XML).
    pub text: Option<String>,
    /// The body as it came, of an answer to a request for a [`Part`](super::Part) of a file; it is not read as anything
    /// else then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Vec<u8>>,
}

impl Response {
    /// Reads status, headers and body bytes. Never fails: what is not JSON is kept as text.
    pub fn new(status: u16, headers: Headers, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self { status, headers, ..Self::default() };
        }
        let body: Option<Value> = serde_json::from_slice(bytes).ok();
        let text = body.is_none().then(|| String::from_utf8_lossy(bytes).into_owned());
        Self { status, headers, body, text, bytes: None }
    }

    /// A file's content: a success is kept as it came, a refusal is read like any other.
    pub fn of_content(status: u16, headers: Headers, bytes: &[u8]) -> Self {
        if (200..300).contains(&status) {
            return Self { status, headers, bytes: Some(bytes.to_vec()), ..Self::default() };
        }
        Self::new(status, headers, bytes)
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long Azure asks to wait: `retry-after-ms`, `x-ms-retry-after-ms`, or `Retry-After` in seconds or as an HTTP date
    /// (RFC 9110 §10.2.3), measured from `now`.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let millis = ["retry-after-ms", "x-ms-retry-after-ms"]
            .iter()
            .find_map(|name| self.headers.get(name)?.trim().parse().ok())
            .map(Duration::from_millis);
        millis.or_else(|| parse_retry_after(self.headers.get("retry-after")?, now))
    }

    /// The resource's etag, from the header.
    pub fn etag(&self) -> Option<&str> {
        self.headers.get("etag")
    }

    /// Azure's id of the request, to quote to support.
    pub fn request_id(&self) -> Option<&str> {
        self.headers.get("x-ms-request-id").or_else(|| self.headers.get("request-id"))
    }
}

fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let at = Timestamp::try_from(at).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pairs: &[(&str, &str)]) -> Response {
        Response { status: 429, headers: pairs.iter().copied().collect(), ..Response::default() }
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let table = [
            (vec![("Retry-After", "1200")], Some(1_200_000)),
            (vec![("retry-after", " 7 ")], Some(7_000)),
            (vec![("Retry-After", "Sat, 21 Nov 2026 08:00:30 GMT")], Some(30_000)),
            (vec![("Retry-After", "Sat, 21 Nov 2026 07:00:00 GMT")], Some(0)),
            (vec![("x-ms-retry-after-ms", "250"), ("Retry-After", "9")], Some(250)),
            (vec![("Retry-After", "soon")], None),
            (vec![("Retry-After", "-3")], None),
            (vec![], None),
        ];
        for (headers, millis) in table {
            assert_eq!(answer(&headers).retry_after(now), millis.map(Duration::from_millis), "{headers:?}");
        }
    }

    #[test]
    fn what_is_not_json_is_kept_as_text() {
        let page = Response::new(404, Headers::default(), b"<html>no</html>");
        assert_eq!((page.body, page.text.as_deref()), (None, Some("<html>no</html>")));
        let empty = Response::new(202, Headers::default(), b" \r\n");
        assert_eq!((empty.body, empty.text), (None, None));
        let marked = Response::new(200, Headers::default(), b"\xef\xbb\xbf{}");
        assert_eq!(marked.body, Some(serde_json::json!({})));
    }
}
