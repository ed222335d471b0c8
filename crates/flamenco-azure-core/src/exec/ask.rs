//! Judges the answer of a guest command.

use serde_json::Value;

use super::report::StepError;

/// The guest's one line of JSON within run-command's answer
/// (<https://learn.microsoft.com/azure/virtual-machines/linux/run-command>: `[stdout]` and `[stderr]` in one message).
pub(super) fn judge(answer: Option<&Value>, expect: &str) -> Result<Value, StepError> {
    let message = answer
        .and_then(|body| body.pointer("/value/0/message"))
        .and_then(Value::as_str)
        .ok_or_else(|| StepError::Garbled("no output".to_owned()))?;
    let line = guest_json(message).ok_or_else(|| StepError::Garbled(tail(message, 400)))?;
    if line.get(expect) == Some(&Value::Bool(true)) {
        return Ok(line);
    }
    let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
    let reason = text("reason").unwrap_or_else(|| format!("not {expect}"));
    Err(StepError::Guest { reason, log: text("log") })
}

/// The last line of `message` that is a JSON object.
pub fn guest_json(message: &str) -> Option<Value> {
    message.lines().rev().find_map(|line| serde_json::from_str(line.trim()).ok().filter(Value::is_object))
}

fn tail(text: &str, most: usize) -> String {
    let skip = text.chars().count().saturating_sub(most);
    text.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(stdout: &str) -> Value {
        json!({"value": [{"message": format!("Enable succeeded: \n[stdout]\n{stdout}\n[stderr]\n")}]})
    }

    #[test]
    fn the_guest_says_why_it_is_not_ready() {
        let body = answer(r#"{"ready":false,"reason":"checksum differs","log":"..."}"#);
        let error = judge(Some(&body), "ready").unwrap_err();
        assert_eq!(error.to_string(), "the Manager VM reports: checksum differs");
        assert!(judge(Some(&answer(r#"{"ready":true}"#)), "ready").is_ok());
        assert!(matches!(judge(Some(&answer("oops")), "ready"), Err(StepError::Garbled(_))));
        assert!(matches!(judge(None, "ready"), Err(StepError::Garbled(_))));
    }
}
