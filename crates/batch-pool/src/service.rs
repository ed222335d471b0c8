//! [`WorkerPool`] over an Azure Batch pool: counts by the control plane, nodes by the data plane.

use std::time::Duration;

use async_trait::async_trait;
use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::pool::{Count, Node, NodeState, PoolError, PoolState, ResizeError, WorkerPool};
use serde_json::{Value, json};

use crate::nodes::BatchNode;
use crate::wire;

/// Nodes per `removenodes` call
/// (<https://learn.microsoft.com/rest/api/batchservice/pool/remove-nodes>: at most 100).
const REMOVE_AT_ONCE: usize = 100;
/// Nodes of a page of the list
/// (<https://learn.microsoft.com/rest/api/batchservice/nodes/list-nodes>, `maxresults`: at most 1000).
const NODES_OF_PAGE: &str = "1000";
/// How often nodes are asked to go.
const REMOVE_TRIES: usize = 3;
/// How often a pool in transition is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How much longer than Batch gives a resize removals or other resizes wait for its end.
const PATIENCE: Duration = Duration::from_mins(15);

/// A Batch pool.
#[derive(Debug, Clone)]
pub struct BatchPool {
    client: ArmClient,
    id: ResourceId,
    endpoint: String,
}

impl BatchPool {
    /// The pool with this id. `endpoint` is its account's data-plane host (`accountEndpoint`), such as
    /// `farm.westeurope.batch.azure.com`.
    pub fn new(client: ArmClient, id: ResourceId, endpoint: impl Into<String>) -> Self {
        Self { client, id, endpoint: endpoint.into() }
    }

    /// The pool's resource id.
    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    pub(crate) fn client(&self) -> &ArmClient {
        &self.client
    }

    /// The path of something of a node in the data plane.
    pub(crate) fn node_path(&self, node: &str, below: &str) -> String {
        format!("/pools/{}/nodes/{node}{below}", self.id.name())
    }

    pub(crate) fn data(&self, request: Request) -> Request {
        request.api_version(wire::BATCH_API).batch(&self.endpoint)
    }

    fn azure(&self, doing: &'static str) -> impl FnOnce(ArmError) -> PoolError + use<> {
        let pool = self.id.name().to_owned();
        move |source| match source.kind() {
            Kind::NotFound => PoolError::Missing(pool),
            _ => PoolError::Azure { pool, doing, source: Box::new(source) },
        }
    }

    fn unexpected(&self, what: impl Into<String>) -> PoolError {
        PoolError::Unexpected { pool: self.id.name().to_owned(), what: what.into() }
    }

    /// All nodes as Batch describes them, in the order of their ids; one paged read, a thousand nodes a page.
    pub async fn list_nodes(&self) -> Result<Vec<BatchNode>, PoolError> {
        let list =
            Request::get(format!("/pools/{}/nodes", self.id.name())).query("maxresults", NODES_OF_PAGE);
        let bodies = self.client.list(&self.data(list)).await.map_err(self.azure("list its nodes"))?;
        // A node that is passed over could be taken for one that is gone.
        let unread = || self.unexpected("a node without id or state");
        let mut nodes = bodies
            .iter()
            .map(|body| BatchNode::read(body).ok_or_else(unread))
            .collect::<Result<Vec<BatchNode>, _>>()?;
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }

    /// Brings the pool to rest, for it takes one resize at a time: nodes that are still to come are given up, nodes that
    /// leave do so first.
    pub async fn make_way(&self) -> Result<PoolState, PoolError> {
        let state = self.observe().await?;
        if state.steady {
            return Ok(state);
        }
        if state.grows() {
            let stop = Request::post(format!("{}/stopResize", self.id), None);
            match self.client.run(&stop.api_version(wire::BATCH_API).idempotent()).await {
                Ok(_) => {}
                // It ended by itself in between.
                Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Busy) => {}
                Err(error) => return Err(self.azure("stop the resize under way")(error)),
            }
        }
        self.until_steady().await
    }

    /// Waits until the allocation is steady.
    pub async fn until_steady(&self) -> Result<PoolState, PoolError> {
        let begun = self.client.clock().now();
        loop {
            let state = self.observe().await?;
            if state.steady {
                return Ok(state);
            }
            let nodes = state.target.total().max(state.current.total());
            let limit = PATIENCE + Duration::from_mins(wire::resize_minutes(nodes));
            if self.client.clock().now().duration_since(begun).unsigned_abs() >= limit {
                let what = format!("still resizing after {} minutes", limit.as_secs() / 60);
                return Err(self.unexpected(what));
            }
            self.client.clock().sleep(LOOK_AGAIN).await;
        }
    }
}

#[async_trait]
impl WorkerPool for BatchPool {
    fn name(&self) -> &str {
        self.id.name()
    }

    async fn observe(&self) -> Result<PoolState, PoolError> {
        let read = Request::get(self.id.as_str()).api_version(wire::BATCH_API);
        let body = self.client.get(&read).await.map_err(self.azure("read its state"))?;
        let body = body.ok_or_else(|| PoolError::Missing(self.id.name().to_owned()))?;
        match odd(&body) {
            Some(what) => Err(self.unexpected(what)),
            None => Ok(state_of(&body)),
        }
    }

