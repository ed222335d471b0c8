//! The syntax of single values: versions, checksums, host names, address ranges.

use std::net::IpAddr;

use ipnet::IpNet;

/// The numbers of a version and what follows a hyphen: `3.9-beta1` is ([3, 9], `beta1`).
pub(super) fn version(text: &str) -> Option<(Vec<u32>, &str)> {
    let (numbers, suffix) = text.split_once('-').unwrap_or((text, ""));
    let legal_suffix = suffix.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    if !legal_suffix || text.ends_with('-') {
        return None;
    }
    let plain = |n: &str| n.chars().all(|c| c.is_ascii_digit()).then(|| n.parse().ok()).flatten();
    let numbers: Vec<u32> = numbers.split('.').map(plain).collect::<Option<_>>()?;
    (2..=3).contains(&numbers.len()).then_some((numbers, suffix))
}

/// A SHA-256 in lower case.
pub(super) fn sha256(text: &str) -> Option<String> {
    (text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// Why a text is no host name.
pub(super) fn host_trouble(host: &str) -> Option<&'static str> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.contains("://") || host.contains('/') {
        Some("give the name alone, without https:// or a path")
    } else if host.contains(':') {
        Some("give the name alone, without a port")
    } else if host.parse::<IpAddr>().is_ok() {
        Some("it is an address; a name is needed, since certificates are made for names")
    } else if !host.contains('.') {
        Some("it has no domain")
    } else if host.len() > 253 || !host.split('.').all(label) {
        Some("names have letters, digits and hyphens between dots")
    } else {
        None
    }
}

/// Reads an address range. A bare address is a range of one; anything else wrong gives the reason and, where the
/// typo is plain, the range that was probably meant.
pub(super) fn range(text: &str) -> Result<IpNet, (String, Option<String>)> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    match text.parse::<IpNet>() {
        Ok(net) if net.addr() == net.network() => Ok(net),
        Ok(net) => {
            let why = format!("`{text}` is an address inside a range, not the range");
            Err((why, Some(net.trunc().to_string())))
        }
        Err(_) => Err((format!("`{text}` is not an address range"), None)),
    }
}

/// Whether a range is so wide that it stands for the whole internet: shorter than /8 (IPv6: /16).
pub(super) fn is_world(net: &IpNet) -> bool {
    net.prefix_len() < if net.addr().is_ipv4() { 8 } else { 16 }
}
