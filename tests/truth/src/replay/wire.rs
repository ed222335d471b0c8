//! A wire that answers with what was recorded: each answer once, in recorded order.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use url::Url;

use crate::links::same;
use crate::recording::Interaction;

/// What the wire says when the recording has no more answers for a request.
pub(super) const EXHAUSTED: &str = "the recording ends here";

/// The state of one session's replay.
#[derive(Debug)]
pub(super) struct Tape {
    session: Vec<Interaction>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Which answers were given.
    used: Vec<bool>,
    /// No answer before this one is given.
    from: usize,
    /// What was sent and had no answer.
    unanswered: Vec<String>,
    /// Indices in the order in which they were given.
    given: Vec<usize>,
}

impl Tape {
    pub(super) fn new(session: &[Interaction]) -> Arc<Self> {
        let state = State { used: vec![false; session.len()], ..State::default() };
        Arc::new(Self { session: session.to_vec(), state: Mutex::new(state) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing before `index` is answered from now on.
    pub(super) fn seek(&self, index: usize) {
        let mut state = self.state();
        state.from = index;
        state.given.clear();
        state.unanswered.clear();
    }

    pub(super) fn is_used(&self, index: usize) -> bool {
        self.state().used[index]
    }

    /// Answers given since the last [`Self::seek`].
    pub(super) fn given(&self) -> Vec<usize> {
        self.state().given.clone()
    }

    /// Requests since the last [`Self::seek`] that the recording does not have.
    pub(super) fn unanswered(&self) -> Vec<String> {
        self.state().unanswered.clone()
    }

    /// The next answer to this request. A read is not answered from beyond the next write to the same place.
    fn take(&self, method: &str, url: &Url) -> Option<&Interaction> {
        let mut state = self.state();
        for index in state.from..self.session.len() {
            let there = &self.session[index];
            if there.method.as_str() == method && !state.used[index] && same(&there.url, url) {
                state.used[index] = true;
                state.given.push(index);
                return Some(there);
            }
            let writes = !there.method.is_read() && there.url.path().eq_ignore_ascii_case(url.path());
            if writes && !state.used[index] {
                break;
            }
        }
        state.unanswered.push(format!("{method} {url}"));
        None
    }
}

#[async_trait]
impl HttpClient for Tape {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Some(there) = self.take(request.method().as_str(), request.url()) else {
            return Err(Error::with_message(ErrorKind::Connection, EXHAUSTED));
        };
        let mut headers = Headers::new();
        for name in crate::replay::HEADERS {
            if let Some(value) = there.response.headers.get(name) {
                headers.insert((*name).to_owned(), value.to_owned());
            }
        }
        let body = match (&there.response.body, &there.response.text) {
            (Some(json), _) => json.to_string().into_bytes(),
            (None, Some(text)) => text.clone().into_bytes(),
            (None, None) => Vec::new(),
        };
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(there.response.status), headers, body))
    }
}

/// A token that nobody checks.
#[derive(Debug)]
pub(super) struct AnyToken;

#[async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("any", OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1)))
    }
}
