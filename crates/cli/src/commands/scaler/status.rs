//! `scaler status`: targets, nodes, requests to delete, who leads.

use std::collections::BTreeMap;

use flamenco_azure_core::pool::{NodeState, WorkerPool as _};
use serde_json::json;
use vmss_scaler::ledger::Stage;

use super::{explain, open};
use crate::args::ScalerPoolArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Mode;
use crate::scalers;
use crate::session::Session;

/// Runs `scaler status`.
pub(super) async fn run(session: &Session, args: &ScalerPoolArgs) -> Outcome {
    let (file, pools) = open(session, args).await?;
    for pool in pools {
        let name = pool.policy.pool.clone();
        let max = pool.policy.max_nodes;
        let store = scalers::store(&session.client, &file, &pool)?;
        let seen = store.read_only().await.map_err(scalers::failed)?;
        let fleet = scalers::fleet(&session.client, &file, pool)?;
        let target = fleet.target().await.map_err(Failure::from)?;
        let mut nodes: BTreeMap<NodeState, usize> = BTreeMap::new();
        for node in fleet.nodes().await.map_err(Failure::from)? {
            *nodes.entry(node.state).or_default() += 1;
        }
        let leader = seen.as_ref().filter(|seen| seen.leased).and_then(|seen| seen.holder.clone());
        let state = seen.and_then(|seen| seen.state);
        let mut stages = [0_usize; 3];
        let mut given_up = Vec::new();
        for entry in state.iter().flat_map(|state| state.ledger.entries()) {
            match &entry.stage {
                Stage::Leaving => stages[0] += 1,
                Stage::Gone { .. } => stages[1] += 1,
                Stage::Poisoned { reason, .. } => {
                    stages[2] += 1;
                    given_up.push(format!("{} of {}: {reason}", entry.instance, entry.set));
                }
            }
        }
        let marks: Vec<String> = state
            .iter()
            .flat_map(|state| state.marks.explain(&fleet.pool().policy.placements, session.clock.now()))
            .map(|rejection| rejection.to_string())
            .collect();
        if session.printer.mode() == Mode::Json {
            let members = json!({
                "pool": name, "tag": explain::said(&target.tag, &target.reading), "effective": target.effective,
                "maxNodes": max, "nodes": nodes, "leader": leader,
                "requests": {"leaving": stages[0], "gone": stages[1], "givenUp": given_up}, "rejected": marks,
            });
            session.printer.event("scaler-status", members);
            continue;
        }
        let out = session.printer;
        let counted: Vec<String> = nodes
            .iter()
            .map(|(state, count)| format!("{count} {}", format!("{state:?}").to_lowercase()))
            .collect();
        let counted = if counted.is_empty() { "no nodes".to_owned() } else { counted.join(", ") };
        out.result(format!("pool `{name}`: {counted}"));
        let now = target
            .effective
            .map(|nodes| format!("; the scaler keeps {}", nodes.min(max)))
            .unwrap_or_default();
        out.result(format!(
            "  target    {}{now} (maxNodes {max})",
            explain::said(&target.tag, &target.reading)
        ));
        match leader {
            Some(by) => out.result(format!("  scaler    {by}")),
            None => out.result("  scaler    none runs"),
        }
        let [leaving, gone, poisoned] = stages;
        if leaving + gone + poisoned > 0 {
            out.result(format!("  requests  {leaving} on their way out, {gone} gone, {poisoned} given up"));
        }
        for line in given_up {
            out.result(format!("            given up: {line}"));
        }
        for line in marks {
            out.result(format!("  not       {line}"));
        }
    }
    Ok(Exit::Done)
}
