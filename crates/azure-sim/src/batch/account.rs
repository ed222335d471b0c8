//! Batch accounts.

use serde_json::{Value, json};

use super::{ACCOUNT, arm_error};
use crate::catalogue;
use crate::compute::quota;
use crate::durations::{Verb, seconds};
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource};
use crate::resources::page;
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

const TARGET: &str = "BatchAccount";

/// A Batch limit other than cores.
fn count_limit(world: &World, location: &str, counter: &str, usual: u32) -> u32 {
    let key = format!("{location}/batch/{counter}").to_ascii_lowercase();
    world.limits.get(&key).copied().unwrap_or(usual)
}

/// How many of something an account may have.
pub(super) fn count_of(world: &World, account: &str, counter: &str, usual: u32) -> usize {
    let location = world.resource(account).and_then(|a| a.location.clone()).unwrap_or_default();
    usize::try_from(count_limit(world, &location, counter, usual)).unwrap_or(usize::MAX)
}

/// Pools that an account may have.
pub(super) fn pool_quota(world: &World, location: &str) -> u32 {
    count_limit(world, location, "pools", 100)
}

/// Cores that an account may have: `cores`, `lowPriorityCores` or a family.
pub(super) fn core_quota(world: &World, location: &str, counter: &str) -> u32 {
    quota::limit(world, location, &format!("batch/{counter}"))
}

fn is_legal(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_taken(world: &World, location: &str, name: &str) -> bool {
    let here = |r: &Resource| r.is(ACCOUNT) && r.location.as_deref() == Some(location) && r.name == name;
    world.taken_names.contains(&format!("batch/{location}/{name}")) || world.resources().values().any(here)
}

/// `POST …/locations/{l}/checkNameAvailability`
pub(super) fn check_name(world: &World, request: &Request) -> SimResponse {
    let name = request.body.get("name").and_then(Value::as_str).unwrap_or_default();
    let no = |reason: &str, message: &str| {
        SimResponse::json(200, &json!({"nameAvailable": false, "reason": reason, "message": message}))
    };
    if !is_legal(name) {
        return no(
            "Invalid",
            "The account name must be 3 to 24 characters, lower-case letters and numbers only.",
        );
    }
    if is_taken(world, &request.region(), name) {
        return no("AlreadyExists", &format!("An account named '{name}' is already in use."));
    }
    SimResponse::json(200, &json!({"nameAvailable": true}))
}

/// `GET …/locations/{l}/quotas`
pub(super) fn quotas(world: &World, request: &Request) -> SimResponse {
    SimResponse::json(200, &json!({"accountQuota": count_limit(world, &request.region(), "accounts", 3)}))
}

pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    let below = format!("{}/", crate::resource::key(&request.scope));
    let all: Vec<Value> = world
        .resources()
        .iter()
        .filter(|(key, r)| key.starts_with(&below) && r.is(ACCOUNT))
        .map(|(_, r)| body(world, r))
        .collect();
    page(request, all)
}

/// Keys that are good for nothing; an account without shared-key access refuses.
pub(super) fn list_keys(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let Some(account) = world.resource(&id) else { return request.not_found() };
    let name = account.name.clone();
    let modes = account.property("/allowedAuthenticationModes").and_then(Value::as_array);
    if !modes.into_iter().flatten().any(|m| m.as_str() == Some("SharedKey")) {
        return arm_error(
            world,
            409,
            "SharedKeyAuthenticationNotAllowed",
            "Shared key authentication is not enabled on the account.",
            TARGET,
        );
    }
    let mut key = || format!("simulated-key-{}", world.guid());
    SimResponse::json(200, &json!({"accountName": name, "primary": key(), "secondary": key()}))
}

/// An account as Azure sends it; quotas are read at that moment.
pub(super) fn body(world: &World, account: &Resource) -> Value {
    let location = account.location.clone().unwrap_or_default();
    let mut body = account.body();
    let own = account.text("/poolAllocationMode") != Some("UserSubscription");
    if let Some(properties) = body.get_mut("properties") {
        if own {
            let families: Vec<Value> = catalogue::families()
                .map(|f| json!({"name": f.name, "coreQuota": core_quota(world, &location, f.name)}))
                .collect();
            properties["dedicatedCoreQuota"] = json!(core_quota(world, &location, "cores"));
            properties["dedicatedCoreQuotaPerVMFamily"] = json!(families);
            properties["lowPriorityCoreQuota"] = json!(core_quota(world, &location, "lowPriorityCores"));
        }
        // Recorded in both modes.
        properties["dedicatedCoreQuotaPerVMFamilyEnforced"] = json!(true);
        if let Some(storage) = properties.get_mut("autoStorage").filter(|storage| storage.is_object()) {
            storage["lastKeySync"] = json!(account.created_at.to_string());
            if storage.get("authenticationMode").is_none() {
                storage["authenticationMode"] = json!("StorageKeys");
            }
        }
        properties["poolQuota"] = json!(pool_quota(world, &location));
        properties["activeJobAndJobScheduleQuota"] = json!(300);
    }
    body
}

