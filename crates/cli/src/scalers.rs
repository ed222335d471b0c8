//! Scalers of a session: from the farm file, or from the scaler's own where it stands alone.

use std::path::Path;
use std::sync::Arc;

use flamenco_azure_core::arm::ArmClient;
use flamenco_azure_core::pool::WorkerPool as _;
use futures::future::{join, join_all};
use tokio::sync::mpsc;
use vmss_scaler::file::ScalerFile;
use vmss_scaler::queue::DeletionQueue;
use vmss_scaler::run::{Control, run};
use vmss_scaler::scaler::Pool;
use vmss_scaler::skus::Catalog;
use vmss_scaler::store::StateBlob;
use vmss_scaler::{Parts, ScaleSetFleet, Scaler, wire};

use crate::failure::{Failure, Outcome};
use crate::fleets::{self, storage};
use crate::session::Session;
use crate::{farm, files};

/// Reads a scaler's own file.
pub fn read_file(path: &Path) -> Outcome<ScalerFile> {
    let text = files::read(path)?;
    parse(&text).map_err(|error| {
        Failure::user(format!("`{}` is no scaler's file: {error}", path.display()))
            .hint("docs/scaler.md describes it; `flamenco-azure deploy` writes it on the Manager")
    })
}

/// Reads the text of a scaler's own file. JSON is YAML.
pub fn parse(text: &str) -> Result<ScalerFile, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// The file's pools with what Azure says about their sizes; everything that is wrong at once.
pub async fn pools(client: &ArmClient, file: &ScalerFile) -> Outcome<Vec<Pool>> {
    let items = client.list(&wire::skus(&file.subscription, &file.location)).await?;
    file.pools(&Catalog::read(&items, file.location.as_str())).map_err(|findings| {
        let lines: Vec<String> =
            findings.iter().map(|one| format!("  {}: {}", one.field, one.what)).collect();
        let remedies: Vec<&str> = findings.iter().map(|one| one.remedy.as_str()).collect();
        Failure::user(format!("the scaler cannot start; nothing was changed:\n{}", lines.join("\n")))
            .hint(remedies.join("; "))
    })
}

/// The scaler's file of the farm file's farm, as `deploy` puts it on the Manager; whoever runs it signs in as they do.
pub async fn farm_file(session: &Session) -> Outcome<ScalerFile> {
    let farm = session.standing_farm()?.farm;
    if farm.fleets.is_empty() {
        return Err(Failure::user(format!("farm `{}` has no pool of scale sets", farm.name))
            .hint("give a pool `kind: vmss` in the farm file and deploy it"));
    }
    let inventory = farm::observe(&session.client, &farm.group_id()).await?;
    fleets::scaler_file(&farm, &inventory, None)
}

/// Where a pool's state is.
pub fn store(client: &ArmClient, file: &ScalerFile, pool: &Pool) -> Outcome<StateBlob> {
    StateBlob::new(&storage(client, &file.storage_account), &pool.blob_name()).map_err(failed)
}

/// A pool's deletion queue, where it has one.
pub fn queue(client: &ArmClient, file: &ScalerFile, pool: &Pool) -> Outcome<Option<Arc<DeletionQueue>>> {
    let messages = |one: &&vmss_scaler::file::PoolFile| one.name == pool.policy.pool && one.delete_by_message;
    if file.pools.iter().find(messages).is_none() {
        return Ok(None);
    }
    let queue =
        DeletionQueue::new(&storage(client, &file.storage_account), &pool.queue_name()).map_err(failed)?;
    Ok(Some(Arc::new(queue)))
}

/// A scaler of a pool that calls itself `holder`.
pub fn scaler(client: &ArmClient, file: &ScalerFile, pool: Pool, holder: &str) -> Outcome<Scaler> {
    Ok(Scaler::new(Parts {
        arm: client.options().clone(),
        store: store(client, file, &pool)?,
        queue: queue(client, file, &pool)?,
        renders: None,
        holder: holder.to_owned(),
        dead: Some(Arc::new(is_dead)),
        pool,
    }))
}

