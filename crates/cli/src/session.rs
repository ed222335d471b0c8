//! What every command works with: the client, the clock, the printer, and where the farm is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::{Clock, SystemClock};
use flamenco_azure_core::exec::{ExecOptions, Executor, Reporter};
use flamenco_azure_core::ids::{ResourceId, SubscriptionId};
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::journal::FileJournal;
use manager_vm::{ManagerVm, wire};

use crate::args::Global;
use crate::ask::Asker;
use crate::failure::{Failure, Outcome};
use crate::farmfile::{self, FarmFile};
use crate::printer::Printer;
use crate::simulator::Simulator;
use crate::{farm, progress};

/// What every command works with.
#[derive(Debug)]
pub struct Session {
    /// Writes to the terminal.
    pub printer: Printer,
    /// Talks to Azure.
    pub client: ArmClient,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Asks.
    pub ask: Asker,
    /// Options of every command.
    pub global: Global,
    /// Where relative paths begin.
    pub here: PathBuf,
    /// Values from the environment.
    pub environment: farmfile::Environment,
    /// Progress of runs.
    pub reporter: Arc<dyn Reporter>,
    /// The embedded simulator, if there is one.
    pub simulator: Option<Arc<Simulator>>,
    /// Which credential is used, for `whoami`.
    pub identity: Arc<crate::identity::SignIn>,
    /// The price list, read once.
    pub prices: tokio::sync::OnceCell<Option<flamenco_azure_core::prices::PriceBook>>,
}

/// Where a farm is: enough to look at it, resize it and remove it, with or without its file.
#[derive(Debug, Clone)]
pub struct Target {
    /// The farm's name.
    pub farm: String,
    /// Its resource group.
    pub group: ResourceId,
}

impl Session {
    /// A session on the embedded simulator.
    pub fn simulated(
        printer: Printer,
        global: Global,
        here: PathBuf,
        environment: farmfile::Environment,
        simulator: Arc<Simulator>,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(simulator.clock());
        let transport = Arc::new(simulator.transport());
        Self::over(printer, global, here, environment, simulator, clock, transport)
    }

    /// A session on a simulator behind a transport of the caller's making (tests that cut the wire).
    pub fn over(
        printer: Printer,
        global: Global,
        here: PathBuf,
        environment: farmfile::Environment,
        simulator: Arc<Simulator>,
        clock: Arc<dyn Clock>,
        transport: Arc<dyn azure_core::http::HttpClient>,
    ) -> Self {
        let client = ArmClient::new(ArmOptions {
            cloud: Cloud::public(),
            credential: azure_sim::SimTransport::credential(),
            transport: Some(transport),
            clock,
            seed: 1,
            retry: RetryPolicy::default(),
        });
        let identity = Arc::new(crate::identity::SignIn::Simulated);
        Self { simulator: Some(simulator), ..Self::of(printer, global, here, environment, client, identity) }
    }

    fn of(
        printer: Printer,
        global: Global,
        here: PathBuf,
        environment: farmfile::Environment,
        client: ArmClient,
        identity: Arc<crate::identity::SignIn>,
    ) -> Self {
        Self {
            printer,
            clock: Arc::clone(client.clock()),
            client,
            ask: Asker::new(global.no_input),
            global,
            here,
            environment,
            reporter: Arc::new(progress::Lines::new(printer)),
            simulator: None,
            identity,
            prices: tokio::sync::OnceCell::new(),
        }
    }

    /// The same session in another directory, on the farm file there.
    pub fn elsewhere(&self, here: PathBuf) -> Self {
        let global = Global {
            config: None,
            subscription: None,
            location: None,
            group: None,
            farm: None,
            sa: None,
            ba: None,
            vm: None,
            ..self.global.clone()
        };
        Self {
            printer: self.printer,
            client: self.client.clone(),
            clock: Arc::clone(&self.clock),
            ask: self.ask,
            global,
            here,
            environment: self.environment.clone(),
            reporter: Arc::clone(&self.reporter),
            simulator: self.simulator.clone(),
            identity: Arc::clone(&self.identity),
            prices: tokio::sync::OnceCell::new(),
        }
    }

    /// A session on Azure.
    pub fn live(
        printer: Printer,
        global: Global,
        here: PathBuf,
        environment: farmfile::Environment,
        cloud: Cloud,
        seed: u64,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let identity = Arc::new(crate::identity::SignIn::from_environment(
            &environment,
            &farmfile::directory(&here, &global),
            &cloud,
        ));
        let client = ArmClient::new(ArmOptions {
            cloud,
            credential: identity.credential(),
            transport: None,
            clock,
            seed,
            retry: RetryPolicy::default(),
        });
        Self::of(printer, global, here, environment, client, identity)
    }

