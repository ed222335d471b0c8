//! The client's one error type, and how Azure's many error envelopes are read.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::classify::{Detail, Kind, classify};
use super::redact;
use super::request::{Method, Request};
use super::response::Response;
use crate::error::Hint;

/// What Azure said about a failure, out of whichever envelope it used: `{"error":{}}`, `{"Error":{}}`, bare
/// `{code,message}`, the Batch data plane's `{code,message:{lang,value},values}`, JSON inside a string, an error page,
/// or nothing at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Azure's error code, such as `SkuNotAvailable`; empty when it gave none.
    pub code: String,
    /// Azure's message; ours when it gave none.
    pub message: String,
    /// What the error is about, such as a resource's name or a property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Inner errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

/// How deep details are followed; deployments nest three levels.
const MAX_DEPTH: usize = 8;

impl Fault {
    /// Reads the error of a failed answer. Always says something, in words.
    pub fn of(response: &Response) -> Self {
        if let Some(fault) = response.body.as_ref().and_then(Self::from_body) {
            return fault;
        }
        let status = in_words(response.status);
        let fault = |message: String| Self { message, ..Self::default() };
        match (&response.text, &response.body) {
            (Some(text), _) => Self::from_xml(text).unwrap_or_else(|| {
                fault(format!("azure answered with an error page instead of an explanation ({status})"))
            }),
            (None, Some(_)) => {
                fault(format!("azure answered in a form this program does not know ({status})"))
            }
            (None, None) => fault(format!("azure gave no explanation ({status})")),
        }
    }

    /// Reads an error out of a JSON body: an envelope, or an operation's status document. `None` when there is none.
    pub fn from_body(body: &Value) -> Option<Self> {
        Self::read(body, 0)
    }

    fn read(body: &Value, depth: usize) -> Option<Self> {
        let detail = Detail::read(body, depth)?;
        Some(Self {
            code: detail.code,
            message: detail.message,
            target: detail.target,
            details: detail.details,
        })
    }

    /// Storage's data plane answers in XML: `<Error><Code>..</Code><Message>..</Message></Error>`.
    fn from_xml(text: &str) -> Option<Self> {
        let between = |tag: &str| {
            let start = text.find(&format!("<{tag}>"))? + tag.len() + 2;
            let end = start + text[start..].find(&format!("</{tag}>"))?;
            Some(text[start..end].trim().to_owned())
        };
        let code = between("Code")?;
        Some(Self { code, message: between("Message").unwrap_or_default(), ..Self::default() })
    }
}

