//! The simulator's state before a request: from earlier interactions of the recording and fixed defaults, never from the
//! answer under test.
//!
//! Recordings are subsequences: what made a resource may be left out. The rules, in this order:
//!
//! 1. A resource that an earlier answer showed is there (as that answer showed it), until a request deletes it.
//! 2. A template deployment makes the resources of its template when it is sent: its *request* is read.
//! 3. What a request stands on is there: the resource group, the parents of a child, the Batch account of a host; under a
//!    read, only what the recording does not make later.
//! 4. What a request's body refers to is there, in its plainest form.
//! 5. What is acted on (POST, PATCH, DELETE) is there, in its plainest form. What is read or PUT is not.
//! 6. A group that is read is there, unless the recording makes it later.
//!
//! A resource deleted by an earlier request is not made again by rules 3 to 5. Of what rules 3 to 6 made, the contents are
//! unknown: its body is not compared until an answer has shown it, and that answer then takes the plain form's place.

use std::collections::{BTreeMap, BTreeSet};

use azure_sim::catalogue;
use azure_sim::{Resource, SimRequest, SimResponse, Tags, World};
use flamenco_azure_core::arm::Method;
use serde_json::{Map, Value, json};
use url::Url;

use crate::recording::Interaction;

const ARM: &str = "https://management.azure.com";
/// Region of what is made by default.
const REGION: &str = "eastus";

/// What the recording told so far.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Bodies of resources, by id in lower case.
    seen: BTreeMap<String, Value>,
    /// Resources and groups that a request deleted.
    gone: BTreeSet<String>,
    /// What is being put into the world just now: bodies name themselves, and one another.
    busy: BTreeSet<String>,
    /// Made in plain form by default, and not shown yet.
    plain: BTreeSet<String>,
    /// Region of what is made by default: that of the request at hand.
    place: Option<String>,
    /// How many plain subnets were made.
    subnets: usize,
}

/// Types that can be put into the world, with the api-version to do it with.
const KINDS: &[&str] = &[
    "microsoft.network/virtualnetworks",
    "microsoft.network/virtualnetworks/subnets",
    "microsoft.network/networksecuritygroups",
    "microsoft.network/networksecuritygroups/securityrules",
    "microsoft.network/publicipaddresses",
    "microsoft.network/natgateways",
    "microsoft.network/networkinterfaces",
    "microsoft.storage/storageaccounts",
    "microsoft.storage/storageaccounts/fileservices/shares",
    "microsoft.storage/storageaccounts/blobservices/containers",
    "microsoft.compute/virtualmachines",
    "microsoft.batch/batchaccounts",
    "microsoft.batch/batchaccounts/pools",
    "microsoft.batch/batchaccounts/applications",
    "microsoft.batch/batchaccounts/applications/versions",
    "microsoft.managedidentity/userassignedidentities",
    "microsoft.authorization/roleassignments",
];

/// `microsoft.network/virtualnetworks/subnets` of an id, when it names a resource of a provider.
pub(super) fn kind(id: &str) -> Option<String> {
    let lower = id.to_lowercase();
    let (_, rest) = lower.rsplit_once("/providers/")?;
    let mut segments = rest.trim_matches('/').split('/');
    let namespace = segments.next()?;
    let rest: Vec<&str> = segments.collect();
    if rest.is_empty() || rest.len() % 2 == 1 {
        return None;
    }
    let types: Vec<&str> = rest.iter().step_by(2).copied().collect();
    Some(format!("{namespace}/{}", types.join("/")))
}

fn simulated(id: &str) -> bool {
    kind(id).is_some_and(|kind| KINDS.contains(&kind.as_str()))
}

