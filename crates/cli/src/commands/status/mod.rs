//! `status`: the Manager, the pools, their nodes, and what it costs.

mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use batch_pool::formula::Running;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::pool::{Count, Node, NodeState, PoolState, WorkerPool as _};
use flamenco_azure_core::prices::HOURS_PER_MONTH;
use futures::future::join_all;
use jiff::Timestamp;
use manager_vm::observe::{is_deallocated, power_state};
use manager_vm::service::ManagerStatus;
use manager_vm::{ManagerHost as _, wire};
use serde::Serialize;

use super::scale;
use crate::args::StatusArgs;
use crate::failure::{Exit, Outcome};
use crate::printer::Mode;
use crate::session::{Session, Target};
use crate::{cost, farm, farmfile};

/// How often `--watch` looks again.
const WATCH: Duration = Duration::from_secs(10);
/// How old the Manager's own view may be meanwhile: asking for it takes the VM's one place for commands.
const VIEW: Duration = Duration::from_mins(2);

/// A farm at one moment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FarmStatus {
    farm: String,
    group: String,
    exists: bool,
    paused: bool,
    manager: Option<ManagerLine>,
    pools: Vec<PoolLine>,
    foreign: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    hourly_usd: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ManagerLine {
    vm: String,
    size: String,
    power: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flamenco: Option<ManagerStatus>,
    /// When Flamenco said so, where that was not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct PoolLine {
    pool: String,
    size: String,
    #[serde(flatten)]
    state: PoolState,
    nodes: BTreeMap<NodeState, usize>,
    trouble: Vec<String>,
    /// It has one number of nodes: which of them are Spot follows from its placements.
    #[serde(skip)]
    of_sets: bool,
}

/// The Manager's view, and when it was had.
type View = Option<(Timestamp, ManagerStatus)>;

/// Runs `status`. `--watch` goes on until it is interrupted; on the simulator, where time passes as fast as it can, until
/// there is nothing to wait for.
pub async fn run(session: &Session, args: StatusArgs) -> Outcome {
    let mut view = None;
    loop {
        let (target, inventory) = session.target().await?;
        let status = read(session, &target, &inventory, &mut view).await?;
        if args.watch {
            let time = session.clock.now().strftime("%H:%M:%S").to_string();
            session.printer.new_page(&format!("{time} UTC, every {} s until Ctrl-C", WATCH.as_secs()));
        }
        show(session, &status);
        if !args.watch || (session.simulator.is_some() && status.stands_still()) {
            return Ok(Exit::Done);
        }
        session.clock.sleep(WATCH).await;
    }
}

impl FarmStatus {
    /// Whether nothing comes or goes.
    fn stands_still(&self) -> bool {
        let moving = |pool: &PoolLine| {
            let passing = [NodeState::Starting, NodeState::Leaving];
            !pool.state.steady || passing.iter().any(|state| pool.nodes.contains_key(state))
        };
        !self.pools.iter().any(moving)
    }
}

/// Reads the farm's state.
async fn read(
    session: &Session,
    target: &Target,
    inventory: &Inventory,
    view: &mut View,
) -> Outcome<FarmStatus> {
    let manager = match target.manager_vm(inventory) {
        Some(vm) => Some(manager_line(session, target, inventory, vm, view).await),
        None => None,
    };
    let pools = scale::pools(session, target, inventory);
    let lines = join_all(pools.iter().map(|pool| pool_line(pool, inventory))).await;
    let mut lines: Vec<PoolLine> = lines.into_iter().collect::<Outcome<_>>()?;
    lines.extend(fleet::lines(session, target, inventory).await?);
    Ok(FarmStatus {
        farm: target.farm.clone(),
        group: target.group.name().to_owned(),
        exists: target.exists(inventory),
        paused: farm::paused_counts(&target.farm, inventory).is_some(),
        manager,
        pools: lines,
        foreign: inventory.foreign(&target.farm).count(),
        hourly_usd: match farmfile::whole(&session.here, &session.global) {
            Some(file) if target.exists(inventory) => {
                cost::prices(session, &file).await.map(|prices| cost::now(&file, inventory, prices))
            }
            _ => None,
        },
    })
}

async fn manager_line(
    session: &Session,
    target: &Target,
    inventory: &Inventory,
    vm: &Observed,
    view: &mut View,
) -> ManagerLine {
    let address =
        target.resources(inventory, wire::PIP).find(|ip| ip.text("/properties/dnsSettings/fqdn").is_some());
    let mut line = ManagerLine {
        vm: vm.id.name().to_owned(),
        size: vm.text("/properties/hardwareProfile/vmSize").unwrap_or_default().to_owned(),
        power: power_state(vm).unwrap_or("unknown").to_owned(),
        host: address.and_then(|ip| ip.text("/properties/dnsSettings/fqdn")).map(str::to_owned),
        address: address.and_then(|ip| ip.text("/properties/ipAddress")).map(str::to_owned),
        flamenco: None,
        as_of: None,
        trouble: None,
    };
    if is_deallocated(vm) || power_state(vm) != Some("running") {
        *view = None;
        return line;
    }
    let now = session.clock.now();
    if let Some((at, status)) = view.as_ref().filter(|(at, _)| now.duration_since(*at).unsigned_abs() < VIEW)
    {
        line.flamenco = Some(status.clone());
        line.as_of = Some(*at);
        return line;
    }
    match session.manager(&vm.id).status().await {
        Ok(status) => {
            *view = Some((session.clock.now(), status.clone()));
            line.flamenco = Some(status);
        }
        Err(error) => line.trouble = Some(crate::failure::chain(&error)),
    }
    line
}

