//! Operation links: which recorded poll belongs to which operation, and what a link looks like without its names.

use std::collections::BTreeMap;

use url::Url;

/// What tells a link from others: host, path, and whether it is the one that shows the result. Signatures are left out,
/// recorders cut them; so are the names of deployments, which one recorder replaced in answers alone.
pub fn key(url: &Url) -> String {
    let mut path: Vec<String> = url.path().to_lowercase().split('/').map(str::to_owned).collect();
    if let Some(at) = path.iter().position(|segment| segment == "deployments")
        && let Some(name) = path.get_mut(at + 1)
    {
        "mock-deployment".clone_into(name);
    }
    let monitor = url.query_pairs().any(|(name, value)| name == "monitor" && value == "true");
    let host = url.host_str().unwrap_or_default();
    format!("{host}{}{}", path.join("/"), if monitor { "?monitor" } else { "" })
}

/// Whether two URLs name the same thing: signatures aside, path in any casing.
pub fn same(a: &Url, b: &Url) -> bool {
    let query = |url: &Url| -> BTreeMap<String, String> {
        let signed = |name: &str| ["t", "c", "s", "h"].contains(&name);
        url.query_pairs().into_owned().filter(|(name, _)| !signed(name)).collect()
    };
    key(a) == key(b) && query(a) == query(b)
}

/// The style of a link: its words without names, and the marks of its query.
/// `management.azure.com/subscriptions/*/providers/microsoft.network/locations/*/operations/*`
pub fn style(url: &Url) -> String {
    let segments: Vec<String> =
        url.path().split('/').filter(|s| !s.is_empty()).map(str::to_lowercase).collect();
    let mut shown: Vec<&str> = Vec::new();
    let mut name = false;
    for segment in &segments {
        if name && segment != "providers" {
            shown.push("*");
            name = false;
        } else {
            shown.push(segment);
            // After `providers` stands a namespace, which is a word; after a namespace stands a type.
            name = segment != "providers" && !segment.starts_with("microsoft.");
        }
    }
    let monitor = if url.query_pairs().any(|(n, _)| n == "monitor") { "?monitor" } else { "" };
    let host = url.host_str().unwrap_or_default();
    let host = if host.ends_with(".batch.azure.com") { "*.batch.azure.com" } else { host };
    format!("{host}/{}{monitor}", shown.join("/"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn style_forgets_names_and_keeps_words() {
        let link = "https://management.azure.com/subscriptions/S/providers/Microsoft.Compute/locations/eastus/operations/1?p=2&monitor=true&t=3";
        assert_eq!(
            style(&Url::parse(link).unwrap()),
            "management.azure.com/subscriptions/*/providers/microsoft.compute/locations/*/operations/*?monitor"
        );
    }

    #[test]
    fn signatures_tell_nothing_apart() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(same(
            &url("https://h/Operations/1?api-version=1&t=a"),
            &url("https://h/operations/1?api-version=1&t=b")
        ));
        assert!(!same(&url("https://h/operations/1?monitor=true"), &url("https://h/operations/1")));
    }
}
