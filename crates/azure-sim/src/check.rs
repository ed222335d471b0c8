//! Independent checkers: what must never be true of a world that the project's code has been at.

use serde_json::Value;

use crate::resource::{Resource, key, parent_of, reference};
use crate::wire::SimRequest;
use crate::world::World;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Made by a request without a `flamenco-farm` tag on itself, its parents or its owner.
    Untagged(String),
    /// Attached to nothing, and paid for or in the way.
    Orphan(String),
    /// More cores in use than the limit: `region/counter`, used, limit.
    OverQuota(String, u32, u32),
    /// A write that changed somebody else's scale set or a machine in one: method and path.
    ForeignWrite(String),
    /// A secret in a request: what it looks like, and the request's method and path.
    Secret {
        /// What gave it away, for example `AccountKey=`.
        kind: &'static str,
        /// Method and path of the request.
        request: String,
    },
}

/// The tag (or prefix of it, on groups) that says to whom a thing belongs.
const OWNER_TAG: &str = "flamenco-farm";

impl World {
    /// All findings, in a stable order.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.untagged());
        findings.extend(self.orphans());
        findings.extend(self.over_quota());
        findings.extend(self.foreign_writes());
        findings.extend(self.secrets());
        findings
    }

    fn untagged(&self) -> Vec<Finding> {
        let resources = self.resources().values().filter(|r| !r.foreign);
        resources.filter(|r| !self.is_owned(&r.id, 0)).map(|r| Finding::Untagged(r.id.clone())).collect()
    }

    /// Whether the resource, one above it or its owner carries the tag.
    fn is_owned(&self, id: &str, depth: u32) -> bool {
        let Some(resource) = self.resource(id) else {
            // Some parents are only places, as `fileServices/default` is.
            return depth > 0
                && depth <= 8
                && parent_of(id).is_some_and(|above| self.is_owned(above, depth + 1));
        };
        let tagged = resource.tags.iter().flatten().any(|(name, _)| name.starts_with(OWNER_TAG));
        if tagged || depth > 8 {
            return tagged;
        }
        let above = [parent_of(id), resource.managed_by.as_deref()];
        above.into_iter().flatten().any(|id| self.is_owned(id, depth + 1))
    }

    fn orphans(&self) -> Vec<Finding> {
        let resources = self.resources().values().filter(|r| !r.foreign);
        resources.filter(|r| self.is_orphan(r)).map(|r| Finding::Orphan(r.id.clone())).collect()
    }

    fn is_orphan(&self, resource: &Resource) -> bool {
        let kind = resource.kind.to_ascii_lowercase();
        match kind.as_str() {
            "microsoft.network/publicipaddresses"
            | "microsoft.network/natgateways"
            | "microsoft.network/networkinterfaces"
            | "microsoft.compute/disks" => !self.is_referred_to(resource),
            _ => false,
        }
    }

    /// Whether any other resource holds `{"id": …}` of this one.
    fn is_referred_to(&self, resource: &Resource) -> bool {
        let wanted = resource.key();
        let owner = resource.managed_by.as_deref().is_some_and(|id| self.resource(id).is_some());
        owner || self.resources().iter().any(|(k, other)| *k != wanted && refers(&other.properties, &wanted))
    }

    fn over_quota(&self) -> Vec<Finding> {
        let default = self.config().quota_cores;
        self.cores_in_use()
            .iter()
            .filter_map(|(counter, used)| {
                let limit = *self.limits.get(counter).unwrap_or(&default);
                (*used > limit).then(|| Finding::OverQuota(counter.clone(), *used, limit))
            })
            .collect()
    }

    /// Writes of the log that were accepted.
    fn foreign_writes(&self) -> Vec<Finding> {
        let theirs = |id: &str| self.resource(id).is_some_and(|resource| resource.foreign);
        let set_of = |path: &str| -> Option<String> {
            let key = key(path);
            let kind = "/providers/microsoft.compute/virtualmachinescalesets/";
            if let Some(at) = key.find(kind) {
                let end = key[at + kind.len()..].find('/').map_or(key.len(), |end| at + kind.len() + end);
                return Some(key[..end].to_owned());
            }
            let (_, machine) = key.split_once("/providers/microsoft.compute/virtualmachines/")?;
            let group = crate::resource::group_of(path)?;
            crate::scaleset::vm::find(self, group, machine.split('/').next()?).map(|(set, _)| set)
        };
        let mut found = Vec::new();
        for exchange in self.log() {
            let (method, path) = (&exchange.request.method, exchange.request.url.path());
            let reads = matches!(method.as_str(), "GET" | "HEAD");
            if !reads && exchange.response.is_success() && set_of(path).is_some_and(|set| theirs(&set)) {
                found.push(Finding::ForeignWrite(format!("{method} {path}")));
            }
        }
        found
    }

    fn secrets(&self) -> Vec<Finding> {
        self.log().iter().flat_map(|e| secrets_in(&e.request)).collect()
    }
}

