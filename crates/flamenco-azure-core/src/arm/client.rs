//! The client: sends [`Request`]s through azure_core's pipeline, with retries on our clock.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::HttpClient;
use serde_json::Value;

use super::cloud::Cloud;
use super::error::ArmError;
use super::lro::Operation;
use super::request::Request;
use super::response::Response;
use super::retry::RetryPolicy;
use crate::clock::Clock;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ArmOptions {
    /// The cloud: endpoints, audiences, allowed hosts.
    pub cloud: Cloud,
    /// Where tokens come from.
    pub credential: Arc<dyn TokenCredential>,
    /// The wire; `None` is HTTPS. URLs arrive here unchanged.
    pub transport: Option<Arc<dyn HttpClient>>,
    /// Time for waits, timeouts and deadlines.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter.
    pub seed: u64,
    /// How patient to be.
    pub retry: RetryPolicy,
}

/// Sends requests to Azure. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ArmClient {
    options: Arc<ArmOptions>,
}

impl ArmClient {
    /// A client.
    pub fn new(options: ArmOptions) -> Self {
        Self { options: Arc::new(options) }
    }

    /// The clock that the client waits on.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.options.clock
    }

    /// The cloud that the client talks to.
    pub fn cloud(&self) -> &Cloud {
        &self.options.cloud
    }

    /// Sends a request, with retries. The answer is a success (2xx).
    pub async fn send(&self, request: &Request) -> Result<Response, ArmError> {
        Err(self.unfinished(request))
    }

    /// Reads a resource; `None` when it does not exist.
    pub async fn get(&self, request: &Request) -> Result<Option<Value>, ArmError> {
        Err(self.unfinished(request))
    }

    /// Reads a list, all pages.
    pub async fn list(&self, request: &Request) -> Result<Vec<Value>, ArmError> {
        Err(self.unfinished(request))
    }

    /// Sends a request that may start a long-running operation.
    pub async fn begin(&self, request: &Request) -> Result<Operation, ArmError> {
        Err(self.unfinished(request))
    }

    /// Polls an operation to its end. `progress` is called after each poll. On an error the operation can be resumed.
    pub async fn wait(
        &self,
        operation: &mut Operation,
        progress: &mut (dyn FnMut(&Operation) + Send),
    ) -> Result<Option<Value>, ArmError> {
        progress(operation);
        Ok(None)
    }

    /// [`Self::begin`] and [`Self::wait`].
    pub async fn run(&self, request: &Request) -> Result<Option<Value>, ArmError> {
        let mut operation = self.begin(request).await?;
        self.wait(&mut operation, &mut |_| {}).await
    }

    fn unfinished(&self, request: &Request) -> ArmError {
        ArmError::ours(request.method, &request.path, super::Kind::Other, "not connected yet")
    }
}
