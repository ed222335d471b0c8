//! Leases on blobs and containers: a pure state machine (Microsoft's page "Lease Blob", its table of outcomes).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::refusal::{BAD_HEADER, Fixed, MISSING_HEADER, Refusal};
use super::{Call, http_date};
use crate::wire::SimResponse;

/// Where a lease stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Lease {
    /// None.
    #[default]
    Available,
    /// Held.
    Leased { id: String, seconds: Option<i64>, until: Option<Timestamp> },
    /// Ran out; its holder may still renew it.
    Expired { id: String, seconds: i64 },
    /// Ends soon, by someone else's wish.
    Breaking { id: String, until: Timestamp },
    /// Ended by someone else's wish.
    Broken { id: String },
}

const PRESENT: Fixed = (409, "LeaseAlreadyPresent", "There is already a lease present.");
const ABSENT: Fixed =
    (409, "LeaseNotPresentWithLeaseOperation", "There is currently no lease on the resource.");
const OTHER: Fixed = (
    409,
    "LeaseIdMismatchWithLeaseOperation",
    "The lease ID specified did not match the lease ID for the resource.",
);
const BROKEN: Fixed = (
    409,
    "LeaseIsBrokenAndCannotBeRenewed",
    "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
);
const BREAKING: Fixed = (
    409,
    "LeaseIsBreakingAndCannotBeAcquired",
    "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.",
);
const UNCHANGEABLE: Fixed = (
    409,
    "LeaseIsBreakingAndCannotBeChanged",
    "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
);
const MISSING: Fixed = (
    412,
    "LeaseIdMissing",
    "There is currently a lease on the resource and no lease ID was specified in the request.",
);

/// What is leased: the codes of refused operations name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Blob,
    Container,
}

impl What {
    fn mismatch(self) -> Fixed {
        match self {
            Self::Blob => (
                412,
                "LeaseIdMismatchWithBlobOperation",
                "The lease ID specified did not match the lease ID for the blob.",
            ),
            Self::Container => (
                412,
                "LeaseIdMismatchWithContainerOperation",
                "The lease ID specified did not match the lease ID for the container.",
            ),
        }
    }

    fn lost(self) -> Fixed {
        match self {
            Self::Blob => {
                (412, "LeaseNotPresentWithBlobOperation", "There is currently no lease on the blob.")
            }
            Self::Container => (
                412,
                "LeaseNotPresentWithContainerOperation",
                "There is currently no lease on the container.",
            ),
        }
    }
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

impl Lease {
    /// The same at this time: leases run out by themselves.
    pub(super) fn at(&self, now: Timestamp) -> Self {
        match self {
            Self::Leased { id, seconds: Some(seconds), until: Some(until) } if *until <= now => {
                Self::Expired { id: id.clone(), seconds: *seconds }
            }
            Self::Breaking { id, until } if *until <= now => Self::Broken { id: id.clone() },
            other => other.clone(),
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Available => None,
            Self::Leased { id, .. }
            | Self::Expired { id, .. }
            | Self::Breaking { id, .. }
            | Self::Broken { id } => Some(id),
        }
    }

    fn locks(&self) -> bool {
        matches!(self, Self::Leased { .. } | Self::Breaking { .. })
    }

    fn held(id: &str, seconds: i64, now: Timestamp) -> Self {
        let fixed = (seconds > 0).then_some(seconds);
        Self::Leased { id: id.to_owned(), seconds: fixed, until: fixed.map(|s| after(now, s)) }
    }

    /// `seconds` is -1 for a lease without end.
    fn acquire(&self, id: &str, seconds: i64, now: Timestamp) -> Result<Self, Refusal> {
        if seconds != -1 && !(15..=60).contains(&seconds) {
            return Err(BAD_HEADER.into());
        }
        match self {
            Self::Leased { id: holder, .. } if holder != id => Err(PRESENT.into()),
            Self::Breaking { id: holder, .. } => Err(if holder == id { BREAKING } else { PRESENT }.into()),
            _ => Ok(Self::held(id, seconds, now)),
        }
    }

    fn renew(&self, id: &str, now: Timestamp) -> Result<Self, Refusal> {
        if self.id() != Some(id) {
            return Err(OTHER.into());
        }
        match self {
            Self::Leased { seconds, .. } => Ok(Self::held(id, seconds.unwrap_or(-1), now)),
            Self::Expired { seconds, .. } => Ok(Self::held(id, *seconds, now)),
            _ => Err(BROKEN.into()),
        }
    }

    fn change(&self, id: &str, proposed: &str) -> Result<Self, Refusal> {
        match self {
            Self::Leased { id: holder, seconds, until } if holder == id || holder == proposed => {
                Ok(Self::Leased { id: proposed.to_owned(), seconds: *seconds, until: *until })
            }
            Self::Breaking { id: holder, .. } if holder == id => Err(UNCHANGEABLE.into()),
            Self::Leased { .. } | Self::Breaking { .. } => Err(OTHER.into()),
            _ => Err(ABSENT.into()),
        }
    }

