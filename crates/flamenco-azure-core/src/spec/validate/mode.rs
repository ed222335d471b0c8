//! Whose subscription nodes of Batch pools run in.

use super::{Check, filled};
use crate::name::Kind;
use crate::spec::farm::{Allocation, BATCH_APPLICATION, LOOK_UP};

impl Check<'_> {
    /// The key vault and service principal that the file names for nodes in the farm's own subscription; `None` for
    /// Batch's.
    pub(super) fn batch_mode(&mut self) -> Option<(Option<String>, Option<String>)> {
        let batch = self.spec.batch.as_ref()?;
        let principal = filled(batch.service_principal_object_id.as_ref());
        if batch.mode.unwrap_or_default() == Allocation::BatchService {
            let keys = [
                ("batch.keyVaultName", filled(batch.key_vault_name.as_ref())),
                ("batch.servicePrincipalObjectId", principal),
            ];
            for (key, _) in keys.iter().filter(|(_, value)| value.is_some()) {
                let why = "only nodes in your own subscription need it";
                self.value(key, why, "add `mode: userSubscription`, or delete the key");
            }
            return None;
        }
        let vault = self.name("batch.keyVaultName", Kind::KeyVault, batch.key_vault_name.as_ref());
        let key = "batch.servicePrincipalObjectId";
        if principal.is_some_and(|id| id.eq_ignore_ascii_case(BATCH_APPLICATION)) {
            let why = "this is the application's id; the object id is another in each directory";
            self.value(key, why, LOOK_UP);
        } else if principal.is_some_and(|id| uuid::Uuid::parse_str(id).is_err()) {
            self.value(key, "an object id is a GUID", LOOK_UP);
        }
        Some((vault, principal.map(str::to_owned)))
    }
}