async fn pool_line(pool: &batch_pool::BatchPool, inventory: &Inventory) -> Outcome<PoolLine> {
    let body = inventory.get(pool.id()).map(|observed| observed.body.clone()).unwrap_or_default();
    let state = batch_pool::service::state_of(&body);
    let nodes: Vec<Node> =
        if state.steady && state.current.total() == 0 { Vec::new() } else { pool.nodes().await? };
    let mut by_state: BTreeMap<NodeState, usize> = BTreeMap::new();
    for node in &nodes {
        *by_state.entry(node.state).or_default() += 1;
    }
    let failed =
        nodes.iter().filter_map(|node| Some(format!("{}: {}", node.id, node.trouble.as_ref()?))).take(5);
    let formula = Running::read(&body).and_then(|live| live.last?.error);
    let formula = formula.map(|why| format!("its formula cannot be evaluated: {why}"));
    let trouble = state.errors.iter().map(batch_pool::error::explain).chain(formula).chain(failed).collect();
    let size =
        body.pointer("/properties/vmSize").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Ok(PoolLine { pool: pool.id().name().to_owned(), size, state, nodes: by_state, trouble, of_sets: false })
}

fn show(session: &Session, status: &FarmStatus) {
    let printer = session.printer;
    if printer.mode() == Mode::Json {
        printer.event("status", serde_json::to_value(status).unwrap_or_default());
        return;
    }
    let state = match (status.exists, status.paused) {
        (false, _) => "does not exist",
        (true, true) => "paused",
        (true, false) if status.manager.is_none() => "has no Manager",
        (true, false) => "exists",
    };
    printer.result(format!("{} in group {}: {state}", printer.bold(&status.farm), status.group));
    if let Some(manager) = &status.manager {
        printer.result(format!("  Manager  {} ({}): {}", manager.vm, manager.size, manager.power));
        if let (Some(host), Some(address)) = (&manager.host, &manager.address) {
            printer.result(format!("           {host} ({address})"));
        }
        if let Some(flamenco) = &manager.flamenco {
            let workers: Vec<_> =
                flamenco.workers.iter().filter(|(_, n)| **n > 0).map(|(s, n)| format!("{n} {s}")).collect();
            let workers = if workers.is_empty() { "none".to_owned() } else { workers.join(", ") };
            let as_of = manager.as_of.map(|at| at.strftime(" (at %H:%M:%S)").to_string()).unwrap_or_default();
            printer.result(format!(
                "           Flamenco {}; Workers: {workers}; {} rendering{as_of}",
                flamenco.version, flamenco.busy
            ));
        }
        if let Some(trouble) = &manager.trouble {
            printer.warn(trouble);
        }
    }
    for pool in &status.pools {
        let nodes: Vec<_> = pool.nodes.iter().map(|(state, n)| format!("{n} {}", word(*state))).collect();
        let words = |count: Count| if pool.of_sets { count.total().to_string() } else { count.to_string() };
        let short = if pool.state.current == pool.state.target {
            String::new()
        } else {
            format!(" of {}", words(pool.state.target))
        };
        let short = if pool.of_sets { format!("{short} nodes") } else { short };
        let moving = match (pool.state.steady, pool.of_sets) {
            (true, _) => "",
            (false, false) => ", resizing",
            (false, true) => ", on the move",
        };
        printer.result(format!(
            "  pool     {} ({}): {}{short}{moving}{}{}",
            pool.pool,
            pool.size,
            words(pool.state.current),
            if nodes.is_empty() { "" } else { "; " },
            nodes.join(", ")
        ));
        for trouble in &pool.trouble {
            printer.warn(trouble);
        }
    }
    if let Some(hourly) = status.hourly_usd {
        let now = if status.paused {
            format!("${:.0} a month while paused", hourly * HOURS_PER_MONTH)
        } else {
            format!("${hourly:.2} an hour now")
        };
        printer.result(format!("  cost     about {now} (list prices)"));
    }
    if status.foreign > 0 {
        printer.result(format!(
            "  {} in the group: not the farm's, left alone",
            crate::show::count(status.foreign, "other resource")
        ));
    }
    if let Some(next) = next(status) {
        printer.info(format!("  next     {next}"));
    } else if session.simulator.is_some()
        && status.pools.iter().any(|pool| pool.of_sets && !pool.state.steady)
    {
        printer
            .info("  next     no simulated machine runs a scaler: `flamenco-azure scaler run` does it here");
    }
}

/// What brings a farm that does not run to where it does.
fn next(status: &FarmStatus) -> Option<&'static str> {
    match (status.exists, status.paused, &status.manager) {
        (false, ..) => Some("`flamenco-azure deploy` makes it"),
        (true, true, _) => Some("`flamenco-azure resume` brings it back"),
        (true, false, None) => {
            Some("`flamenco-azure deploy` goes on, `flamenco-azure teardown` removes the rest")
        }
        (true, false, Some(_)) => None,
    }
}

fn word(state: NodeState) -> &'static str {
    match state {
        NodeState::Starting => "starting",
        NodeState::Ready => "ready",
        NodeState::Failed => "failed",
        NodeState::Preempted => "preempted",
        NodeState::Leaving => "leaving",
    }
}
