//! What a test or a scenario does to a world behind Azure's back: faults, other people's resources, limits.

use jiff::Timestamp;

use super::{Group, Registration, World};
use crate::authorization::{Lock, LockLevel, Principal};
use crate::fault::Fault;
use crate::resource::{ProvisioningState, Resource, Tags, key};

impl World {
    /// Adds a fault.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Takes all faults out that have not struck yet.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Faults that have not struck (often enough) yet.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Every token seen so far is refused from now on (401 ExpiredAuthenticationToken).
    pub fn expire_tokens(&mut self) {
        self.tokens_expired.append(&mut self.tokens_seen);
    }

    /// Switches throttling off or on again.
    pub fn throttling(&mut self, on: bool) {
        self.throttle.off = !on;
    }

    /// Lists under `/resources` show a resource only so many seconds after its creation; those of scale sets and of their
    /// instances also show what is gone for so long.
    pub fn list_lag(&mut self, seconds: u64) {
        self.list_lag_s = seconds;
    }

    /// Puts a resource group into the world that nobody asked for.
    pub fn add_group(&mut self, name: &str, location: &str, tags: Tags) {
        let group = Group {
            name: name.to_owned(),
            location: location.to_owned(),
            tags: Some(tags),
            managed_by: None,
            state: ProvisioningState::Succeeded,
            created_at: self.now,
            foreign: true,
        };
        self.groups.insert(name.to_ascii_lowercase(), group);
    }

    /// Someone edits a resource by hand. `false` when there is none with this id.
    pub fn edit(&mut self, id: &str, change: impl FnOnce(&mut Resource)) -> bool {
        self.resource_mut(id).map(change).is_some()
    }

    /// Puts a resource into the world that nobody asked for; checkers pass over it.
    pub fn add_foreign(&mut self, mut resource: Resource) {
        resource.foreign = true;
        self.put(resource);
    }

    /// What a request made is somebody else's from now on; checkers pass over it, and find writes to it when it is a
    /// scale set. `false` when there is none with this id.
    pub fn disown(&mut self, id: &str) -> bool {
        self.edit(id, |resource| resource.foreign = true)
    }

    /// Locks a group, a resource or (with the subscription's id) everything.
    pub fn lock(&mut self, scope: &str, name: &str, level: LockLevel) {
        let id = format!("{scope}/providers/Microsoft.Authorization/locks/{name}");
        let lock = Lock { id: id.clone(), name: name.to_owned(), level, notes: None };
        self.locks.insert(key(&id), lock);
    }

    /// The signed-in principal, to change its rights.
    pub fn principal_mut(&mut self) -> &mut Principal {
        &mut self.principal
    }

    /// Whether role assignments know a principal of the directory; one that they do not know yet is refused.
    pub fn know_principal(&mut self, object_id: &str, known: bool) {
        let from = if known { self.now } else { Timestamp::MAX };
        self.directory.insert(object_id.to_owned(), from);
    }

    /// Role assignments count only so many seconds after they were made (on Azure up to ten minutes). They matter for
    /// managed identities; the signed-in principal has its rights from [`World::principal_mut`].
    pub fn role_lag(&mut self, seconds: u64) {
        self.role_lag_s = seconds;
    }

    /// What the signed-in principal sees of the directory.
    pub fn directory_is(&mut self, graph: crate::graph::Directory) {
        self.graph = graph;
    }

    /// Names of key vaults in deleted state, in lower case.
    pub fn deleted_vaults(&self) -> Vec<String> {
        self.deleted_vaults.keys().cloned().collect()
    }

    /// The object id of "Microsoft Azure Batch" in this directory.
    pub fn batch_service_principal(&self) -> String {
        crate::graph::batch_principal(self)
    }

    /// Marks a provider as not registered.
    pub fn unregister(&mut self, namespace: &str) {
        let namespace = namespace.to_ascii_lowercase();
        self.registrations.insert(namespace, Registration::NotRegistered);
    }

    /// Takes a globally or regionally unique name as another customer: `kind` is `dns/{region}`,
    /// `storage` or `batch/{region}`.
    pub fn take_name(&mut self, kind: &str, name: &str) {
        self.taken_names.insert(format!("{kind}/{name}").to_ascii_lowercase());
    }

    /// The blob of a Batch application package is not uploaded: its activation is refused.
    pub fn lose_package(&mut self, id: &str) {
        self.lost_packages.insert(key(id));
    }

    /// Sets a limit: `counter` is `cores`, `lowPriorityCores` or a family name, each with `batch/` before it for Batch
    /// accounts; `batch/accounts`, `batch/pools`, `batch/applications`, `batch/packages`. With `storage` for the location:
    /// `blockBytes`, `blobBytes`, `uncommittedBlocks`, `committedBlocks`.
    pub fn set_limit(&mut self, location: &str, counter: &str, limit: u32) {
        self.limits.insert(format!("{location}/{counter}").to_ascii_lowercase(), limit);
    }
}
