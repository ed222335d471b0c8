//! Azure's error codes, folded into the kinds that loops branch on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An inner error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Azure's code.
    pub code: String,
    /// Azure's message.
    pub message: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its own inner errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

/// How far a lack of capacity reaches, and so what to try instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CapacityScope {
    /// The size is not offered or sold out here: another size.
    Sku,
    /// The zone is full: another zone.
    Zone,
    /// The region is full: another size or region.
    Region,
}

/// What kind of failure it is. Callers branch on this and never on codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// The resource or its parent does not exist.
    NotFound,
    /// The subscription does not exist or cannot be seen or used with this sign-in.
    SubscriptionUnavailable,
    /// The resource's state does not allow it.
    Conflict,
    /// Something else still uses the resource.
    InUse,
    /// The etag no longer matches, or the resource exists although it must not.
    PreconditionFailed,
    /// It exists already.
    AlreadyExists,
    /// A globally or regionally unique name belongs to someone else.
    NameTaken,
    /// Too many requests; Azure asks to wait.
    Throttled {
        /// How long Azure asked to wait, if it said.
        after: Option<Duration>,
    },
    /// A quota is exhausted.
    QuotaExceeded {
        /// The quota's name as Azure spells it, such as `LowPriorityCores`.
        which: String,
        /// The location, if it was named.
        location: Option<String>,
        /// The quota.
        limit: Option<u64>,
        /// How much of it is used.
        usage: Option<u64>,
        /// How much more this request needs.
        required: Option<u64>,
        /// The smallest limit with which it would succeed.
        new_limit: Option<u64>,
    },
    /// Azure has no machines of this kind to give now.
    CapacityUnavailable {
        /// How far it reaches.
        scope: CapacityScope,
    },
    /// The subnet has no free addresses.
    SubnetFull,
    /// A policy of the organisation forbids it.
    PolicyDenied {
        /// The policy's name, if it was given.
        policy: Option<String>,
    },
    /// The identity lacks a role.
    Forbidden {
        /// The action that was refused, such as `Microsoft.Compute/virtualMachines/write`.
        action: Option<String>,
        /// The scope it was refused on.
        scope: Option<String>,
    },
    /// Not signed in, or the sign-in has expired.
    Unauthenticated,
    /// The resource provider is not registered in the subscription.
    NotRegistered {
        /// The provider's namespace, such as `Microsoft.Batch`.
        namespace: Option<String>,
    },
    /// A lock forbids changes.
    ScopeLocked,
    /// The request is wrong and will stay wrong.
    InvalidRequest,
    /// The directory does not know the identity yet (replication takes minutes).
    PrincipalNotFound,
    /// Another operation is at work on the resource or one it refers to; try again soon.
    Busy,
    /// The operation gave way to a later one; try again.
    Preempted,
    /// The machine was made but did not boot or set itself up.
    GuestFailed,
    /// Azure had a temporary failure.
    Transient,
    /// The answer was lost: the change may or may not have happened. Observe before sending again.
    OutcomeUnknown,
    /// The operation did not end in time; it may still.
    DeadlinePassed,
    /// A link in an answer pointed away from Azure; it was not followed.
    ForeignLink,
    /// The answer could not be understood.
    Unreadable,
    /// None of the above.
    Other,
}

/// The kind of an error with this status, code, message and inner errors. A status of 0 means that there is none, as
/// inside operation results.
///
/// Specific codes decide first, then inner errors (deployments wrap them), then the wording, then general codes, and
/// the status last: Azure reuses codes (`OperationNotAllowed` is throttling, quota and maintenance) and statuses.
pub fn classify(status: u16, code: &str, message: &str, details: &[Detail]) -> Kind {
    specific(status, code, message, details)
        .or_else(|| general(status, code))
        .or_else(|| by_status(status, message))
        .unwrap_or(Kind::Other)
}

fn specific(status: u16, code: &str, message: &str, details: &[Detail]) -> Option<Kind> {
    by_code(status, code, message, details)
        .or_else(|| details.iter().find_map(|inner| specific(0, &inner.code, &inner.message, &inner.details)))
        .or_else(|| by_wording(status, message))
}