impl Detail {
    /// Reads one error object, unwrapping envelopes and JSON inside strings.
    fn read(value: &Value, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        let object = match value {
            Value::Object(object) => object,
            Value::String(text) => return Self::read(&serde_json::from_str(text).ok()?, depth + 1),
            Value::Array(items) => return items.iter().find_map(|item| Self::read(item, depth + 1)),
            _ => return None,
        };
        let field = |name: &str| {
            object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        for envelope in ["error", "odata.error"] {
            if let Some(inner) = field(envelope).and_then(|inner| Self::read(inner, depth + 1)) {
                return Some(inner);
            }
        }
        let words = |name: &str| match field(name)? {
            Value::String(text) if !text.is_empty() => Some(without_trailer(text)),
            // The Batch data plane: {"lang": "en-US", "value": "…"}
            Value::Object(text) => text.get("value")?.as_str().map(without_trailer),
            _ => None,
        };
        let code = words("code").filter(|code| !code.eq_ignore_ascii_case("null"));
        let message = words("message");
        if code.is_none() && message.is_none() {
            return None;
        }
        let mut details: Vec<Self> = ["details", "innererror"]
            .iter()
            .filter_map(|name| field(name))
            .flat_map(|inner| match inner {
                Value::Array(items) => items.iter().filter_map(|item| Self::read(item, depth + 1)).collect(),
                other => Self::read(other, depth + 1).into_iter().collect::<Vec<_>>(),
            })
            .collect();
        if let Some(Value::Array(values)) = field("values") {
            details.extend(values.iter().filter_map(|pair| {
                let text = |name: &str| pair.get(name).and_then(Value::as_str).map(str::to_owned);
                Some(Self {
                    code: text("key")?,
                    message: text("value").unwrap_or_default(),
                    ..Self::default()
                })
            }));
        }
        if let Some(Value::Array(infos)) = field("additionalInfo") {
            details.extend(infos.iter().filter_map(policy_violation));
        }
        // A message may be a whole error document in a string.
        if let Some(inner) = message.as_deref().filter(|text| text.trim_start().starts_with('{')) {
            details.extend(Self::read(&Value::String(inner.to_owned()), depth + 1));
        }
        Some(Self {
            code: code.unwrap_or_default(),
            message: message.unwrap_or_default(),
            target: words("target"),
            details,
        })
    }
}

/// Batch and storage end their messages with lines `RequestId:…` and `Time:…`.
fn without_trailer(message: &str) -> String {
    message.split("\nRequestId:").next().unwrap_or(message).trim_end().to_owned()
}

fn policy_violation(info: &Value) -> Option<Detail> {
    let kind = info.get("type")?.as_str()?;
    let policy = info.get("info")?.get("policyDefinitionDisplayName")?.as_str()?;
    Some(Detail { code: kind.to_owned(), message: policy.to_owned(), ..Detail::default() })
}

/// A status in words: errors never show a bare number.
pub(crate) fn in_words(status: u16) -> &'static str {
    match status {
        400 => "bad request",
        401 => "not signed in",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        408 => "request timed out",
        409 => "conflict",
        410 => "gone",
        412 => "changed in the meantime",
        429 => "too many requests",
        500 => "internal error at Azure",
        502 | 504 => "gateway error at Azure",
        503 => "service unavailable",
        200..=299 => "accepted",
        300..=399 => "redirect",
        _ => "unexpected status",
    }
}

/// A request that Azure refused, that could not be delivered, or whose operation failed.
///
/// Cheap to clone. Never holds a token, a request body or a link's signature.
#[derive(Debug, Clone)]
pub struct ArmError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    method: Method,
    url: String,
    kind: Kind,
    fault: Fault,
    status: Option<u16>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Cause>,
}

impl ArmError {
    /// A failed answer to `method url`.
    pub fn from_response(method: Method, url: &Url, response: &Response, now: Timestamp) -> Self {
        let fault = Fault::of(response);
        let request_id = response.request_id().map(str::to_owned);
        // Azure's front end answers a path that no service owns with a 404 page, and proxies answer with pages of
        // their own: neither says that the resource does not exist.
        if response.text.is_some()
            && fault.code.is_empty()
            && matches!(response.status, 400 | 404 | 405 | 410)
        {
            let url = redact::url(url);
            return Self::build(
                method,
                url,
                Kind::Unreadable,
                fault,
                Some(response.status),
                request_id,
                None,
            );
        }
        Self::from_fault(method, url, fault, response.status, request_id, response.retry_after(now))
    }

    /// A fault that was found in an answer or in an operation's result.
    pub fn from_fault(
        method: Method,
        url: &Url,
        fault: Fault,
        status: u16,
        request_id: Option<String>,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut kind = classify(status, &fault.code, &fault.message, &fault.details);
        if let (Kind::Throttled { after }, Some(asked)) = (&mut kind, retry_after) {
            *after = Some(asked);
        }
        let mut error = Self::build(method, redact::url(url), kind, fault, Some(status), request_id, None);
        if let Some(inner) = Arc::get_mut(&mut error.0) {
            inner.retry_after = retry_after;
        }
        error
    }

    /// An answer to `request` that has not the shape it should have: `what` says where, in lower-case words.
    pub fn unreadable(request: &Request, what: &str) -> Self {
        let message = format!("azure's answer is not what it should be: {what}");
        Self::ours(request.method, &request.path, Kind::Unreadable, message)
    }

    /// A failure of ours (no answer to quote): `message` is lower-case words.
    pub(crate) fn ours(method: Method, url: &str, kind: Kind, message: impl Into<String>) -> Self {
        let fault = Fault { message: message.into(), ..Fault::default() };
        Self::build(method, redact::text(url), kind, fault, None, None, None)
    }

