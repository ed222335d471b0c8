//! `pool rollout --replace`: the pool anew, with as many nodes as it had.
//!
//! No two pools have one id, so the old one goes before the new one comes. What must not be lost in between, the number
//! of its nodes, is in a tag of the group before anything is touched: a killed run is taken up by this command or by
//! `deploy`, from any machine.

use std::collections::BTreeSet;

use batch_pool::formula::Running;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{Plan, Update, Verb, Wanted, plan};
use flamenco_azure_core::pool::{Count, Node, NodeState, WorkerPool as _};
use flamenco_azure_core::spec::Farm;
use serde_json::json;

use super::rollout::{LOOK_AGAIN, tidy};
use crate::args::PoolRolloutArgs;
use crate::commands::deploy;
use crate::commands::plan::refuse;
use crate::commands::scale::{self, PATIENCE};
use crate::failure::{Exit, Failure, Outcome};
use crate::session::{Session, Target};
use crate::{farm, farmfile, preflight, show};

/// What a deploy would do about this pool alone.
pub(super) fn plan_of(farm: &Farm, inventory: &Inventory, pool: &ResourceId) -> Outcome<Plan> {
    Ok(plan(&wanted(farm, inventory, pool, None)?, inventory)?)
}

fn wanted(farm: &Farm, inventory: &Inventory, pool: &ResourceId, anew: Option<Count>) -> Outcome<Wanted> {
    let mut farm = farm.clone();
    if let Some(count) = anew {
        farm::set_counts(&mut farm, pool.name(), count);
    }
    let mut wanted = farm::wanted(&farm, &farm::Cores::new(), inventory)?;
    wanted.resources.retain(|resource| resource.id == *pool);
    wanted.checkpoints.retain(|checkpoint| checkpoint.resource == *pool);
    match anew {
        Some(count) => {
            for resource in &mut wanted.resources {
                resource.update = Update::Anew;
            }
            farm::remember_replaced(&farm, inventory, pool, count, &mut wanted);
        }
        None => wanted.orders = batch_pool::desired::scaling(&farm, inventory),
    }
    wanted.orders.retain(|order| anew.is_some() || order.resource == *pool);
    Ok(wanted)
}

pub(super) async fn run(session: &Session, args: &PoolRolloutArgs) -> Outcome {
    let file = session.farm_file(None, true)?;
    let (target, inventory) = session.target().await?;
    target.awake(&inventory)?;
    let pool = chosen(&file.farm, args.pool.as_deref())?;
    let name = pool.name().to_owned();
    let pending = farm::replaced_count(&target.farm, &inventory, &name);
    let count = match (inventory.get(&pool), pending) {
        (_, Some(count)) => count,
        (Some(live), None) => batch_pool::service::state_of(&live.body).target,
        (None, None) => {
            return Err(Failure::user(format!("there is no pool `{name}` to replace"))
                .hint("`flamenco-azure deploy` makes it"));
        }
    };
    let before = plan_of(&file.farm, &inventory, &pool)?;
    if before.blocked.is_empty() && pending.is_none() {
        // An earlier run may have been killed before the Manager forgot the old nodes.
        let vm = target.manager_vm(&inventory).ok_or_else(|| target.missing())?;
        tidy(session, &target, &session.manager(&vm.id), &[]).await?;
        session.printer.result(format!("pool `{name}`: nothing that needs a replacement"));
        session
            .printer
            .info(format!("`flamenco-azure pool rollout {name}` reimages nodes with an older definition"));
        return Ok(Exit::Done);
    }
    let plan = plan(&wanted(&file.farm, &inventory, &pool, Some(count))?, &inventory)?;
    show::plan(session.printer, &plan);
    // What cannot be made is not removed first.
    let sizes = preflight::sizes(&session.client, &file.farm).await?;
    let found = preflight::check(&session.client, &file.farm, &inventory, &sizes).await?;
    refuse(&farmfile::shown(&session.here, &file.path), &found)?;
    let live = inventory.get(&pool);
    let size = match live.and_then(|live| Running::read(&live.body)) {
        Some(_) => "its formula".to_owned(),
        None => format!("{count} nodes"),
    };
    let question = format!("Drain pool `{name}`, remove it and make it anew with {size}?");
    if !args.yes && !session.ask.confirm(&question, "--yes").await? {
        return Err(Failure::user("nothing was changed"));
    }
    // An earlier run may have removed it, and even made it anew.
    if plan.steps.iter().any(|step| step.verb == Verb::Delete && step.resource == pool) {
        drain(session, args, &target, &inventory, &name).await?;
    }
    let again = format!("`flamenco-azure pool rollout {name} --replace` or `deploy` goes on, with {size}");
    deploy::carry_out(session, &target.farm, &plan, &again).await?;
    let vm = target.manager_vm(&inventory).ok_or_else(|| target.missing())?;
    tidy(session, &target, &session.manager(&vm.id), &[]).await?;
    session.printer.event("replaced", json!({"pool": name, "target": count}));
    session.printer.result(format!("pool `{name}`: made anew with {size}"));
    Ok(Exit::Done)
}

