//! Pure: a farm's wanted network, storage and Manager VM.

mod network;
mod storage;
mod vm;

use flamenco_azure_core::plan::{Checkpoint, Desired};
use flamenco_azure_core::spec::Farm;
use flamenco_azure_core::tags::{self, Tags};

pub use network::{RuleSummary, inbound_rules, vnet_without_nat};
pub use vm::{guest_config, ready_script, run_command};

/// All wanted resources of the Manager's part, in no particular order.
pub fn resources(farm: &Farm) -> Result<Vec<Desired>, crate::Error> {
    let mut all = network::resources(farm);
    all.extend(storage::resources(farm));
    all.extend(vm::resources(farm)?);
    Ok(all)
}

/// The Manager has the set-up that the farm file wants, and is ready: service active, version as wanted.
pub fn checkpoints(farm: &Farm) -> Result<Vec<Checkpoint>, crate::Error> {
    Ok(vec![vm::refresh(farm)?, vm::ready(farm)])
}

fn tags_of(farm: &Farm) -> Tags {
    tags::for_resource(farm.name.as_str(), &farm.tags)
}