/// A pool as commands see it.
pub fn fleet(client: &ArmClient, file: &ScalerFile, pool: Pool) -> Outcome<ScaleSetFleet> {
    let queue = queue(client, file, &pool)?;
    Ok(ScaleSetFleet::new(client.clone(), pool, queue))
}

/// The pool of this name; all of them when none is named.
pub fn chosen(pools: Vec<Pool>, name: Option<&str>) -> Outcome<Vec<Pool>> {
    let Some(name) = name else { return Ok(pools) };
    let names: Vec<String> = pools.iter().map(|pool| pool.policy.pool.clone()).collect();
    let found: Vec<Pool> =
        pools.into_iter().filter(|pool| pool.policy.pool.eq_ignore_ascii_case(name)).collect();
    if found.is_empty() {
        return Err(Failure::user(format!("there is no pool of scale sets `{name}`"))
            .hint(format!("the pools: {}", names.join(", "))));
    }
    Ok(found)
}

/// What the service calls itself.
pub const SERVICE: &str = "flamenco-azure-scaler";

/// What this process calls itself, for others that find the lease taken.
pub fn holder(what: &str) -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().filter(|text| !text.trim().is_empty());
    let host = read("/etc/hostname").or_else(|| read("/proc/sys/kernel/hostname"));
    let host = host.as_deref().map_or("this machine", str::trim);
    format!("{what} on {host}, process {}", std::process::id())
}

/// Whether a holder that called itself so by [`holder`] was the service on this machine, and its process is gone. Others
/// are never judged: processes of other users and containers cannot be seen from everywhere.
fn is_dead(by: &str) -> bool {
    let Some((what, process)) = by.rsplit_once(", process ") else { return false };
    let Ok(process) = process.parse::<u32>() else { return false };
    let ours = holder(SERVICE);
    let here = ours.rsplit_once(", process ").is_some_and(|(same, _)| same == what);
    let proc = Path::new("/proc");
    here && process != std::process::id()
        && proc.join("self").exists()
        && !proc.join(process.to_string()).exists()
}

/// A failure of the scaler's storage, in words.
pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let text = flamenco_azure_core::error::chain(&error);
    let refused = text.contains("AuthorizationPermissionMismatch") || text.contains("AuthorizationFailure");
    let failure = Failure::azure(text);
    if refused {
        return failure.hint(
            "the sign-in needs the roles `Storage Blob Data Contributor` and `Storage Queue Data Contributor` on the \
             scaler's storage account; a role given just now takes up to 10 minutes to work",
        );
    }
    failure
}

/// The names of fleets, for messages.
pub fn names(fleets: &[ScaleSetFleet]) -> String {
    fleets.iter().map(|fleet| fleet.name().to_owned()).collect::<Vec<_>>().join(", ")
}

/// Does the work, with scalers beside it on the simulator: no simulated machine runs one, so what waits for nodes to come
/// or go would wait for ever.
pub async fn beside<T>(session: &Session, work: impl Future<Output = T>) -> T {
    let running = match &session.simulator {
        Some(_) => started(session).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut controls = Vec::new();
    let loops: Vec<_> = running
        .into_iter()
        .map(|mut scaler| {
            let (control, told) = mpsc::channel(1);
            controls.push(control);
            let clock = Arc::clone(&session.clock);
            async move { run(&mut scaler, &*clock, told, &mut |_, _| true).await }
        })
        .collect();
    let work = async {
        let done = work.await;
        for control in &controls {
            let _ = control.send(Control::Stop).await;
        }
        done
    };
    join(work, join_all(loops)).await.0
}

async fn started(session: &Session) -> Outcome<Vec<Scaler>> {
    let file = farm_file(session).await?;
    let holder = holder("flamenco-azure on the simulator");
    let pools = pools(&session.client, &file).await?;
    pools.into_iter().map(|pool| scaler(&session.client, &file, pool, &holder)).collect()
}