/// Batch accounts have strong etags.
fn etag(world: &mut World) -> String {
    format!("\"{}\"", super::wire::new_etag(world))
}

pub(super) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    match request.method.as_str() {
        "GET" => match world.resource(&id) {
            Some(account) => SimResponse::json(200, &body(world, account)).with_header("etag", &account.etag),
            None => request.not_found(),
        },
        "PUT" | "PATCH" => write(world, request, &id),
        "DELETE" => delete(world, request, &id),
        _ => request.no_such_method(),
    }
}

fn write(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    match world.resource(id).cloned() {
        None if request.method == "PATCH" => request.not_found(),
        None => create(world, request, id, tags),
        Some(account) if account.state == ProvisioningState::Deleting => {
            arm_error(world, 409, "AccountBeingDeleted", "The specified account is being deleted.", TARGET)
        }
        Some(account) => update(world, request, account, tags),
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
        return arm_error(
            world,
            400,
            "InvalidAccountName",
            "The specified account name is invalid: 3 to 24 characters, lower-case letters and numbers only.",
            TARGET,
        );
    }
    let Some(location) = request.location() else {
        return arm_error(
            world,
            400,
            "LocationRequired",
            "The location property is required for this definition.",
            TARGET,
        );
    };
    if catalogue::location(&location).is_none() {
        return arm_error(
            world,
            400,
            "LocationNotAvailableForResourceType",
            &format!("The provided location '{location}' is not available for resource type '{ACCOUNT}'."),
            TARGET,
        );
    }
    if is_taken(world, &location, &name) {
        return arm_error(
            world,
            409,
            "AccountAlreadyExists",
            "An account with the specified name already exists in the region.",
            TARGET,
        );
    }
    let there = world
        .resources()
        .values()
        .filter(|r| r.is(ACCOUNT) && r.location.as_deref() == Some(location.as_str()))
        .count();
    let full = there >= usize::try_from(count_limit(world, &location, "accounts", 3)).unwrap_or(usize::MAX);
    let mode = request.body.pointer("/properties/poolAllocationMode").and_then(Value::as_str);
    if mode == Some("UserSubscription")
        && let Some((code, message, reason)) =
            key_vault_trouble(request).or_else(|| rights_trouble(world, request))
    {
        let refusal = arm_error(world, 400, code, message, TARGET);
        return super::with_details(refusal, &[("Reason", &reason)]);
    }
    let identity = match crate::compute::check::identity(world, &request.body, id) {
        Ok(identity) => identity.unwrap_or_else(|| json!({"type": "None"})),
        Err(refusal) => return refusal,
    };
    if let Some(refusal) =
        refuse_auto_storage(world, request.body.pointer("/properties/autoStorage"), &identity)
    {
        return refusal;
    }
    let time = seconds(ACCOUNT, Verb::Create);
    let poll = format!("{id}/operationResults/{{id}}");
    let mut spec = Spec::new(Style::Batch, &location, time).at(&poll);
    if full {
        // Recorded: the refusal comes at the poll.
        let message = stamped_quota(world);
        spec = spec.fails(409, "SubscriptionQuotaExceeded", &message);
    } else {
        let account = new_account(world, request, id, &location, tags, identity);
        world.put(account);
        spec = spec.settles(id);
    }
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.put_headers())
}

/// Code, message and reason of a refusal. Those of a body that is not valid are recorded; the others say where they are from.
type Trouble = (&'static str, &'static str, String);

fn not_valid(reason: &str) -> Trouble {
    ("InvalidRequestBody", "The specified Request Body is not syntactically valid.", reason.to_owned())
}

/// What is wrong with the key vault of an account that lives on its subscription.
fn key_vault_trouble(request: &Request) -> Option<Trouble> {
    let text = |name: &str| {
        request.body.pointer(&format!("/properties/keyVaultReference/{name}")).and_then(Value::as_str)
    };
    let (Some(id), Some(url)) = (text("id"), text("url")) else {
        // Recorded.
        return Some(not_valid(
            "keyVaultReference must be set if poolAllocationMode is specified as 'UserSubscription' on a PUT request",
        ));
    };
    if url.is_empty() || !id.to_ascii_lowercase().contains("/providers/microsoft.keyvault/vaults/") {
        return Some(not_valid("keyVaultReference must name a key vault and its URL"));
    }
    None
}

