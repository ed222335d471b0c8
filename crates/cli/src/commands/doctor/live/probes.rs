//! The assumptions, and how each is tried.

use std::time::Duration;

use flamenco_azure_core::arm::{ArmError, Request};
use flamenco_azure_core::exec::guest_json;
use flamenco_azure_core::pool::{NodeState, WorkerPool as _};
use flamenco_azure_core::spec::{Farm, SshPublicKey};
use flamenco_azure_core::tags;
use manager_vm::spec::{Names, subnets};
use manager_vm::{ManagerHost as _, desired, guest};
use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::scale;
use crate::failure::{Outcome, chain};
use crate::session::Session;

/// What a trial said of an assumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Confirmed,
    Refuted,
    /// It could not be tried to the end.
    Unknown,
}

/// One assumption with what was seen.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) assumption: String,
    pub(super) verdict: Verdict,
    pub(super) seen: String,
}

impl Finding {
    pub(super) fn new(assumption: &str, verdict: Verdict, seen: impl Into<String>) -> Self {
        Self { assumption: assumption.to_owned(), verdict, seen: seen.into() }
    }

    fn of(assumption: &str, result: Result<(Verdict, String), String>) -> Self {
        let (verdict, seen) = result.unwrap_or_else(|why| (Verdict::Unknown, why));
        Self::new(assumption, verdict, seen)
    }
}

/// How long a node may take from allocation to its awake Worker.
const NODE: Duration = Duration::from_mins(30);
/// How long an authority may take.
const CERTIFICATE: Duration = Duration::from_mins(10);
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// Run-command is documented to give back the last 4,096 bytes of output; for the script no limit is documented.
const OUTPUT: usize = 6000;
const SCRIPT: usize = 60_000;
/// The scale set of the trial (docs: virtual-machine-scale-sets, orchestration modes).
const SET: &str = "doctor-set";
const SET_KIND: &str = "Microsoft.Compute/virtualMachineScaleSets";

/// Tries everything; what was found so far stands in `findings` even when time runs out in between.
pub(super) async fn all(trial: &Session, findings: &mut Vec<Finding>) {
    let farm = match trial.standing_farm() {
        Ok(file) => file.farm,
        Err(failure) => {
            return findings.push(Finding::new("farm file", Verdict::Unknown, failure.message));
        }
    };
    findings.push(Finding::of("Batch-managed accounts accept Spot nodes", spot(trial).await));
    findings.push(Finding::of(
        "Batch nodes mount the NFS share over the service endpoint, and their Workers sign on",
        nodes(trial, &farm).await,
    ));
    findings.push(Finding::of(
        "run-command takes a script of 60 kB and gives back the last 4,096 bytes of output",
        limits(trial, &farm).await,
    ));
    findings.push(Finding::of(
        "the share can be mounted with encryption in transit (aznfs)",
        encrypted(trial, &farm).await,
    ));
    findings.push(Finding::of(
        "a public authority signs the Manager's certificate",
        certificate(trial, &farm).await,
    ));
    findings.push(Finding::of(
        "POST delete removes chosen instances of a flexible scale set",
        flexible(trial, &farm).await,
    ));
}

type Tried = Result<(Verdict, String), String>;

fn said(failure: impl std::error::Error) -> String {
    chain(&failure)
}

async fn pool(trial: &Session) -> Outcome<Option<batch_pool::BatchPool>> {
    let (target, inventory) = trial.target().await?;
    Ok(scale::pools(trial, &target, &inventory).pop())
}

async fn spot(trial: &Session) -> Tried {
    let pool = pool(trial).await.map_err(|failure| failure.message)?.ok_or("the trial has no pool")?;
    let state = pool.until_steady().await.map_err(said)?;
    if state.current.spot > 0 {
        return Ok((Verdict::Confirmed, format!("{} allocated", state.current)));
    }
    let words: Vec<String> = state.errors.iter().map(batch_pool::error::explain).collect();
    Ok((Verdict::Refuted, format!("{} allocated: {}", state.current, words.join("; "))))
}

async fn nodes(trial: &Session, farm: &Farm) -> Tried {
    let pool = pool(trial).await.map_err(|failure| failure.message)?.ok_or("the trial has no pool")?;
    let manager = trial.manager(&Names::of(farm).vm());
    let begun = trial.clock.now();
    loop {
        let nodes = pool.nodes().await.map_err(said)?;
        if let Some(failed) = nodes.iter().find(|node| node.state == NodeState::Failed) {
            let why = failed.trouble.clone().unwrap_or_else(|| "its start task failed".to_owned());
            return Ok((Verdict::Refuted, why));
        }
        let ready = nodes.iter().filter(|node| node.state == NodeState::Ready).count();
        let waited = trial.clock.now().duration_since(begun).unsigned_abs();
        let awake = match ready {
            0 => 0,
            _ => manager.status().await.map_err(said)?.workers.get("awake").copied().unwrap_or(0),
        };
        if awake > 0 {
            let seen = format!("{ready} nodes ready, {awake} Workers awake after {} s", waited.as_secs());
            return Ok((Verdict::Confirmed, seen));
        }
        if waited > NODE {
            return Err(format!("{ready} nodes ready and no Worker awake after {} s", waited.as_secs()));
        }
        trial.clock.sleep(LOOK_AGAIN).await;
    }
}

/// The whole message of a run-command.
async fn on_manager(trial: &Session, farm: &Farm, script: &[String]) -> Result<String, String> {
    let request = desired::run_command(&Names::of(farm).vm(), script);
    let answer = trial.client.run(&request).await.map_err(said)?.unwrap_or_default();
    let message = answer.pointer("/value/0/message").and_then(Value::as_str);
    message.map(str::to_owned).ok_or_else(|| format!("an answer without a message: {answer}"))
}

