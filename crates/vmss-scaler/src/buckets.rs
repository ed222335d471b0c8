//! A mirror of Azure's token buckets: slows down before a 429, not after.
//!
//! Figures: Microsoft's page "Compute throttling limits" (per region; tokens are refilled by the minute), and "Understand
//! how Azure Resource Manager throttles requests" for the gate that all requests of a subscription go through.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::asked::later;

/// The classes of requests that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// PUT of a new scale set.
    SetCreate,
    /// PATCH or PUT of a scale set that is there.
    SetUpdate,
    /// Delete or power off, of a scale set or of instances through it.
    SetDelete,
    /// GET of one scale set.
    SetGet,
    /// Lists of scale sets or instances, and instance views.
    SetList,
    /// Lists of machines: those of Flexible sets are ordinary ones of the group.
    MachineList,
    /// Update of one instance.
    InstanceUpdate,
    /// Deletion of one instance by its own id.
    InstanceDelete,
    /// GET of one instance.
    InstanceGet,
    /// Polling an operation.
    Operation,
}

/// How many tokens a bucket gets per minute and holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tokens per minute.
    pub refill: u32,
    /// Most tokens.
    pub most: u32,
}

const fn limit(refill: u32) -> Limit {
    // Each published bucket holds three minutes' worth.
    Limit { refill, most: refill * 3 }
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SetCreate,
        Self::SetUpdate,
        Self::SetDelete,
        Self::SetGet,
        Self::SetList,
        Self::MachineList,
        Self::InstanceUpdate,
        Self::InstanceDelete,
        Self::InstanceGet,
        Self::Operation,
    ];

    /// The limit for one resource.
    pub fn per_resource(self) -> Limit {
        limit(match self {
            Self::SetCreate
            | Self::SetUpdate
            | Self::SetDelete
            | Self::InstanceUpdate
            | Self::InstanceDelete => 4,
            Self::SetGet | Self::InstanceGet => 12,
            Self::SetList => 10,
            // One list is of no resource: only the subscription's bucket counts.
            Self::MachineList => 300,
            Self::Operation => 15,
        })
    }

    /// The limit for the subscription.
    pub fn per_subscription(self) -> Limit {
        limit(match self {
            Self::SetCreate => 125,
            Self::SetUpdate | Self::InstanceUpdate | Self::InstanceDelete => 500,
            Self::SetDelete => 175,
            Self::SetGet => 800,
            Self::SetList => 360,
            Self::MachineList => 300,
            Self::InstanceGet => 2000,
            Self::Operation => 5000,
        })
    }
}

/// ARM's own gate, before any provider sees a request: tokens per minute, and most. Full buckets hold 250 reads and 200
/// writes; a part is left to requests that are not counted here and to other people's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    Reads,
    Writes,
}

impl Gate {
    fn of(class: Class) -> Self {
        match class {
            Class::SetGet | Class::SetList | Class::MachineList | Class::InstanceGet | Class::Operation => {
                Self::Reads
            }
            Class::SetCreate
            | Class::SetUpdate
            | Class::SetDelete
            | Class::InstanceUpdate
            | Class::InstanceDelete => Self::Writes,
        }
    }

    fn limit(self) -> Limit {
        match self {
            Self::Reads => Limit { refill: 1500, most: 200 },
            Self::Writes => Limit { refill: 600, most: 160 },
        }
    }
}

/// One token in the unit that is counted in: a bucket with a refill of one gets one unit a millisecond.
const TOKEN: u64 = 60_000;

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    limit: Limit,
    /// Units at `at`.
    level: u64,
    at: Timestamp,
    /// Azure said to wait until then.
    closed_until: Option<Timestamp>,
}

impl Bucket {
    fn full(limit: Limit, now: Timestamp) -> Self {
        Self { limit, level: u64::from(limit.most) * TOKEN, at: now, closed_until: None }
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(0);
        let gained = passed.saturating_mul(u64::from(self.limit.refill));
        self.level = self.level.saturating_add(gained).min(u64::from(self.limit.most) * TOKEN);
        self.at = self.at.max(now);
    }

    fn next(mut self, now: Timestamp) -> Timestamp {
        self.refill(now);
        let missing = TOKEN.saturating_sub(self.level);
        let wait = missing.div_ceil(u64::from(self.limit.refill).max(1));
        let filled = later(now, Duration::from_millis(wait)).unwrap_or(Timestamp::MAX);
        self.closed_until.map_or(filled, |until| filled.max(until))
    }

    fn take(&mut self, now: Timestamp) {
        self.refill(now);
        self.level = self.level.saturating_sub(TOKEN);
    }
}

/// The buckets of one subscription in one region.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    gates: BTreeMap<Gate, Bucket>,
    subscription: BTreeMap<Class, Bucket>,
    resource: BTreeMap<(Class, String), Bucket>,
}

impl Buckets {
    /// When the next request of this class may go to this resource: `now` or later. A list of all scale sets is of
    /// no resource.
    pub fn next(&self, class: Class, resource: Option<&str>, now: Timestamp) -> Timestamp {
        let all = self.subscription.get(&class).map_or(now, |bucket| bucket.next(now));
        let one = resource
            .and_then(|id| self.resource.get(&(class, id.to_ascii_lowercase())))
            .map_or(now, |bucket| bucket.next(now));
        let gate = self.gates.get(&Gate::of(class)).map_or(now, |bucket| bucket.next(now));
        all.max(one).max(gate)
    }

    /// A request was sent.
    pub fn take(&mut self, class: Class, resource: Option<&str>, now: Timestamp) {
        let gate = Gate::of(class);
        self.gates.entry(gate).or_insert_with(|| Bucket::full(gate.limit(), now)).take(now);
        for bucket in self.of(class, resource, now) {
            bucket.take(now);
        }
    }

    /// Azure answered with so many tokens left (`x-ms-ratelimit-remaining-resource`): others spend from the same
    /// buckets, so the lower number counts.
    pub fn remaining(&mut self, class: Class, tokens: u32, now: Timestamp) {
        for bucket in self.of(class, None, now) {
            bucket.refill(now);
            bucket.level = bucket.level.min(u64::from(tokens) * TOKEN);
        }
    }

    /// Azure answered 429 and asked to wait until then. To send earlier makes the wait longer.
    pub fn closed(&mut self, class: Class, resource: Option<&str>, until: Timestamp, now: Timestamp) {
        // Which of the two was empty is not said; the narrower one is, unless there is none.
        if let Some(bucket) = self.of(class, resource, now).pop() {
            bucket.closed_until = Some(bucket.closed_until.map_or(until, |old| old.max(until)));
        }
    }

    /// Forgets the buckets of resources that are full again.
    pub fn prune(&mut self, now: Timestamp) {
        self.resource.retain(|_, bucket| {
            bucket.refill(now);
            bucket.level < u64::from(bucket.limit.most) * TOKEN
                || bucket.closed_until.is_some_and(|until| until > now)
        });
    }

    /// The subscription's bucket and, last, the resource's.
    fn of(&mut self, class: Class, resource: Option<&str>, now: Timestamp) -> Vec<&mut Bucket> {
        let all =
            self.subscription.entry(class).or_insert_with(|| Bucket::full(class.per_subscription(), now));
        let one = resource.map(|id| {
            self.resource
                .entry((class, id.to_ascii_lowercase()))
                .or_insert_with(|| Bucket::full(class.per_resource(), now))
        });
        std::iter::once(all).chain(one).collect()
    }
}
