//! What the client makes of recorded Batch pools, applications and packages.

use batch_pool::packages::{Application, Package};
use batch_pool::service::{odd, state_of};
use batch_pool::wire::{ACCOUNT, POOL};
use flamenco_azure_core::ids::ResourceId;
use serde_json::Value;

/// What is read wrongly of a part of a Batch account; none for other resources.
pub(super) fn judge(id: &str, shown: &Value) -> Option<String> {
    let id: ResourceId = id.parse().ok()?;
    let wrong = if id.is_kind(POOL) {
        pool(shown)
    } else if id.is_kind(&format!("{ACCOUNT}/applications")) {
        application(shown)
    } else if id.is_kind(&format!("{ACCOUNT}/applications/versions")) {
        package(shown)
    } else {
        None
    };
    wrong.map(|what| format!("{what}: {id}"))
}

fn text<'a>(shown: &'a Value, pointer: &str) -> Option<&'a str> {
    shown.pointer(pointer).and_then(Value::as_str)
}

fn pool(shown: &Value) -> Option<String> {
    if let Some(what) = odd(shown) {
        return Some(what);
    }
    let read = state_of(shown);
    let number = |pointer: &str| shown.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let errors = shown.pointer("/properties/resizeOperationStatus/errors").and_then(Value::as_array);
    let same = u64::from(read.current.dedicated) == number("/properties/currentDedicatedNodes")
        && u64::from(read.current.spot) == number("/properties/currentLowPriorityNodes")
        && u64::from(read.target.dedicated)
            == number("/properties/scaleSettings/fixedScale/targetDedicatedNodes")
        && read.steady == (text(shown, "/properties/allocationState") == Some("Steady"))
        && read.errors.len() == errors.map_or(0, Vec::len);
    (!same).then(|| format!("read as {read:?}"))
}

fn application(shown: &Value) -> Option<String> {
    let Some(read) = Application::read(shown) else { return Some("not read as an application".to_owned()) };
    let locked = shown.pointer("/properties/allowUpdates") == Some(&Value::Bool(false));
    let same = text(shown, "/name") == Some(read.id.as_str())
        && text(shown, "/properties/defaultVersion") == read.default_version.as_deref()
        && read.allow_updates != locked;
    (!same).then(|| format!("read as {read:?}"))
}

fn package(shown: &Value) -> Option<String> {
    let Some(read) = Package::read(shown) else { return Some("not read as a package".to_owned()) };
    let same = text(shown, "/name") == Some(read.version.as_str())
        && read.active == (text(shown, "/properties/state") == Some("Active"))
        && text(shown, "/properties/lastActivationTime") == read.activated.as_deref()
        && read.link.is_some()
            == text(shown, "/properties/storageUrl").is_some_and(|url| url.starts_with("https:"));
    (!same).then(|| format!("read as {read:?}"))
}
