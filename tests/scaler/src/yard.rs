//! The groundwork, and scalers on it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use azure_core::http::HttpClient;
use azure_sim::{SimTransport, World, WorldConfig};
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, Request, RetryPolicy};
use flamenco_azure_core::clock::{Clock, TokioClock};
use flamenco_azure_core::ids::{ResourceId, SubscriptionId};
use jiff::Timestamp;
use serde_json::{Value, json};
use vmss_scaler::file::{PlacementFile, PoolFile, ScalerFile};
use vmss_scaler::queue::DeletionQueue;
use vmss_scaler::scaler::{Parts, Pass, Pool, Scaler};
use vmss_scaler::skus::Catalog;
use vmss_scaler::spec::Priority;
use vmss_scaler::storage::StorageOptions;
use vmss_scaler::store::StateBlob;
use vmss_scaler::template::{ImageReference, Mode};
use vmss_scaler::wire;

/// The subscription of all yards.
pub const SUBSCRIPTION: &str = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab";
/// The region.
pub const LOCATION: &str = "westeurope";
/// The size of nodes unless a test says otherwise.
pub const SIZE: &str = "Standard_D4as_v5";
/// A key that nobody has.
pub const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZha2UtZmFrZS1mYWtlLWZha2UtZmFrZS1mYWtlLWZha2Ut yard";
/// The account of state and queue.
pub const ACCOUNT: &str = "yardscaler";

/// A simulated Azure with what scalers need.
#[derive(Clone)]
pub struct Yard {
    /// The world.
    pub world: Arc<Mutex<World>>,
    /// Its time: tokio's, paused.
    pub clock: TokioClock,
    /// How clients reach it.
    pub arm: ArmOptions,
    /// A patient client.
    pub client: ArmClient,
    /// The resource group.
    pub group: ResourceId,
    /// The nodes' subnet.
    pub subnet: ResourceId,
}

impl std::fmt::Debug for Yard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Yard").finish_non_exhaustive()
    }
}

/// Large, and the same in every yard; read in a world of its own, so that the first yard's life is no other one's.
static CATALOG: OnceLock<Catalog> = OnceLock::new();

async fn read_catalog() {
    if CATALOG.get().is_some() {
        return;
    }
    let world = World::new(WorldConfig::new(SUBSCRIPTION));
    let clock = TokioClock::starting_at(world.now());
    let client = ArmClient::new(reach(&Arc::new(Mutex::new(world)), clock, 0));
    let (subscription, location) = (SUBSCRIPTION.parse().unwrap(), LOCATION.parse().unwrap());
    let items = client.list(&wire::skus(&subscription, &location)).await.expect("sizes can be listed");
    let _ = CATALOG.set(Catalog::read(&items, LOCATION));
}

fn reach(world: &Arc<Mutex<World>>, clock: TokioClock, seed: u64) -> ArmOptions {
    let transport: Arc<dyn HttpClient> =
        Arc::new(SimTransport::new(Arc::clone(world), Arc::new(move || clock.now())));
    ArmOptions {
        cloud: Cloud::public(),
        credential: SimTransport::credential(),
        transport: Some(transport),
        clock: Arc::new(clock),
        seed,
        retry: RetryPolicy::default(),
    }
}

impl Yard {
    /// A yard in a world with this seed and plenty of quota. To be called on a runtime with paused time.
    pub async fn new(seed: u64) -> Self {
        Self::with(seed, |_| {}).await
    }

