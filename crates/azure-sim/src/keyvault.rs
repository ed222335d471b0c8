//! Microsoft.KeyVault: vaults, as far as Batch accounts need them, and what is left of deleted ones.
//!
//! Bodies and paths follow Microsoft's page "Vaults - Create Or Update" and its neighbours; nothing of it is recorded in the
//! traffic that the simulator is held against.

use serde_json::{Value, json};

use crate::operation::{Spec, Style, later};
use crate::resource::{Resource, key};
use crate::resources::page;
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Full type.
pub(crate) const VAULT: &str = "Microsoft.KeyVault/vaults";
/// What is deleted stays recoverable so long, unless the vault says otherwise ("Azure Key Vault soft-delete overview").
const RETENTION_DAYS: u64 = 90;
/// Seconds that a purge takes; an estimate.
const PURGE: u64 = 20;

/// A vault as Azure sends it.
pub(crate) fn body(vault: &Resource) -> Value {
    vault.body()
}

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match request.kind().as_str() {
        "vaults" => vaults(world, request),
        "deletedvaults" => {
            let all: Vec<Value> = world.deleted_vaults.values().map(shown).collect();
            page(request, all)
        }
        "locations/deletedvaults" => deleted(world, request),
        "locations/deletedvaults/purge" if request.method == "POST" => purge(world, request),
        "checknameavailability" if request.method == "POST" => check_name(world, request),
        _ => request.no_such_type(),
    }
}

fn is_legal(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (3..=24).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(legal)
}

fn is_taken(world: &World, name: &str) -> bool {
    let here = |r: &Resource| r.is(VAULT) && r.name.eq_ignore_ascii_case(name);
    world.taken_names.contains(&format!("vault/{name}").to_ascii_lowercase())
        || world.resources().values().any(here)
}

fn check_name(world: &World, request: &Request) -> SimResponse {
    let name = request.body.get("name").and_then(Value::as_str).unwrap_or_default();
    let no = |reason: &str, message: String| {
        SimResponse::json(200, &json!({"nameAvailable": false, "reason": reason, "message": message}))
    };
    if !is_legal(name) {
        return no("AccountNameInvalid", format!("The vault name '{name}' is invalid."));
    }
    if world.deleted_vaults.contains_key(&name.to_ascii_lowercase()) {
        let message = format!("The vault name '{name}' is used by a vault in deleted state.");
        return no("AlreadyExists", message);
    }
    if is_taken(world, name) {
        return no("AlreadyExists", format!("The vault name '{name}' is already in use."));
    }
    SimResponse::json(200, &json!({"nameAvailable": true}))
}

fn vaults(world: &mut World, request: &Request) -> SimResponse {
    if request.is_collection() {
        let below = format!("{}/", key(&request.scope));
        let all = world.resources().iter().filter(|(id, one)| id.starts_with(&below) && one.is(VAULT));
        let all: Vec<Value> = all.map(|(_, one)| body(one)).collect();
        return page(request, all);
    }
    let id = request.id(world);
    match request.method.as_str() {
        "GET" => {
            world.resource(&id).map_or_else(|| request.not_found(), |one| SimResponse::json(200, &body(one)))
        }
        "PUT" => put(world, request, &id),
        "DELETE" => delete(world, &id),
        _ => request.no_such_method(),
    }
}

