//! What Microsoft publishes and sells: regions.

/// A region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Short name, `westeurope`.
    pub name: &'static str,
    /// Display name, `West Europe`.
    pub display: &'static str,
    /// Geography group, `Europe`.
    pub geography: &'static str,
}

const LOCATIONS: &[(&str, &str, &str)] = &[
    ("eastus", "East US", "US"),
    ("eastus2", "East US 2", "US"),
    ("northeurope", "North Europe", "Europe"),
    ("swedencentral", "Sweden Central", "Europe"),
    ("westeurope", "West Europe", "Europe"),
    ("westus2", "West US 2", "US"),
    ("westus3", "West US 3", "US"),
];

/// All regions.
pub fn locations() -> impl Iterator<Item = Location> {
    LOCATIONS.iter().map(|(name, display, geography)| Location { name, display, geography })
}
