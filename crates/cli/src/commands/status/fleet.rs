//! Pools of scale sets, as their tags and sets show them: with or without a farm file.

use std::collections::{BTreeMap, BTreeSet};

use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::pool::{Count, NodeState, PoolState};
use flamenco_azure_core::tags;
use vmss_scaler::look;
use vmss_scaler::observe::{InstanceState, POOL, SEAL};
use vmss_scaler::target::{self, Reading, TagNames};
use vmss_scaler::wire::SCALE_SET;

use super::PoolLine;
use crate::failure::{Failure, Outcome};
use crate::farmfile;
use crate::session::{Session, Target};

/// A line for each pool of scale sets that the farm file, the sets' tags or the group's tags name.
pub(super) async fn lines(
    session: &Session,
    target: &Target,
    inventory: &Inventory,
) -> Outcome<Vec<PoolLine>> {
    let sets: Vec<&Observed> = target.resources(inventory, SCALE_SET).collect();
    let mut names: BTreeSet<String> =
        sets.iter().filter_map(|set| tags::get(&set.tags(), POOL).map(str::to_owned)).collect();
    let file = farmfile::whole(&session.here, &session.global);
    names.extend(file.iter().flat_map(|farm| &farm.fleets).map(|fleet| fleet.name.clone()));
    let group = inventory.group.as_ref().map(Observed::tags).unwrap_or_default();
    let mut lines = Vec::new();
    for name in &names {
        let sole = names.len() == 1;
        let tag = TagNames::on(&group, &target.farm, name, sole);
        let reading = target::read(Some(&group), &target.farm, name, sole);
        let mut trouble = Vec::new();
        if let Reading::Malformed { tag, text, error } = &reading {
            trouble.push(format!("tag {tag} says `{text}`: {error}; the last good number goes on"));
        }
        let said = match reading {
            Reading::Nodes(nodes) => nodes,
            _ => 0,
        };
        let effective = tags::get(&group, &tag.now).and_then(|text| target::parse(text).ok());
        let mine = sets.iter().filter(|set| tags::get(&set.tags(), POOL) == Some(name.as_str()));
        let mut seen = Seen::default();
        for set in mine {
            seen.add(session, set).await?;
        }
        let wanted = effective.map_or(said, |now| now.min(said));
        // Which of them are Spot is the scaler's to decide, node by node.
        let dedicated = seen.current.dedicated.min(wanted);
        let state = PoolState {
            steady: !seen.busy && seen.current.total() == wanted,
            target: Count { dedicated, spot: wanted - dedicated },
            current: seen.current,
            errors: Vec::new(),
        };
        if seen.sealed > 0 {
            trouble.push(format!(
                "{} sealed: `flamenco-azure scaler explain` says why",
                crate::show::count(seen.sealed, "scale set")
            ));
        }
        let size = seen.sizes.into_iter().collect::<Vec<_>>().join(", ");
        let size = if size.is_empty() { "scale sets".to_owned() } else { size };
        lines.push(PoolLine { pool: name.clone(), size, state, nodes: seen.nodes, trouble, of_sets: true });
    }
    Ok(lines)
}

#[derive(Default)]
struct Seen {
    current: Count,
    nodes: BTreeMap<NodeState, usize>,
    sizes: BTreeSet<String>,
    sealed: usize,
    busy: bool,
}

impl Seen {
    async fn add(&mut self, session: &Session, set: &Observed) -> Outcome<()> {
        let mode = vmss_scaler::read::mode(&set.body);
        let spot = set.text("/properties/virtualMachineProfile/priority") == Some("Spot");
        self.sizes.extend(set.text("/sku/name").map(str::to_owned));
        self.sealed += usize::from(tags::get(&set.tags(), SEAL).is_some());
        self.busy |= set.text("/properties/provisioningState") == Some("Updating");
        let machines = look::machines(&session.client, &set.id, mode, session.clock.now()).await;
        let machines = machines.map_err(|error| Failure::azure(flamenco_azure_core::error::chain(&error)))?;
        for machine in machines {
            let state = match machine.instance.state {
                InstanceState::Running => NodeState::Ready,
                InstanceState::Creating | InstanceState::Unknown => NodeState::Starting,
                InstanceState::Failed | InstanceState::Stopped => NodeState::Failed,
                InstanceState::Deleting => NodeState::Leaving,
            };
            *self.nodes.entry(state).or_default() += 1;
            self.busy |= state != NodeState::Ready;
            if state != NodeState::Leaving {
                *(if spot { &mut self.current.spot } else { &mut self.current.dedicated }) += 1;
            }
        }
        Ok(())
    }
}
