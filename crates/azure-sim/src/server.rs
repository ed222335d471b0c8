//! The simulator over loopback, http or https, for any Azure client that can be told where to go.
//!
//! The `Host` header decides which service answers; requests to the server's own address are for ARM, or for
//! the sign-in host when the path looks like it, or for the service that a path of the form `/host/{name}/…` names.
//! The metadata service of a machine, which has no host of its own on the outside, is below `/imds/{vmId}/metadata/`:
//! what stands for `http://169.254.169.254` on that machine is `http://127.0.0.1:PORT/imds/{vmId}`.
//! Links in answers point back to the server (`links`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::Listener;
use url::Url;

use crate::links::Links;
use crate::transport::NowFn;
use crate::wire::{SimRequest, SimResponse};
use crate::world::World;

/// Bodies larger than this are refused: ARM's own limit is 4 MB.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// As long as this are bodies to storage accounts: blocks of a larger package are for a real account.
const MAX_UPLOAD: usize = 512 * 1024 * 1024;

/// Called after every answered request, for example to save the world.
pub type AfterCall = Arc<dyn Fn(&World) + Send + Sync>;

/// What is served, and how.
#[derive(Clone)]
pub struct Served {
    /// The world.
    pub world: Arc<Mutex<World>>,
    /// Its time.
    pub now: NowFn,
    /// Called after every answered request.
    pub after: Option<AfterCall>,
    /// `http` or `https`: how clients reach the listener, for the links that lead back.
    pub scheme: &'static str,
    /// Virtual seconds of `now` per second of the clients' clocks: `Retry-After` is divided by it, rounded up.
    pub speed: u32,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served")
            .field("scheme", &self.scheme)
            .field("speed", &self.speed)
            .finish_non_exhaustive()
    }
}

impl Served {
    /// A world over plain http whose time passes as fast as the clients'.
    pub fn new(world: Arc<Mutex<World>>, now: NowFn) -> Self {
        Self { world, now, after: None, scheme: "http", speed: 1 }
    }
}

/// Serves a world until the listener ends.
pub async fn serve<L: Listener>(listener: L, served: Served) -> std::io::Result<()>
where
    L::Addr: std::fmt::Debug,
{
    let app = Router::new().fallback(answer).with_state(served);
    axum::serve(listener, app).await
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let (machine, path) = machine(path);
    let (service, path) =
        if machine.is_some() { (crate::imds::HOST.to_owned(), path) } else { service(host, path) };
    let most = if service.ends_with(".core.windows.net") { MAX_UPLOAD } else { MAX_BODY };
    let Ok(body) = to_bytes(body, most).await else {
        return render(SimResponse::arm_error(413, "RequestEntityTooLarge", "The request is too large."));
    };
    let Ok(url) = Url::parse(&format!("https://{service}{path}")) else {
        return render(SimResponse::arm_error(400, "InvalidRequestUri", "The request URI is not valid."));
    };
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let wire = SimRequest { method: parts.method.as_str().to_owned(), url, headers, body: body.to_vec() };
    let (response, links) = {
        let mut world = served.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to((served.now)());
        let response = match machine {
            Some(machine) => world.handle_on(machine, &wire),
            None => world.handle(&wire),
        };
        if let Some(after) = &served.after {
            after(&world);
        }
        (response, Links::new(served.scheme, host, &world))
    };
    render(sooner(links.lead_back(response), served.speed))
}

/// The machine whose metadata service a path `/imds/{vmId}/metadata/…` is for, and the path there.
fn machine(path: &str) -> (Option<&str>, &str) {
    let Some((machine, _)) = path.strip_prefix("/imds/").and_then(|rest| rest.split_once('/')) else {
        return (None, path);
    };
    (Some(machine), &path["/imds/".len() + machine.len()..])
}

/// Which service a request is for, and its path there.
fn service<'a>(host: &str, path: &'a str) -> (String, &'a str) {
    if let Some(rest) = path.strip_prefix("/host/") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (name, path) = rest.split_at(end);
        return (name.to_ascii_lowercase(), path);
    }
    let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    if name.ends_with("azure.com") || name.ends_with("microsoftonline.com") || name.ends_with("windows.net") {
        return (name, path);
    }
    let words = path.split('?').next().unwrap_or(path).to_ascii_lowercase();
    let login = ["/oauth2/", "/.well-known/", "/discovery/"].iter().any(|word| words.contains(word));
    (if login { "login.microsoftonline.com" } else { "management.azure.com" }.to_owned(), path)
}

/// `Retry-After` in the clients' seconds.
fn sooner(mut response: SimResponse, speed: u32) -> SimResponse {
    if let Some(seconds) = response.header("retry-after").and_then(|s| s.parse::<u32>().ok()) {
        response.set_header("retry-after", &seconds.div_ceil(speed.max(1)).to_string());
    }
    response
}

fn render(response: SimResponse) -> Response {
    if response.lost {
        // The nearest that HTTP has to a broken connection: a gateway's empty answer.
        let mut lost = Response::new(Body::empty());
        *lost.status_mut() = StatusCode::BAD_GATEWAY;
        return lost;
    }
    let mut out = Response::new(Body::from(response.body));
    *out.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            out.headers_mut().insert(name, value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_or_the_path_names_the_service() {
        let arm = "management.azure.com";
        for (host, path, wanted) in [
            ("127.0.0.1:80", "/subscriptions?api-version=1", (arm, "/subscriptions?api-version=1")),
            ("management.azure.com", "/tenants", (arm, "/tenants")),
            ("127.0.0.1:80", "/t/oauth2/v2.0/token", ("login.microsoftonline.com", "/t/oauth2/v2.0/token")),
            (
                "127.0.0.1:80",
                "/host/A.westeurope.batch.azure.com/pools?x=1",
                ("a.westeurope.batch.azure.com", "/pools?x=1"),
            ),
            ("127.0.0.1:80", "/host/prices.azure.com?x=1", ("prices.azure.com", "?x=1")),
            ("a.westeurope.batch.azure.com", "/pools", ("a.westeurope.batch.azure.com", "/pools")),
        ] {
            assert_eq!(service(host, path), (wanted.0.to_owned(), wanted.1), "{host}{path}");
        }
    }

    #[test]
    fn a_machines_metadata_is_below_its_id() {
        for (path, wanted) in [
            ("/imds/1-2/metadata/instance?x=1", (Some("1-2"), "/metadata/instance?x=1")),
            ("/imds/alone", (None, "/imds/alone")),
            ("/subscriptions", (None, "/subscriptions")),
        ] {
            assert_eq!(machine(path), wanted);
        }
    }

    #[test]
    fn waits_shrink_with_speed_and_never_to_nothing() {
        for (seconds, speed, wanted) in [("17", 1, "17"), ("17", 60, "1"), ("324", 60, "6"), ("0", 60, "0")] {
            let response = sooner(SimResponse::empty(202).with_header("retry-after", seconds), speed);
            assert_eq!(response.header("retry-after"), Some(wanted));
        }
    }
}
