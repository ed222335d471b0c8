//! What the suite is played against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use azure_core::http::{HttpClient, Method, Request};
use azure_sim::{SimRequest, SimTransport, World, WorldConfig};
use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::clock::{Clock, TokioClock};
use serde_json::json;
use vmss_scaler::storage::StorageOptions;

pub const ACCOUNT: &str = "farmstate";
const SUB: &str = "11111111-1111-4111-8111-111111111111";

/// One end that speaks the storage services.
pub struct End {
    transport: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    is_azurite: bool,
    world: Option<Arc<Mutex<World>>>,
}

/// The simulator's world, to make it a bad day.
pub fn sim_world(end: &End) -> MutexGuard<'_, World> {
    end.world.as_ref().unwrap().lock().unwrap()
}

/// A request to the control plane.
pub fn arm(method: &str, path: &str) -> SimRequest {
    let url = format!("https://management.azure.com{path}?api-version=2023-05-01");
    SimRequest::new(method, url.parse().unwrap()).header("authorization", "Bearer any")
}

fn account() -> String {
    format!("/subscriptions/{SUB}/resourceGroups/farm/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}")
}

fn role_assignment(number: u32) -> String {
    let name = format!("{number}1111111-1111-4111-8111-111111111111");
    format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", account())
}

/// What lets the signed-in user write blobs.
pub fn role_assignment_of_blobs() -> String {
    role_assignment(2)
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: BTreeMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// All texts of an element, in their order.
    pub fn all(&self, element: &str) -> Vec<String> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let parts = self.body.split(&open).skip(1);
        let texts = parts.map(|part| part.split(&close).next().unwrap_or_default());
        texts
            .map(|text| {
                let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
                text.replace("&#xD;", "\r").replace("&apos;", "'").replace("&amp;", "&")
            })
            .collect()
    }

    /// The first text of an element.
    pub fn text(&self, element: &str) -> String {
        self.all(element).into_iter().next().unwrap_or_default()
    }

    /// Status, and the error code where there is one.
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) -> &Self {
        let said = self.header("x-ms-error-code");
        assert_eq!((self.status, said), (status, code), "{}", self.body);
        if !self.body.is_empty() && !code.is_empty() {
            assert_eq!(self.text("Code"), code);
        }
        self
    }
}

impl End {
    pub fn new(transport: Arc<dyn HttpClient>, is_azurite: bool) -> Self {
        let start = "2026-11-21T08:00:00Z".parse().unwrap();
        Self { transport, clock: Arc::new(TokioClock::starting_at(start)), is_azurite, world: None }
    }

    /// The simulator with one account, whose data the signed-in user may use.
    pub fn simulator() -> Self {
        let mut config = WorldConfig::new(SUB);
        config.start = "2026-11-21T07:00:00Z".parse().unwrap();
        let mut world = World::new(config);
        let mut put = |path: &str, body: serde_json::Value| {
            let response = world.handle(&arm("PUT", path).json_body(&body));
            assert!(response.is_success(), "{path}: {}", response.json_body());
            world.advance_by(60);
        };
        put(&format!("/subscriptions/{SUB}/resourceGroups/farm"), json!({"location": "westeurope"}));
        let body = json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
        put(&account(), body);
        let me = "0b1ec700-51a0-4000-a000-0b1ec7000001";
        for (number, role) in [
            (1, "974c5e8b-45b9-4653-ba55-5f855dd0fb88"), // Storage Queue Data Contributor
            (2, "ba92f5b4-2d11-453d-a403-e96b0029c9fe"), // Storage Blob Data Contributor
        ] {
            let role =
                format!("/subscriptions/{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}");
            let properties = json!({"roleDefinitionId": role, "principalId": me, "principalType": "User"});
            put(&role_assignment(number), json!({"properties": properties}));
        }
        let start = "2026-11-21T08:00:00Z".parse().unwrap();
        let clock = TokioClock::starting_at(start);
        let world = Arc::new(Mutex::new(world));
        let transport = SimTransport::new(Arc::clone(&world), Arc::new(move || clock.now()));
        Self { world: Some(world), ..Self::new(Arc::new(transport), false) }
    }

    /// A parameter is refused, 400. Azurite's generated front door does so without a code.
    #[track_caller]
    pub fn refuses(&self, reply: &Reply, code: &str) {
        let bare = self.is_azurite && reply.header("x-ms-error-code").is_empty();
        reply.is(400, if bare { "" } else { code });
    }

    /// A range that begins where the blob ends: 416, where Azurite delivers nothing unless the blob is empty.
    #[track_caller]
    pub fn is_behind_the_end(&self, reply: &Reply) {
        if self.is_azurite {
            assert_eq!((reply.status / 100, reply.body.as_str()), (2, ""));
        } else {
            reply.is(416, "InvalidRange");
        }
    }

    /// What the scaler's clients need.
    pub fn options(&self) -> StorageOptions {
        let credential = SimTransport::credential();
        let (transport, clock) = (Some(Arc::clone(&self.transport)), Arc::clone(&self.clock));
        StorageOptions::new(ACCOUNT, &Cloud::public(), credential, transport, clock, 1)
    }

    /// Lets time pass: at once in the simulator, really with Azurite.
    #[allow(clippy::unused_self)]
    pub async fn wait(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    pub async fn send(
        &self,
        verb: &str,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let url = format!("https://{ACCOUNT}.{service}.core.windows.net/{path}");
        let method = match verb {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "PUT" => Method::Put,
            "POST" => Method::Post,
            _ => Method::Delete,
        };
        let mut request = Request::new(url.parse().unwrap(), method);
        request.insert_header("authorization", "Bearer any");
        request.insert_header("x-ms-version", "2025-11-05");
        for (name, value) in headers {
            request.insert_header((*name).to_owned(), (*value).to_owned());
        }
        if matches!(verb, "PUT" | "POST") {
            request.insert_header("content-length", body.len().to_string());
            if service == "queue" && !body.is_empty() {
                request.insert_header("content-type", "application/xml");
            }
        }
        request.set_body(body.to_owned());
        let answer = self.transport.execute_request(&request).await.unwrap();
        let raw = answer.try_into_raw_response().await.unwrap();
        let headers = raw.headers().iter();
        Reply {
            status: raw.status().into(),
            headers: headers.map(|(n, v)| (n.as_str().to_owned(), v.as_str().to_owned())).collect(),
            body: String::from_utf8_lossy(raw.body()).into_owned(),
        }
    }

    /// To the queue service.
    pub async fn queue(&self, verb: &str, path: &str, body: &str) -> Reply {
        self.send(verb, "queue", path, &[], body).await
    }

    /// To the blob service.
    pub async fn blob(&self, verb: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(verb, "blob", path, headers, "").await
    }

    /// A block blob.
    pub async fn put(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = [&[("x-ms-blob-type", "BlockBlob")], headers].concat();
        self.send("PUT", "blob", path, &headers, body).await
    }

    /// A lease request.
    pub async fn lease(&self, path: &str, action: &str, headers: &[(&str, &str)]) -> Reply {
        let headers = [&[("x-ms-lease-action", action)], headers].concat();
        self.blob("PUT", &format!("{path}?comp=lease"), &headers).await
    }
}
