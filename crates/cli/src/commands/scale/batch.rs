//! Batch pools.

use std::time::Duration;

use batch_pool::BatchPool;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::pool::{Count, Node, NodeState, WorkerPool};
use manager_vm::ManagerHost;
use serde_json::json;

use super::wait::{Around, wait};
use super::within_limit;
use crate::args::ScaleArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::progress;
use crate::session::{Session, Target};

/// How long one call to the Manager waits for Workers; longer renders take several calls.
const WAIT_AT_ONCE: Duration = Duration::from_mins(10);
/// How long an idle Worker has to sign off; one that does not renders.
const SIGN_OFF: Duration = Duration::from_mins(1);

/// The farm's Batch pools that exist.
pub fn pools(session: &Session, target: &Target, inventory: &Inventory) -> Vec<BatchPool> {
    target
        .resources(inventory, batch_pool::wire::POOL)
        .filter_map(|pool| {
            let account = inventory.get(&pool.id.parent()?)?;
            let endpoint = account.text("/properties/accountEndpoint")?;
            Some(BatchPool::new(session.client.clone(), pool.id.clone(), endpoint))
        })
        .collect()
}

pub(super) async fn run(
    session: &Session,
    args: &ScaleArgs,
    target: &Target,
    inventory: &Inventory,
) -> Outcome {
    let begun = session.clock.now();
    let pool = choose(pools(session, target, inventory), args.pool.as_deref())?;
    refuse_formula(&pool, inventory)?;
    let state = pool.observe().await?;
    let wanted = Count {
        dedicated: args.dedicated.unwrap_or(state.target.dedicated),
        spot: args.spot.unwrap_or(state.target.spot),
    };
    within_limit(session, pool.name(), wanted.total())?;
    if wanted == state.target {
        session.printer.info(format!("pool `{}`: its target is {wanted} already", pool.name()));
    } else {
        session.printer.info(format!("pool `{}`: {} -> {wanted}", pool.name(), state.target));
    }
    let vm = target.manager_vm(inventory).ok_or_else(|| target.missing())?;
    let manager = session.manager(&vm.id);
    if wanted != state.target && !state.steady {
        session
            .printer
            .info("a resize is under way: nodes that leave go first, what is still to come gives way");
        pool.make_way().await?;
    }
    let removed = shrink(session.printer, &pool, &manager, wanted, args.force).await?;
    // Nodes that leave are waited for; of a pool that has come to rest with fewer nodes than its target, the same is asked
    // again.
    if removed > 0 || wanted != state.target || (state.current != wanted && !state.grows()) {
        let now = pool.until_steady().await?;
        if now.target != wanted || now.current != wanted {
            pool.resize(wanted).await?;
        }
    }
    let grows = wanted.dedicated >= state.target.dedicated && wanted.spot >= state.target.spot;
    if !grows || wanted == state.target {
        // Also when there was nothing to remove: an earlier run may have been killed between the two.
        super::tidy(session, target, &manager, args.force).await?;
    }
    if args.wait {
        let around = Around { session, target, inventory, manager: &manager, force: args.force };
        wait(&around, &pool, wanted, args.retry_failed).await?;
    } else {
        session.printer.result(format!("pool `{}`: {wanted} nodes asked for", pool.name()));
        if wanted.total() > state.target.total() {
            let name = pool.name();
            session.printer.info(format!(
                "`flamenco-azure pool nodes {name} --watch` shows them come; `--wait` waits for them"
            ));
        }
    }
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    let counts = json!({"pool": pool.name(), "target": wanted, "waited": args.wait});
    session.printer.event("scaled", counts);
    progress::finished(session.printer, "scale", took);
    Ok(Exit::Done)
}

/// A pool that follows a formula has no counts of its own: setting them would switch the formula off.
fn refuse_formula(pool: &BatchPool, inventory: &Inventory) -> Outcome<()> {
    let body = inventory.get(pool.id());
    match body.and_then(|body| body.text("/properties/scaleSettings/autoScale/formula")) {
        None => Ok(()),
        Some(_) => Err(Failure::user(format!("pool `{}` follows an autoscale formula", pool.name())).hint(
            "give it fixed counts instead of the formula in the farm file and run `flamenco-azure deploy` first",
        )),
    }
}

