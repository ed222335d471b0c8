//! `app`: application packages of the farm's Batch account.

use std::path::Path;
use std::sync::Arc;

use batch_pool::packages::limits::application_id;
use batch_pool::packages::{
    self, BatchPackages, BlobOptions, FetchError, PackError, PackOptions, PackageId, Packages, Packed,
    PushError, Pushed,
};
use batch_pool::rollout::references_of;
use batch_pool::wire;
use flamenco_azure_core::error::chain;
use flamenco_azure_core::inventory::Inventory;
use indicatif::HumanBytes;
use serde_json::json;

use crate::args::{AppCommand, AppDefaultArgs, AppPushArgs, AppRemoveArgs};
use crate::auto_storage::{self, Held};
use crate::failure::{Exit, Failure, Outcome};
use crate::printer::Mode;
use crate::roles::until_admitted;
use crate::session::{Session, Target};

/// Runs `app …`.
pub async fn run(session: &Session, command: &AppCommand) -> Outcome {
    // What cannot be an id is wrong whatever the farm is.
    match command {
        AppCommand::Push(args) => push(session, args, &id(&args.id, &args.version)?).await,
        AppCommand::List => list(session).await,
        AppCommand::Default(args) => default(session, args, &id(&args.id, &args.version)?).await,
        AppCommand::Remove(args) => remove(session, args).await,
    }
}

fn id(application: &str, version: &str) -> Outcome<PackageId> {
    PackageId::new(application, version).map_err(|error| Failure::user(error.to_string()))
}

/// The packages of the farm's Batch account, which has a place for them.
async fn packages(session: &Session) -> Outcome<(Target, Inventory, BatchPackages)> {
    let (target, inventory) = session.target().await?;
    let packages = of_account(session, &target, &inventory)?;
    packages.storage().await.map_err(failed)?;
    Ok((target, inventory, packages))
}

/// The packages of the farm's Batch account, whether or not it has a place for them.
fn of_account(session: &Session, target: &Target, inventory: &Inventory) -> Outcome<BatchPackages> {
    let account = target.resources(inventory, wire::ACCOUNT).next();
    let account = account.ok_or_else(|| {
        Failure::user(format!("farm `{}` has no Batch account", target.farm))
            .hint("a Batch pool in the farm file brings one: `flamenco-azure deploy`")
    })?;
    Ok(BatchPackages::new(session.client.clone(), account.id.clone()))
}

async fn push(session: &Session, args: &AppPushArgs, id: &PackageId) -> Outcome {
    let (target, inventory) = session.target().await?;
    let packages = of_account(session, &target, &inventory)?;
    let first = match packages.storage().await {
        Err(PushError::NoAutoStorage { .. }) => true,
        found => {
            found.map_err(failed)?;
            false
        }
    };
    // Before minutes are spent on packing.
    let application = if first { None } else { packages::check(&packages, id).await.map_err(failed)? };
    let packed = packed(session, args, id).await?;
    if packed.programs().is_empty() {
        session.printer.warn("no executable is at its top level, where nodes look for them");
    }
    if first {
        // What cannot be packed is refused before anything is made.
        auto_storage::make(session, &target, &inventory, args.yes).await?;
    }
    let blobs = BlobOptions::of(&session.client);
    let reporter = &*session.reporter;
    let push = async || packages::push(&packages, &blobs, id, &packed, args.replace, reporter).await;
    let pushed = match push().await {
        Err(error) if error.is_forbidden() || error.is_batch_forbidden() => {
            let held = Held::look(session, &target).await?;
            let whose = |error: &PushError| held.whose(error);
            if whose(&error).is_some() { until_admitted(session, whose, push).await } else { Err(error) }
        }
        pushed => pushed,
    };
    let pushed = pushed.map_err(failed)?;
    let (sent, kept) = match pushed {
        Pushed::Sent { sent, kept } => (sent, kept),
        _ => (0, 0),
    };
    let members = json!({
        "application": id.application(), "version": id.version(), "bytes": packed.size(),
        "sha256": packed.sha256(), "programs": packed.programs(), "sent": sent, "kept": kept,
    });
    session.printer.event("app-pushed", members);
    session.printer.result(match pushed {
        Pushed::Sent { kept: 0, .. } => format!("{id}: {} sent, ready for nodes", HumanBytes(sent)),
        Pushed::Sent { .. } => {
            format!("{id}: {} sent, {} were there, ready for nodes", HumanBytes(sent), HumanBytes(kept))
        }
        Pushed::Activated => format!("{id}: all of it was there, ready for nodes now"),
        Pushed::AlreadyThere => format!("{id}: nothing to do, the same content is there"),
    });
    if application.is_none_or(|application| application.default_version.is_none()) {
        let choose = format!("`flamenco-azure app default {} {}`", id.application(), id.version());
        session.printer.info(format!("pools that name no version get none yet: {choose}"));
    }
    Ok(Exit::Done)
}

