//! What a trial found, for the terminal and as a file that can be committed: it does not name the subscription.

use std::fmt::Write as _;

use flamenco_azure_core::ids::{Location, SubscriptionId};
use jiff::Timestamp;
use serde_json::json;

use super::probes::{Finding, Verdict};
use crate::args::DoctorArgs;
use crate::failure::Outcome;
use crate::files;
use crate::printer::Mode;
use crate::session::Session;

/// Prints the findings and writes the report.
pub(super) fn write(
    session: &Session,
    args: &DoctorArgs,
    (subscription, location): (&SubscriptionId, &Location),
    begun: Timestamp,
    findings: &[Finding],
) -> Outcome<()> {
    let printer = session.printer;
    if printer.mode() == Mode::Json {
        printer.event("trial", json!({"findings": findings}));
    }
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Confirmed => printer.paint("32;1", "confirmed"),
            Verdict::Refuted => printer.paint("31;1", "refuted  "),
            Verdict::Unknown => printer.paint("33;1", "unknown  "),
        };
        printer.result(format!("  {mark}  {}\n             {}", finding.assumption, finding.seen));
    }
    let day = begun.strftime("%Y-%m-%d").to_string();
    let path = args.report.clone().unwrap_or_else(|| format!("flamenco-azure-doctor-{day}.md").into());
    let whole = session.here.join(path);
    let text = markdown(session, location, begun, &day, findings);
    files::write_private(&whole, &text.replace(&subscription.to_string(), "SUBSCRIPTION"))?;
    printer.info(format!("  report   {}", whole.display()));
    Ok(())
}

fn markdown(
    session: &Session,
    location: &Location,
    begun: Timestamp,
    day: &str,
    findings: &[Finding],
) -> String {
    let minutes = session.clock.now().duration_since(begun).unsigned_abs().as_secs().div_ceil(60);
    let azure = if session.simulator.is_some() { "the simulated Azure" } else { "Azure" };
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "# What {azure} does\n\nTried on {day} in {location} by `flamenco-azure doctor --live` {version}, in {minutes} \
         minutes.\n\n| assumption | verdict | what was seen |\n|---|---|---|\n"
    );
    for Finding { assumption, verdict, seen } in findings {
        let verdict = match verdict {
            Verdict::Confirmed => "confirmed",
            Verdict::Refuted => "**refuted**",
            Verdict::Unknown => "unknown",
        };
        let seen = seen.replace('|', "\\|").replace('\n', " ");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {assumption} | {verdict} | {seen} |");
    }
    text
}
