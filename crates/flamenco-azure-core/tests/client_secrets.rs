//! No secret shows in logs or errors. Alone in its process: tracing remembers per call site who listens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use common::{Script, Step, TOKEN, answer, client, shown, with_headers};
use flamenco_azure_core::arm::Request;
use serde_json::{Value, json};

const THING: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Batch/things/t";
const STATUS: &str = "https://management.azure.com/subscriptions/1/operations/7?t=LINKSECRET&sig=LINKSECRET";
const NONE: Value = Value::Null;

/// Writes down every event.
#[derive(Default)]
struct Ear(Arc<Mutex<String>>);

struct Words<'a>(&'a mut String);

impl tracing::field::Visit for Words<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        attributes.record(&mut Words(&mut self.0.lock().unwrap()));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Words(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Words(&mut self.0.lock().unwrap()));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn no_secret_shows_in_logs_or_errors() {
    let heard = Arc::new(Mutex::new(String::new()));
    let _listening = tracing::subscriber::set_default(Ear(Arc::clone(&heard)));
    let secret_put =
        || Request::put(THING, json!({"adminPassword": "BODYSECRET"})).query("sig", "LINKSECRET");
    let quoting = json!({"error": {"code": "X", "message": format!("see https://a.example/b?sig=LINKSECRET and eyJ{TOKEN}")}});
    let runs = vec![
        vec![with_headers(202, &[("Location", STATUS)], NONE), answer(409, quoting.clone())],
        vec![Step::Lost; 8],
        vec![answer(400, quoting)],
        vec![Step::Answer(200, vec![], "<html>LINKSECRET</html>".to_owned()); 8],
        vec![answer(401, NONE), answer(401, NONE)],
    ];
    let mut shows = String::new();
    for steps in runs {
        let script = Script::new(steps);
        let arm = client(&script);
        let error = arm.run(&secret_put()).await.unwrap_err();
        shows.push_str(&shown(&error));
        write!(shows, "{arm:?}").unwrap();
        assert!(script.sent()[0].authorization.as_ref().unwrap().contains(TOKEN));
    }
    let log = heard.lock().unwrap().clone();
    assert!(log.contains("azure answered") && log.contains(THING), "{log}");
    for text in [&log, &shows] {
        for secret in [TOKEN, "LINKSECRET", "BODYSECRET"] {
            assert!(!text.contains(secret), "{secret} in: {text}");
        }
    }
}
