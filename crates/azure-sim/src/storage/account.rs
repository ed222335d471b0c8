//! Storage accounts.

use serde_json::{Map, Value, json};

use super::ACCOUNT;
use crate::durations::{Verb, seconds};
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource, normal_location, reference};
use crate::resources::page;
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    match request.method.as_str() {
        "GET" => match world.resource(&id) {
            Some(account) => SimResponse::json(200, &body(account)),
            None => request.not_found(),
        },
        "PUT" | "PATCH" => write(world, request, &id),
        // Recorded: 200 at once, 204 when there is none.
        "DELETE" if world.resource(&id).is_none() => SimResponse::empty(204),
        "DELETE" => {
            world.remove(&id);
            SimResponse::empty(200)
        }
        _ => request.no_such_method(),
    }
}

fn bad(code: &str, message: &str) -> SimResponse {
    SimResponse::arm_error(400, code, message)
}

fn is_legal(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn illegal(name: &str) -> String {
    format!(
        "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only."
    )
}

/// Whose a name is.
enum Holder {
    Nobody,
    Elsewhere,
    Here,
}

fn holder(world: &World, name: &str) -> Holder {
    if world.taken_names.contains(&format!("storage/{name}")) {
        return Holder::Elsewhere;
    }
    let there = world.resources().values().find(|r| r.is(ACCOUNT) && r.name.eq_ignore_ascii_case(name));
    there.map_or(Holder::Nobody, |_| Holder::Here)
}

/// `POST …/checkNameAvailability`
pub(super) fn check_name(world: &World, request: &Request) -> SimResponse {
    let name = request.body.get("name").and_then(Value::as_str).unwrap_or_default();
    let taken = |reason: &str, message: String| {
        SimResponse::json(200, &json!({"nameAvailable": false, "reason": reason, "message": message}))
    };
    if !is_legal(name) {
        return taken("AccountNameInvalid", illegal(name));
    }
    match holder(world, name) {
        Holder::Nobody => SimResponse::json(200, &json!({"nameAvailable": true})),
        _ => taken("AlreadyExists", format!("The storage account named {name} is already taken.")),
    }
}

/// `GET …/locations/{l}/usages`
pub(super) fn usages(world: &World, request: &Request) -> SimResponse {
    let region = request.region();
    let here = |r: &&Resource| r.is(ACCOUNT) && r.location.as_deref() == Some(region.as_str());
    let count = world.resources().values().filter(here).count();
    SimResponse::json(
        200,
        &json!({"value": [{
            "unit": "Count",
            "currentValue": count,
            "limit": 250,
            "name": {"value": "StorageAccounts", "localizedValue": "Storage Accounts"},
        }]}),
    )
}

pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    let below = format!("{}/", crate::resource::key(&request.scope));
    let all: Vec<Value> = world
        .resources()
        .iter()
        .filter(|(key, r)| key.starts_with(&below) && r.is(ACCOUNT))
        .map(|(_, r)| body(r))
        .collect();
    page(request, all)
}

/// Keys that are good for nothing: they exist so that tests can prove that nobody asks for them.
pub(super) fn list_keys(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    if world.resource(&id).is_none() {
        return request.not_found();
    }
    let now = world.now().to_string();
    let mut key = |name: &str| json!({"creationTime": now, "keyName": name, "value": format!("simulated-key-{}", world.guid()), "permissions": "FULL"});
    SimResponse::json(200, &json!({"keys": [key("key1"), key("key2")]}))
}

/// An account as Azure sends it.
pub(super) fn body(account: &Resource) -> Value {
    let mut body = Map::new();
    for (name, value) in &account.extra {
        body.insert(name.clone(), value.clone());
    }
    for (name, value) in account.body().as_object().into_iter().flatten() {
        body.insert(name.clone(), value.clone());
    }
    Value::Object(body)
}

fn write(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let old = world.resource(id).cloned();
    match old {
        None if request.method == "PATCH" => request.not_found(),
        None => create(world, request, id, tags),
        Some(old) if old.state == ProvisioningState::Creating => SimResponse::arm_error(
            409,
            "StorageAccountOperationInProgress",
            "An operation is currently performing on this storage account that requires exclusive access.",
        ),
        Some(old) => update(world, request, old, tags),
    }
}

