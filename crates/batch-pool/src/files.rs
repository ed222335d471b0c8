//! Files of a node over the data plane: what there is, and their content part by part.

use flamenco_azure_core::arm::{ArmError, Kind, Part, Request};
use flamenco_azure_core::pool::PoolError;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::service::BatchPool;

/// What the start task printed
/// (<https://learn.microsoft.com/azure/batch/files-and-directories>: `startup` below the node's root).
pub const START_STDOUT: &str = "startup/stdout.txt";
/// What it printed to stderr.
pub const START_STDERR: &str = "startup/stderr.txt";
/// Where a farm's nodes have their Worker's log: in the folder that Batch calls `AZ_BATCH_NODE_SHARED_DIR`.
pub const WORKER_LOG: &str = "shared/flamenco-worker.log";

/// The most of a file that one request asks for.
pub const PART: u64 = 4 << 20;

/// A file or folder of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFile {
    /// Its path below the node's root.
    pub name: String,
    /// Whether it is a folder.
    pub is_directory: bool,
    /// Its size in bytes; none for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it last changed; none for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

/// Why a node did not give or do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The pool has no such node: it was never there, or was removed or evicted.
    #[error("pool `{pool}` has no node `{node}`")]
    Gone {
        /// The pool.
        pool: String,
        /// The node.
        node: String,
    },
    /// The node is there and has no such file.
    #[error("node `{node}` has no file `{path}`")]
    NoFile {
        /// The node.
        node: String,
        /// The file.
        path: String,
    },
    /// The node is a folder's owner, not a file's.
    #[error("`{path}` on node `{node}` is a folder")]
    Folder {
        /// The node.
        node: String,
        /// The folder.
        path: String,
    },
    /// The node's state does not allow it: it boots, is lost, or leaves.
    #[error("node `{node}` is not in a state for that: {reason}")]
    State {
        /// The node.
        node: String,
        /// Batch's words.
        reason: String,
        /// Batch's code.
        code: String,
    },
    /// Azure refused or could not be reached.
    #[error("node `{node}`: could not {doing}")]
    Azure {
        /// The node.
        node: String,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: Box<ArmError>,
    },
    /// The pool itself could not be read.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// What a refusal about a node means
/// (<https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes>).
pub(crate) fn refused(
    pool: &str,
    node: &str,
    path: &str,
    doing: &'static str,
    source: ArmError,
) -> NodeError {
    let (pool, node, path) = (pool.to_owned(), node.to_owned(), path.to_owned());
    match source.code() {
        "PoolNotFound" => NodeError::Pool(PoolError::Missing(pool)),
        "FileNotFound" => NodeError::NoFile { node, path },
        _ => match source.kind() {
            Kind::NotFound => NodeError::Gone { pool, node },
            // Batch's refusals for a node's state are all conflicts, with a code for each state.
            Kind::Conflict | Kind::Busy => NodeError::State {
                node,
                reason: source.message().trim_end_matches('.').to_owned(),
                code: source.code().to_owned(),
            },
            _ => NodeError::Azure { node, doing, source: Box::new(source) },
        },
    }
}

impl BatchPool {
    /// What is in a folder of a node (`startup/`) and below it; one paged read. The root has `startup`, `shared`,
    /// `workitems` and more: to list it is to list the whole node.
    pub async fn list_files(&self, node: &str, folder: &str) -> Result<Vec<NodeFile>, NodeError> {
        let doing = "list its files";
        let folder = folder.trim_matches('/');
        let quoted = folder.replace('\'', "''");
        let list = Request::get(self.node_path(node, "/files"))
            .query("$filter", format!("startswith(name,'{quoted}/')"))
            .query("recursive", "true")
            .query("maxresults", "1000");
        let refuse = |source| refused(self.id().name(), node, folder, doing, source);
        let bodies = self.client().list(&self.data(list)).await.map_err(refuse)?;
        Ok(bodies.iter().filter_map(file_of).collect())
    }

    /// A file's size in bytes.
    pub async fn file_size(&self, node: &str, path: &str) -> Result<u64, NodeError> {
        let doing = "look at the file";
        let head = Request::head(self.file_path(node, path));
        match self.client().send(&self.data(head)).await {
            Ok(answer) => {
                let flag = answer.headers.get("ocp-batch-file-isdirectory").unwrap_or_default();
                if flag.eq_ignore_ascii_case("true") {
                    return Err(NodeError::Folder { node: node.to_owned(), path: path.to_owned() });
                }
                let length = answer.headers.get("content-length").and_then(|text| text.trim().parse().ok());
                length.ok_or_else(|| {
                    let what = format!("the file `{path}` of node `{node}` has no size");
                    NodeError::Pool(PoolError::Unexpected { pool: self.id().name().to_owned(), what })
                })
            }
            // A refusal of HEAD has no words: reading has.
            Err(error) if error.code().is_empty() && error.status().is_some() => {
                match self.read_file(node, path, Part { from: 0, length: 1 }).await {
                    Err(told) => Err(told),
                    Ok(_) => Err(refused(self.id().name(), node, path, doing, error)),
                }
            }
            Err(error) => Err(refused(self.id().name(), node, path, doing, error)),
        }
    }

    /// A part of a file; empty where the file has ended before it.
    pub async fn read_file(&self, node: &str, path: &str, part: Part) -> Result<Vec<u8>, NodeError> {
        // A part of no bytes cannot be asked for.
        if part.length == 0 {
            return Ok(Vec::new());
        }
        let get = Request::get(self.file_path(node, path)).part(part);
        match self.client().send(&self.data(get)).await {
            Ok(answer) => {
                let mut bytes = answer.bytes.unwrap_or_default();
                bytes.truncate(usize::try_from(part.length).unwrap_or(usize::MAX));
                Ok(bytes)
            }
            Err(error) if error.status() == Some(416) => Ok(Vec::new()),
            Err(error) => Err(refused(self.id().name(), node, path, "read the file", error)),
        }
    }

    /// The last `length` bytes of a file, or all of it.
    pub async fn read_tail(&self, node: &str, path: &str, length: u64) -> Result<Vec<u8>, NodeError> {
        let size = self.file_size(node, path).await?;
        let from = size.saturating_sub(length);
        self.read_file(node, path, Part { from, length: size - from }).await
    }

    fn file_path(&self, node: &str, path: &str) -> String {
        self.node_path(node, &format!("/files/{}", encoded(path)))
    }
}

/// A file's path as one segment of a URL: Batch takes its slashes encoded (recorded traffic).
fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn file_of(body: &Value) -> Option<NodeFile> {
    let size = body.pointer("/properties/contentLength");
    // As a text in the recorded answers.
    let size = size.and_then(|size| size.as_u64().or_else(|| size.as_str()?.parse().ok()));
    Some(NodeFile {
        name: body.get("name")?.as_str()?.to_owned(),
        is_directory: body.get("isDirectory").and_then(Value::as_bool).unwrap_or(false),
        size,
        modified: body.pointer("/properties/lastModified").and_then(|at| at.as_str()?.parse().ok()),
    })
}