/// The pool of this name; without a name the only one.
pub fn choose(mut pools: Vec<BatchPool>, name: Option<&str>) -> Outcome<BatchPool> {
    let names: Vec<String> = pools.iter().map(|pool| pool.name().to_owned()).collect();
    let index = match name {
        Some(name) => names.iter().position(|have| have.eq_ignore_ascii_case(name)),
        None => (names.len() == 1).then_some(0),
    };
    match index {
        Some(index) => Ok(pools.swap_remove(index)),
        None if names.is_empty() => {
            Err(Failure::user("the farm has no pool").hint("`flamenco-azure deploy` makes them"))
        }
        None => Err(Failure::user(match name {
            Some(name) => format!("the farm has no pool `{name}`"),
            None => "which pool?".to_owned(),
        })
        .hint(format!("its pools: {}", names.join(", ")))),
    }
}

/// Removes nodes until there are no more than wanted of either kind; says how many went.
async fn shrink(
    printer: Printer,
    pool: &dyn WorkerPool,
    manager: &dyn ManagerHost,
    wanted: Count,
    force: bool,
) -> Outcome<usize> {
    let nodes = pool.nodes().await?;
    let mut removed = 0;
    for (dedicated, keep) in [(true, wanted.dedicated), (false, wanted.spot)] {
        let mut kind: Vec<&Node> =
            nodes.iter().filter(|n| n.dedicated == dedicated && n.state != NodeState::Leaving).collect();
        let excess = kind.len().saturating_sub(keep as usize);
        if excess == 0 {
            continue;
        }
        // Nodes that do no work go first, without asking anyone.
        kind.sort_by_key(|node| (node.state == NodeState::Ready, node.id.clone()));
        let idle: Vec<String> =
            kind.iter().filter(|n| n.state != NodeState::Ready).take(excess).map(|n| n.id.clone()).collect();
        let ready: Vec<String> =
            kind.iter().filter(|n| n.state == NodeState::Ready).map(|n| n.id.clone()).collect();
        let mut going = idle;
        let more = excess - going.len();
        if more > 0 {
            going.extend(chosen(printer, manager, &ready, more, force).await?);
        }
        printer.info(format!("removing {}", crate::show::count(going.len(), "node")));
        pool.delete_nodes(&going).await?;
        removed += going.len();
    }
    Ok(removed)
}

async fn chosen(
    printer: Printer,
    manager: &dyn ManagerHost,
    ready: &[String],
    count: usize,
    force: bool,
) -> Outcome<Vec<String>> {
    if !force {
        return drain(printer, manager, ready, count).await;
    }
    let drained = manager.drain(ready, count, Duration::ZERO).await;
    let mut going = match drained {
        Ok(drained) => drained.drained.into_iter().chain(drained.pending).collect(),
        Err(error) => {
            printer.warn(format!("the Manager could not say which nodes are idle: {error}"));
            Vec::new()
        }
    };
    let missing = count.saturating_sub(going.len());
    going.extend(ready.iter().filter(|id| !going.contains(id)).take(missing).cloned().collect::<Vec<_>>());
    Ok(going)
}

/// Waits until `count` of `candidates` are idle and signed off. The Manager chooses idle ones first.
pub async fn drain(
    printer: Printer,
    manager: &dyn ManagerHost,
    candidates: &[String],
    count: usize,
) -> Outcome<Vec<String>> {
    loop {
        let state = manager.drain(candidates, count, WAIT_AT_ONCE).await?;
        if state.pending.is_empty() {
            // Fewer than asked for: Azure would choose the others by itself, rendering ones too.
            if state.drained.len() < count.min(candidates.len()) {
                return Err(manager_vm::Error::Garbled { verb: "drain" }.into());
            }
            return Ok(state.drained);
        }
        printer.info(format!(
            "{} of {count} nodes are free; {} still render (`--force` does not wait)",
            state.drained.len(),
            state.pending.len()
        ));
    }
}

