//! The installation of a scaler on a machine: it fetches a blob as the machine's identity, or says why it cannot.

use serde_json::{Value, json};

use super::Answer;
use crate::resource::Resource;
use crate::world::World;

/// What a script calls to fetch the program: `fetch FILE URL SHA256 CLIENT`.
const CALL: &str = "fetch \"$root/usr/local/bin/flamenco-azure-scaler\" ";

/// Answers a script that installs a scaler; `None` for others.
pub(super) fn install(world: &World, vm: &Resource, script: &str) -> Option<Answer> {
    let call = script.lines().find_map(|line| line.trim().strip_prefix(CALL))?;
    let words: Vec<&str> = call.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
    let (ok, reason) = match words[..] {
        [url, _, client] => match fetch(world, vm, url, client) {
            Ok(()) => (true, "flamenco-azure: flamenco-azure-scaler is installed and restarted".to_owned()),
            Err(why) => (false, format!("flamenco-azure: failed: cannot download {url}: {why}")),
        },
        _ => (false, "flamenco-azure: failed: what is to be fetched".to_owned()),
    };
    let stdout = format!("{}\n", json!({"installed": ok, "reason": reason}));
    Some(Answer { stdout, stderr: String::new(), seconds: 20 })
}

fn fetch(world: &World, vm: &Resource, url: &str, client: &str) -> Result<(), String> {
    let assigned = vm.extra.get("identity").and_then(|identity| identity.get("userAssignedIdentities"));
    let ids = assigned.and_then(Value::as_object).into_iter().flatten().map(|(id, _)| id);
    let identity = ids
        .filter_map(|id| world.resource(id))
        .find(|identity| identity.text("/clientId").is_some_and(|id| id.eq_ignore_ascii_case(client)))
        .ok_or("the machine has no such identity")?;
    let principal = identity.text("/principalId").unwrap_or_default();
    crate::storage::data::may_read(world, principal, url)
}