/// Fetches if need be, and packs, beside the runtime.
async fn packed(session: &Session, args: &AppPushArgs, id: &PackageId) -> Outcome<Packed> {
    let options = PackOptions { sha256: args.sha256.clone(), ..PackOptions::default() };
    let reporter = Arc::clone(&session.reporter);
    let what = id.to_string();
    let source = args.source.as_str();
    let job = if source.contains("://") {
        if session.simulator.is_some() {
            return Err(Failure::user("a simulated Azure is not connected: give a folder or archive here"));
        }
        let archive =
            packages::fetch(source, &options.work, options.limits.unpacked, None, &*session.reporter).await;
        let archive = archive.map_err(|error| unfetched(&error))?;
        let name = packages::shown_source(source);
        tokio::task::spawn_blocking(move || {
            packages::pack_archive(archive, Path::new(&name), &options, &what, &*reporter)
        })
    } else {
        let path = session.here.join(source);
        tokio::task::spawn_blocking(move || packages::pack(&path, &options, &what, &*reporter))
    };
    let packed = job.await.map_err(|error| Failure::bug(&error.into()))?;
    packed.map_err(|error: PackError| Failure::user(chain(&error)))
}

fn unfetched(error: &FetchError) -> Failure {
    let failure = Failure::user(chain(error));
    match error {
        FetchError::Connection { .. } | FetchError::Short { .. } => {
            failure.hint("try again, or fetch it yourself and give its path")
        }
        _ => failure,
    }
}

async fn list(session: &Session) -> Outcome {
    let (_, _, packages) = packages(session).await?;
    let applications = packages.applications().await.map_err(failed)?;
    let json = session.printer.mode() == Mode::Json;
    if applications.is_empty() && !json {
        session.printer.result("no applications; `flamenco-azure app push` brings one");
    }
    for application in applications {
        let versions = packages.packages(&application.id).await.map_err(failed)?;
        if json {
            let versions: Vec<_> = versions
                .iter()
                .map(|v| json!({"version": v.version, "active": v.active, "activated": v.activated}))
                .collect();
            let members = json!({
                "application": application.id, "default": application.default_version, "versions": versions,
            });
            session.printer.event("app", members);
            continue;
        }
        session.printer.result(match &application.default_version {
            Some(version) => format!("{}, default {version}", application.id),
            None => format!("{}, no default", application.id),
        });
        for version in versions {
            let since = version.activated.map(|at| format!(" since {at}")).unwrap_or_default();
            let state = if version.active {
                format!("ready{since}")
            } else {
                "not uploaded to its end: push it again, or remove it".to_owned()
            };
            session.printer.result(format!("  {:<16} {state}", version.version));
        }
    }
    Ok(Exit::Done)
}

async fn default(session: &Session, args: &AppDefaultArgs, id: &PackageId) -> Outcome {
    let (_, _, packages) = packages(session).await?;
    if !packages.package(id).await.map_err(failed)?.is_some_and(|package| package.active) {
        let (application, version) = (args.id.clone(), args.version.clone());
        return Err(failed(PushError::NoPackage { application, version }));
    }
    packages.set_default(id).await.map_err(failed)?;
    session.printer.event("app-default", json!({"application": args.id, "version": args.version}));
    session.printer.result(format!("{}: pools that name no version get {}", args.id, args.version));
    session.printer.info("nodes that are there keep what they have until they are reimaged");
    Ok(Exit::Done)
}