    fn release(&self, id: &str) -> Result<Self, Refusal> {
        if self.id() == Some(id) { Ok(Self::Available) } else { Err(OTHER.into()) }
    }

    /// Ends a lease at once, or after so many seconds, but not later than it would end by itself.
    fn break_up(&self, period: Option<i64>, now: Timestamp) -> Result<Self, Refusal> {
        if period.is_some_and(|period| !(0..=60).contains(&period)) {
            return Err(BAD_HEADER.into());
        }
        let (id, end) = match self {
            Self::Available => return Err(ABSENT.into()),
            Self::Expired { id, .. } | Self::Broken { id } => return Ok(Self::Broken { id: id.clone() }),
            Self::Leased { id, until, .. } => (id, *until),
            Self::Breaking { id, until } => (id, Some(*until)),
        };
        let until = match (period.map(|period| after(now, period)), end) {
            (Some(asked), Some(end)) => asked.min(end),
            (Some(asked), None) => asked,
            (None, end) => end.unwrap_or(now),
        };
        Ok(Self::Breaking { id: id.clone(), until }.at(now))
    }

    /// Whether a write or delete may go on that names this lease, or none.
    pub(super) fn admits_write(&self, named: Option<&str>, what: What) -> Result<(), Refusal> {
        match named {
            None if self.locks() => Err(MISSING.into()),
            Some(_) if !self.locks() => Err(what.lost().into()),
            Some(named) if self.id() != Some(named) => Err(what.mismatch().into()),
            _ => Ok(()),
        }
    }

    /// Whether a read may go on: only one that names a lease can fail.
    pub(super) fn admits_read(&self, named: Option<&str>, what: What) -> Result<(), Refusal> {
        if named.is_none() { Ok(()) } else { self.admits_write(named, what) }
    }

    /// After a write nobody can take up a lease again that ran out before it.
    pub(super) fn after_write(&self) -> Self {
        if self.locks() { self.clone() } else { Self::Available }
    }

    /// Status, state and kind of duration, as headers and lists name them.
    pub(super) fn words(&self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Available => ("unlocked", "available", None),
            Self::Leased { until: Some(_), .. } => ("locked", "leased", Some("fixed")),
            Self::Leased { until: None, .. } => ("locked", "leased", Some("infinite")),
            Self::Expired { .. } => ("unlocked", "expired", None),
            Self::Breaking { .. } => ("locked", "breaking", None),
            Self::Broken { .. } => ("unlocked", "broken", None),
        }
    }

    /// Carries out a lease request: the lease afterwards and the answer, which still lacks the etag.
    pub(super) fn operate(&self, call: &Call, fresh: &str) -> Result<(Self, SimResponse), Refusal> {
        let now = call.now;
        let named = || call.header("x-ms-lease-id").map(str::to_ascii_lowercase).ok_or(MISSING_HEADER);
        let proposed = || call.header("x-ms-proposed-lease-id").map(str::to_ascii_lowercase);
        let number = |name: &str| call.header(name).map(str::parse::<i64>).transpose();
        let guid = |text: &str| uuid::Uuid::try_parse(text).map(|_| ()).map_err(|_| BAD_HEADER);
        match call.header("x-ms-lease-action").unwrap_or_default().to_ascii_lowercase().as_str() {
            "acquire" => {
                let seconds = number("x-ms-lease-duration").map_err(|_| BAD_HEADER)?.ok_or(MISSING_HEADER)?;
                let id = proposed().unwrap_or_else(|| fresh.to_owned());
                guid(&id)?;
                Ok((
                    self.acquire(&id, seconds, now)?,
                    SimResponse::empty(201).with_header("x-ms-lease-id", &id),
                ))
            }
            "renew" => {
                let id = named()?;
                Ok((self.renew(&id, now)?, SimResponse::empty(200).with_header("x-ms-lease-id", &id)))
            }
            "change" => {
                let (id, to) = (named()?, proposed().ok_or(MISSING_HEADER)?);
                guid(&to)?;
                Ok((self.change(&id, &to)?, SimResponse::empty(200).with_header("x-ms-lease-id", &to)))
            }
            "release" => Ok((self.release(&named()?)?, SimResponse::empty(200))),
            "break" => {
                let period = number("x-ms-lease-break-period").map_err(|_| BAD_HEADER)?;
                let broken = self.break_up(period, now)?;
                let left = match &broken {
                    Self::Breaking { until, .. } => until.duration_since(now).as_secs().max(0),
                    _ => 0,
                };
                Ok((broken, SimResponse::empty(202).with_header("x-ms-lease-time", &left.to_string())))
            }
            _ => Err(BAD_HEADER.into()),
        }
    }
}

/// The answer to a lease request with the resource's etag, which leases do not change.
pub(super) fn stamped(response: SimResponse, etag: &str, modified: Timestamp) -> SimResponse {
    response.with_header("etag", etag).with_header("last-modified", &http_date(modified))
}
