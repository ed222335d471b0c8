//! The little XML that the storage services speak.

/// What Azure puts before its XML bodies.
const DECLARATION: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// A body.
pub(super) fn document(root: &str) -> Vec<u8> {
    format!("{DECLARATION}{root}").into_bytes()
}

/// Text as it stands in XML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
    out
}

/// An element with a text; an empty one closes itself.
pub(super) fn element(name: &str, text: &str) -> String {
    if text.is_empty() { format!("<{name} />") } else { format!("<{name}>{}</{name}>", escape(text)) }
}

/// Text as it was before [`escape`]. An unknown entity stays as it is.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(';') else { break };
        let entity = &rest[1..end];
        let number = entity
            .strip_prefix("#x")
            .map(|hex| u32::from_str_radix(hex, 16))
            .or_else(|| entity.strip_prefix('#').map(str::parse));
        let c = match (entity, number) {
            ("amp", _) => Some('&'),
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, Some(Ok(number))) => char::from_u32(number),
            _ => None,
        };
        match c {
            Some(c) => out.push(c),
            None => out.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// The elements that have no elements inside, in their order: name and text. `None` when it is no XML.
pub(super) fn leaves(body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = std::str::from_utf8(body).ok()?;
    let mut found = Vec::new();
    // The innermost element that was opened, and its text so far.
    let mut open: Option<(String, String)> = None;
    let mut depth = 0_usize;
    while let Some(at) = rest.find('<') {
        if let Some((_, text)) = &mut open {
            text.push_str(&unescape(&rest[..at]));
        }
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let end = inside.find("]]>")?;
            if let Some((_, text)) = &mut open {
                text.push_str(&inside[..end]);
            }
            rest = &inside[end + 3..];
            continue;
        }
        let end = rest.find('>')?;
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            depth = depth.checked_sub(1)?;
            if let Some((opened, text)) = open.take() {
                if opened != name.trim() {
                    return None;
                }
                found.push((opened, text));
            }
        } else {
            let name = tag.trim_end_matches('/').split_whitespace().next()?.to_owned();
            if tag.ends_with('/') {
                found.push((name, String::new()));
                open = None;
            } else {
                depth += 1;
                open = Some((name, String::new()));
            }
        }
    }
    (depth == 0 && !found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "{\"a\": \"<&>\"}, 'ä' \r\n &amp; ]]>";
        let body = format!("<QueueMessage>\n <MessageText>{}</MessageText></QueueMessage>", escape(text));
        assert_eq!(leaves(body.as_bytes()), Some(vec![("MessageText".to_owned(), text.to_owned())]));
    }

    #[test]
    fn leaves_come_in_their_order_and_no_xml_is_none() {
        let list = b"<?xml version=\"1.0\"?><BlockList><Latest>YQ==</Latest><Committed><![CDATA[Yg==]]></Committed><Latest/></BlockList>";
        let names: Vec<String> =
            leaves(list).unwrap_or_default().into_iter().map(|(n, t)| format!("{n}={t}")).collect();
        assert_eq!(names, ["Latest=YQ==", "Committed=Yg==", "Latest="]);
        for broken in ["", "plain", "<a>", "<a><b>x</a></b>", "</a>"] {
            assert_eq!(leaves(broken.as_bytes()), None, "{broken}");
        }
    }
}
