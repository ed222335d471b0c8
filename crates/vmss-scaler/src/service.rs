//! [`ScaleSetFleet`]: a pool of scale sets behind the capability that Batch pools have too.
//!
//! It asks and the scaler does: a resize sets the tag that the scaler goes by, a node that is to go is a message on the
//! scaler's queue. So the two never fight over a count.

use std::sync::Arc;

use async_trait::async_trait;
use flamenco_azure_core::arm::{ArmClient, ArmError, Kind};
use flamenco_azure_core::pool::{Count, Node, NodeState, PoolError, PoolState, WorkerPool};
use flamenco_azure_core::tags::{self, Tags};
use serde_json::{Value, json};

use crate::desired::set_id;
use crate::look::{self, LookError, Machine};
use crate::observe::{InstanceState, Provisioning};
use crate::queue::DeletionQueue;
use crate::read::{self, Listed};
use crate::request;
use crate::scaler::Pool;
use crate::spec::Priority;
use crate::target;
use crate::wire;

/// A pool of scale sets.
#[derive(Debug, Clone)]
pub struct ScaleSetFleet {
    client: ArmClient,
    pool: Pool,
    queue: Option<Arc<DeletionQueue>>,
}

impl ScaleSetFleet {
    /// The pool. Without a queue chosen nodes cannot be removed.
    pub fn new(client: ArmClient, pool: Pool, queue: Option<Arc<DeletionQueue>>) -> Self {
        Self { client, pool, queue }
    }

    /// What it is made of.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether chosen nodes can be removed.
    pub fn takes_messages(&self) -> bool {
        self.queue.is_some()
    }

    /// What the tag says, and what the scaler made of it.
    pub async fn target(&self) -> Result<FleetTarget, PoolError> {
        let tags = self.tags().await?;
        let names = self.pool.tags(&tags);
        let policy = &self.pool.policy;
        Ok(FleetTarget {
            tag: names.target,
            reading: target::read(Some(&tags), &policy.farm, &policy.pool, self.pool.sole),
            effective: tags::get(&tags, &names.now).and_then(|text| target::parse(text).ok()),
        })
    }

    /// The pool's scale sets and their machines; one list and one for each set.
    pub async fn sets(&self) -> Result<Vec<(Listed, Vec<Machine>)>, PoolError> {
        let items = self
            .client
            .list(&wire::sets(&self.pool.group))
            .await
            .map_err(self.azure("list its scale sets"))?;
        let mut all = Vec::new();
        for item in &items {
            let listed = read::set(item, &self.pool.policy, &self.pool.catalog)
                .map_err(|odd| self.unexpected(odd.to_string()))?;
            let Some(listed) = listed else { continue };
            let id = set_id(&self.pool.group, &listed.set.name);
            let machines = match look::machines(&self.client, &id, listed.mode, self.client.clock().now())
                .await
            {
                Ok(machines) => machines,
                Err(LookError::Azure { source, .. }) if source.is_not_found() => continue,
                Err(LookError::Azure { source, .. }) => return Err(self.azure("list its machines")(*source)),
                Err(odd @ LookError::Odd { .. }) => {
                    return Err(self.unexpected(flamenco_azure_core::error::chain(&odd)));
                }
            };
            all.push((listed, machines));
        }
        Ok(all)
    }

    async fn tags(&self) -> Result<Tags, PoolError> {
        let body =
            self.client.get(&wire::tags(&self.pool.group)).await.map_err(self.azure("read its target"))?;
        let body = body.ok_or_else(|| PoolError::Missing(self.pool.policy.pool.clone()))?;
        let all = body.pointer("/properties/tags").and_then(Value::as_object);
        Ok(all
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect())
    }

    fn azure(&self, doing: &'static str) -> impl FnOnce(ArmError) -> PoolError + use<> {
        let pool = self.pool.policy.pool.clone();
        move |source| match source.kind() {
            Kind::NotFound => PoolError::Missing(pool),
            _ => PoolError::Azure { pool, doing, source: Box::new(source) },
        }
    }

    fn unexpected(&self, what: impl Into<String>) -> PoolError {
        PoolError::Unexpected { pool: self.pool.policy.pool.clone(), what: what.into() }
    }
}

/// What is wanted of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetTarget {
    /// The tag.
    pub tag: String,
    /// What the tag says.
    pub reading: target::Reading,
    /// What the scaler made of it: less the nodes that asked to go. None before its first pass.
    pub effective: Option<u32>,
}

