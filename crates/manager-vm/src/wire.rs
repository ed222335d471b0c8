//! Api-versions of the requests this crate makes, each with its documentation.

pub use flamenco_azure_core::plan::{IDENTITY, IDENTITY_API, RESOURCES_API, STORAGE, STORAGE_API};

/// <https://learn.microsoft.com/rest/api/virtualnetwork>; `defaultOutboundAccess` is always sent.
pub const NETWORK_API: &str = "2024-05-01";
/// <https://learn.microsoft.com/rest/api/compute/virtual-machines>
pub const COMPUTE_API: &str = "2024-07-01";

/// Virtual networks.
pub const VNET: &str = "Microsoft.Network/virtualNetworks";
/// Network security groups.
pub const NSG: &str = "Microsoft.Network/networkSecurityGroups";
/// Public IP addresses.
pub const PIP: &str = "Microsoft.Network/publicIPAddresses";
/// NAT gateways.
pub const NAT: &str = "Microsoft.Network/natGateways";
/// Network interfaces.
pub const NIC: &str = "Microsoft.Network/networkInterfaces";
/// Virtual machines.
pub const VM: &str = "Microsoft.Compute/virtualMachines";
/// Batch accounts: the gate before anything that costs.
pub const BATCH: &str = "Microsoft.Batch/batchAccounts";
