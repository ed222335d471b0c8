//! Pools of scale sets (`kind: vmss`) in plan and deploy: their surroundings, roles, and the scaler on the Manager.
//!
//! Some of it can be said only when other parts exist: the scaler's file names the identities' client ids. So a first
//! deploy plans twice, and what an administrator has to do in between is printed as commands.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flamenco_azure_core::arm::ArmClient;
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{Action, Checkpoint, How, Plan, Principal, Wanted, tag_request};
use flamenco_azure_core::spec::{Farm, Fleet, Priority};
use manager_vm::spec::{ADMIN_USER, Names, subnets};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vmss_scaler::file::ScalerFile;
use vmss_scaler::guest::{NodeGuest, QueueAccess, Setup, SpotWatch, node_cloud_init};
use vmss_scaler::storage::StorageOptions;
use vmss_scaler::surroundings::{self, Around, EXPECT, INSTALLED, Install, NodeDocuments, Place};

use crate::failure::{Failure, Outcome};
use crate::roles::{Roles, YOUR_ROLE, until_admitted};
use crate::session::Session;

/// The scaler's program beside this one.
const PROGRAM: &str = "flamenco-azure-scaler";
/// What stands for it on a simulated Azure, where nothing of it runs.
const STAND_IN: &[u8] =
    b"#!/bin/sh\n# Stands for flamenco-azure-scaler on the simulated Azure.\nexec sleep infinity\n";

/// The scaler's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    bytes: Vec<u8>,
    /// Its checksum in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Program {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = Sha256::digest(&bytes);
        let sha256 = hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Self { bytes, sha256 }
    }

    /// The named program, else the one beside this executable; on a simulated Azure a stand-in.
    pub fn find(session: &Session, named: Option<&Path>) -> Outcome<Self> {
        let path = match named {
            Some(path) => session.here.join(path),
            None if session.simulator.is_some() => return Ok(Self::new(STAND_IN.to_vec())),
            None => std::env::current_exe().unwrap_or_default().with_file_name(PROGRAM),
        };
        std::fs::read(&path).map(Self::new).map_err(|error| {
            Failure::user(format!(
                "the scaler's program `{}` cannot be read ({error}); nothing was created",
                path.display()
            ))
            .hint(
                "pools of `kind: vmss` need it for the Manager (Linux on x86-64): put `flamenco-azure-scaler` beside \
                 `flamenco-azure`, or name it with `--scaler-binary PATH`",
            )
        })
    }

    /// Puts it into the scaler's storage account if the plan installs it. A role that was just assigned is waited for.
    pub async fn upload(&self, session: &Session, account: &str, plan: &Plan) -> Outcome<()> {
        let due = |action: &Action| matches!(action, Action::Ask { expect, .. } if expect == EXPECT);
        if !plan.steps.iter().any(|step| due(&step.action)) {
            return Ok(());
        }
        let options = storage(&session.client, account);
        let upload =
            async || Box::pin(vmss_scaler::program::upload(&options, &self.sha256, self.bytes.clone())).await;
        match until_admitted(session, |error| error.is_forbidden().then_some(YOUR_ROLE), upload).await {
            Ok(sent) => {
                if sent {
                    session.printer.info("  uploaded the scaler's program");
                }
                Ok(())
            }
            Err(error) => {
                let failure = Failure::azure(flamenco_azure_core::error::chain(&error));
                Err(failure.hint(format!(
                    "the sign-in needs the role Storage Blob Data Contributor on storage account `{account}`; run the \
                     same command again, it goes on from what is there"
                )))
            }
        }
    }
}

/// Who is signed in, for roles; `None` when the token does not say.
pub async fn person(session: &Session) -> Option<Principal> {
    if let Some(simulator) = &session.simulator {
        let world = simulator.world();
        let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let object = world.principal_mut().object_id.clone();
        return Some(Principal::Known { object, kind: "User" });
    }
    let options = session.client.options();
    let scope = format!("{}/.default", options.cloud.arm_endpoint.trim_end_matches('/'));
    let token = options.credential.get_token(&[&scope], None).await.ok()?;
    claims(token.token.secret())
}

/// The principal of a token's claims (Microsoft's page "Access token claims reference": `oid`, `idtyp`).
fn claims(token: &str) -> Option<Principal> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let text = |key: &str| claims.get(key).and_then(Value::as_str);
    let object = text("oid")?.to_owned();
    // Optional claim: what has no `scp` acts for nobody but itself.
    let app = text("idtyp").map_or_else(|| text("scp").is_none(), |kind| kind == "app");
    Some(Principal::Known { object, kind: if app { "ServicePrincipal" } else { "User" } })
}

/// What a farm's pools of scale sets have around them.
pub fn around(farm: &Farm, person: Option<Principal>) -> Around {
    let names = Names::of(farm);
    Around { scaler: names.identity(), subnet: subnets(farm).1, after: vec![names.vnet()], person }
}

/// The scaler's file. `client_id`: of the identity that the scaler signs in with, absent for whoever runs it. What is not
/// observed yet is left out.
pub fn scaler_file(farm: &Farm, inventory: &Inventory, client_id: Option<&str>) -> Outcome<ScalerFile> {
    let key = farm.manager.ssh_public_key.as_ref().ok_or(manager_vm::Error::NoSshKey)?;
    let around = around(farm, None);
    let mut documents = NodeDocuments::new();
    for fleet in &farm.fleets {
        documents.insert(fleet.name.clone(), cloud_init(farm, fleet, inventory)?);
    }
    Ok(surroundings::scaler_file(farm, &around, client_id, ADMIN_USER, key.as_str(), &documents))
}

