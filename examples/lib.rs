//! Shared set-up of the examples: a simulated Azure in virtual time, or a subscription with `FLAMENCO_AZURE_LIVE=1`.
//!
//! An example is one `run(azure)`. [`on_azure`] gives it an [`Azure`] to talk to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_sim::{SimTransport, World, WorldConfig};
use flamenco_azure_core::arm::{ArmClient, ArmError, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::{Clock, SystemClock, TokioClock};
use flamenco_azure_core::identity::{CredentialChain, Environment};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{GroupWish, Wanted};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, validate};

/// Any error will do for an example.
pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The subscription of the simulated Azure.
pub const SUBSCRIPTION: &str = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab";

/// An Azure to talk to.
#[derive(Debug, Clone)]
pub struct Azure {
    /// Sends requests.
    pub client: ArmClient,
    /// Tells the time: virtual on the simulator.
    pub clock: Arc<dyn Clock>,
    /// The subscription to work in.
    pub subscription: String,
    /// How a subscription is signed in to; none on the simulator.
    pub signed_in: Option<Arc<CredentialChain>>,
    world: Option<Arc<Mutex<World>>>,
    group: Option<String>,
}

impl Azure {
    /// A fresh simulated Azure. Must be called on a runtime with paused time: that is its clock.
    pub fn simulated() -> Self {
        let world = World::new(WorldConfig::new(SUBSCRIPTION));
        let clock = TokioClock::starting_at(world.now());
        let world = Arc::new(Mutex::new(world));
        let transport = SimTransport::new(Arc::clone(&world), Arc::new(move || clock.now()));
        let client = ArmClient::new(ArmOptions {
            cloud: Cloud::public(),
            credential: SimTransport::credential(),
            transport: Some(Arc::new(transport)),
            clock: Arc::new(clock),
            seed: 1,
            retry: RetryPolicy::default(),
        });
        Self {
            client,
            clock: Arc::new(clock),
            subscription: SUBSCRIPTION.to_owned(),
            signed_in: None,
            world: Some(world),
            group: Some("examples".to_owned()),
        }
    }

    /// The subscription in `AZURE_SUBSCRIPTION_ID`, by whoever is signed in.
    pub fn live() -> Result<Self> {
        let subscription = variable("AZURE_SUBSCRIPTION_ID").ok_or("AZURE_SUBSCRIPTION_ID is not set")?;
        let environment = Environment::from_variables(variable).with_subscription(Some(subscription.clone()));
        let chain = Arc::new(CredentialChain::new(environment, &Cloud::public()));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let credential = Arc::clone(&chain);
        let client = ArmClient::new(ArmOptions {
            cloud: Cloud::public(),
            credential,
            transport: None,
            clock: Arc::clone(&clock),
            seed: u64::from(std::process::id()),
            retry: RetryPolicy::default(),
        });
        let group = variable("FLAMENCO_AZURE_GROUP");
        Ok(Self { client, clock, subscription, signed_in: Some(chain), world: None, group })
    }

    /// The simulated world; an error on a subscription.
    pub fn world(&self) -> Result<MutexGuard<'_, World>> {
        let world = self.world.as_ref().ok_or("this example runs on the simulator only")?;
        Ok(world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nothing is real.
    pub fn is_simulated(&self) -> bool {
        self.world.is_some()
    }

    /// The resource group that an example may write to. On a subscription it must be named on purpose.
    pub fn group(&self) -> Result<ResourceId> {
        let name = self.group.as_ref();
        let name = name.ok_or("this example writes: name a resource group in FLAMENCO_AZURE_GROUP")?;
        Ok(ResourceId::group(&self.subscription.parse()?, name))
    }
}

/// Runs an example: on the simulator, or on a subscription with `FLAMENCO_AZURE_LIVE=1`.
pub fn on_azure<T>(example: impl AsyncFnOnce(Azure) -> Result<T>) -> Result {
    let live = variable("FLAMENCO_AZURE_LIVE").is_some_and(|value| value == "1");
    // Paused time jumps to the next timer when everybody waits: ten Azure minutes take milliseconds.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(!live).build()?;
    runtime.block_on(async {
        let azure = if live { Azure::live()? } else { Azure::simulated() };
        example(azure).await.map(|_| ())
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A small farm: a Manager and a pool of two nodes. Account names must be unique in the world, so they come from the
/// group's name. Nobody has the private half of the key, and nobody is admitted from outside.
pub fn farm_file(subscription: &str, group: &str) -> String {
    let letters: String = group.to_lowercase().chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!(
        "\
defaultName: example
subscriptionID: {subscription}
location: westeurope
resourceGroup: {group}
virtualMachine: {letters}-example
storageAccountName: {letters}examplefs
batchAccountName: {letters}exampleb
manager:
  sshPublicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 nobody
pools:
  - name: render
    vmSize: Standard_D4as_v5
    dedicated: 2
"
    )
}

/// Farm file text → checked farm.
pub fn farm(text: &str) -> Result<Farm> {
    let spec = FarmSpec::parse("azure_config.yaml", text)?;
    // The day matters for VM sizes that are retired by then.
    let overrides = Overrides { allow_world: false, today: "2026-11-21T00:00:00Z".parse()? };
    let (farm, _warnings) = validate(&spec, &overrides)?;
    Ok(farm)
}

/// Checked farm → everything that is wanted. `manager-vm` and `batch-pool` do not know one another: what the pools need
/// of the Manager's part is handed over here.
pub fn wanted(farm: &Farm) -> Result<Wanted> {
    let names = manager_vm::Names::of(farm);
    let mut beside = vec![names.vm()];
    beside.extend(manager_vm::spec::share(farm));
    let around = batch_pool::desired::Surroundings {
        subnet: manager_vm::spec::subnets(farm).1,
        after: vec![names.vnet()],
        beside,
        start_task: manager_vm::guest::start_task_command(&manager_vm::desired::guest_config(farm))?,
        // For the quota gate; the CLI reads them from Azure's list of sizes.
        cores: BTreeMap::from([("standard_d4as_v5".to_owned(), 4)]),
    };
    let mut resources = manager_vm::desired::resources(farm)?;
    resources.extend(batch_pool::desired::resources(farm, &around));
    let mut checkpoints = manager_vm::desired::checkpoints(farm)?;
    checkpoints.extend(batch_pool::desired::checkpoints(farm, &around));
    let group = GroupWish { id: farm.group_id(), location: farm.location.clone(), tags: farm.tags.clone() };
    Ok(Wanted {
        farm: farm.name.to_string(),
        group,
        resources,
        orders: Vec::new(),
        absent: Vec::new(),
        checkpoints,
    })
}

/// What is there: both crates read their part of the group.
pub async fn observe(client: &ArmClient, group: &ResourceId) -> Result<Inventory, ArmError> {
    let mut inventory = Inventory::default();
    manager_vm::observe::observe(client, group, &mut inventory).await?;
    batch_pool::observe::observe(client, group, &mut inventory).await?;
    Ok(inventory)
}
