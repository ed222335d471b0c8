//! Where there is no capacity or quota, and until when.
//!
//! Each refusal marks exactly the scope it is about, for as long as Karpenter's Azure provider does (its
//! `commonerrorhandlers.go` and `unavailableofferings.go`, the field's best-known figures). Unlike there a longer mark
//! is never shortened by a later, shorter one.

use std::time::Duration;

use flamenco_azure_core::arm::classify::{CapacityScope, Kind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::asked::later;
use crate::spec::{Placement, Priority};

/// While no placement is open, one that lacks capacity is asked once more so long after its last refusal: with nowhere
/// else to go, the field's hour is too long to miss that machines are there again.
pub const PROBE_AFTER: Duration = Duration::from_mins(10);

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Which zones a mark is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Zones {
    /// All of them, and regional placements.
    All,
    /// One of them.
    Zone(String),
    /// Placements without a zone.
    Regional,
}

impl Zones {
    fn of(placement: &Placement) -> Self {
        placement.zone.clone().map_or(Self::Regional, Self::Zone)
    }

    fn covers(&self, placement: &Placement) -> bool {
        match self {
            Self::All => true,
            Self::Zone(zone) => placement.zone.as_ref() == Some(zone),
            Self::Regional => placement.zone.is_none(),
        }
    }
}

/// What is marked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// One size.
    Sku(String),
    /// The sizes of a family with at least so many vCPUs: where the smaller one finds no room, they find none.
    Family {
        /// The quota family.
        family: String,
        /// From this size on.
        least_vcpus: u32,
    },
    /// Every size in the region.
    Region,
    /// Every size of the subscription.
    Subscription,
}

/// A scope: what, in which zones, for whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Which sizes.
    pub reach: Reach,
    /// Which zones.
    pub zones: Zones,
    /// Spot or regular; none for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

impl Scope {
    /// Whether the placement lies within.
    pub fn covers(&self, placement: &Placement) -> bool {
        let size = match &self.reach {
            Reach::Sku(sku) => placement.sku.eq_ignore_ascii_case(sku),
            Reach::Family { family, least_vcpus } => {
                placement.family.eq_ignore_ascii_case(family) && placement.vcpus >= *least_vcpus
            }
            Reach::Region | Reach::Subscription => true,
        };
        size && self.zones.covers(placement) && self.priority.is_none_or(|only| only == placement.priority)
    }
}

/// Why something is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Azure has no such machines to give now.
    Capacity,
    /// A quota is exhausted.
    Quota,
    /// The subnet has no free addresses.
    Subnet,
    /// Azure refuses for another reason; trying again at once would not help.
    Refused,
    /// Machines are made and do not come up.
    Boot,
}

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// What it is about.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// Azure's code.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; at this moment it is over.
    pub until: Timestamp,
}

/// A placement that cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which one.
    pub placement: Placement,
    /// The mark that lasts longest among those that cover it.
    pub mark: Mark,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { placement, mark } = self;
        let why = match mark.cause {
            Cause::Capacity => "no capacity",
            Cause::Quota => "no quota",
            Cause::Subnet => "the subnet is full",
            Cause::Refused => "refused by Azure",
            Cause::Boot => "its machines do not start",
        };
        write!(f, "{placement}: {why} ({}) until {}", mark.code, mark.until)
    }
}