    /// Loads and checks the farm file.
    pub fn farm_file(&self, ssh_key: Option<&Path>, allow_world: bool) -> Outcome<FarmFile> {
        let simulated = self.simulator.is_some();
        let file = farmfile::load(
            &self.here,
            &self.global,
            &self.environment,
            &farmfile::Extra {
                ssh_key: ssh_key.map(Path::to_owned),
                allow_world,
                today: self.clock.now(),
                simulated,
            },
        )?;
        for warning in &file.warnings {
            self.printer.warn(warning);
        }
        Ok(file)
    }

    /// The farm of the farm file for commands that only use a farm that stands: what the file should say otherwise is
    /// for `plan` and `deploy` to tell, and a size that has been retired since hinders neither ssh nor a pause.
    pub fn standing_farm(&self) -> Outcome<FarmFile> {
        let extra = farmfile::Extra {
            ssh_key: None,
            allow_world: true,
            today: jiff::Timestamp::UNIX_EPOCH,
            simulated: self.simulator.is_some(),
        };
        farmfile::load(&self.here, &self.global, &self.environment, &extra)
    }

    /// The executor over a farm's journal.
    pub fn executor(&self, farm: &str) -> Outcome<Executor> {
        let path = self.state_dir(farm).join("journal.jsonl");
        let journal = Arc::new(FileJournal::open(path)?);
        Ok(Executor::new(
            self.client.clone(),
            Arc::clone(&self.clock),
            journal,
            Arc::clone(&self.reporter),
            ExecOptions::default(),
        ))
    }

    /// Where the CLI keeps what it knows of a farm: the journal, the Manager's host keys.
    pub fn state_dir(&self, farm: &str) -> PathBuf {
        farmfile::directory(&self.here, &self.global).join(".flamenco-azure").join(farm)
    }

    /// Finds the farm: from flags alone, else from the farm file.
    pub async fn target(&self) -> Outcome<(Target, Inventory)> {
        let flags = (self.global.subscription.as_deref(), self.global.group.as_deref());
        let group = match flags {
            (Some(subscription), Some(group)) if !farmfile::exists(&self.here, &self.global) => {
                let subscription: SubscriptionId = subscription
                    .parse()
                    .map_err(|error: flamenco_azure_core::ids::IdError| Failure::user(error.to_string()))?;
                ResourceId::group(&subscription, group)
            }
            _ => {
                let file = farmfile::whereabouts(&self.here, &self.global)?;
                let inventory = farm::observe(&self.client, &file.group).await?;
                let farm = self.global.farm.clone().unwrap_or(file.farm);
                return Ok((Target { farm, group: file.group }, inventory));
            }
        };
        let inventory = farm::observe(&self.client, &group).await?;
        let farms = farm::farms_in(&inventory);
        let farm = match (&self.global.farm, farms.as_slice()) {
            (Some(farm), _) => farm.clone(),
            (None, [only]) => only.clone(),
            (None, []) => {
                return Err(Failure::user(format!("there is no farm in resource group `{}`", group.name()))
                    .hint("its tags name the farms: `az group show --name GROUP --query tags`"));
            }
            (None, many) => {
                return Err(Failure::user(format!(
                    "resource group `{}` holds {} farms",
                    group.name(),
                    many.len()
                ))
                .hint(format!("add `--farm NAME`: {}", many.join(", "))));
            }
        };
        Ok((Target { farm, group }, inventory))
    }

    /// The Manager of a farm, by its VM.
    pub fn manager(&self, vm: &ResourceId) -> ManagerVm {
        ManagerVm::new(self.client.clone(), vm.clone())
    }
}

impl Target {
    /// The farm's resources of one type.
    pub fn resources<'a>(
        &'a self,
        inventory: &'a Inventory,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Observed> {
        inventory.of_kind(kind).filter(move |r| inventory.owner(r).as_deref() == Some(&self.farm))
    }

    /// The farm's Manager VM.
    pub fn manager_vm<'a>(&'a self, inventory: &'a Inventory) -> Option<&'a Observed> {
        // Nodes of flexible scale sets are machines of the farm too.
        self.resources(inventory, wire::VM).find(|vm| !manager_vm::observe::is_node(vm))
    }

    /// Whether anything of the farm exists.
    pub fn exists(&self, inventory: &Inventory) -> bool {
        farm::farms_in(inventory).contains(&self.farm)
            || inventory.iter().any(|r| inventory.owner(r).as_deref() == Some(&self.farm))
    }

    /// Refuses a farm that does not exist or is paused.
    pub fn awake(&self, inventory: &Inventory) -> Outcome<()> {
        if !self.exists(inventory) {
            return Err(self.missing());
        }
        if farm::paused_counts(&self.farm, inventory).is_some() {
            let paused = Failure::user(format!("farm `{}` is paused", self.farm));
            return Err(paused.hint("`flamenco-azure resume` first"));
        }
        Ok(())
    }

    /// The failure that says that there is no such farm.
    pub fn missing(&self) -> Failure {
        Failure::user(format!("there is no farm `{}` in resource group `{}`", self.farm, self.group.name()))
            .hint("`flamenco-azure deploy` makes it")
    }
}