impl FleetTarget {
    /// The nodes that the pool is on its way to.
    pub fn nodes(&self) -> u32 {
        match self.reading {
            target::Reading::Nodes(nodes) => self.effective.map_or(nodes, |effective| effective.min(nodes)),
            _ => self.effective.unwrap_or(0),
        }
    }
}

#[async_trait]
impl WorkerPool for ScaleSetFleet {
    fn name(&self) -> &str {
        &self.pool.policy.pool
    }

    /// One read of the tags, one of the sets, one for each set. Steady: as many nodes as wanted, and nothing going on.
    async fn observe(&self) -> Result<PoolState, PoolError> {
        let target = self.target().await?;
        let sets = self.sets().await?;
        let mut current = Count::default();
        let mut busy = false;
        for (listed, machines) in &sets {
            busy |= !matches!(listed.set.provisioning, Provisioning::Succeeded | Provisioning::Failed);
            let nodes = machines.iter().filter(|one| one.instance.state != InstanceState::Deleting).count();
            busy |= machines.iter().any(|one| one.instance.state != InstanceState::Running);
            let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
            match listed.set.placement.priority {
                Priority::Spot => current.spot += nodes,
                Priority::Regular => current.dedicated += nodes,
            }
        }
        let wanted = target.nodes().min(self.pool.policy.max_nodes);
        // Which of them are regular is the scaler's to decide, node by node.
        let regular = current.dedicated.min(wanted);
        Ok(PoolState {
            steady: !busy && current.total() == wanted,
            target: Count { dedicated: regular, spot: wanted - regular },
            current,
            errors: Vec::new(),
        })
    }

    async fn nodes(&self) -> Result<Vec<Node>, PoolError> {
        let sets = self.sets().await?;
        let mut nodes: Vec<Node> = sets
            .iter()
            .flat_map(|(listed, machines)| machines.iter().map(move |one| node(listed, one)))
            .collect();
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }

    /// Sets the target to the total; which nodes are Spot follows from the farm file's placements.
    async fn resize(&self, target: Count) -> Result<(), PoolError> {
        let names = self.pool.tags(&self.tags().await?);
        let stamp = self.client.clock().now().to_string();
        let body = json!({names.target: target.total().to_string(), names.set: stamp});
        let request = wire::merge_tags(&self.pool.group, &body);
        self.client.run(&request).await.map_err(self.azure("set its target"))?;
        Ok(())
    }

    /// Asks the scaler by message: it counts each node once and deletes it. Nodes that are already gone count as removed.
    async fn delete_nodes(&self, ids: &[String]) -> Result<(), PoolError> {
        let Some(queue) = &self.queue else {
            return Err(
                self.unexpected("it takes no messages (`deleteByMessage: false`): lower its target instead")
            );
        };
        let sets = self.sets().await?;
        for (listed, machines) in &sets {
            for one in machines {
                if !ids.iter().any(|wanted| wanted.eq_ignore_ascii_case(&one.name)) {
                    continue;
                }
                // The same machine makes the same request, however often it is asked for.
                let text = request::write(
                    &one.instance.vm.to_string(),
                    &listed.set.name,
                    &one.instance.id,
                    one.instance.vm,
                );
                queue
                    .send(&text)
                    .await
                    .map_err(|error| self.unexpected(flamenco_azure_core::error::chain(&error)))?;
            }
        }
        Ok(())
    }
}

fn node(listed: &Listed, machine: &Machine) -> Node {
    let state = match machine.instance.state {
        InstanceState::Creating | InstanceState::Unknown => NodeState::Starting,
        InstanceState::Running => NodeState::Ready,
        InstanceState::Failed | InstanceState::Stopped => NodeState::Failed,
        InstanceState::Deleting => NodeState::Leaving,
    };
    Node {
        id: machine.name.clone(),
        state,
        may_render: !matches!(
            machine.instance.state,
            InstanceState::Creating | InstanceState::Stopped | InstanceState::Deleting
        ),
        dedicated: listed.set.placement.priority == Priority::Regular,
        trouble: match machine.instance.state {
            InstanceState::Failed => Some("azure failed to make or start it".to_owned()),
            InstanceState::Stopped => Some("it is stopped".to_owned()),
            _ => None,
        },
    }
}