    async fn nodes(&self) -> Result<Vec<Node>, PoolError> {
        Ok(self.list_nodes().await?.iter().map(Node::from).collect())
    }

    async fn settle(&self) -> Result<PoolState, PoolError> {
        self.until_steady().await
    }

    async fn resize(&self, target: Count) -> Result<(), PoolError> {
        self.make_way().await?;
        self.client.run(&wire::resize(&self.id, target)).await.map_err(self.azure("resize"))?;
        Ok(())
    }

    async fn delete_nodes(&self, ids: &[String]) -> Result<(), PoolError> {
        for batch in ids.chunks(REMOVE_AT_ONCE) {
            self.delete_batch(batch).await?;
        }
        Ok(())
    }
}

impl BatchPool {
    /// Asked again after a crash or a lost answer: only those that are still there are removed.
    async fn delete_batch(&self, batch: &[String]) -> Result<(), PoolError> {
        let path = format!("/pools/{}/removenodes", self.id.name());
        for _ in 0..REMOVE_TRIES {
            self.until_steady().await?;
            let nodes = self.nodes().await?.into_iter().filter(|n| n.state != NodeState::Leaving);
            let there: Vec<String> = nodes.map(|n| n.id).filter(|id| batch.contains(id)).collect();
            if there.is_empty() {
                return Ok(());
            }
            let body = json!({"nodeList": there, "nodeDeallocationOption": "terminate"});
            match self.client.send(&self.data(Request::post(&path, Some(body)))).await {
                Ok(_) => {}
                // Whether it was seen, which node is gone and who resizes shows in the next look.
                Err(error) if asks_for_another_look(&error) => {
                    self.client.clock().sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(self.azure("remove nodes")(error)),
            }
        }
        self.until_steady().await?;
        let left = self.nodes().await?;
        let left = left.iter().filter(|n| n.state != NodeState::Leaving && batch.contains(&n.id)).count();
        if left == 0 {
            return Ok(());
        }
        Err(self
            .unexpected(format!("{left} nodes are still there after {REMOVE_TRIES} requests to remove them")))
    }
}

/// Whether a refusal to remove nodes says only that the pool is not as it was seen: one of them is gone, or another resize
/// has begun.
fn asks_for_another_look(error: &ArmError) -> bool {
    matches!(error.kind(), Kind::OutcomeUnknown | Kind::Conflict | Kind::Busy)
        || error.code().eq_ignore_ascii_case("NodeNotFound")
}

/// Reads a pool's state from its control-plane body.
pub fn state_of(body: &Value) -> PoolState {
    let number = |pointer: &str| -> u32 {
        body.pointer(pointer).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    };
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // Where Batch sizes the pool by a formula, what that last gave.
    let by_formula = body.pointer("/properties/scaleSettings/autoScale").is_some_and(Value::is_object);
    let place = if by_formula { "resizeOperationStatus" } else { "scaleSettings/fixedScale" };
    let target = |kind: &str| format!("/properties/{place}/target{kind}Nodes");
    let errors = body.pointer("/properties/resizeOperationStatus/errors").and_then(Value::as_array);
    PoolState {
        steady: body
            .pointer("/properties/allocationState")
            .and_then(Value::as_str)
            .is_some_and(|state| state.eq_ignore_ascii_case("steady")),
        target: Count { dedicated: number(&target("Dedicated")), spot: number(&target("LowPriority")) },
        current: Count {
            dedicated: number("/properties/currentDedicatedNodes"),
            spot: number("/properties/currentLowPriorityNodes"),
        },
        errors: errors
            .into_iter()
            .flatten()
            .map(|e| ResizeError { code: text(e, "code"), message: text(e, "message") })
            .collect(),
    }
}

/// What is odd about a pool's body: counts that are no numbers would read as no nodes.
pub fn odd(body: &Value) -> Option<String> {
    let number = ["targetDedicatedNodes", "targetLowPriorityNodes"]
        .map(|name| format!("/properties/scaleSettings/fixedScale/{name}"))
        .into_iter()
        .chain(
            ["/properties/currentDedicatedNodes", "/properties/currentLowPriorityNodes"].map(str::to_owned),
        )
        .find(|at| body.pointer(at).is_some_and(|value| !value.is_null() && !value.is_u64()));
    let fixed = ["/properties/scaleSettings", "/properties/scaleSettings/fixedScale"]
        .into_iter()
        .find(|at| body.pointer(at).is_some_and(|value| !value.is_null() && !value.is_object()));
    let state = "/properties/allocationState";
    let text =
        body.pointer(state).is_some_and(|value| !value.is_null() && !value.is_string()).then_some(state);
    let name = |at: &str| at.rsplit('/').next().unwrap_or(at).to_owned();
    let at = number.as_deref().or(fixed).or(text)?;
    Some(format!("its `{}` has another type than it should", name(at)))
}
