//! Machines that go: those asked for by message, broken ones, and the surplus.

use std::collections::BTreeMap;

use super::survey::Survey;
use super::{Action, Decision, Planned, Victim, VictimWhy, Why};
use crate::observe::{Instance, InstanceState, Observed};
use crate::spec::Policy;

pub(super) fn plan(
    survey: &Survey,
    goal: u32,
    observed: &Observed,
    policy: &Policy,
    decision: &mut Decision,
) {
    let mut victims: BTreeMap<usize, Vec<Victim>> = BTreeMap::new();
    let mut add = |index: usize, one: &Instance, why| {
        victims.entry(index).or_default().push(Victim { instance: one.id.clone(), vm: one.vm, why });
    };
    for (index, seen) in survey.sets.iter().enumerate().filter(|(_, seen)| !seen.doomed) {
        for (one, why) in &seen.goners {
            add(index, one, *why);
        }
    }
    for (index, one, why) in surplus(survey, goal, observed, policy) {
        add(index, one, why);
    }
    for (index, mut victims) in victims {
        victims.sort_unstable_by_key(|victim| (victim.why, victim.vm));
        let set = survey.sets[index].set.name.clone();
        decision.actions.push(Planned { action: Action::Delete { set, victims }, why: Why::Victims });
    }
}

/// The nodes above the goal: first those that are not up yet, then idle ones (of sealed sets first), then the rest; the
/// newest of each. Only nodes that are listed count: those on their way may never come.
fn surplus<'a>(
    survey: &Survey<'a>,
    goal: u32,
    observed: &Observed,
    policy: &Policy,
) -> Vec<(usize, &'a Instance, VictimWhy)> {
    // While nodes are still missing, those that race for their place stay.
    let racers = if survey.running < goal { policy.overprovision } else { 0 };
    let keep = goal.saturating_add(racers) as usize;
    let live: usize = survey.sets.iter().map(|seen| seen.live.len()).sum();
    let Some(count) = live.checked_sub(keep).filter(|count| *count > 0) else { return Vec::new() };
    let mut nodes: Vec<_> = survey
        .sets
        .iter()
        .enumerate()
        .flat_map(|(index, seen)| seen.live.iter().map(move |one| (index, seen.set.sealed.is_some(), *one)))
        .map(|(index, sealed, one)| {
            let why = if one.state == InstanceState::Creating {
                VictimWhy::SurplusBooting
            } else if observed.view.idle(one.vm) {
                VictimWhy::SurplusIdle
            } else {
                VictimWhy::SurplusNewest
            };
            (
                why,
                !sealed || why == VictimWhy::SurplusNewest,
                std::cmp::Reverse(one.created),
                one.vm,
                index,
                one,
            )
        })
        .collect();
    // Which they are matters, their order does not: no need to sort all of a large farm.
    if count < nodes.len() {
        nodes.select_nth_unstable_by_key(count, |(why, settled, age, vm, ..)| (*why, *settled, *age, *vm));
        nodes.truncate(count);
    }
    nodes.into_iter().map(|(why, _, _, _, index, one)| (index, one, why)).collect()
}
