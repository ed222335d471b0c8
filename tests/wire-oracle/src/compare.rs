//! What a body lost on its way through a model.

use serde_json::{Map, Value};

/// What happened to a property.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// The model does not know it.
    Dropped,
    /// The model wrote another value.
    Changed(Value),
    /// The model wrote what was not there.
    Invented(Value),
}

/// Where a property stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// JSON pointer.
    pub pointer: String,
    /// For people and lists: `properties.subnets[].name`; a name with a slash in it (an id) is `{}`.
    pub pattern: String,
}

impl Place {
    fn member(&self, name: &str) -> Self {
        let pointer = format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"));
        let shown = if name.contains('/') { "{}" } else { name };
        let dot = if self.pattern.is_empty() { "" } else { "." };
        Self { pointer, pattern: format!("{}{dot}{shown}", self.pattern) }
    }

    fn item(&self, index: usize) -> Self {
        Self { pointer: format!("{}/{index}", self.pointer), pattern: format!("{}[]", self.pattern) }
    }
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compared {
    /// Object members that came back as they went, at any depth.
    pub kept: usize,
    /// The others.
    pub lost: Vec<(Place, Fate)>,
    /// Members that went as `null` or `[]` and did not come back as more: the models skip these whether known or not.
    pub blank: Vec<Place>,
}

/// Compares a body with what the model made of it. `null`, `[]` and absence are equal; so are spellings of an instant
/// and of a number.
pub fn compare(sent: &Value, back: &Value) -> Compared {
    let mut compared = Compared::default();
    values(&Place::default(), sent, back, &mut compared);
    compared
}

fn values(place: &Place, sent: &Value, back: &Value, compared: &mut Compared) {
    match (sent, back) {
        (Value::Object(sent), Value::Object(back)) => members(place, sent, back, compared),
        (Value::Array(sent), Value::Array(back)) if sent.len() == back.len() => {
            for (index, (sent, back)) in sent.iter().zip(back).enumerate() {
                values(&place.item(index), sent, back, compared);
            }
        }
        _ if same(sent, back) => {}
        _ => compared.lost.push((place.clone(), Fate::Changed(back.clone()))),
    }
}

fn members(place: &Place, sent: &Map<String, Value>, back: &Map<String, Value>, compared: &mut Compared) {
    for (name, value) in sent {
        let place = place.member(name);
        match back.get(name).filter(|back| !is_blank(back)) {
            Some(back) => {
                let before = compared.lost.len();
                values(&place, value, back, compared);
                compared.kept += usize::from(compared.lost.len() == before);
            }
            None if is_blank(value) => compared.blank.push(place),
            None => compared.lost.push((place, Fate::Dropped)),
        }
    }
    for (name, value) in back.iter().filter(|(name, value)| !sent.contains_key(*name) && !is_blank(value)) {
        compared.lost.push((place.member(name), Fate::Invented(value.clone())));
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn same(sent: &Value, back: &Value) -> bool {
    let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    sent == back
        || sent.as_f64().is_some_and(|number| back.as_f64() == Some(number))
        || instant(sent).is_some_and(|at| instant(back) == Some(at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lost(sent: &Value, back: &Value) -> Vec<(String, Fate)> {
        compare(sent, back).lost.into_iter().map(|(place, fate)| (place.pattern, fate)).collect()
    }

    #[test]
    fn dropped_changed_and_invented_members_are_told_apart() {
        let sent = json!({"a": {"b": [{"c": 1, "d": 2}]}, "e": "x", "f": {}});
        let back = json!({"a": {"b": [{"c": 1}]}, "e": "y", "g": 3, "f": {}});
        let want = [
            ("a.b[].d".to_owned(), Fate::Dropped),
            ("e".to_owned(), Fate::Changed(json!("y"))),
            ("g".to_owned(), Fate::Invented(json!(3))),
        ];
        assert_eq!(lost(&sent, &back), want);
        assert_eq!(compare(&sent, &back).kept, 2, "c and f");
    }

    #[test]
    fn null_empty_and_absent_are_equal_but_remembered() {
        let sent = json!({"a": null, "b": [], "c": []});
        let compared = compare(&sent, &json!({"c": [], "d": null, "e": []}));
        assert_eq!(compared.lost, []);
        let blank: Vec<&str> = compared.blank.iter().map(|place| place.pointer.as_str()).collect();
        assert_eq!((blank, compared.kept), (vec!["/a", "/b", "/c"], 0));
    }

    #[test]
    fn spellings_of_instants_and_numbers_are_equal() {
        let sent = json!({"at": "2026-11-21T08:00:00.0000000Z", "n": 1.0});
        assert_eq!(lost(&sent, &json!({"at": "2026-11-21T09:00:00+01:00", "n": 1})), []);
        assert_eq!(lost(&sent, &json!({"at": "2026-11-21T08:00:01Z", "n": 1})).len(), 1);
    }
}
