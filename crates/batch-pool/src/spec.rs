//! Ids of a farm's Batch account and pools.

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::spec::Farm;

use crate::wire;

/// The Batch account.
pub fn account(farm: &Farm) -> ResourceId {
    farm.group_id().resource(wire::ACCOUNT, &farm.batch_account)
}

/// A pool of the account.
pub fn pool(farm: &Farm, name: &str) -> ResourceId {
    account(farm).child("pools", name)
}
