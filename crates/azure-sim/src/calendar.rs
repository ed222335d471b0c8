//! What will happen, in the order of its time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::operation::Effect;

/// Something that will happen, as it stands in a world's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Event {
    at: Timestamp,
    seq: u64,
    effect: Effect,
}

/// All that will happen: by time, what was scheduled first goes first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Event>", into = "Vec<Event>")]
pub(crate) struct Calendar {
    events: BTreeMap<(Timestamp, u64), Effect>,
}

impl Calendar {
    /// Notes an effect; `seq` is never the same twice.
    pub(crate) fn add(&mut self, at: Timestamp, seq: u64, effect: Effect) {
        self.events.insert((at, seq), effect);
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out an effect again that was to happen at this moment.
    pub(crate) fn cancel(&mut self, at: Timestamp, effect: &Effect) {
        let mut there = self.events.range((at, 0)..=(at, u64::MAX));
        if let Some(key) = there.find(|(_, known)| *known == effect).map(|(key, _)| *key) {
            self.events.remove(&key);
        }
    }

    /// Takes out the next thing that is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Effect> {
        let due = self.next().is_some_and(|at| at <= now);
        if due { self.events.pop_first().map(|(_, effect)| effect) } else { None }
    }
}

impl From<Vec<Event>> for Calendar {
    fn from(events: Vec<Event>) -> Self {
        Self { events: events.into_iter().map(|event| ((event.at, event.seq), event.effect)).collect() }
    }
}

impl From<Calendar> for Vec<Event> {
    fn from(calendar: Calendar) -> Self {
        calendar.events.into_iter().map(|((at, seq), effect)| Event { at, seq, effect }).collect()
    }
}
