//! What a pass says, for people and for programs.

use serde_json::{Value, json};
use vmss_scaler::scaler::{Ending, Pass, Standing};
use vmss_scaler::{Action, Decision};

use crate::printer::{Mode, Printer};

/// "27 of 30 nodes up", with what is on its way.
pub(super) fn counts(decision: &Decision) -> String {
    let Some(target) = decision.target else { return format!("{} nodes up, no target", decision.nodes) };
    let coming = decision.pledged.saturating_sub(decision.nodes);
    let coming = if coming > 0 { format!(", {coming} on their way") } else { String::new() };
    format!("{} of {target} nodes up{coming}", decision.nodes)
}

/// An action in one line; long lists of machines are cut.
pub(super) fn action(action: &Action) -> String {
    const MANY: usize = 6;
    let Action::Delete { set, victims } = action else { return action.to_string() };
    let mut named: Vec<String> =
        victims.iter().take(MANY).map(|one| format!("{} ({})", one.instance, one.why)).collect();
    if victims.len() > MANY {
        named.push(format!("and {} more", victims.len() - MANY));
    }
    format!("delete from {set}: {}", named.join(", "))
}

/// Prints what happened in a pass; nothing where nothing did and nothing is wrong.
pub(super) fn show(printer: Printer, pool: &str, time: &str, pass: &Pass) {
    if printer.mode() == Mode::Json {
        printer.event("pass", event(pool, time, pass));
        return;
    }
    if let Standing::Waiting { by } = &pass.standing {
        printer.result(format!("{time}  {pool}: waits, {by} leads"));
        return;
    }
    for trouble in pass.malformed.iter().chain(&pass.troubles).chain(&pass.failed) {
        printer.warn(format!("{time}  {pool}: {trouble}"));
    }
    let Some(decision) = &pass.decision else { return };
    let mut line = format!("{time}  {pool}: {}", counts(decision));
    if pass.counted > 0 {
        line.push_str(&format!("; {} asked to go", pass.counted));
    }
    printer.result(line);
    for done in &pass.done {
        let outcome = match done.outcome {
            Ending::Accepted => String::new(),
            ending if done.words.is_empty() => format!(" [{}]", ending.as_str()),
            ending => format!(" [{}: {}]", ending.as_str(), done.words),
        };
        printer.result(format!("          {}: {}{outcome}", action(&done.planned.action), done.planned.why));
    }
    for note in &decision.notes {
        printer.info(format!("          {note}"));
    }
}

/// A pass as an event for programs.
fn event(pool: &str, time: &str, pass: &Pass) -> Value {
    let standing = match &pass.standing {
        Standing::Leading => json!("leading"),
        Standing::Waiting { by } => json!({"waiting": by}),
        Standing::Unsure => json!("unsure"),
    };
    let done: Vec<Value> = pass
        .done
        .iter()
        .map(|done| {
            json!({
                "action": done.planned.action.to_string(),
                "why": done.planned.why.to_string(),
                "outcome": done.outcome.as_str(),
                "words": done.words,
            })
        })
        .collect();
    let mut event = json!({
        "pool": pool, "time": time, "standing": standing, "done": done, "counted": pass.counted,
        "failed": pass.failed, "troubles": pass.troubles, "malformed": pass.malformed,
        "nextLook": pass.next_look.to_string(),
    });
    if let Some(decision) = &pass.decision {
        event["decision"] = self::decision(decision);
    }
    event
}

/// A decision for programs.
pub(super) fn decision(decision: &Decision) -> Value {
    let texts = |all: Vec<String>| json!(all);
    json!({
        "target": decision.target,
        "nodes": decision.nodes,
        "pledged": decision.pledged,
        "calm": decision.calm,
        "actions": texts(decision.actions.iter().map(ToString::to_string).collect()),
        "notes": texts(decision.notes.iter().map(ToString::to_string).collect()),
        "rejected": texts(decision.rejected.iter().map(ToString::to_string).collect()),
        "nextLook": decision.next_look.to_string(),
    })
}