    /// A request that did not get an answer.
    pub(crate) fn transport(
        method: Method,
        url: &Url,
        kind: Kind,
        message: &str,
        cause: &(dyn StdError + 'static),
    ) -> Self {
        let fault = Fault { message: message.to_owned(), ..Fault::default() };
        Self::build(method, redact::url(url), kind, fault, None, None, Some(Cause::of(cause)))
    }

    fn build(
        method: Method,
        url: String,
        kind: Kind,
        mut fault: Fault,
        status: Option<u16>,
        request_id: Option<String>,
        source: Option<Cause>,
    ) -> Self {
        fault.message = redact::text(fault.message.trim());
        Self(Arc::new(Inner { method, url, kind, fault, status, request_id, retry_after: None, source }))
    }

    /// The same failure under another kind.
    pub(crate) fn with_kind(&self, kind: Kind) -> Self {
        let inner = &*self.0;
        Self(Arc::new(Inner {
            method: inner.method,
            url: inner.url.clone(),
            kind,
            fault: inner.fault.clone(),
            status: inner.status,
            request_id: inner.request_id.clone(),
            retry_after: inner.retry_after,
            source: inner.source.clone(),
        }))
    }

    /// The request's method.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The request's URL with signatures and cursors hidden.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// What callers branch on.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Azure's error code; empty when it gave none.
    pub fn code(&self) -> &str {
        &self.0.fault.code
    }

    /// Azure's message, or ours when there was no answer.
    pub fn message(&self) -> &str {
        &self.0.fault.message
    }

    /// What the error is about, if Azure said.
    pub fn target(&self) -> Option<&str> {
        self.0.fault.target.as_deref()
    }

    /// Inner errors.
    pub fn details(&self) -> &[Detail] {
        &self.0.fault.details
    }

    /// Azure's id of the request, to quote to support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long Azure asked to wait before trying again: its header, else its words.
    pub fn retry_after(&self) -> Option<Duration> {
        match (self.0.retry_after, self.kind()) {
            (None, Kind::Throttled { after }) => *after,
            (asked, _) => asked,
        }
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Whether the resource or its parent does not exist.
    pub fn is_not_found(&self) -> bool {
        *self.kind() == Kind::NotFound
    }

    /// The next thing for the user to do.
    pub fn hint(&self) -> Option<Hint> {
        super::hint::hint(self.kind(), self.path())
    }

    /// The resource path without host and query.
    pub(super) fn path(&self) -> &str {
        let url = self.0.url.split('?').next().unwrap_or_default();
        match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or(rest, |slash| &rest[slash..]),
            None => url,
        }
    }
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.0.method {
            Method::Get | Method::Head => "cannot read",
            Method::Put => "cannot create or update",
            Method::Patch => "cannot update",
            Method::Post => "cannot run",
            Method::Delete => "cannot delete",
        };
        write!(f, "{verb} {}: {}", self.path(), self.message())?;
        // The generic outer code of a wrapped error says nothing: the innermost one does.
        let innermost = deepest(self.details());
        if let Some(inner) =
            innermost.filter(|inner| !inner.message.is_empty() && !self.message().contains(&inner.message))
        {
            write!(f, " — {}", redact::text(inner.message.trim()))?;
        }
        match (self.code(), self.request_id()) {
            ("", None) => Ok(()),
            ("", Some(id)) => write!(f, " (request {id})"),
            (code, None) => write!(f, " ({code})"),
            (code, Some(id)) => write!(f, " ({code}, request {id})"),
        }
    }
}

fn deepest(details: &[Detail]) -> Option<&Detail> {
    let first = details.first()?;
    deepest(&first.details).or(Some(first))
}

impl StdError for ArmError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// One link of a transport failure's chain of causes, as text with URLs redacted: the original errors print whole URLs.
#[derive(Debug, Clone)]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        Self {
            text: redact::text(&error.to_string()),
            source: error.source().map(|source| Box::new(Self::of(source))),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}