/// "Azure Batch Service Orchestration Role"; Contributor and Owner do as well.
const ORCHESTRATION: [&str; 3] = [
    "a35466a1-cfd6-450a-b35e-683fcdf30363",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
];
/// "Key Vault Secrets Officer" and "Key Vault Administrator". Contributor and Owner have no right to what is in a vault
/// (Microsoft's page "Azure built-in roles").
const SECRETS: [&str; 2] = ["b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "00482a5a-887f-4fb3-b363-3b7fe8e74483"];

fn batch_has(world: &World, scope: &str, roles: &[&str]) -> bool {
    let batch = crate::graph::batch_principal(world);
    crate::roles::roles_at(world, &batch, scope).any(|one| roles.contains(&one.as_str()))
}

/// Whether Batch's own principal may make and delete nodes in the subscription.
fn may_orchestrate(world: &World) -> bool {
    batch_has(world, &format!("/subscriptions/{}", world.subscription_id()), &ORCHESTRATION)
}

/// The vault of an account whose nodes are in its subscription. One that this world has not is taken on trust.
fn vault<'a>(world: &World, properties: &'a Value) -> Option<&'a str> {
    let vault = properties.pointer("/keyVaultReference/id").and_then(Value::as_str)?;
    world.resource(vault).map(|_| vault)
}

/// Whether nodes of this account's pools cannot be deleted, because Batch may not do so in the subscription any more.
pub(super) fn holds_nodes(world: &World, account: &str) -> bool {
    let own = |account: &&Resource| account.text("/poolAllocationMode") == Some("UserSubscription");
    let account = world.resource(account).filter(own);
    account.is_some_and(|account| vault(world, &account.properties).is_some()) && !may_orchestrate(world)
}

/// What Batch's own principal may not do yet (Microsoft's page "Create a Batch account with the Azure portal"). Of the vault
/// the code and message are those of issue 18208 of Azure/azure-cli; of the subscription they are not recorded.
fn rights_trouble(world: &World, request: &Request) -> Option<Trouble> {
    let vault = vault(world, request.body.get("properties")?)?;
    if !batch_has(world, vault, &SECRETS) {
        let reason =
            format!("The specified Key Vault {vault} does not have the Batch Service in access policies.");
        return Some(("InvalidKeyVaultReference", "The specified Key Vault reference is invalid.", reason));
    }
    (!may_orchestrate(world)).then(|| {
        not_valid("The Batch service has no role on the subscription that lets it orchestrate nodes")
    })
}

fn stamped_quota(world: &mut World) -> String {
    super::stamped(world, "The regional Batch account quota for the specified subscription has been reached.")
}

fn new_account(
    world: &mut World,
    request: &Request,
    id: &str,
    location: &str,
    tags: Option<crate::resource::Tags>,
    identity: Value,
) -> Resource {
    let mut account = Resource::new(id, ACCOUNT, world.now());
    account.location = Some(location.to_owned());
    account.tags = tags;
    account.state = ProvisioningState::Creating;
    account.etag = etag(world);
    account.properties = json!({
        "accountEndpoint": format!("{}.{location}.batch.azure.com", account.name),
        "nodeManagementEndpoint": format!("{}.{location}.service.batch.azure.com", world.guid()),
        "poolAllocationMode": "BatchService",
        "publicNetworkAccess": "Enabled",
        "privateEndpointConnections": [],
        "encryption": {"keySource": "Microsoft.Batch"},
        "allowedAuthenticationModes": ["SharedKey", "AAD", "TaskAuthenticationToken"],
    });
    take(&mut account, &request.body);
    if account.text("/poolAllocationMode") == Some("UserSubscription") {
        // Recorded: such an account has no shared keys.
        let modes = account.property("/allowedAuthenticationModes").and_then(Value::as_array);
        let modes: Vec<Value> =
            modes.into_iter().flatten().filter(|mode| *mode != "SharedKey").cloned().collect();
        account.set("allowedAuthenticationModes", json!(modes));
    }
    account.extra.insert("identity".into(), identity);
    account
}

