//! The YAML document with the place of every key and value, before anything is known about its meaning.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A value and where it stands.
pub(super) type Node = Spanned<Kind>;

/// What a value is. Scalars keep their reading for messages only: types are decided by the key they stand under.
#[derive(Debug)]
pub(super) enum Kind {
    Map(Vec<(Spanned<String>, Node)>),
    List(Vec<Node>),
    Flag(bool),
    Whole(i128),
    Number(f64),
    Text(String),
    Null,
}

impl Kind {
    /// What stands here, in words.
    pub(super) fn found(&self) -> String {
        match self {
            Self::Map(_) => "a block of keys".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Flag(value) => format!("`{value}`"),
            Self::Whole(value) => format!("`{value}`"),
            Self::Number(value) => format!("`{value}`"),
            Self::Text(text) if text.chars().count() > 40 => "a long text".to_owned(),
            Self::Text(text) => format!("`{text}`"),
            Self::Null => "empty".to_owned(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&(Spanned<String>, Node)> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name.value == key)
    }
}

/// The last byte offset that a value covers, as far as the parser tells.
pub(super) fn end(node: &Node) -> usize {
    let own = bytes(node.referenced).1;
    match &node.value {
        Kind::Map(entries) => entries.iter().map(|(_, value)| end(value)).fold(own, usize::max),
        Kind::List(items) => items.iter().map(end).fold(own, usize::max),
        _ => own,
    }
}

/// First byte and the byte after the last.
pub(super) fn bytes(at: Location) -> (usize, usize) {
    let span = at.span();
    let start = span.byte_offset().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    let len = span.byte_len().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    (start, start + len)
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any YAML value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Flag(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Whole(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Whole(value.into()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Kind, E> {
        Ok(Kind::Whole(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }
}
