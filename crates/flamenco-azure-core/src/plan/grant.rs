//! Role assignments as resources of a plan.
//!
//! They take no tags. Their ids say whose they are: a GUID made of farm, scope, principal and role, known before the
//! principal exists (Microsoft's page "Role assignments - Create": the name is a GUID of the caller's choice). An
//! assignment that somebody else made of the same principal, role and scope does as well, and is never removed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::common::{IDENTITY, IDENTITY_API};
use super::desired::{Desired, Update};
use super::lookup::lookup;
use crate::ids::ResourceId;
use crate::inventory::{Inventory, Observed};

/// <https://learn.microsoft.com/rest/api/authorization/role-assignments>
pub const AUTHORIZATION_API: &str = "2022-04-01";
/// Role assignments.
pub const ROLE_ASSIGNMENT: &str = "Microsoft.Authorization/roleAssignments";
/// What our GUIDs are made below: a GUID of this program's own.
const NAMESPACE: Uuid = Uuid::from_u128(0x9f3c_1a52_6f0e_5a7d_8b14_2d90_c1fa_3e77);

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// Its name, as `az role assignment create --role` takes it.
    pub name: &'static str,
    /// The GUID of its definition, the same in every subscription.
    pub guid: &'static str,
}

/// Azure's own roles (Microsoft's page "Azure built-in roles").
pub mod roles {
    use super::Role;

    /// Reads everything but data.
    pub const READER: Role = Role { name: "Reader", guid: "acdd72a7-3385-48ef-bd42-f606fba81ae7" };
    /// Makes and deletes machines and scale sets, joins them to subnets.
    pub const VM_CONTRIBUTOR: Role =
        Role { name: "Virtual Machine Contributor", guid: "9980e02c-c2be-4d73-94e8-173b1dc7cf3c" };
    /// Changes tags and nothing else.
    pub const TAG_CONTRIBUTOR: Role =
        Role { name: "Tag Contributor", guid: "4a9ae827-6dc8-4573-8ac7-8239d42aa03f" };
    /// Gives an identity to machines.
    pub const IDENTITY_OPERATOR: Role =
        Role { name: "Managed Identity Operator", guid: "f1a07417-d97a-45cb-824c-7a7467783830" };
    /// Reads, writes and leases blobs.
    pub const BLOB_CONTRIBUTOR: Role =
        Role { name: "Storage Blob Data Contributor", guid: "ba92f5b4-2d11-453d-a403-e96b0029c9fe" };
    /// Lets Batch make and delete nodes in a subscription.
    pub const BATCH_ORCHESTRATION: Role =
        Role { name: "Azure Batch Service Orchestration Role", guid: "a35466a1-cfd6-450a-b35e-683fcdf30363" };
    /// Keeps secrets in a key vault.
    pub const SECRETS_OFFICER: Role =
        Role { name: "Key Vault Secrets Officer", guid: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7" };
    /// Reads blobs.
    pub const BLOB_READER: Role =
        Role { name: "Storage Blob Data Reader", guid: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1" };
    /// Gets, extends and deletes messages.
    pub const QUEUE_CONTRIBUTOR: Role =
        Role { name: "Storage Queue Data Contributor", guid: "974c5e8b-45b9-4653-ba55-5f855dd0fb88" };
    /// Puts messages and does nothing else.
    pub const QUEUE_SENDER: Role =
        Role { name: "Storage Queue Data Message Sender", guid: "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a" };
}

/// Who is given a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A user-assigned identity, which the same plan may make.
    Identity(ResourceId),
    /// A person or program of the directory.
    Known {
        /// The object id.
        object: String,
        /// `User`, `ServicePrincipal` or `Group`.
        kind: &'static str,
    },
}

impl Principal {
    fn key(&self) -> String {
        match self {
            Self::Identity(id) => id.key(),
            Self::Known { object, .. } => object.to_ascii_lowercase(),
        }
    }

    /// The object id, if it is known already.
    pub fn object(&self, inventory: &Inventory) -> Option<String> {
        match self {
            Self::Identity(id) => inventory.get(id)?.text("/properties/principalId").map(str::to_owned),
            Self::Known { object, .. } => Some(object.clone()),
        }
    }

    /// `User`, `ServicePrincipal` or `Group`. To say it spares a new identity the wait for the directory's replication.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Identity(_) => "ServicePrincipal",
            Self::Known { kind, .. } => kind,
        }
    }
}

/// One role for one principal at one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What it is for, in words.
    pub purpose: &'static str,
    /// The id of a resource, a group or a subscription.
    pub scope: String,
    /// Who.
    pub principal: Principal,
    /// What they may do there.
    pub role: Role,
}