async fn limits(trial: &Session, farm: &Farm) -> Tried {
    let script = guest::limits_script(SCRIPT, OUTPUT);
    let sent: usize = script.iter().map(|line| line.len() + 1).sum();
    let request = desired::run_command(&Names::of(farm).vm(), &script);
    let answer = match trial.client.run(&request).await {
        Ok(answer) => answer.unwrap_or_default(),
        Err(error) => return Ok((Verdict::Refuted, format!("{sent} bytes of script: {}", chain(&error)))),
    };
    let message = answer.pointer("/value/0/message").and_then(Value::as_str).unwrap_or_default();
    let came = message.matches('x').count();
    let verdict = if (3000..=4096).contains(&came) { Verdict::Confirmed } else { Verdict::Refuted };
    Ok((verdict, format!("{sent} bytes of script were taken; of {OUTPUT} bytes of output {came} came back")))
}

async fn encrypted(trial: &Session, farm: &Farm) -> Tried {
    let script = guest::encrypted_mount_script(&desired::guest_config(farm)).map_err(said)?;
    let message = on_manager(trial, farm, &script).await?;
    let answer = guest_json(&message).ok_or_else(|| format!("not understood: {message}"))?;
    Ok(if answer.get("mounted") == Some(&Value::Bool(true)) {
        (Verdict::Confirmed, "mounted beside the plain mount".to_owned())
    } else {
        let why = answer.get("why").and_then(Value::as_str).unwrap_or("no reason given");
        (Verdict::Refuted, why.to_owned())
    })
}

async fn certificate(trial: &Session, farm: &Farm) -> Tried {
    let manager = trial.manager(&Names::of(farm).vm());
    let begun = trial.clock.now();
    loop {
        let tls = manager.tls().await.map_err(said)?;
        if !tls.is_own() {
            return Ok((Verdict::Confirmed, format!("{}, until {}", tls.issuer, tls.not_after)));
        }
        if trial.clock.now().duration_since(begun).unsigned_abs() > CERTIFICATE {
            let minutes = CERTIFICATE.as_secs() / 60;
            return Ok((Verdict::Refuted, format!("still {} after {minutes} minutes", tls.issuer)));
        }
        trial.clock.sleep(LOOK_AGAIN).await;
    }
}

/// One Spot instance in a flexible set, taken away again by its name.
async fn flexible(trial: &Session, farm: &Farm) -> Tried {
    let tried = flexible_set(trial, farm).await.map_err(said);
    clear(trial).await;
    tried
}

async fn flexible_set(trial: &Session, farm: &Farm) -> Result<(Verdict, String), ArmError> {
    const API: &str = "2024-07-01";
    let client = &trial.client;
    let set = farm.group_id().resource(SET_KIND, SET);
    let ip = json!({"name": "ip", "properties": {"primary": true, "subnet": {"id": subnets(farm).1}}});
    let nic = json!({"name": "nic", "properties": {
        "primary": true, "deleteOption": "Delete", "ipConfigurations": [ip],
    }});
    let key = farm.manager.ssh_public_key.as_ref().map(SshPublicKey::as_str).unwrap_or_default();
    let body = json!({
        "location": farm.location.as_str(),
        "tags": tags::for_resource(farm.name.as_str(), &farm.tags),
        "sku": {"name": "Standard_D2as_v5", "capacity": 1},
        "properties": {
            "orchestrationMode": "Flexible", "platformFaultDomainCount": 1,
            "virtualMachineProfile": {
                "priority": "Spot", "evictionPolicy": "Delete",
                "storageProfile": {
                    "imageReference": {
                        "publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest",
                    },
                    "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
                },
                "osProfile": {
                    "computerNamePrefix": "doctor", "adminUsername": manager_vm::spec::ADMIN_USER,
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": true,
                        "ssh": {"publicKeys": [{
                            "path": format!("/home/{}/.ssh/authorized_keys", manager_vm::spec::ADMIN_USER),
                            "keyData": key,
                        }]},
                    },
                },
                "networkProfile": {"networkApiVersion": "2020-11-01", "networkInterfaceConfigurations": [nic]},
            },
        },
    });
    client.run(&Request::put(set.as_str(), body).api_version(API)).await?;
    let list = Request::get(format!("{set}/virtualMachines")).api_version(API);
    let instances = client.list(&list).await?;
    let name = instances.iter().find_map(|vm| vm.get("instanceId").or_else(|| vm.get("name"))?.as_str());
    let Some(name) = name.map(str::to_owned) else {
        return Ok((Verdict::Unknown, "the set has no instance".to_owned()));
    };
    let chosen = json!({"instanceIds": [name]});
    client.run(&Request::post(format!("{set}/delete"), Some(chosen)).api_version(API).idempotent()).await?;
    let left = client.list(&list).await?.len();
    Ok(if left == 0 {
        (Verdict::Confirmed, format!("`{name}` is gone"))
    } else {
        (Verdict::Refuted, format!("{left} instances are left after the deletion of `{name}`"))
    })
}

/// Removes what a trial makes beside its farm. What fails here is seen by the teardown that follows.
pub(super) async fn clear(trial: &Session) {
    let Ok(file) = trial.standing_farm() else { return };
    let set = file.farm.group_id().resource(SET_KIND, SET);
    let delete = Request::delete(set.as_str()).api_version("2024-07-01");
    if let Err(error) = trial.client.run(&delete).await {
        tracing::debug!(%error, "no scale set to remove");
    }
}
