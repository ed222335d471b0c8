//! The least that a farm file says, and the day on which it is read.

use flamenco_azure_core::spec::Overrides;

pub(crate) const LEAST: &str = "subscriptionID: 5b3a7c1e-0000-4000-8000-0123456789ab
location: westeurope
resourceGroup: g
virtualMachine: farm
storageAccountName: farmsa
batchAccountName: farmba
";

pub(crate) fn overrides() -> Overrides {
    Overrides { allow_world: false, today: "2026-11-21T12:00:00Z".parse().unwrap() }
}
