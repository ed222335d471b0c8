//! The capability "a host that runs the Manager": what the CLI asks it through run-command.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use flamenco_azure_core::arm::{ArmClient, Kind};
use flamenco_azure_core::exec::guest_json;
use flamenco_azure_core::ids::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::desired::run_command;
use crate::{Error, Result};

/// Candidates per call: the answer (indices) must stay below run-command's 4 KB.
const BATCH: usize = 400;

/// As much of a node's id (`tvmps_` and 64 hexadecimal digits) tells it from every other.
const TELLING: usize = 22;

/// How long a question waits for another command to leave the VM, which runs one at a time.
const READ_PATIENCE: Duration = Duration::from_secs(45);

/// What became of a drain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// Nodes whose Workers are offline: safe to remove.
    pub drained: Vec<String>,
    /// Nodes that were chosen and still render.
    pub pending: Vec<String>,
}

/// The Manager's own view of the farm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerStatus {
    /// Flamenco's version.
    #[serde(default)]
    pub version: String,
    /// Workers by status.
    #[serde(default)]
    pub workers: std::collections::BTreeMap<String, u32>,
    /// Workers that are rendering.
    #[serde(default)]
    pub busy: u32,
    /// Free GiB by mount point.
    #[serde(default)]
    pub free_gib: std::collections::BTreeMap<String, u64>,
}

/// The certificate on port 443.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsStatus {
    /// `acme`, `internal` or `off`.
    #[serde(default)]
    pub mode: String,
    /// Who issued it.
    #[serde(default)]
    pub issuer: String,
    /// SHA-256 fingerprint.
    #[serde(default)]
    pub sha256: String,
    /// When it ends.
    #[serde(default)]
    pub not_after: String,
}

impl TlsStatus {
    /// Whether the Manager signed it itself: by choice, or because no authority could reach it (Caddy names its own
    /// authority "Caddy Local Authority"). Browsers warn of such a certificate.
    pub fn is_own(&self) -> bool {
        self.mode == "internal" || self.issuer.contains("Caddy Local Authority")
    }
}

/// What can be asked of the machine that runs the Manager.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ManagerHost: Send + Sync {
    /// Workers and free space.
    async fn status(&self) -> Result<ManagerStatus>;

    /// Asks `count` of the Workers named in `candidates` to finish and go offline, idle ones first, and waits up to
    /// `wait` for them. Asking again continues with the same ones.
    async fn drain(&self, candidates: &[String], count: usize, wait: Duration) -> Result<Drained>;

    /// Takes back unfinished requests of [`ManagerHost::drain`].
    async fn undrain(&self, candidates: &[String]) -> Result<usize>;

    /// Deletes the Workers of removed Batch nodes from the Manager: those that do not run, but for the nodes in `keep`,
    /// which are all that there are. What the Manager remembers of other nodes lets jobs wait for them for ever.
    async fn forget_nodes(&self, keep: &[String]) -> Result<usize>;

    /// The host's public SSH keys, read from inside: what a `known_hosts` line needs.
    async fn host_keys(&self) -> Result<Vec<String>>;

    /// The certificate on port 443.
    async fn tls(&self) -> Result<TlsStatus>;
}

/// [`ManagerHost`] over Azure's run-command.
#[derive(Debug, Clone)]
pub struct ManagerVm {
    client: ArmClient,
    vm: ResourceId,
}

impl ManagerVm {
    /// The Manager on this VM.
    pub fn new(client: ArmClient, vm: ResourceId) -> Self {
        Self { client, vm }
    }

    async fn ask(&self, verb: &'static str, args: &str) -> Result<Value> {
        self.ask_by(&self.client, verb, args).await
    }

