//! What the farm file may contain, read off its JSON schema: one source for types, messages and editors.

use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::error::{Finding, Origin, Problem};
use super::file::FarmSpec;
use super::tree::{Kind, Node};

/// The JSON schema of the farm file (draft 2020-12), without references.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<FarmSpec>().to_value()
}

/// What may stand under a key.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Block(Vec<(String, Shape)>),
    FreeBlock,
    List(Box<Shape>),
    Text,
    Whole,
    Number,
    Flag,
    Choice(Vec<String>),
}

impl Shape {
    /// The shape of the whole farm file.
    pub(super) fn of_farm_file() -> Self {
        Self::read(&schema())
    }

    fn read(schema: &Value) -> Self {
        let empty = Map::new();
        let schema = schema.as_object().unwrap_or(&empty);
        // An optional block or choice is a union with null.
        for union in ["anyOf", "oneOf"] {
            let Some(branches) = schema.get(union).and_then(Value::as_array) else { continue };
            let words: Vec<String> = branches.iter().flat_map(words).collect();
            if !words.is_empty() {
                return Self::Choice(words);
            }
            if let Some(branch) = branches.iter().find(|b| b.get("type") != Some(&Value::from("null"))) {
                return Self::read(branch);
            }
        }
        let words = words(&Value::Object(schema.clone()));
        if !words.is_empty() {
            return Self::Choice(words);
        }
        let is = |name: &str| match schema.get("type") {
            Some(Value::String(one)) => one == name,
            Some(Value::Array(many)) => many.iter().any(|one| one == name),
            _ => false,
        };
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            Self::Block(properties.iter().map(|(key, schema)| (key.clone(), Self::read(schema))).collect())
        } else if is("object") {
            Self::FreeBlock
        } else if is("array") {
            Self::List(Box::new(schema.get("items").map_or(Self::Text, Self::read)))
        } else if is("integer") {
            Self::Whole
        } else if is("number") {
            Self::Number
        } else if is("boolean") {
            Self::Flag
        } else {
            Self::Text
        }
    }

    fn wanted(&self) -> String {
        match self {
            Self::Block(_) | Self::FreeBlock => "a block of keys".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Whole => "a whole number, 0 or more".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }

    /// Whether a scalar may stand here. An empty value is an absent key.
    fn takes(&self, scalar: &Kind) -> bool {
        match (self, scalar) {
            (_, Kind::Null)
            | (Self::Text, Kind::Text(_) | Kind::Whole(_) | Kind::Number(_) | Kind::Flag(_))
            | (Self::Number, Kind::Whole(_))
            | (Self::Flag, Kind::Flag(_)) => true,
            (Self::Number, Kind::Number(number)) => number.is_finite(),
            (Self::Whole, Kind::Whole(number)) => u32::try_from(*number).is_ok(),
            (Self::Choice(words), Kind::Text(word)) => words.contains(word),
            // YAML 1.1 reads the bare word `off` as false.
            (Self::Choice(words), Kind::Flag(false)) => words.iter().any(|word| word == "off"),
            _ => false,
        }
    }

    /// Every key below that has a value of its own, as a path; entries of `pools` as `pools.name`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect(&self, at: &str, found: &mut Vec<String>) {
        match self {
            Self::Block(keys) => keys.iter().for_each(|(key, shape)| shape.collect(&join(at, key), found)),
            Self::List(item) if matches!(**item, Self::Block(_)) => item.collect(at, found),
            _ => found.push(at.to_owned()),
        }
    }
}

/// The words that a schema with `const` or `enum` allows.
fn words(schema: &Value) -> Vec<String> {
    let one = schema.get("const").into_iter();
    let many = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let nested = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().flat_map(words);
    one.chain(many).filter_map(Value::as_str).map(str::to_owned).chain(nested).collect()
}

pub(super) fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// Compares a document with the shape: unknown keys and wrong types, and where each value stands.
pub(super) struct Walk<'a> {
    pub(super) file: &'a str,
    pub(super) root: &'a Shape,
    pub(super) findings: Vec<Finding>,
    pub(super) origins: Vec<(String, Origin)>,
}

