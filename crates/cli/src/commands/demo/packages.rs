//! The demo's Batch pool whose nodes get their programs as application packages: pushed, used, replaced, rolled out.

use std::sync::PoisonError;

use clap::Parser as _;
use flamenco_azure_core::pool::{NodeState, WorkerPool as _};

use super::{BOOT, FARM_FILE, chapter};
use crate::args::Cli;
use crate::commands::dispatch;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::session::Session;
use crate::simulator::Simulator;

/// The pool in the simulated world.
const POOL: &str = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/sunrise/providers/Microsoft.Batch/batchAccounts/sunrisebatch/pools/packed";

/// A pool beside those of the farm file.
fn pool(blender: &str) -> String {
    format!(
        "{FARM_FILE}  - name: packed\n    vmSize: Standard_D4as_v5\n    dedicated: 2\n    maxNodes: 10\n    \
         packages: [\"blender#{blender}\", \"ffmpeg#7.1\", \"flamenco-worker#3.8.5\"]\n"
    )
}

/// Lives it. What is packed stands for the real programs.
pub(super) async fn life(session: &Session, simulator: &Simulator) -> Outcome<()> {
    for (folder, name) in [
        ("blender-5.0.1", "blender"),
        ("blender-5.0.2", "blender"),
        ("ffmpeg-7.1", "ffmpeg"),
        ("worker-3.8.5", "flamenco-worker"),
    ] {
        program(session, folder, name)?;
    }
    chapter(session, "three application packages");
    say(session, "app push blender --version 5.0.1 blender-5.0.1 --yes").await?;
    say(session, "app push ffmpeg --version 7.1 ffmpeg-7.1").await?;
    say(session, "app push flamenco-worker --version 3.8.5 worker-3.8.5").await?;
    say(session, "app list").await?;
    chapter(session, "a pool whose nodes get them");
    files::write_private(&session.here.join("azure_config.yaml"), &pool("5.0.1"))?;
    say(session, "deploy --yes").await?;
    session.clock.sleep(BOOT).await;
    say(session, "pool nodes packed").await?;
    chapter(session, "a third node, whose start task fails");
    {
        let world = simulator.world();
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.fail_next_start_tasks(POOL, 1, 1, "mount.nfs: Connection timed out\n");
    }
    say(session, "scale packed --dedicated 3").await?;
    session.clock.sleep(BOOT).await;
    say(session, "pool nodes packed").await?;
    let node = failed_node(session).await?;
    say(session, &format!("pool logs packed {node} stderr")).await?;
    say(session, "scale packed --dedicated 3 --wait").await?;
    chapter(session, "another Blender, a few nodes at a time");
    say(session, "app push blender --version 5.0.2 blender-5.0.2").await?;
    files::write_private(&session.here.join("azure_config.yaml"), &pool("5.0.2"))?;
    say(session, "deploy --yes").await?;
    say(session, "pool rollout packed --batch 2").await?;
    say(session, "pool nodes packed").await?;
    say(session, "app remove blender 5.0.1 --yes").await
}

/// Runs one command as it would be typed.
async fn say(session: &Session, line: &str) -> Outcome<()> {
    session.printer.info(format!("$ flamenco-azure {line}"));
    let words = std::iter::once("flamenco-azure").chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| Failure::bug(&error.into()))?;
    Box::pin(dispatch(session, &cli.command)).await.map(drop)
}

/// The beginning of the id of the node whose start task failed.
async fn failed_node(session: &Session) -> Outcome<String> {
    let (target, inventory) = session.target().await?;
    let pools = crate::commands::scale::pools(session, &target, &inventory);
    let pool = pools.into_iter().find(|pool| pool.name() == "packed");
    let pool = pool.ok_or_else(|| Failure::bug(&anyhow::anyhow!("the demo's pool is not there")))?;
    let nodes = pool.nodes().await?;
    let failed = nodes.into_iter().find(|node| node.state == NodeState::Failed);
    failed
        .map(|node| node.id.chars().take(14).collect())
        .ok_or_else(|| Failure::bug(&anyhow::anyhow!("no node of the demo's pool failed")))
}

/// A folder with one program that does nothing.
fn program(session: &Session, folder: &str, name: &str) -> Outcome<()> {
    let path = session.here.join(folder).join(name);
    files::write_private(&path, &format!("#!/bin/sh\n# stands for {folder}\n"))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).map_err(|error| Failure::bug(&error.into()))?;
    }
    Ok(())
}