/// All marks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// Marks what a refused request says about its placement. Returns the scope, or none where the refusal says nothing
    /// about placements: throttling, conflicts, temporary failures, machines that were made and did not boot.
    pub fn refused(
        &mut self,
        placement: &Placement,
        code: &str,
        kind: &Kind,
        now: Timestamp,
    ) -> Option<Scope> {
        let (scope, cause, lasts) = scope(placement, code, kind)?;
        let until = later(now, lasts)?;
        self.add(Mark { scope: scope.clone(), cause, code: code.to_owned(), since: now, until });
        Some(scope)
    }

    /// Adds a mark, unless one of the same scope lasts longer.
    pub fn add(&mut self, mark: Mark) {
        match self.0.iter_mut().find(|old| old.scope == mark.scope) {
            Some(old) if old.until >= mark.until => {}
            Some(old) => *old = mark,
            None => self.0.push(mark),
        }
    }

    /// Forgets what is over.
    pub fn prune(&mut self, now: Timestamp) {
        self.0.retain(|mark| mark.until > now);
    }

    /// The marks, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Mark> {
        self.0.iter()
    }

    /// The mark that keeps the placement from being used now, the one that lasts longest.
    pub fn blocking(&self, placement: &Placement, now: Timestamp) -> Option<&Mark> {
        self.0
            .iter()
            .filter(|mark| mark.until > now && mark.scope.covers(placement))
            .max_by_key(|mark| mark.until)
    }

    /// Machines that were asked for at `asked` were made: what was known against the placement's capacity by then is over.
    pub fn granted(&mut self, placement: &Placement, asked: Timestamp) {
        self.0.retain(|mark| {
            mark.cause != Cause::Capacity || mark.since > asked || !mark.scope.covers(placement)
        });
    }

    /// The first placement to ask although it is marked: where none is open, and lack of capacity is all that is known
    /// against it, for [`PROBE_AFTER`] at least.
    pub fn probe<'a>(
        &self,
        mut placements: impl Iterator<Item = &'a Placement> + Clone,
        now: Timestamp,
    ) -> Option<&'a Placement> {
        if placements.clone().any(|one| self.blocking(one, now).is_none()) {
            return None;
        }
        let due = |mark: &Mark| {
            mark.cause == Cause::Capacity && later(mark.since, PROBE_AFTER).is_some_and(|end| now >= end)
        };
        let over = |mark: &Mark| mark.until <= now;
        placements.find(|one| {
            self.0.iter().filter(|mark| mark.scope.covers(one)).all(|mark| over(mark) || due(mark))
        })
    }

    /// Which of the placements cannot be used now, why, and until when.
    pub fn explain(&self, placements: &[Placement], now: Timestamp) -> Vec<Rejection> {
        placements
            .iter()
            .filter_map(|placement| {
                let mark = self.blocking(placement, now)?.clone();
                Some(Rejection { placement: placement.clone(), mark })
            })
            .collect()
    }
}

/// The table: which scope, why, how long.
fn scope(placement: &Placement, code: &str, kind: &Kind) -> Option<(Scope, Cause, Duration)> {
    let own = Some(placement.priority);
    let sku = || Reach::Sku(placement.sku.clone());
    let family = || Reach::Family { family: placement.family.clone(), least_vcpus: placement.vcpus };
    let here = Zones::of(placement);
    let code = code.to_ascii_lowercase();
    let (reach, zones, priority, cause, lasts) = match kind {
        Kind::QuotaExceeded { which, limit, .. } => {
            let which = which.to_ascii_lowercase();
            if which.contains("lowpriority") {
                (Reach::Subscription, Zones::All, Some(Priority::Spot), Cause::Quota, HOUR)
            } else if which.contains("family") {
                let lasts = if *limit == Some(0) { HOUR } else { 10 * MINUTE };
                (family(), Zones::All, own, Cause::Quota, lasts)
            } else {
                // Total Regional Cores: no other size can help, and Spot has a quota of its own.
                (Reach::Region, Zones::All, own, Cause::Quota, 10 * MINUTE)
            }
        }
        Kind::CapacityUnavailable { scope: CapacityScope::Sku } => {
            let lasts = match placement.priority {
                Priority::Regular if !code.starts_with("overconstrained") => 23 * HOUR,
                _ => HOUR,
            };
            (sku(), Zones::All, own, Cause::Capacity, lasts)
        }
        Kind::CapacityUnavailable { scope: CapacityScope::Zone } => {
            let priority = if code.starts_with("overconstrained") { own } else { None };
            (family(), here, priority, Cause::Capacity, HOUR)
        }
        Kind::CapacityUnavailable { scope: CapacityScope::Region } => {
            (family(), here, None, Cause::Capacity, HOUR)
        }
        Kind::SubnetFull => (Reach::Region, Zones::All, None, Cause::Subnet, 10 * MINUTE),
        Kind::PolicyDenied { .. } => (sku(), here, own, Cause::Refused, HOUR),
        Kind::InvalidRequest | Kind::Forbidden { .. } | Kind::NotRegistered { .. } | Kind::Other => {
            (sku(), here, own, Cause::Refused, 3 * MINUTE)
        }
        _ => return None,
    };
    Some((Scope { reach, zones, priority }, cause, lasts))
}
