//! Takes exchanges, finds their models, keeps the score.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};
use url::Url;

use crate::compare::{Fate, compare};
use crate::known::{Kind, Known};
use crate::model::Model;
use crate::operations::{Answer, OPERATIONS, Operation, error_model, find};

/// One HTTP exchange.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Absolute URL.
    pub url: &'a Url,
    /// Request body.
    pub sent: &'a [u8],
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer.
    pub answered: &'a [u8],
}

/// What one model has judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Bodies we sent.
    pub sent: usize,
    /// Bodies the simulator answered; a list counts one for each item.
    pub answered: usize,
    /// Different ones among both.
    pub distinct: usize,
    /// Object members, at any depth of the different ones, that came back unchanged.
    pub properties: usize,
}

/// The judge and the score so far.
#[derive(Debug)]
pub struct Judge {
    known: &'static [Known],
    used: BTreeSet<usize>,
    judged: BTreeSet<(String, String)>,
    /// The different bodies we sent, with their models.
    pub sent: Vec<(Model, Value)>,
    /// By model.
    pub scores: BTreeMap<String, Score>,
    /// Exchanges that no model of the three crates is about, by service.
    pub outside: BTreeMap<String, usize>,
    /// Exchanges of the three providers, by operation.
    pub operations: BTreeMap<String, usize>,
    /// What was found wrong, each once.
    pub failures: BTreeSet<String>,
}

impl Judge {
    /// A judge that grants these exceptions.
    pub fn new(known: &'static [Known]) -> Self {
        Self {
            known,
            used: BTreeSet::new(),
            judged: BTreeSet::new(),
            sent: Vec::new(),
            scores: BTreeMap::new(),
            outside: BTreeMap::new(),
            operations: BTreeMap::new(),
            failures: BTreeSet::new(),
        }
    }

    /// Judges both bodies of an exchange.
    pub fn exchange(&mut self, exchange: &Exchange<'_>) {
        let path = match service(exchange.url) {
            Service::Provider(path) => path,
            Service::Other(name) => {
                *self.outside.entry(name).or_default() += 1;
                return;
            }
        };
        let namespace = path.split('/').next().unwrap_or_default();
        let Some(error) = error_model(namespace) else {
            *self.outside.entry(namespace.to_owned()).or_default() += 1;
            return;
        };
        let Some(operation) = find(exchange.method, &path) else {
            self.failures.insert(format!("no model is mapped to {} {path}", exchange.method));
            return;
        };
        let name = format!("{} {}", operation.method, operation.path);
        *self.operations.entry(name.clone()).or_default() += 1;
        self.request(operation, &name, exchange.sent);
        self.response(operation, error, &name, exchange);
    }

    fn request(&mut self, operation: &Operation, name: &str, body: &[u8]) {
        let Some(body) = self.parse(&format!("{name} sends"), body) else { return };
        match operation.sent {
            Some(model) => {
                self.scores.entry(model.name()).or_default().sent += 1;
                if self.document(model, &body, &format!("{name} sends")) {
                    self.sent.push((model, body));
                }
            }
            None => _ = self.failures.insert(format!("{name} sends a body and no model is mapped to it")),
        }
    }

    fn response(&mut self, operation: &Operation, error: Model, name: &str, exchange: &Exchange<'_>) {
        let what = format!("{name} answers {}", exchange.status);
        let Some(body) = self.parse(&what, exchange.answered) else { return };
        if exchange.status >= 400 {
            return self.answer(error, &body, &what);
        }
        match operation.answer {
            Answer::Nothing => {
                self.failures.insert(format!("{what} with a body and no model is mapped to it"));
            }
            Answer::One(model) => self.answer(model, &body, &what),
            Answer::List(model) => {
                self.only(&body, &["value", "nextLink"], &what);
                match body["value"].as_array() {
                    Some(items) => items.iter().for_each(|item| self.answer(model, item, &what)),
                    None => _ = self.failures.insert(format!("{what} without `value`")),
                }
            }
            // The `Location` link of a compute operation is its status link and `monitor=true`: it gives the output alone.
            Answer::Operation(output)
                if exchange.url.query().unwrap_or_default().contains("monitor=true") =>
            {
                self.answer(output, &body, &what);
            }
            Answer::Operation(output) => {
                let known =
                    ["name", "status", "startTime", "endTime", "error", "properties", "percentComplete"];
                self.only(&body, &known, &what);
                if let Some(body) = body.pointer("/properties/output") {
                    self.answer(output, body, &what);
                }
            }
        }
    }

    fn parse(&mut self, what: &str, body: &[u8]) -> Option<Value> {
        if body.is_empty() {
            return None;
        }
        let parsed = serde_json::from_slice(body);
        if let Err(error) = &parsed {
            self.failures.insert(format!("{what} no JSON: {error}"));
        }
        parsed.ok()
    }