/// Codes that mean one thing.
fn by_code(status: u16, code: &str, message: &str, details: &[Detail]) -> Option<Kind> {
    let code = code.to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| code.ends_with(suffix));
    Some(match code.as_str() {
        "" => return None,
        "principalnotfound" => Kind::PrincipalNotFound,
        "subscriptionnotfound"
        | "invalidsubscriptionid"
        | "subscriptiondisabled"
        | "disabledsubscription"
        | "readonlydisabledsubscription" => Kind::SubscriptionUnavailable,
        "missingsubscriptionregistration" | "noregisteredproviderfound" | "subscriptionnotregistered" => {
            Kind::NotRegistered { namespace: namespace(message, details) }
        }
        "scopelocked" => Kind::ScopeLocked,
        "requestdisallowedbypolicy" | "requestdisallowedbyazure" | "policyviolation" => {
            Kind::PolicyDenied { policy: policy(&code, message, details) }
        }
        "authorizationfailed"
        | "linkedauthorizationfailed"
        | "authorizationpermissionmismatch"
        | "insufficientaccountpermissions" => forbidden(message),
        "expiredauthenticationtoken"
        | "invalidauthenticationtoken"
        | "invalidauthenticationtokentenant"
        | "authenticationfailed"
        | "authenticationfailedmissingtoken"
        | "invalidauthenticationinfo"
        | "noauthenticationinformation" => Kind::Unauthenticated,

        "skunotavailable"
        | "vmsizenotsupported"
        | "overconstrainedallocationrequest"
        | "overconstrainedallocationrequesterror" => Kind::CapacityUnavailable { scope: CapacityScope::Sku },
        "zonalallocationfailed" | "overconstrainedzonalallocationrequest" => {
            Kind::CapacityUnavailable { scope: CapacityScope::Zone }
        }
        "allocationfailed" | "allocationtimedout" => {
            Kind::CapacityUnavailable { scope: CapacityScope::Region }
        }
        "subnetisfull" | "insufficientsubnetsize" | "subnetinsufficientips" | "insufficientsubnetips" => {
            Kind::SubnetFull
        }

        "storageaccountalreadytaken" | "dnsrecordinuse" | "accountalreadyexists" | "vaultalreadyexists" => {
            Kind::NameTaken
        }
        "applicationpackagesnotempty" | "cannotdeleteresource" | "sharehassnapshots" => Kind::InUse,
        "preconditionfailed" | "conditionnotmet" | "updateconditionnotsatisfied" => Kind::PreconditionFailed,

        "operationpreempted"
        | "operationpreemptedbyexternaloperation"
        | "canceledandsupersededduetoanotheroperation"
        | "resizestopped" => Kind::Preempted,
        "referencedresourcenotprovisioned"
        | "nicreservedforanothervm"
        | "storageaccountisnotprovisioned"
        | "conflictingconcurrentwritenotallowed"
        | "concurrentupdateerror" => Kind::Busy,
        // A vault that is there and does not admit Batch yet: its role takes minutes (issue 18208 of Azure/azure-cli).
        "invalidkeyvaultreference" if !is_missing(message, details) => Kind::Busy,
        "toomanyrequests" => Kind::Throttled { after: wait(message) },
        "internalservererror"
        | "internalerror"
        | "internaloperationerror"
        | "internalexecutionerror"
        | "servertimeout"
        | "gatewaytimeout"
        | "serviceunavailable"
        | "serverbusy"
        | "networkinginternaloperationerror"
        | "requesttimeout"
        | "operationtimedout"
        | "resourcereadfailed" => Kind::Transient,

        _ if code.starts_with("retryableerror") => Kind::Busy,
        _ if code.starts_with("vmextension")
            || code.starts_with("osprovisioning")
            || code == "vmstarttimedout" =>
        {
            Kind::GuestFailed
        }
        _ if ends(&["quotaexceeded", "quotareached", "countlimitreached"]) => quota(&code, message),
        _ if ends(&["throttled"]) => Kind::Throttled { after: wait(message) },
        _ if ends(&["inprogress", "beingdeleted", "beingresized", "beingcreated"]) => Kind::Busy,
        _ if ends(&["cannotbedeleted", "inuse"]) => Kind::InUse,
        _ if ends(&["alreadyexists", "exists"]) => Kind::AlreadyExists,
        _ if ends(&["notfound"]) && matches!(status, 0 | 200 | 404) => Kind::NotFound,
        _ => return None,
    })
}

/// Whether the words, or those of an inner error, say that something does not exist.
fn is_missing(message: &str, details: &[Detail]) -> bool {
    let says = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["not found", "not exist", "not be found"].iter().any(|words| text.contains(words))
    };
    says(message)
        || details.iter().any(|inner| says(&inner.code) || is_missing(&inner.message, &inner.details))
}

/// Codes that mean several things: the wording tells which.
fn by_wording(status: u16, message: &str) -> Option<Kind> {
    let has = |words: &str| message.contains(words);
    if status == 429 {
        Some(Kind::Throttled { after: wait(message) })
    } else if has("exceeding approved") || has("Submit a request for Quota increase") {
        Some(quota("", message))
    } else if has("currently not available in location") || has("is not supported for subscription") {
        Some(Kind::CapacityUnavailable { scope: CapacityScope::Sku })
    } else if has("do not have sufficient capacity") {
        let scope = if has("in this zone") { CapacityScope::Zone } else { CapacityScope::Region };
        Some(Kind::CapacityUnavailable { scope })
    } else if has("too many requests") {
        Some(Kind::Throttled { after: wait(message) })
    } else if has("have enough capacity for") && has("IP address") {
        Some(Kind::SubnetFull)
    } else if has("Run command extension execution is in progress") {
        // One run-command at a time per VM; the next may be sent when it has ended.
        Some(Kind::Busy)
    } else {
        None
    }
}

