//! Nodes and their files in the data plane.

use super::data::{Answer, Call, PAGE};
use super::files::{self, Found, Seen};
use super::state::{Node, NodeState, Pool};
use super::{nodes, wire};
use crate::resource::{Resource, key};
use crate::wire::SimResponse;
use crate::world::World;

impl Call<'_> {
    pub(super) fn nodes(&self, world: &mut World, id: &str) -> Answer {
        let Some((resource, pool)) = wire::pool(world, id) else { return Ok(SimResponse::empty(404)) };
        let items = pool.nodes.values().map(|n| wire::node(resource, pool, n, self.host)).collect();
        self.page(world, "nodes", items, PAGE)
    }

    pub(super) fn node(&self, world: &mut World, id: &str, node: &str, rest: &[&str]) -> Answer {
        let found: Option<(Resource, Pool, Node)> = wire::pool(world, id).and_then(|(resource, pool)| {
            Some((resource.clone(), pool.clone(), pool.nodes.get(node)?.clone()))
        });
        let Some((resource, pool, known)) = found else {
            return Err(self.error(world, 404, "NodeNotFound", "The specified node does not exist.", &[]));
        };
        match (self.request.method.as_str(), rest) {
            ("GET", []) => Ok(self.element("nodes", wire::node(&resource, &pool, &known, self.host))),
            ("POST", ["reboot"]) => self.boot_again(world, id, &known, NodeState::Rebooting),
            ("POST", ["reimage"]) if world.batch.no_reimage => {
                let message = "The specified operation is not valid on the node.";
                Err(self.conflict(world, "OperationNotValidOnNode", message))
            }
            ("POST", ["reimage"]) => self.boot_again(world, id, &known, NodeState::Reimaging),
            ("POST", ["disablescheduling"]) => self.schedule(world, id, &known, false),
            ("POST", ["enablescheduling"]) => self.schedule(world, id, &known, true),
            ("GET", ["remoteloginsettings"]) => self.login_settings(world, id, &known),
            ("POST", ["users"]) => self.add_user(world, id, &known),
            ("PUT", ["users", user]) => self.update_user(world, id, &known, user),
            (_, ["files", ..]) if !known.state.serves_files() => {
                // As quoted in microsoft/haste pull request 124.
                let message = "Node is not able to perform the requested operations in its current state";
                Err(self.conflict(world, "NodeNotReady", message))
            }
            ("GET", ["files"]) => {
                let base = format!("https://{}/pools/{}/nodes/{node}", self.host, resource.name);
                let recursive =
                    self.request.query("recursive").is_some_and(|r| r.eq_ignore_ascii_case("true"));
                let filter = self.filter(world)?;
                let prefix = filter.prefix("name").unwrap_or_default();
                let items = files::list(&known, &base, prefix, recursive, world.now());
                self.page(world, "files", items, PAGE)
            }
            ("GET" | "HEAD", ["files", path @ ..]) => self.file(world, &known, &path.join("/")),
            _ => Err(self.unsupported(world)),
        }
    }

    /// Reboots or reimages. Batch does it to idle and running nodes (BatchService.json), and to those whose start task
    /// failed; the codes of the refusals are those of "Batch status and error codes".
    fn boot_again(&self, world: &mut World, id: &str, node: &Node, to: NodeState) -> Answer {
        let (code, message) = match node.state {
            NodeState::Idle | NodeState::Running | NodeState::StartTaskFailed => {
                nodes::boot_again(world, &key(id), &node.id, to);
                return Ok(self.accepted(world, id, 202));
            }
            NodeState::Creating => ("NodeBeingCreated", "The specified node is being created"),
            NodeState::Starting | NodeState::WaitingForStartTask => {
                ("NodeBeingStarted", "The specified node is being started")
            }
            NodeState::Rebooting => ("NodeBeingRebooted", "The specified node is being rebooted"),
            NodeState::Reimaging => ("NodeBeingReimaged", "The specified node is being reimaged"),
            NodeState::Unusable => ("NodeStateUnusable", "The state of the specified node is unusable"),
            NodeState::Unknown
            | NodeState::Offline
            | NodeState::Preempted
            | NodeState::LeavingPool
            | NodeState::UpgradingOs
            | NodeState::Deallocating
            | NodeState::Deallocated => (
                "OperationInvalidForCurrentState",
                "The specified operation is not valid for the current state of the resource.",
            ),
        };
        Err(self.conflict(world, code, message))
    }

    /// An idle node without scheduling is `offline` (Microsoft Learn "ComputeNodeState").
    fn schedule(&self, world: &mut World, id: &str, node: &Node, on: bool) -> Answer {
        let (from, to) =
            if on { (NodeState::Offline, NodeState::Idle) } else { (NodeState::Idle, NodeState::Offline) };
        if node.state == to || node.state == NodeState::Running && on {
            let message = "The specified node is already in the target scheduling state.";
            return Err(self.conflict(world, "NodeAlreadyInTargetSchedulingState", message));
        }
        if node.state != from {
            let message = "The specified operation is not valid for the current state of the resource.";
            return Err(self.conflict(world, "OperationInvalidForCurrentState", message));
        }
        nodes::become_state(world, &key(id), &node.id, to);
        Ok(self.accepted(world, id, 200))
    }

    /// A file's content or properties.
    fn file(&self, world: &mut World, node: &Node, path: &str) -> Answer {
        let directory = match files::find(node, path, world.now()) {
            Some(Found::File(file)) => return self.deliver(world, &file, path),
            Some(Found::Directory) => true,
            None => false,
        };
        if directory && self.request.method == "HEAD" {
            return Ok(SimResponse::empty(200)
                .with_header("ocp-batch-file-isdirectory", "True")
                .with_header("ocp-batch-file-url", &self.address()));
        }
        Err(self.error(world, 404, "FileNotFound", "The specified file does not exist.", &[]))
    }

    fn deliver(&self, world: &mut World, file: &Seen, path: &str) -> Answer {
        if let Some(refusal) = self.unmodified(world, file) {
            return refusal;
        }
        let size = file.text.len();
        let mut response = SimResponse::empty(200)
            .with_header("content-type", "text/plain")
            .with_header("last-modified", &wire::http_date(file.modified))
            .with_header("etag", &format!("0x8D{:013X}", file.modified.as_millisecond()))
            .with_header("ocp-batch-file-isdirectory", "False")
            .with_header("ocp-batch-file-url", &self.address())
            .with_header("ocp-batch-file-mode", "0o100644");
        if self.request.method == "HEAD" {
            return Ok(response.with_header("content-length", &size.to_string()));
        }
        // BatchService.json has one success, 200, for `ocp-range` too; the header of HTTP is answered as HTTP has it.
        let range = |name: &str| self.request.headers.get(name).map(String::as_str);
        let (asked, status) = match (range("ocp-range"), range("range")) {
            (Some(asked), _) => (asked, 200),
            (None, Some(asked)) => (asked, 206),
            (None, None) => {
                response.body = file.text.clone().into_bytes();
                return Ok(response);
            }
        };
        let Some((first, end)) = span(asked, size) else {
            let asked = asked.to_owned();
            return Err(self.error(
                world,
                400,
                "InvalidHeaderValue",
                "The value provided for one of the HTTP headers was not in the correct format.",
                &[("HeaderName", "ocp-range"), ("HeaderValue", &asked), ("FilePath", path)],
            ));
        };
        if first >= size {
            let message = "The range specified is invalid for the current size of the resource.";
            return Err(self.error(world, 416, "InvalidRange", message, &[]));
        }
        response.status = status;
        response.body = file.text.as_bytes()[first..end].to_vec();
        let range = format!("bytes {first}-{}/{size}", end.saturating_sub(1));
        Ok(response.with_header("content-range", &range))
    }

    /// `If-Modified-Since` and `If-Unmodified-Since`.
    fn unmodified(&self, world: &mut World, file: &Seen) -> Option<Answer> {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        let time = |name: &str| {
            let text = self.request.headers.get(name)?;
            parser.parse_timestamp(text).ok().map(jiff::Timestamp::as_second)
        };
        let changed = file.modified.as_second();
        if time("if-modified-since").is_some_and(|since| changed <= since) {
            return Some(Ok(SimResponse::empty(304)));
        }
        if time("if-unmodified-since").is_some_and(|since| changed > since) {
            let message =
                "The condition specified in the conditional header(s) was not met for a read operation.";
            return Some(Err(self.error(world, 412, "ConditionNotMet", message, &[])));
        }
        None
    }
}

/// `bytes=first-last` or `bytes=first-`: the first byte and the one after the last.
fn span(text: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<usize>().ok()?.checked_add(1)?.min(size) };
    Some((first, end.max(first)))
}
