//! Scale sets themselves: empty ones are removed, those that cannot or should not grow are sealed.

use jiff::Timestamp;

use super::raise::Grown;
use super::survey::{Seen, Survey};
use super::{Action, Decision, Planned, Why};
use crate::observe::SealReason;
use crate::spec::Policy;

/// Whether the set has no machines, gets none and was not asked for any.
fn empty(seen: &Seen) -> bool {
    let idle = seen.set.provisioning.is_settled();
    seen.known && !seen.doomed && !seen.waiting && seen.listed == 0 && seen.pledged == 0 && idle
}

pub(super) fn remove(survey: &Survey, grown: &Grown, decision: &mut Decision) {
    for (index, seen) in survey.sets.iter().enumerate() {
        if empty(seen) && !grown.sets.contains_key(&index) {
            let action = Action::Remove { set: seen.set.name.clone(), etag: seen.set.etag.clone() };
            decision.actions.push(Planned { action, why: Why::Empty });
        }
    }
}

pub(super) fn seal(
    survey: &Survey,
    grown: &Grown,
    goal: u32,
    policy: &Policy,
    now: Timestamp,
    decision: &mut Decision,
) {
    let mut open = Vec::new();
    for (index, seen) in survey.sets.iter().enumerate() {
        let more = grown.sets.contains_key(&index);
        let sealed = seen.set.sealed.is_some() && !more;
        if sealed || seen.doomed || (empty(seen) && !more) {
            continue;
        }
        let nodes = seen.pledged + grown.sets.get(&index).unwrap_or(&0);
        // All its machines are on their way out: it is removed when they are gone.
        if seen.known && nodes == 0 {
            continue;
        }
        let wall = |rank: usize| !survey.open[rank] && grown.wanted_at[rank] > 0 && nodes < policy.density;
        let reason = match seen.rank {
            None => Some((SealReason::Unlisted, Why::Unlisted)),
            // One that is being asked for more may get it.
            Some(rank) if seen.known && seen.set.provisioning.is_settled() && !seen.waiting && wall(rank) => {
                Some((SealReason::Wall, Why::Walled))
            }
            Some(_) => None,
        };
        match reason {
            Some((reason, why)) => push(seen, reason, why, now, decision),
            None => open.push((index, nodes, more)),
        }
    }
    // Sets that are made or on their way are among those allowed; the emptiest of the others go first.
    let allowed = goal.div_ceil(policy.density.max(1)) as usize + policy.placements.len();
    let count = open.len() + survey.coming.len() + grown.made as usize;
    let Some(excess) = count.checked_sub(allowed).filter(|excess| *excess > 0) else { return };
    open.retain(|(index, _, more)| !more && survey.sets[*index].known && !survey.sets[*index].waiting);
    open.sort_by_key(|(index, nodes, _)| (*nodes, std::cmp::Reverse(*index)));
    for (index, ..) in open.into_iter().take(excess) {
        push(&survey.sets[index], SealReason::Fragment, Why::Fragmented, now, decision);
    }
}

fn push(seen: &Seen, reason: SealReason, why: Why, at: Timestamp, decision: &mut Decision) {
    let action = Action::Seal { set: seen.set.name.clone(), etag: seen.set.etag.clone(), reason, at };
    decision.actions.push(Planned { action, why });
}
