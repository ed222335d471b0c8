//! Microsoft.Authorization: rights of the signed-in principal, role assignments, locks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::resource::key;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// A built-in role, as far as the simulator tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Reads.
    Reader,
    /// All but writes to Microsoft.Authorization.
    Contributor,
    /// All.
    Owner,
}

impl Role {
    /// The `actions` and `notActions` that the permissions call returns.
    fn permission(self) -> Value {
        match self {
            Self::Owner => json!({"actions": ["*"], "notActions": []}),
            Self::Contributor => json!({"actions": ["*"], "notActions": [
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
            ]}),
            Self::Reader => json!({"actions": ["*/read"], "notActions": []}),
        }
    }

    fn allows(self, action: &str) -> bool {
        let read = action.ends_with("/read");
        match self {
            Self::Owner => true,
            Self::Contributor => read || !action.starts_with("Microsoft.Authorization/"),
            Self::Reader => read,
        }
    }
}

/// Who is signed in and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Object id in the directory.
    pub object_id: String,
    /// Roles by scope below `/subscriptions/{s}` in lower case; the empty scope is the subscription itself.
    roles: BTreeMap<String, Role>,
}

impl Principal {
    /// The owner of the subscription.
    pub(crate) fn owner() -> Self {
        Self {
            object_id: "0b1ec700-51a0-4000-a000-0b1ec7000001".to_owned(),
            roles: BTreeMap::from([(String::new(), Role::Owner)]),
        }
    }

    /// Gives a role (or takes it, with `None`) on the whole subscription.
    pub fn set_subscription_role(&mut self, role: Option<Role>) {
        self.set(String::new(), role);
    }

    /// Gives or takes a role on a resource group.
    pub fn set_group_role(&mut self, group: &str, role: Option<Role>) {
        self.set(format!("/resourcegroups/{}", group.to_ascii_lowercase()), role);
    }

    fn set(&mut self, scope: String, role: Option<Role>) {
        match role {
            Some(role) => self.roles.insert(scope, role),
            None => self.roles.remove(&scope),
        };
    }

    /// Roles that hold at a path: those of the subscription and of the path's group.
    fn roles_at(&self, group: Option<&str>) -> Vec<Role> {
        let group = group.map(|g| format!("/resourcegroups/{}", g.to_ascii_lowercase()));
        self.roles
            .iter()
            .filter(|(scope, _)| scope.is_empty() || Some(*scope) == group.as_ref())
            .map(|(_, role)| *role)
            .collect()
    }
}

/// Level of a management lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockLevel {
    /// Deletes are refused.
    CanNotDelete,
    /// Deletes and writes are refused.
    ReadOnly,
}

/// A management lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) level: LockLevel,
    pub(crate) notes: Option<String>,
}

impl Lock {
    fn scope(&self) -> &str {
        let end = self.id.to_ascii_lowercase().rfind("/providers/microsoft.authorization/");
        end.map_or(&self.id, |end| &self.id[..end])
    }

    fn body(&self) -> Value {
        let level = match self.level {
            LockLevel::CanNotDelete => "CanNotDelete",
            LockLevel::ReadOnly => "ReadOnly",
        };
        let mut properties = json!({"level": level});
        if let Some(notes) = &self.notes {
            properties["notes"] = json!(notes);
        }
        json!({
            "properties": properties,
            "id": self.id,
            "type": "Microsoft.Authorization/locks",
            "name": self.name,
        })
    }
}

/// A role assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleAssignment {
    id: String,
    name: String,
    scope: String,
    role: String,
    principal: String,
    principal_type: String,
    created: Timestamp,
    #[serde(default)]
    by: String,
}

impl RoleAssignment {
    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    /// Id of the role's definition.
    pub(crate) fn role(&self) -> &str {
        &self.role
    }

    pub(crate) fn is_of(&self, principal: &str) -> bool {
        self.principal.eq_ignore_ascii_case(principal)
    }

    /// Whether it counts by now, with the time that it takes to become known everywhere.
    pub(crate) fn counts_at(&self, now: Timestamp, lag_s: u64) -> bool {
        crate::operation::later(self.created, lag_s) <= now
    }

    fn body(&self) -> Value {
        json!({
            "properties": {
                "roleDefinitionId": self.role,
                "principalId": self.principal,
                "principalType": self.principal_type,
                "scope": self.scope,
                "createdOn": self.created.to_string(),
                "updatedOn": self.created.to_string(),
                "createdBy": self.by,
                "updatedBy": self.by,
            },
            "id": self.id,
            "type": "Microsoft.Authorization/roleAssignments",
            "name": self.name,
        })
    }
}