fn refers(value: &Value, wanted: &str) -> bool {
    if reference(Some(value)).is_some_and(|id| key(id) == wanted) {
        return true;
    }
    match value {
        Value::Array(items) => items.iter().any(|v| refers(v, wanted)),
        Value::Object(members) => members.values().any(|v| refers(v, wanted)),
        _ => false,
    }
}

/// What marks a secret in text.
const MARKS: &[(&str, &str)] = &[
    ("accountkey=", "AccountKey="),
    ("sharedaccesssignature", "SharedAccessSignature"),
    ("bearer ey", "bearer token"),
    ("bearer sim-", "bearer token"),
    ("private key-----", "PEM private key"),
    ("\"adminpassword\"", "adminPassword"),
    ("\"password\"", "password"),
    ("\"accountkey\"", "accountKey"),
    ("\"client_secret\"", "client secret"),
];

fn secrets_in(request: &SimRequest) -> Vec<Finding> {
    let what = format!("{} {}", request.method, request.url.path());
    let body = String::from_utf8_lossy(&request.body).to_ascii_lowercase();
    let query = request.url.query().unwrap_or_default().to_ascii_lowercase();
    let mut kinds: Vec<&'static str> = MARKS
        .iter()
        .filter(|(mark, _)| body.contains(mark) || query.contains(mark))
        .map(|(_, kind)| *kind)
        .collect();
    let sas = |text: &str| text.contains("sig=") && (text.contains("sv=") || text.contains("se="));
    // The one place for a signature: the target of an upload, where nothing else is taken.
    let host = request.url.host_str().unwrap_or_default();
    let upload = request.method == "PUT" && host.ends_with(".blob.core.windows.net");
    if (sas(&query) && !upload) || sas(&body) {
        kinds.push("SAS");
    }
    if query.contains("access_token=") || query.contains("token=ey") {
        kinds.push("bearer token");
    }
    let customs = ["customData", "userData"].iter().flat_map(|m| encoded(&request.body, m));
    for text in customs {
        let text = text.to_ascii_lowercase();
        kinds.extend(MARKS.iter().filter(|(mark, _)| text.contains(mark)).map(|(_, kind)| *kind));
        if sas(&text) {
            kinds.push("SAS");
        }
    }
    kinds.dedup();
    kinds.into_iter().map(|kind| Finding::Secret { kind, request: what.clone() }).collect()
}

/// The decoded base64 members of a name anywhere in a JSON body: secrets hide well in cloud-init.
fn encoded(body: &[u8], member: &str) -> Vec<String> {
    use base64::Engine;
    fn walk(value: &Value, member: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    match inner.as_str() {
                        Some(text) if name == member => {
                            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                            out.extend(bytes.ok().map(|b| String::from_utf8_lossy(&b).into_owned()));
                        }
                        _ => walk(inner, member, out),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|v| walk(v, member, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    if let Ok(value) = serde_json::from_slice(body) {
        walk(&value, member, &mut out);
    }
    out
}
