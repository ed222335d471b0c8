//! Microsoft Graph: the object id of a service principal, and nothing else (Microsoft's page "Get servicePrincipal").

use serde_json::{Value, json};

use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The public cloud's host.
pub(crate) const HOST: &str = "graph.microsoft.com";
/// "Microsoft Azure Batch", the same in all directories.
const BATCH: &str = "ddbf3205-c6bd-46ae-8127-60eb93363864";
/// What a sign-in may see of the directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Directory {
    /// Everything.
    #[default]
    Open,
    /// Nothing: the sign-in has no right to read it.
    Closed,
    /// Everything, and Batch is not in it: its provider was never registered there.
    WithoutBatch,
}

/// The object id of "Microsoft Azure Batch" in this directory.
pub(crate) fn batch_principal(world: &World) -> String {
    let tenant = &world.config.tenant_id;
    format!("ba7c4000{}", tenant.get(8..).unwrap_or("-0000-4000-8000-000000000000"))
}

fn refusal(status: u16, code: &str, message: &str) -> SimResponse {
    SimResponse::json(status, &json!({"error": {"code": code, "message": message}}))
}

/// `GET /v1.0/servicePrincipals(appId='…')`
pub(crate) fn handle(world: &World, request: &Request) -> SimResponse {
    if request.token().is_empty() {
        return refusal(401, "InvalidAuthenticationToken", "Access token is empty.");
    }
    let asked =
        request.path.strip_prefix("/v1.0/servicePrincipals(appId='").and_then(|rest| rest.strip_suffix("')"));
    let Some(asked) = asked.filter(|_| request.method == "GET") else {
        return refusal(400, "BadRequest", "Resource not found for the segment.");
    };
    match world.graph {
        Directory::Closed => {
            refusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        }
        Directory::Open if asked.eq_ignore_ascii_case(BATCH) => {
            let id: Value = batch_principal(world).into();
            SimResponse::json(200, &json!({"id": id}))
        }
        _ => {
            let message = format!(
                "Resource '{asked}' does not exist or one of its queried reference-property objects are not present."
            );
            refusal(404, "Request_ResourceNotFound", &message)
        }
    }
}