/// 403 when the signed-in principal may not do this.
pub(crate) fn refuse(world: &World, request: &Request) -> Option<SimResponse> {
    request.subscription.as_ref()?;
    let action = request.action();
    let who = &world.principal_of(request.token());
    // Whoever has any role at all sees the subscription itself and its providers.
    let listing = request.group.is_none() && request.method == "GET" && request.names.is_empty();
    let allowed = if *who == world.principal.object_id {
        world.principal.roles_at(request.group.as_deref()).iter().any(|role| role.allows(&action)) || listing
    } else {
        crate::roles::allow(world, who, &action, &request.path) || (listing && is_known(world, who))
    };
    if allowed {
        return None;
    }
    let scope = match request.named_or_scope(world) {
        Some(id) => id,
        None => request.path.clone(),
    };
    let message = format!(
        "The client '{who}' with object id '{who}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    Some(SimResponse::arm_error(403, "AuthorizationFailed", &message).by_gateway())
}

/// Whether a principal has any role at all.
fn is_known(world: &World, principal: &str) -> bool {
    world.role_assignments.values().any(|assignment| assignment.is_of(principal))
}

/// Whether the signed-in principal may do this in a resource group (for planes other than ARM).
pub(crate) fn may(world: &World, group: &str, action: &str) -> bool {
    world.principal.roles_at(Some(group)).iter().any(|role| role.allows(action))
}

/// 409 when a management lock forbids this write or delete.
pub(crate) fn refuse_locked(world: &World, request: &Request) -> Option<SimResponse> {
    let about_locks = request.namespace == "Microsoft.Authorization";
    if about_locks || matches!(request.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let target = key(&request.path);
    refuse_locked_at(world, &target, request.method == "DELETE", false)
}

/// The same for an id; `below` also counts locks on anything inside (deletion of a group).
pub(crate) fn refuse_locked_at(
    world: &World,
    target: &str,
    deletes: bool,
    below: bool,
) -> Option<SimResponse> {
    let lock = world.locks.values().find(|lock| {
        let scope = key(lock.scope());
        let above = target == scope || target.starts_with(&format!("{scope}/"));
        let inside = below && scope.starts_with(&format!("{target}/"));
        (above || inside) && (deletes || lock.level == LockLevel::ReadOnly)
    })?;
    let (verb, advice) = if deletes {
        ("delete", "Please remove the lock and try again.")
    } else {
        ("write", "Please remove the lock and try again.")
    };
    let message = format!(
        "The scope '{target}' cannot perform {verb} operation because following scope(s) are locked: '{}'. {advice}",
        lock.scope()
    );
    Some(SimResponse::arm_error(409, "ScopeLocked", &message).by_gateway())
}

/// Answers for the namespace.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    match request.kind().as_str() {
        "permissions" => permissions(world, request),
        "roleassignments" => role_assignments(world, request),
        "locks" => locks(world, request),
        _ => request.no_such_type(),
    }
}

fn permissions(world: &World, request: &Request) -> SimResponse {
    let roles = world.principal.roles_at(request.group.as_deref());
    let value: Vec<Value> = roles.into_iter().map(Role::permission).collect();
    SimResponse::json(200, &json!({"value": value}))
}

fn role_assignments(world: &mut World, request: &Request) -> SimResponse {
    if request.is_collection() {
        // At the scope, below it and above it, unless `atScope()` leaves out those below (Microsoft's page "List Azure role
        // assignments using the REST API").
        let here = key(&request.scope);
        let below = format!("{here}/");
        let filter = request.query("$filter").unwrap_or_default();
        let all = !filter.to_ascii_lowercase().contains("atscope()");
        let wanted = filter.split('\'').nth(1).map(str::to_ascii_lowercase);
        let value: Vec<Value> = world
            .role_assignments
            .values()
            .filter(|a| {
                let scope = key(&a.scope);
                scope == here || below.starts_with(&format!("{scope}/")) || (all && scope.starts_with(&below))
            })
            .filter(|a| wanted.as_ref().is_none_or(|p| a.principal.to_ascii_lowercase() == *p))
            .map(RoleAssignment::body)
            .collect();
        return SimResponse::json(200, &json!({"value": value}));
    }
    let id =
        format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", request.scope, request.names[0]);
    match request.method.as_str() {
        "GET" => match world.role_assignments.get(&key(&id)) {
            Some(assignment) => SimResponse::json(200, &assignment.body()),
            None => SimResponse::arm_error(
                404,
                "RoleAssignmentNotFound",
                &format!("The role assignment '{}' is not found.", request.names[0]),
            ),
        },
        "DELETE" => match world.role_assignments.remove(&key(&id)) {
            Some(assignment) => SimResponse::json(200, &assignment.body()),
            None => SimResponse::empty(204),
        },
        "PUT" => assign_role(world, request, &id),
        _ => request.no_such_method(),
    }
}