/// What makes a machine a Worker: the Batch start task, by cloud-init.
fn cloud_init(farm: &Farm, fleet: &Fleet, inventory: &Inventory) -> Outcome<String> {
    let command = manager_vm::guest::start_task_command(&manager_vm::desired::guest_config(farm))
        .map_err(manager_vm::Error::from)?;
    let client = client_id(inventory, &surroundings::node_identity(farm)).and_then(|id| id.parse().ok());
    let node = NodeGuest {
        setup: Some(Setup::command(command)),
        queue: client
            .filter(|_| fleet.delete_by_message)
            .map(|client_id| QueueAccess { url: surroundings::queue_url(farm, fleet), client_id }),
        spot: fleet.placements.iter().any(|one| one.priority == Priority::Spot).then(SpotWatch::default),
        ..NodeGuest::default()
    };
    node_cloud_init(&node).map_err(|error| Failure::bug(&error.into()))
}

fn client_id<'a>(inventory: &'a Inventory, identity: &ResourceId) -> Option<&'a str> {
    inventory.get(identity)?.text("/properties/clientId")
}

/// What is wanted for a farm's pools of scale sets beside the rest of the farm.
#[derive(Debug)]
pub struct Fleets {
    /// Their surroundings.
    pub around: Around,
    place: Place,
    /// Their roles.
    pub roles: Roles,
    /// The scaler on the Manager, once everything that it needs is there.
    pub install: Option<Install>,
    program: Program,
}

impl Fleets {
    /// Looks which roles there are and may be assigned. `None` for a farm without pools of scale sets.
    pub async fn look(
        session: &Session,
        farm: &Farm,
        inventory: &Inventory,
        binary: Option<&Path>,
    ) -> Outcome<Option<Self>> {
        if farm.fleets.is_empty() {
            return Ok(None);
        }
        let program = Program::find(session, binary)?;
        let around = around(farm, person(session).await);
        let place = Place::of_farm(farm, &around.subnet);
        let grants = surroundings::grants(&place, &around);
        let roles = Box::pin(Roles::look(&session.client, &place.group, grants, inventory)).await?;
        let ready = roles.are_held(inventory);
        let scaler = client_id(inventory, &around.scaler).map(str::to_owned);
        let install = match scaler.and_then(|id| Some((id.parse().ok()?, id))) {
            Some((client, id)) if ready => {
                let file = scaler_file(farm, inventory, Some(&id))?;
                let install = surroundings::install(&place, &file, &program.sha256, client);
                Some(install.map_err(|error| Failure::bug(&error.into()))?)
            }
            _ => None,
        };
        Ok(Some(Self { around, place, roles, install, program }))
    }

    /// Adds what is wanted for the pools of scale sets.
    pub fn add_to(&self, farm: &Farm, inventory: &Inventory, wanted: &mut Wanted) {
        wanted.resources.extend(surroundings::resources(&self.place, &self.around, &self.roles.ours));
        wanted.orders.extend(surroundings::orders(&self.place, &self.around, inventory));
        let Some(install) = &self.install else { return };
        let vm = Names::of(farm).vm();
        let mut after = self.roles.ids(&self.place.farm);
        // A scaler that knew its pool before its target would remove its nodes.
        after.extend([self.place.programs(), self.place.targets()]);
        wanted.checkpoints.push(Checkpoint {
            purpose: "scaler",
            after,
            how: How::Ask(manager_vm::desired::run_command(&vm, &install.script), EXPECT.to_owned()),
            evidence: Some((format!("/tags/{INSTALLED}"), json!(install.digest))),
            after_each_step: false,
            mark: Some(tag_request(&vm, "Merge", &json!({INSTALLED: install.digest}))),
            resource: vm,
        });
    }

    /// Uploads the scaler's program if the plan installs it.
    pub async fn upload(&self, session: &Session, farm: &Farm, plan: &Plan) -> Outcome<()> {
        self.program.upload(session, &farm.scaler_account, plan).await
    }

    /// Says before a plan is carried out what will come after it.
    pub fn announce(&self, session: &Session) {
        if self.around.person.is_none() {
            session.printer.warn(
                "the sign-in's token does not say who you are: no role is assigned to you on the scaler's storage account",
            );
        }
        if self.roles.missing.is_empty() && self.install.is_none() {
            session.printer.info("  then     the scaler is installed on the Manager VM");
        }
    }
}

/// How the scaler's storage account is reached.
pub fn storage(client: &ArmClient, account: &str) -> StorageOptions {
    let options = client.options();
    StorageOptions::new(
        account,
        &options.cloud,
        std::sync::Arc::clone(&options.credential),
        options.transport.clone(),
        std::sync::Arc::clone(&options.clock),
        options.seed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn a_token_says_who_deploys() {
        let known = |object: &str, kind| Some(Principal::Known { object: object.to_owned(), kind });
        assert_eq!(claims(&token(&json!({"oid": "o", "scp": "user_impersonation"}))), known("o", "User"));
        assert_eq!(claims(&token(&json!({"oid": "o", "idtyp": "app"}))), known("o", "ServicePrincipal"));
        assert_eq!(claims(&token(&json!({"oid": "o"}))), known("o", "ServicePrincipal"));
        for garbled in ["", "a.b", "sim-token-1", &token(&json!({"sub": "s"}))] {
            assert_eq!(claims(garbled), None, "{garbled}");
        }
    }
}
