//! `scaler explain`: what would be done now, and why. Writes nothing.

use serde_json::json;
use vmss_scaler::State;
use vmss_scaler::reconcile::Why;
use vmss_scaler::target::Reading;

use super::{open, words};
use crate::args::ScalerPoolArgs;
use crate::failure::{Exit, Outcome};
use crate::printer::Mode;
use crate::scalers;
use crate::session::Session;

/// Runs `scaler explain`.
pub(super) async fn run(session: &Session, args: &ScalerPoolArgs) -> Outcome {
    let (file, pools) = open(session, args).await?;
    for pool in pools {
        let name = pool.policy.pool.clone();
        let seen =
            scalers::store(&session.client, &file, &pool)?.read_only().await.map_err(scalers::failed)?;
        let state = seen.and_then(|seen| seen.state).unwrap_or_else(|| State::starting(session.clock.now()));
        let mut scaler = scalers::scaler(&session.client, &file, pool, "explain")?;
        let (look, state, decision, (tag, reading)) = scaler.explain(state).await;
        let said = said(&tag, &reading);
        if session.printer.mode() == Mode::Json {
            let members = json!({
                "pool": name, "tag": said, "removed": state.count.removed, "troubles": look.troubles,
                "decision": words::decision(&decision),
            });
            session.printer.event("explained", members);
            continue;
        }
        let out = session.printer;
        out.result(format!("pool `{name}`: {}", words::counts(&decision)));
        let asked = if state.count.removed > 0 {
            format!("; {} asked to go since", state.count.removed)
        } else {
            String::new()
        };
        out.result(format!("  target  {said}{asked}"));
        for planned in &decision.actions {
            let why = match planned.why {
                Why::Victims => String::new(),
                ref why => format!(": {why}"),
            };
            out.result(format!("  would   {}{why}", words::action(&planned.action)));
        }
        if decision.actions.is_empty() {
            out.result("  would   do nothing");
        }
        for rejection in &decision.rejected {
            out.result(format!("  not     {rejection}"));
        }
        for note in &decision.notes {
            out.result(format!("  note    {note}"));
        }
        for trouble in &look.troubles {
            out.warn(trouble);
        }
    }
    Ok(Exit::Done)
}

/// What the tag says, in words.
pub(super) fn said(tag: &str, reading: &Reading) -> String {
    match reading {
        Reading::Nodes(nodes) => format!("tag {tag} says {nodes}"),
        Reading::Absent => format!("there is no tag {tag}: 0"),
        Reading::Malformed { tag, text, error } => {
            format!("tag {tag} says `{text}`: {error}; the last good number goes on")
        }
        _ => format!("tag {tag} could not be read; the last good number goes on"),
    }
}