fn create(
    world: &mut World,
    request: &Request,
    id: &str,
    tags: Option<crate::resource::Tags>,
) -> SimResponse {
    let name = crate::resource::last_segment(id).to_owned();
    if !is_legal(&name) {
        return bad("AccountNameInvalid", &illegal(&name));
    }
    match holder(world, &name) {
        Holder::Elsewhere => {
            let message = format!("The storage account named {name} is already taken.");
            return SimResponse::arm_error(409, "StorageAccountAlreadyTaken", &message);
        }
        Holder::Here => {
            let message = format!("The storage account named {name} already exists under the subscription.");
            return SimResponse::arm_error(409, "StorageAccountInAnotherResourceGroup", &message);
        }
        Holder::Nobody => {}
    }
    let Some(location) = request.location() else {
        return bad("LocationRequired", "The location property is required for this definition.");
    };
    if crate::catalogue::location(&location).is_none() {
        return bad(
            "LocationNotAvailableForResourceType",
            &format!("The provided location '{location}' is not available for resource type '{ACCOUNT}'."),
        );
    }
    let kind = request.body.get("kind").and_then(Value::as_str).unwrap_or("StorageV2").to_owned();
    let Some(sku) = request.body.pointer("/sku/name").and_then(Value::as_str).map(str::to_owned) else {
        return bad("InvalidValuesForRequestParameters", "Values for request parameters are invalid: sku.");
    };
    let premium = sku.starts_with("Premium");
    if (kind == "FileStorage") != (premium && kind != "BlockBlobStorage") {
        return bad(
            "InvalidAccountKind",
            &format!("The account kind '{kind}' is not supported with the account type '{sku}'."),
        );
    }
    let now = world.now();
    let mut account = Resource::new(id, ACCOUNT, now);
    account.location = Some(location.clone());
    account.tags = Some(tags.unwrap_or_default());
    account.state = ProvisioningState::Creating;
    let tier = if premium { "Premium" } else { "Standard" };
    account.extra.insert("sku".into(), json!({"name": sku, "tier": tier}));
    account.extra.insert("kind".into(), json!(kind));
    account.properties = defaults(&name, &kind, &location, &now.to_string());
    if kind == "StorageV2" {
        account.set("accessTier", json!("Hot"));
    }
    add_secondary(&mut account, &sku, &location);
    if let Err(refusal) = take_properties(world, &mut account, &request.body) {
        return refusal;
    }
    world.put(account);
    let spec = Spec::new(Style::Storage, &location, seconds(ACCOUNT, Verb::Create)).settles(id);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202)
        .with_header("content-type", "text/plain; charset=utf-8")
        .with_headers(&operation.put_headers())
}

fn update(
    world: &mut World,
    request: &Request,
    mut account: Resource,
    tags: Option<crate::resource::Tags>,
) -> SimResponse {
    let stored = account.location.clone().unwrap_or_default();
    if request.location().is_some_and(|asked| asked != stored) {
        let message = format!(
            "The resource '{}' already exists in location '{stored}' in resource group '{}'. A resource with the same name cannot be created in location '{}'. Please select a new resource name.",
            account.name,
            account.group,
            normal_location(&request.location().unwrap_or_default())
        );
        return SimResponse::arm_error(409, "InvalidResourceLocation", &message).by_gateway();
    }
    let asked = request.body.get("kind").and_then(Value::as_str);
    if asked.is_some_and(|kind| account.extra.get("kind").and_then(Value::as_str) != Some(kind)) {
        return bad(
            "AccountPropertyIsImmutable",
            "The property 'kind' of the storage account cannot be changed.",
        );
    }
    if let Err(refusal) = take_properties(world, &mut account, &request.body) {
        return refusal;
    }
    if tags.is_some() || request.method == "PUT" {
        account.tags = Some(tags.unwrap_or_default());
    }
    let body = body(&account);
    world.put(account);
    // Recorded: an existing account answers at once.
    SimResponse::json(200, &body)
}

