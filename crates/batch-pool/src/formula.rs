//! Autoscale formulas: the one that a pool has, and what Batch says about one that it might get.
//!
//! Batch alone knows its language, so nothing is evaluated here: [`evaluate`] asks the service, which changes nothing
//! ("Create a formula to automatically scale compute nodes in a Batch pool"). It answers for pools only that have a
//! formula already; a new pool's formula is read when the pool is made, and refused with its place if it cannot be read.

use flamenco_azure_core::arm::{ArmClient, ArmError, Request};
use flamenco_azure_core::pool::Count;
use jiff::{SpanRelativeTo, Timestamp, Unit};
use serde::Serialize;
use serde_json::{Value, json};

use crate::wire;

/// The formula of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// As Batch has it.
    pub formula: String,
    /// Minutes between evaluations, where Batch says it.
    pub evaluation_minutes: Option<u32>,
    /// What the last evaluation gave.
    pub last: Option<Evaluation>,
}

/// What an evaluation gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The nodes that it asks for; those before where it failed.
    pub target: Count,
    /// The farm's own words about each variable: `name=value`, in Batch's order.
    pub variables: Vec<String>,
    /// Why it failed, with line and column, in Batch's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Running {
    /// Reads it off a pool's control-plane body; `None` for a pool of a fixed size.
    pub fn read(body: &Value) -> Option<Self> {
        let auto = body.pointer("/properties/scaleSettings/autoScale")?;
        let minutes = |text: &str| {
            let span: jiff::Span = text.parse().ok()?;
            let total = span.total((Unit::Minute, SpanRelativeTo::days_are_24_hours())).ok()?;
            format!("{total:.0}").parse().ok()
        };
        Some(Self {
            formula: auto.get("formula")?.as_str()?.to_owned(),
            evaluation_minutes: auto.get("evaluationInterval").and_then(Value::as_str).and_then(minutes),
            last: body.pointer("/properties/autoScaleRun").map(Evaluation::read),
        })
    }
}

impl Evaluation {
    /// Reads it in either plane's form: they name time and details differently.
    pub fn read(run: &Value) -> Self {
        let text = |name: &str| run.get(name).and_then(Value::as_str);
        let at = text("evaluationTime").or_else(|| text("timestamp")).and_then(|at| at.parse().ok());
        let variables: Vec<String> = text("results")
            .unwrap_or_default()
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        let number = |names: [&str; 2]| {
            let value = |name: &str| variables.iter().find_map(|v| v.strip_prefix(name)?.strip_prefix('='));
            let text = names.into_iter().find_map(value)?;
            text.split('.').next()?.trim().parse().ok()
        };
        let target = Count {
            dedicated: number(["$TargetDedicatedNodes", "$TargetDedicated"]).unwrap_or(0),
            spot: number(["$TargetLowPriorityNodes", "$TargetLowPriority"]).unwrap_or(0),
        };
        Self { at, target, variables, error: run.get("error").filter(|e| !e.is_null()).map(words) }
    }
}

/// The message of an error, and what its values add: the place.
fn words(error: &Value) -> String {
    let say = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let values = ["values", "details"].into_iter().find_map(|name| error.get(name)?.as_array());
    let place: Vec<String> = values
        .into_iter()
        .flatten()
        .filter_map(|value| say(value, "value").or_else(|| say(value, "message")))
        .collect();
    if !place.is_empty() {
        return place.join("; ");
    }
    say(error, "message").or_else(|| say(error, "code")).unwrap_or_else(|| "no reason given".to_owned())
}

/// Why an answer of Batch refuses a formula: line, column and reason; `None` for a refusal of something else.
pub fn refused(error: &ArmError) -> Option<String> {
    if !error.code().starts_with("AutoScal") {
        return None;
    }
    let details: Vec<&str> =
        error.details().iter().map(|d| d.message.as_str()).filter(|m| m.starts_with("Line ")).collect();
    Some(if details.is_empty() { error.message().to_owned() } else { details.join("; ") })
}

/// What a formula would give on this pool now. Changes nothing. Batch refuses it for a pool without a formula.
///
/// # Errors
/// Azure's. A formula that is wrong is no error: [`Evaluation::error`] says why.
pub async fn evaluate(
    client: &ArmClient,
    endpoint: &str,
    pool: &str,
    formula: &str,
) -> Result<Evaluation, ArmError> {
    let body = json!({"autoScaleFormula": formula});
    let request = Request::post(format!("/pools/{pool}/evaluateautoscale"), Some(body))
        .api_version(wire::BATCH_API)
        .batch(endpoint)
        .idempotent();
    match client.send(&request).await {
        Ok(response) => Ok(Evaluation::read(&response.body.unwrap_or_default())),
        Err(error) => match refused(&error) {
            Some(why) => {
                Ok(Evaluation { at: None, target: Count::default(), variables: Vec::new(), error: Some(why) })
            }
            None => Err(error),
        },
    }
}
