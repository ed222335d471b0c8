//! The decision: what to ask Azure for next, and why.

mod decision;
mod lower;
mod raise;
mod survey;
mod tidy;

use jiff::Timestamp;

pub use decision::{Action, Decision, Note, Planned, Victim, VictimWhy, Why};

use crate::asked::later;
use crate::marks::Marks;
use crate::observe::Observed;
use crate::spec::Policy;
use crate::target::Target;
use survey::Survey;

/// Decides one pass. Pure and total: it knows nothing but its arguments, and has an answer to any of them.
///
/// What holds for every decision:
/// - Nodes that are there, on their way or asked for, and those that it starts, are together never more than the
///   target, capped by `maxNodes`, plus `overprovision`.
/// - From a list that is incomplete, contradicts itself or is older than [`Policy::max_age`] follows no deletion and no
///   removal; where a list of scale sets is missing or too old, nothing follows at all.
/// - Capacity is never lowered: nodes go by their id, with the VM id to compare.
/// - At most `ceil(target / density)` scale sets and one per placement are unsealed.
///
/// The actions are in the order in which they are to be sent. Before the first of them
/// [`Asked::note`](crate::asked::Asked::note) has to be stored.
pub fn reconcile(
    observed: &Observed,
    target: &Target,
    marks: &Marks,
    policy: &Policy,
    now: Timestamp,
) -> Decision {
    let mut decision = Decision::nothing(now);
    decision.rejected = marks.explain(&policy.placements, now);
    decision.next_look = later(now, policy.busy_look).unwrap_or(now);
    if later(observed.as_of, policy.max_age).is_some_and(|end| now > end) {
        decision.notes.push(Note::TooOld { as_of: observed.as_of });
        return decision;
    }
    if !observed.sets_complete {
        decision.notes.push(Note::SetsUnread);
        return decision;
    }
    let survey = Survey::new(observed, target, marks, policy, now);
    decision.nodes = survey.running;
    decision.pledged = survey.pledged;
    decision.notes.extend(survey.unread.iter().map(|set| Note::InstancesUnread { set: (*set).to_owned() }));
    let Some(wanted) = target.nodes else {
        decision.notes.push(Note::NoTarget);
        return decision;
    };
    let goal = wanted.min(policy.max_nodes);
    if goal < wanted {
        decision.notes.push(Note::Capped { wanted, most: policy.max_nodes });
    }
    decision.target = Some(goal);

    // Growth and seals go first: they are sent under the set's etag, which a deletion changes.
    let grown = raise::plan(&survey, goal, observed.room.as_ref(), policy, &mut decision);
    tidy::seal(&survey, &grown, goal, policy, now, &mut decision);
    if survey.unread.is_empty() {
        lower::plan(&survey, goal, observed, policy, &mut decision);
        tidy::remove(&survey, &grown, &mut decision);
    }
    decision.calm = decision.actions.is_empty() && survey.calm && grown.short == 0;
    if decision.calm {
        decision.next_look = later(now, policy.calm_for(survey.running)).unwrap_or(now);
    }
    decision
}
