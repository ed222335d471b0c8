//! Avere's VMScaler as it was, as a second policy on the same simulated Azure: its loop, its constants, its defects.
//!
//! Written from the description in our notes on its behaviour, not from its source. One goroutine does everything in
//! turn, so does this; operations are watched by a second one, modelled as a look at each in every sweep.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flamenco_azure_core::arm::{ArmClient, ArmOptions, Operation, Request, RetryPolicy};
use flamenco_azure_core::ids::ResourceId;
use jiff::Timestamp;
use serde_json::{Value, json};

const API: &str = "2020-06-01";
/// The queue is swept so often.
const SWEEP: Duration = Duration::from_secs(5);
/// A capacity pass is due in the first sweep after so long.
const CAPACITY: Duration = Duration::from_mins(1);
/// A set that was not at capacity for so long is sealed.
const SEAL_AFTER: Duration = Duration::from_hours(1);
/// A received message comes back after so long.
const VISIBILITY: Duration = Duration::from_mins(10);

/// What its command line says.
#[derive(Debug, Clone)]
pub struct OldOptions {
    /// The resource group.
    pub group: ResourceId,
    /// The region.
    pub location: String,
    /// The size.
    pub sku: String,
    /// Nodes per set, 16 to 250.
    pub vms_per_vmss: u32,
    /// The subnet.
    pub subnet: ResourceId,
}

/// Its queue: the service's part of it is no part of the comparison.
#[derive(Debug, Clone, Default)]
pub struct OldQueue(Arc<Mutex<Vec<OldMessage>>>);

#[derive(Debug, Clone)]
struct OldMessage {
    id: usize,
    text: String,
    hidden_until: Timestamp,
}

impl OldQueue {
    /// Puts `vmssName,instanceId` on it.
    pub fn send(&self, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = all.last().map_or(0, |last| last.id + 1);
        all.push(OldMessage { id, text: text.to_owned(), hidden_until: Timestamp::MIN });
    }

    /// How many there are, hidden ones included.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn receive(&self, now: Timestamp) -> Vec<(usize, String)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let visible = all.iter_mut().filter(|message| message.hidden_until <= now);
        visible
            .map(|message| {
                message.hidden_until = now + VISIBILITY;
                (message.id, message.text.clone())
            })
            .collect()
    }

    fn delete(&self, ids: &[usize]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|message| !ids.contains(&message.id));
    }
}

/// The loop and what it keeps in memory.
#[derive(Debug)]
pub struct OldScaler {
    client: ArmClient,
    options: OldOptions,
    total: u32,
    operations: BTreeMap<String, Operation>,
    first_pass: bool,
    last_capacity: Option<Timestamp>,
    started: bool,
    queue: OldQueue,
}

struct Set {
    name: String,
    capacity: u32,
    state: String,
    tags: BTreeMap<String, String>,
    body: Value,
}

impl OldScaler {
    /// A process that has just been started. Retries are its SDK's: up to three after 408, 429 and 5xx, 30 s doubled
    /// each time where Azure names no wait.
    pub fn new(arm: &ArmOptions, options: OldOptions, queue: OldQueue) -> Self {
        let retry = RetryPolicy {
            max_tries: 4,
            first_delay: Duration::from_secs(30),
            max_delay: Duration::from_mins(4),
            budget: Duration::from_mins(30),
            patience: Duration::ZERO,
            ..RetryPolicy::default()
        };
        Self {
            client: ArmClient::new(ArmOptions { retry, ..arm.clone() }),
            options,
            total: 0,
            operations: BTreeMap::new(),
            first_pass: true,
            last_capacity: None,
            started: false,
            queue,
        }
    }

    /// One sweep of the queue, with a capacity pass if one is due. To be called each five seconds.
    pub async fn sweep(&mut self) {
        if !self.started {
            self.read_total().await;
            self.started = true;
        }
        self.delete_nodes().await;
        self.watch().await;
        let now = self.client.clock().now();
        let due = self.last_capacity.is_none_or(|last| now.duration_since(last).unsigned_abs() > CAPACITY);
        if due {
            self.read_total().await;
            let first = self.first_pass;
            self.capacity_pass().await;
            // The first one only stamps; the next follows in the next sweep.
            self.last_capacity = (!first).then(|| self.client.clock().now());
        }
    }

