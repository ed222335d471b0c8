//! The one retry layer, and the registration of resource providers.

use std::time::Duration;

use url::Url;

use super::classify::Kind;
use super::client::ArmClient;
use super::error::ArmError;
use super::redact;
use super::request::{Plane, Request};
use super::response::Response;
use super::wire::Lost;

/// Statuses that pass: Microsoft's "Retry guidance for Azure services".
fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}

/// What a try that may be repeated leaves behind if it was the last.
enum Leftover {
    Answer(Response),
    Error(ArmError),
}

impl ArmClient {
    /// Sends until there is an answer worth giving: any status, after retries.
    ///
    /// A request that must not be repeated ([`Request::idempotent`] unset) is not sent again once it may have been
    /// applied; nor is a conditional one believed when its repetition fails on its own first effect.
    pub(super) async fn exchange(&self, request: &Request, url: &Url) -> Result<Response, ArmError> {
        let mut waited = Duration::ZERO;
        let mut may_be_applied = false;
        let mut resent_after_401 = false;
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = self.wire().attempt(request, url, &**self.clock(), self.retry().try_timeout).await;
            trace(request, url, tries, &outcome);
            let (asked, leftover) = match outcome {
                // The auth policy has dropped its token: the next try fetches a fresh one.
                Ok(response)
                    if response.status == 401
                        && !resent_after_401
                        && !matches!(request.plane, Plane::Public(_)) =>
                {
                    resent_after_401 = true;
                    tries -= 1;
                    continue;
                }
                Ok(response) if response.status == 412 && may_be_applied => {
                    let error = ArmError::from_response(request.method, url, &response, self.clock().now());
                    return Err(error.with_kind(Kind::OutcomeUnknown));
                }
                Ok(response) if response.is_success() && garbled(&response) => {
                    may_be_applied |= !request.method.is_read();
                    let message = "azure's answer is garbled or cut off";
                    let kind = if request.idempotent { Kind::Unreadable } else { Kind::OutcomeUnknown };
                    (None, Leftover::Error(ArmError::ours(request.method, url.as_str(), kind, message)))
                }
                Ok(response) if !passes(response.status) => return Ok(response),
                Ok(response) => {
                    let error = ArmError::from_response(request.method, url, &response, self.clock().now());
                    if response.status >= 500 {
                        may_be_applied |= !request.method.is_read();
                        if !request.idempotent {
                            return Err(error.with_kind(Kind::OutcomeUnknown));
                        }
                    }
                    (error.retry_after(), Leftover::Answer(response))
                }
                Err(lost) => {
                    may_be_applied |=
                        !request.method.is_read() && matches!(lost, Lost::Unknown(_) | Lost::TimedOut);
                    let error = lost_error(request, url, &lost, may_be_applied);
                    if matches!(lost, Lost::NoToken(_)) {
                        return Err(error);
                    }
                    (None, Leftover::Error(error))
                }
            };
            let give_up = match leftover {
                Leftover::Error(error) if may_be_applied && !request.idempotent => return Err(error),
                Leftover::Error(error) => Err(error),
                Leftover::Answer(response) => Ok(response),
            };
            let delay = self.retry().delay(tries, asked, self.jitter());
            if tries >= self.retry().max_tries || waited + delay > self.retry().budget {
                return give_up;
            }
            waited += delay;
            self.clock().sleep(delay).await;
        }
    }

    /// Registers the provider that `error` misses and waits until Azure has done so
    /// (Microsoft's page "Azure resource providers and types").
    pub(super) async fn register_provider(&self, error: &ArmError) -> Result<(), ArmError> {
        const API: &str = "2021-04-01";
        let named = match error.kind() {
            Kind::NotRegistered { namespace } => namespace.as_deref(),
            _ => None,
        };
        let segment = |key: &str| {
            let mut segments = error.path().split('/');
            segments.find(|segment| segment.eq_ignore_ascii_case(key))?;
            segments.next()
        };
        let (Some(subscription), Some(namespace)) =
            (segment("subscriptions"), named.or_else(|| segment("providers")))
        else {
            return Err(error.clone());
        };
        let provider = format!("/subscriptions/{subscription}/providers/{namespace}");
        tracing::info!(namespace, "registering the resource provider");
        let register = Request::post(format!("{provider}/register"), None).api_version(API).idempotent();
        let read = Request::get(provider).api_version(API);
        let began = self.clock().now();
        let mut request = &register;
        loop {
            let Some(url) = request.url(self.cloud()) else { return Err(error.clone()) };
            let response = self.exchange(request, &url).await?;
            if !response.is_success() {
                return Err(ArmError::from_response(request.method, &url, &response, self.clock().now()));
            }
            let state = response.body.as_ref().and_then(|body| body.get("registrationState")?.as_str());
            if state.is_some_and(|state| state.eq_ignore_ascii_case("registered")) {
                return Ok(());
            }
            if self.clock().now().duration_since(began).unsigned_abs() > self.retry().registration {
                return Err(error.clone());
            }
            self.clock().sleep(self.retry().patience_delay).await;
            request = &read;
        }
    }
}

/// Neither JSON nor honest text: a page of some intermediary, or the first half of an answer.
fn garbled(response: &Response) -> bool {
    response.text.is_some()
        && response
            .headers
            .get("content-type")
            .is_none_or(|kind| kind.contains("json") || kind.contains("html"))
}

fn lost_error(request: &Request, url: &Url, lost: &Lost, may_be_applied: bool) -> ArmError {
    let kind = if may_be_applied { Kind::OutcomeUnknown } else { Kind::Transient };
    let method = request.method;
    match lost {
        Lost::NoToken(error) => {
            ArmError::transport(method, url, Kind::Unauthenticated, "no token could be had", error)
        }
        Lost::NotSent(error) => ArmError::transport(method, url, kind, "azure could not be reached", error),
        Lost::Unknown(error) => ArmError::transport(method, url, kind, "the answer was lost", error),
        Lost::TimedOut => ArmError::ours(method, url.as_str(), kind, "azure did not answer in time"),
    }
}

/// The request log: never headers, bodies, or query secrets.
fn trace(request: &Request, url: &Url, tries: u32, outcome: &Result<Response, Lost>) {
    let url = redact::url(url);
    let method = request.method.as_str();
    match outcome {
        Ok(response) => {
            let id = response.request_id().unwrap_or_default();
            tracing::debug!(method, url, tries, status = response.status, request_id = id, "azure answered");
        }
        Err(lost) => {
            let why = match lost {
                Lost::NoToken(_) => "no token",
                Lost::NotSent(_) => "not reached",
                Lost::Unknown(_) => "answer lost",
                Lost::TimedOut => "timed out",
            };
            tracing::debug!(method, url, tries, why, "azure did not answer");
        }
    }
}
