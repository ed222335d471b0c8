//! What a pass says, for people and for programs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vmss_scaler::reconcile::Why;
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

/// An action in one line. Machines are named by what tells them apart within their set, and long lists are cut.
pub(super) fn action(action: &Action) -> String {
    const MANY: usize = 5;
    let Action::Delete { set, victims } = action else { return action.to_string() };
    let mut by_why: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for victim in victims {
        let short = victim.instance.strip_prefix(set.as_str()).map(|rest| rest.trim_start_matches('_'));
        by_why.entry(victim.why.to_string()).or_default().push(short.unwrap_or(&victim.instance));
    }
    let group = |(why, machines): (String, Vec<&str>)| {
        let named = machines.iter().take(MANY).copied().collect::<Vec<_>>().join(", ");
        let more = machines.len().saturating_sub(MANY);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{named}{more} ({why})")
    };
    let groups: Vec<String> = by_why.into_iter().map(group).collect();
    format!("delete {} from {set}: {}", crate::show::count(victims.len(), "node"), groups.join("; "))
}

/// What the last pass of a pool told: only news are told again.
#[derive(Debug, Default)]
pub struct Told {
    counts: Option<String>,
    standing: Option<Standing>,
    words: BTreeSet<String>,
}

/// Prints what is new in a pass.
pub(super) fn show(printer: Printer, pool: &str, time: &str, pass: &Pass, told: &mut Told) {
    let notes: Vec<String> =
        pass.decision.iter().flat_map(|decision| &decision.notes).map(ToString::to_string).collect();
    let troubles: Vec<&String> = pass.malformed.iter().chain(&pass.troubles).collect();
    let counts = pass.decision.as_ref().map(counts);
    let words: BTreeSet<String> = notes.iter().cloned().chain(troubles.iter().copied().cloned()).collect();
    let moved = counts != told.counts || told.standing.as_ref() != Some(&pass.standing) || pass.counted > 0;
    let fresh = |text: &str| !told.words.contains(text);
    let news =
        moved || !pass.done.is_empty() || !pass.failed.is_empty() || words.iter().any(|text| fresh(text));
    if news && printer.mode() == Mode::Json {
        printer.event("pass", event(pool, time, pass));
    } else if news {
        for trouble in troubles.into_iter().filter(|text| fresh(text)).chain(&pass.failed) {
            printer.warn(format!("{time}  {pool}: {trouble}"));
        }
        if let Standing::Waiting { by } = &pass.standing {
            printer.result(format!("{time}  {pool}: waits, {by} leads"));
        }
        if let Some(counts) = &counts {
            let asked =
                if pass.counted > 0 { format!("; {} asked to go", pass.counted) } else { String::new() };
            printer.result(format!("{time}  {pool}: {counts}{asked}"));
        }
        for done in &pass.done {
            let outcome = match done.outcome {
                Ending::Accepted => String::new(),
                ending if done.words.is_empty() => format!(" [{}]", ending.as_str()),
                ending => format!(" [{}: {}]", ending.as_str(), done.words),
            };
            // The reasons of deletions are with the machines.
            let why = match done.planned.why {
                Why::Victims => String::new(),
                ref why => format!(": {why}"),
            };
            printer.result(format!("          {}{why}{outcome}", action(&done.planned.action)));
        }
        for note in notes.iter().filter(|text| fresh(text)) {
            printer.result(format!("          {note}"));
        }
    }
    *told = Told { counts, standing: Some(pass.standing.clone()), words };
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
