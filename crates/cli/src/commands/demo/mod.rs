//! `demo`: the whole life of a farm on a fresh simulated Azure, with the very code that runs on a subscription.

mod packages;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use azure_sim::{World, WorldConfig};

use flamenco_azure_core::pool::WorkerPool as _;
use vmss_scaler::scaler::Pass;

use super::scaler::keep_until;
use super::{deploy, scale, status, teardown};
use crate::args::{DeployArgs, ScaleArgs, StatusArgs, TeardownArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Mode;
use crate::session::Session;
use crate::simulator::Simulator;
use crate::{files, progress, scalers};

/// The subscription of a simulated Azure when no farm file names one.
pub const SUBSCRIPTION: &str = "5b3a7c1e-6f5d-4c2b-9a80-0123456789ab";

const FARM_FILE: &str = "\
defaultName: sunrise
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: sunrise
storageAccountName: sunrisefiles
batchAccountName: sunrisebatch
virtualMachine: sunrise-manager
manager:
  access:
    ssh: [203.0.113.7/32]
    web: [203.0.113.0/24]
pools:
  - name: render
    vmSize: Standard_D4as_v5
    dedicated: 2
    spot: 0
    maxNodes: 10
  - name: spot
    kind: vmss
    vmSize: Standard_D2as_v5
    maxNodes: 120
    nodes: 0
";

/// The demo's pool in the simulated world.
const POOL: &str = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/sunrise/providers/Microsoft.Batch/batchAccounts/sunrisebatch/pools/render";
/// Time for nodes to boot and their Workers to sign on.
const BOOT: Duration = Duration::from_mins(5);

/// Runs `demo` in a directory of its own, which is gone afterwards.
pub async fn run(session: &Session) -> Outcome {
    let place = std::env::temp_dir().join(format!("flamenco-azure-demo-{}", std::process::id()));
    files::write_private(&place.join("azure_config.yaml"), FARM_FILE)?;
    let mut config = WorldConfig::new(SUBSCRIPTION);
    config.start = session.clock.now();
    let simulator = Arc::new(Simulator::over(World::new(config), None));
    let mut global = session.global.clone();
    global.config = None;
    let own = Session::simulated(
        session.printer,
        global,
        place.clone(),
        session.environment.clone(),
        Arc::clone(&simulator),
    );
    let result = life(&own, &simulator).await;
    let _ = std::fs::remove_dir_all(&place);
    result
}

async fn life(session: &Session, simulator: &Simulator) -> Outcome {
    let begun = session.clock.now();
    chapter(session, "deploy");
    deploy::run(session, &DeployArgs { yes: true, ..DeployArgs::default() }).await?;
    chapter(session, "status, five minutes later");
    session.clock.sleep(BOOT).await;
    status::run(session, StatusArgs::default()).await?;
    chapter(session, "scale up to 6 nodes");
    resize(session, 6).await?;
    chapter(session, "Azure takes a node away");
    session.clock.sleep(BOOT).await;
    lose_a_node(simulator)?;
    status::run(session, StatusArgs::default()).await?;
    chapter(session, "scale down to 1 node");
    resize(session, 1).await?;
    status::run(session, StatusArgs::default()).await?;
    packages::life(session, simulator).await?;
    spot_pool(session, simulator).await?;
    chapter(session, "teardown");
    teardown::run(session, TeardownArgs { yes: true, keep_data: false }).await?;
    let (spent, left) = {
        let world = simulator.world();
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        (world.total_cost(), world.resources().len())
    };
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.result(format!(
        "a whole farm's life in {} of Azure's time, for about ${spent:.2}; {left} resources left",
        progress::seconds(took)
    ));
    session
        .printer
        .event("demo", serde_json::json!({"seconds": took.as_secs(), "usd": spent, "resourcesLeft": left}));
    Ok(Exit::Done)
}

async fn resize(session: &Session, dedicated: u32) -> Outcome {
    let pool = Some("render".to_owned());
    let args = ScaleArgs { pool, dedicated: Some(dedicated), wait: true, ..ScaleArgs::default() };
    scale::run(session, &args).await
}

/// The pool of Spot machines in scale sets: filled, robbed, restored, lowered by message, emptied.
async fn spot_pool(session: &Session, simulator: &Simulator) -> Outcome {
    let scale_to = async |nodes: u32| {
        let pool = Some("spot".to_owned());
        scale::run(session, &ScaleArgs { pool, nodes: Some(nodes), wait: true, ..ScaleArgs::default() }).await
    };
    chapter(session, "spot pool: scale to 100 nodes in scale sets");
    scale_to(100).await?;
    chapter(session, "Azure evicts 20 of them");
    {
        let world = simulator.world();
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(session.clock.now());
        world.evict_some(20);
    }
    // Azure gives notice of half a minute.
    session.clock.sleep(Duration::from_secs(35)).await;
    status::run(session, StatusArgs::default()).await?;
    chapter(session, "the scaler restores them");
    let file = scalers::farm_file(session).await?;
    let pool = scalers::chosen(scalers::pools(&session.client, &file).await?, Some("spot"))?.remove(0);
    let fleet = scalers::fleet(&session.client, &file, pool.clone())?;
    let mut scaler = scalers::scaler(&session.client, &file, pool, &scalers::holder("demo"))?;
    keep_until(session, &mut scaler, &mut |pass| pass.settled()).await;
    chapter(session, "three nodes ask to go, by message");
    let going: Vec<String> = fleet.nodes().await?.into_iter().take(3).map(|node| node.id).collect();
    fleet.delete_nodes(&going).await?;
    let gone = |pass: &Pass| pass.settled() && pass.decision.as_ref().is_some_and(|now| now.nodes == 97);
    keep_until(session, &mut scaler, &mut |pass| gone(pass)).await;
    chapter(session, "spot pool: scale to 0");
    scale_to(0).await
}

/// One node becomes unusable, as hardware does.
fn lose_a_node(simulator: &Simulator) -> Outcome<()> {
    let world = simulator.world();
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let node = world.nodes(POOL).into_iter().next();
    let (node, _) = node.ok_or_else(|| Failure::bug(&anyhow::anyhow!("the demo's pool has no node")))?;
    world.lose_node(&node);
    Ok(())
}

fn chapter(session: &Session, title: &str) {
    if session.printer.mode() == Mode::Human {
        let time = session.clock.now().strftime("%H:%M:%S").to_string();
        session
            .printer
            .result(format!("\n{}  (simulated time {time})", session.printer.bold(&format!("── {title} "))));
    }
}