    async fn ask_by(&self, client: &ArmClient, verb: &'static str, args: &str) -> Result<Value> {
        let script = vec![format!("flamenco-azure-ctl {verb} {args}").trim_end().to_owned()];
        let answer =
            client.run(&run_command(&self.vm, &script)).await.map_err(|source| match source.kind() {
                Kind::Busy => Error::Busy { source: Box::new(source) },
                _ => Error::Azure { doing: "run a command on the Manager VM", source: Box::new(source) },
            })?;
        let answer = answer
            .as_ref()
            .and_then(|body| body.pointer("/value/0/message")?.as_str())
            .and_then(guest_json)
            .ok_or(Error::Garbled { verb })?;
        match answer.get("error").and_then(Value::as_str) {
            Some(reason) => Err(Error::Refused { verb, reason: reason.to_owned() }),
            None => Ok(answer),
        }
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, verb: &'static str) -> Result<T> {
        let client = self.client.with_patience(READ_PATIENCE);
        let answer = self.ask_by(&client, verb, "").await?;
        serde_json::from_value(answer).map_err(|_| Error::Garbled { verb })
    }
}

/// Node ids and Worker names go into a shell line: anything but what Batch generates is refused.
fn joined(names: &[String]) -> Result<String> {
    let safe = |name: &&String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    match names.iter().find(|name| !safe(name)) {
        Some(odd) => Err(Error::UnsafeName(odd.clone())),
        None => Ok(names.join(",")),
    }
}

fn picked(answer: &Value, key: &str, from: &[String]) -> Vec<String> {
    let indices = answer.get(key).and_then(Value::as_array).into_iter().flatten();
    indices.filter_map(|index| from.get(usize::try_from(index.as_u64()?).ok()?).cloned()).collect()
}

fn count_of(answer: &Value, key: &str) -> usize {
    match answer.get(key) {
        Some(Value::Array(items)) => items.len(),
        Some(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
        None => 0,
    }
}

#[async_trait]
impl ManagerHost for ManagerVm {
    async fn status(&self) -> Result<ManagerStatus> {
        self.read("status").await
    }

    async fn drain(&self, candidates: &[String], count: usize, wait: Duration) -> Result<Drained> {
        let mut result = Drained::default();
        // Where it takes several calls, those that are free anywhere go before any that renders.
        let passes: &[&str] = if candidates.len() > BATCH { &["--free ", ""] } else { &[""] };
        for pass in passes {
            for batch in candidates.chunks(BATCH) {
                let chosen: BTreeSet<&String> = result.drained.iter().chain(&result.pending).collect();
                let missing = count.saturating_sub(chosen.len());
                let left: Vec<String> = batch.iter().filter(|name| !chosen.contains(name)).cloned().collect();
                if missing == 0 || left.is_empty() {
                    continue;
                }
                let names = joined(&left)?;
                let count = missing.min(left.len());
                let args = format!("--count {count} --wait {} {pass}--candidates {names}", wait.as_secs());
                let answer = self.ask("drain", &args).await?;
                if !["drained", "pending"].iter().all(|key| answer.get(*key).is_some_and(Value::is_array)) {
                    return Err(Error::Garbled { verb: "drain" });
                }
                result.drained.extend(picked(&answer, "drained", &left));
                result.pending.extend(picked(&answer, "pending", &left));
            }
        }
        Ok(result)
    }

    async fn undrain(&self, candidates: &[String]) -> Result<usize> {
        let mut cleared = 0;
        for batch in candidates.chunks(BATCH) {
            cleared +=
                count_of(&self.ask("undrain", &format!("--candidates {}", joined(batch)?)).await?, "cleared");
        }
        Ok(cleared)
    }

    async fn forget_nodes(&self, keep: &[String]) -> Result<usize> {
        // The beginnings are enough, and a thousand of them still fit into one script.
        let starts: Vec<String> = keep.iter().map(|name| name.chars().take(TELLING).collect()).collect();
        let args = if starts.is_empty() { String::new() } else { format!("--keep {}", joined(&starts)?) };
        Ok(count_of(&self.ask("forget-nodes", &args).await?, "deleted"))
    }

    async fn host_keys(&self) -> Result<Vec<String>> {
        let answer: Value = self.read("hostkeys").await?;
        let keys = answer.get("keys").and_then(Value::as_array).ok_or(Error::Garbled { verb: "hostkeys" })?;
        Ok(keys.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect())
    }

    async fn tls(&self) -> Result<TlsStatus> {
        self.read("tls").await
    }
}
