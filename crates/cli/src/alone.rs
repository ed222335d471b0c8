//! A scaler that stands alone: its file read, and a plan made from it.

mod preflight;

use std::path::Path;

use flamenco_azure_core::arm::{Cloud, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{IDENTITY_API, Plan};
use vmss_scaler::alone::{Alone, AloneFile, Machine, Ready};
use vmss_scaler::file::ScalerFile;
use vmss_scaler::guest::GuestError;
use vmss_scaler::surroundings::{self, Around};
use vmss_scaler::wire::{COMPUTE_API, NETWORK_API};

use crate::args::{Command, ScalerCommand};
use crate::failure::{Failure, Outcome};
use crate::fleets::{self, Program};
use crate::preflight::Finding;
use crate::roles::Roles;
use crate::session::Session;
use crate::{farm, farmfile, files, scalers};

/// A plan with what it was made from.
#[derive(Debug)]
pub struct Prepared {
    /// What exists.
    pub inventory: Inventory,
    /// The steps.
    pub plan: Plan,
    /// The scaler's roles.
    pub roles: Roles,
    /// What the machine gets; absent while something that it needs is not there.
    pub ready: Option<Ready>,
    /// What the pools use.
    pub around: Around,
    /// The scaler's program.
    pub program: Program,
}

/// Reads and checks the file of a scaler that stands alone.
pub fn read(session: &Session, path: &Path) -> Outcome<Alone> {
    let text = files::read(&session.here.join(path))?;
    let shown = farmfile::shown(&session.here, &session.here.join(path));
    let file = parse(&text).map_err(|error| {
        Failure::user(format!("`{shown}` is no file of a scaler that stands alone: {error}"))
            .hint("examples/scaler.yaml in the source has every key with what it means")
    })?;
    checked(&shown, &file)
}

fn parse(text: &str) -> Result<AloneFile, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// The subscription and the cloud that a command's file of a scaler names, before there is a session; `None` for commands
/// without one.
pub fn named(here: &Path, command: &Command) -> Option<(Option<String>, Option<Cloud>)> {
    let Command::Scaler(scaler) = command else { return None };
    let path = match &scaler.command {
        ScalerCommand::Deploy(args) => &args.file,
        ScalerCommand::Remove(args) => &args.file,
        ScalerCommand::Run(args) => args.pools.file.as_ref()?,
        ScalerCommand::Once(args) | ScalerCommand::Explain(args) | ScalerCommand::Status(args) => {
            args.file.as_ref()?
        }
        ScalerCommand::File => return None,
    };
    let text = files::read(&here.join(path)).ok()?;
    let (subscription, cloud) = match scalers::parse(&text) {
        Ok(file) => (Some(file.subscription.to_string()), Some(file.cloud)),
        Err(_) => parse(&text).ok().map(|file| (file.subscription, file.cloud))?,
    };
    Some((subscription, cloud.and_then(|name| Cloud::by_name(&name))))
}

fn checked(shown: &str, file: &AloneFile) -> Outcome<Alone> {
    Alone::read(file).map_err(|findings| {
        let findings: Vec<Finding> = findings
            .into_iter()
            .map(|one| Finding { what: format!("`{}`: {}", one.field, one.what), remedy: one.remedy })
            .collect();
        refusal(shown, &findings)
    })
}

/// The failure that says what stands in the way.
fn refusal(file: &str, findings: &[Finding]) -> Failure {
    let nothing = format!("nothing was changed (file: {file})");
    match findings {
        [one] => Failure::user(one.what.clone()).hint(format!("{}; {nothing}", one.remedy)),
        many => {
            let lines: Vec<_> = many.iter().map(|f| format!("\n  - {}\n    {}", f.what, f.remedy)).collect();
            Failure::user(format!("{} things stand in the way:{}", many.len(), lines.concat())).hint(nothing)
        }
    }
}

/// The scaler's own file of either form: as `deploy` writes it on a machine, or that of a scaler that stands alone. Whoever
/// runs it signs in as they do.
pub async fn scaler_file(session: &Session, path: &Path) -> Outcome<ScalerFile> {
    let text = files::read(&session.here.join(path))?;
    let Ok(file) = parse(&text) else { return scalers::read_file(&session.here.join(path)) };
    if scalers::parse(&text).is_ok() {
        return scalers::read_file(&session.here.join(path));
    }
    let alone = checked(&farmfile::shown(&session.here, &session.here.join(path)), &file)?;
    let nodes = Request::get(alone.place.node_identity.as_str()).api_version(IDENTITY_API);
    let mut inventory = Inventory::default();
    inventory.extend(session.client.get(&nodes).await?);
    let nodes = client_id(&inventory, &alone.place.node_identity).and_then(|id| id.parse().ok());
    alone.scaler_file(None, nodes).map_err(|error| unfit(&error))
}

fn unfit(error: &GuestError) -> Failure {
    Failure::user(error.to_string()).hint("correct the file; nothing was changed")
}

fn client_id<'a>(inventory: &'a Inventory, identity: &ResourceId) -> Option<&'a str> {
    inventory.get(identity)?.text("/properties/clientId")
}

