//! Missing nodes: partial sets are refilled, fullest first, then new sets are made; best placement first.

use std::collections::BTreeMap;

use super::survey::{Seen, Survey};
use super::{Action, Decision, Note, Planned, Why};
use crate::room::Room;
use crate::spec::{Placement, Policy, Priority};

/// What growth decided.
#[derive(Default)]
pub(super) struct Grown {
    /// Nodes that each set is asked for in addition, by the set's position in the survey.
    pub(super) sets: BTreeMap<usize, u32>,
    /// Sets that are made.
    pub(super) made: u32,
    /// Nodes that were missing when a placement that cannot be used had its turn.
    pub(super) wanted_at: Vec<u32>,
    /// Nodes still missing in the end.
    pub(super) short: u32,
}

pub(super) fn plan(
    survey: &Survey,
    goal: u32,
    room: Option<&Room>,
    policy: &Policy,
    decision: &mut Decision,
) -> Grown {
    let mut room = room.cloned().unwrap_or_default();
    let extra = policy.overprovision.min(goal.saturating_sub(survey.running));
    let missing = goal.saturating_add(extra).saturating_sub(survey.pledged);
    let mut grown = Grown { wanted_at: vec![0; policy.placements.len()], ..Grown::default() };
    let mut need = missing;
    let mut regular_left = policy.on_demand_limit(goal).saturating_sub(survey.regular);
    let mut held = 0;
    let mut generation = survey.next_generation;
    let names = policy.names();
    let mut by_rank: Vec<Vec<usize>> = vec![Vec::new(); policy.placements.len()];
    for (index, seen) in survey.sets.iter().enumerate() {
        if let Some(rank) = seen.rank.filter(|_| seen.known && !seen.doomed) {
            by_rank[rank].push(index);
        }
    }
    for (rank, placement) in policy.placements.iter().enumerate() {
        if need == 0 {
            break;
        }
        grown.wanted_at[rank] = need;
        if !survey.open(Some(rank)) {
            continue;
        }
        let mut may = match placement.priority {
            Priority::Spot => need,
            Priority::Regular => need.min(regular_left),
        };
        let probe = survey.probe == Some(rank);
        if probe {
            may = may.min(policy.density);
        }
        let fits = room.nodes(placement);
        if fits < may {
            let (placement, nodes) = (placement.clone(), fits);
            decision.notes.push(Note::QuotaLeaves { placement, nodes });
            may = fits;
        }
        room.take(placement, may);
        let offered = may;
        let mut fill = std::mem::take(&mut by_rank[rank]);
        fill.sort_by_key(|index| {
            let seen = &survey.sets[*index];
            (seen.set.sealed.is_some(), std::cmp::Reverse(seen.pledged), *index)
        });
        for index in fill {
            let seen = &survey.sets[index];
            let add = seen.room.min(may);
            // A failed set without machines is removed rather than grown; what is owed comes with any growth.
            let dead = seen.listed == 0 && seen.owed > 0;
            if seen.waiting || dead || add == 0 || add < seen.owed {
                continue;
            }
            // One request tells whether the wall is gone.
            may = if probe { 0 } else { may - add };
            grown.sets.insert(index, add);
            decision
                .actions
                .push(Planned { action: grow(seen, placement, add, !probe), why: Why::Missing { missing } });
        }
        // Places that come free, or can be used as soon as the last request is seen: no new set is made for them.
        let places = places(survey, rank, policy);
        let waits = places.min(may);
        held += waits;
        may -= waits;
        while may > 0 {
            let capacity = may.min(policy.density.max(1));
            let action = Action::Create {
                set: names.set(generation),
                generation,
                placement: placement.clone(),
                capacity,
            };
            decision.actions.push(Planned { action, why: Why::Missing { missing } });
            generation += 1;
            grown.made += 1;
            may -= capacity;
        }
        need -= offered;
        if placement.priority == Priority::Regular {
            regular_left -= offered;
        }
    }
    grown.short = need;
    if held > 0 {
        decision.notes.push(Note::Waiting { places: held });
    }
    if need > 0 {
        decision.notes.push(Note::Short { missing: need });
    }
    grown
}

/// A sealed set is unsealed unless it is only tried whether it can grow.
fn grow(seen: &Seen, placement: &Placement, add: u32, unseal: bool) -> Action {
    Action::Grow {
        set: seen.set.name.clone(),
        generation: seen.set.generation,
        placement: placement.clone(),
        etag: seen.set.etag.clone(),
        from: seen.set.capacity,
        to: seen.base.saturating_add(add - seen.owed),
        unseal: unseal && seen.set.sealed.is_some(),
    }
}

fn places(survey: &Survey, rank: usize, policy: &Policy) -> u32 {
    let here = survey.sets.iter().filter(|seen| seen.rank == Some(rank) && seen.known && !seen.doomed);
    let here = here.map(|seen| seen.freeing + if seen.waiting { seen.room } else { 0 });
    let coming = survey.coming.iter().filter(|one| one.rank == Some(rank));
    let coming = coming.map(|one| policy.density.saturating_sub(one.asked.capacity));
    here.chain(coming).fold(0_u32, u32::saturating_add)
}
