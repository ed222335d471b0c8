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
/// Nodes that go at once without a question: Batch takes a hundred at a time, and the next ones may have come up when
/// those are gone.
const AT_ONCE: usize = 100;
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
        let mut now = pool.until_steady().await?;
        // Somebody may have asked for more meanwhile: with fewer asked for than there are, Batch would choose which go.
        while now.current.dedicated > wanted.dedicated || now.current.spot > wanted.spot {
            if shrink(session.printer, &pool, &manager, wanted, args.force).await? == 0 {
                let message = format!("pool `{}` counts {} and lists fewer nodes", pool.name(), now.current);
                return Err(Failure::azure(message).hint("run the same command again"));
            }
            now = pool.until_steady().await?;
        }
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

/// Removes nodes until there are no more than wanted of either kind; says how many went. The nodes are seen anew for each
/// round: one that was nothing yet while others were waited for may render now.
async fn shrink(
    printer: Printer,
    pool: &dyn WorkerPool,
    manager: &dyn ManagerHost,
    wanted: Count,
    force: bool,
) -> Outcome<usize> {
    let mut removed = 0;
    for (dedicated, keep) in [(true, wanted.dedicated), (false, wanted.spot)] {
        while nodes_of(pool, dedicated).await?.len() > keep as usize {
            // A removal waits for that, and nodes come up meanwhile.
            pool.settle().await?;
            let nodes = nodes_of(pool, dedicated).await?;
            let excess = nodes.len().saturating_sub(keep as usize);
            if excess == 0 {
                break;
            }
            let going = next_to_go(printer, manager, &nodes, excess, force).await?;
            printer.info(format!("removing {}", crate::show::count(going.len(), "node")));
            pool.delete_nodes(&going).await?;
            removed += going.len();
        }
    }
    Ok(removed)
}

async fn nodes_of(pool: &dyn WorkerPool, dedicated: bool) -> Outcome<Vec<Node>> {
    let mut nodes = pool.nodes().await?;
    nodes.retain(|node| node.dedicated == dedicated && node.state != NodeState::Leaving);
    Ok(nodes)
}

