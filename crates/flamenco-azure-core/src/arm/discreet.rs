//! A transport whose failures quote no URL query.
//!
//! Transports name the whole URL in their errors, signatures included, and azure_core logs those errors.

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};

use super::redact;

/// Sends through the inner transport, reads the whole answer, and redacts what went wrong.
#[derive(Debug)]
pub struct Discreet(pub Arc<dyn HttpClient>);

#[async_trait]
impl HttpClient for Discreet {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        // The body is read here: it can fail too.
        let answer = match self.0.execute_request(request).await {
            Ok(response) => response.try_into_raw_response().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(raw) => {
                let (status, headers, body) = raw.deconstruct();
                Ok(AsyncRawResponse::from_bytes(status, headers, azure_core::Bytes::from(body)))
            }
            Err(error) => Err(azure_core::Error::with_message(error.kind().clone(), in_words(&error))),
        }
    }
}

/// The chain of causes of a transport's error, each once, redacted.
pub fn in_words(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    redact::text(&words)
}
