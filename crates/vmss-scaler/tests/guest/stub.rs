//! A small HTTP server that plays the metadata service, the login service, Resource Manager and a queue.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The token that the stub gives out: no output, argument or file may hold it.
pub const TOKEN: &str = "eyJ0eXAi.c2VjcmV0LXRva2Vu.c2ln-_x";
pub const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
pub const VM: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
pub const SUBSCRIPTION: &str = "00000000-0000-4000-8000-000000000009";

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// An answer: status, extra header lines, body. Status 0: the connection is closed without one.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

pub fn answer(status: u16, body: &str) -> Answer {
    Answer { status, headers: String::new(), body: body.into() }
}

#[derive(Debug, Default)]
pub struct World {
    /// Fields of the instance metadata.
    pub compute: BTreeMap<&'static str, String>,
    pub seen: Vec<Seen>,
    /// Answers that come before the usual one, for targets that hold this text.
    pub first: Vec<(&'static str, VecDeque<Answer>)>,
    /// The document of scheduled events.
    pub events: String,
    /// What a download gives.
    pub file: String,
}

#[derive(Debug)]
pub struct Stub {
    pub url: String,
    pub world: Arc<Mutex<World>>,
}

impl Stub {
    /// A machine of a Uniform scale set.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut world =
            World { events: r#"{"DocumentIncarnation":1,"Events":[]}"#.into(), ..World::default() };
        for (field, value) in [
            ("name", "crunch-spot_12"),
            ("vmScaleSetName", "crunch-spot"),
            ("vmId", VM),
            ("subscriptionId", SUBSCRIPTION),
            ("resourceGroupName", "studio"),
        ] {
            world.compute.insert(field, value.into());
        }
        let world = Arc::new(Mutex::new(world));
        let shared = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let world = Arc::clone(&shared);
                thread::spawn(move || serve(&stream.unwrap(), &world));
            }
        });
        Self { url, world }
    }

    pub fn compute(&self, field: &'static str, value: &str) {
        self.world.lock().unwrap().compute.insert(field, value.into());
    }

    /// The next answers to requests whose target holds `text`.
    pub fn first(&self, text: &'static str, answers: impl IntoIterator<Item = Answer>) {
        self.world.lock().unwrap().first.push((text, answers.into_iter().collect()));
    }

    /// What was asked, of targets that hold `text`.
    pub fn seen(&self, text: &str) -> Vec<Seen> {
        let world = self.world.lock().unwrap();
        world.seen.iter().filter(|seen| seen.target.contains(text)).cloned().collect()
    }

    /// Requests that change something.
    pub fn writes(&self) -> Vec<Seen> {
        let world = self.world.lock().unwrap();
        let change =
            |seen: &&Seen| seen.target.contains("/messages") || seen.target.contains("/tags/default");
        world.seen.iter().filter(change).cloned().collect()
    }
}

fn serve(stream: &TcpStream, world: &Mutex<World>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let seen = Seen { method, target, headers, body: String::from_utf8(body).unwrap() };
    let given = world.lock().unwrap().answer(seen);
    if given.status == 0 {
        return;
    }
    let head = format!(
        "HTTP/1.1 {} X\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
        given.status,
        given.headers,
        given.body.len()
    );
    let mut stream = stream;
    // The client may be gone.
    let _ = stream.write_all((head + &given.body).as_bytes());
}

impl World {
    fn answer(&mut self, seen: Seen) -> Answer {
        let target = seen.target.clone();
        let method = seen.method.clone();
        let headers = seen.headers.clone();
        self.seen.push(seen);
        for (text, answers) in &mut self.first {
            if target.contains(*text)
                && let Some(answer) = answers.pop_front()
            {
                return answer;
            }
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if path.starts_with("/metadata/") && headers.get("metadata").map(String::as_str) != Some("true") {
            return answer(400, r#"{"error":"Required metadata header not specified"}"#);
        }
        let authorized = headers.get("authorization") == Some(&format!("Bearer {TOKEN}"));
        let token = format!(r#"{{"access_token":"{TOKEN}","expires_in":"3599"}}"#);
        match (method.as_str(), path) {
            ("GET", "/metadata/scheduledevents") => answer(200, &self.events),
            ("POST", "/metadata/scheduledevents") => answer(200, ""),
            ("GET", "/metadata/identity/oauth2/token") if query.contains("api-version=2018-02-01") => {
                answer(200, &token)
            }
            ("GET", _) if path.starts_with("/metadata/instance/compute/") => {
                match self.compute.get(path.rsplit('/').next().unwrap()) {
                    Some(value) => answer(200, value),
                    None => answer(404, r#"{"error":"Not found"}"#),
                }
            }
            ("POST", _) if path.ends_with("/oauth2/v2.0/token") => answer(200, &token),
            ("POST", "/deletions/messages") if authorized => answer(201, "<QueueMessagesList/>"),
            ("PATCH", _) if path.ends_with("/providers/Microsoft.Resources/tags/default") && authorized => {
                answer(200, "{}")
            }
            ("GET", "/public/program") => answer(200, &self.file),
            ("GET", "/private/program") if authorized => answer(200, &self.file),
            ("GET", "/private/program") => {
                answer(409, "<Error><Code>PublicAccessNotPermitted</Code></Error>")
            }
            _ => answer(401, r#"{"error":{"code":"AuthenticationFailed","message":"who are you"}}"#),
        }
    }
}

/// A document of scheduled events with one event.
pub fn event(id: &str, kind: &str, resources: &[&str]) -> String {
    serde_json::json!({"DocumentIncarnation": 2, "Events": [{
        "EventId": id, "EventType": kind, "ResourceType": "VirtualMachine", "Resources": resources,
        "EventStatus": "Scheduled", "NotBefore": "Mon, 19 Sep 2026 18:29:47 GMT",
        "Description": "say \"}]\", {name}: C:\\vm", "EventSource": "Platform", "DurationInSeconds": -1,
    }]})
    .to_string()
}
