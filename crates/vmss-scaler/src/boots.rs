//! The brake on machines that do not start: an image that cannot boot is not paid for again and again.
//!
//! Machines that fail or are stuck are deleted and made anew, which is right for bad luck. When [`MANY`] of a placement
//! in a row did not come up, and none did, the placement is marked, each time for longer.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::asked::later;
use crate::marks::{Cause, Mark, Marks, Reach, Scope, Zones};
use crate::observe::{InstanceState, Observed};
use crate::reconcile::{Action, Decision, VictimWhy};
use crate::spec::{Placement, Policy};

/// So many failures in a row mark the placement.
pub const MANY: u32 = 10;
/// The first mark lasts so long; each further one twice as long as the last.
const FIRST: Duration = Duration::from_mins(10);
/// The longest mark.
const LONGEST: Duration = Duration::from_hours(4);

/// Failures in a row, by placement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boots(BTreeMap<String, Row>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    /// When the first of them was deleted.
    since: Timestamp,
    /// How many since the last mark.
    failed: u32,
    /// How many marks.
    brakes: u32,
}

impl Boots {
    /// Takes in what was seen and what is decided now, and marks placements whose machines do not start. A machine that
    /// came up ends a row.
    pub fn note(
        &mut self,
        observed: &Observed,
        decision: &Decision,
        policy: &Policy,
        marks: &mut Marks,
        now: Timestamp,
    ) {
        for set in &observed.sets {
            let key = set.placement.to_string();
            let Some(row) = self.0.get(&key) else { continue };
            let up = |one: &&crate::observe::Instance| {
                one.state == InstanceState::Running && one.created > row.since
            };
            if set.instances.iter().flatten().any(|one| up(&one)) {
                self.0.remove(&key);
            }
        }
        for planned in &decision.actions {
            let Action::Delete { set, victims } = &planned.action else { continue };
            let Some(set) = observed.sets.iter().find(|one| one.name == *set) else { continue };
            let broken = |why| matches!(why, VictimWhy::Failed | VictimWhy::Stuck);
            let failed = victims.iter().filter(|victim| broken(victim.why)).count();
            if failed > 0 {
                self.fail(&set.placement, u32::try_from(failed).unwrap_or(u32::MAX), policy, marks, now);
            }
        }
    }

    fn fail(
        &mut self,
        placement: &Placement,
        failed: u32,
        policy: &Policy,
        marks: &mut Marks,
        now: Timestamp,
    ) {
        let row = self.0.entry(placement.to_string()).or_insert(Row { since: now, failed: 0, brakes: 0 });
        row.failed = row.failed.saturating_add(failed);
        if row.failed < MANY || !policy.placements.contains(placement) {
            return;
        }
        let lasts = FIRST.saturating_mul(1_u32 << row.brakes.min(10)).min(LONGEST);
        row.failed = 0;
        row.brakes += 1;
        let Some(until) = later(now, lasts) else { return };
        let zones = placement.zone.clone().map_or(Zones::Regional, Zones::Zone);
        let scope =
            Scope { reach: Reach::Sku(placement.sku.clone()), zones, priority: Some(placement.priority) };
        marks.add(Mark { scope, cause: Cause::Boot, code: "NodesDoNotStart".to_owned(), since: now, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Instance, Provisioning, ScaleSet, VmId};
    use crate::reconcile::{Planned, Victim, Why};
    use crate::spec::Priority;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn policy() -> Policy {
        let placement = Placement {
            sku: "Standard_D4as_v5".into(),
            family: "standardDASv5Family".into(),
            vcpus: 4,
            zone: None,
            priority: Priority::Spot,
        };
        Policy::new("/g", "studio", "render", 100, vec![placement])
    }

    fn seen(policy: &Policy, state: InstanceState, created: Timestamp) -> Observed {
        let instance = Instance { id: "1".into(), vm: VmId::from_u128(1), created, state };
        let set = ScaleSet {
            name: policy.names().set(1),
            generation: 1,
            placement: policy.placements[0].clone(),
            capacity: 1,
            provisioning: Provisioning::Succeeded,
            sealed: None,
            etag: None,
            instances: Some(vec![instance]),
        };
        Observed { sets: vec![set], ..Observed::empty(created) }
    }

    fn deletes(policy: &Policy, count: u32, why: VictimWhy, now: Timestamp) -> Decision {
        let victim = |n: u32| Victim { instance: n.to_string(), vm: VmId::from_u128(n.into()), why };
        let victims = (0..count).map(victim).collect();
        let action = Action::Delete { set: policy.names().set(1), victims };
        let mut decision =
            crate::reconcile(&Observed::empty(now), &crate::Target::nodes(0), &Marks::default(), policy, now);
        decision.actions = vec![Planned { action, why: Why::Victims }];
        decision
    }

    #[test]
    fn failures_in_a_row_mark_the_placement_for_longer_each_time() {
        let policy = policy();
        let (mut boots, mut marks) = (Boots::default(), Marks::default());
        let mut lasts = Vec::new();
        for round in 0..8 {
            let now = at(round * 600);
            let observed = seen(&policy, InstanceState::Creating, now);
            for _ in 0..2 {
                assert!(marks.blocking(&policy.placements[0], now).is_none());
                boots.note(&observed, &deletes(&policy, 5, VictimWhy::Failed, now), &policy, &mut marks, now);
            }
            let mark = marks.blocking(&policy.placements[0], now).unwrap();
            lasts.push(mark.until.duration_since(now).as_mins());
        }
        assert_eq!(lasts, [10, 20, 40, 80, 160, 240, 240, 240]);
    }

    #[test]
    fn a_machine_that_came_up_ends_the_row_and_an_old_one_does_not() {
        let policy = policy();
        let run = |created: Timestamp| {
            let (mut boots, mut marks) = (Boots::default(), Marks::default());
            let observed = seen(&policy, InstanceState::Running, created);
            for minute in [10, 11] {
                let decision = deletes(&policy, 6, VictimWhy::Stuck, at(minute));
                boots.note(&observed, &decision, &policy, &mut marks, at(minute));
            }
            marks.blocking(&policy.placements[0], at(12)).is_some()
        };
        assert!(run(at(0)), "it ran long before");
        assert!(!run(at(11)), "it came up in between");
        let (mut boots, mut marks) = (Boots::default(), Marks::default());
        let observed = seen(&policy, InstanceState::Creating, at(0));
        let surplus = deletes(&policy, 60, VictimWhy::SurplusIdle, at(1));
        boots.note(&observed, &surplus, &policy, &mut marks, at(1));
        assert_eq!(boots, Boots::default(), "the surplus is no failure");
    }
}
