//! What goes wrong, and at which calls it can.

use azure_sim::{Action, Fault, Match, OperationFault, Spoil};
use serde_json::json;

use crate::cell::Call;

/// One row of the matrix.
pub(crate) struct Rule {
    /// The row's name in the table.
    pub(crate) name: &'static str,
    /// What the program does about it: the table's explanation.
    pub(crate) answer: &'static str,
    /// What happens at the call.
    pub(crate) action: Action,
    /// How often; `None` is from this call on for ever.
    pub(crate) times: Option<u32>,
    /// At which calls it can happen.
    pub(crate) strikes: fn(&Call) -> bool,
}

impl Rule {
    /// Whether it is tried at this call: what lasts for ever is the same at each poll of an operation, so there the first
    /// and the last request of a URL stand for all.
    pub(crate) fn applies(&self, call: &Call) -> bool {
        (self.strikes)(call) && (self.times.is_some() || call.nth == 1 || call.last)
    }

    /// The fault that strikes this call: the nth request of its method and URL.
    pub(crate) fn at(&self, call: &Call) -> Fault {
        let at = Match::on(&call.method, &call.url).nth(call.nth);
        match self.times {
            Some(times) => Fault::times(at, self.action.clone(), times),
            None => Fault::always(at, self.action.clone()),
        }
    }
}

fn any(_: &Call) -> bool {
    true
}

fn writes(call: &Call) -> bool {
    call.method != "GET"
}

fn deletes(call: &Call) -> bool {
    call.method == "DELETE"
}

fn starts_an_operation(call: &Call) -> bool {
    call.starts_operation
}

fn answers_json(call: &Call) -> bool {
    call.has_body
}

/// Wrong types reach as deep as list items' properties: document, members, `properties.*`, items' members, theirs.
pub(crate) const DEPTHS: u8 = 5;