    /// Sweeps until `until`.
    pub async fn run_until(&mut self, until: Timestamp) {
        while self.client.clock().now() < until {
            self.sweep().await;
            self.client.clock().sleep(SWEEP).await;
        }
    }

    fn group(&self) -> Request {
        Request::get(self.options.group.as_str()).api_version("2018-05-01")
    }

    /// Any failure to read is a target of 0, and written back as one.
    async fn read_total(&mut self) {
        let read = self.client.get(&self.group()).await.ok().flatten();
        let tag = read.as_ref().and_then(|body| body.pointer("/tags/TOTAL_NODES")?.as_str()?.parse().ok());
        if let Some(total) = tag {
            self.total = total;
        } else {
            self.total = 0;
            self.write_total().await;
        }
    }

    /// GET of the whole group, PUT of all its tags.
    async fn write_total(&self) {
        let Ok(Some(body)) = self.client.get(&self.group()).await else { return };
        let mut tags = body.get("tags").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
        tags["TOTAL_NODES"] = json!(self.total.to_string());
        let put = json!({"location": body["location"], "tags": tags});
        let put = Request::put(self.options.group.as_str(), put).api_version("2018-05-01");
        let _ = self.client.send(&put).await;
    }

    async fn delete_nodes(&mut self) {
        let now = self.client.clock().now();
        let received = self.queue.receive(now);
        let mut by_set: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
        let mut odd = Vec::new();
        for (message, text) in received {
            match text.split(',').collect::<Vec<_>>().as_slice() {
                [set, id] => by_set.entry((*set).to_owned()).or_default().push((message, (*id).to_owned())),
                _ => odd.push(message),
            }
        }
        self.queue.delete(&odd);
        let count = by_set.values().map(Vec::len).sum::<usize>() as u32;
        if count > 0 && self.total > 0 {
            self.total = self.total.saturating_sub(count);
            self.write_total().await;
        }
        for (set, named) in by_set {
            let (messages, ids): (Vec<usize>, Vec<String>) = named.into_iter().unzip();
            let request =
                Request::post(format!("{}/delete", self.set_id(&set)), Some(json!({"instanceIds": ids})))
                    .api_version(API)
                    .idempotent();
            // Accepted is as good as done to it; refused, they come back and are counted again.
            if let Ok(operation) = self.client.begin(&request).await {
                self.operations.insert(set.clone(), operation);
                self.queue.delete(&messages);
            }
        }
    }

    fn set_id(&self, name: &str) -> ResourceId {
        self.options.group.resource("Microsoft.Compute/virtualMachineScaleSets", name)
    }

    /// Operations that ended are forgotten, whatever came of them.
    async fn watch(&mut self) {
        let names: Vec<String> = self.operations.keys().cloned().collect();
        for name in names {
            let Some(mut operation) = self.operations.remove(&name) else { continue };
            if !matches!(self.client.poll(&mut operation).await, Ok(true)) {
                self.operations.insert(name, operation);
            }
        }
    }

