//! Microsoft.Network.

use serde_json::Value;

use crate::resource::Resource;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Answers for the namespace.
pub(crate) fn handle(_world: &mut World, request: &Request) -> SimResponse {
    request.no_such_type()
}

/// A stored resource as the provider renders it.
pub(crate) fn body(_world: &World, resource: &Resource) -> Value {
    resource.body()
}

/// A VNet's operation ended.
pub(crate) fn on_settled(_world: &mut World, _id: &str) {}
