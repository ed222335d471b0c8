//! `pool reboot`, `pool reimage`, `pool remove`: chosen nodes, never a rendering one unless forced.

use batch_pool::files::NodeError;
use batch_pool::node_actions::Restart;
use batch_pool::nodes::{Unnamed, named};
use batch_pool::{BatchNode, BatchPool};
use flamenco_azure_core::pool::{NodeState, WorkerPool as _};
use futures::StreamExt as _;
use serde_json::json;

use super::rollout::{self, signed_off};
use super::{failed, open, unnamed};
use crate::args::PoolActArgs;
use crate::commands::scale;
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::session::Session;
use crate::show::count;

/// Nodes that are asked at once.
const AT_ONCE: usize = 8;

/// What is done to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Reboot,
    Reimage,
    Remove,
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Reimage => "reimage",
            Self::Remove => "remove",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Reboot => "reboots",
            Self::Reimage => "is reimaged",
            Self::Remove => "removed",
        }
    }
}

/// Runs one of them.
pub(super) async fn run(session: &Session, args: &PoolActArgs, act: Act) -> Outcome {
    let (target, inventory, pool) = open(session, Some(&args.pool)).await?;
    let printer = session.printer;
    let nodes = pool.list_nodes().await?;
    let wanted = choose(printer, pool.name(), &nodes, args, act)?;
    let vm = target.manager_vm(&inventory).ok_or_else(|| target.missing())?;
    let manager = session.manager(&vm.id);
    if wanted.is_empty() {
        printer.result(format!("pool `{}`: no node to {}", pool.name(), act.verb()));
        if act == Act::Remove {
            // An earlier run may have been killed before they were gone and the Manager forgot them.
            pool.until_steady().await?;
            scale::tidy(session, &target, &manager, args.force).await?;
        }
        return Ok(Exit::Done);
    }
    let (free, rendering) = scale::free_of(printer, &manager, &wanted, wanted.len(), args.force).await?;
    let (acted, refused) = match act {
        Act::Remove => {
            if !free.is_empty() {
                printer.info(format!("removing {}", count(free.len(), "node")));
                let removed = pool.delete_nodes(&free).await;
                removed.map_err(|error| Failure::from(error).and_hint(signed_off(pool.name(), &free)))?;
            }
            (free, Vec::new())
        }
        Act::Reboot => restart(&pool, free, Restart::Reboot).await,
        Act::Reimage => restart(&pool, free, Restart::Reimage).await,
    };
    for node in &acted {
        printer.result(format!("{node}: {}", act.done()));
    }
    let members = json!({
        "pool": pool.name(), "act": act.verb(), "nodes": acted, "rendering": rendering,
        "refused": refused.iter().map(|(node, _)| node).collect::<Vec<_>>(),
    });
    printer.event("nodes-acted", members);
    match act {
        Act::Remove if !acted.is_empty() => scale::tidy(session, &target, &manager, args.force).await?,
        // Each comes back as a Worker of its own.
        Act::Reimage if !acted.is_empty() => rollout::tidy(session, &target, &manager, &acted).await?,
        _ => {}
    }
    ended(printer, pool.name(), act, &rendering, refused)
}

/// The nodes that are meant. One that is gone is no failure where it was to go.
fn choose(
    printer: Printer,
    pool: &str,
    nodes: &[BatchNode],
    args: &PoolActArgs,
    act: Act,
) -> Outcome<Vec<String>> {
    if args.failed {
        let failed = nodes.iter().filter(|node| node.kind() == NodeState::Failed);
        return Ok(failed.map(|node| node.id.clone()).collect());
    }
    let mut chosen: Vec<String> = Vec::new();
    for word in &args.nodes {
        match named(nodes, word) {
            Ok(node) if chosen.contains(&node.id) => {}
            Ok(node) => chosen.push(node.id.clone()),
            Err(Unnamed::Nobody(_)) if act == Act::Remove => {
                printer.result(format!("{word}: pool `{pool}` has no such node; it may be gone already"));
            }
            Err(error) => return Err(unnamed(pool, &error)),
        }
    }
    Ok(chosen)
}

/// Starts nodes over, some at a time; which of them began, and which were refused why.
async fn restart(
    pool: &BatchPool,
    nodes: Vec<String>,
    how: Restart,
) -> (Vec<String>, Vec<(String, NodeError)>) {
    let one = |node: String| async move {
        let ended = pool.restart(&node, how).await;
        (node, ended)
    };
    let ended: Vec<(String, Result<(), NodeError>)> =
        futures::stream::iter(nodes).map(one).buffered(AT_ONCE).collect().await;
    let mut acted = Vec::new();
    let mut refused = Vec::new();
    for (node, ended) in ended {
        match ended {
            Ok(()) => acted.push(node),
            Err(error) => refused.push((node, error)),
        }
    }
    (acted, refused)
}

/// Says what was left and why; that is no success.
fn ended(
    printer: Printer,
    pool: &str,
    act: Act,
    rendering: &[String],
    refused: Vec<(String, NodeError)>,
) -> Outcome {
    let cannot_reimage = |error: &NodeError| {
        act == Act::Reimage
            && matches!(error, NodeError::State { code, .. } if code == "OperationNotValidOnNode")
    };
    let mut first = None;
    let number = refused.len();
    let idle: Vec<String> = refused.iter().map(|(node, _)| node.clone()).collect();
    for (_, error) in refused {
        let hopeless = cannot_reimage(&error);
        let failure = failed(pool, error);
        let failure = if hopeless {
            failure.hint(format!(
                "this pool's nodes cannot be reimaged: `flamenco-azure pool remove {pool} NODE…`, then \
                 `flamenco-azure scale {pool}` brings new ones"
            ))
        } else {
            failure
        };
        if number > 1 {
            printer.warn(&failure.message);
        }
        first.get_or_insert(failure);
    }
    for node in rendering {
        printer.warn(format!("{node}: renders, left alone"));
    }
    match first {
        Some(failure) if number == 1 => Err(failure.and_hint(signed_off(pool, &idle))),
        Some(failure) => {
            let message = format!("pool `{pool}`: {} could not {}", count(number, "node"), act.verb());
            Err(Failure { message, ..failure }.and_hint(signed_off(pool, &idle)))
        }
        None if rendering.is_empty() => Ok(Exit::Done),
        None => Err(Failure::user(format!(
            "pool `{pool}`: {} rendered and {} left alone",
            count(rendering.len(), "node"),
            if rendering.len() == 1 { "was" } else { "were" }
        ))
        .hint("run it again when they are done; `--force` does not wait and loses what they render")),
    }
}
