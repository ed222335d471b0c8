//! How an operation ended, read from raw answers by a few lines that share nothing with the client.

use flamenco_azure_core::arm::{ArmError, Method, Response};

use crate::recording::Interaction;

/// How an operation ended.
#[derive(Debug, Clone)]
pub(super) enum Truth {
    /// Well.
    Succeeded,
    /// With an error; the client's is at hand.
    Failed(Option<Box<ArmError>>),
    /// The recording does not show the end.
    Open,
}

/// What the recording itself says.
pub(super) fn of(method: Method, first: &Response, polls: &[&Interaction]) -> Truth {
    let linked = ["azure-asyncoperation", "location"].iter().any(|name| first.headers.get(name).is_some());
    let mut truth = if linked && first.status != 204 { Truth::Open } else { said(method, first) };
    for poll in polls {
        // After the end only the result is read.
        if matches!(truth, Truth::Open) {
            truth = said(method, &poll.response);
        }
    }
    truth
}

fn said(method: Method, answer: &Response) -> Truth {
    let body = answer.body.as_ref();
    let state = body.and_then(|b| b["status"].as_str().or(b["properties"]["provisioningState"].as_str()));
    match (answer.status, state.map(str::to_lowercase).as_deref()) {
        (404, _) if method == Method::Delete => Truth::Succeeded,
        (408 | 429 | 500.., _) => Truth::Open,
        (400.., _) | (_, Some("failed" | "canceled")) => Truth::Failed(None),
        (202, _) => Truth::Open,
        (_, Some("succeeded") | None) => Truth::Succeeded,
        _ => Truth::Open,
    }
}

/// What differs.
pub(super) fn compare(ours: Truth, truth: Truth, state: &str) -> Vec<String> {
    match (ours, truth) {
        (Truth::Succeeded, Truth::Succeeded) | (Truth::Open, Truth::Open) => Vec::new(),
        (Truth::Failed(error), Truth::Failed(_)) => {
            error.map(|error| super::judge_error(&error, 200)).unwrap_or_default()
        }
        // The answer shows the finished resource beside a link that nobody polled.
        (Truth::Succeeded, Truth::Open) if state.eq_ignore_ascii_case("succeeded") => Vec::new(),
        (ours, truth) => vec![format!("the operation ended {}, recorded: {}", word(&ours), word(&truth))],
    }
}

fn word(truth: &Truth) -> String {
    match truth {
        Truth::Succeeded => "well".to_owned(),
        Truth::Failed(None) => "badly".to_owned(),
        Truth::Failed(Some(error)) => format!("badly ({error})"),
        Truth::Open => "nowhere".to_owned(),
    }
}