/// Reads the group, and the VM where it is somebody's.
pub async fn observe(session: &Session, alone: &Alone) -> Outcome<Inventory> {
    let mut inventory = farm::observe(&session.client, &alone.place.group).await?;
    if let Machine::Existing(vm) = &alone.machine {
        let read = Request::get(vm.as_str()).api_version(COMPUTE_API).query("$expand", "instanceView");
        if let Some(body) = session.client.get(&read).await? {
            inventory.insert(Observed { id: vm.clone(), body });
        }
    }
    Ok(inventory)
}

/// Observes and plans, with all findings of the preflight at once: nothing is planned over a known obstacle.
pub async fn prepare(
    session: &Session,
    alone: &Alone,
    file: &str,
    binary: Option<&Path>,
) -> Outcome<Prepared> {
    let place = &alone.place;
    let client = &session.client;
    let refuse =
        |findings: &[Finding]| if findings.is_empty() { Ok(()) } else { Err(refusal(file, findings)) };
    let found =
        crate::preflight::subscription_and_region(client, &place.subscription, &place.location).await?;
    refuse(&found)?;
    let program = Program::find(session, binary)?;
    let inventory = observe(session, alone).await?;
    let around = alone.around(fleets::person(session).await);
    let grants = surroundings::grants(place, &around);
    let roles = Roles::look(client, &place.group, grants, &inventory).await?;
    let ready = ready(alone, &inventory, &roles, &program).map_err(|error| unfit(&error))?;
    let wanted =
        alone.wanted(&inventory, &around, &roles.ours, ready.as_ref()).map_err(|error| unfit(&error))?;
    let plan = flamenco_azure_core::plan::plan(&wanted, &inventory)?;
    if !plan.is_empty() {
        refuse(&preflight::check(session, alone, &inventory).await?)?;
    }
    Ok(Prepared { inventory, plan, roles, ready, around, program })
}

/// What the machine gets, once identities, roles and account are there.
fn ready(
    alone: &Alone,
    inventory: &Inventory,
    roles: &Roles,
    program: &Program,
) -> Result<Option<Ready>, GuestError> {
    let known = |identity: &ResourceId| client_id(inventory, identity).map(str::to_owned);
    let (Some(scaler), Some(nodes)) = (known(&alone.identity()), known(&alone.place.node_identity)) else {
        return Ok(None);
    };
    let (Ok(client), Ok(nodes)) = (scaler.parse(), nodes.parse()) else { return Ok(None) };
    let there = inventory.get(&alone.place.programs()).is_some();
    if !there || !roles.are_held(inventory) {
        return Ok(None);
    }
    let file = alone.scaler_file(Some(&scaler), Some(nodes))?;
    let install = alone.install(&file, &program.sha256, client)?;
    Ok(Some(Ready { file, install, client }))
}

/// How the machine is reached: by its private address, from its own network.
pub async fn ssh(session: &Session, alone: &Alone, inventory: &Inventory) -> Outcome<Option<String>> {
    let vm = inventory.get(alone.vm());
    let nic = match &alone.machine {
        Machine::Own(own) => Some(own.nic.clone()),
        Machine::Existing(_) => {
            vm.and_then(|vm| vm.text("/properties/networkProfile/networkInterfaces/0/id")?.parse().ok())
        }
    };
    let admin = vm.and_then(|vm| vm.text("/properties/osProfile/adminUsername")).unwrap_or(alone.admin());
    let Some(nic) = nic else { return Ok(None) };
    let read = Request::get(nic.as_str()).api_version(NETWORK_API);
    let body = session.client.get(&read).await?;
    let address = body.as_ref().and_then(|body| {
        body.pointer("/properties/ipConfigurations/0/properties/privateIPAddress")?.as_str()
    });
    Ok(address.map(|address| format!("ssh {admin}@{address}")))
}
