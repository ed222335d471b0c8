//! `whoami`: which credential is used, and what it sees.

use flamenco_azure_core::arm::Request;
use serde_json::{Value, json};

use crate::failure::{Exit, Outcome};
use crate::printer::Mode;
use crate::session::Session;

/// Runs `whoami`.
pub async fn run(session: &Session) -> Outcome {
    let list = Request::get("/subscriptions").api_version("2022-12-01");
    let subscriptions = session.client.list(&list).await?;
    let used = session.identity.describe();
    if session.printer.mode() == Mode::Json {
        session.printer.event("whoami", json!({"credential": used, "subscriptions": subscriptions}));
        return Ok(Exit::Done);
    }
    session.printer.result(format!("signed in by: {used}"));
    if subscriptions.is_empty() {
        session.printer.warn("it sees no subscription: ask for a role on one, or `az login` elsewhere");
    }
    let text = |s: &Value, key: &str| s.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for subscription in &subscriptions {
        session.printer.result(format!(
            "  {}  {} ({})",
            text(subscription, "subscriptionId"),
            text(subscription, "displayName"),
            text(subscription, "state")
        ));
    }
    Ok(Exit::Done)
}
