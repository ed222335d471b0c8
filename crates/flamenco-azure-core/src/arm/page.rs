//! Lists in pages.

use serde_json::Value;

/// Most pages of one list: far above any farm, and an end to a list that links to itself.
pub const MAX_PAGES: usize = 10_000;

/// One page: its items and the link to the next one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The items.
    pub items: Vec<Value>,
    /// Where the next page is; `None` at the end.
    pub next: Option<String>,
}

/// Reads a page: `value` with `nextLink` (Resource Manager) or `odata.nextLink` (Batch), or `Items` with `NextPageLink`
/// (prices). A null or empty link ends the list; a null list is empty. `None` when the body is no page.
pub fn page(body: &Value) -> Option<Page> {
    let object = body.as_object()?;
    let items = match object.get("value").or_else(|| object.get("Items"))? {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        _ => return None,
    };
    let next = ["nextLink", "odata.nextLink", "@odata.nextLink", "NextPageLink"]
        .iter()
        .find_map(|name| object.get(*name)?.as_str())
        .filter(|link| !link.trim().is_empty())
        .map(str::to_owned);
    Some(Page { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_are_read_in_all_their_forms() {
        let table = [
            (json!({"value": [1]}), Some((1, None))),
            (json!({"value": [1], "nextLink": null}), Some((1, None))),
            (json!({"value": [1], "nextLink": ""}), Some((1, None))),
            (json!({"value": [], "nextLink": "https://x/2"}), Some((0, Some("https://x/2")))),
            (json!({"value": [1, 2], "odata.nextLink": "https://x/2"}), Some((2, Some("https://x/2")))),
            (
                json!({"Items": [1], "NextPageLink": "https://x/2", "Count": 1}),
                Some((1, Some("https://x/2"))),
            ),
            (json!({"Items": [1], "NextPageLink": null}), Some((1, None))),
            (json!({"value": null}), Some((0, None))),
            (json!({"value": "x"}), None),
            (json!({"name": "x"}), None),
            (json!([1]), None),
        ];
        for (body, expected) in table {
            let read = page(&body).map(|page| (page.items.len(), page.next));
            assert_eq!(read, expected.map(|(n, next)| (n, next.map(str::to_owned))), "{body}");
        }
    }
}
