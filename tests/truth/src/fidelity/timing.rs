//! When things happen: the one thing that only the recording knows, and that is no content.
//!
//! Virtual time follows the `date` headers. An operation of the simulator is held until the recording's last poll of the
//! recorded operation is sent, and ends then; one that is never polled ends before the next request that is not the
//! same one again (a deletion: after the simulator's own time). A role assignment that is sent again later is one whose principal the directory does not know yet.
//! Which poll is the last shows in the *requests*; the answer under test is not looked at.

use std::collections::BTreeSet;

use flamenco_azure_core::arm::Method;
use serde_json::Value;
use url::Url;

use crate::links;
use crate::recording::Interaction;

/// An operation of the simulator that waits for its time.
#[derive(Debug)]
pub(super) struct Held {
    /// Any link of it.
    pub(super) link: Url,
    /// Ends before this interaction.
    pub(super) until: usize,
}

/// Before which interaction an operation ends that the answer to `session[index]` begins. Polls may name a new link.
/// `None` for a deletion that is never polled: it takes the simulator's own time.
pub(super) fn end_of(session: &[Interaction], index: usize) -> Option<usize> {
    let begun = &session[index];
    let last = |name: &str| {
        let (_, link) = begun.links().find(|(known, _)| *known == name)?;
        let mut keys = BTreeSet::from([links::key(&link)]);
        let mut last = None;
        for (at, there) in session.iter().enumerate().skip(index + 1) {
            if there.method == Method::Get && keys.contains(&links::key(&there.url)) {
                last = Some(at);
                keys.extend(
                    there.links().filter(|(known, _)| *known == name).map(|(_, link)| links::key(&link)),
                );
            }
        }
        last
    };
    if let Some(at) = last("azure-asyncoperation").or_else(|| last("location")) {
        return Some(at);
    }
    if begun.method == Method::Delete {
        return None;
    }
    let again = |there: &&Interaction| there.method == begun.method && there.url.path() == begun.url.path();
    Some(index + 1 + session[index + 1..].iter().take_while(again).count())
}

/// Whether a later request makes this: a PUT, or a template deployment.
pub(super) fn made_later(session: &[Interaction], index: usize, id: &str) -> bool {
    session[index + 1..].iter().any(|there| {
        let put = there.method == Method::Put && there.url.path().eq_ignore_ascii_case(id);
        put || super::template::resources(there).iter().any(|(made, _)| made.eq_ignore_ascii_case(id))
    })
}

/// The principal of a role assignment.
pub(super) fn principal(interaction: &Interaction) -> Option<String> {
    let body = interaction.body.as_ref()?;
    let named =
        body.pointer("/properties/principalId").or_else(|| body.pointer("/properties/principal_id"))?;
    Value::as_str(named).map(str::to_owned)
}

/// Whether the same assignment is sent again later.
pub(super) fn asked_again(session: &[Interaction], index: usize) -> bool {
    let same = |there: &Interaction| {
        let scope =
            |i: &Interaction| i.url.path().to_lowercase().rsplit_once('/').map(|(front, _)| front.to_owned());
        there.method == Method::Put
            && scope(there) == scope(&session[index])
            && there.body.as_ref().and_then(|b| b.get("properties"))
                == session[index].body.as_ref().and_then(|b| b.get("properties"))
    };
    session[index + 1..].iter().any(same)
}
