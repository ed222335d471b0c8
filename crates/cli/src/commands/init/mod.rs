//! `init`: asks little, derives the rest, shows it on one editable summary, and writes the farm file.
//!
//! Every answer is judged at once (naming rules, then Azure) and saved at once, so stopping anywhere loses nothing and
//! running again asks only for what is missing. In a pipe the questions come in the order of [`field::ROWS`], one line
//! each; a bad answer takes another line.

mod azure;
mod draft;
mod field;
mod interview;
mod judge;
mod summary;

use flamenco_azure_core::spec::Overrides;
use serde_json::json;

use crate::args::InitArgs;
use crate::ask::Asker;
use crate::failure::{Exit, Outcome};
use crate::farmfile;
use crate::session::Session;

use draft::Draft;
use field::Field;
use interview::Interview;

/// Runs `init`.
pub async fn run(session: &Session, args: &InitArgs) -> Outcome {
    let path = farmfile::path(&session.here, &session.global);
    let overrides = Overrides { allow_world: args.allow_world, today: session.clock.now() };
    let draft = Draft::open(path, &session.here, overrides)?;
    let printer = session.printer;
    if session.ask != Asker::Nobody {
        let what = if draft.exists() { "Completing" } else { "A few questions for" };
        printer.info(format!(
            "{what} the farm file `{}`. Answers are saved at once; Ctrl-C stops.\n",
            draft.name
        ));
    }
    let mut interview = Interview::begin(session, args, draft).await?;
    interview.complete().await?;
    if args.yes || session.ask == Asker::Nobody {
        for line in interview.lines() {
            printer.info(format!("  {}", line.text));
        }
    } else {
        interview.review().await?;
    }
    let draft = interview.finish()?;
    closing_words(session, &draft);
    Ok(Exit::Done)
}

fn closing_words(session: &Session, draft: &Draft) {
    let printer = session.printer;
    let simulated = session.simulator.is_some();
    let next = |command| summary::next_command(command, &session.global, simulated);
    printer.info("");
    printer.result(format!("The farm file `{}` is complete.", draft.name));
    if summary::is_shut(draft) {
        printer.info(format!(
            "Nobody is admitted from outside: the Manager gets an address that answers no one. Open it with\n  \
             {} --ssh-from RANGE --web-from RANGE",
            next("init")
        ));
    }
    printer.info("Next:");
    printer.info(format!("  {:<36} shows what would be made and what it costs", next("plan")));
    printer.info(format!("  {:<36} makes it", next("deploy")));
    printer.event("init", json!({"file": draft.name, "farm": draft.value(Field::Name)}));
}