/// What is wrong with the storage account that is to be linked. Codes and words are not recorded.
fn refuse_auto_storage(world: &mut World, wanted: Option<&Value>, identity: &Value) -> Option<SimResponse> {
    let wanted = wanted.filter(|wanted| wanted.is_object())?;
    let id = wanted.get("storageAccountId").and_then(Value::as_str).unwrap_or_default();
    let found = world.resource(id).filter(|found| found.is("Microsoft.Storage/storageAccounts"));
    let general = |found: &Resource| {
        let kind = found.extra.get("kind").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.starts_with("Storage"))
            && found.property("/isHnsEnabled") != Some(&json!(true))
    };
    let by_identity = wanted.get("authenticationMode") == Some(&json!("BatchAccountManagedIdentity"));
    let why = match found.map(general) {
        None => "The specified storage account was not found.",
        Some(false) => {
            "The specified storage account is not a general-purpose account without a hierarchical namespace."
        }
        Some(true) if by_identity && identity.get("userAssignedIdentities").is_none() => {
            "The Batch account has no managed identity to authenticate with."
        }
        Some(true) => return None,
    };
    Some(arm_error(world, 400, "InvalidAutoStorageAccount", why, TARGET))
}

fn take(account: &mut Resource, body: &Value) {
    for (name, value) in body.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let fixed =
            matches!(name.as_str(), "provisioningState" | "accountEndpoint" | "nodeManagementEndpoint");
        if !fixed && !value.is_null() {
            account.set(name, value.clone());
        }
    }
}

fn update(
    world: &mut World,
    request: &Request,
    mut account: Resource,
    tags: Option<crate::resource::Tags>,
) -> SimResponse {
    let location = account.location.clone().unwrap_or_default();
    if request.location().is_some_and(|asked| asked != location) {
        let message = format!(
            "The resource '{}' already exists in location '{location}' in resource group '{}'. A resource with the same name cannot be created in location '{}'. Please select a new resource name.",
            account.name,
            account.group,
            request.location().unwrap_or_default()
        );
        return SimResponse::arm_error(409, "InvalidResourceLocation", &message).by_gateway();
    }
    let mode = request.body.pointer("/properties/poolAllocationMode").and_then(Value::as_str);
    if mode.is_some_and(|mode| account.text("/poolAllocationMode") != Some(mode)) {
        return arm_error(
            world,
            400,
            "PropertyCannotBeUpdated",
            "The property poolAllocationMode cannot be updated.",
            TARGET,
        );
    }
    match crate::compute::check::identity(world, &request.body, &account.id) {
        Ok(Some(identity)) => drop(account.extra.insert("identity".into(), identity)),
        Ok(None) => {}
        Err(refusal) => return refusal,
    }
    let identity = account.extra.get("identity").cloned().unwrap_or_default();
    if let Some(refusal) =
        refuse_auto_storage(world, request.body.pointer("/properties/autoStorage"), &identity)
    {
        return refusal;
    }
    take(&mut account, &request.body);
    if tags.is_some() {
        account.tags = tags;
    }
    account.etag = etag(world);
    let creating = account.state == ProvisioningState::Creating;
    let (id, left) = (
        account.id.clone(),
        account.ready_at.map_or(0, |at| u64::try_from(at.duration_since(world.now()).as_secs()).unwrap_or(0)),
    );
    let (etag, body) = (account.etag.clone(), body(world, &account));
    world.put(account);
    if creating {
        // Asked again while it is being made: the same account, one more link to wait on.
        let spec = Spec::new(Style::Batch, &location, left + 1)
            .at(&format!("{id}/operationResults/{{id}}"))
            .settles(&id);
        let operation = world.begin(spec, &request.api_version);
        return SimResponse::empty(202).with_headers(&operation.put_headers());
    }
    SimResponse::json(200, &body).with_header("etag", &etag)
}

fn delete(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let Some(account) = world.resource(id) else { return SimResponse::empty(204) };
    let (location, name, id) =
        (account.location.clone().unwrap_or_default(), account.name.clone(), account.id.clone());
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Batch/locations/{location}/accountOperationResults/{name}-{{id}}",
        world.subscription_id()
    );
    if let Some(account) = world.resource_mut(&id) {
        account.state = ProvisioningState::Deleting;
    }
    // The pools go with it, and take their time.
    let pools = world.children(&id, super::POOL).count();
    let time = seconds(ACCOUNT, Verb::Delete) + if pools > 0 { 60 } else { 0 };
    let spec = Spec::new(Style::Batch, &location, time).at(&path).removes(&id);
    let operation = world.begin(spec, &request.api_version);
    SimResponse::empty(202).with_headers(&operation.action_headers())
}
