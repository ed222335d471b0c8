//! Recordings of real traffic as values, read from any folder of the documented form.
//!
//! A file is `{"source", "interactions": [{"n", "request": {method, uri, body}, "response": {status, headers, body}}]}`;
//! `body` is parsed JSON, text, or null for none (or, from recorders that kept no requests, for unknown).

use std::path::Path;

use flamenco_azure_core::arm::{Headers, Method, Plane, Response};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

/// One recorded request with the answer it got.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// Its number in the source, as the file says; its index where the file says nothing.
    pub n: u64,
    /// HTTP method.
    pub method: Method,
    /// Absolute URL.
    pub url: Url,
    /// The request's JSON body; `None` when there was none or nobody kept it.
    pub body: Option<Value>,
    /// The answer.
    pub response: Response,
    /// The source of this pair alone, in files that collect pairs of several sources.
    pub source: Option<String>,
}

/// One file.
#[derive(Debug, Clone)]
pub struct Recording {
    /// File name without its extension.
    pub name: String,
    /// In the order in which they happened.
    pub interactions: Vec<Interaction>,
    /// Errors quoted elsewhere, as `(status, body)`: for the classification alone.
    pub quotes: Vec<(u16, Value)>,
}

/// Something in the folder is not of the documented form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// File name.
    pub file: String,
    /// Index of the interaction in its file, when it is one of them.
    pub index: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}, interaction {index}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

/// Reads every JSON file below a folder, in order of their names. What cannot be read is named, never passed over.
pub fn read_folder(folder: &Path) -> (Vec<Recording>, Vec<Malformed>) {
    let (mut recordings, mut wrong) = (Vec::new(), Vec::new());
    for path in json_files(folder, &mut wrong) {
        let file =
            path.strip_prefix(folder).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        let text = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                wrong.push(Malformed { file, index: None, why: format!("cannot be read: {error}") });
                continue;
            }
        };
        match serde_json::from_slice::<Value>(&text) {
            Ok(value) => {
                let (recording, mut bad) = read(&file, &value);
                recordings.push(recording);
                wrong.append(&mut bad);
            }
            Err(error) => wrong.push(Malformed { file, index: None, why: format!("is no JSON: {error}") }),
        }
    }
    if recordings.is_empty() && wrong.is_empty() {
        let file = folder.display().to_string();
        wrong.push(Malformed { file, index: None, why: "has no recordings (*.json)".to_owned() });
    }
    (recordings, wrong)
}

/// All JSON files below a folder, sorted.
pub fn json_files(folder: &Path, wrong: &mut Vec<Malformed>) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    found.extend(json_files(&path, wrong));
                } else if path.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("json")) {
                    found.push(path);
                }
            }
        }
        Err(error) => {
            let file = folder.display().to_string();
            wrong.push(Malformed { file, index: None, why: format!("cannot be listed: {error}") });
        }
    }
    found.sort();
    found
}

/// Reads one file's JSON.
pub fn read(name: &str, file: &Value) -> (Recording, Vec<Malformed>) {
    let mut wrong = Vec::new();
    let mut bad = |index: Option<usize>, why: &str| {
        wrong.push(Malformed { file: name.to_owned(), index, why: why.to_owned() });
    };
    let mut interactions = Vec::new();
    let quotes = file.get("quotes").and_then(Value::as_array);
    match file.get("interactions").map(Value::as_array) {
        Some(Some(all)) => {
            for (index, raw) in all.iter().enumerate() {
                match interaction(index, raw) {
                    Ok(interaction) => interactions.push(interaction),
                    Err(why) => bad(Some(index), &why),
                }
            }
        }
        Some(None) => bad(None, "its interactions are no list"),
        None if quotes.is_some() => {}
        None => bad(None, "has no interactions"),
    }
    let quotes = quotes
        .into_iter()
        .flatten()
        .filter_map(|quote| {
            let body = serde_json::json!({ "error": quote.get("error")? });
            let status = quote.get("status").and_then(Value::as_u64).and_then(|s| s.try_into().ok());
            Some((status.unwrap_or(409), body))
        })
        .collect();
    (Recording { name: name.to_owned(), interactions: in_order(interactions), quotes }, wrong)
}

