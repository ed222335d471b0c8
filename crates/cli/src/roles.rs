//! Roles that a scaler and packages need: which there are, which this sign-in may assign, and which somebody else has to.

use std::time::Duration;

use flamenco_azure_core::arm::{ArmClient, ArmError, Kind, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::Inventory;
use flamenco_azure_core::plan::{AUTHORIZATION_API, Grant};
use serde_json::json;

use crate::failure::{Exit, Failure, Outcome};
use crate::preflight;
use crate::printer::Mode;
use crate::session::Session;

/// How long a role that was just assigned may take to work (Microsoft's page "Troubleshoot Azure RBAC": 10 minutes).
const PROPAGATION: Duration = Duration::from_mins(15);
const BETWEEN: Duration = Duration::from_secs(15);
/// Whose role [`until_admitted`] waits for.
pub const YOUR_ROLE: &str = "your role";

/// The roles that something needs.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Those that are there or that this sign-in may assign.
    pub ours: Vec<Grant>,
    /// Those that somebody else has to assign.
    pub missing: Vec<Grant>,
}

impl Roles {
    /// Looks which roles there are and may be assigned.
    pub async fn look(
        client: &ArmClient,
        group: &ResourceId,
        grants: Vec<Grant>,
        inventory: &Inventory,
    ) -> Outcome<Self> {
        let mut all = Self::default();
        let mut known: Vec<(String, bool)> = Vec::new();
        for grant in grants {
            let may = if grant.is_held(inventory) {
                true
            } else {
                let at = asked_at(group, &grant.scope);
                if let Some((_, may)) = known.iter().find(|(scope, _)| *scope == at) {
                    *may
                } else {
                    let may = may_assign(client, &at).await?;
                    known.push((at, may));
                    may
                }
            };
            if may { &mut all.ours } else { &mut all.missing }.push(grant);
        }
        Ok(all)
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.ours.extend(others.ours.iter().cloned());
        self.missing.extend(others.missing.iter().cloned());
        self
    }

    /// Whether all of them are there.
    pub fn are_held(&self, inventory: &Inventory) -> bool {
        self.missing.is_empty() && self.ours.iter().all(|grant| grant.is_held(inventory))
    }

    /// The ids of the assignments that a plan makes.
    pub fn ids(&self, farm: &str) -> Vec<ResourceId> {
        self.ours.iter().filter_map(|grant| grant.id(farm)).collect()
    }

    /// Says before a plan is carried out that some are left to an administrator, if they are.
    pub fn announce(&self, session: &Session) {
        if !self.missing.is_empty() {
            session.printer.warn(format!(
                "this sign-in may not assign {} that the farm needs: everything else is made, and the commands for an \
                 administrator are printed",
                crate::show::count(self.missing.len(), "role")
            ));
        }
    }

    /// The failure that asks an administrator for roles, `again` being the command to run after that; `None` when none
    /// are missing.
    pub fn appeal(&self, session: &Session, inventory: &Inventory, again: &str) -> Option<Failure> {
        if self.missing.is_empty() {
            return None;
        }
        let commands: Vec<String> =
            self.missing.iter().filter_map(|grant| grant.command(inventory)).collect();
        print_commands(session, &commands);
        let count = crate::show::count(self.missing.len(), "role");
        Some(Failure {
            exit: Exit::Roles,
            message: format!(
                "{count} must be assigned by an administrator; everything else is made, and waits for that"
            ),
            hint: Some(format!("have the commands above run, then run `{again}` again: it goes on")),
        })
    }
}

/// Prints what is left to an administrator.
fn print_commands(session: &Session, commands: &[String]) {
    let printer = session.printer;
    if printer.mode() == Mode::Json {
        printer.event("roles", json!({"commands": commands}));
        return;
    }
    printer.info("an administrator (Owner or Role Based Access Control Administrator) has to run:");
    for command in commands {
        printer.result(command);
    }
}

/// The failure that asks an administrator to delete the assignments of a farm that is gone otherwise; `None` where none is
/// left. Some go with what they were about.
pub async fn left_roles(
    session: &Session,
    assignments: impl Iterator<Item = ResourceId>,
) -> Outcome<Option<Failure>> {
    let mut commands = Vec::new();
    for id in assignments {
        let request = Request::get(id.as_str()).api_version(AUTHORIZATION_API);
        if !matches!(session.client.get(&request).await, Ok(None)) {
            commands.push(format!("az role assignment delete --ids {id}"));
        }
    }
    if commands.is_empty() {
        return Ok(None);
    }
    let count = crate::show::count(commands.len(), "role assignment");
    print_commands(session, &commands);
    Ok(Some(Failure {
        exit: Exit::Roles,
        message: format!(
            "{count} of the farm must be deleted by an administrator; everything else is removed"
        ),
        hint: Some(
            "have the commands above run: the assignments cost nothing and stay until then".to_owned(),
        ),
    }))
}

/// Where to ask for the right to assign at a scope: what is in the group follows the group.
fn asked_at(group: &ResourceId, scope: &str) -> String {
    let inside = scope.to_ascii_lowercase().starts_with(&group.key());
    if inside { group.to_string() } else { scope.to_owned() }
}

async fn may_assign(client: &ArmClient, scope: &str) -> Result<bool, ArmError> {
    match permissions(client, scope).await {
        Err(error) if matches!(error.kind(), Kind::Forbidden { .. }) => Ok(false),
        Err(error) => Err(error),
        Ok(all) => Ok(preflight::allows(&all, "Microsoft.Authorization/roleAssignments/write")),
    }
}

/// What the sign-in may do at a scope; of its subscription while the scope does not exist yet.
pub async fn permissions(client: &ArmClient, scope: &str) -> Result<Vec<serde_json::Value>, ArmError> {
    let read = |scope: &str| {
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        Request::get(path).api_version(AUTHORIZATION_API)
    };
    match client.list(&read(scope)).await {
        Err(error) if error.is_not_found() => {
            let whole: Vec<&str> = scope.split('/').take(3).collect();
            client.list(&read(&whole.join("/"))).await
        }
        other => other,
    }
}

/// Tries again while a role that was just assigned does not work yet: `whose` says of an error whose role it is, `None` of
/// what does not pass by waiting.
pub async fn until_admitted<T, E>(
    session: &Session,
    whose: impl Fn(&E) -> Option<&'static str>,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let begun = session.clock.now();
    let mut told = None;
    loop {
        let (error, whose) = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => match whose(&error) {
                Some(whose) => (error, whose),
                None => return Err(error),
            },
        };
        let waited = session.clock.now().duration_since(begun).unsigned_abs();
        if waited >= PROPAGATION {
            return Err(error);
        }
        if told.replace(whose) != Some(whose) {
            session
                .printer
                .info(format!("  {whose} on the storage account does not work yet: waiting for it"));
        }
        session.clock.sleep(BETWEEN).await;
    }
}