async fn remove(session: &Session, args: &AppRemoveArgs) -> Outcome {
    application_id(&args.id).map_err(|error| Failure::user(error.to_string()))?;
    let one = args.version.as_deref().map(|version| id(&args.id, version)).transpose()?;
    let (target, inventory, packages) = packages(session).await?;
    let applications = packages.applications().await.map_err(failed)?;
    if applications.iter().all(|application| !application.id.eq_ignore_ascii_case(&args.id)) {
        return Err(failed(PushError::NoApplication { application: args.id.clone() }));
    }
    let versions = packages.packages(&args.id).await.map_err(failed)?;
    let mut versions: Vec<String> = versions.into_iter().map(|package| package.version).collect();
    if let Some(one) = &one {
        versions.retain(|version| version.eq_ignore_ascii_case(one.version()));
        if versions.is_empty() {
            let (application, version) = (args.id.clone(), one.version().to_owned());
            return Err(failed(PushError::NoPackage { application, version }));
        }
    }
    let default = applications.iter().find(|one| one.id.eq_ignore_ascii_case(&args.id));
    let default = default.and_then(|application| application.default_version.as_deref());
    if !args.force {
        unused(&target, &inventory, &args.id, &versions, default)?;
    }
    let what = match one {
        Some(one) => one.to_string(),
        None if versions.is_empty() => args.id.clone(),
        None => format!("{} with {}", args.id, versions.join(", ")),
    };
    let question = format!("Remove {what}? Nodes that start later cannot have it.");
    if !args.yes && !session.ask.confirm(&question, "--yes").await? {
        return Err(Failure::user("nothing was removed"));
    }
    for version in &versions {
        packages.remove(&id(&args.id, version)?).await.map_err(failed)?;
    }
    if args.version.is_none() {
        packages.remove_application(&args.id).await.map_err(failed)?;
    }
    session.printer.event("app-removed", json!({"application": args.id, "versions": versions}));
    session.printer.result(format!("{what}: removed"));
    Ok(Exit::Done)
}

/// Refuses to take packages away from pools: nodes that boot later could not be made.
fn unused(
    target: &Target,
    inventory: &Inventory,
    application: &str,
    versions: &[String],
    default: Option<&str>,
) -> Outcome<()> {
    for pool in target.resources(inventory, wire::POOL) {
        for reference in references_of(&pool.body) {
            let named = &reference.application;
            let version = reference.version.as_deref().or(default).unwrap_or_default();
            let meant = versions.iter().any(|one| one.eq_ignore_ascii_case(version));
            if named.eq_ignore_ascii_case(application) && meant {
                return Err(Failure::user(format!("pool `{}` refers to {application} {version}", pool.id.name()))
                    .hint(
                        "nodes that boot later would be unusable: take it out of the pool's `packages` and deploy \
                         first, or choose another default; --force removes it all the same",
                    ));
            }
        }
    }
    Ok(())
}

/// A failure with what to do about it.
fn failed(error: PushError) -> Failure {
    let message = chain(&error);
    let hint = match error {
        error if error.is_batch_forbidden() => {
            return Failure::azure(message).hint(
                "the auto-storage account does not admit the identity of the Batch account: it needs the role Storage Blob \
                 Data Contributor there; `flamenco-azure deploy` assigns it, or prints the command for an administrator",
            );
        }
        PushError::Azure { source, .. } => return Failure { message, ..Failure::from(source) },
        PushError::NoAutoStorage { .. } => {
            "the first `flamenco-azure app push` makes it, or `deploy` with `packages` in a pool".to_owned()
        }
        PushError::Applications { .. } | PushError::Packages { .. } => {
            "`flamenco-azure app remove` makes room".to_owned()
        }
        PushError::Taken { .. } | PushError::Unseen { .. } => {
            "give it another --version; or --replace, and nodes that have it keep the old content".to_owned()
        }
        PushError::Frozen { .. } => "give it another --version".to_owned(),
        PushError::Unfinished { .. } => {
            "give it another --version; or finish that upload, or wait: Azure forgets it after a week"
                .to_owned()
        }
        PushError::NoApplication { .. } | PushError::NoPackage { .. } => {
            "`flamenco-azure app list` shows what there is".to_owned()
        }
        PushError::Blob(error) if error.is_forbidden() => {
            return Failure::azure(message).hint(
                "the auto-storage account does not admit you: you need the role Storage Blob Data Contributor on it, \
                 and its firewall has to let you in",
            );
        }
        _ => {
            return Failure::azure(message).hint("run the same command again: it goes on where it was");
        }
    };
    Failure::user(message).hint(hint)
}