fn assign_role(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let text = |name: &str| {
        let pointer = format!("/properties/{name}");
        request.body.pointer(&pointer).and_then(Value::as_str).map(str::to_owned)
    };
    let (Some(role), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
        return SimResponse::arm_error(
            400,
            "InvalidRoleAssignmentRequest",
            "The request to create or update the role assignment is not valid. Role definition and principal are required.",
        );
    };
    let principal_type = text("principalType");
    // With a principalType the directory is not asked, which is the documented way round the delay.
    let known = world.directory.get(&principal).is_some_and(|from| *from <= world.now());
    if principal_type.is_none() && !known && principal != world.principal.object_id {
        let bare = principal.replace('-', "");
        let tenant = &world.config.tenant_id;
        return SimResponse::arm_error(
            400,
            "PrincipalNotFound",
            &format!(
                "Principal {bare} does not exist in the directory {tenant}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype"
            ),
        );
    }
    let same = |a: &&RoleAssignment| {
        key(&a.scope) == key(&request.scope)
            && key(&a.role) == key(&role)
            && a.principal.eq_ignore_ascii_case(&principal)
    };
    if world.role_assignments.values().find(same).is_some() {
        return SimResponse::arm_error(409, "RoleAssignmentExists", "The role assignment already exists.");
    }
    if world.role_assignments.contains_key(&key(id)) {
        return SimResponse::arm_error(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        );
    }
    let assignment = RoleAssignment {
        name: request.names[0].clone(),
        scope: request.scope.clone(),
        role,
        principal,
        principal_type: principal_type.unwrap_or_else(|| "ServicePrincipal".to_owned()),
        created: world.now(),
        by: world.principal.object_id.clone(),
        id: id.to_owned(),
    };
    let body = assignment.body();
    world.role_assignments.insert(key(id), assignment);
    SimResponse::json(201, &body)
}

fn locks(world: &mut World, request: &Request) -> SimResponse {
    if request.is_collection() {
        let below = format!("{}/", key(&request.scope));
        let value: Vec<Value> = world
            .locks
            .iter()
            .filter(|(id, _)| id.starts_with(&below))
            .map(|(_, lock)| lock.body())
            .collect();
        return SimResponse::json(200, &json!({"value": value}));
    }
    let id = format!("{}/providers/Microsoft.Authorization/locks/{}", request.scope, request.names[0]);
    match request.method.as_str() {
        "GET" => match world.locks.get(&key(&id)) {
            Some(lock) => SimResponse::json(200, &lock.body()),
            None => SimResponse::arm_error(
                404,
                "LockNotFound",
                &format!("The lock '{}' could not be found.", request.names[0]),
            ),
        },
        "DELETE" => match world.locks.remove(&key(&id)) {
            Some(_) => SimResponse::empty(200),
            None => SimResponse::empty(204),
        },
        "PUT" => put_lock(world, request, &id),
        _ => request.no_such_method(),
    }
}

fn put_lock(world: &mut World, request: &Request, id: &str) -> SimResponse {
    let level = match request.body.pointer("/properties/level").and_then(Value::as_str) {
        Some("CanNotDelete") => LockLevel::CanNotDelete,
        Some("ReadOnly") => LockLevel::ReadOnly,
        other => {
            let other = other.unwrap_or("null");
            return SimResponse::arm_error(
                400,
                "InvalidLockLevel",
                &format!("The lock level '{other}' is invalid."),
            );
        }
    };
    let notes = request.body.pointer("/properties/notes").and_then(Value::as_str);
    let lock =
        Lock { id: id.to_owned(), name: request.names[0].clone(), level, notes: notes.map(str::to_owned) };
    let body = lock.body();
    let status = if world.locks.insert(key(id), lock).is_some() { 200 } else { 201 };
    SimResponse::json(status, &body)
}
