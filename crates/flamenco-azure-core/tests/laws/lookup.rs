//! Lookups and role assignments on the simulated Azure: what one step makes, another names.

use std::sync::{Arc, Mutex};

use azure_sim::{SimTransport, World, WorldConfig};
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, Request, RetryPolicy};
use flamenco_azure_core::clock::{Clock as _, TokioClock};
use flamenco_azure_core::exec::{ExecError, ExecOptions, Executor, NoReporter, Report};
use flamenco_azure_core::ids::{ResourceId, SubscriptionId};
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::journal::MemoryJournal;
use flamenco_azure_core::plan::{
    AUTHORIZATION_API, Desired, Grant, GroupWish, IDENTITY, Plan, Principal, ROLE_ASSIGNMENT, Wanted, plan,
    roles,
};
use flamenco_azure_core::tags::{self, Tags};

const FARM: &str = "studio";

struct Azure {
    client: ArmClient,
    clock: TokioClock,
}

impl Azure {
    fn new() -> Self {
        let world = World::new(WorldConfig::new("5b3a7c1e-6f5d-4c2b-9a80-0123456789ab"));
        let clock = TokioClock::starting_at(world.now());
        let transport = SimTransport::new(Arc::new(Mutex::new(world)), Arc::new(move || clock.now()));
        let client = ArmClient::new(ArmOptions {
            cloud: Cloud::public(),
            credential: SimTransport::credential(),
            transport: Some(Arc::new(transport)),
            clock: Arc::new(clock),
            seed: 1,
            retry: RetryPolicy::default(),
        });
        Self { client, clock }
    }

    async fn run(&self, plan: &Plan) -> Result<Report, ExecError> {
        let journal = Arc::new(MemoryJournal::default());
        let executor = Executor::new(
            self.client.clone(),
            Arc::new(self.clock),
            journal,
            Arc::new(NoReporter),
            ExecOptions::default(),
        );
        executor.run(plan).await
    }

    async fn observe(&self) -> Inventory {
        let read = Request::get(group().as_str()).api_version("2021-04-01");
        let mut there =
            Inventory::of_group(self.client.get(&read).await.unwrap().and_then(Observed::from_body));
        for (kind, api) in [(IDENTITY, "2023-01-31"), (ROLE_ASSIGNMENT, AUTHORIZATION_API)] {
            let list = Request::get(format!("{}/providers/{kind}", group())).api_version(api);
            there.extend(self.client.list(&list).await.unwrap());
        }
        there
    }
}

fn group() -> ResourceId {
    let subscription: SubscriptionId = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab".parse().unwrap();
    ResourceId::group(&subscription, "studio")
}

fn identity() -> Desired {
    let tags = tags::for_resource(FARM, &Tags::new());
    flamenco_azure_core::plan::identity(
        group().resource(IDENTITY, "node"),
        &"westeurope".parse().unwrap(),
        &tags,
        "an identity",
    )
}

fn grant() -> Grant {
    Grant {
        purpose: "test",
        scope: group().to_string(),
        principal: Principal::Identity(identity().id),
        role: roles::TAG_CONTRIBUTOR,
    }
}

fn wanted() -> Wanted {
    Wanted {
        farm: FARM.to_owned(),
        group: GroupWish { id: group(), location: "westeurope".parse().unwrap(), tags: Tags::new() },
        resources: vec![identity(), grant().desired(FARM, Vec::new()).unwrap()],
        orders: Vec::new(),
        absent: Vec::new(),
        checkpoints: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_and_its_role_are_made_by_one_plan_and_planned_once() {
    let azure = Azure::new();
    azure.run(&plan(&wanted(), &Inventory::default()).unwrap()).await.unwrap();
    let there = azure.observe().await;
    assert!(grant().is_held(&there));
    assert!(plan(&wanted(), &there).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_role_that_somebody_else_assigned_meanwhile_is_no_failure() {
    let azure = Azure::new();
    let all = plan(&wanted(), &Inventory::default()).unwrap();
    let mut first = wanted();
    first.resources.truncate(1);
    azure.run(&plan(&first, &Inventory::default()).unwrap()).await.unwrap();
    let there = azure.observe().await;
    let principal = there.get(&identity().id).unwrap().text("/properties/principalId").unwrap().to_owned();
    let mut body = grant().desired(FARM, Vec::new()).unwrap().body;
    body["properties"]["principalId"] = principal.into();
    let others = group().resource(ROLE_ASSIGNMENT, "9b0ea5e7-0000-4000-8000-000000000001");
    azure.client.run(&Request::put(others.as_str(), body).api_version(AUTHORIZATION_API)).await.unwrap();
    // The plan was made before.
    azure.run(&all).await.unwrap();
    assert!(plan(&wanted(), &azure.observe().await).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lookup_of_what_is_not_there_says_so() {
    let azure = Azure::new();
    let mut without = wanted();
    without.resources.remove(0);
    let error = azure.run(&plan(&without, &Inventory::default()).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("`node` does not exist or has no principalId"), "{error}");
    assert!(error.hint().is_some());
}
