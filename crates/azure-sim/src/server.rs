//! The simulator over loopback HTTP, for any Azure client that can be told where to go.
//!
//! The `Host` header decides which service answers; requests to the server's own address are for ARM, or for
//! the sign-in host when the path looks like it. Links in answers point back to the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use tokio::net::TcpListener;
use url::Url;

use crate::transport::NowFn;
use crate::wire::{SimRequest, SimResponse};
use crate::world::World;

/// Bodies larger than this are refused: ARM's own limit is 4 MB.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// Called after every answered request, for example to save the world.
pub type AfterCall = Arc<dyn Fn(&World) + Send + Sync>;

#[derive(Clone)]
struct Shared {
    world: Arc<Mutex<World>>,
    now: NowFn,
    after: Option<AfterCall>,
}

/// Serves a world until the listener ends. Time comes from `now`.
pub async fn serve(
    listener: TcpListener,
    world: Arc<Mutex<World>>,
    now: NowFn,
    after: Option<AfterCall>,
) -> std::io::Result<()> {
    let shared = Shared { world, now, after };
    let app = Router::new().fallback(answer).with_state(shared);
    axum::serve(listener, app).await
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return render(
            SimResponse::arm_error(413, "RequestEntityTooLarge", "The request is too large."),
            None,
        );
    };
    let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let service = service_host(host, path);
    let Ok(url) = Url::parse(&format!("https://{service}{path}")) else {
        return render(
            SimResponse::arm_error(400, "InvalidRequestUri", "The request URI is not valid."),
            None,
        );
    };
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let wire = SimRequest { method: parts.method.as_str().to_owned(), url, headers, body: body.to_vec() };
    let response = {
        let mut world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to((shared.now)());
        let response = world.handle(&wire);
        if let Some(after) = &shared.after {
            after(&world);
        }
        response
    };
    render(response, Some(&format!("http://{host}")))
}

/// Which service a request is for.
fn service_host(host: &str, path: &str) -> String {
    let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    if name.ends_with("azure.com") || name.ends_with("microsoftonline.com") || name.ends_with("windows.net") {
        return name;
    }
    let path = path.split('?').next().unwrap_or(path).to_ascii_lowercase();
    let login = ["/oauth2/", "/.well-known/", "/discovery/"].iter().any(|word| path.contains(word));
    if login { "login.microsoftonline.com" } else { "management.azure.com" }.to_owned()
}

/// Services whose absolute links must lead back here.
const REWRITTEN: &[&str] = &["https://management.azure.com", "https://login.microsoftonline.com"];

fn render(response: SimResponse, base: Option<&str>) -> Response {
    let back = |text: String| match base {
        Some(base) => REWRITTEN.iter().fold(text, |text, from| text.replace(from, base)),
        None => text,
    };
    if response.lost {
        // The nearest that HTTP has to a broken connection: a gateway's empty answer.
        let mut lost = Response::new(Body::empty());
        *lost.status_mut() = StatusCode::BAD_GATEWAY;
        return lost;
    }
    let body = match String::from_utf8(response.body) {
        Ok(text) => back(text).into_bytes(),
        Err(bytes) => bytes.into_bytes(),
    };
    let mut out = Response::new(Body::from(body));
    *out.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&back(value))) {
            out.headers_mut().insert(name, value);
        }
    }
    out
}
