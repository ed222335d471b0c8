//! The next thing for the user to do, by kind of error.

use super::classify::{CapacityScope, Kind};
use crate::error::Hint;

/// What to do about an error of this kind on the resource at `path`. `None` when Azure's own message is all there is
/// to say.
pub fn hint(kind: &Kind, path: &str) -> Option<Hint> {
    let subscription = segment_after(path, "subscriptions").unwrap_or("<subscription>");
    let scope = format!("/subscriptions/{subscription}");
    Some(Hint(match kind {
        Kind::QuotaExceeded { which, location, limit, new_limit, .. } => {
            quota(which, location.as_deref(), *limit, *new_limit, &scope)
        }
        Kind::Forbidden { action, scope: refused } => {
            let refused = refused.as_deref().unwrap_or(&scope);
            let role = role_for(action.as_deref());
            let action = action.as_deref().map(|action| format!(" (it allows {action})")).unwrap_or_default();
            format!(
                "this sign-in needs the role {role}{action}; an owner can give it with:\n  az role assignment create --assignee <you> --role \"{role}\" --scope {refused}\na role given just now takes up to 10 minutes to work"
            )
        }
        Kind::Unauthenticated => {
            "the sign-in is missing or has expired: run `az login`, then run this command again".to_owned()
        }
        Kind::NotRegistered { namespace } => {
            let namespace = namespace.as_deref().or_else(|| segment_after(path, "providers")).unwrap_or("<namespace>");
            format!("register the resource provider once: az provider register --namespace {namespace} --subscription {subscription}")
        }
        Kind::CapacityUnavailable { scope: CapacityScope::Sku } => {
            "this size is not to be had here now: choose another vmSize or location; `az vm list-skus --location <location> --size Standard_D --output table` shows what is offered".to_owned()
        }
        Kind::CapacityUnavailable { scope: CapacityScope::Zone } => {
            "this zone is full: choose another zone, another vmSize, or none".to_owned()
        }
        Kind::CapacityUnavailable { scope: CapacityScope::Region } => {
            "this region is full for the size: choose another vmSize or location, or try again in an hour".to_owned()
        }
        Kind::SubnetFull => "the subnet has no free addresses: raise network.addressSpace or lower maxNodes".to_owned(),
        Kind::Throttled { after: Some(after) } => {
            format!("azure asks to wait {} s; run the command again after that, it continues where it stopped", after.as_secs())
        }
        Kind::Throttled { after: None } => {
            "azure asks for fewer requests; run the command again in a few minutes, it continues where it stopped".to_owned()
        }
        Kind::ScopeLocked => format!(
            "a lock forbids this; `az lock list --subscription {subscription} --output table` shows it, an owner can remove it with `az lock delete`"
        ),
        Kind::PolicyDenied { policy } => {
            let policy = policy.as_deref().map(|policy| format!(" `{policy}`")).unwrap_or_default();
            format!("a policy{policy} of your organisation forbids this: ask its owner for an exemption, or change what it objects to")
        }
        Kind::SubscriptionUnavailable => {
            "check subscriptionID; `az account list --output table` shows the subscriptions of this sign-in".to_owned()
        }
        Kind::NameTaken => "the name belongs to someone else: choose another one in the farm file".to_owned(),
        Kind::InUse => "something else still uses it: remove that first, or leave both".to_owned(),
        Kind::PreconditionFailed => "it was changed in the meantime: run the command again, it looks anew".to_owned(),
        Kind::Busy | Kind::Preempted | Kind::Transient => {
            "this passes: run the command again in a few minutes, it continues where it stopped".to_owned()
        }
        Kind::PrincipalNotFound => {
            "new identities take some minutes to be known everywhere: run the command again".to_owned()
        }
        Kind::OutcomeUnknown => {
            "the answer was lost, so it may or may not have happened: run the command again, it looks first".to_owned()
        }
        Kind::DeadlinePassed => "it may still end: `status` shows where it is, running the command again waits on".to_owned(),
        Kind::ForeignLink => "do not trust this network path (a proxy?): no token was sent there".to_owned(),
        Kind::GuestFailed => "the machine did not set itself up: its boot diagnostics log says why".to_owned(),
        Kind::Unreadable => "an intermediary may have answered in azure's place: check proxy settings".to_owned(),
        Kind::NotFound | Kind::Conflict | Kind::AlreadyExists | Kind::InvalidRequest | Kind::Other => return None,
    }))
}

fn quota(
    which: &str,
    location: Option<&str>,
    limit: Option<u64>,
    new_limit: Option<u64>,
    scope: &str,
) -> String {
    let place = location.map(|location| format!(" in {location}")).unwrap_or_default();
    let from = limit.map(|limit| format!(" (now {limit})")).unwrap_or_default();
    let wanted = new_limit.map(|new| format!(" of at least {new}")).unwrap_or_default();
    let way = match (quota_name(which), location, new_limit) {
        (Some(name), Some(location), Some(new)) => format!(
            ":\n  az quota update --resource-name {name} --scope {scope}/providers/Microsoft.Compute/locations/{location} --limit-object value={new}\nor in the portal: Quotas > Compute"
        ),
        _ => {
            " in the portal: Quotas, or a support request of type `Service and subscription limits (quotas)`"
                .to_owned()
        }
    };
    format!("ask for a limit{wanted} on the quota `{which}`{place}{from}{way}; or use fewer or smaller nodes")
}

/// The name that compute's usages and `az quota` use for the quota in an error message.
fn quota_name(which: &str) -> Option<String> {
    if which.eq_ignore_ascii_case("LowPriorityCores") {
        return Some("lowPriorityCores".to_owned());
    }
    if which.eq_ignore_ascii_case("Total Regional Cores") {
        return Some("cores".to_owned());
    }
    let family = which.split(' ').next()?;
    family.to_ascii_lowercase().ends_with("family").then(|| family.to_owned())
}

/// The smallest built-in role that allows an action of ours.
fn role_for(action: Option<&str>) -> &'static str {
    let action = action.unwrap_or_default().to_ascii_lowercase();
    if action.starts_with("microsoft.authorization/") {
        "Role Based Access Control Administrator"
    } else if action.ends_with("/read") && !action.is_empty() {
        "Reader"
    } else {
        "Contributor"
    }
}

fn segment_after<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let mut segments = path.split('/');
    segments.find(|segment| segment.eq_ignore_ascii_case(key))?;
    segments.next().filter(|segment| !segment.is_empty())
}
