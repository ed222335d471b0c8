//! Waits until a condition holds on a resource.

use serde_json::Value;

use super::Executor;
use super::report::{Outcome, Progress, QuotaShort, StepError};
use crate::arm::Request;
use crate::inventory::{Observed, Provisioning};
use crate::plan::{Condition, Step};
use crate::pool::ResizeError;

/// What one look at a resource says about a condition.
#[derive(Debug, PartialEq)]
enum Look {
    Holds(Vec<ResizeError>),
    NotYet(String),
    Never(String),
    QuotaShort(QuotaShort),
}

impl Executor {
    pub(super) async fn poll(
        &self,
        step: &Step,
        request: &Request,
        until: Condition,
    ) -> Result<Outcome, StepError> {
        let begun = self.clock.now();
        loop {
            let body = self.client.get(request).await?;
            let state = match look(body.as_ref(), until) {
                Look::Holds(shortfall) => return Ok(Outcome::Reached { shortfall }),
                Look::Never(state) => {
                    return Err(StepError::Ended { resource: step.resource.name().to_owned(), state });
                }
                Look::QuotaShort(short) => {
                    return Err(StepError::Quota { account: step.resource.name().to_owned(), short });
                }
                Look::NotYet(state) => state,
            };
            if self.clock.now().duration_since(begun).unsigned_abs() >= self.options.patience {
                let resource = step.resource.name().to_owned();
                return Err(StepError::OutOfTime { resource, state, patience: self.options.patience });
            }
            self.reporter.report(&Progress::Waiting { step: step.id.clone(), note: state });
            self.clock.sleep(self.options.interval).await;
        }
    }
}

fn look(body: Option<&Value>, until: Condition) -> Look {
    let observed = body.cloned().and_then(Observed::from_body);
    match (until, observed) {
        (Condition::Gone | Condition::NoMachines, None) => Look::Holds(Vec::new()),
        (Condition::Gone, Some(_)) => Look::NotYet("Deleting".to_owned()),
        (Condition::Settled | Condition::PoolSteady | Condition::BatchCores { .. }, None) => {
            Look::Never("gone".to_owned())
        }
        (Condition::NoMachines, Some(observed)) => {
            match observed.pointer("/sku/capacity").and_then(Value::as_u64).unwrap_or(0) {
                0 => Look::Holds(Vec::new()),
                nodes => Look::NotYet(format!("{nodes} nodes")),
            }
        }
        // A failed change is over too: the planner sees it as such next time.
        (Condition::Settled, Some(observed)) => match observed.provisioning() {
            Provisioning::InProgress => Look::NotYet("Updating".to_owned()),
            Provisioning::Deleting => Look::Never("Deleting".to_owned()),
            Provisioning::Settled | Provisioning::Failed => Look::Holds(Vec::new()),
        },
        (Condition::BatchCores { dedicated, spot }, Some(observed)) => {
            match batch_cores(&observed, dedicated, spot) {
                Some(short) => Look::QuotaShort(short),
                None => Look::Holds(Vec::new()),
            }
        }
        (Condition::PoolSteady, Some(observed)) => {
            match observed.text("/properties/allocationState").unwrap_or("Resizing") {
                state if state.eq_ignore_ascii_case("steady") => Look::Holds(resize_errors(&observed)),
                state => Look::NotYet(state.to_owned()),
            }
        }
    }
}

/// What the account's own core quota lacks. A quota that is not reported (user-subscription accounts) does not bind
/// here.
fn batch_cores(account: &Observed, dedicated: u32, spot: u32) -> Option<QuotaShort> {
    [("dedicated", "dedicatedCoreQuota", dedicated), ("spot", "lowPriorityCoreQuota", spot)]
        .into_iter()
        .find_map(|(kind, key, need)| {
            let limit = account.pointer(&format!("/properties/{key}"))?.as_u64()?;
            (u64::from(need) > limit).then_some(QuotaShort { kind, need, limit })
        })
}

/// The errors of a pool's last resize (`resizeOperationStatus.errors`, present only while steady).
fn resize_errors(pool: &Observed) -> Vec<ResizeError> {
    let errors = pool.pointer("/properties/resizeOperationStatus/errors").and_then(Value::as_array);
    let text =
        |error: &Value, key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    errors
        .into_iter()
        .flatten()
        .map(|error| ResizeError { code: text(error, "code"), message: text(error, "message") })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pool_that_fell_short_is_steady_with_reasons() {
        let body = json!({"id": "/subscriptions/s/resourceGroups/g", "properties": {
            "allocationState": "Steady",
            "resizeOperationStatus": {"errors": [{"code": "AccountCoreQuotaReached", "message": "full"}]}}});
        let Look::Holds(errors) = look(Some(&body), Condition::PoolSteady) else { panic!("steady") };
        assert_eq!(errors[0].code, "AccountCoreQuotaReached");
    }

    #[test]
    fn the_gate_closes_when_the_accounts_quota_is_short() {
        let body = json!({"id": "/subscriptions/s/resourceGroups/g",
            "properties": {"dedicatedCoreQuota": 8, "lowPriorityCoreQuota": 100}});
        let gate = |dedicated, spot| look(Some(&body), Condition::BatchCores { dedicated, spot });
        assert_eq!(gate(8, 100), Look::Holds(vec![]));
        assert_eq!(gate(9, 0), Look::QuotaShort(QuotaShort { kind: "dedicated", need: 9, limit: 8 }));
        assert!(matches!(gate(0, 101), Look::QuotaShort(_)));
    }

    #[test]
    fn absence_is_a_legal_input() {
        assert_eq!(look(None, Condition::Gone), Look::Holds(vec![]));
        assert_eq!(look(None, Condition::Settled), Look::Never("gone".to_owned()));
        assert_eq!(look(None, Condition::NoMachines), Look::Holds(vec![]));
    }

    #[test]
    fn a_scale_set_is_empty_when_its_capacity_is_0() {
        let set =
            |capacity: u32| json!({"id": "/subscriptions/s/resourceGroups/g", "sku": {"capacity": capacity}});
        assert_eq!(look(Some(&set(0)), Condition::NoMachines), Look::Holds(vec![]));
        assert_eq!(look(Some(&set(3)), Condition::NoMachines), Look::NotYet("3 nodes".to_owned()));
    }
}
