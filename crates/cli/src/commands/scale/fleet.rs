//! Pools of scale sets: the target is a tag, and the scaler on the Manager does the rest.

use std::time::Duration;

use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::pool::{Count, Node, NodeState, WorkerPool as _};
use serde_json::json;
use vmss_scaler::file::ScalerFile;
use vmss_scaler::reconcile::Note;
use vmss_scaler::scaler::{Pass, Pool};
use vmss_scaler::store::StateBlob;
use vmss_scaler::{Decision, ScaleSetFleet, Scaler};

use super::within_limit;
use crate::args::ScaleArgs;
use crate::commands::scaler::keep_until;
use crate::failure::{Exit, Failure, Outcome};
use crate::session::{Session, Target};
use crate::{progress, scalers};

/// How long the scaler may take to look at a new target: several of its passes.
const HEARD: Duration = Duration::from_mins(3);
/// How often the pool is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long `--wait` waits for nodes: longer than any that boots within its budget.
const LONGEST: Duration = Duration::from_hours(1);

pub(super) async fn run(
    session: &Session,
    args: &ScaleArgs,
    nodes: u32,
    target: &Target,
    inventory: &Inventory,
) -> Outcome {
    let begun = session.clock.now();
    let file = scalers::farm_file(session).await?;
    let mut pools = scalers::chosen(scalers::pools(&session.client, &file).await?, args.pool.as_deref())?;
    if pools.len() > 1 {
        let names: Vec<&str> = pools.iter().map(|pool| pool.policy.pool.as_str()).collect();
        return Err(
            Failure::user("which pool?").hint(format!("its pools of scale sets: {}", names.join(", ")))
        );
    }
    let pool = pools.remove(0);
    let name = pool.policy.pool.clone();
    within_limit(session, &name, nodes)?;
    let fleet = scalers::fleet(&session.client, &file, pool.clone())?;
    let before = fleet.target().await?.nodes();
    session.printer.info(format!("pool `{name}`: {before} -> {nodes} nodes"));
    let mut helper = Helper::new(session, &file, &pool)?;
    let gone = lower(session, args, &fleet, nodes, target, inventory).await?;
    if !gone.is_empty() {
        // Not before they are counted: the scaler would take others for the same number.
        let counted = before.saturating_sub(u32::try_from(gone.len()).unwrap_or(u32::MAX));
        helper.until(&fleet, HEARD, |seen| seen.effective.is_some_and(|now| now <= counted)).await?;
    }
    fleet.resize(Count { dedicated: 0, spot: nodes }).await?;
    // Where the scaler chooses which nodes go, their Workers are forgotten at the next scale or pause.
    if let Some(vm) = target.manager_vm(inventory).filter(|_| !gone.is_empty()) {
        helper.gone(&fleet, &gone).await?;
        super::tidy(session, target, &session.manager(&vm.id), args.force).await?;
    }
    if args.wait {
        helper.until(&fleet, HEARD, |seen| seen.effective == Some(nodes)).await?;
        helper.settle(&fleet).await?;
    } else {
        session.printer.result(format!("pool `{name}`: {nodes} nodes asked for"));
        session
            .printer
            .info("`flamenco-azure status --watch` shows them come and go; `--wait` waits for them");
    }
    let took = session.clock.now().duration_since(begun).unsigned_abs();
    session.printer.event("scaled", json!({"pool": name, "target": nodes, "waited": args.wait}));
    progress::finished(session.printer, "scale", took);
    Ok(Exit::Done)
}

/// Chooses the nodes that go, lets their Workers finish, and asks for their deletion by message. Returns which.
async fn lower(
    session: &Session,
    args: &ScaleArgs,
    fleet: &ScaleSetFleet,
    keep: u32,
    target: &Target,
    inventory: &Inventory,
) -> Outcome<Vec<String>> {
    let nodes: Vec<Node> =
        fleet.nodes().await?.into_iter().filter(|node| node.state != NodeState::Leaving).collect();
    let excess = nodes.len().saturating_sub(keep as usize);
    let by_message = fleet.takes_messages();
    let Some(vm) = target.manager_vm(inventory).filter(|_| excess > 0 && by_message && !args.force) else {
        // The scaler chooses: machines that are not up first, then the newest.
        return Ok(Vec::new());
    };
    let ids = |ready: bool| {
        let of = nodes.iter().filter(move |node| (node.state == NodeState::Ready) == ready);
        of.map(|node| node.id.clone()).collect::<Vec<_>>()
    };
    let mut going: Vec<String> = ids(false).into_iter().take(excess).collect();
    let more = excess - going.len();
    if more > 0 {
        let manager = session.manager(&vm.id);
        going.extend(super::drain(session.printer, &manager, &ids(true), more).await?);
    }
    session.printer.info(format!("asking for the deletion of {}", crate::show::count(going.len(), "node")));
    fleet.delete_nodes(&going).await?;
    Ok(going)
}

/// Waits for the scaler; on the simulator, where no machine runs one, it is run here meanwhile.
struct Helper<'a> {
    session: &'a Session,
    scaler: Option<Scaler>,
    /// Never sends anything.
    looker: Scaler,
    store: StateBlob,
}

