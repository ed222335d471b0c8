//! `doctor`: what a first real run needs, each thing with what was found and how to get what is missing.

mod live;

use batch_pool::wire::BATCH_API;
use flamenco_azure_core::arm::{ArmError, Kind, Request};
use flamenco_azure_core::spec::Farm;
use futures::future::{join, join_all};
use manager_vm::wire::RESOURCES_API;
use manager_vm::{desired, guest};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::failure::{Exit, Failure, Outcome, chain};
use crate::farmfile::FarmFile;
use crate::preflight::{self, Finding};
use crate::printer::Mode;
use crate::session::Session;
use crate::{farm, farmfile, files, show};

/// The resource providers that a farm is made by.
const PROVIDERS: &[&str] = &[
    "Microsoft.Batch",
    "Microsoft.Compute",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.Storage",
];

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// Works, but is worth knowing.
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    topic: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn good(topic: &'static str, found: impl Into<String>) -> Self {
        Self { topic, state: State::Good, found: found.into(), remedy: None }
    }

    fn note(topic: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { topic, state: State::Note, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn bad(topic: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { topic, state: State::Bad, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn failed(topic: &'static str, error: &ArmError) -> Self {
        let remedy = error.hint().map_or_else(|| "try again".to_owned(), |hint| hint.to_string());
        Self::bad(topic, chain(error), remedy)
    }
}

fn of_findings(topic: &'static str, findings: Vec<Finding>, good: &str) -> Vec<Check> {
    if findings.is_empty() {
        return vec![Check::good(topic, good)];
    }
    findings.into_iter().map(|finding| Check::bad(topic, finding.what, finding.remedy)).collect()
}

/// Runs `doctor`. Without `--live` it reads only: nothing is made or registered.
pub async fn run(session: &Session, args: &DoctorArgs) -> Outcome {
    if args.live {
        return live::run(session, args).await;
    }
    let mut checks = Vec::new();
    let file = session.farm_file(args.ssh_key.as_deref(), true);
    match &file {
        Ok(file) => checks.push(Check::good("farm file", farmfile::shown(&session.here, &file.path))),
        Err(error) => {
            let remedy = error.hint.clone().unwrap_or_else(|| "`flamenco-azure init` writes one".to_owned());
            checks.push(Check::bad("farm file", error.message.clone(), remedy));
        }
    }
    let file = file.ok();
    checks.extend(programs(session));
    checks.extend(key(file.as_ref()));
    match sign_in(session).await {
        Ok(check) => {
            checks.push(check);
            if let Some(file) = &file {
                let (azure, archives) = join(azure(session, &file.farm), archives(session, &file.farm)).await;
                checks.extend(azure);
                checks.extend(archives);
            }
        }
        Err(failure) => {
            checks.push(Check::bad("sign-in", failure.message, failure.hint.unwrap_or_default()));
        }
    }
    show(session, &checks);
    Ok(if checks.iter().any(|check| check.state == State::Bad) { Exit::User } else { Exit::Done })
}

fn show(session: &Session, checks: &[Check]) {
    let printer = session.printer;
    if printer.mode() == Mode::Json {
        printer.event("doctor", json!({"checks": checks}));
        return;
    }
    for check in checks {
        let mark = match check.state {
            State::Good => printer.paint("32;1", "ok  "),
            State::Note => printer.paint("33;1", "note"),
            State::Bad => printer.paint("31;1", "bad "),
        };
        printer.result(format!("  {mark}  {:<12} {}", check.topic, check.found));
        if let Some(remedy) = &check.remedy {
            printer.result(format!("                     -> {remedy}"));
        }
    }
    let bad = checks.iter().filter(|check| check.state == State::Bad).count();
    if bad == 0 {
        printer.result("everything that a first deploy needs is there");
        printer.info("  next     `flamenco-azure plan` shows what it would make and cost");
    } else {
        printer.result(format!("{} in the way; nothing was changed", show::count(bad, "thing")));
    }
}

async fn sign_in(session: &Session) -> Result<Check, Failure> {
    let list = Request::get("/subscriptions").api_version("2022-12-01");
    let seen = session.client.list(&list).await?.len();
    let found = format!("by {}; it sees {}", session.identity.describe(), show::count(seen, "subscription"));
    Ok(if seen > 0 {
        Check::good("sign-in", found)
    } else {
        Check::bad("sign-in", found, "ask for a role on a subscription, or `az login --tenant …` elsewhere")
    })
}

/// What Azure says before a first write.
async fn azure(session: &Session, farm: &Farm) -> Vec<Check> {
    let client = &session.client;
    match preflight::subscription(client, farm).await {
        Err(error) => return vec![Check::failed("subscription", &error)],
        Ok(findings) if !findings.is_empty() => return of_findings("subscription", findings, ""),
        Ok(_) => {}
    }
    let mut checks = vec![Check::good("subscription", format!("{}, {}", farm.subscription, farm.location))];
    checks.push(providers(session, farm).await);
    let group = farm.group_id();
    let read = futures::future::try_join(farm::observe(client, &group), preflight::sizes(client, farm)).await;
    let topics = match read {
        Ok((inventory, sizes)) => preflight::by_topic(client, farm, &inventory, &sizes).await,
        Err(error) => Err(error),
    };
    match topics {
        Err(error) => checks.push(Check::failed("azure", &error)),
        Ok(topics) => {
            for (topic, findings) in topics {
                let good = match topic {
                    "sizes" => "all sizes are open to this subscription",
                    "network" => "as the farm needs it",
                    "quotas" if farm.pools.is_empty() => "enough cores for the Manager",
                    "quotas" => "enough cores for the Manager (nodes: read when the Batch account exists)",
                    "names" => "all free, or the farm's own",
                    _ => "enough to make a farm",
                };
                checks.extend(of_findings(topic, findings, good));
            }
        }
    }
    if !farm.pools.is_empty() {
        checks.push(batch_accounts(session, farm).await);
    }
    checks
}

/// Registration happens with the first write; who may not register needs someone who may.
async fn providers(session: &Session, farm: &Farm) -> Check {
    let state = async |namespace: &'static str| {
        let path = format!("/subscriptions/{}/providers/{namespace}", farm.subscription);
        let body = session.client.get(&Request::get(path).api_version(RESOURCES_API)).await?;
        let state = body.as_ref().and_then(|body| body.get("registrationState")?.as_str());
        Ok::<_, ArmError>((namespace, state == Some("Registered")))
    };
    let states: Result<Vec<_>, _> =
        join_all(PROVIDERS.iter().map(|name| state(name))).await.into_iter().collect();
    match states {
        Err(error) => Check::failed("providers", &error),
        Ok(states) => {
            let missing: Vec<&str> = states.iter().filter(|(_, is)| !is).map(|(name, _)| *name).collect();
            if missing.is_empty() {
                return Check::good("providers", "all registered");
            }
            Check::note(
                "providers",
                format!("not registered yet: {}", missing.join(", ")),
                format!(
                    "the first deploy registers them; by hand: `az provider register --namespace {}`",
                    missing[0]
                ),
            )
        }
    }
}

/// How many Batch accounts the region still takes (<https://learn.microsoft.com/azure/batch/batch-quota-limit>).
async fn batch_accounts(session: &Session, farm: &Farm) -> Check {
    const TOPIC: &str = "batch";
    let base = format!("/subscriptions/{}/providers/Microsoft.Batch", farm.subscription);
    let quotas = Request::get(format!("{base}/locations/{}/quotas", farm.location)).api_version(BATCH_API);
    let accounts = Request::get(format!("{base}/batchAccounts")).api_version(BATCH_API);
    let read = join(session.client.get(&quotas), session.client.list(&accounts)).await;
    let (quota, accounts) = match read {
        (Ok(quota), Ok(accounts)) => (quota, accounts),
        (Err(error), _) | (_, Err(error)) => {
            // Before its provider is registered, Batch knows nothing.
            return if matches!(error.kind(), Kind::NotRegistered { .. }) {
                Check::note(TOPIC, "not known before Microsoft.Batch is registered", "see `providers`")
            } else {
                Check::failed(TOPIC, &error)
            };
        }
    };
    let limit = quota.as_ref().and_then(|body| body.get("accountQuota")?.as_u64());
    let here = |account: &&Value| {
        let location = account.get("location").and_then(Value::as_str).unwrap_or_default();
        location.replace(' ', "").eq_ignore_ascii_case(farm.location.as_str())
    };
    let used = accounts.iter().filter(here).count();
    let own = accounts.iter().any(|account| {
        account
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|n| n.eq_ignore_ascii_case(&farm.batch_account))
    });
    match limit {
        Some(limit) if used as u64 >= limit && !own => Check::bad(
            TOPIC,
            format!("{used} of {limit} Batch accounts in {} are in use", farm.location),
            "delete one, or ask for more: Azure portal > Help + support > Service and subscription limits > Batch",
        ),
        Some(limit) => Check::good(TOPIC, format!("{used} of {limit} accounts in {}", farm.location)),
        None => {
            Check::note(TOPIC, "the account quota could not be read", "`deploy` reads the core quota itself")
        }
    }
}

/// Whether the releases that the Manager will download are where it looks for them.
async fn archives(session: &Session, farm: &Farm) -> Vec<Check> {
    let releases = guest::releases(&desired::guest_config(farm));
    let urls = releases.iter().flat_map(|release| [release.url(), release.sums.clone()]);
    let missing: Vec<String> =
        join_all(urls.map(|url| unreachable(session, url))).await.into_iter().flatten().collect();
    if missing.is_empty() {
        let found = releases.iter().map(|release| release.folder.as_str()).collect::<Vec<_>>().join(", ");
        return vec![Check::good("archives", found)];
    }
    let remedy = "check `manager.flamencoVersion` and `blender.version`, and whether this machine's network lets these \
                  addresses through; the Manager downloads them itself";
    missing.into_iter().map(|what| Check::bad("archives", what, remedy)).collect()
}

async fn unreachable(session: &Session, url: String) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let request = Request::head(format!("/{path}")).public(format!("{scheme}://{host}"));
    match session.client.send(&request).await {
        Ok(_) => None,
        // A redirect to a mirror is followed by the Manager's curl.
        Err(error) if error.status().is_some_and(|status| (300..400).contains(&status)) => None,
        Err(error) if error.is_not_found() => Some(format!("{url} does not exist")),
        Err(error) => Some(format!("{url}: {}", chain(&error))),
    }
}