/// All rows, in the order of the table.
pub(crate) fn all() -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut row = |name, action: Action, times, strikes, answer| {
        rules.push(Rule { name, answer, action, times, strikes });
    };
    let empty = |status| Action::Respond { status, headers: Vec::new(), body: None };
    let once = Some(1);
    let error = |status, code: &str| {
        Action::error(status, code, "Azure's own words about what it could not do at the moment.")
    };
    let passing = "sent again after 1, 2, 4 … 60 s, eight times at most";
    let lasting = "given up after the eighth try: what failed, and that the command can be run again";
    row("408", error(408, "RequestTimeout"), once, any, passing);
    row("408 for ever", error(408, "RequestTimeout"), None, any, lasting);
    row(
        "429, Retry-After 1 s",
        Action::throttled(1),
        once,
        any,
        "sent again after the time that Azure asks for",
    );
    row("429 for ever, Retry-After 1 s", Action::throttled(1), None, any, "given up after the eighth try");
    row(
        "429, Retry-After 1200 s",
        Action::throttled(1200),
        once,
        any,
        "waited for: up to one hour for one request",
    );
    row(
        "429 for ever, Retry-After 1200 s",
        Action::throttled(1200),
        None,
        any,
        "given up when the next wait would pass one hour for this request; the hint says how long Azure asks to wait",
    );
    row("500", error(500, "InternalServerError"), once, any, passing);
    row("500 for ever", error(500, "InternalServerError"), None, any, lasting);
    row("503, empty", empty(503), once, any, passing);
    row("503 for ever, empty", empty(503), None, any, lasting);
    row("504", error(504, "GatewayTimeout"), once, any, passing);
    row("504 for ever", error(504, "GatewayTimeout"), None, any, lasting);
    row(
        "connection reset before the change",
        Action::Reset,
        once,
        any,
        "as after the change: nobody can tell the two apart",
    );
    row("connection reset for ever", Action::Reset, None, any, "given up after the eighth try");
    row(
        "connection reset after the change",
        Action::LoseResponse,
        once,
        any,
        "what can be sent twice is; what cannot (`removenodes`, run-command) is looked at first, or left to the next run",
    );
    row("answers lost for ever", Action::LoseResponse, None, any, "given up after the eighth try");
    row(
        "truncated body",
        Action::Spoil(Spoil::Truncated),
        once,
        answers_json,
        "no answer: sent again like one that was lost",
    );
    row(
        "truncated bodies for ever",
        Action::Spoil(Spoil::Truncated),
        None,
        answers_json,
        "given up after the eighth try",
    );
    row(
        "HTML page with status 200",
        Action::Page(200),
        once,
        any,
        "not Azure's: sent again, and never believed, although it says that all is well",
    );
    row(
        "HTML pages for ever",
        Action::Page(200),
        None,
        any,
        "given up after the eighth try; the hint points to the proxy",
    );
    row("HTML page with status 502", Action::Page(502), once, any, passing);
    for depth in 0..DEPTHS {
        let spoiled = Action::Spoil(Spoil::WrongType(depth));
        row(
            "wrong JSON types",
            spoiled,
            once,
            answers_json,
            "what is needed is checked: an answer that lacks it ends the run, what is not needed is passed over",
        );
    }
    // An answer that is understood is not asked for again: the other depths would only say the same.
    row(
        "wrong JSON types for ever",
        Action::Spoil(Spoil::WrongType(1)),
        None,
        answers_json,
        "the same; an operation whose state cannot be read is looked at until its deadline",
    );
    row(
        "unknown enum values",
        Action::Spoil(Spoil::UnknownEnum),
        once,
        answers_json,
        "an unknown state is a state in progress: looked at again",
    );
    row(
        "unknown enum values for ever",
        Action::Spoil(Spoil::UnknownEnum),
        None,
        answers_json,
        "waited for up to the deadline, then named",
    );
    row(
        "expired token",
        Action::ExpiredToken,
        once,
        any,
        "a new token is fetched and the request sent again, once",
    );
    row("expired token for ever", Action::ExpiredToken, None, any, "ended: sign in again");
    row(
        "operation fails after 202",
        Action::operation_fails("OperationFailed", "Azure's own words about what went wrong."),
        once,
        starts_an_operation,
        "ended with Azure's reason; the next run sees a failed resource and asks for it again",
    );
    row(
        "operation never ends",
        Action::Operation(OperationFault::NeverEnds),
        once,
        starts_an_operation,
        "given up after two hours; the next run looks first and waits for what is still under way",
    );
    row(
        "PrincipalNotFound, 24 times",
        error(400, "PrincipalNotFound"),
        Some(24),
        writes,
        "a new identity is not known everywhere at once: waited for up to 15 minutes",
    );
    row(
        "InUse at a delete",
        in_use(),
        once,
        deletes,
        "references end some time after their resource: waited for up to 3 minutes",
    );
    row(
        "InUse at a delete for ever",
        in_use(),
        None,
        deletes,
        "ended after that: what is still in use, and by whom in Azure's words",
    );
    row(
        "lock on the group (409 ScopeLocked)",
        locked(),
        None,
        writes,
        "ended at once: the lock has an owner, who is to be asked",
    );
    row("policy denial (403)", denied(), None, writes, "ended at once, with the policy's name");
    rules
}

fn in_use() -> Action {
    Action::error(
        400,
        "InUseSubnetCannotBeDeleted",
        "Subnet workers is in use by something-else and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet.",
    )
}

fn locked() -> Action {
    Action::error(
        409,
        "ScopeLocked",
        "The scope '/subscriptions/s/resourceGroups/crunch-rg' cannot perform the operation because following scope(s) are locked: '/subscriptions/s/resourceGroups/crunch-rg'. Please remove the lock and try again.",
    )
}

fn denied() -> Action {
    let policy = json!([{"policyDefinition": {"name": "no-farms"}, "policyAssignment": {"name": "studio"}}]);
    Action::error(
        403,
        "RequestDisallowedByPolicy",
        &format!("Resource 'crunch' was disallowed by policy. Policy identifiers: '{policy}'."),
    )
}