fn chosen(farm: &Farm, name: Option<&str>) -> Outcome<ResourceId> {
    let pool = match (name, farm.pools.as_slice()) {
        (Some(name), _) => farm.pool(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let names: Vec<&str> = farm.pools.iter().map(|pool| pool.name.as_str()).collect();
    let pool = pool.ok_or_else(|| {
        Failure::user(match name {
            Some(name) => format!("the farm file has no Batch pool `{name}`"),
            None => "which pool?".to_owned(),
        })
        .hint(format!("its Batch pools: {}", names.join(", ")))
    })?;
    Ok(batch_pool::spec::pool(farm, &pool.name))
}

/// All its nodes finish what they render, those too that come up meanwhile.
async fn drain(
    session: &Session,
    args: &PoolRolloutArgs,
    target: &Target,
    inventory: &Inventory,
    name: &str,
) -> Outcome<()> {
    let pools = scale::pools(session, target, inventory);
    let Some(pool) = pools.iter().find(|pool| pool.name().eq_ignore_ascii_case(name)) else { return Ok(()) };
    let vm = target.manager_vm(inventory).ok_or_else(|| target.missing())?;
    let manager = session.manager(&vm.id);
    let mut nodes = pool.nodes().await?;
    nodes.retain(|node| node.may_render);
    if args.force {
        // Whoever still renders is asked all the same, and not waited for.
        let nodes: Vec<String> = nodes.into_iter().map(|node| node.id).collect();
        return scale::free_of(session.printer, &manager, &nodes, nodes.len(), true).await.map(drop);
    }
    // What is still to come would have to be waited for too.
    pool.make_way().await?;
    let mut drained: BTreeSet<String> = BTreeSet::new();
    let mut since = session.clock.now();
    loop {
        let nodes = pool.nodes().await?;
        let starting = nodes.iter().filter(|node| node.state == NodeState::Starting).count();
        let works = |node: &&Node| node.may_render && node.state != NodeState::Starting;
        let working: Vec<String> = nodes
            .iter()
            .filter(works)
            .map(|node| node.id.clone())
            .filter(|id| !drained.contains(id))
            .collect();
        if !working.is_empty() {
            drained.extend(scale::drain(session.printer, &manager, &working, working.len()).await?);
            since = session.clock.now();
        } else if starting == 0 {
            return Ok(());
        } else if session.clock.now().duration_since(since).unsigned_abs() >= PATIENCE {
            let minutes = PATIENCE.as_secs() / 60;
            let starting = show::count(starting, "node");
            return Err(Failure::azure(format!(
                "pool `{name}`: {starting} still booting after {minutes} minutes"
            ))
            .hint("`--force` does not wait for them, nor for renders"));
        } else {
            session.clock.sleep(LOOK_AGAIN).await;
        }
    }
}
