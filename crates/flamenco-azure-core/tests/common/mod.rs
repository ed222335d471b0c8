//! A scripted wire: answers in order, remembers what was sent and when.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::needless_pass_by_value, reason = "bodies are written in place")]

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::{Clock, TokioClock};
use jiff::Timestamp;
use serde_json::Value;

/// Must never show anywhere.
pub(crate) const TOKEN: &str = "TOKENSECRET";

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection broke after the request was sent.
    Lost,
    /// There was no connection.
    Refused,
    /// Nothing ever comes.
    Hang,
}

pub(crate) fn answer(status: u16, body: Value) -> Step {
    with_headers(status, &[], body)
}

pub(crate) fn with_headers(status: u16, headers: &[(&'static str, &str)], body: Value) -> Step {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Step::Answer(status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), body)
}

/// What was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) authorization: Option<String>,
    pub(crate) headers: String,
    pub(crate) body: String,
    /// Since the script began.
    pub(crate) at: Duration,
}

#[derive(Debug)]
pub(crate) struct Script {
    steps: Mutex<VecDeque<Step>>,
    sent: Mutex<Vec<Sent>>,
    origin: tokio::time::Instant,
}

impl Script {
    pub(crate) fn new(steps: Vec<Step>) -> Arc<Self> {
        Arc::new(Self {
            steps: Mutex::new(steps.into()),
            sent: Mutex::default(),
            origin: tokio::time::Instant::now(),
        })
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// `GET /path` of everything sent, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let path = |url: &str| {
            url.split('?').next().unwrap().trim_start_matches("https://management.azure.com").to_owned()
        };
        self.sent().iter().map(|sent| format!("{} {}", sent.method, path(&sent.url))).collect()
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let headers: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{}: {}", name.as_str(), value.as_str()))
            .collect();
        let authorization = request
            .headers()
            .iter()
            .find(|(name, _)| name.as_str() == "authorization")
            .map(|(_, value)| value.as_str().to_owned());
        self.sent.lock().unwrap().push(Sent {
            method: request.method().as_str().to_owned(),
            url: request.url().to_string(),
            authorization,
            headers: headers.join("\n"),
            body: String::from_utf8_lossy(&azure_core::Bytes::from(request.body())).into_owned(),
            at: self.origin.elapsed(),
        });
        let step = self.steps.lock().unwrap().pop_front().expect("a request too many");
        match step {
            Step::Answer(status, pairs, body) => {
                let mut headers = Headers::new();
                for (name, value) in pairs {
                    headers.insert(name.to_ascii_lowercase(), value);
                }
                Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), headers, body.into_bytes()))
            }
            // Real transports quote the whole URL.
            Step::Lost => Err(azure_core::Error::with_message(
                ErrorKind::Io,
                format!("connection reset for url ({})", request.url()),
            )),
            Step::Refused => {
                Err(azure_core::Error::with_message(ErrorKind::Connection, "connection refused"))
            }
            Step::Hang => std::future::pending().await,
        }
    }
}

/// Hands out numbered tokens and remembers for which scopes.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) scopes: Mutex<Vec<String>>,
}

#[async_trait]
impl TokenCredential for Tokens {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let mut seen = self.scopes.lock().unwrap();
        seen.push(scopes.join(" "));
        Ok(AccessToken::new(
            format!("{TOKEN}-{}", seen.len()),
            OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1),
        ))
    }
}

pub(crate) fn start() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

/// A client over the script, on virtual time.
pub(crate) fn client(script: &Arc<Script>) -> ArmClient {
    client_with(script, Arc::new(Tokens::default()))
}

pub(crate) fn client_with(script: &Arc<Script>, credential: Arc<dyn TokenCredential>) -> ArmClient {
    client_on(script, credential, Arc::new(TokioClock::starting_at(start())))
}

pub(crate) fn client_on(
    script: &Arc<Script>,
    credential: Arc<dyn TokenCredential>,
    clock: Arc<dyn Clock>,
) -> ArmClient {
    ArmClient::new(ArmOptions {
        cloud: Cloud::public(),
        credential,
        transport: Some(Arc::clone(script) as Arc<dyn HttpClient>),
        clock,
        seed: 7,
        retry: RetryPolicy::default(),
    })
}

/// Everything an error can show.
pub(crate) fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}\n{error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        write!(text, "\n{inner:?}\n{inner}").unwrap();
        cause = inner.source();
    }
    text
}