pub(super) fn group_of(path: &str) -> Option<String> {
    let mut segments = path.split('/');
    segments.find(|segment| segment.eq_ignore_ascii_case("resourceGroups"))?;
    segments.next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What a path is below: the parent of a child; of a collection or an action, the resource that it is of.
pub(super) fn owner(path: &str) -> Option<&str> {
    let owner =
        if kind(path).is_none() { path.rsplit_once('/').map(|(front, _)| front) } else { parent(path) };
    owner.filter(|owner| kind(owner).is_some())
}

fn parent(id: &str) -> Option<&str> {
    let (front, _) = id.rsplit_once('/')?;
    let (front, _) = front.rsplit_once('/')?;
    kind(front).map(|_| front)
}

/// A request to the world that nobody recorded.
pub(super) fn send(world: &mut World, method: &str, path: &str, body: Option<&Value>) -> Option<SimResponse> {
    let url = Url::parse(&format!("{ARM}{path}?api-version=2024-01-01")).ok()?;
    let request = SimRequest::new(method, url).header("authorization", "Bearer any");
    Some(world.handle(&match body {
        Some(body) => request.json_body(body),
        None => request,
    }))
}

/// Ends what an answer began.
pub(super) fn settle(world: &mut World, answer: &SimResponse) {
    for name in ["azure-asyncoperation", "location"] {
        if let Some(link) = answer.header(name).and_then(|link| Url::parse(link).ok()) {
            world.end_operation(&link);
        }
    }
    world.advance_to(world.now());
}

impl Memory {
    pub(super) fn was_shown(&self, id: &str) -> bool {
        self.seen.contains_key(&id.to_lowercase())
    }

    fn is_gone(&self, id: &str) -> bool {
        let id = id.to_lowercase();
        self.gone.iter().any(|gone| id == *gone || id.starts_with(&format!("{gone}/")))
    }

    /// A request deleted this.
    pub(super) fn forget(&mut self, id: &str) {
        let id = id.to_lowercase();
        self.seen.retain(|known, _| *known != id && !known.starts_with(&format!("{id}/")));
        self.gone.insert(id);
    }

    /// An answer was judged: from now on it is what is known. Puts into the world what it shows and the world lacks.
    pub(super) fn take(&mut self, world: &mut World, interaction: &Interaction) {
        if interaction.method == Method::Delete || !interaction.response.is_success() {
            return;
        }
        let Some(body) = &interaction.response.body else { return };
        let items = body.get("value").and_then(Value::as_array);
        let shown: Vec<&Value> = items.map_or_else(|| vec![body], |items| items.iter().collect());
        for resource in shown {
            self.show(world, resource);
        }
    }

    fn show(&mut self, world: &mut World, body: &Value) {
        let Some(id) = body.get("id").and_then(Value::as_str) else { return };
        if let Some(group) = is_group(id) {
            if self.plain.remove(&id.to_lowercase()) {
                let place = normal(body.get("location").and_then(Value::as_str).unwrap_or(REGION));
                let tags =
                    body.get("tags").and_then(|tags| serde_json::from_value::<Tags>(tags.clone()).ok());
                world.add_group(&group, &region(&place), tags.unwrap_or_default());
            }
            return;
        }
        if !simulated(id) {
            return;
        }
        if !body.get("properties").is_some_and(Value::is_object) {
            return; // a list of names
        }
        let made = matches!(
            body.pointer("/properties/provisioningState").and_then(Value::as_str),
            None | Some("Succeeded")
        );
        self.gone.remove(&id.to_lowercase());
        let subnets = body.pointer("/properties/subnets").and_then(Value::as_array).cloned();
        self.seen.insert(id.to_lowercase(), body.clone());
        let plain = self.plain.contains(&id.to_lowercase());
        if plain || world.resource(id).is_none() {
            self.put(world, id, body);
        }
        if plain && made {
            self.plain.remove(&id.to_lowercase());
        }
        if kind(id).as_deref() == Some("microsoft.network/virtualnetworks") {
            for subnet in subnets.into_iter().flatten() {
                self.show(world, &subnet);
            }
        }
    }

    /// Puts a resource into the world by the front door; where that refuses, as it is.
    pub(super) fn put(&mut self, world: &mut World, id: &str, body: &Value) {
        if self.busy.insert(id.to_lowercase()) {
            self.put_it(world, id, body);
            self.busy.remove(&id.to_lowercase());
        }
    }

    fn put_it(&mut self, world: &mut World, id: &str, body: &Value) {
        self.stand(world, id);
        let body = substituted(body);
        self.referred(world, &body);
        let answer = send(world, "PUT", id, Some(&body));
        if let Some(answer) = answer.filter(SimResponse::is_success) {
            return settle(world, &answer);
        }
        let Some(kind) = kind(id) else { return };
        let mut resource = Resource::new(id, &cased(&kind), world.now());
        resource.location = body.get("location").and_then(Value::as_str).map(normal);
        resource.tags = body.get("tags").and_then(|tags| serde_json::from_value::<Tags>(tags.clone()).ok());
        resource.properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
        if let Some(properties) = resource.properties.as_object_mut() {
            properties.remove("provisioningState");
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            let own =
                ["id", "name", "type", "location", "tags", "properties", "etag"].contains(&name.as_str());
            if !own {
                resource.extra.insert(name.clone(), value.clone());
            }
        }
        world.add_foreign(resource);
        // As it was shown, without what the simulator would have made of it: not to be judged before it is shown again.
        self.plain.insert(id.to_lowercase());
    }

    /// Rule 3: the group and the parents.
    pub(super) fn stand(&mut self, world: &mut World, path: &str) {
        if let Some(group) = group_of(path) {
            self.group(world, &group);
        }
        if let Some(owner) = owner(path) {
            self.ensure(world, owner);
        }
    }

    /// Whether what stands at this path was made by default, so that nobody knows what is in it.
    pub(super) fn is_plain(&self, path: &str) -> bool {
        self.plain.contains(&path.to_lowercase())
    }

    /// Rules 3 to 5: this is there, as it was shown, else in its plainest form.
    pub(super) fn ensure(&mut self, world: &mut World, id: &str) {
        let id = id.trim_end_matches('/');
        if world.resource(id).is_some() || self.is_gone(id) || self.busy.contains(&id.to_lowercase()) {
            return;
        }
        // Children without a body of their own (`fileServices/default`) need their parent alone.
        let Some(kind) = kind(id).filter(|kind| KINDS.contains(&kind.as_str())) else {
            if let Some(owner) = parent(id) {
                let owner = owner.to_owned();
                self.ensure(world, &owner);
            }
            return;
        };
        match self.seen.get(&id.to_lowercase()).cloned() {
            Some(body) => self.put(world, id, &body),
            None => {
                let plain = self.plain_body(world, id, &kind);
                self.put(world, id, &plain);
                self.plain.insert(id.to_lowercase());
                if kind.ends_with("/pools") {
                    // What is there from before is at rest.
                    world.advance_by(3600);
                }
            }
        }
    }

    /// Rule 4: every id in a body is there.
    pub(super) fn referred(&mut self, world: &mut World, body: &Value) {
        let mut ids = Vec::new();
        collect_ids(body, &mut ids);
        for id in ids.into_iter().filter(|id| simulated(id)) {
            self.ensure(world, &id);
        }
    }

    /// What a PUT or PATCH asks for whose body was not recorded: the plainest form of its type.
    pub(super) fn default_body(&mut self, world: &mut World, path: &str, method: Method) -> Value {
        let place = group_of(path)
            .and_then(|group| world.groups().get(&group.to_lowercase()).map(|g| g.location.clone()));
        let body = match kind(path).as_deref() {
            Some("microsoft.resources/tags") => json!({"operation": "Merge", "properties": {"tags": {}}}),
            _ if method == Method::Patch => json!({"properties": {}}),
            Some("microsoft.authorization/roleassignments") => json!({"properties": {
                "principalId": PRINCIPAL,
                "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c",
            }}),
            Some(kind) => self.plain_body(world, path, kind),
            None => json!({"location": REGION}),
        };
        let there = world.resource(path).and_then(|resource| resource.location.clone());
        let mut body = body;
        if let Some(place) = there.or(place).filter(|_| body.get("location").is_some()) {
            body["location"] = json!(place);
        }
        self.referred(world, &body);
        body
    }

    /// What is made by default from now on is where this request's resource is.
    pub(super) fn be_near(&mut self, world: &World, interaction: &Interaction) {
        let sent = interaction.body.as_ref().and_then(|body| body.get("location")?.as_str());
        let group =
            group_of(interaction.url.path()).and_then(|name| world.groups().get(&name.to_lowercase()));
        let place = sent.map(str::to_owned).or_else(|| group.map(|group| group.location.clone()));
        self.place = place.map(|place| normal(&region(&place)));
    }

    /// Whoever asked for this did so in words that were not recorded.
    pub(super) fn unknown(&mut self, path: &str) {
        self.plain.insert(path.to_lowercase());
    }

    /// The plainest body of a type.
    fn plain_body(&mut self, world: &mut World, id: &str, kind: &str) -> Value {
        let place = self.place.clone().unwrap_or_else(|| REGION.to_owned());
        match kind {
            "microsoft.network/virtualnetworks" => {
                json!({"location": place, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}}})
            }
            "microsoft.network/virtualnetworks/subnets" => {
                self.subnets += 1;
                json!({"properties": {
                    "addressPrefix": format!("10.{}.0.0/24", 100 + self.subnets % 100),
                    "serviceEndpoints": [{"service": "Microsoft.Storage"}],
                }})
            }
            "microsoft.network/networksecuritygroups/securityrules" => json!({"properties": {
                "protocol": "*", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "sourcePortRange": "*",
                "destinationPortRange": "*", "access": "Deny", "priority": 4096, "direction": "Inbound",
            }}),
            "microsoft.authorization/roleassignments" => json!({"properties": {
                "principalId": PRINCIPAL,
                "principalType": "User",
                "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
            }}),
            "microsoft.network/publicipaddresses" | "microsoft.network/natgateways" => {
                json!({"location": place, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}})
            }
            "microsoft.network/networkinterfaces" => {
                let group = group_of(id).unwrap_or_default();
                let subnet = format!(
                    "/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/plain/subnets/plain",
                    world.subscription_id()
                );
                json!({"location": place, "properties": {"ipConfigurations": [{"name": "ipconfig1", "properties": {"subnet": {"id": subnet}}}]}})
            }
            "microsoft.storage/storageaccounts" => {
                json!({"location": place, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}})
            }
            "microsoft.compute/virtualmachines" => {
                let nic = id.to_lowercase().find("/providers/").map_or("", |at| &id[..at]);
                let name = id.rsplit('/').next().unwrap_or_default();
                json!({"location": place, "properties": {
                    "hardwareProfile": {"vmSize": SIZE},
                    "storageProfile": {"imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}, "osDisk": {"createOption": "FromImage"}},
                    "osProfile": {"computerName": name, "adminUsername": "azureuser", "adminPassword": "REDACTED-Aa1!"},
                    "networkProfile": {"networkInterfaces": [{"id": format!("{nic}/providers/Microsoft.Network/networkInterfaces/{name}-nic")}]},
                }})
            }
            "microsoft.batch/batchaccounts/pools" => json!({"properties": {
                "vmSize": SIZE,
                "deploymentConfiguration": {"virtualMachineConfiguration": {
                    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
                    "nodeAgentSkuId": "batch.node.ubuntu 24.04",
                }},
                "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 2}},
            }}),
            _ => json!({"location": place, "properties": {}}),
        }
    }
}