/// Those that are free and signed off, and those that render. Forced, all are taken for free.
pub async fn part(
    printer: Printer,
    manager: &dyn ManagerHost,
    wanted: &[String],
    force: bool,
) -> Outcome<(Vec<String>, Vec<String>)> {
    let wait = if force { Duration::ZERO } else { SIGN_OFF };
    let drained = match manager.drain(wanted, wanted.len(), wait).await {
        Ok(drained) => drained,
        Err(error) if force => {
            printer.warn(format!("the Manager could not be told: {error}"));
            return Ok((wanted.to_vec(), Vec::new()));
        }
        Err(error) => return Err(error.into()),
    };
    if force {
        return Ok((wanted.to_vec(), Vec::new()));
    }
    if !drained.pending.is_empty() {
        // They stay: what was asked of them is taken back, or they would sign off after their render.
        manager.undrain(&drained.pending).await?;
    }
    let is_free = |node: &&String| drained.drained.contains(node);
    let free = wanted.iter().filter(is_free).cloned().collect();
    Ok((free, wanted.iter().filter(|node| !is_free(node)).cloned().collect()))
}

#[cfg(test)]
mod tests {
    use flamenco_azure_core::pool::MockWorkerPool;
    use manager_vm::{Drained, MockManagerHost};

    use super::*;
    use crate::printer::Mode;

    fn node(id: &str, state: NodeState, dedicated: bool) -> Node {
        Node { id: id.to_owned(), state, dedicated, trouble: None }
    }

    fn strings(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn pool_of(nodes: Vec<Node>, removed: &'static [&'static str]) -> MockWorkerPool {
        let mut pool = MockWorkerPool::new();
        pool.expect_nodes().once().return_once(|| Ok(nodes));
        pool.expect_delete_nodes().times(usize::from(!removed.is_empty())).returning(move |ids| {
            assert_eq!(ids, strings(removed));
            Ok(())
        });
        pool
    }

    async fn shrunk(
        pool: &MockWorkerPool,
        manager: &MockManagerHost,
        dedicated: u32,
        force: bool,
    ) -> Outcome<usize> {
        let quiet = Printer::new(Mode::Quiet, true);
        shrink(quiet, pool, manager, Count { dedicated, spot: 9 }, force).await
    }

    #[tokio::test]
    async fn a_node_that_renders_is_waited_for_and_then_taken() {
        let nodes = vec![node("a", NodeState::Ready, true), node("b", NodeState::Ready, true)];
        let pool = pool_of(nodes, &["b"]);
        let mut manager = MockManagerHost::new();
        let mut calls = 0;
        manager.expect_drain().times(2).returning(move |candidates, count, wait| {
            assert_eq!((candidates, count, wait), (strings(&["a", "b"]).as_slice(), 1, WAIT_AT_ONCE));
            calls += 1;
            let b = strings(&["b"]);
            Ok(if calls == 1 {
                Drained { pending: b, ..Drained::default() }
            } else {
                Drained { drained: b, ..Drained::default() }
            })
        });
        shrunk(&pool, &manager, 1, false).await.unwrap();
    }

    #[tokio::test]
    async fn nodes_that_do_no_work_go_first_without_asking_the_manager() {
        let nodes = vec![
            node("a", NodeState::Ready, true),
            node("b", NodeState::Failed, true),
            node("c", NodeState::Starting, true),
            node("d", NodeState::Ready, false),
        ];
        let pool = pool_of(nodes, &["b", "c"]);
        let mut manager = MockManagerHost::new();
        manager.expect_drain().never();
        shrunk(&pool, &manager, 1, false).await.unwrap();
    }

    #[tokio::test]
    async fn force_takes_what_still_renders() {
        let nodes = vec![node("a", NodeState::Ready, true), node("b", NodeState::Ready, true)];
        let pool = pool_of(nodes, &["a", "b"]);
        let mut manager = MockManagerHost::new();
        manager.expect_drain().once().returning(|_, _, wait| {
            assert_eq!(wait, Duration::ZERO);
            Ok(Drained { drained: strings(&["a"]), pending: strings(&["b"]) })
        });
        shrunk(&pool, &manager, 0, true).await.unwrap();
    }

    #[tokio::test]
    async fn a_manager_that_does_not_answer_loses_no_node() {
        let pool = pool_of(vec![node("a", NodeState::Ready, true)], &[]);
        let mut manager = MockManagerHost::new();
        manager.expect_drain().once().returning(|_, _, _| Err(manager_vm::Error::Garbled { verb: "drain" }));
        assert!(shrunk(&pool, &manager, 0, false).await.is_err());
    }

    #[tokio::test]
    async fn growing_takes_nothing() {
        let pool = pool_of(vec![node("a", NodeState::Ready, true)], &[]);
        shrunk(&pool, &MockManagerHost::new(), 5, false).await.unwrap();
    }
}