fn defaults(name: &str, kind: &str, location: &str, now: &str) -> Value {
    let host = |service: &str| format!("https://{name}.{service}.core.windows.net/");
    let endpoints = if kind == "FileStorage" {
        json!({"file": host("file")})
    } else {
        json!({
            "dfs": host("dfs"), "web": host("z6.web"), "blob": host("blob"), "queue": host("queue"),
            "table": host("table"), "file": host("file"),
        })
    };
    let service = json!({"keyType": "Account", "enabled": true, "lastEnabledTime": now});
    json!({
        "keyCreationTime": {"key1": now, "key2": now},
        "allowCrossTenantReplication": false,
        "privateEndpointConnections": [],
        "minimumTlsVersion": "TLS1_0",
        "allowBlobPublicAccess": false,
        "networkAcls": no_rules(),
        "supportsHttpsTrafficOnly": true,
        "encryption": {"services": {"file": service, "blob": service}, "keySource": "Microsoft.Storage"},
        "creationTime": now,
        "primaryEndpoints": endpoints,
        "primaryLocation": location,
        "statusOfPrimary": "available",
    })
}

/// Geo-redundant accounts have a second region, and with read access its endpoints.
fn add_secondary(account: &mut Resource, sku: &str, location: &str) {
    let paired = crate::catalogue::location(location).map_or("", |l| l.paired);
    if !sku.contains("GRS") && !sku.contains("GZRS") || paired.is_empty() {
        return;
    }
    account.set("secondaryLocation", json!(paired));
    account.set("statusOfSecondary", json!("available"));
    if sku.contains("RAG") {
        let name = &account.name;
        let host = |service: &str| format!("https://{name}-secondary.{service}.core.windows.net/");
        let endpoints = json!({"dfs": host("dfs"), "web": host("z6.web"), "blob": host("blob"), "queue": host("queue"), "table": host("table")});
        account.set("secondaryEndpoints", endpoints);
    }
}

fn no_rules() -> Value {
    json!({
        "ipv6Rules": [], "bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow",
    })
}

fn take_properties(world: &World, account: &mut Resource, body: &Value) -> Result<(), SimResponse> {
    for (name, value) in body.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if name == "networkAcls" {
            let rules = network_rules(world, value)?;
            account.set(name, rules);
        } else if name == "immutableStorageWithVersioning" {
            let stored = account.property("/immutableStorageWithVersioning").cloned().unwrap_or_default();
            let new = account.state == ProvisioningState::Creating;
            let merged = super::immutability::merge(&stored, value, new)?;
            account.set(name, merged);
        } else if !value.is_null() && !matches!(name.as_str(), "provisioningState" | "encryption") {
            account.set(name, value.clone());
        }
    }
    Ok(())
}

/// Every subnet of a rule must exist and have the service endpoint for storage.
fn network_rules(world: &World, wanted: &Value) -> Result<Value, SimResponse> {
    let mut rules = no_rules();
    for (name, value) in wanted.as_object().into_iter().flatten() {
        rules[name] = value.clone();
    }
    let subnets = wanted.get("virtualNetworkRules").and_then(Value::as_array);
    let mut stored = Vec::new();
    for rule in subnets.into_iter().flatten() {
        let id = reference(Some(rule)).unwrap_or_default();
        let Some(subnet) = world.resource(id).filter(|r| r.is(crate::network::SUBNET)) else {
            return Err(refused(&format!(
                "Object reference to the virtual network resource {id} is not found."
            )));
        };
        let endpoints = subnet.property("/serviceEndpoints").and_then(Value::as_array);
        let ready = endpoints.into_iter().flatten().any(|endpoint| {
            let service = endpoint.get("service").and_then(Value::as_str).unwrap_or_default();
            service.eq_ignore_ascii_case("Microsoft.Storage")
                || service.eq_ignore_ascii_case("Microsoft.Storage.Global")
        });
        if !ready {
            return Err(refused(&format!(
                "Subnets {} of virtual network {} do not have ServiceEndpoints for Microsoft.Storage resources configured. Add Microsoft.Storage to subnet's ServiceEndpoints collection before trying to ACL Microsoft.Storage resources to these subnets.",
                subnet.name,
                crate::resource::parent_of(&subnet.id).unwrap_or_default()
            )));
        }
        stored.push(json!({"id": subnet.id, "action": "Allow", "state": "Succeeded"}));
    }
    rules["virtualNetworkRules"] = json!(stored);
    Ok(rules)
}

fn refused(reason: &str) -> SimResponse {
    bad("NetworkAclsValidationFailure", &format!("Validation of network acls failure: {reason}"))
}