impl Memory {
    /// Rule 6.
    pub(super) fn group(&mut self, world: &mut World, name: &str) {
        let id = format!("/subscriptions/{}/resourceGroups/{name}", world.subscription_id());
        if !world.groups().contains_key(&name.to_lowercase()) && !self.is_gone(&id) {
            world.add_group(name, REGION, Tags::new());
            self.plain.insert(id.to_lowercase());
        }
    }

    /// Rules 3 and 5 on the Batch data plane: the account of the host, and the pool that is acted on. Returns the pool.
    pub(super) fn batch(
        &mut self,
        world: &mut World,
        host: &str,
        interaction: &Interaction,
    ) -> Option<String> {
        let endpoint = |resource: &&Resource| resource.text("/accountEndpoint") == Some(host);
        let account = world.resources().values().find(endpoint).map(|resource| resource.id.clone());
        let account = account.unwrap_or_else(|| {
            let mut words = host.split('.');
            let (name, place) = (words.next().unwrap_or_default(), words.next().unwrap_or(REGION));
            let id = format!(
                "/subscriptions/{}/resourceGroups/plain/providers/Microsoft.Batch/batchAccounts/{name}",
                world.subscription_id()
            );
            self.put(world, &id, &json!({"location": place, "properties": {}}));
            // The host is the account's, whatever region it is in.
            world.edit(&id, |account| account.set("accountEndpoint", json!(host)));
            id
        });
        let mut words = interaction.url.path().trim_matches('/').split('/');
        if let (Some("pools"), Some(pool)) = (words.next(), words.next()) {
            let acted_on =
                words.next().is_some() || !matches!(interaction.method, Method::Get | Method::Head);
            if acted_on {
                self.ensure(world, &format!("{account}/pools/{pool}"));
            }
            return Some(pool.to_owned());
        }
        None
    }
}

