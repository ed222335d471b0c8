//! Sending what was decided: sets side by side, the requests of one set in their order.

use std::collections::BTreeMap;

use flamenco_azure_core::arm::Kind;
use flamenco_azure_core::error::chain;
use futures::{FutureExt as _, StreamExt as _};

use super::{Done, Ending, Pass, Scaler};
use crate::act::{self, Hands, Outcome};
use crate::look::{self, Look};
use crate::reconcile::{Action, Decision, Planned, VictimWhy};
use crate::state::State;

/// Sets at once.
const AT_ONCE: usize = 8;

impl Scaler {
    /// Sends the actions and takes in what became of them.
    pub(super) async fn send(
        &mut self,
        decision: &Decision,
        look: &Look,
        state: &mut State,
        pass: &mut Pass,
    ) {
        let mut by_set: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for planned in &decision.actions {
            let (_, set) = act::cost(&planned.action);
            let actions = by_set.entry(set).or_default();
            if actions.is_empty() {
                order.push(set);
            }
            actions.push(planned);
        }
        let pool = &self.parts.pool;
        let hands = Hands {
            client: &self.writes,
            group: &pool.group,
            policy: &pool.policy,
            template: &pool.template,
            catalog: &pool.catalog,
            look,
            lease: self.lease.as_ref(),
        };
        let work = order.into_iter().map(|set| {
            let actions = by_set.remove(set).unwrap_or_default();
            async move {
                let mut outcomes = Vec::new();
                for planned in actions {
                    outcomes.push((planned, hands.act(planned).await));
                }
                outcomes
            }
            .boxed()
        });
        // Boxed and collected: without, the compiler does not see that the whole can run on any thread.
        let work: Vec<_> = work.collect();
        let outcomes: Vec<_> = futures::stream::iter(work).buffered(AT_ONCE).collect().await;
        for (planned, outcome) in outcomes.into_iter().flatten() {
            self.take_in(planned, outcome, state, pass);
        }
    }

    fn take_in(&mut self, planned: &Planned, outcome: Outcome, state: &mut State, pass: &mut Pass) {
        let now = self.now();
        let action = &planned.action;
        let (class, set) = act::cost(action);
        let (ending, text) = match outcome {
            Outcome::Late => {
                state.asked.refused(action);
                (Ending::NotSent, "the lease is too old to be sure of".to_owned())
            }
            Outcome::Accepted(operation) => {
                state.asked.accepted(action, now);
                self.operations.follow(action.clone(), *operation, now);
                (Ending::Accepted, String::new())
            }
            Outcome::Moot => {
                state.asked.accepted(action, now);
                (Ending::Moot, String::new())
            }
            Outcome::Stale => {
                state.asked.refused(action);
                (Ending::Stale, String::new())
            }
            Outcome::Refused(error) => {
                state.asked.refused(action);
                look::closed(&mut self.buckets, class, Some(set), &error, now);
                let text = chain(&*error);
                match action {
                    Action::Create { placement, .. } | Action::Grow { placement, .. } => {
                        state.marks.refused(placement, error.code(), error.kind(), now);
                    }
                    // What passes by itself is no failure of the request.
                    Action::Delete { victims, .. } if !passing(error.kind()) => {
                        for victim in victims.iter().filter(|victim| victim.why == VictimWhy::Requested) {
                            state.ledger.failed(&mut state.count, victim.vm, &text, now);
                        }
                    }
                    _ => {}
                }
                (Ending::Refused, text)
            }
            Outcome::Unknown(error) => (Ending::Unknown, chain(&*error)),
        };
        *self.sums.actions.entry((kind(action), ending.as_str())).or_default() += 1;
        pass.done.push(Done { planned: planned.clone(), outcome: ending, words: text });
    }
}

fn passing(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Throttled { .. } | Kind::Busy | Kind::Transient | Kind::Unauthenticated | Kind::Preempted
    )
}

/// The action's kind in one word, for metrics.
fn kind(action: &Action) -> &'static str {
    match action {
        Action::Create { .. } => "create",
        Action::Grow { .. } => "grow",
        Action::Delete { .. } => "delete",
        Action::Seal { .. } => "seal",
        Action::Remove { .. } => "remove",
    }
}
