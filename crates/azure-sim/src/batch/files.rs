//! Files of a node: what its start task printed, what its worker wrote, what a test put there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::Node;

/// Directories at the top of a Linux node (Microsoft Learn "Files and directories in Azure Batch").
const TOP: &[&str] =
    &["applications", "fsmounts", "shared", "startup", "startup/wd", "volatile", "workitems"];

/// A file that was put on a node, and may grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutFile {
    begun: Timestamp,
    head: String,
    /// Text that comes again each so many seconds.
    grows: Option<(String, u64)>,
}

impl PutFile {
    pub(super) fn new(text: &str, now: Timestamp) -> Self {
        Self { begun: now, head: text.to_owned(), grows: None }
    }

    pub(super) fn growing(mut self, text: &str, every_s: u64) -> Self {
        self.grows = Some((text.to_owned(), every_s.max(1)));
        self
    }

    fn times(&self, now: Timestamp) -> u64 {
        let seconds = u64::try_from(now.duration_since(self.begun).as_secs()).unwrap_or(0);
        self.grows.as_ref().map_or(0, |(_, every)| seconds / every)
    }

    pub(super) fn text(&self, now: Timestamp) -> String {
        let more =
            self.grows.as_ref().map(|(text, _)| text.repeat(usize::try_from(self.times(now)).unwrap_or(0)));
        self.head.clone() + &more.unwrap_or_default()
    }

    fn modified(&self, now: Timestamp) -> Timestamp {
        let every = self.grows.as_ref().map_or(0, |(_, every)| *every);
        crate::operation::later(self.begun, self.times(now) * every)
    }
}

/// A file at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) text: String,
    pub(super) modified: Timestamp,
}

/// All files by path.
fn all(node: &Node, now: Timestamp) -> BTreeMap<String, Seen> {
    let mut found = BTreeMap::new();
    if let Some(started) = node.task_started {
        let modified = node.task_ended.unwrap_or(started);
        let mut out = "flamenco-azure: mounting the share\n".to_owned();
        out.push_str(match (&node.task_failure, node.task_ended) {
            (Some(_), _) => "",
            (None, Some(_)) => "flamenco-azure: flamenco-worker started\n",
            (None, None) => "flamenco-azure: waiting for the node setup script\n",
        });
        let err = node.task_failure.as_ref().map(|failure| failure.stderr.clone()).unwrap_or_default();
        found.insert("startup/stdout.txt".to_owned(), Seen { text: out, modified });
        found.insert("startup/stderr.txt".to_owned(), Seen { text: err, modified });
        if node.task_ended.is_some() && node.task_failure.is_none() {
            let text = "INF starting Flamenco Worker\n".to_owned();
            found.insert("shared/flamenco-worker.log".to_owned(), Seen { text, modified });
        }
    }
    for (path, file) in &node.files {
        found.insert(path.clone(), Seen { text: file.text(now), modified: file.modified(now) });
    }
    found
}

fn directories(files: &BTreeMap<String, Seen>) -> BTreeSet<String> {
    let above =
        |path: &String| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
    files.keys().flat_map(above).chain(TOP.iter().map(|name| (*name).to_owned())).collect()
}

/// What a path is.
pub(super) enum Found {
    File(Seen),
    Directory,
}

/// The file or directory at a path.
pub(super) fn find(node: &Node, path: &str, now: Timestamp) -> Option<Found> {
    let path = path.trim_end_matches('/');
    let mut files = all(node, now);
    match files.remove(path) {
        Some(file) => Some(Found::File(file)),
        None => directories(&files).contains(path).then_some(Found::Directory),
    }
}

/// The items of `GET …/files`: what is in one directory, that of the filter's prefix (the root without), or with `recursive`
/// everything below it.
pub(super) fn list(node: &Node, base: &str, prefix: &str, recursive: bool, now: Timestamp) -> Vec<Value> {
    let files = all(node, now);
    let folder = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
    let shown = |path: &str| {
        path.strip_prefix(folder).is_some_and(|rest| recursive || !rest.contains('/'))
            && path.starts_with(prefix)
    };
    let mut items: BTreeMap<String, Value> = BTreeMap::new();
    for name in directories(&files).into_iter().filter(|name| shown(name)) {
        let item = json!({"name": name, "url": format!("{base}/files/{name}"), "isDirectory": true});
        items.insert(name, item);
    }
    for (name, file) in files.iter().filter(|(name, _)| shown(name)) {
        let item = json!({
            "name": name,
            "url": format!("{base}/files/{name}"),
            "isDirectory": false,
            "properties": {
                "lastModified": file.modified.to_string(),
                "contentLength": file.text.len().to_string(),
                "contentType": "text/plain",
                "fileMode": "0o100644",
            },
        });
        items.insert(name.clone(), item);
    }
    items.into_values().collect()
}
