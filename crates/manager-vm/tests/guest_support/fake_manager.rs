//! A Flamenco Manager for the control program: the worker calls of its API with their real state behaviour.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// One worker.
#[derive(Debug, Clone)]
pub struct Worker {
    pub id: String,
    pub name: String,
    pub status: String,
    /// Status of the current or last task.
    pub task: Option<&'static str>,
    /// The requested status.
    pub request: Option<(String, bool)>,
}

#[derive(Debug, Default)]
pub struct World {
    pub version: String,
    pub workers: Vec<Worker>,
    /// Every call, `METHOD path body`.
    pub calls: Vec<String>,
    /// Lists of workers that were asked for.
    pub lists: usize,
    /// Rendering workers finish before this list is answered.
    pub tasks_end_at_list: Option<usize>,
    /// Answers 503 that many times first.
    pub busy_database: usize,
}

/// A running fake; it ends with the test process.
#[derive(Debug)]
pub struct FakeManager {
    pub url: String,
    pub world: Arc<Mutex<World>>,
}

impl FakeManager {
    pub fn start(version: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World { version: version.into(), ..World::default() }));
        let shared = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let world = Arc::clone(&shared);
                thread::spawn(move || answer(&stream.unwrap(), &world));
            }
        });
        Self { url, world }
    }

    /// Adds a worker; its id is a UUID made of a number.
    pub fn add(&self, name: &str, status: &str, task: Option<&'static str>, request: Option<&str>) {
        let mut world = self.world.lock().unwrap();
        let id = format!("00000000-0000-4000-8000-{:012}", world.workers.len());
        let request = request.map(|status| (status.to_owned(), true));
        world.workers.push(Worker { id, name: name.into(), status: status.into(), task, request });
    }

    pub fn worker(&self, name: &str) -> Option<Worker> {
        self.world.lock().unwrap().workers.iter().find(|w| w.name == name).cloned()
    }
}

fn answer(stream: &TcpStream, world: &Mutex<World>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if header.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, body) = world.lock().unwrap().call(method, path, &String::from_utf8(body).unwrap());
    let text = body.map(|body| body.to_string()).unwrap_or_default();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    let mut stream = stream;
    // The client may be gone (a killed control program).
    let _ = stream.write_all((head + &text).as_bytes());
}

impl World {
    fn call(&mut self, method: &str, path: &str, body: &str) -> (u16, Option<Value>) {
        self.calls.push(format!("{method} {path} {body}"));
        if self.busy_database > 0 {
            self.busy_database -= 1;
            return (503, Some(json!({"code": 503, "message": "database is busy"})));
        }
        let parts: Vec<&str> = path.trim_start_matches("/api/v3/").split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["version"]) => {
                let version = &self.version;
                (
                    200,
                    Some(
                        json!({"version": version, "shortversion": version, "name": "Flamenco", "git": "v"}),
                    ),
                )
            }
            ("GET", ["worker-mgt", "workers"]) => {
                self.pass_time();
                (200, Some(json!({"workers": self.workers.iter().map(summary).collect::<Vec<_>>()})))
            }
            ("GET", ["worker-mgt", "workers", id]) => match self.workers.iter().find(|w| w.id == *id) {
                Some(worker) => {
                    let mut answer = summary(worker);
                    if let Some(task) = worker.task {
                        answer["task"] =
                            json!({"id": "t", "job_id": "j", "name": "render-1", "status": task});
                    }
                    (200, Some(answer))
                }
                None => (404, None),
            },
            ("POST", ["worker-mgt", "workers", id, "setstatus"]) => {
                let asked: Value = serde_json::from_str(body).unwrap();
                let Some(worker) = self.workers.iter_mut().find(|w| w.id == *id) else { return (404, None) };
                let status = asked["status"].as_str().unwrap();
                let is_lazy = asked["is_lazy"].as_bool().unwrap();
                // Asking for the current status clears the request.
                worker.request = (worker.status != status).then(|| (status.to_owned(), is_lazy));
                (204, None)
            }
            ("DELETE", ["worker-mgt", "workers", id]) => {
                let before = self.workers.len();
                self.workers.retain(|w| w.id != *id);
                (if self.workers.len() < before { 204 } else { 404 }, None)
            }
            _ => (404, Some(json!({"code": 404, "message": path}))),
        }
    }

    /// Idle workers follow a lazy request at their next poll, rendering ones when their task ends.
    fn pass_time(&mut self) {
        self.lists += 1;
        let tasks_end = self.tasks_end_at_list.is_some_and(|list| self.lists >= list);
        for worker in &mut self.workers {
            if tasks_end && worker.task == Some("active") {
                worker.task = Some("completed");
            }
            let listens =
                worker.task != Some("active") && !matches!(worker.status.as_str(), "offline" | "error");
            if listens && let Some((status, _)) = worker.request.take() {
                worker.status = status;
            }
        }
    }
}

fn summary(worker: &Worker) -> Value {
    let mut summary = json!({
        "id": worker.id, "name": worker.name, "status": worker.status, "version": "3.8.5", "can_restart": true,
    });
    if let Some((status, is_lazy)) = &worker.request {
        summary["status_change"] = json!({"status": status, "is_lazy": is_lazy});
    }
    summary
}