impl Walk<'_> {
    fn origin(&self, at: Location) -> Origin {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Origin::File { name: self.file.to_owned(), line: number(at.line()), column: number(at.column()) }
    }

    pub(super) fn node(&mut self, node: &Node, shape: &Shape, path: &str) {
        match (shape, &node.value) {
            (Shape::Block(keys), Kind::Map(entries)) => {
                for (key, value) in entries {
                    self.entry(key, value, keys, &join(path, &key.value));
                }
            }
            (Shape::FreeBlock, Kind::Map(entries)) => {
                for (key, value) in entries {
                    self.item(value, key.referenced, &Shape::Text, &join(path, &key.value));
                }
            }
            (Shape::List(shape), Kind::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.item(item, item.referenced, shape, &format!("{path}[{index}]"));
                }
            }
            (shape, scalar) if !shape.takes(scalar) => self.wrong(node, shape, path),
            _ => {}
        }
    }

    /// A key of a block with known keys.
    fn entry(&mut self, key: &Spanned<String>, value: &Node, keys: &[(String, Shape)], path: &str) {
        if let Some((_, shape)) = keys.iter().find(|(name, _)| *name == key.value) {
            let scalar = !matches!(value.value, Kind::Map(_) | Kind::List(_) | Kind::Null);
            let at = if scalar { value.referenced } else { key.referenced };
            self.origins.push((path.to_owned(), self.origin(at)));
            self.node(value, shape, path);
        } else {
            let finding = Finding {
                origin: self.origin(key.referenced),
                key: path.to_owned(),
                problem: Problem::Unknown(path.to_owned()),
                remedy: self.remedy(&key.value, keys),
            };
            self.findings.push(finding);
        }
    }

    /// An entry of a list or of a block with free keys: unlike the value of a known key it may not be empty.
    fn item(&mut self, value: &Node, at: Location, shape: &Shape, path: &str) {
        self.origins.push((path.to_owned(), self.origin(at)));
        match &value.value {
            Kind::Null => self.wrong(value, shape, path),
            _ => self.node(value, shape, path),
        }
    }

    fn wrong(&mut self, node: &Node, shape: &Shape, path: &str) {
        let found =
            if path == "workerRegistrationSecret" { "what is there".to_owned() } else { node.value.found() };
        let wanted = shape.wanted();
        let remedy = match shape {
            Shape::Block(keys) if path.is_empty() => {
                format!("start with lines such as `{}: …`", keys.first().map_or("location", |(key, _)| key))
            }
            Shape::Block(keys) => format!("indent its keys below it: {}", names(keys)),
            Shape::List(_) => "write `- value` lines below it, or `[value, value]`".to_owned(),
            Shape::Text => format!("put one value after `{path}:`, in quotes if it has special characters"),
            _ => format!("correct the value of `{path}`, or delete the key to get the default"),
        };
        let what = if path.is_empty() { "the farm file".to_owned() } else { format!("`{path}`") };
        self.findings.push(Finding {
            origin: self.origin(node.referenced),
            key: path.to_owned(),
            problem: Problem::Type { what, wanted, found },
            remedy,
        });
    }

    fn remedy(&self, key: &str, keys: &[(String, Shape)]) -> String {
        let folded = key.to_ascii_lowercase().replace(['_', '-'], "");
        let near = keys
            .iter()
            .map(|(name, _)| (strsim::damerau_levenshtein(&folded, &name.to_ascii_lowercase()), name))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, name)| *distance <= 2.max(name.len() / 3));
        let is_here = |path: &str| path.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(key));
        let elsewhere = self.root.paths().into_iter().find(|path| is_here(path));
        match (near, elsewhere) {
            (Some((0..=1, name)), _) | (Some((_, name)), None) => format!("did you mean `{name}`?"),
            (_, Some(path)) => format!("did you mean `{path}`? It belongs there"),
            (None, None) => format!("known keys here: {}", names(keys)),
        }
    }
}

fn names(keys: &[(String, Shape)]) -> String {
    keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ")
}