fn put(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let bad = |message: &str| SimResponse::arm_error(400, "BadRequest", message);
    let name = crate::resource::last_segment(id).to_owned();
    if !is_legal(&name) {
        return SimResponse::arm_error(
            400,
            "VaultNameNotValid",
            &format!("The vault name '{name}' is invalid."),
        );
    }
    let Some(location) = request.location() else { return bad("The location is required.") };
    let recovers = request.body.pointer("/properties/createMode").and_then(Value::as_str) == Some("recover");
    if world.resource(id).is_none() {
        let gone = name.to_ascii_lowercase();
        if recovers {
            let was_here = |one: &&Value| {
                let one = &one["properties"];
                one["vaultId"] == id && one["location"] == location.as_str()
            };
            let found = world.deleted_vaults.get(&gone).filter(was_here).cloned();
            let Some(found) = found else {
                return SimResponse::arm_error(
                    404,
                    "VaultNotFound",
                    "There is no such vault in deleted state.",
                );
            };
            world.deleted_vaults.remove(&gone);
            let mut vault = Resource::new(id, VAULT, world.now());
            vault.location = Some(location);
            vault.tags = tags;
            vault.properties = found["was"].clone();
            let response = SimResponse::json(200, &body(&vault));
            world.put(vault);
            return response;
        }
        if world.deleted_vaults.contains_key(&gone) {
            return SimResponse::arm_error(
                409,
                "ConflictError",
                "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
            );
        }
        if is_taken(world, &name) {
            let message = format!(
                "The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is already taken."
            );
            return SimResponse::arm_error(409, "VaultAlreadyExists", &message);
        }
    }
    let tenant = request.body.pointer("/properties/tenantId").and_then(Value::as_str);
    if tenant != Some(&world.config.tenant_id) || request.body.pointer("/properties/sku/name").is_none() {
        return bad("The tenant id or the sku is missing or not that of this subscription.");
    }
    let mut properties = json!({
        "accessPolicies": [],
        "enabledForDeployment": false,
        "enableSoftDelete": true,
        "softDeleteRetentionInDays": RETENTION_DAYS,
        "publicNetworkAccess": "Enabled",
        "vaultUri": format!("https://{}.vault.azure.net/", name.to_ascii_lowercase()),
        "provisioningState": "Succeeded",
    });
    for (member, value) in request.body["properties"].as_object().into_iter().flatten() {
        if member != "createMode" && !value.is_null() {
            properties[member] = value.clone();
        }
    }
    let mut vault = world.resource(id).cloned().unwrap_or_else(|| Resource::new(id, VAULT, world.now()));
    vault.location = Some(location);
    vault.tags = tags;
    vault.properties = properties;
    let response = SimResponse::json(200, &body(&vault));
    world.put(vault);
    response
}

/// A deleted vault keeps its name for the time of its retention.
fn delete(world: &mut World, id: &str) -> SimResponse {
    let Some(vault) = world.resource(id).cloned() else { return SimResponse::empty(204) };
    world.remove(id);
    let location = vault.location.clone().unwrap_or_default();
    let days = vault.property("/softDeleteRetentionInDays").and_then(Value::as_u64).unwrap_or(RETENTION_DAYS);
    let purge = later(world.now(), days * 86_400).to_string();
    let subscription = world.subscription_id();
    let entry = json!({
        "id": format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{}", vault.name),
        "name": vault.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": vault.id, "location": location, "tags": vault.tags,
            "deletionDate": world.now().to_string(), "scheduledPurgeDate": purge,
        },
        "was": vault.properties,
    });
    world.deleted_vaults.insert(vault.name.to_ascii_lowercase(), entry);
    SimResponse::empty(200)
}

fn shown(entry: &Value) -> Value {
    let mut entry = entry.clone();
    if let Some(members) = entry.as_object_mut() {
        members.remove("was");
    }
    entry
}

fn none() -> SimResponse {
    SimResponse::arm_error(404, "DeletedVaultNotFound", "The specified deleted vault does not exist.")
}

/// The deleted vault that a request names: each is known in its own region only.
fn named<'a>(world: &'a World, request: &Request, name: &str) -> Option<&'a Value> {
    world.deleted_vaults.get(name).filter(|one| one["properties"]["location"] == request.region().as_str())
}

fn deleted(world: &World, request: &Request) -> SimResponse {
    let name = request.names.last().cloned().unwrap_or_default().to_ascii_lowercase();
    match named(world, request, &name) {
        Some(entry) if request.method == "GET" => SimResponse::json(200, &shown(entry)),
        Some(_) => request.no_such_method(),
        None => none(),
    }
}

fn purge(world: &mut World, request: &Request) -> SimResponse {
    let name = request.names.last().cloned().unwrap_or_default().to_ascii_lowercase();
    let Some(entry) = named(world, request, &name) else { return none() };
    if entry["was"]["enablePurgeProtection"] == json!(true) {
        let message = format!(
            "Operation \"purge\" is not allowed because purge protection is enabled for the vault \"{name}\"."
        );
        return SimResponse::arm_error(400, "MethodNotAllowed", &message);
    }
    world.deleted_vaults.remove(&name);
    let region = request.region();
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.KeyVault/locations/{region}/operationResults/{{id}}",
        world.subscription_id()
    );
    let operation = world.begin(Spec::new(Style::Batch, &region, PURGE).at(&path), &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}
