//! Public regions (list of subscription locations, recorded traffic; pairs and zones: Microsoft Learn "Azure regions").

/// A region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Short name, `westeurope`.
    pub name: &'static str,
    /// Display name, `West Europe`.
    pub display: &'static str,
    /// Geography group, `Europe`.
    pub geography: &'static str,
    /// The region it is paired with; empty for unpaired ones.
    pub paired: &'static str,
    /// Whether it has availability zones 1 to 3.
    pub zones: bool,
    /// List price level, percent of East US (the simulator's own rounding).
    pub price_percent: u32,
}

/// (name, display, geography group, pair, zones, price level)
const LOCATIONS: &[(&str, &str, &str, &str, bool, u32)] = &[
    ("australiaeast", "Australia East", "Asia Pacific", "australiasoutheast", true, 126),
    ("australiasoutheast", "Australia Southeast", "Asia Pacific", "australiaeast", false, 126),
    ("brazilsouth", "Brazil South", "South America", "southcentralus", true, 160),
    ("canadacentral", "Canada Central", "Canada", "canadaeast", true, 111),
    ("canadaeast", "Canada East", "Canada", "canadacentral", false, 111),
    ("centralindia", "Central India", "Asia Pacific", "southindia", true, 104),
    ("centralus", "Central US", "US", "eastus2", true, 120),
    ("eastasia", "East Asia", "Asia Pacific", "southeastasia", true, 140),
    ("eastus", "East US", "US", "westus", true, 100),
    ("eastus2", "East US 2", "US", "centralus", true, 100),
    ("francecentral", "France Central", "Europe", "francesouth", true, 117),
    ("germanywestcentral", "Germany West Central", "Europe", "germanynorth", true, 115),
    ("italynorth", "Italy North", "Europe", "", true, 114),
    ("japaneast", "Japan East", "Asia Pacific", "japanwest", true, 130),
    ("japanwest", "Japan West", "Asia Pacific", "japaneast", true, 134),
    ("koreacentral", "Korea Central", "Asia Pacific", "koreasouth", true, 125),
    ("northcentralus", "North Central US", "US", "southcentralus", false, 100),
    ("northeurope", "North Europe", "Europe", "westeurope", true, 107),
    ("norwayeast", "Norway East", "Europe", "norwaywest", true, 121),
    ("polandcentral", "Poland Central", "Europe", "", true, 112),
    ("southafricanorth", "South Africa North", "Africa", "southafricawest", true, 124),
    ("southcentralus", "South Central US", "US", "northcentralus", true, 120),
    ("southeastasia", "Southeast Asia", "Asia Pacific", "eastasia", true, 125),
    ("spaincentral", "Spain Central", "Europe", "", true, 112),
    ("swedencentral", "Sweden Central", "Europe", "swedensouth", true, 106),
    ("switzerlandnorth", "Switzerland North", "Europe", "switzerlandwest", true, 132),
    ("uaenorth", "UAE North", "Middle East", "uaecentral", true, 122),
    ("uksouth", "UK South", "Europe", "ukwest", true, 116),
    ("ukwest", "UK West", "Europe", "uksouth", false, 118),
    ("westcentralus", "West Central US", "US", "westus2", false, 110),
    ("westeurope", "West Europe", "Europe", "northeurope", true, 115),
    ("westus", "West US", "US", "eastus", false, 117),
    ("westus2", "West US 2", "US", "westcentralus", true, 100),
    ("westus3", "West US 3", "US", "eastus", true, 100),
];

/// All regions, sorted by name.
pub fn locations() -> impl Iterator<Item = Location> {
    LOCATIONS.iter().map(|row| Location {
        name: row.0,
        display: row.1,
        geography: row.2,
        paired: row.3,
        zones: row.4,
        price_percent: row.5,
    })
}

/// A region by its short name.
pub fn location(name: &str) -> Option<Location> {
    locations().find(|location| location.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_sorted_and_named_by_their_display_name() {
        let all: Vec<Location> = locations().collect();
        assert!(all.len() >= 30);
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        for location in all {
            assert_eq!(crate::resource::normal_location(location.display), location.name);
        }
    }
}
