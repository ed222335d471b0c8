//! Files of a node: what its start task printed.

use serde_json::{Value, json};

use super::state::Node;
use super::wire::http_date;
use crate::wire::SimResponse;

/// Path and content of every file.
fn all(node: &Node) -> Vec<(&'static str, String)> {
    let Some(_) = node.task_started else { return Vec::new() };
    let mut out = "flamenco-azure: mounting the share\n".to_owned();
    let mut err = String::new();
    match (&node.task_failure, node.task_ended) {
        (Some(reason), _) => err = format!("flamenco-azure: failed: {reason}\n"),
        (None, Some(_)) => out.push_str("flamenco-azure: flamenco-worker started\n"),
        (None, None) => out.push_str("flamenco-azure: waiting for the node setup script\n"),
    }
    let mut files = vec![("startup/stderr.txt", err), ("startup/stdout.txt", out)];
    if node.task_ended.is_some() && node.task_failure.is_none() {
        files.push(("shared/flamenco-worker.log", "INF starting Flamenco Worker\n".to_owned()));
    }
    files
}

/// `GET …/files`: directories at the top, with `recursive=true` everything.
pub(super) fn list(node: &Node, base: &str, recursive: bool) -> Vec<Value> {
    let mut found = Vec::new();
    for folder in ["shared", "startup"] {
        found.push(json!({"name": folder, "url": format!("{base}/files/{folder}"), "isDirectory": true}));
    }
    if recursive {
        for (name, text) in all(node) {
            found.push(json!({
                "name": name,
                "url": format!("{base}/files/{name}"),
                "isDirectory": false,
                "properties": {
                    "lastModified": node.since.to_string(),
                    "contentLength": text.len().to_string(),
                    "contentType": "text/plain",
                    "fileMode": "0o100644",
                },
            }));
        }
    }
    found
}

/// `GET` and `HEAD …/files/{path}`; `None` when there is no such file.
pub(super) fn content(node: &Node, path: &str) -> Option<SimResponse> {
    let (_, text) = all(node).into_iter().find(|(name, _)| *name == path)?;
    let mut response = SimResponse::empty(200)
        .with_header("content-type", "text/plain")
        .with_header("last-modified", &http_date(node.since))
        .with_header("ocp-batch-file-isdirectory", "False");
    response.body = text.into_bytes();
    Some(response)
}
