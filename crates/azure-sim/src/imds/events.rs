//! Scheduled events: the notice of an eviction, about 30 seconds before it, and the early consent to it.

use serde_json::{Value, json};

use super::Machine;
use crate::route::Request;
use crate::scaleset;
use crate::wire::SimResponse;
use crate::world::World;

pub(super) fn get(world: &World, machine: &Machine) -> SimResponse {
    let (incarnation, notices) = match machine {
        Machine::Own(_) => (1, Vec::new()),
        Machine::Member(member) => scaleset::notices(world, member),
    };
    let event = |notice: scaleset::Announcement| {
        json!({
            "EventId": notice.event,
            "EventType": "Preempt",
            "ResourceType": "VirtualMachine",
            "Resources": [notice.machine],
            "EventStatus": if notice.started { "Started" } else { "Scheduled" },
            "NotBefore": if notice.started { String::new() } else { notice.not_before },
            "Description": "",
            "EventSource": "Platform",
            "DurationInSeconds": -1,
        })
    };
    let events: Vec<Value> = notices.into_iter().map(event).collect();
    SimResponse::json(200, &json!({"DocumentIncarnation": incarnation, "Events": events}))
}

/// `{"StartRequests":[{"EventId":"…"}]}`: what is announced happens at once.
pub(super) fn start(world: &mut World, request: &Request, machine: &Machine) -> SimResponse {
    let asked = request.body.get("StartRequests").and_then(Value::as_array).into_iter().flatten();
    let ids: Vec<&str> = asked.filter_map(|item| item.get("EventId")?.as_str()).collect();
    let Machine::Member(member) = machine else { return unknown() };
    if ids.is_empty() || !ids.iter().all(|id| scaleset::consent(world, member, id)) {
        return unknown();
    }
    SimResponse::empty(200)
}

fn unknown() -> SimResponse {
    SimResponse::json(400, &json!({"error": "Bad request. The scheduled event was not found"}))
}
