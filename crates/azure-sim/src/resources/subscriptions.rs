//! Subscriptions, their regions, tenants.

use serde_json::{Value, json};

use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

fn body(world: &World) -> Value {
    let config = world.config();
    json!({
        "id": format!("/subscriptions/{}", config.subscription_id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "tags": world.subscription_tags,
        "subscriptionId": config.subscription_id,
        "tenantId": config.tenant_id,
        "displayName": config.display_name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

/// `GET /subscriptions`
pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    if request.method != "GET" {
        return request.no_such_method();
    }
    let value = json!({"value": [body(world)], "count": {"type": "Total", "value": 1}});
    SimResponse::json(200, &value)
}

/// `GET /subscriptions/{s}`
pub(super) fn get(world: &World, request: &Request) -> SimResponse {
    if request.method != "GET" {
        return request.no_such_method();
    }
    SimResponse::json(200, &body(world))
}

/// `GET /tenants`
pub(super) fn tenants(world: &World) -> SimResponse {
    let tenant = &world.config().tenant_id;
    let value = json!({"value": [{
        "id": format!("/tenants/{tenant}"),
        "tenantId": tenant,
        "countryCode": "NL",
        "displayName": "Simulated tenant",
        "domains": ["simulated.onmicrosoft.com"],
        "tenantCategory": "Home",
        "defaultDomain": "simulated.onmicrosoft.com",
        "tenantType": "AAD",
    }]});
    SimResponse::json(200, &value)
}

fn paired(subscription: &str, name: &str) -> Value {
    if name.is_empty() {
        return json!([]);
    }
    json!([{"name": name, "id": format!("/subscriptions/{subscription}/locations/{name}")}])
}

/// `GET /subscriptions/{s}/locations`
pub(super) fn locations(world: &World) -> SimResponse {
    let subscription = world.subscription_id();
    let value: Vec<Value> = crate::catalogue::locations()
        .map(|location| {
            json!({
                "id": format!("/subscriptions/{subscription}/locations/{}", location.name),
                "name": location.name,
                "type": "Region",
                "displayName": location.display,
                "regionalDisplayName": format!("({}) {}", location.geography, location.display),
                "metadata": {
                    "regionType": "Physical",
                    "regionCategory": "Recommended",
                    "geographyGroup": location.geography,
                    "pairedRegion": paired(subscription, location.paired),
                },
            })
        })
        .collect();
    SimResponse::json(200, &json!({"value": value}))
}
