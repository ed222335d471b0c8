//! `pool rollout`: brings nodes to the pool's newest definition, a batch at a time.

use std::time::Duration;

use batch_pool::BatchPool;
use batch_pool::rollout::{Begun, Ordered, Renewed, Rollout, RolloutError, Seen, Step, next};
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{Change, Verb};
use flamenco_azure_core::pool::WorkerPool as _;
use jiff::Timestamp;
use manager_vm::ManagerHost;
use serde_json::json;

use super::{open, replace, ssh};
use crate::args::PoolRolloutArgs;
use crate::commands::scale::{self, PATIENCE};
use crate::failure::{Exit, Failure, Outcome, chain};
use crate::session::{Session, Target};
use crate::{farm, farmfile, progress, show};

/// How often booting nodes are looked at.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Runs `pool rollout`.
pub(super) async fn run(session: &Session, args: &PoolRolloutArgs) -> Outcome {
    if args.replace {
        return replace::run(session, args).await;
    }
    let begun = session.clock.now();
    let (target, inventory, pool) = open(session, args.pool.as_deref()).await?;
    target.awake(&inventory)?;
    deployed_first(session, &inventory, &pool)?;
    let vm = target.manager_vm(&inventory).ok_or_else(|| target.missing())?;
    let manager = session.manager(&vm.id);
    let rollout = Rollout::new(session.client.clone(), pool.id().clone(), endpoint(&inventory, &pool)?);
    let Begun { since, from_now } = rollout.begin().await.map_err(failed)?;
    if from_now {
        session.printer.info(format!(
            "pool `{}`: Batch does not say when a default version was chosen, so that every node counts as old this once; \
             packages with a version, `id#version`, spare that",
            pool.name()
        ));
    }
    let mut work =
        Work { session, args, pool: &pool, rollout: &rollout, manager: &manager, renewed: Renewed::new() };
    let stuck = work.until_done(since).await?;
    let is_stuck = |id: &String| stuck.iter().any(|node| node.id == *id);
    let renewed: Vec<String> = work.renewed.into_keys().filter(|id| !is_stuck(id)).collect();
    // Also when nothing was to do: a run that was killed may have renewed nodes and not come here.
    tidy(session, &target, &manager, &renewed).await?;
    let members = json!({"pool": pool.name(), "since": since, "renewed": renewed, "stuck": ids(&stuck)});
    session.printer.event("rolled-out", members);
    session.printer.result(match renewed.len() {
        0 => format!("pool `{}`: no node is older than its definition", pool.name()),
        count => format!("pool `{}`: {} renewed", pool.name(), show::count(count, "node")),
    });
    if !stuck.is_empty() {
        session.printer.warn(format!(
            "{} could not be reimaged, Batch follows no order for them: {}; `flamenco-azure scale` or Batch itself \
             replaces them",
            show::count(stuck.len(), "node"),
            described(&stuck)
        ));
    }
    progress::finished(session.printer, "rollout", session.clock.now().duration_since(begun).unsigned_abs());
    Ok(Exit::Done)
}

struct Work<'a> {
    session: &'a Session,
    args: &'a PoolRolloutArgs,
    pool: &'a BatchPool,
    rollout: &'a Rollout,
    manager: &'a dyn ManagerHost,
    renewed: Renewed,
}