    fn only(&mut self, body: &Value, known: &[&str], what: &str) {
        for name in body.as_object().into_iter().flat_map(|body| body.keys()) {
            if !known.contains(&name.as_str()) {
                self.failures.insert(format!("{what} with `{name}` beside {known:?}"));
            }
        }
    }

    fn answer(&mut self, model: Model, body: &Value, what: &str) {
        self.scores.entry(model.name()).or_default().answered += 1;
        self.document(model, body, what);
    }

    /// Judges one document; says whether it is the first like it. `what` ends a sentence about it.
    pub fn document(&mut self, model: Model, body: &Value, what: &str) -> bool {
        let name = model.name();
        if !self.judged.insert((name.clone(), body.to_string())) {
            return false;
        }
        self.scores.entry(name.clone()).or_default().distinct += 1;
        let trip = match model.trip(body) {
            Ok(trip) => trip,
            Err(refusal) => {
                self.failures.insert(format!("{name} cannot read what {what}: {refusal}"));
                return true;
            }
        };
        for value in trip.unknown {
            self.unless_known(Kind::NewerValue, &name, &value, || {
                format!("{name} does not know the value `{value}` that {what}")
            });
        }
        let compared = compare(body, &trip.back);
        let mut kept = compared.kept;
        for (place, fate) in compared.lost {
            let told = match fate {
                Fate::Dropped => "drops".to_owned(),
                Fate::Changed(back) => format!("makes {back} of"),
                Fate::Invented(value) => format!("invents {value} for"),
            };
            self.unless_known(Kind::Newer, &name, &place.pattern, || {
                format!("{name} {told} `{}` that {what}", place.pattern)
            });
        }
        for place in compared.blank {
            if knows(model, body, &place.pointer) {
                kept += 1;
            } else {
                self.unless_known(Kind::Newer, &name, &place.pattern, || {
                    format!("{name} drops the empty `{}` that {what}", place.pattern)
                });
            }
        }
        self.scores.entry(name).or_default().properties += kept;
        true
    }

    fn unless_known(&mut self, kind: Kind, model: &str, what: &str, failure: impl FnOnce() -> String) {
        let entry = self
            .known
            .iter()
            .position(|known| known.kind == kind && known.model == model && known.covers(what));
        match entry {
            Some(index) => _ = self.used.insert(index),
            None => _ = self.failures.insert(failure()),
        }
    }

    /// Exceptions that nothing needed.
    pub fn unused(&self) -> Vec<&'static Known> {
        self.known
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.used.contains(index))
            .map(|(_, known)| known)
            .collect()
    }

    /// The sum over all models.
    pub fn total(&self) -> Score {
        self.scores.values().fold(Score::default(), |sum, score| Score {
            sent: sum.sent + score.sent,
            answered: sum.answered + score.answered,
            distinct: sum.distinct + score.distinct,
            properties: sum.properties + score.properties,
        })
    }
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44} {:>6} {:>9} {:>9} {:>11}",
            "model", "sent", "answered", "distinct", "properties"
        )?;
        let total = ("total".to_owned(), self.total());
        for (model, score) in self.scores.iter().map(|(model, score)| (model.clone(), *score)).chain([total])
        {
            let Score { sent, answered, distinct, properties } = score;
            writeln!(f, "{model:<44} {sent:>6} {answered:>9} {distinct:>9} {properties:>11}")?;
        }
        let inside: usize = self.operations.values().sum();
        let (seen, all) = (self.operations.len(), OPERATIONS.len());
        writeln!(f, "exchanges judged: {inside}, of {seen} operations ({all} are mapped)")?;
        let outside: Vec<String> =
            self.outside.iter().map(|(service, count)| format!("{service} {count}")).collect();
        writeln!(f, "exchanges out of scope: {}", outside.join(", "))?;
        writeln!(f, "exceptions used: {} of {}", self.used.len(), self.known.len())
    }
}

enum Service {
    /// The path from the namespace of the innermost provider on.
    Provider(String),
    Other(String),
}

fn service(url: &Url) -> Service {
    let host = url.host_str().unwrap_or_default();
    if !host.starts_with("management.") {
        let data_plane = host.ends_with(".batch.azure.com");
        return Service::Other(if data_plane { "Batch data plane" } else { host }.to_owned());
    }
    match url.path().to_ascii_lowercase().rfind("/providers/") {
        Some(at) => Service::Provider(url.path()[at + "/providers/".len()..].to_owned()),
        None => Service::Other("Resource Manager".to_owned()),
    }
}

/// Whether the model reads this property at all: then it refuses a value of a type that no property has.
fn knows(model: Model, body: &Value, pointer: &str) -> bool {
    let mut body = body.clone();
    if let Some(value) = body.pointer_mut(pointer) {
        *value = json!([[true]]);
    }
    model.trip(&body).is_err()
}