impl Memory {
    /// The pool that is read, for requests that stand alone.
    pub(super) fn read_pool(&mut self, world: &mut World, host: &str, interaction: &Interaction) {
        let mut acted = interaction.clone();
        acted.method = Method::Post;
        self.batch(world, host, &acted);
    }
}

/// The name in the path of a resource group itself.
pub(super) fn is_group(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is = segments.len() == 4 && segments[2].eq_ignore_ascii_case("resourceGroups");
    is.then(|| segments[3].to_owned())
}

/// Somebody in the directory, where the request does not say who.
pub(super) const PRINCIPAL: &str = "11111111-2222-4333-8444-555555555555";

/// A size that the simulator's catalogue has.
const SIZE: &str = "Standard_D2_v2";

fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(id) if id.starts_with("/subscriptions/") && !id.contains("/ipConfigurations/") => {
                        ids.push(id.to_owned())
                    }
                    _ => collect_ids(value, ids),
                }
                if name.starts_with("/subscriptions/") {
                    ids.push(name.clone());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        _ => {}
    }
}

fn normal(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// Azure's casing of a type, as far as the simulator tells types apart by it.
fn cased(kind: &str) -> String {
    const CASED: &[&str] = &[
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/virtualNetworks/subnets",
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/publicIPAddresses",
        "Microsoft.Network/natGateways",
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/fileServices/shares",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Batch/batchAccounts",
        "Microsoft.Batch/batchAccounts/pools",
        "Microsoft.Batch/batchAccounts/applications",
        "Microsoft.Batch/batchAccounts/applications/versions",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
    ];
    CASED
        .iter()
        .find(|known| known.eq_ignore_ascii_case(kind))
        .map_or_else(|| kind.to_owned(), |k| (*k).to_owned())
}

/// A body with a size and a region that the simulator's catalogue has: it sells a choice of both.
pub(super) fn substituted(body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let value = match (name.as_str(), value.as_str()) {
                    ("vmSize", Some(size)) if !known_size(size) => json!(SIZE),
                    ("location", Some(place)) => json!(region(place)),
                    _ => substituted(value),
                };
                (name.clone(), value)
            });
            let mut members = members.collect::<Map<_, _>>();
            // Pools of this kind are no more: the same pool on machines.
            if members.remove("cloudServiceConfiguration").is_some_and(|old| !old.is_null()) {
                let (image, agent) = offered("");
                let (name, spelling) = if members.contains_key("vmSize") {
                    ("virtualMachineConfiguration", "nodeAgentSKUId")
                } else {
                    ("virtualMachineConfiguration", "nodeAgentSkuId")
                };
                members.insert(name.to_owned(), json!({"imageReference": image, spelling: agent}));
            }
            for agent in ["nodeAgentSKUId", "nodeAgentSkuId"] {
                let retired = members.get("imageReference").is_some_and(is_of_a_known_publisher);
                if let Some(named) = members.get(agent).and_then(Value::as_str).map(str::to_owned) {
                    let (image, agent_id) = offered(&named);
                    if retired {
                        members.insert("imageReference".to_owned(), image);
                    }
                    members.insert(agent.to_owned(), json!(agent_id));
                }
            }
            Value::Object(members)
        }
        Value::Array(items) => items.iter().map(substituted).collect(),
        other => other.clone(),
    }
}

