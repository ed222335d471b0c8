//! `pool reboot`, `pool reimage`, `pool remove`: chosen nodes, never a rendering one unless forced, and none whose Worker
//! would sign off for nothing.

use batch_pool::files::NodeError;
use batch_pool::node_actions::Restart;
use batch_pool::nodes::{Unnamed, named};
use batch_pool::service::state_of;
use batch_pool::{BatchNode, BatchPool};
use flamenco_azure_core::inventory::Observed;
use flamenco_azure_core::pool::{NodeState, WorkerPool as _};
use futures::StreamExt as _;
use serde_json::json;

use super::rollout::{self, signed_off};
use super::{failed, nodes_hint, open, unnamed};
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

    /// Whether Batch takes the order for a node in this state, in its words.
    fn is_for(self, state: &str) -> bool {
        match self {
            Self::Reboot => Restart::Reboot.is_for(state),
            Self::Reimage => Restart::Reimage.is_for(state),
            Self::Remove => true,
        }
    }
}

/// A node to which it was not done, and what to do about it besides.
struct Refused {
    node: String,
    failure: Failure,
    /// Batch does not start it over: another has to take its place.
    replace: bool,
    /// Its Worker signed off for it.
    signed_off: bool,
}

/// Runs one of them.
pub(super) async fn run(session: &Session, args: &PoolActArgs, act: Act) -> Outcome {
    let (target, inventory, pool) = open(session, Some(&args.pool)).await?;
    let printer = session.printer;
    let nodes = pool.list_nodes().await?;
    let chosen = choose(printer, pool.name(), &nodes, args, act)?;
    let vm = target.manager_vm(&inventory).ok_or_else(|| target.missing())?;
    let manager = session.manager(&vm.id);
    if chosen.is_empty() {
        printer.result(format!("pool `{}`: no node to {}", pool.name(), act.verb()));
        if act == Act::Remove {
            // An earlier run may have been killed before they were gone and the Manager forgot them.
            pool.until_steady().await?;
            scale::tidy(session, &target, &manager, args.force).await?;
        }
        return Ok(Exit::Done);
    }
    let (wanted, unfit): (Vec<&BatchNode>, Vec<&BatchNode>) =
        chosen.into_iter().partition(|node| act.is_for(&node.state));
    let unfit = unfit.into_iter().map(|node| refused_by_state(pool.name(), act, node));
    let wanted: Vec<String> = wanted.into_iter().map(|node| node.id.clone()).collect();
    let (free, rendering) = scale::free_of(printer, &manager, &wanted, wanted.len(), args.force).await?;
    let (acted, refused) = match act {
        Act::Remove => {
            if !free.is_empty() {
                printer.info(format!("removing {}", count(free.len(), "node")));
                let removed = pool.delete_nodes(&free).await;
                removed.map_err(|error| match back(pool.name(), &nodes, &free) {
                    Some(back) => Failure::from(error).and_hint(back),
                    None => error.into(),
                })?;
            }
            (free, Vec::new())
        }
        Act::Reboot => restart(&pool, free, Restart::Reboot).await,
        Act::Reimage => restart(&pool, free, Restart::Reimage).await,
    };
    let refused: Vec<Refused> = unfit.chain(refused).collect();
    for node in &acted {
        printer.result(format!("{node}: {}", act.done()));
    }
    let members = json!({
        "pool": pool.name(), "act": act.verb(), "nodes": acted, "rendering": rendering,
        "refused": refused.iter().map(|one| &one.node).collect::<Vec<_>>(),
    });
    printer.event("nodes-acted", members);
    match act {
        Act::Remove if !acted.is_empty() => scale::tidy(session, &target, &manager, args.force).await?,
        // Each comes back as a Worker of its own.
        Act::Reimage if !acted.is_empty() => rollout::tidy(session, &target, &manager, &acted).await?,
        _ => {}
    }
    let again = |nodes: &[String]| replaced(pool.name(), inventory.get(pool.id()), nodes);
    ended(printer, pool.name(), act, &rendering, refused, again)
}

/// The nodes that are meant. One that is gone is no failure where it was to go.
fn choose<'a>(
    printer: Printer,
    pool: &str,
    nodes: &'a [BatchNode],
    args: &PoolActArgs,
    act: Act,
) -> Outcome<Vec<&'a BatchNode>> {
    if args.failed {
        return Ok(nodes.iter().filter(|node| node.kind() == NodeState::Failed).collect());
    }
    let mut chosen: Vec<&BatchNode> = Vec::new();
    for word in &args.nodes {
        match named(nodes, word) {
            Ok(node) if chosen.iter().any(|one| one.id == node.id) => {}
            Ok(node) => chosen.push(node),
            Err(Unnamed::Nobody(_)) if act == Act::Remove => {
                printer.result(format!("{word}: pool `{pool}` has no such node; it may be gone already"));
            }
            Err(error) => return Err(unnamed(pool, &error)),
        }
    }
    Ok(chosen)
}

