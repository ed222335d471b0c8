//! Azure identifiers as types: subscriptions, locations and resource ids.
//!
//! Azure returns ids in mixed casing (`/resourcegroups/`, upper-cased group names inside bodies: recorded traffic),
//! so every comparison here ignores ASCII case while the original spelling is kept for display and requests.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why an identifier was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not of the form 8-4-4-4-12 hexadecimal digits.
    #[error("`{0}` is not a subscription id (expected a GUID such as 00000000-0000-0000-0000-000000000000)")]
    Subscription(String),
    /// Not an ARM resource id.
    #[error("`{0}` is not a resource id")]
    Resource(String),
    /// Not a location name.
    #[error("`{0}` is not a location name (expected lower-case letters and digits such as westeurope)")]
    Location(String),
}

/// A subscription id: a GUID, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubscriptionId(String);

impl SubscriptionId {
    /// The GUID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SubscriptionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::try_parse(text.trim())
            .map(|id| Self(id.as_hyphenated().to_string()))
            .map_err(|_| IdError::Subscription(text.to_owned()))
    }
}

impl TryFrom<String> for SubscriptionId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<SubscriptionId> for String {
    fn from(id: SubscriptionId) -> Self {
        id.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A location's programmatic name such as `westeurope`. Display names (`West Europe`) are accepted and folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Location(String);

impl Location {
    /// The programmatic name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Location {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let name: String =
            text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        if !name.is_empty() && name.len() <= 40 && name.chars().all(|c| c.is_ascii_alphanumeric()) {
            Ok(Self(name))
        } else {
            Err(IdError::Location(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Location {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An ARM resource id, such as
/// `/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Network/virtualNetworks/{v}/subnets/{n}`.
///
/// Equality, order and hash ignore ASCII case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(String);

impl ResourceId {
    /// The id of a resource group.
    pub fn group(subscription: &SubscriptionId, group: &str) -> Self {
        Self(format!("/subscriptions/{subscription}/resourceGroups/{group}"))
    }

    /// The id of a top-level resource of `kind` (such as `Microsoft.Network/virtualNetworks`) in this group.
    pub fn resource(&self, kind: &str, name: &str) -> Self {
        Self(format!("{}/providers/{kind}/{name}", self.0))
    }

    /// The id of a child resource such as (`subnets`, `workers`).
    pub fn child(&self, kind: &str, name: &str) -> Self {
        Self(format!("{}/{kind}/{name}", self.0))
    }

    /// The id in its original spelling, starting with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.strip_prefix('/').unwrap_or(&self.0).split('/')
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.segments().next_back().unwrap_or_default()
    }

    /// The segment after `key`, compared without case: `segment("resourceGroups")` is the group's name.
    pub fn segment(&self, key: &str) -> Option<&str> {
        let mut segments = self.segments();
        segments.find(|s| s.eq_ignore_ascii_case(key))?;
        segments.next()
    }

    /// The subscription's GUID.
    pub fn subscription(&self) -> Option<&str> {
        self.segment("subscriptions")
    }

    /// The resource group's name.
    pub fn group_name(&self) -> Option<&str> {
        self.segment("resourceGroups")
    }

    /// The resource type such as `Microsoft.Network/virtualNetworks/subnets`; a resource group's is
    /// `Microsoft.Resources/resourceGroups`.
    pub fn kind(&self) -> String {
        let segments: Vec<&str> = self.segments().collect();
        // Keys are at even places; the last provider decides, since the first may be that of an extension's scope.
        let keys = (0..segments.len()).step_by(2).rev();
        let Some(at) = keys.into_iter().find(|at| segments[*at].eq_ignore_ascii_case("providers")) else {
            return "Microsoft.Resources/resourceGroups".to_owned();
        };
        let namespace = segments.get(at + 1).copied().unwrap_or_default();
        segments[at + 1..]
            .iter()
            .skip(1)
            .step_by(2)
            .fold(namespace.to_owned(), |kind, s| format!("{kind}/{s}"))
    }

    /// Whether the type is `kind`, without case.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind().eq_ignore_ascii_case(kind)
    }

    /// The parent of a child resource (a subnet's virtual network); `None` for top-level resources and groups.
    pub fn parent(&self) -> Option<Self> {
        (self.kind().matches('/').count() > 1).then(|| {
            let cut = self.0.rsplitn(3, '/').nth(2).unwrap_or_default();
            Self(cut.to_owned())
        })
    }

    /// The id folded to lower case: a map key that is equal whenever two ids are.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for ResourceId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError::Resource(text.to_owned());
        let path = text.strip_prefix('/').ok_or_else(refused)?;
        let segments: Vec<&str> = path.split('/').collect();
        let well_formed = segments.len() >= 4
            && segments.len().is_multiple_of(2)
            && segments[0].eq_ignore_ascii_case("subscriptions")
            && segments
                .iter()
                .all(|s| !s.is_empty() && !s.contains(['?', '#', ' ']) && *s != "." && *s != "..");
        if well_formed { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }
}

impl TryFrom<String> for ResourceId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.bytes().map(|b| b.to_ascii_lowercase()).cmp(other.0.bytes().map(|b| b.to_ascii_lowercase()))
    }
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBNET: &str = "/subscriptions/5b3a7c1e-0000-4000-8000-0123456789ab/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/workers";

    #[test]
    fn ids_are_taken_apart() {
        let id: ResourceId = SUBNET.parse().unwrap();
        assert_eq!(id.kind(), "Microsoft.Network/virtualNetworks/subnets");
        assert_eq!(id.name(), "workers");
        assert_eq!(id.group_name(), Some("rg"));
        let parent = id.parent().unwrap();
        assert_eq!(parent.kind(), "Microsoft.Network/virtualNetworks");
        assert_eq!(parent.parent(), None);
        assert_eq!(parent.child("subnets", "workers"), id);
    }

    #[test]
    fn an_extension_has_a_type_of_its_own_and_no_parent() {
        let id: ResourceId =
            format!("{SUBNET}/providers/Microsoft.Authorization/roleAssignments/x").parse().unwrap();
        assert_eq!(id.kind(), "Microsoft.Authorization/roleAssignments");
        assert_eq!((id.name(), id.parent()), ("x", None));
        let group: ResourceId =
            "/subscriptions/s/resourceGroups/providers/providers/A.B/c/d".parse().unwrap();
        assert_eq!(group.kind(), "A.B/c");
    }

    #[test]
    fn ids_are_equal_whatever_their_case() {
        let id: ResourceId = SUBNET.parse().unwrap();
        let shouted: ResourceId = SUBNET.to_uppercase().parse().unwrap();
        assert_eq!(id, shouted);
        assert_eq!(id.cmp(&shouted), Ordering::Equal);
        assert_eq!(id.key(), shouted.key());
    }

    #[test]
    fn garbled_ids_are_refused() {
        for text in [
            "",
            "/",
            "subscriptions/x/resourceGroups/y",
            "/subscriptions/x",
            "/subscriptions/x/resourceGroups/",
            "/subscriptions/x/resourceGroups/..",
        ] {
            assert!(text.parse::<ResourceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn display_names_of_locations_are_folded() {
        assert_eq!("West Europe".parse::<Location>().unwrap().as_str(), "westeurope");
        assert!("west-europe".parse::<Location>().is_err());
    }
}
