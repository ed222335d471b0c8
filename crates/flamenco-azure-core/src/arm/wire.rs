//! One try: from a [`Request`] to an answer or the reason why there is none, over azure_core's pipeline.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{
    ClientOptions, Context, HttpClient, Pipeline, PipelineSendOptions, RetryOptions, Transport,
};
use url::Url;

use super::cloud::Cloud;
use super::discreet::Discreet;
use super::request::{Method, Plane, Request};
use super::response::{Headers, Response};
use crate::clock::Clock;

/// Why a try had no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// No token: nothing was sent.
    NoToken(azure_core::Error),
    /// The connection was not made: nothing was sent.
    NotSent(azure_core::Error),
    /// It may have been sent and applied.
    Unknown(azure_core::Error),
    /// No answer in time; it may have been applied.
    TimedOut,
}

/// The pipelines, one per audience.
#[derive(Debug)]
pub(super) struct Wire {
    arm: Pipeline,
    batch: Pipeline,
    graph: Pipeline,
    public: Pipeline,
}

impl Wire {
    pub(super) fn new(
        cloud: &Cloud,
        credential: &Arc<dyn TokenCredential>,
        transport: Option<&Arc<dyn HttpClient>>,
    ) -> Self {
        // One transport for all three, so that connections are shared.
        let inner = transport.map_or_else(|| azure_core::http::new_http_client(None), Arc::clone);
        let transport: Arc<dyn HttpClient> = Arc::new(Discreet(inner));
        let pipeline = |scope: Option<&str>| {
            let options = ClientOptions {
                retry: RetryOptions::none(), // ours runs on `Clock`
                transport: Some(Transport::new(Arc::clone(&transport))),
                ..ClientOptions::default()
            };
            let auth = scope.map(|scope| -> Arc<dyn Policy> {
                Arc::new(BearerTokenAuthorizationPolicy::new(Arc::clone(credential), [scope]))
            });
            Pipeline::new(
                Some("flamenco-azure"),
                option_env!("CARGO_PKG_VERSION"),
                options,
                Vec::new(),
                auth.into_iter().collect(),
                None,
            )
        };
        Self {
            arm: pipeline(Some(cloud.arm_scope)),
            batch: pipeline(Some(cloud.batch_scope)),
            graph: pipeline(Some(cloud.graph_scope)),
            public: pipeline(None),
        }
    }

    /// Sends `request` to `url` once and reads the whole answer, within `timeout` of `clock`'s time.
    pub(super) async fn attempt(
        &self,
        request: &Request,
        url: &Url,
        clock: &dyn Clock,
        timeout: Duration,
    ) -> Result<Response, Lost> {
        let mut wire = outgoing(request, url);
        let pipeline = match request.plane {
            Plane::Arm => &self.arm,
            Plane::Batch(_) => &self.batch,
            Plane::Graph => &self.graph,
            Plane::Public(_) => &self.public,
        };
        let context = Context::new();
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let answer = tokio::select! {
            biased;
            answer = pipeline.send(&context, &mut wire, Some(options)) => answer,
            () = clock.sleep(timeout) => return Err(Lost::TimedOut),
        };
        match answer {
            Ok(raw) => {
                let headers = raw
                    .headers()
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect::<Headers>();
                let read = if request.part.is_some() { Response::of_content } else { Response::new };
                Ok(read(raw.status().into(), headers, raw.body()))
            }
            Err(error) => Err(match error.kind() {
                ErrorKind::Credential => Lost::NoToken(error),
                ErrorKind::Connection => Lost::NotSent(error),
                _ => Lost::Unknown(error),
            }),
        }
    }
}

fn outgoing(request: &Request, url: &Url) -> azure_core::http::Request {
    use azure_core::http::Method as Verb;
    let verb = match request.method {
        Method::Get => Verb::Get,
        Method::Head => Verb::Head,
        Method::Put => Verb::Put,
        Method::Patch => Verb::Patch,
        Method::Post => Verb::Post,
        Method::Delete => Verb::Delete,
    };
    let json = match request.plane {
        // The Batch data plane takes nothing else (Microsoft's page "Batch service REST API reference").
        Plane::Batch(_) => "application/json; odata=minimalmetadata",
        Plane::Arm | Plane::Graph | Plane::Public(_) => "application/json",
    };
    let mut wire = azure_core::http::Request::new(url.clone(), verb);
    let accepted = if request.part.is_some() { "application/octet-stream" } else { json };
    wire.insert_header(HeaderName::from_static("accept"), accepted);
    if let Some(part) = request.part {
        wire.insert_header(HeaderName::from_static("ocp-range"), part.header());
    }
    if let Some(body) = &request.body {
        wire.insert_header(HeaderName::from_static("content-type"), json);
        wire.set_body(body.to_string());
    }
    if let Some(etag) = &request.if_match {
        wire.insert_header(HeaderName::from_static("if-match"), etag.clone());
    }
    if request.if_none_match {
        wire.insert_header(HeaderName::from_static("if-none-match"), "*");
    }
    wire
}