/// A node that Batch does not do it to as it is. It is left alone, and so is its Worker.
fn refused_by_state(pool: &str, act: Act, node: &BatchNode) -> Refused {
    let (id, state, verb) = (&node.id, &node.state, act.verb());
    // One that somebody stopped stays so, and is not told of as one that Azure took.
    let stopped = state.starts_with("dealloc");
    let replace = stopped || node.kind() == NodeState::Failed;
    let why = match node.kind() {
        _ if stopped => "somebody has stopped it",
        NodeState::Starting => "it has to come up first",
        NodeState::Preempted => "Batch brings it back by itself when it has the capacity",
        NodeState::Leaving => "it is as good as gone",
        NodeState::Ready | NodeState::Failed => "Batch does so only with nodes that run",
    };
    let failure = Failure::user(format!("node `{id}` is {state} and cannot {verb}: {why}"));
    let failure = if replace { failure } else { failure.hint(nodes_hint(pool)) };
    Refused { node: id.clone(), failure, replace, signed_off: false }
}

/// Starts nodes over, some at a time; which of them began, and which were refused why.
async fn restart(pool: &BatchPool, nodes: Vec<String>, how: Restart) -> (Vec<String>, Vec<Refused>) {
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
            Err(error) => refused.push(refused_by_batch(pool.name(), how, node, error)),
        }
    }
    (acted, refused)
}

/// A node that was free and that Batch did not take the order for.
fn refused_by_batch(pool: &str, how: Restart, node: String, error: NodeError) -> Refused {
    let code = match &error {
        NodeError::State { code, .. } => Some(code.as_str()),
        _ => None,
    };
    // Of all nodes of the pool, whatever their state.
    let never = how == Restart::Reimage && code == Some("OperationNotValidOnNode");
    // One that is gone, or is in another state since it was seen, is not rebooted either.
    let signed_off = never || !matches!(error, NodeError::Gone { .. } | NodeError::State { .. });
    let failure = failed(pool, error);
    let failure = if never { failure.hint("this pool's nodes cannot be reimaged") } else { failure };
    Refused { node, failure, replace: never, signed_off }
}

/// What became of the Workers of `free` when nothing was done to them; `None` where no reboot brings one back.
fn back(pool: &str, nodes: &[BatchNode], free: &[String]) -> Option<String> {
    let comes_back = |node: &&BatchNode| free.contains(&node.id) && Restart::Reboot.is_for(&node.state);
    let nodes: Vec<String> = nodes.iter().filter(comes_back).map(|node| node.id.clone()).collect();
    (!nodes.is_empty()).then(|| signed_off(pool, &nodes))
}

/// How others take the place of these nodes: a removal takes the pool's target down with them.
fn replaced(pool: &str, body: Option<&Observed>, nodes: &[String]) -> String {
    let (it, new) = if nodes.len() == 1 { ("it", "a new one") } else { ("them", "new ones") };
    let remove = format!("`flamenco-azure pool remove {pool} {}` gives {it} back", nodes.join(" "));
    if body.is_some_and(|body| body.text("/properties/scaleSettings/autoScale/formula").is_some()) {
        return format!("{remove}; the pool's formula brings {new}");
    }
    let target = body.map(|body| state_of(&body.body).target).unwrap_or_default();
    format!(
        "{remove}, then `flamenco-azure scale {pool} --dedicated {} --spot {}` brings {new}",
        target.dedicated, target.spot
    )
}

/// Says what was left and why; that is no success.
fn ended(
    printer: Printer,
    pool: &str,
    act: Act,
    rendering: &[String],
    refused: Vec<Refused>,
    replaced: impl Fn(&[String]) -> String,
) -> Outcome {
    let number = refused.len();
    let those = |test: fn(&Refused) -> bool| -> Vec<String> {
        refused.iter().filter(|one| test(one)).map(|one| one.node.clone()).collect()
    };
    let (replace, off) = (those(|one| one.replace), those(|one| one.signed_off));
    if number > 1 {
        for one in &refused {
            printer.warn(&one.failure.message);
        }
    }
    for node in rendering {
        printer.warn(format!("{node}: renders, left alone"));
    }
    let Some(Refused { mut failure, .. }) = refused.into_iter().next() else {
        if rendering.is_empty() {
            return Ok(Exit::Done);
        }
        return Err(Failure::user(format!(
            "pool `{pool}`: {} rendered and {} left alone",
            count(rendering.len(), "node"),
            if rendering.len() == 1 { "was" } else { "were" }
        ))
        .hint("run it again when they are done; `--force` does not wait and loses what they render"));
    };
    if number > 1 {
        failure.message = format!("pool `{pool}`: {} could not {}", count(number, "node"), act.verb());
    }
    if !replace.is_empty() {
        failure = failure.and_hint(replaced(&replace));
    }
    if !off.is_empty() {
        failure = failure.and_hint(signed_off(pool, &off));
    }
    Err(failure)
}
