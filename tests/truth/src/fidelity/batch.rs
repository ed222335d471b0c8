//! What Batch requests stand on beyond the resources that they name. Still only requests are read.
//!
//! 1. An account by default has a storage account linked when applications are asked about.
//! 2. A package that is activated was uploaded when the recording left something out (its calls to blobs are, by the
//!    README) since the package was made, or when the request stands alone.
//! 3. A pool by default is being resized when that is stopped, sizes itself when a formula is evaluated on it, and has an
//!    endpoint for ssh when that is asked for.
//! 4. Versions that a body names as an application's default or as a pool's packages are there and active.
//! 5. A POST whose body was not recorded says the plainest thing.

use azure_sim::World;
use flamenco_azure_core::arm::Method;
use serde_json::{Value, json};

use super::names::parent;
use super::seed::{Memory, send, settle};
use crate::recording::Interaction;

/// The account and the version that a request about packages is for.
fn account_of(path: &str) -> Option<&str> {
    let at = path.to_lowercase().find("/applications")?;
    path[..at].to_lowercase().contains("/batchaccounts/").then(|| &path[..at])
}

/// The Batch account that a request of either plane is about.
pub(super) fn any_account(world: &World, interaction: &Interaction) -> Option<String> {
    let host = interaction.url.host_str()?;
    if host.ends_with(".batch.azure.com") {
        let found = world.resources().values().find(|r| r.text("/accountEndpoint") == Some(host))?;
        return Some(found.id.clone());
    }
    let path = interaction.url.path();
    let at = path.to_lowercase().find("/batchaccounts/")? + "/batchaccounts/".len();
    let end = path[at..].find('/').map(|end| at + end)?;
    Some(path[..end].to_owned())
}

/// The package that a request activates.
pub(super) fn activated(interaction: &Interaction) -> Option<&str> {
    interaction.url.path().strip_suffix("/activate").filter(|path| account_of(path).is_some())
}

/// Whether the recording left something out between the PUT of this package and its activation.
pub(super) fn left_out(session: &[Interaction], index: usize, package: &str) -> bool {
    let before = session[..index]
        .iter()
        .rposition(|there| there.method == Method::Put && there.url.path().eq_ignore_ascii_case(package));
    before.is_some_and(|made| {
        session[made..=index].windows(2).any(|pair| pair[1].n > pair[0].n.saturating_add(1))
    })
}

impl Memory {
    /// Rule 1, for what is asked about an account's applications.
    pub(super) fn link_storage(&mut self, world: &mut World, path: &str) {
        let Some(account) = account_of(path) else { return };
        let unlinked = world
            .resource(account)
            .is_some_and(|found| found.text("/autoStorage/storageAccountId").is_none());
        if !unlinked || !self.is_plain(account) {
            return;
        }
        let group = parent(account).and_then(|_| account.split("/providers/").next()).unwrap_or_default();
        let storage = format!("{group}/providers/Microsoft.Storage/storageAccounts/plainpackages");
        self.ensure(world, &storage);
        world.edit(account, |found| found.set("autoStorage", json!({"storageAccountId": storage})));
    }

    /// Rule 3.
    pub(super) fn prepare_pool(&mut self, world: &mut World, pool: &str, path: &str) {
        if !self.is_plain(pool) {
            return;
        }
        let scale = match path.rsplit('/').next().map(str::to_lowercase).as_deref() {
            Some("stopresize") => json!({"fixedScale": {"targetDedicatedNodes": 3}}),
            Some("evaluateautoscale") => json!({"autoScale": {"formula": "$TargetDedicatedNodes=2"}}),
            Some("remoteloginsettings") => {
                let ssh = json!({"name": "ssh", "protocol": "TCP", "backendPort": 22, "frontendPortRangeStart": 50000});
                let network = json!({"endpointConfiguration": {"inboundNatPools": [ssh]}});
                world.edit(pool, |found| found.set("networkConfiguration", network));
                return;
            }
            _ => return,
        };
        let answer = send(world, "PATCH", pool, Some(&json!({"properties": {"scaleSettings": scale}})));
        if let Some(answer) = answer {
            settle(world, &answer);
        }
    }
}

impl Memory {
    /// Rule 4.
    pub(super) fn refer_to_packages(&mut self, world: &mut World, account: &str, path: &str, body: &Value) {
        let mut wanted: Vec<(String, Option<String>)> = Vec::new();
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let properties = body.get("properties").unwrap_or(body);
        if let Some(version) = text(properties, "defaultVersion") {
            wanted.push((path.rsplit('/').next().unwrap_or_default().to_owned(), Some(version)));
        }
        for list in ["applicationPackages", "applicationPackageReferences"] {
            for item in properties.get(list).and_then(Value::as_array).into_iter().flatten() {
                let id = text(item, "id").or_else(|| text(item, "applicationId")).unwrap_or_default();
                wanted.push((id.rsplit('/').next().unwrap_or_default().to_owned(), text(item, "version")));
            }
        }
        for (name, version) in wanted {
            let application = format!("{account}/applications/{name}");
            let package = format!("{application}/versions/{}", version.as_deref().unwrap_or("plain"));
            if world.resource(&package).is_some() {
                continue;
            }
            self.link_storage(world, &application);
            self.ensure(world, &package);
            world.upload_package(&package, b"PK");
            for (method, path, body) in [
                ("POST", format!("{package}/activate"), json!({"format": "zip"})),
                ("PATCH", application, json!({"properties": {"defaultVersion": package.rsplit('/').next()}})),
            ] {
                if method == "POST" || version.is_none() {
                    send(world, method, &path, Some(&body));
                }
            }
        }
    }
}

/// Rule 5; `nodes` are those that the pool has.
pub(super) fn default_post(path: &str, nodes: &[String]) -> Option<Value> {
    let body = match path.rsplit('/').next()?.to_lowercase().as_str() {
        "activate" => json!({"format": "zip"}),
        "resize" => json!({"targetDedicatedNodes": 1}),
        "enableautoscale" | "evaluateautoscale" => json!({"autoScaleFormula": "$TargetDedicatedNodes=0"}),
        "removenodes" => json!({"nodeList": nodes}),
        _ => return None,
    };
    Some(body)
}
