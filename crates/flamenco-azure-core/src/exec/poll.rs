//! Waits until a condition holds on a resource.

use serde_json::Value;

use super::Executor;
use super::report::{Outcome, Progress, StepError};
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
        (Condition::Gone, None) => Look::Holds(Vec::new()),
        (Condition::Gone, Some(_)) => Look::NotYet("Deleting".to_owned()),
        (Condition::Settled | Condition::PoolSteady, None) => Look::Never("gone".to_owned()),
        // A failed change is over too: the planner sees it as such next time.
        (Condition::Settled, Some(observed)) => match observed.provisioning() {
            Provisioning::InProgress => Look::NotYet("Updating".to_owned()),
            Provisioning::Deleting => Look::Never("Deleting".to_owned()),
            Provisioning::Settled | Provisioning::Failed => Look::Holds(Vec::new()),
        },
        (Condition::PoolSteady, Some(observed)) => {
            match observed.text("/properties/allocationState").unwrap_or("Resizing") {
                state if state.eq_ignore_ascii_case("steady") => Look::Holds(resize_errors(&observed)),
                state => Look::NotYet(state.to_owned()),
            }
        }
    }
}

/// The errors of a pool's last resize (`resizeOperationStatus.errors`, present only while steady).
fn resize_errors(pool: &Observed) -> Vec<ResizeError> {
    let errors = pool.pointer("/properties/resizeOperationStatus/errors").and_then(Value::as_array);
    let text = |error: &Value, key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
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
    fn absence_is_a_legal_input() {
        assert_eq!(look(None, Condition::Gone), Look::Holds(vec![]));
        assert_eq!(look(None, Condition::Settled), Look::Never("gone".to_owned()));
    }
}
