//! `doctor --live`: a small farm of its own, on which the assumptions are tried that no document settles, and which is
//! removed at the end whatever happens.

mod probes;
mod report;

use std::path::Path;
use std::time::Duration;

use flamenco_azure_core::ids::{Location, SubscriptionId};
use flamenco_azure_core::spec::{FarmSpec, Overrides, validate};
use serde_json::json;

use self::probes::{Finding, Verdict};
use crate::args::{DeployArgs, DoctorArgs, TeardownArgs};
use crate::commands::{deploy, teardown};
use crate::failure::{Exit, Failure, Outcome};
use crate::session::Session;
use crate::{cost, farmfile, files, progress};

/// The trial is over after this time, whatever is still unknown.
const LONGEST: Duration = Duration::from_mins(90);

/// Runs the trial.
pub(super) async fn run(session: &Session, args: &DoctorArgs) -> Outcome {
    let place = session.here.join(".flamenco-azure/doctor");
    let trial = session.elsewhere(place.clone());
    let file = place.join("azure_config.yaml");
    if file.exists() {
        session.printer.info("an earlier trial did not reach its end: what is left of it is removed first");
        clear(&trial, &place).await?;
    }
    let (subscription, location) = farmfile::subscription_and_location(&session.here, &session.global)?;
    let key = args.ssh_key.as_ref().map(|path| files::read(&session.here.join(path))).transpose()?;
    let text = farm_file(session, &subscription, &location, key.as_deref());
    within_cap(session, &text, args.max_usd).await?;
    if !args.yes && !session.ask.confirm("Make this farm, try it out, and remove it again?", "--yes").await? {
        session.printer.info("nothing was changed");
        return Ok(Exit::User);
    }
    // The farm file is written before anything is made: it is how a later run finds what a killed one left.
    files::write_private(&file, &text)?;
    let begun = session.clock.now();
    let mut findings = tried(&trial).await;
    if let Err(failure) = clear(&trial, &place).await {
        let hint = format!("`flamenco-azure teardown --config {}` removes it", file.display());
        findings.push(Finding::new("nothing is left", Verdict::Refuted, failure.message.clone()));
        report::write(session, args, (&subscription, &location), begun, &findings)?;
        return Err(failure.hint(hint));
    }
    report::write(session, args, (&subscription, &location), begun, &findings)?;
    let unknown = findings.iter().any(|finding| finding.verdict == Verdict::Unknown);
    progress::finished(session.printer, "doctor", session.clock.now().duration_since(begun).unsigned_abs());
    Ok(if unknown { Exit::Azure } else { Exit::Done })
}

/// A farm of the smallest sizes. Nobody is admitted: 192.0.2.1 is an address of documentation (RFC 5737), there so that
/// port 80 is open to certificate authorities.
fn farm_file(
    session: &Session,
    subscription: &SubscriptionId,
    location: &Location,
    key: Option<&str>,
) -> String {
    let key = key.map(|key| format!("  sshPublicKey: {}\n", json!(key.trim()))).unwrap_or_default();
    let stamp = session.clock.now().strftime("%y%m%d%H%M").to_string();
    format!(
        "# A trial of `flamenco-azure doctor --live`.\n\
         defaultName: doctor\n\
         subscriptionID: {subscription}\n\
         location: {location}\n\
         resourceGroup: flamenco-doctor-{stamp}\n\
         storageAccountName: fdoctor{stamp}\n\
         batchAccountName: fdoctor{stamp}\n\
         virtualMachine: fdoctor-{stamp}\n\
         manager:\n  access: {{ssh: [], web: [192.0.2.1/32]}}\n{key}\
         pools:\n  - {{name: trial, vmSize: Standard_D2as_v5, dedicated: 1, spot: 1, maxNodes: 2}}\n"
    )
}

/// Refuses a trial that could cost more than the cap if it took as long as it may.
async fn within_cap(session: &Session, text: &str, cap: f64) -> Outcome<()> {
    let overrides = Overrides { allow_world: false, today: session.clock.now() };
    let spec = FarmSpec::parse("doctor", text).map_err(flamenco_azure_core::Error::from)?;
    let (farm, _) = validate(&spec, &overrides).map_err(flamenco_azure_core::Error::from)?;
    let book = cost::prices(session, &farm).await.ok_or_else(|| {
        Failure::azure("the price list could not be read, so the trial's cost is not known")
            .hint("try again later: nothing was made")
    })?;
    let hourly: f64 = cost::bill(&farm, book).iter().map(|line| line.running).sum();
    let most = hourly * LONGEST.as_secs_f64() / 3600.0;
    session.printer.info(format!(
        "a small farm in a resource group of its own, `{}` ({}), for at most {} minutes: ${most:.2} at most, at list \
         prices",
        farm.group_id().name(),
        farm.location,
        LONGEST.as_secs() / 60
    ));
    if most <= cap {
        return Ok(());
    }
    Err(Failure::user(format!("the trial may cost ${most:.2}, more than ${cap:.2}"))
        .hint("`--max-usd` raises the cap; nothing was made"))
}

/// Makes the farm and tries what can be tried in the time.
async fn tried(trial: &Session) -> Vec<Finding> {
    let deploy = DeployArgs { yes: true, ..DeployArgs::default() };
    let mut findings = Vec::new();
    let work = async {
        match deploy::run(trial, &deploy).await {
            Ok(_) => probes::all(trial, &mut findings).await,
            Err(failure) => {
                findings.push(Finding::new("a farm can be made", Verdict::Unknown, failure.message));
            }
        }
    };
    let late = tokio::select! {
        biased;
        () = work => false,
        () = trial.clock.sleep(LONGEST) => true,
    };
    if late {
        let minutes = LONGEST.as_secs() / 60;
        findings.push(Finding::new("time", Verdict::Unknown, format!("not done after {minutes} minutes")));
    }
    findings
}

/// Removes a trial, and then the place that names it.
async fn clear(trial: &Session, place: &Path) -> Outcome<()> {
    probes::clear(trial).await;
    teardown::run(trial, TeardownArgs { yes: true, keep_data: false }).await?;
    std::fs::remove_dir_all(place)
        .map_err(|error| Failure::user(format!("could not remove `{}`: {error}", place.display())))
}
