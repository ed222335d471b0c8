//! `plan`: what deploy would do, and what the farm costs.

use std::path::Path;

use batch_pool::desired;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::Plan;
use flamenco_azure_core::spec::Farm;
use manager_vm::desired::inbound_rules;

use crate::args::PlanArgs;
use crate::auto_storage::AutoStorage;
use crate::failure::{Exit, Failure, Outcome};
use crate::farmfile::{self, FarmFile};
use crate::fleets::Fleets;
use crate::own_subscription::OwnSubscription;
use crate::preflight::{self, Finding};
use crate::roles::Roles;
use crate::session::Session;
use crate::{cost, farm, files, show};

/// A plan with what it was made from.
#[derive(Debug)]
pub struct Prepared {
    /// What is wanted.
    pub farm: Farm,
    /// What exists.
    pub inventory: Inventory,
    /// The steps.
    pub plan: Plan,
    /// vCPUs by size.
    pub sizes: preflight::Sizes,
    /// What its pools of scale sets need, if it has any.
    pub fleets: Option<Fleets>,
    /// What its application packages need, if it has any.
    pub packages: Option<AutoStorage>,
    /// What nodes in the farm's own subscription need, if they are there.
    pub own: Option<OwnSubscription>,
}

impl Prepared {
    /// All roles that scale sets and packages need.
    pub fn roles(&self) -> Roles {
        let fleets = self.fleets.iter().map(|fleets| &fleets.roles);
        let packages = self.packages.iter().map(|packages| &packages.roles);
        let own = self.own.iter().map(|own| &own.roles);
        fleets.chain(packages).chain(own).fold(Roles::default(), Roles::and)
    }

    /// Whether more can be planned once this has been carried out.
    pub fn comes_in_parts(&self) -> bool {
        let waits = |packages: &AutoStorage| !packages.roles.missing.is_empty();
        let lacks = |own: &OwnSubscription| !own.roles.missing.is_empty();
        self.fleets.is_some()
            || self.packages.as_ref().is_some_and(waits)
            || self.own.as_ref().is_some_and(lacks)
    }
}

/// Observes and plans, with all findings of the preflight at once: nothing is planned over a known obstacle.
pub async fn prepare(session: &Session, file: &FarmFile, binary: Option<&Path>) -> Outcome<Prepared> {
    let mut farm = file.farm.clone();
    let name = farmfile::shown(&session.here, &file.path);
    refuse(&name, &preflight::subscription(&session.client, &farm).await?)?;
    let (mut inventory, sizes) = futures::future::try_join(
        farm::observe(&session.client, &farm.group_id()),
        preflight::sizes(&session.client, &farm),
    )
    .await?;
    if farm::paused_counts(farm.name.as_str(), &inventory).is_some() {
        return Err(Failure::user(format!("farm `{}` is paused", farm.name))
            .hint("`flamenco-azure resume` brings it back; `teardown` removes it"));
    }
    farm::take_up_replaced(&mut farm, &inventory);
    let mut wanted = farm::wanted(&farm, &sizes.cores(), &inventory)?;
    let fleets = Fleets::look(session, &farm, &inventory, binary).await?;
    if let Some(fleets) = &fleets {
        fleets.add_to(&farm, &inventory, &mut wanted);
    }
    let own = OwnSubscription::look(session, &farm, &mut inventory).await?;
    let packages = AutoStorage::look(session, &farm, &inventory).await?;
    if let Some(packages) = &packages {
        packages.add_to(&farm, &mut wanted);
    }
    if let Some(own) = &own {
        own.add_to(&farm, &mut wanted);
    }
    farm::start_if_stopped(&farm, &inventory, &mut wanted);
    let missing = preflight::pools::waiting(&session.client, &farm, &inventory).await?;
    let held_back = desired::hold_back(&farm, &inventory, &missing, &mut wanted);
    farm::end_replacement(&farm, &inventory, &mut wanted);
    wanted.orders.extend(desired::scaling(&farm, &inventory));
    let mut plan = flamenco_azure_core::plan::plan(&wanted, &inventory)?;
    plan.blocked.extend(held_back);
    if !plan.is_empty() {
        refuse(&name, &preflight::check(&session.client, &farm, &inventory, &sizes).await?)?;
    }
    Ok(Prepared { farm, inventory, plan, sizes, fleets, packages, own })
}

/// Ends a command that would run into something, with all that is known of it.
pub fn refuse(file: &str, findings: &[Finding]) -> Outcome<()> {
    let nothing = format!("nothing was created (farm file: {file})");
    match findings {
        [] => Ok(()),
        [one] => Err(Failure::user(one.what.clone()).hint(format!("{}; {nothing}", one.remedy))),
        many => {
            let lines: Vec<_> = many.iter().map(|f| format!("\n  - {}\n    {}", f.what, f.remedy)).collect();
            Err(Failure::user(format!("{} things stand in the way:{}", many.len(), lines.concat()))
                .hint(nothing))
        }
    }
}

/// Prints the plan, who is admitted, and what the farm costs.
pub async fn present(session: &Session, prepared: &Prepared) {
    let printer = session.printer;
    let group = prepared.farm.group_id();
    printer.info(format!(
        "{} in resource group {} ({}), subscription {}",
        printer.bold(prepared.farm.name.as_str()),
        group.name(),
        prepared.farm.location,
        prepared.farm.subscription
    ));
    match (prepared.plan.is_empty(), prepared.plan.blocked.is_empty()) {
        (true, true) => printer.result("nothing to do: the farm is as the farm file says"),
        (true, false) => printer.result("nothing that can be changed in place:"),
        (false, _) => {}
    }
    show::plan(printer, &prepared.plan);
    if prepared.plan.has_drift() {
        access(session, &prepared.farm);
    }
    if let Some(fleets) = &prepared.fleets {
        fleets.announce(session);
    }
    prepared.roles().announce(session);
    cost::present(session, &prepared.farm).await;
}

/// Says who may come in: nobody is worth saying as well.
pub fn access(session: &Session, farm: &Farm) {
    let rules = inbound_rules(farm);
    if rules.is_empty() {
        let how = if farm.is_public() {
            "nobody is admitted from outside: `manager.access.ssh` and `.web` in the farm file, or \
             `flamenco-azure init --ssh-from CIDR --web-from CIDR`, change it"
        } else {
            "the Manager has no public address: it is reached from its network only"
        };
        session.printer.info(format!("  access: {how}"));
    }
    for rule in rules {
        let from = rule.from.join(", ");
        let note = if rule.from == ["Internet"] {
            "  (the one exception: certificate challenge and redirect to https, nothing else)"
        } else {
            ""
        };
        session.printer.info(format!("  access: {:<12} port {:<4} from {from}{note}", rule.what, rule.port));
    }
}

/// Runs `plan`.
pub async fn run(session: &Session, args: &PlanArgs) -> Outcome {
    let file = session.farm_file(args.ssh_key.as_deref(), args.allow_world)?;
    let prepared = prepare(session, &file, args.scaler_binary.as_deref()).await?;
    present(session, &prepared).await;
    if let Some(path) = &args.out {
        let text =
            serde_json::to_string_pretty(&prepared.plan).map_err(|error| Failure::bug(&error.into()))?;
        files::write_private(&session.here.join(path), &text)?;
        session
            .printer
            .info(format!("plan written to {}; `flamenco-azure deploy {0}` carries it out", path.display()));
    } else if !prepared.plan.is_empty() {
        session.printer.info("  next     `flamenco-azure deploy` carries it out");
    }
    Ok(if args.check && prepared.plan.has_drift() { Exit::Drift } else { Exit::Done })
}
