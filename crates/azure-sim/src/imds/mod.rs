//! The instance metadata service of a machine: who it is, tokens for its identities, scheduled events.
//!
//! Every machine has its own at `http://169.254.169.254`: in process through
//! [`crate::SimTransport::on_machine`], on the loopback server below `/imds/{vmId}/`. Sources: Microsoft Learn "Azure
//! Instance Metadata Service", "Scheduled Events for Linux VMs", "Use managed identities on a VM to acquire a token".

mod events;
mod facts;
mod token;

use serde_json::{Value, json};

use crate::compute::VM;
use crate::route::Request;
use crate::scaleset::Member;
use crate::wire::SimResponse;
use crate::world::World;

/// The address.
pub(crate) const HOST: &str = "169.254.169.254";

/// The machine that asks.
#[derive(Debug, Clone)]
enum Machine {
    /// A virtual machine: its resource id.
    Own(String),
    /// An instance of a scale set.
    Member(Member),
}

/// A machine by vmId, or by resource id; `None` when there is none, or it does not run.
fn machine(world: &World, id: &str) -> Option<Machine> {
    let by_id = id.contains('/');
    let is_it = |vm: &&crate::Resource| {
        vm.is(VM)
            && vm.text("/_sim/power") == Some("running")
            && if by_id { vm.key() == crate::resource::key(id) } else { vm.text("/vmId") == Some(id) }
    };
    if let Some(vm) = world.resources().values().find(is_it) {
        return Some(Machine::Own(vm.id.clone()));
    }
    crate::scaleset::member(world, id).map(Machine::Member)
}

/// Answers a machine's own request.
pub(crate) fn handle(world: &mut World, request: &Request) -> SimResponse {
    let caller = world.caller.clone().unwrap_or_default();
    let Some(machine) = machine(world, &caller) else {
        // Nobody is at this address.
        let mut response = SimResponse::empty(504);
        response.lost = true;
        return response;
    };
    let path = request.path.to_ascii_lowercase();
    let identity = path.starts_with("/metadata/identity");
    let bad = |text: &str| {
        if identity {
            SimResponse::json(400, &json!({"error": "invalid_request", "error_description": text}))
        } else {
            SimResponse::json(400, &json!({"error": format!("Bad request. {text}")}))
        }
    };
    let told = request.headers.get("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !told || request.headers.contains_key("x-forwarded-for") {
        return bad("Required metadata header not specified");
    }
    if request.api_version.is_empty() {
        return bad("api-version was not specified in the request");
    }
    match (request.method.as_str(), path.as_str()) {
        ("GET", "/metadata/identity/oauth2/token") => token::get(world, request, &machine),
        ("GET", "/metadata/scheduledevents") => events::get(world, &machine),
        ("POST", "/metadata/scheduledevents") => events::start(world, request, &machine),
        ("GET", path) if path == "/metadata/instance" || path.starts_with("/metadata/instance/") => {
            part(facts::of(world, &machine), request)
        }
        ("GET", _) => SimResponse::json(404, &json!({"error": "Not found"})),
        _ => SimResponse::json(405, &json!({"error": "Method not allowed"})),
    }
}

/// What the rest of the path names; single values come as text (`format=text`).
fn part(facts: Value, request: &Request) -> SimResponse {
    let mut found = facts;
    for segment in &request.segments[2..] {
        let inner = match found.as_array() {
            Some(items) => segment.parse::<usize>().ok().and_then(|index| items.get(index)).cloned(),
            None => found.as_object().and_then(|members| {
                members
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(segment))
                    .map(|(_, value)| value.clone())
            }),
        };
        match inner {
            Some(inner) => found = inner,
            None => return SimResponse::json(404, &json!({"error": "Not found"})),
        }
    }
    match found {
        Value::String(text) => {
            let mut response =
                SimResponse::empty(200).with_header("content-type", "text/plain; charset=utf-8");
            response.body = text.into_bytes();
            response
        }
        found => SimResponse::json(200, &found),
    }
}

impl World {
    /// Answers a request of a machine, named by its vmId (or resource id): only there has the metadata service at
    /// `http://169.254.169.254` an answer. A machine that is not there or does not run is not answered at all.
    pub fn handle_on(&mut self, machine: &str, request: &crate::SimRequest) -> SimResponse {
        self.caller = Some(machine.to_owned());
        let response = self.handle(request);
        self.caller = None;
        response
    }

    /// Whose token this is: the object id of the identity that the metadata service gave it to, else that of the
    /// signed-in principal.
    pub fn principal_of(&self, token: &str) -> String {
        token::principal(token).map_or_else(|| self.principal.object_id.clone(), str::to_owned)
    }
}