impl<'a> Helper<'a> {
    fn new(session: &'a Session, file: &ScalerFile, pool: &Pool) -> Outcome<Self> {
        let holder = scalers::holder("flamenco-azure scale");
        let scaler = match session.simulator {
            Some(_) => Some(scalers::scaler(&session.client, file, pool.clone(), &holder)?),
            None => None,
        };
        let looker = scalers::scaler(&session.client, file, pool.clone(), &holder)?;
        let store = scalers::store(&session.client, file, pool)?;
        Ok(Self { session, scaler, looker, store })
    }

    /// Waits until the tags say what they should.
    async fn until(
        &mut self,
        fleet: &ScaleSetFleet,
        limit: Duration,
        heard: impl Fn(&vmss_scaler::service::FleetTarget) -> bool,
    ) -> Outcome<()> {
        let begun = self.session.clock.now();
        loop {
            if let Some(scaler) = &mut self.scaler {
                // One pass, which writes what it made of the tags.
                keep_until(self.session, scaler, &mut |_| true).await;
            }
            if heard(&fleet.target().await?) {
                return Ok(());
            }
            if self.session.clock.now().duration_since(begun).unsigned_abs() >= limit {
                return Err(Failure::azure(format!(
                    "pool `{}`: the scaler has not looked at its target for {} minutes",
                    fleet.name(),
                    limit.as_secs() / 60
                ))
                .hint(
                    "`flamenco-azure scaler status` says who runs it; on the Manager: `systemctl status \
                     flamenco-azure-scaler`. `flamenco-azure scaler run` runs it here",
                ));
            }
            self.session.clock.sleep(LOOK).await;
        }
    }

    /// Waits until these nodes are gone or on their way out.
    async fn gone(&mut self, fleet: &ScaleSetFleet, ids: &[String]) -> Outcome<()> {
        let begun = self.session.clock.now();
        loop {
            if let Some(scaler) = &mut self.scaler {
                keep_until(self.session, scaler, &mut |_| true).await;
            }
            let nodes = fleet.nodes().await?;
            let stays = |node: &&Node| node.state != NodeState::Leaving && ids.contains(&node.id);
            let left = nodes.iter().filter(stays).count();
            if left == 0 {
                return Ok(());
            }
            if self.session.clock.now().duration_since(begun).unsigned_abs() >= HEARD {
                let still = crate::show::count(left, "node");
                return Err(Failure::azure(format!("{still} that should go are still there"))
                    .hint("`flamenco-azure scaler status` says what became of the requests"));
            }
            self.session.clock.sleep(LOOK).await;
        }
    }

    /// Waits until the pool has as many nodes as wanted, or nothing more can come.
    async fn settle(&mut self, fleet: &ScaleSetFleet) -> Outcome<()> {
        let clock = std::sync::Arc::clone(&self.session.clock);
        let begun = clock.now();
        let late = || clock.now().duration_since(begun).unsigned_abs() >= LONGEST;
        let mut stuck = None;
        if let Some(scaler) = &mut self.scaler {
            keep_until(self.session, scaler, &mut |pass: &Pass| {
                stuck = pass.decision.as_ref().and_then(obstacle);
                pass.settled() || stuck.is_some() || late()
            })
            .await;
        }
        loop {
            let state = fleet.observe().await?;
            if state.steady {
                let line = format!("pool `{}`: {} nodes up", fleet.name(), state.current.total());
                self.session.printer.result(line);
                return Ok(());
            }
            if self.scaler.is_none() {
                stuck = self.explained().await;
            }
            if late() && stuck.is_none() {
                stuck = Some(format!("not after {} minutes", LONGEST.as_secs() / 60));
            }
            if let Some(why) = stuck {
                let (have, want) = (state.current.total(), state.target.total());
                return Err(Failure::azure(format!(
                    "pool `{}` has {have} of {want} nodes: {why}",
                    fleet.name()
                ))
                .hint(
                    "the scaler goes on trying. More room: another placement in the farm file, or a quota request \
                     (https://aka.ms/quota); `flamenco-azure scaler explain` says what stands in the way",
                ));
            }
            clock.sleep(LOOK).await;
        }
    }

    /// What keeps the scaler on the Manager from having more nodes, as it would be decided here.
    async fn explained(&mut self) -> Option<String> {
        let seen = self.store.read_only().await.ok()??;
        let (_, _, decision, _) = self.looker.explain(seen.state?).await;
        obstacle(&decision)
    }
}

/// Why no more nodes can come now, where nothing is on its way.
fn obstacle(decision: &Decision) -> Option<String> {
    let short = decision.notes.iter().any(|note| matches!(note, Note::Short { .. }));
    let idle = decision.pledged == decision.nodes && decision.actions.is_empty();
    if !short || !idle {
        return None;
    }
    let walls = decision.rejected.iter().map(ToString::to_string);
    let notes = decision.notes.iter().map(ToString::to_string);
    Some(walls.chain(notes).collect::<Vec<_>>().join("; "))
}