/// Some recorders keep the answers to one request together, whatever happened between them: then the dates tell the
/// order. Azure's own clocks differ by seconds, which is no reason to turn anything round.
fn in_order(mut interactions: Vec<Interaction>) -> Vec<Interaction> {
    const SKEW_S: i64 = 20;
    let mut ordered = Vec::new();
    while !interactions.is_empty() {
        let source = interactions[0].source.clone();
        let at = interactions.iter().position(|i| i.source != source).unwrap_or(interactions.len());
        let rest = interactions.split_off(at);
        let dates: Vec<i64> = interactions.iter().filter_map(|i| Some(i.date()?.as_second())).collect();
        let back = dates.windows(2).any(|pair| pair[0] > pair[1] + SKEW_S);
        if back && dates.len() == interactions.len() {
            // Within one second, what was waited for came first.
            interactions.sort_by_key(|i| (i.date(), !crate::operations::is_poll(i.method, &i.url)));
        }
        ordered.append(&mut interactions);
        interactions = rest;
    }
    ordered
}

fn interaction(index: usize, raw: &Value) -> Result<Interaction, String> {
    let part = |name: &str| raw.get(name).filter(|v| v.is_object()).ok_or(format!("has no {name}"));
    let (request, response) = (part("request")?, part("response")?);
    let method = request.get("method").and_then(Value::as_str).ok_or("the request has no method")?;
    let method = serde_json::from_value(Value::String(method.to_ascii_uppercase()))
        .map_err(|_| format!("{method} is no method that Azure's management planes use"))?;
    let uri = request.get("uri").and_then(Value::as_str).ok_or("the request has no uri")?;
    let url = Url::parse(uri).map_err(|error| format!("the uri is no URL: {error}"))?;
    if url.host_str().is_none() {
        return Err("the uri has no host".to_owned());
    }
    let status = response.get("status").and_then(Value::as_u64).and_then(|s| u16::try_from(s).ok());
    let status = status.filter(|s| (100..600).contains(s)).ok_or("the answer has no HTTP status")?;
    let headers = match response.get("headers") {
        None | Some(Value::Null) => Headers::default(),
        Some(Value::Object(members)) => members.iter().map(|(name, value)| (name, text(value))).collect(),
        Some(_) => return Err("the answer's headers are no object".to_owned()),
    };
    let body = match response.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(json) => json.to_string().into_bytes(),
    };
    let sent = match request.get("body") {
        Some(Value::String(text)) => embedded(text),
        other => other.cloned(),
    };
    Ok(Interaction {
        n: raw.get("n").and_then(Value::as_u64).unwrap_or(index as u64),
        method,
        url,
        body: sent.filter(|body| !body.is_null()),
        response: Response::new(status, headers, &body),
        source: raw.get("source").and_then(Value::as_str).map(str::to_owned),
    })
}

/// JSON in a text; some recorders wrote how their language prints bytes (`b'{...}'`).
fn embedded(text: &str) -> Option<Value> {
    let whole = serde_json::from_str(text).ok();
    whole.or_else(|| {
        let (from, to) = (text.find('{')?, text.rfind('}')?);
        serde_json::from_str(text.get(from..=to)?).ok()
    })
}

/// Header values stand alone or in a list of one.
fn text(value: &Value) -> String {
    let value = value.get(0).unwrap_or(value);
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Interaction {
    /// Which endpoint the request went to.
    pub fn plane(&self) -> Plane {
        match self.url.host_str() {
            Some(host) if host.ends_with(".batch.azure.com") => Plane::Batch(host.to_owned()),
            Some("prices.azure.com") => Plane::Public("https://prices.azure.com".to_owned()),
            _ => Plane::Arm,
        }
    }

    /// When the answer was sent, as its `date` header says.
    pub fn date(&self) -> Option<Timestamp> {
        let date = httpdate::parse_http_date(self.response.headers.get("date")?).ok()?;
        Timestamp::try_from(date).ok()
    }

    /// `azure-asyncoperation` and `location`, as absolute URLs.
    pub fn links(&self) -> impl Iterator<Item = (&'static str, Url)> {
        ["azure-asyncoperation", "location"].into_iter().filter_map(|name| {
            let link = self.response.headers.get(name).map(str::trim).filter(|link| !link.is_empty())?;
            Some((name, self.url.join(link).ok()?))
        })
    }

    /// `PUT /subscriptions/…`: method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }
}

impl Recording {
    /// Pairs of one source each: what happened in one of them says nothing about another.
    pub fn sessions(&self) -> Vec<&[Interaction]> {
        self.interactions.chunk_by(|a, b| a.source == b.source).collect()
    }
}

/// Whether the recorder of a session kept `Retry-After`: those that removed it removed it everywhere.
pub fn kept_retry_after(session: &[Interaction]) -> bool {
    session.iter().any(|i| i.response.headers.get("retry-after").is_some())
}