/// Which nodes go next, at most `excess`: those that have no Worker, of which nobody has to be asked; else those that are
/// not up and whose Workers do not render; else those that are up, or render all the same, as they finish.
async fn next_to_go(
    printer: Printer,
    manager: &dyn ManagerHost,
    nodes: &[Node],
    excess: usize,
    force: bool,
) -> Outcome<Vec<String>> {
    let ids = |test: &dyn Fn(&Node) -> bool| -> Vec<String> {
        nodes.iter().filter(|node| test(node)).map(|node| node.id.clone()).collect()
    };
    let mut without = ids(&|node| !node.may_render);
    if !without.is_empty() {
        without.truncate(excess.min(AT_ONCE));
        return Ok(without);
    }
    let down = ids(&|node| node.state != NodeState::Ready);
    let (free, rendering) = free_of(printer, manager, &down, excess, force).await?;
    if !free.is_empty() {
        return Ok(free);
    }
    let up = ids(&|node| node.state == NodeState::Ready);
    let candidates: Vec<String> = up.into_iter().chain(rendering).collect();
    chosen(printer, manager, &candidates, excess, force).await
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

/// At most `count` of `nodes` that are free and signed off, and those that are left. Forced, any are taken for free.
pub async fn free_of(
    printer: Printer,
    manager: &dyn ManagerHost,
    nodes: &[String],
    count: usize,
    force: bool,
) -> Outcome<(Vec<String>, Vec<String>)> {
    if nodes.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    if force {
        let (taken, left) = nodes.split_at(count.min(nodes.len()));
        if let Err(error) = manager.drain(taken, taken.len(), Duration::ZERO).await {
            printer.warn(format!("the Manager could not be told: {error}"));
        }
        return Ok((taken.to_vec(), left.to_vec()));
    }
    let drained = manager.drain(nodes, count, SIGN_OFF).await?;
    if !drained.pending.is_empty() {
        // They stay: what was asked of them is taken back, or they would sign off after their render.
        manager.undrain(&drained.pending).await?;
    }
    Ok(nodes.iter().cloned().partition(|node| drained.drained.contains(node)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use flamenco_azure_core::pool::{MockWorkerPool, PoolState};
    use manager_vm::{Drained, MockManagerHost};

    use super::*;
    use crate::printer::Mode;

    fn node(id: &str, state: NodeState, dedicated: bool) -> Node {
        let may_render = state != NodeState::Starting;
        Node { id: id.to_owned(), state, may_render, dedicated, trouble: None }
    }

    fn strings(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    /// A pool whose nodes go when they are removed, in these groups; `then` makes something of those that are left.
    fn pool_of(
        nodes: Vec<Node>,
        removed: &'static [&'static [&'static str]],
        mut then: impl FnMut(&mut Vec<Node>) + Send + 'static,
    ) -> MockWorkerPool {
        let there = Arc::new(Mutex::new(nodes));
        let left = Arc::clone(&there);
        let mut pool = MockWorkerPool::new();
        pool.expect_nodes().returning(move || Ok(there.lock().unwrap().clone()));
        pool.expect_settle().returning(|| {
            Ok(PoolState {
                steady: true,
                target: Count::default(),
                current: Count::default(),
                errors: Vec::new(),
            })
        });
        let mut calls = 0;
        pool.expect_delete_nodes().times(removed.len()).returning(move |ids| {
            assert_eq!(ids, strings(removed[calls]), "call {calls}");
            calls += 1;
            let mut left = left.lock().unwrap();
            left.retain(|node| !ids.contains(&node.id));
            then(&mut left);
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
        let pool = pool_of(nodes, &[&["b"]], |_| {});
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
    async fn nodes_that_were_never_up_go_first_without_asking_the_manager() {
        let nodes = vec![
            node("a", NodeState::Ready, true),
            node("b", NodeState::Starting, true),
            node("c", NodeState::Starting, true),
            node("d", NodeState::Ready, false),
        ];
        let pool = pool_of(nodes, &[&["b", "c"]], |_| {});
        let mut manager = MockManagerHost::new();
        manager.expect_drain().never();
        shrunk(&pool, &manager, 1, false).await.unwrap();
    }

    #[tokio::test]
    async fn a_failed_node_goes_before_one_that_is_up_unless_its_worker_renders() {
        let nodes = || vec![node("a", NodeState::Ready, true), node("b", NodeState::Failed, true)];
        let mut manager = MockManagerHost::new();
        manager.expect_drain().once().returning(|candidates, count, wait| {
            assert_eq!((candidates, count, wait), (strings(&["b"]).as_slice(), 1, SIGN_OFF));
            Ok(Drained { drained: candidates.to_vec(), ..Drained::default() })
        });
        shrunk(&pool_of(nodes(), &[&["b"]], |_| {}), &manager, 1, false).await.unwrap();
        let mut manager = MockManagerHost::new();
        manager.expect_drain().times(2).returning(|candidates, _, wait| {
            Ok(if wait == SIGN_OFF {
                Drained { pending: candidates.to_vec(), ..Drained::default() }
            } else {
                assert_eq!(candidates, strings(&["a", "b"]));
                Drained { drained: strings(&["a"]), ..Drained::default() }
            })
        });
        manager.expect_undrain().once().returning(|nodes| {
            assert_eq!(nodes, strings(&["b"]));
            Ok(1)
        });
        shrunk(&pool_of(nodes(), &[&["a"]], |_| {}), &manager, 1, false).await.unwrap();
    }

    #[tokio::test]
    async fn a_node_that_came_up_while_others_went_is_asked_about() {
        let nodes = vec![
            node("a", NodeState::Starting, true),
            node("b", NodeState::Ready, true),
            node("c", NodeState::Starting, false),
        ];
        let up = |left: &mut Vec<Node>| {
            for one in left {
                (one.state, one.may_render) = (NodeState::Ready, true);
            }
        };
        let pool = pool_of(nodes, &[&["a"], &["b"], &["c"]], up);
        let mut manager = MockManagerHost::new();
        manager.expect_drain().times(2).returning(|candidates, count, _| {
            assert_eq!(candidates.len(), count);
            Ok(Drained { drained: candidates.to_vec(), ..Drained::default() })
        });
        let quiet = Printer::new(Mode::Quiet, true);
        let removed = shrink(quiet, &pool, &manager, Count::default(), false).await.unwrap();
        assert_eq!(removed, 3);
    }

    #[tokio::test]
    async fn nodes_that_somebody_asked_for_meanwhile_go_by_the_same_rules() {
        let nodes = vec![node("a", NodeState::Ready, true), node("b", NodeState::Ready, true)];
        let mut asked = Some(node("c", NodeState::Starting, true));
        let pool = pool_of(nodes, &[&["b"], &["c"]], move |left| left.extend(asked.take()));
        let mut manager = MockManagerHost::new();
        manager
            .expect_drain()
            .once()
            .returning(|_, _, _| Ok(Drained { drained: strings(&["b"]), ..Drained::default() }));
        assert_eq!(shrunk(&pool, &manager, 1, false).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn force_takes_what_still_renders() {
        let nodes = vec![node("a", NodeState::Ready, true), node("b", NodeState::Ready, true)];
        let pool = pool_of(nodes, &[&["a", "b"]], |_| {});
        let mut manager = MockManagerHost::new();
        manager.expect_drain().once().returning(|_, _, wait| {
            assert_eq!(wait, Duration::ZERO);
            Ok(Drained { drained: strings(&["a"]), pending: strings(&["b"]) })
        });
        shrunk(&pool, &manager, 0, true).await.unwrap();
    }

    #[tokio::test]
    async fn a_manager_that_does_not_answer_loses_no_node() {
        for state in [NodeState::Ready, NodeState::Failed] {
            let pool = pool_of(vec![node("a", state, true)], &[], |_| {});
            let mut manager = MockManagerHost::new();
            manager
                .expect_drain()
                .once()
                .returning(|_, _, _| Err(manager_vm::Error::Garbled { verb: "drain" }));
            assert!(shrunk(&pool, &manager, 0, false).await.is_err());
        }
    }

    #[tokio::test]
    async fn growing_takes_nothing() {
        let pool = pool_of(vec![node("a", NodeState::Ready, true)], &[], |_| {});
        shrunk(&pool, &MockManagerHost::new(), 5, false).await.unwrap();
    }
}
