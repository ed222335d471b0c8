//! A request to Azure as a value: printable, comparable, storable in a plan.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::cloud::Cloud;

/// HTTP methods that Azure's management planes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Whether it exists.
    Head,
    /// Create or replace.
    Put,
    /// Change some properties.
    Patch,
    /// Run an action.
    Post,
    /// Delete.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the method only reads.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of Azure's endpoints a request goes to, and so which token it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plane {
    /// Azure Resource Manager.
    #[default]
    Arm,
    /// The data plane of the Batch account with this host, such as `farm.westeurope.batch.azure.com`.
    Batch(String),
    /// Microsoft Graph.
    Graph,
    /// A public endpoint: no token is sent. The value is the base URL, such as `https://prices.azure.com`.
    Public(String),
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its first byte.
    pub from: u64,
    /// How many bytes at most; at least one.
    pub length: u64,
}

impl Part {
    /// As the header `ocp-range` has it: the first and the last byte
    /// (<https://learn.microsoft.com/rest/api/batchservice/nodes/get-node-file>).
    pub fn header(self) -> String {
        format!("bytes={}-{}", self.from, self.from.saturating_add(self.length.max(1) - 1))
    }
}

/// A request that can be sent, compared, printed, and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Where it goes.
    #[serde(default)]
    pub plane: Plane,
    /// Absolute path, such as a resource id with a suffix. May be an absolute URL when it is a link that Azure gave.
    pub path: String,
    /// Query parameters in order, without `api-version`; values are plain text, encoded on sending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    /// The `api-version` query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// `If-Match`: only change the resource while it has this etag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// `If-None-Match: *`: only create, never replace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub if_none_match: bool,
    /// What is wanted is a file's content, this part of it: the answer has it in
    /// [`Response::bytes`](super::Response::bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Sending it twice has the effect of sending it once. Set for all methods but POST.
    pub idempotent: bool,
}

impl Request {
    fn new(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            method,
            plane: Plane::Arm,
            path: path.into(),
            query: Vec::new(),
            api_version: None,
            body,
            if_match: None,
            if_none_match: false,
            part: None,
            idempotent: method != Method::Post,
        }
    }

    /// Reads `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path, None)
    }

    /// Asks whether `path` exists.
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::Head, path, None)
    }

    /// Creates or replaces `path`.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Put, path, Some(body))
    }

    /// Changes some properties of `path`.
    pub fn patch(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Patch, path, Some(body))
    }

    /// Runs the action at `path`. Not resent after an unknown outcome unless marked [`Self::idempotent`].
    pub fn post(path: impl Into<String>, body: Option<Value>) -> Self {
        Self::new(Method::Post, path, body)
    }

    /// Deletes `path`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, path, None)
    }

    /// With this `api-version`.
    pub fn api_version(mut self, version: &'static str) -> Self {
        self.api_version = Some(version.to_owned());
        self
    }

    /// With one more query parameter (plain text; encoding is ours).
    pub fn query(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((key.into(), value.into()));
        self
    }

    /// Only while the resource still has this etag (412 otherwise).
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }

    /// Only when the resource does not exist yet (412 otherwise).
    pub fn if_none_match(mut self) -> Self {
        self.if_none_match = true;
        self
    }

    /// Only this part of a file's content.
    pub fn part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    /// To the data plane of a Batch account: `endpoint_host` is the account's `accountEndpoint`.
    pub fn batch(mut self, endpoint_host: impl Into<String>) -> Self {
        self.plane = Plane::Batch(endpoint_host.into());
        self
    }

    /// To Microsoft Graph.
    pub fn graph(mut self) -> Self {
        self.plane = Plane::Graph;
        self
    }

    /// To a public endpoint below `base`, without a token.
    pub fn public(mut self, base: impl Into<String>) -> Self {
        self.plane = Plane::Public(base.into());
        self
    }

    /// Marks a POST whose repetition does no harm (deallocate, start, register): it is resent like a PUT.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The absolute URL in `cloud`. `None` when path and host do not make a URL.
    pub fn url(&self, cloud: &Cloud) -> Option<Url> {
        let absolute = self.path.starts_with("https://") || self.path.starts_with("http://");
        let text = match &self.plane {
            _ if absolute => self.path.clone(),
            Plane::Arm => format!("{}{}", cloud.arm_endpoint, self.path),
            Plane::Graph => format!("{}{}", cloud.graph_endpoint, self.path),
            Plane::Batch(host) => {
                let host = host.trim_start_matches("https://").trim_end_matches('/');
                format!("https://{host}{}", self.path)
            }
            Plane::Public(base) => format!("{}{}", base.trim_end_matches('/'), self.path),
        };
        let mut url = Url::parse(&text).ok()?;
        if !self.query.is_empty() || self.api_version.is_some() {
            let mut pairs = url.query_pairs_mut();
            for (key, value) in &self.query {
                pairs.append_pair(key, value);
            }
            if let Some(version) = &self.api_version {
                pairs.append_pair("api-version", version);
            }
        }
        Some(url)
    }
}