    /// The same with another configuration.
    pub async fn with(seed: u64, change: impl FnOnce(&mut WorldConfig)) -> Self {
        let mut config = WorldConfig::new(SUBSCRIPTION);
        config.seed = seed;
        config.quota_cores = 1_000_000;
        change(&mut config);
        read_catalog().await;
        let world = World::new(config);
        let clock = TokioClock::starting_at(world.now());
        let world = Arc::new(Mutex::new(world));
        let arm = reach(&world, clock, seed);
        let group = ResourceId::group(&SUBSCRIPTION.parse().unwrap(), "yard");
        let vnet = group.resource("Microsoft.Network/virtualNetworks", "net");
        let yard = Self {
            world,
            clock,
            client: ArmClient::new(arm.clone()),
            arm,
            subnet: vnet.child("subnets", "nodes"),
            group,
        };
        yard.put(yard.group.as_str(), "2021-04-01", json!({"location": LOCATION})).await;
        let network = json!({"location": LOCATION, "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
            "subnets": [{"name": "nodes", "properties": {
                "addressPrefix": "10.0.0.0/15", "defaultOutboundAccess": false,
            }}],
        }});
        yard.put(vnet.as_str(), "2024-05-01", network).await;
        let account = yard.group.resource("Microsoft.Storage/storageAccounts", ACCOUNT);
        let body = json!({"location": LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2",
            "properties": {"allowSharedKeyAccess": false}});
        yard.put(account.as_str(), "2023-05-01", body).await;
        let me = yard.world().principal_mut().object_id.clone();
        // Storage Blob Data Contributor, Storage Queue Data Contributor.
        for role in ["ba92f5b4-2d11-453d-a403-e96b0029c9fe", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"] {
            let definition = format!(
                "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
            );
            let id = format!("{account}/providers/Microsoft.Authorization/roleAssignments/{role}");
            let body = json!({"properties": {"roleDefinitionId": definition, "principalId": me, "principalType": "User"}});
            yard.put(&id, "2022-04-01", body).await;
        }
        yard
    }

    async fn put(&self, id: &str, version: &'static str, body: Value) {
        self.client.run(&Request::put(id, body).api_version(version)).await.expect(id);
    }

    /// The world, for pokes and checks.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(self.clock.now());
        world
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub async fn wait(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Sets the target as people do: with a PATCH of one tag.
    pub async fn want(&self, text: &str) {
        let request = wire::merge_tags(&self.group, &json!({"TOTAL_NODES": text}));
        self.client.run(&request).await.expect("the tag can be set");
    }

    /// A scaler's file with one pool, as the tests begin with.
    pub fn file(&self) -> ScalerFile {
        let subscription: SubscriptionId = SUBSCRIPTION.parse().unwrap();
        ScalerFile {
            cloud: "public".to_owned(),
            subscription,
            location: LOCATION.parse().unwrap(),
            resource_group: "yard".to_owned(),
            farm: "studio".to_owned(),
            storage_account: ACCOUNT.to_owned(),
            client_id: None,
            pools: vec![PoolFile {
                name: "render".to_owned(),
                max_nodes: 20_000,
                placements: vec![PlacementFile {
                    vm_size: SIZE.to_owned(),
                    zone: None,
                    priority: Priority::Spot,
                }],
                on_demand_percent: 100,
                overprovision: 0,
                vms_per_scale_set: None,
                payload: vmss_scaler::spec::Payload::Light,
                orchestration: Mode::Flexible,
                max_price: None,
                boot_budget_minutes: 15,
                delete_by_message: true,
                image: ImageReference::Marketplace {
                    publisher: "canonical".to_owned(),
                    offer: "ubuntu-24_04-lts".to_owned(),
                    sku: "server".to_owned(),
                    version: "latest".to_owned(),
                },
                os_disk_gib: 30,
                subnet: self.subnet.clone(),
                admin_username: "flamenco".to_owned(),
                ssh_public_key: SSH_KEY.to_owned(),
                node_identity: None,
                custom_data: None,
                tags: std::collections::BTreeMap::new(),
            }],
        }
    }

    /// What the region's sizes can do.
    pub fn catalog(&self) -> Catalog {
        CATALOG.get().cloned().expect("read before the first yard was made")
    }

    /// The file's pools.
    pub fn pools(&self, file: &ScalerFile) -> Vec<Pool> {
        let catalog = self.catalog();
        file.pools(&catalog).unwrap_or_else(|findings| panic!("{findings:?}"))
    }

    /// How storage is reached.
    pub fn storage(&self) -> StorageOptions {
        StorageOptions::new(
            ACCOUNT,
            &self.arm.cloud,
            Arc::clone(&self.arm.credential),
            self.arm.transport.clone(),
            Arc::new(self.clock),
            self.arm.seed,
        )
    }

    /// The pool's queue.
    pub fn queue(&self, pool: &Pool) -> Arc<DeletionQueue> {
        Arc::new(DeletionQueue::new(&self.storage(), &pool.queue_name()).expect("the name fits"))
    }

    /// A scaler of this pool that calls itself `holder`.
    pub async fn scaler(&self, pool: Pool, holder: &str) -> Scaler {
        let queue = self.queue(&pool);
        queue.ensure().await.expect("the queue can be made");
        self.scaler_on(pool, holder, queue)
    }

    /// The same on a queue that is there.
    pub fn scaler_on(&self, pool: Pool, holder: &str, queue: Arc<DeletionQueue>) -> Scaler {
        Scaler::new(self.parts(pool, holder, queue))
    }

    /// What a scaler is made of that can judge of no other process.
    pub fn parts(&self, pool: Pool, holder: &str, queue: Arc<DeletionQueue>) -> Parts {
        Parts {
            arm: self.arm.clone(),
            store: StateBlob::new(&self.storage(), &pool.blob_name()).expect("the name fits"),
            queue: Some(queue),
            renders: None,
            holder: holder.to_owned(),
            dead: None,
            pool,
        }
    }

    /// Passes, as the loop makes them, until `done` or `limit` of virtual time has passed.
    pub async fn run(
        &self,
        scaler: &mut Scaler,
        limit: Duration,
        mut done: impl FnMut(&Pass) -> bool,
    ) -> Option<Pass> {
        let end = self.now() + limit;
        while self.now() < end {
            let pass = scaler.pass().await;
            if done(&pass) {
                return Some(pass);
            }
            while self.now() < pass.next_look.min(end) {
                let left = pass.next_look.duration_since(self.now()).unsigned_abs();
                self.wait(left.min(vmss_scaler::store::RENEW_EVERY)).await;
                let _ = scaler.tend().await;
            }
        }
        None
    }

    /// Machines that count: those not on their way out.
    pub fn nodes(&self) -> usize {
        let world = self.world();
        let sets = world.scale_sets();
        let live = |id: &str| {
            let all = world.set_instances(id);
            all.iter().filter(|one| one.state != azure_sim::resource::ProvisioningState::Deleting).count()
        };
        sets.iter().map(|set| live(&set.id)).sum()
    }
}