/// The programs that `ssh`, `tunnel` and `download` run.
fn programs(session: &Session) -> Vec<Check> {
    let there = |name: &str| files::on_path(session.environment.path(), name);
    let ssh = if there("ssh") {
        Check::good("ssh", "is installed")
    } else {
        Check::bad("ssh", "there is no `ssh` on the search path", "install OpenSSH's client")
    };
    let rsync = if there("rsync") {
        Check::good("download", "rsync is installed")
    } else {
        Check::note(
            "download",
            "there is no `rsync`: `download` uses sftp",
            "install rsync for faster repeats",
        )
    };
    vec![ssh, rsync]
}

fn key(file: Option<&FarmFile>) -> Option<Check> {
    let key = file?.farm.manager.ssh_public_key.as_ref();
    Some(match key {
        Some(key) => {
            let text = key.as_str();
            let comment = text.split_whitespace().nth(2).unwrap_or("without a comment");
            Check::good(
                "ssh key",
                format!("{} {comment}", text.split_whitespace().next().unwrap_or_default()),
            )
        }
        None => Check::bad(
            "ssh key",
            "there is none in the farm file, the agent or ~/.ssh",
            "`ssh-keygen -t ed25519` makes one; `manager.sshPublicKey` or --ssh-key names another",
        ),
    })
}
