//! Signing in to nodes: users and the address of the ssh server.

use serde_json::{Value, json};

use super::data::{Answer, Call, odata};
use super::nodes::change;
use super::state::Node;
use super::wire;
use crate::resource::key;
use crate::wire::SimResponse;
use crate::world::World;

/// 2025-12-01: pools that are made from then on have no endpoint for ssh that nobody asked for.
const NO_MORE: i64 = 1_764_547_200;

impl Call<'_> {
    /// Where the pool's load balancer forwards to the node's ssh server: only with an endpoint for port 22, or where the
    /// pool is so old that Batch made one by itself (Microsoft Learn "Configure remote access to compute nodes in an Azure
    /// Batch pool").
    pub(super) fn login_settings(&self, world: &mut World, id: &str, node: &Node) -> Answer {
        let endpoints = "/networkConfiguration/endpointConfiguration/inboundNatPools";
        let provision = "/networkConfiguration/publicIPAddressConfiguration/provision";
        let port = wire::pool(world, id).and_then(|(resource, pool)| {
            let at = pool.nodes.keys().position(|known| *known == node.id)?;
            let ssh = |one: &&Value| one.get("backendPort").and_then(Value::as_u64) == Some(22);
            let endpoint =
                resource.property(endpoints).and_then(Value::as_array).and_then(|all| all.iter().find(ssh));
            let first = match endpoint {
                Some(endpoint) => endpoint.get("frontendPortRangeStart")?.as_u64()?,
                None if resource.text(provision) == Some("NoPublicIPAddresses") => return None,
                None => (pool.created.as_second() < NO_MORE).then_some(50_000)?,
            };
            Some(first + u64::try_from(at).ok()?)
        });
        let Some(port) = port else {
            // That there is nothing to answer with is documented, which code says so is not.
            let message = "The specified operation is not valid on the node.";
            return Err(self.conflict(world, "OperationNotValidOnNode", message));
        };
        Ok(odata(200, &json!({"remoteLoginIPAddress": "20.0.0.4", "remoteLoginPort": port})))
    }

    pub(super) fn add_user(&self, world: &mut World, id: &str, node: &Node) -> Answer {
        let text =
            |name: &str| self.request.body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let user = text("name");
        if user.is_empty() {
            return Err(self.bad(world, "name", "", "A name must be given."));
        }
        if node.users.contains_key(&user) {
            return Err(self.conflict(world, "NodeUserExists", "The specified node user already exists."));
        }
        self.admit(world, id, node, user)?;
        Ok(self.accepted(world, id, 201))
    }

    pub(super) fn update_user(&self, world: &mut World, id: &str, node: &Node, user: &str) -> Answer {
        if !node.users.contains_key(user) {
            let message = "The specified node user does not exist.";
            return Err(self.error(world, 404, "NodeUserNotFound", message, &[]));
        }
        self.admit(world, id, node, user.to_owned())?;
        Ok(self.accepted(world, id, 200))
    }

    /// Users are made by the node's agent, which has to be there.
    fn admit(&self, world: &mut World, id: &str, node: &Node, user: String) -> Result<(), SimResponse> {
        if !node.state.serves_files() {
            let message = "Node is not able to perform the requested operations in its current state";
            return Err(self.conflict(world, "NodeNotReady", message));
        }
        let public =
            self.request.body.get("sshPublicKey").and_then(Value::as_str).unwrap_or_default().to_owned();
        change(world, &key(id), &node.id, |node| drop(node.users.insert(user, public)));
        Ok(())
    }
}