impl Grant {
    /// The assignment's id for this farm; `None` where the scope is no id.
    pub fn id(&self, farm: &str) -> Option<ResourceId> {
        let name = name(farm, &self.scope, &self.principal.key(), self.role.guid);
        format!("{}/providers/{ROLE_ASSIGNMENT}/{name}", self.scope).parse().ok()
    }

    /// The wanted assignment, after `after`. `None` where the scope is no id.
    pub fn desired(&self, farm: &str, after: Vec<ResourceId>) -> Option<Desired> {
        let subscription = self.scope.split('/').nth(2).unwrap_or_default();
        let definition = format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.role.guid
        );
        let principal = match &self.principal {
            Principal::Identity(id) => lookup(id, "/properties/principalId", IDENTITY_API),
            Principal::Known { object, .. } => object.as_str().into(),
        };
        let body = json!({"properties": {
            "roleDefinitionId": definition,
            "principalId": principal,
            "principalType": self.principal.kind(),
        }});
        Some(Desired {
            after,
            // The id says them already, and Azure writes the definition's id in more than one way.
            create_only: &["/properties/roleDefinitionId", "/properties/principalType"],
            update: Update::Anew,
            ..Desired::new(self.id(farm)?, AUTHORIZATION_API, self.purpose, body)
        })
    }

    /// Whether somebody holds this role here already, by an assignment of ours or of others.
    pub fn is_held(&self, inventory: &Inventory) -> bool {
        let Some(object) = self.principal.object(inventory) else { return false };
        inventory.of_kind(ROLE_ASSIGNMENT).any(|have| same(have, &self.scope, self.role.guid, &object))
    }

    /// The command with which an administrator makes the assignment; `None` while the principal does not exist.
    pub fn command(&self, inventory: &Inventory) -> Option<String> {
        let object = self.principal.object(inventory)?;
        Some(format!(
            "az role assignment create --assignee-object-id {object} --assignee-principal-type {} --role \"{}\" --scope {}",
            self.principal.kind(),
            self.role.name,
            self.scope
        ))
    }
}

fn name(farm: &str, scope: &str, principal: &str, role: &str) -> Uuid {
    let parts = [farm, &scope.to_ascii_lowercase(), principal, role];
    Uuid::new_v5(&NAMESPACE, parts.join("\n").as_bytes())
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

fn same(have: &Observed, scope: &str, role: &str, object: &str) -> bool {
    let text = |key: &str| have.text(&format!("/properties/{key}")).unwrap_or_default();
    text("scope").eq_ignore_ascii_case(scope)
        && last(text("roleDefinitionId")).eq_ignore_ascii_case(role)
        && text("principalId").eq_ignore_ascii_case(object)
}

/// An assignment of others that does what the wanted one would do.
pub(super) fn twin<'a>(desired: &Desired, body: &Value, inventory: &'a Inventory) -> Option<&'a Observed> {
    if !desired.id.is_kind(ROLE_ASSIGNMENT) {
        return None;
    }
    let text = |key: &str| body.pointer(&format!("/properties/{key}")).and_then(Value::as_str);
    let (role, object) = (last(text("roleDefinitionId")?), text("principalId")?);
    let scope = scope_of(&desired.id);
    inventory.of_kind(ROLE_ASSIGNMENT).find(|have| same(have, scope, role, object))
}

/// What an assignment is about.
pub fn scope_of(assignment: &ResourceId) -> &str {
    let id = assignment.as_str();
    let end = assignment.key().rfind(&format!("/providers/{}/", ROLE_ASSIGNMENT.to_ascii_lowercase()));
    end.map_or(id, |end| &id[..end])
}

/// The farm that made an assignment, by its id: made of one of the farm's identities, or of the principal itself.
pub(crate) fn owner_of(assignment: &Observed, inventory: &Inventory) -> Option<String> {
    let object = assignment.text("/properties/principalId")?;
    let role = last(assignment.text("/properties/roleDefinitionId")?);
    let scope = scope_of(&assignment.id);
    let made_by = |farm: &str, principal: &str| {
        name(farm, scope, principal, role).to_string().eq_ignore_ascii_case(assignment.id.name())
    };
    for identity in inventory.of_kind(IDENTITY) {
        let it = identity.text("/properties/principalId").is_some_and(|id| id.eq_ignore_ascii_case(object));
        if let Some(farm) = inventory.owner(identity).filter(|farm| it && made_by(farm, &identity.id.key())) {
            return Some(farm);
        }
    }
    // Lists of a group's assignments have those above it too (recorded traffic). What somebody known may do there stays: it
    // may serve others.
    let group = inventory.group.as_ref()?.id.key();
    let scope = scope.to_ascii_lowercase();
    if scope != group && !scope.starts_with(&format!("{group}/")) {
        return None;
    }
    inventory.farms().into_iter().find(|farm| made_by(farm, &object.to_ascii_lowercase()))
}
