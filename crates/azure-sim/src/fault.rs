//! Scripted faults: what goes wrong, and at which request.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::spoil::Spoil;
use crate::wire::{SimRequest, SimResponse};

/// Which request a fault strikes. Every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// HTTP method.
    pub method: Option<String>,
    /// Part of the URL's path and query, any casing.
    pub contains: Option<String>,
    /// How many otherwise matching requests pass unharmed first.
    pub skip: u32,
    /// The number of the request since the world began, from 1.
    pub call: Option<u64>,
}

impl Match {
    /// Any request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests of a method whose URL contains a text.
    pub fn on(method: &str, contains: &str) -> Self {
        Self {
            method: Some(method.to_ascii_uppercase()),
            contains: Some(contains.to_ascii_lowercase()),
            ..Self::default()
        }
    }

    /// The nth request of the world, from 1.
    pub fn call(number: u64) -> Self {
        Self { call: Some(number), ..Self::default() }
    }

    /// Only the nth match, from 1.
    pub fn nth(mut self, nth: u32) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }

    fn fits(&self, request: &SimRequest, call: u64) -> bool {
        let url = request.url.as_str().to_ascii_lowercase();
        self.method.as_ref().is_none_or(|m| *m == request.method)
            && self.contains.as_ref().is_none_or(|text| url.contains(text))
            && self.call.is_none_or(|number| number == call)
    }
}

/// How a started operation departs from the usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationFault {
    /// Ends Failed; `status` is what a `Location` poll answers.
    Fails {
        /// HTTP status of a `Location` poll.
        status: u16,
        /// Error code.
        code: String,
        /// Error message.
        message: String,
    },
    /// Never ends.
    NeverEnds,
    /// Takes so many virtual seconds.
    Takes(u64),
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// This answer instead; nothing is changed.
    Respond {
        /// HTTP status.
        status: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// JSON body; `None` is an empty one.
        body: Option<Value>,
    },
    /// The change is applied, the response is lost.
    LoseResponse,
    /// The connection breaks before the service saw the request.
    Reset,
    /// 401 ExpiredAuthenticationToken; nothing is changed.
    ExpiredToken,
    /// The operation which the request starts goes wrong.
    Operation(OperationFault),
    /// The answer takes so many virtual milliseconds more.
    Slow(u64),
    /// The change is applied; its answer arrives spoiled.
    Spoil(Spoil),
    /// An intermediary answers with an HTML page of its own and this status; the service never sees the request.
    Page(u16),
}

impl Action {
    /// An ARM error as answer.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Respond {
            status,
            headers: Vec::new(),
            body: Some(json!({"error": {"code": code, "message": message}})),
        }
    }

    /// A throttled answer with `Retry-After`.
    pub fn throttled(seconds: u32) -> Self {
        Self::Respond {
            status: 429,
            headers: vec![("retry-after".to_owned(), seconds.to_string())],
            body: Some(crate::throttle::body("subscription", seconds)),
        }
    }

    /// The started operation ends Failed (409 when polled at `Location`).
    pub fn operation_fails(code: &str, message: &str) -> Self {
        Self::Operation(OperationFault::Fails {
            status: 409,
            code: code.to_owned(),
            message: message.to_owned(),
        })
    }
}

/// A fault waiting for its request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Which request.
    pub at: Match,
    /// What happens.
    pub action: Action,
    /// How often it still strikes; `None` is for ever.
    pub times: Option<u32>,
}

impl Fault {
    /// Strikes once.
    pub fn once(at: Match, action: Action) -> Self {
        Self { at, action, times: Some(1) }
    }

    /// Strikes so many times.
    pub fn times(at: Match, action: Action, times: u32) -> Self {
        Self { at, action, times: Some(times) }
    }

    /// Strikes always.
    pub fn always(at: Match, action: Action) -> Self {
        Self { at, action, times: None }
    }
}

/// Takes the first fault that strikes this request off the list.
pub(crate) fn strike(faults: &mut Vec<Fault>, request: &SimRequest, call: u64) -> Option<Action> {
    let mut struck = None;
    for (index, fault) in faults.iter_mut().enumerate() {
        if !fault.at.fits(request, call) {
            continue;
        }
        if fault.at.skip > 0 {
            fault.at.skip -= 1;
            continue;
        }
        struck = Some(index);
        break;
    }
    let index = struck?;
    let action = faults[index].action.clone();
    if let Some(times) = &mut faults[index].times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            faults.remove(index);
        }
    }
    Some(action)
}

/// The page of a proxy or a captive portal.
pub(crate) fn page(status: u16) -> SimResponse {
    let mut response = SimResponse::empty(status).with_header("content-type", "text/html; charset=utf-8");
    response.body =
        b"<!DOCTYPE html><html><body><h1>The proxy has a word with you</h1></body></html>".to_vec();
    response
}

/// The answer to an expired token (recorded traffic).
pub(crate) fn expired_token() -> SimResponse {
    SimResponse::arm_error(
        401,
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time is earlier than current UTC time.",
    )
    .by_gateway()
    .with_header(
        "www-authenticate",
        "Bearer authorization_uri=\"https://login.microsoftonline.com/\", error=\"invalid_token\", error_description=\"The access token has expired.\"",
    )
}
