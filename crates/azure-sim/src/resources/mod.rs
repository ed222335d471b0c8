//! Microsoft.Resources: subscriptions, locations, tenants, providers, resource groups, listings, tags.

pub(crate) mod deployments;
pub(crate) mod groups;
mod listing;
mod registration;
mod subscriptions;
pub(crate) mod tags;

pub(crate) use listing::page;

use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Answers for paths without a resource of some provider.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let words: Vec<String> = request.segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["subscriptions"] => subscriptions::list(world, request),
        ["subscriptions", _] => subscriptions::get(world, request),
        ["subscriptions", _, "locations"] => subscriptions::locations(world),
        ["tenants"] => subscriptions::tenants(world),
        ["subscriptions", _, "resources"] => listing::list(world, request),
        ["subscriptions", _, "providers"] => registration::list(world),
        ["subscriptions", _, "providers", namespace] => registration::get(world, request, namespace),
        ["subscriptions", _, "providers", namespace, "register"] => {
            registration::register(world, request, namespace)
        }
        ["subscriptions", _, "resourcegroups"] => groups::list(world, request),
        ["subscriptions", _, "resourcegroups", _] => groups::handle(world, request),
        ["subscriptions", _, "resourcegroups", group, "resources"] => {
            if world.groups().contains_key(*group) {
                listing::list(world, request)
            } else {
                groups::not_found(request.group.as_deref().unwrap_or_default())
            }
        }
        _ => SimResponse::arm_error(
            404,
            "InvalidRequestUri",
            &format!("The request URI '{}' is not valid.", request.path),
        )
        .by_gateway(),
    }
}
