//! `demo`: the whole life of a farm on a fresh simulated Azure, with the very code that runs on a subscription.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use azure_sim::{World, WorldConfig};

use super::{deploy, scale, status, teardown};
use crate::args::{DeployArgs, ScaleArgs, StatusArgs, TeardownArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Mode;
use crate::session::Session;
use crate::simulator::Simulator;
use crate::{files, progress};

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
    let args = ScaleArgs { dedicated: Some(dedicated), wait: true, ..ScaleArgs::default() };
    scale::run(session, &args).await
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