impl Work<'_> {
    /// Renews until no node is old; those that Batch takes no order for.
    async fn until_done(&mut self, since: Timestamp) -> Outcome<Vec<Seen>> {
        let mut waiting_since = self.session.clock.now();
        loop {
            let now = self.session.clock.now();
            let nodes = self.rollout.look().await.map_err(failed)?;
            match next(&nodes, since, self.args.batch, &self.renewed, now) {
                Step::Done { stuck } => return Ok(stuck),
                Step::Stop(failed) => return Err(self.stopped(&failed)),
                Step::Wait(ids) => {
                    if now.duration_since(waiting_since).unsigned_abs() >= PATIENCE {
                        return Err(self.too_slow(&ids));
                    }
                    self.session.clock.sleep(LOOK_AGAIN).await;
                }
                Step::Renew { down, working, count } => {
                    self.renew(&down, working, count, &nodes).await?;
                    waiting_since = self.session.clock.now();
                    self.session.clock.sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    async fn renew(
        &mut self,
        down: &[String],
        working: Vec<String>,
        count: usize,
        nodes: &[Seen],
    ) -> Outcome<()> {
        let printer = self.session.printer;
        let force = self.args.force;
        let (mut going, rendering) = scale::free_of(printer, self.manager, down, count, force).await?;
        // Those that were free go by themselves: they do nothing while others finish.
        if going.is_empty() {
            let candidates: Vec<String> = rendering.into_iter().chain(working).collect();
            going = if force {
                candidates.into_iter().take(count).collect()
            } else {
                scale::drain(printer, self.manager, &candidates, count).await?
            };
        }
        printer.info(format!(
            "pool `{}`: reimaging {} of {}, {} done",
            self.pool.name(),
            show::count(going.len(), "node"),
            nodes.len(),
            self.renewed.len()
        ));
        let mut refused = Vec::new();
        for was in nodes.iter().filter(|node| going.contains(&node.id)) {
            match self.rollout.renew(&was.id).await {
                Ok(()) => {
                    let before = self.renewed.get(&was.id);
                    let order = Ordered::again(before, was.clone(), self.session.clock.now());
                    self.renewed.insert(was.id.clone(), order);
                }
                Err(error) => refused.push((was.id.clone(), error)),
            }
        }
        refused_first(self.pool.name(), refused)
    }

    fn stopped(&self, failed: &[Seen]) -> Failure {
        let pool = self.pool.name();
        let first = failed.first().map(|node| node.id.as_str()).unwrap_or_default();
        Failure::azure(format!(
            "pool `{pool}`: {} of this batch did not come up, and no further node was touched: {}",
            show::count(failed.len(), "node"),
            described(failed)
        ))
        .hint(format!(
            "`flamenco-azure pool logs {pool} {first} stderr` says why; push and deploy what is right, then run \
             `flamenco-azure pool rollout {pool}` again: it begins with these"
        ))
    }

    fn too_slow(&self, ids: &[String]) -> Failure {
        let minutes = PATIENCE.as_secs() / 60;
        Failure::azure(format!(
            "pool `{}`: {} still booting after {minutes} minutes: {}",
            self.pool.name(),
            show::count(ids.len(), "node"),
            ids.join(", ")
        ))
        .hint("run the same command again: it waits for them and goes on")
    }
}

/// Those that Azure refused to renew have signed off all the same.
fn refused_first(pool: &str, refused: Vec<(String, RolloutError)>) -> Outcome<()> {
    let nodes: Vec<String> = refused.iter().map(|(node, _)| node.clone()).collect();
    let Some((_, error)) = refused.into_iter().next() else { return Ok(()) };
    let failure = failed(error);
    let message = format!(
        "pool `{pool}`: {} could not be renewed ({}): {}",
        show::count(nodes.len(), "node"),
        nodes.join(", "),
        failure.message
    );
    Err(Failure { message, ..failure }.and_hint(signed_off(pool, &nodes)))
}

/// What became of Workers whose nodes were then not touched, and how they come back.
pub(super) fn signed_off(pool: &str, nodes: &[String]) -> String {
    let (its, it) = if nodes.len() == 1 { ("its Worker has", "it") } else { ("their Workers have", "them") };
    format!("{its} signed off; `flamenco-azure pool reboot {pool} {}` brings {it} back", nodes.join(" "))
}

fn ids(nodes: &[Seen]) -> Vec<&str> {
    nodes.iter().map(|node| node.id.as_str()).collect()
}

fn described(nodes: &[Seen]) -> String {
    let one = |node: &Seen| {
        let why = node.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} ({}{why})", node.id, node.state)
    };
    nodes.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The data-plane host of the pool's account.
pub(super) fn endpoint(inventory: &Inventory, pool: &BatchPool) -> Outcome<String> {
    let account = pool.id().parent().and_then(|account| inventory.get(&account));
    let endpoint = account.and_then(|account| account.text("/properties/accountEndpoint"));
    endpoint.map(str::to_owned).ok_or_else(|| Failure::azure("Azure does not say where the Batch account is"))
}

/// What the farm file says and Azure does not know yet would not be rolled out.
fn deployed_first(session: &Session, inventory: &Inventory, pool: &BatchPool) -> Outcome<()> {
    let Some(farm) = farmfile::whole(&session.here, &session.global) else { return Ok(()) };
    let Ok(plan) = replace::plan_of(&farm, inventory, pool.id()) else { return Ok(()) };
    let name = pool.name();
    let replace = format!("`flamenco-azure pool rollout {name} --replace` makes the pool anew");
    let identity = |change: &Change| change.path == "/identity" || change.path.starts_with("/identity/");
    if plan.blocked.iter().flat_map(|blocked| &blocked.changes).any(identity) {
        return Err(Failure::user(format!(
            "pool `{name}`: its packages need the nodes' identity, which a pool gets only when it is made"
        ))
        .hint(replace));
    }
    if !plan.blocked.is_empty() {
        session
            .printer
            .warn(format!("pool `{name}`: the farm file wants what Azure cannot change in place; {replace}"));
    }
    if plan.steps.iter().any(|step| step.verb == Verb::Update && step.resource == *pool.id()) {
        return Err(Failure::user(format!("pool `{name}`: the farm file says otherwise than Azure"))
            .hint("`flamenco-azure deploy` first; then roll it out"));
    }
    Ok(())
}

/// Forgets what the renewed nodes were before, as Workers and to ssh, and the Workers of nodes that are gone.
pub(super) async fn tidy(
    session: &Session,
    target: &Target,
    manager: &dyn ManagerHost,
    renewed: &[String],
) -> Outcome<()> {
    ssh::forget(session, &target.farm, renewed)?;
    let inventory = farm::observe(&session.client, &target.group).await?;
    let mut keep = Vec::new();
    for pool in scale::pools(session, target, &inventory) {
        keep.extend(pool.nodes().await?.into_iter().map(|node| node.id));
    }
    keep.retain(|id| !renewed.contains(id));
    keep.extend(scale::set_nodes(session, target, &inventory).await?);
    if let Err(error) = manager.forget_nodes(&keep).await {
        session.printer.warn(format!(
            "the nodes are renewed, and the Manager still lists the Workers that they were: {}",
            Failure::from(error).message
        ));
    }
    Ok(())
}

pub(super) fn failed(error: RolloutError) -> Failure {
    let message = chain(&error);
    match error {
        RolloutError::Azure { source, .. } => Failure { message, ..Failure::from(source) },
        RolloutError::NoPackage { package, .. } => Failure::user(format!(
            "{message}: renewed nodes would be unusable, and none was touched"
        ))
        .hint(format!(
            "{} brings it, or change `packages` and deploy",
            batch_pool::desired::push_command(&package)
        )),
        RolloutError::NoPool(_) => Failure::user(message).hint("`flamenco-azure status` lists the pools"),
        _ => Failure::azure(message).hint("run the same command again: it looks first and goes on"),
    }
}
