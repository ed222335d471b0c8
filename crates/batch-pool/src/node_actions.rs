//! What can be asked of a single node: a reboot, a fresh disk, where to sign in.

use std::net::IpAddr;

use flamenco_azure_core::arm::{Kind, Request};
use flamenco_azure_core::pool::PoolError;
use serde_json::{Value, json};

use crate::files::{NodeError, refused};
use crate::service::BatchPool;

/// A way to start over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The machine boots again; what is on its disks stays. The start task runs again.
    Reboot,
    /// The machine gets a fresh system disk, and then its start task runs as on a new node.
    Reimage,
}

impl Restart {
    fn doing(self) -> &'static str {
        match self {
            Self::Reboot => "reboot it",
            Self::Reimage => "reimage it",
        }
    }

    /// Path and body (<https://learn.microsoft.com/rest/api/batchservice/nodes/reboot-node> and `reimage-node`). There
    /// are no Batch tasks in a farm: the option says that none is waited for.
    fn request(self) -> (&'static str, Value) {
        match self {
            Self::Reboot => ("/reboot", json!({"nodeRebootOption": "terminate"})),
            Self::Reimage => ("/reimage", json!({"nodeReimageOption": "terminate"})),
        }
    }

    /// Whether a node in this state, in Batch's words, takes the order or follows it already. The rest is refused: Batch
    /// starts over nodes that are idle or running, and those whose start task failed.
    pub fn is_for(self, state: &str) -> bool {
        matches!(state, "idle" | "running" | "starttaskfailed") || state == self.state()
    }

    /// The state of a node that does it, in Batch's words.
    fn state(self) -> &'static str {
        match self {
            Self::Reboot => "rebooting",
            Self::Reimage => "reimaging",
        }
    }
}

impl BatchPool {
    /// Starts a node over. Asked again while it does so, it has been done.
    pub async fn restart(&self, node: &str, how: Restart) -> Result<(), NodeError> {
        let (path, body) = how.request();
        let post = Request::post(self.node_path(node, path), Some(body));
        let Err(error) = self.client().send(&self.data(post)).await else { return Ok(()) };
        let being = format!("NodeBeing{}", if how == Restart::Reboot { "Rebooted" } else { "Reimaged" });
        if error.code() == being {
            return Ok(());
        }
        // Whether it was seen shows in the node's state.
        if *error.kind() == Kind::OutcomeUnknown
            && self.state_of_node(node).await?.as_deref() == Some(how.state())
        {
            return Ok(());
        }
        Err(refused(self.id().name(), node, "", how.doing(), error))
    }

    async fn state_of_node(&self, node: &str) -> Result<Option<String>, NodeError> {
        let read = self.data(Request::get(self.node_path(node, "")));
        let refuse = |source| refused(self.id().name(), node, "", "look at it", source);
        let body = self.client().get(&read).await.map_err(refuse)?;
        let state = body.as_ref().and_then(|body| body.get("state")?.as_str());
        Ok(state.map(str::to_ascii_lowercase))
    }

    /// Gives a node an administrator who signs in with this public key, for a day
    /// (<https://learn.microsoft.com/rest/api/batchservice/nodes/create-node-user>: the default of `expiryTime`). One that
    /// is there gets this key and another day.
    pub async fn admit(&self, node: &str, user: &str, public_key: &str) -> Result<(), NodeError> {
        let doing = "admit a user";
        let refuse = |source| refused(self.id().name(), node, "", doing, source);
        let body = json!({"name": user, "isAdmin": true, "sshPublicKey": public_key});
        // A second user of the same name is refused: it may be sent again.
        let add = Request::post(self.node_path(node, "/users"), Some(body)).idempotent();
        match self.client().send(&self.data(add)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == "NodeUserExists" => {}
            Err(error) => return Err(refuse(error)),
        }
        let path = self.node_path(node, &format!("/users/{user}"));
        let update = Request::put(path, json!({"sshPublicKey": public_key}));
        self.client().send(&self.data(update)).await.map(drop).map_err(refuse)
    }

    /// Address and port at which a node's ssh server is reached from the internet, where the pool has such an endpoint
    /// (<https://learn.microsoft.com/rest/api/batchservice/nodes/get-node-remote-login-settings>).
    pub async fn remote_login(&self, node: &str) -> Result<(IpAddr, u16), NodeError> {
        let doing = "ask where to sign in";
        let read = Request::get(self.node_path(node, "/remoteloginsettings"));
        let refuse = |source| refused(self.id().name(), node, "", doing, source);
        let answer = self.client().send(&self.data(read)).await.map_err(refuse)?;
        let body = answer.body.unwrap_or_default();
        let address = body.get("remoteLoginIPAddress").and_then(|at| at.as_str()?.parse().ok());
        let port =
            body.get("remoteLoginPort").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        address.zip(port).ok_or_else(|| {
            let what = format!("no address or port to sign in to node `{node}`");
            NodeError::Pool(PoolError::Unexpected { pool: self.id().name().to_owned(), what })
        })
    }
}
