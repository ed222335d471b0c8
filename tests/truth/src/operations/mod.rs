//! Which operation a recorded request is, and whether it is ours to judge: the one table of both judges.
//!
//! Four lists. [`IN_SCOPE`]: operations that the product or its simulator is about. [`LATER`]: in scope too, and not
//! simulated, each with the reason; they count in the denominator. [`NEXT`]: what neither product nor simulator has
//! today and both will have; replay judges it, fidelity prints what the coverage is with it. [`OUT_OF_SCOPE`]: services
//! that the farm never touches, each with the reason; they count nowhere. A request on none of the lists is an *unknown operation*, which is
//! a failure of its own kind: nothing is passed over in silence.

mod in_scope;
mod out_of_scope;

use flamenco_azure_core::arm::Method;
use url::Url;

pub use in_scope::IN_SCOPE;
pub use out_of_scope::OUT_OF_SCOPE;

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// In scope and judged, by its name in Microsoft's specification.
    InScope(&'static str),
    /// A poll of a long-running operation; whose it is shows in the links of earlier answers.
    Poll,
    /// In scope, not simulated: name and reason.
    Later(String, &'static str),
    /// In scope of the product's next step: name and reason.
    Next(String, &'static str),
    /// Not ours: name and reason.
    OutOfScope(String, &'static str),
    /// On no list.
    Unknown(String),
}

/// In scope by the product's plan and not simulated yet; the client's replay judges them all the same. The path is a
/// beginning; `""` stands for every method.
pub const LATER: &[(&str, &str, &str)] = &[
    (
        "GET",
        "rg/Microsoft.Batch/batchAccounts/*/outboundNetworkDependenciesEndpoints",
        "a list of Microsoft's own hosts",
    ),
    (
        "",
        "rg/Microsoft.Compute/virtualMachineScaleSets/*/extensions",
        "VM extensions: set-up runs by cloud-init",
    ),
    (
        "",
        "any/Microsoft.Compute/virtualMachineScaleSets/*/virtualMachines/*/networkInterfaces",
        "interfaces of instances are not kept one by one",
    ),
    (
        "",
        "any/Microsoft.Compute/virtualMachineScaleSets/*/networkInterfaces",
        "interfaces of instances are not kept one by one",
    ),
    (
        "POST",
        "rg/Microsoft.Compute/virtualMachineScaleSets/*/extensionRollingUpgrade",
        "VM extensions: set-up runs by cloud-init",
    ),
];

/// What neither product nor simulator has and both will have; nothing at present. Beginnings of paths.
pub const NEXT: &[(&str, &str, &str)] = &[];

/// Segments before the id of an operation, in lower case.
const POLLS: &[&str] = &[
    "operations",
    "operationresults",
    "asyncoperations",
    "diskoperations",
    "accountoperationresults",
    "pooloperationresults",
    "operationstatuses",
];

/// The path as the tables write it: prefix word and segments.
fn normal(url: &Url) -> Vec<String> {
    let segments: Vec<String> = url.path().split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let host = url.host_str().unwrap_or_default();
    let with = |word: &str, rest: &[String]| {
        std::iter::once(word.to_owned()).chain(rest.iter().cloned()).collect::<Vec<_>>()
    };
    if host.ends_with(".batch.azure.com") {
        return with("batch", &segments);
    }
    if host == "prices.azure.com" {
        return with("prices", &segments);
    }
    if host != "management.azure.com" {
        return vec!["host".to_owned(), host.to_owned()];
    }
    if segments.iter().skip(1).any(|s| s.eq_ignore_ascii_case("subscriptions")) {
        return vec!["joined".to_owned()];
    }
    let is = |index: usize, word: &str| segments.get(index).is_some_and(|s| s.eq_ignore_ascii_case(word));
    match segments.iter().rposition(|s| s.eq_ignore_ascii_case("providers")) {
        // `/subscriptions/s/providers/Ns` is about the provider itself.
        Some(2) if segments.len() <= 4 || is(4, "register") || is(4, "unregister") => with("arm", &segments),
        Some(2) => with("sub", &segments[3..]),
        Some(0) if segments.len() <= 2 => with("arm", &segments),
        Some(4) if is(2, "resourceGroups") => with("rg", &segments[5..]),
        Some(at) => with("any", &segments[at + 1..]),
        None => with("arm", &segments),
    }
}

/// Whether segments fit a pattern, or only its beginning.
fn fits(pattern: &str, segments: &[String], whole: bool) -> bool {
    let wanted: Vec<&str> = pattern.split('/').collect();
    let anywhere = wanted[0] == "any" && matches!(segments[0].as_str(), "rg" | "sub" | "any");
    let first = wanted[0] == segments[0] || anywhere;
    let long = if whole { wanted.len() == segments.len() } else { wanted.len() <= segments.len() };
    let mut pairs = wanted.iter().zip(segments).skip(1);
    if wanted[0] == "host" && segments[0] == "host" {
        return segments[1] == wanted[1] || segments[1].ends_with(&format!(".{}", wanted[1]));
    }
    first && long && pairs.all(|(pattern, segment)| *pattern == "*" || pattern.eq_ignore_ascii_case(segment))
}

/// `PUT Microsoft.Network/virtualNetworks/subnets`: method and types, without names.
fn types(method: Method, segments: &[String]) -> String {
    let kept: Vec<&str> = match segments[0].as_str() {
        "joined" => vec!["joined ids"],
        "rg" | "sub" | "any" => {
            segments[1..2].iter().chain(segments[2..].iter().step_by(2)).map(String::as_str).collect()
        }
        "host" => segments.iter().map(String::as_str).collect(),
        _ => segments[..1].iter().chain(segments[1..].iter().step_by(2)).map(String::as_str).collect(),
    };
    format!("{method} {}", kept.join("/"))
}

/// Whether a request polls an operation.
pub fn is_poll(method: Method, url: &Url) -> bool {
    let mut segments = url.path().rsplit('/');
    let mark = segments.nth(1).unwrap_or_default().to_ascii_lowercase();
    method == Method::Get && POLLS.contains(&mark.as_str())
}

/// What a recorded request is.
pub fn classify(method: Method, url: &Url) -> Class {
    let segments = normal(url);
    let listed = |list: &'static [(&str, &str, &'static str)], whole: bool| {
        list.iter().find(|(known, pattern, _)| {
            (known.is_empty() || *known == method.as_str()) && fits(pattern, &segments, whole)
        })
    };
    let label = || types(method, &segments);
    if let Some((_, _, name)) = listed(IN_SCOPE, true) {
        return Class::InScope(name);
    }
    if let Some((_, _, reason)) = listed(OUT_OF_SCOPE, false) {
        return Class::OutOfScope(label(), reason);
    }
    if let Some((_, _, reason)) = listed(NEXT, false) {
        return Class::Next(label(), reason);
    }
    if let Some((_, _, reason)) = listed(LATER, false) {
        return Class::Later(label(), reason);
    }
    if is_poll(method, url) {
        return Class::Poll;
    }
    Class::Unknown(label())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_one_place() {
        let is = |method, url: &str| classify(method, &Url::parse(url).unwrap());
        let arm = "https://management.azure.com/subscriptions/s";
        assert_eq!(
            is(Method::Put, &format!("{arm}/resourcegroups/g?api-version=1")),
            Class::InScope("ResourceGroups_CreateOrUpdate")
        );
        assert_eq!(
            is(
                Method::Post,
                &format!("{arm}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v/deallocate")
            ),
            Class::InScope("VirtualMachines_Deallocate")
        );
        assert_eq!(
            is(Method::Post, "https://a.westeurope.batch.azure.com/pools/p/resize"),
            Class::InScope("Pool_Resize")
        );
        assert_eq!(
            is(Method::Get, &format!("{arm}/providers/Microsoft.Network/locations/l/operations/1")),
            Class::Poll
        );
        let nested = format!(
            "{arm}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Resources/tags/default"
        );
        assert_eq!(is(Method::Patch, &nested), Class::InScope("Tags_UpdateAtScope"));
        assert_eq!(
            is(
                Method::Delete,
                &format!("{arm}/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v")
            ),
            Class::InScope("VirtualMachineScaleSets_Delete")
        );
        assert!(matches!(is(Method::Get, "https://x.vault.azure.net/secrets/y"), Class::OutOfScope(..)));
        assert!(matches!(
            is(Method::Get, &format!("{arm}/resourceGroups/g/providers/Microsoft.Quantum/workspaces/w")),
            Class::Unknown(_)
        ));
        assert!(matches!(
            is(
                Method::Post,
                &format!("{arm}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v/levitate")
            ),
            Class::Unknown(_)
        ));
    }

    #[test]
    fn no_pattern_is_listed_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (method, pattern, _) in IN_SCOPE.iter().chain(LATER).chain(NEXT).chain(OUT_OF_SCOPE) {
            assert!(seen.insert((method, pattern.to_ascii_lowercase())), "{method} {pattern}");
        }
    }
}
