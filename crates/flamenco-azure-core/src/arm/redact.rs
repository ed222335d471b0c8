//! URLs without their secrets. Operation and page links carry signatures (`t`, `c`, `s`, `h`, `sig`) and cursors
//! (`$skiptoken`) in the query: recorded traffic. Only parameters known to be harmless are shown.

use url::Url;

/// Query parameters whose values may be shown.
const SHOWN: &[&str] = &[
    "api-version",
    "$filter",
    "$expand",
    "$select",
    "$top",
    "$skip",
    "monitor",
    "domainnamelabel",
    "currencycode",
    "meterregion",
    "timeout",
    "forcedeletion",
];

/// `url` with the values of all other query parameters hidden.
pub fn url(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    shown.set_query(None);
    let mut text = shown.to_string();
    for (index, (key, value)) in url.query_pairs().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(&key);
        text.push('=');
        let harmless = SHOWN.contains(&key.to_ascii_lowercase().as_str());
        text.push_str(if harmless { &value } else { "REDACTED" });
    }
    text
}

/// `text` with every URL in it redacted, and everything that looks like a bearer token hidden.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = find_secret(rest) {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = tail.find(|c: char| c.is_whitespace() || "\"'<>()[]{},".contains(c)).unwrap_or(tail.len());
        let token = &tail[..end];
        match Url::parse(token) {
            Ok(parsed) if parsed.has_host() => {
                out.push_str(&if parsed.query().is_some() { url(&parsed) } else { token.to_owned() });
            }
            _ => out.push_str("REDACTED"),
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

/// Where the next URL or JSON web token starts.
fn find_secret(text: &str) -> Option<usize> {
    ["https://", "http://", "eyJ"].iter().filter_map(|mark| text.find(mark)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_cursors_are_hidden_and_the_rest_is_shown() {
        let link = "https://management.azure.com/subscriptions/1/providers/Microsoft.Compute/locations/we/operations/2?p=3&api-version=2024-07-01&t=SECRET&c=SECRET&s=SECRET&h=SECRET&sig=SECRET&$skiptoken=SECRET";
        let shown = url(&Url::parse(link).unwrap());
        assert!(!shown.contains("SECRET"), "{shown}");
        assert!(shown.contains("/operations/2") && shown.contains("api-version=2024-07-01"), "{shown}");
    }

    #[test]
    fn links_and_tokens_inside_text_are_redacted() {
        let redacted = text(
            "error sending request for url (https://a.example/x?sig=SECRET) with eyJhbGciOi.SECRET.x, see https://aka.ms/help",
        );
        assert_eq!(
            redacted,
            "error sending request for url (https://a.example/x?sig=REDACTED) with REDACTED, see https://aka.ms/help"
        );
    }
}
