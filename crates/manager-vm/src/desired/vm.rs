//! The Manager VM, its identity, and when it counts as ready.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flamenco_azure_core::arm::Request;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Checkpoint, Desired, How, Update, identity, tag_request};
use flamenco_azure_core::spec::{Farm, Network};
use flamenco_azure_core::tags;
use serde_json::{Value, json};

use super::network::gate;
use super::tags_of;
use crate::guest::{self, GuestConfig};
use crate::spec::{ADMIN_USER, Names, nfs_export, share};
use crate::{Error, wire};

/// How long the guest itself waits for its set-up within one run-command.
const GUEST_WAIT_SECONDS: u32 = 1500;

/// What the guest templates need to know of a farm.
pub fn guest_config(farm: &Farm) -> GuestConfig {
    let encrypt =
        matches!(&farm.storage, flamenco_azure_core::spec::Storage::Own { encrypt_in_transit: true, .. });
    let address = match &farm.network {
        Network::Own { manager_address, .. } => Some(*manager_address),
        Network::Existing { .. } => None,
    };
    let host = farm.is_public().then(|| farm.manager.hostname.clone().unwrap_or_else(|| farm.fqdn()));
    guest::config_of(farm, nfs_export(farm), encrypt, address, host)
}

pub(super) fn resources(farm: &Farm) -> Result<Vec<Desired>, Error> {
    let names = Names::of(farm);
    let identity = identity(names.identity(), &farm.location, &tags_of(farm), "Manager's identity");
    Ok(vec![identity, vm(farm, &names)?])
}

fn vm(farm: &Farm, names: &Names) -> Result<Desired, Error> {
    let key = farm.manager.ssh_public_key.as_ref().ok_or(Error::NoSshKey)?;
    let config = guest_config(farm);
    let cloud_init = guest::cloud_init(&config)?;
    let mut tags = tags_of(farm);
    tags.insert(tags::CONFIG.to_owned(), guest::config_digest(&config)?);
    let body = json!({
        "location": farm.location.as_str(),
        "tags": tags,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {names.identity().as_str(): {}}},
        "properties": {
            "hardwareProfile": {"vmSize": farm.manager.vm_size},
            "storageProfile": storage_profile(names),
            "osProfile": {
                "computerName": farm.manager.vm_name,
                "adminUsername": ADMIN_USER,
                "customData": STANDARD.encode(cloud_init),
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "provisionVMAgent": true,
                    "ssh": {"publicKeys": [
                        {"path": format!("/home/{ADMIN_USER}/.ssh/authorized_keys"), "keyData": key.as_str()},
                    ]},
                },
            },
            "networkProfile": {"networkInterfaces": [{"id": names.nic(), "properties": {"primary": true}}]},
            "securityProfile": {
                "securityType": "TrustedLaunch",
                "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true},
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": true}},
        },
    });
    Ok(Desired {
        // Not the share: it is there before the machine has booted, and the set-up waits for it.
        after: vec![names.nic(), names.identity(), gate(farm)],
        // The image, the user and customData are fixed at creation. The CONFIG tag tells which set-up the VM has; a
        // checkpoint brings it up to date.
        create_only: &["/properties/osProfile", "/properties/storageProfile", "/tags/flamenco-farm-config"],
        replace_on: &["/identity", "/properties/networkProfile", "/properties/securityProfile"],
        replace_remedy: "the Manager VM must be made anew: `flamenco-azure teardown --keep-data`, then `deploy`, makes \
                         one that takes over the data",
        update: Update::Patch(&["/tags", "/properties/hardwareProfile"]),
        ..Desired::new(names.vm(), wire::COMPUTE_API, "Manager VM", body)
    })
}

fn storage_profile(names: &Names) -> Value {
    json!({
        // Gen2 (https://documentation.ubuntu.com/azure: offer ubuntu-24_04-lts, plan server).
        "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
        "osDisk": {
            "name": names.os_disk(), "createOption": "FromImage", "deleteOption": "Delete", "caching": "ReadWrite",
            "diskSizeGB": 64, "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
        },
    })
}

/// A run-command of `script` on the VM. Safe to send again: the guest's program repeats nothing that is done.
pub fn run_command(vm: &ResourceId, script: &[String]) -> Request {
    Request::post(format!("{vm}/runCommand"), Some(json!({"commandId": "RunShellScript", "script": script})))
        .api_version(wire::COMPUTE_API)
        .idempotent()
}

/// Waits for the guest's control program, which cloud-init writes early, and then for the set-up.
pub fn ready_script(flamenco_version: &str) -> Vec<String> {
    vec![
        "for _ in $(seq 60); do command -v flamenco-azure-ctl >/dev/null && break; sleep 5; done".to_owned(),
        // A set-up that failed, for a download server that was down or a share that was late, gets another try.
        "if grep -qs '^failed' /var/lib/flamenco-azure/setup.state; then \
         systemctl restart --no-block flamenco-azure-setup.service && sleep 5; fi"
            .to_owned(),
        format!("flamenco-azure-ctl ready --flamenco {flamenco_version} --wait {GUEST_WAIT_SECONDS}"),
    ]
}

/// A Manager with another set-up than the farm file wants gets the files anew and runs the set-up again, in place: a
/// new Flamenco or Blender, other certificates. Data and database stay.
pub(super) fn refresh(farm: &Farm) -> Result<Checkpoint, Error> {
    let vm = Names::of(farm).vm();
    let config = guest_config(farm);
    let digest = guest::config_digest(&config)?;
    let mut script = guest::refresh_script(&config)?;
    script.push(format!(
        "flamenco-azure-ctl ready --flamenco {} --wait {GUEST_WAIT_SECONDS}",
        farm.manager.flamenco_version
    ));
    Ok(Checkpoint {
        purpose: "Manager set-up",
        after: share(farm).into_iter().collect(),
        how: How::Ask(run_command(&vm, &script), "ready".to_owned()),
        evidence: Some((format!("/tags/{}", tags::CONFIG), json!(digest))),
        after_each_step: false,
        mark: Some(tag_request(&vm, "Merge", &json!({tags::CONFIG: digest}))),
        resource: vm,
    })
}

pub(super) fn ready(farm: &Farm) -> Checkpoint {
    let vm = Names::of(farm).vm();
    Checkpoint {
        purpose: "Manager ready",
        after: share(farm).into_iter().collect(),
        how: How::Ask(run_command(&vm, &ready_script(&farm.manager.flamenco_version)), "ready".to_owned()),
        evidence: Some((format!("/tags/{}", tags::READY), json!("yes"))),
        after_each_step: true,
        mark: Some(tag_request(&vm, "Merge", &json!({tags::READY: "yes"}))),
        resource: vm,
    }
}