/// Codes that say no more than a status would.
fn general(status: u16, code: &str) -> Option<Kind> {
    let code = code.to_ascii_lowercase();
    let invalid = code.starts_with("invalid") || code.ends_with("invalid") || code.starts_with("unsupported");
    match code.as_str() {
        "unauthorized" if status == 401 => Some(Kind::Unauthenticated),
        "forbidden" | "unauthorized" => Some(Kind::Forbidden { action: None, scope: None }),
        "badrequest" => Some(Kind::InvalidRequest),
        "conflict" | "operationnotallowed" | "propertychangenotallowed" => Some(Kind::Conflict),
        _ if invalid && !matches!(status, 401 | 403 | 404 | 409 | 412) && status < 500 => {
            Some(Kind::InvalidRequest)
        }
        _ => None,
    }
}

fn by_status(status: u16, message: &str) -> Option<Kind> {
    Some(match status {
        401 => Kind::Unauthenticated,
        403 => forbidden(message),
        404 | 410 => Kind::NotFound,
        409 => Kind::Conflict,
        412 => Kind::PreconditionFailed,
        429 => Kind::Throttled { after: wait(message) },
        408 | 500..=599 => Kind::Transient,
        400..=499 => Kind::InvalidRequest,
        _ => return None,
    })
}

fn forbidden(message: &str) -> Kind {
    // Linked authorisation says first what is allowed: the refusal comes after "does not have".
    let refused = message.find("does not have").map_or(message, |at| &message[at..]);
    Kind::Forbidden { action: quoted_after(refused, "action"), scope: quoted_after(refused, "scope") }
}

fn namespace(message: &str, details: &[Detail]) -> Option<String> {
    quoted_after(message, "namespace").or_else(|| details.iter().find_map(|inner| inner.target.clone()))
}

fn policy(code: &str, message: &str, details: &[Detail]) -> Option<String> {
    let named =
        details.iter().find(|inner| inner.code == "PolicyViolation").map(|inner| inner.message.clone());
    let listed = || {
        let list = message.split_once("Policy identifiers: '")?.1;
        let list: serde_json::Value = serde_json::from_str(&list[..=list.rfind(']')?]).ok()?;
        let name = |of: &str| list.get(0)?.get(of)?.get("name")?.as_str().map(str::to_owned);
        name("policyDefinition").or_else(|| name("policyAssignment"))
    };
    let itself = || (code == "policyviolation").then(|| message.to_owned()).filter(|name| !name.is_empty());
    named.or_else(listed).or_else(itself)
}

/// Reads compute's quota message: "…exceeding approved {which} quota. Additional details - …, Location: {l}, Current
/// Limit: {n}, Current Usage: {n}, Additional Required: {n}, (Minimum) New Limit Required: {n}."
fn quota(code: &str, message: &str) -> Kind {
    let named = message.split_once("exceeding approved ").and_then(|(_, rest)| rest.split_once(" quota"));
    let field = |name: &str| {
        let rest = message.split_once(name)?.1.trim_start_matches([':', ' ']);
        rest.split([',', '.', ' ']).next().filter(|word| !word.is_empty())
    };
    let number = |name: &str| field(name)?.parse().ok();
    let which = match (named, code) {
        (Some((which, _)), _) => which.trim(),
        (None, "accountcorequotareached") => "dedicatedCoreQuota",
        (None, "accountlowprioritycorequotareached" | "accountspotcorequotareached") => {
            "lowPriorityCoreQuota"
        }
        (None, "accountvmseriescorequotareached") => "dedicatedCoreQuotaPerVMFamily",
        (None, "subscriptionquotaexceeded" | "accountquotareached") => "Batch accounts",
        (None, "poolquotareached") => "poolQuota",
        (None, _) => code,
    };
    Kind::QuotaExceeded {
        which: which.to_owned(),
        location: field("Location").map(str::to_ascii_lowercase),
        limit: number("Current Limit"),
        usage: number("Current Usage"),
        required: number("Additional Required"),
        new_limit: number("New Limit Required"),
    }
}

/// "…Please try again after '324' seconds."
fn wait(message: &str) -> Option<Duration> {
    quoted_after(message, "try again after")?.parse().ok().map(Duration::from_secs)
}

/// The first text in single quotes after `mark`.
fn quoted_after(text: &str, mark: &str) -> Option<String> {
    let rest = text.split_once(mark)?.1;
    let (_, rest) = rest.split_once('\'')?;
    rest.split_once('\'').map(|(inside, _)| inside.to_owned()).filter(|inside| !inside.is_empty())
}
