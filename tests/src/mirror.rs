//! A host that is two servers: the simulator's, and another one in real time, which has to answer alike.

use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, RawResponse, Request};
use tokio::runtime::Runtime;

/// The way to the simulator, with one host of which each request goes to another server too, whose answer counts.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) simulator: Arc<dyn HttpClient>,
    pub(crate) host: String,
    pub(crate) server: Arc<dyn HttpClient>,
}

#[async_trait]
impl HttpClient for Mirror {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let simulated = self.simulator.execute_request(request).await?;
        if request.url().host_str() != Some(&self.host) {
            return Ok(simulated);
        }
        let answer = self.server.execute_request(request).await?;
        let (method, path) = (request.method(), request.url().path());
        assert_eq!(simulated.status(), answer.status(), "{method:?} {path}");
        Ok(answer)
    }
}

/// A server that is waited for without a moment's passing on the virtual clock.
#[derive(Debug)]
pub struct InRealTime {
    server: Arc<dyn HttpClient>,
    runtime: Runtime,
}

impl InRealTime {
    /// The way to this server.
    pub fn new(server: Arc<dyn HttpClient>) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        Self { server, runtime }
    }

    /// Asks it and waits here, without a moment's passing on anybody's clock.
    pub fn ask(&self, request: &Request) -> azure_core::Result<RawResponse> {
        let (server, request) = (Arc::clone(&self.server), request.clone());
        let (done, answer) = mpsc::channel();
        self.runtime.spawn(async move {
            let whole = async { server.execute_request(&request).await?.try_into_raw_response().await };
            drop(done.send(whole.await));
        });
        answer.recv().expect("an answer")
    }
}

#[async_trait]
impl HttpClient for InRealTime {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        // Not awaited: a paused clock would run on while nothing else happens.
        let (status, headers, body) = self.ask(request)?.deconstruct();
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}
