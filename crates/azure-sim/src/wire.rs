//! Requests and responses as they stand on the wire, free of any HTTP library.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

/// One HTTP request as a client sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimRequest {
    /// Upper-case HTTP method.
    pub method: String,
    /// Absolute URL; its host decides which service answers.
    pub url: Url,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body bytes, empty when there is none.
    pub body: Vec<u8>,
}

impl SimRequest {
    /// A request without headers or body.
    pub fn new(method: &str, url: Url) -> Self {
        Self { method: method.to_ascii_uppercase(), url, headers: BTreeMap::new(), body: Vec::new() }
    }

    /// Adds a header; the name is lower-cased.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json_body(self, body: &Value) -> Self {
        let mut request = self.header("content-type", "application/json");
        request.body = body.to_string().into_bytes();
        request
    }
}

/// One HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimResponse {
    /// HTTP status code.
    pub status: u16,
    /// Headers in the order they were set, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub body: Vec<u8>,
    /// The connection broke: the client sees an I/O error instead of this response.
    /// The change may have been applied all the same.
    pub lost: bool,
    /// Virtual time between request and response.
    pub latency: Duration,
}

impl SimResponse {
    /// A response with an empty body and no content type.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), lost: false, latency: Duration::ZERO }
    }

    /// A JSON response.
    pub fn json(status: u16, body: &Value) -> Self {
        let mut response = Self::empty(status).with_header("content-type", "application/json; charset=utf-8");
        // A value always has a text.
        response.body = serde_json::to_vec(body).unwrap_or_default();
        response
    }

    /// A JSON response whose body is text already.
    pub(crate) fn json_text(status: u16, body: String) -> Self {
        let mut response = Self::empty(status).with_header("content-type", "application/json; charset=utf-8");
        response.body = body.into_bytes();
        response
    }

    /// The ARM error envelope `{"error":{"code","message"}}`.
    pub fn arm_error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": {"code": code, "message": message}}))
    }

    /// The envelope of the network resource provider, whose errors carry an empty `details`
    /// (recorded traffic).
    pub fn network_error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": {"code": code, "message": message, "details": []}}))
    }

    /// Marks an error as produced by ARM itself rather than by a resource provider
    /// (`x-ms-failure-cause: gateway`, recorded traffic).
    pub fn by_gateway(self) -> Self {
        self.with_header("x-ms-failure-cause", "gateway")
    }

    /// Sets a header, replacing an earlier one of the same name.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.set_header(name, value);
        self
    }

    /// Adds several headers.
    pub fn with_headers(mut self, headers: &[(String, String)]) -> Self {
        for (name, value) in headers {
            self.set_header(name, value);
        }
        self
    }

    /// Sets a header in place, replacing an earlier one of the same name.
    pub fn set_header(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
    }

    /// The value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Value::Null` when it is empty or no JSON.
    pub fn json_body(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The ARM error code of the body, if it holds one.
    pub fn error_code(&self) -> Option<String> {
        let body = self.json_body();
        let code = body.pointer("/error/code").or_else(|| body.get("code"))?;
        code.as_str().map(str::to_owned)
    }

    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A request with the response it got, for checkers and assertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What was asked.
    pub request: SimRequest,
    /// What was answered (also when the answer was lost on the way).
    pub response: SimResponse,
}