    /// A failed first page is an empty list.
    async fn list(&self) -> Vec<Set> {
        let list = format!("{}/providers/Microsoft.Compute/virtualMachineScaleSets", self.options.group);
        let items = self.client.list(&Request::get(list).api_version(API)).await.unwrap_or_default();
        items
            .into_iter()
            .map(|body| Set {
                name: body["name"].as_str().unwrap_or_default().to_owned(),
                capacity: body["sku"]["capacity"].as_u64().unwrap_or(0) as u32,
                state: body["properties"]["provisioningState"].as_str().unwrap_or_default().to_owned(),
                tags: body["tags"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                    .collect(),
                body,
            })
            .collect()
    }

    async fn capacity_pass(&mut self) {
        let sets = self.list().await;
        let now = self.client.clock().now();
        let stamp = now.to_string();
        let per = self.options.vms_per_vmss;
        if self.first_pass {
            self.first_pass = false;
            for set in sets.iter().filter(|set| !set.tags.contains_key("SEALED")) {
                self.put(set, set.capacity, &[("LAST_TIME_AT_CAPACITY", &stamp)]).await;
            }
            return;
        }
        let current: u32 = sets.iter().map(|set| set.capacity).sum();
        let mut increased = 0;
        let (mut at, mut seal, mut grow, mut remove) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for set in &sets {
            let long_ago = set
                .tags
                .get("LAST_TIME_AT_CAPACITY")
                .and_then(|text| text.parse::<Timestamp>().ok())
                .is_some_and(|last| now.duration_since(last).unsigned_abs() > SEAL_AFTER);
            if self.operations.contains_key(&set.name) {
            } else if set.capacity == 0 {
                remove.push(set);
            } else if set.tags.contains_key("SEALED") {
            } else if set.capacity >= per {
                at.push(set);
            } else if long_ago {
                seal.push(set);
            } else if set.state == "Succeeded" {
                if current + increased < self.total {
                    increased += per - set.capacity;
                    grow.push(set);
                } else {
                    at.push(set);
                }
            }
        }
        let remaining = self.total.saturating_sub(current + increased);
        for set in at {
            self.put(set, set.capacity, &[("LAST_TIME_AT_CAPACITY", &stamp)]).await;
        }
        for set in seal {
            self.put(set, set.capacity, &[("SEALED", &stamp)]).await;
        }
        for set in grow {
            self.put(set, per, &[("LAST_TIME_AT_CAPACITY", &stamp)]).await;
        }
        for set in remove {
            let request = Request::delete(self.set_id(&set.name).as_str()).api_version(API);
            if let Ok(operation) = self.client.begin(&request).await {
                self.operations.insert(set.name.clone(), operation);
            }
        }
        let mut taken: Vec<String> = sets.iter().map(|set| set.name.clone()).collect();
        for _ in 0..remaining.div_ceil(per) {
            let name = (0..=u32::MAX)
                .map(|n| format!("vmss{n}"))
                .find(|name| !taken.contains(name))
                .unwrap_or_default();
            let request = Request::put(self.set_id(&name).as_str(), self.model(&name)).api_version(API);
            if let Ok(operation) = self.client.begin(&request).await {
                self.operations.insert(name.clone(), operation);
            }
            taken.push(name);
        }
    }

    /// PUT of the whole model as listed, with another capacity and more tags.
    async fn put(&mut self, set: &Set, capacity: u32, tags: &[(&str, &String)]) {
        let mut body = set.body.clone();
        body["sku"]["capacity"] = json!(capacity);
        if !body["tags"].is_object() {
            body["tags"] = json!({});
        }
        for (name, value) in tags {
            body["tags"][*name] = json!(value);
        }
        let request = Request::put(self.set_id(&set.name).as_str(), body).api_version(API);
        if let Ok(operation) = self.client.begin(&request).await {
            self.operations.insert(set.name.clone(), operation);
        }
    }

    /// Without tags: a set whose creation failed has no time to be sealed by.
    fn model(&self, name: &str) -> Value {
        let options = &self.options;
        json!({
            "location": options.location,
            "sku": {"name": options.sku, "tier": "Standard", "capacity": options.vms_per_vmss},
            "properties": {
                "overprovision": false,
                "singlePlacementGroup": false,
                "upgradePolicy": {"mode": "Manual"},
                "virtualMachineProfile": {
                    "priority": "Low",
                    "evictionPolicy": "Delete",
                    "osProfile": {
                        "computerNamePrefix": name,
                        "adminUsername": "azureuser",
                        "adminPassword": "Sim-0nly-password",
                    },
                    "storageProfile": {"imageReference": {
                        "publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest",
                    }},
                    "networkProfile": {"networkInterfaceConfigurations": [{
                        "name": "nic",
                        "properties": {
                            "primary": true,
                            "enableAcceleratedNetworking": true,
                            "ipConfigurations": [{
                                "name": "ip",
                                "properties": {"subnet": {"id": options.subnet}},
                            }],
                        },
                    }]},
                },
            },
        })
    }
}