/// Whether an image was offered when it was recorded: others were sent to be refused.
fn is_of_a_known_publisher(image: &Value) -> bool {
    let publisher = image.get("publisher").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    ["canonical", "microsoftwindowsserver", "openlogic", "microsoft-azure-batch", "debian"]
        .contains(&publisher.as_str())
}

/// An image with its node agent that Batch offers in the simulator: recorded ones are out of support.
fn offered(agent: &str) -> (Value, &'static str) {
    let image = |publisher: &str, offer: &str, sku: &str| json!({"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"});
    if agent.contains("windows") {
        (image("microsoftwindowsserver", "windowsserver", "2022-datacenter"), "batch.node.windows amd64")
    } else {
        (image("canonical", "ubuntu-24_04-lts", "server"), "batch.node.ubuntu 24.04")
    }
}

fn known_size(size: &str) -> bool {
    catalogue::sizes().any(|known| known.name.eq_ignore_ascii_case(size))
}

/// The region itself, or the default one when the catalogue does not have it.
pub(super) fn region(place: &str) -> String {
    let name = normal(place);
    if catalogue::locations().any(|known| known.name == name) { place.to_owned() } else { REGION.to_owned() }
}

/// Rule 2: what a template deployment makes, in the order of the template.
pub(super) fn template(interaction: &Interaction) -> Vec<(String, Value)> {
    let path = interaction.url.path();
    let Some(at) = path.to_lowercase().find("/providers/microsoft.resources/deployments/") else {
        return Vec::new();
    };
    let body = interaction.body.as_ref().filter(|_| interaction.method == Method::Put);
    let resources = body.and_then(|body| body.pointer("/properties/template/resources")?.as_array());
    let made = resources.into_iter().flatten().filter_map(|resource| {
        let (kind, name) = (resource.get("type")?.as_str()?, resource.get("name")?.as_str()?);
        let id = format!("{}/providers/{kind}/{name}", &path[..at]);
        let mut body = resource.as_object()?.clone();
        for name in ["type", "name", "apiVersion", "dependsOn"] {
            body.remove(name);
        }
        Some((id, expanded(&Value::Object(body), &path[..at])))
    });
    made.filter(|(id, _)| simulated(id)).collect()
}

/// `[resourceId('type', 'name')]` as the id that it stands for; other expressions stay.
fn expanded(value: &Value, group: &str) -> Value {
    match value {
        Value::String(text) => {
            let inner = text.strip_prefix("[resourceId('").and_then(|rest| rest.strip_suffix("')]"));
            match inner.and_then(|inner| inner.split_once("', '")) {
                Some((kind, name)) if !name.contains('\'') => {
                    json!(format!("{group}/providers/{kind}/{name}"))
                }
                _ => value.clone(),
            }
        }
        Value::Array(items) => items.iter().map(|item| expanded(item, group)).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), expanded(value, group))).collect(),
        ),
        other => other.clone(),
    }
}
