//! What the suite is played against.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::http::{Method, Request};
use azure_sim::{SimRequest, SimTransport, World, WorldConfig};
use batch_pool::packages::{
    Application, BatchPackages, BlobOptions, Link, Package, PackageId, Packages, Packed, PushError, Pushed,
    pack, push,
};
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::{Clock, SystemClock, TokioClock};
use flamenco_azure_core::exec::NoReporter;
use flamenco_azure_core::ids::ResourceId;
use serde_json::json;

use super::azurite::{Azurite, sas};
use super::gate::Gate;
use super::shelf::Shelf;

pub const ACCOUNT: &str = "farmpackages";
pub const SUB: &str = "11111111-1111-4111-8111-111111111111";

/// How links are to be signed from now on: permissions, and seconds until they end.
#[derive(Debug, Clone, Copy)]
pub struct Signing {
    pub permissions: &'static str,
    pub seconds: i64,
}

pub const USUAL: Signing = Signing { permissions: "rw", seconds: 4 * 3600 };

/// One end that takes packages.
pub struct End {
    pub packages: Arc<dyn Packages>,
    pub gate: Arc<Gate>,
    pub blobs: BlobOptions,
    /// How the next links are signed; the last is used on and on.
    pub signing: Arc<Mutex<Vec<Signing>>>,
    /// The simulator's.
    pub world: Option<Arc<Mutex<World>>>,
    pub client: Option<ArmClient>,
}

/// The next way to sign.
pub fn next_signing(signing: &Mutex<Vec<Signing>>) -> Signing {
    let mut all = signing.lock().unwrap();
    if all.len() > 1 { all.remove(0) } else { all.first().copied().unwrap_or(USUAL) }
}

pub fn batch_account() -> String {
    format!("/subscriptions/{SUB}/resourceGroups/farm/providers/Microsoft.Batch/batchAccounts/farmbatch")
}

pub fn storage_account() -> String {
    format!("/subscriptions/{SUB}/resourceGroups/farm/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}")
}

/// A request to the control plane.
pub fn arm(method: &str, path: &str, version: &str) -> SimRequest {
    let url = format!("https://management.azure.com{path}?api-version={version}");
    SimRequest::new(method, url.parse().unwrap()).header("authorization", "Bearer any")
}

impl End {
    /// The simulator: a Batch account with auto-storage.
    pub fn simulator() -> Self {
        Self::simulator_with(&json!({"storageAccountId": storage_account()}))
    }

    pub fn simulator_with(auto_storage: &serde_json::Value) -> Self {
        let mut config = WorldConfig::new(SUB);
        config.start = "2026-11-21T07:00:00Z".parse().unwrap();
        let mut world = World::new(config);
        let mut put = |path: &str, version: &str, body: serde_json::Value| {
            let response = world.handle(&arm("PUT", path, version).json_body(&body));
            assert!(response.is_success(), "{path}: {}", response.json_body());
            world.advance_by(60);
        };
        put(
            &format!("/subscriptions/{SUB}/resourceGroups/farm"),
            "2021-04-01",
            json!({"location": "westeurope"}),
        );
        let storage = json!({"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
        put(&storage_account(), "2023-05-01", storage);
        let mut batch = json!({"location": "westeurope", "properties": {}});
        if !auto_storage.is_null() {
            batch["properties"]["autoStorage"] = auto_storage.clone();
        }
        put(&batch_account(), "2025-06-01", batch);

        let clock = TokioClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap());
        let world = Arc::new(Mutex::new(world));
        let transport = SimTransport::new(Arc::clone(&world), Arc::new(move || clock.now()));
        let gate = Arc::new(Gate::new(Arc::new(transport), true));
        let client = client(Arc::clone(&gate), Arc::new(clock));
        let packages = BatchPackages::new(client.clone(), batch_account().parse::<ResourceId>().unwrap());
        let signing = Arc::new(Mutex::new(vec![USUAL]));
        let packages = Signed { packages, world: Arc::clone(&world), signing: Arc::clone(&signing) };
        Self {
            packages: Arc::new(packages),
            blobs: BlobOptions::of(&client),
            gate,
            signing,
            world: Some(world),
            client: Some(client),
        }
    }

    /// A shelf in memory whose blobs are in an Azurite that ends with the first value; `None` where that is not installed.
    pub fn azurite() -> Option<(Azurite, Self)> {
        // Strict, it refuses sums that it does not compute.
        let azurite = Azurite::start(ACCOUNT, "uploads to Azurite", &["--loose"])?;
        let gate = Arc::new(Gate::new(azurite.wire(None), false));
        let client = client(Arc::clone(&gate), Arc::new(SystemClock));
        let signing = Arc::new(Mutex::new(vec![USUAL]));
        let packages = Arc::new(Shelf::new(Arc::clone(&gate), Arc::clone(&signing)));
        let mut blobs = BlobOptions::of(&client);
        blobs.retry.first_delay = std::time::Duration::from_millis(20);
        Some((azurite, Self { packages, blobs, gate, signing, world: None, client: None }))
    }

    pub fn sign(&self, ways: &[Signing]) {
        *self.signing.lock().unwrap() = ways.to_vec();
    }

    pub async fn push(&self, id: &PackageId, packed: &Packed) -> Result<Pushed, PushError> {
        push(&*self.packages, &self.blobs, id, packed, false, &NoReporter).await
    }

    pub async fn replace(&self, id: &PackageId, packed: &Packed) -> Result<Pushed, PushError> {
        push(&*self.packages, &self.blobs, id, packed, true, &NoReporter).await
    }

    /// A link for the test's own use.
    fn own_link(&self, id: &PackageId) -> String {
        let (container, name) = place(id);
        if let Some(world) = &self.world {
            let until = self.blobs.clock.now() + jiff::SignedDuration::from_hours(1);
            return world.lock().unwrap().blob_sas(ACCOUNT, &container, &name, "racwd", until);
        }
        let signature = sas(ACCOUNT, "racwd", "b", "sco", "2100-01-01T00:00:00Z".parse().unwrap());
        format!("https://{ACCOUNT}.blob.core.windows.net/{container}/{name}?{signature}")
    }

    /// What a node would get: status, bytes and the digest beside them.
    pub async fn download(&self, id: &PackageId) -> (u16, Vec<u8>, String) {
        let request = Request::new(self.own_link(id).parse().unwrap(), Method::Get);
        let answer = self.gate.own(&versioned(request)).await;
        let digest = azure_core::http::headers::HeaderName::from_static("x-ms-meta-sha256");
        let digest = answer.headers().get_optional_str(&digest).unwrap_or_default().to_owned();
        let raw = answer.try_into_raw_response().await.unwrap();
        (raw.status().into(), raw.body().to_vec(), digest)
    }

    /// Stages a block as some other tool would.
    pub async fn stage(&self, id: &PackageId, block: &str, bytes: &'static [u8]) {
        self.put(&format!("{}&comp=block&blockid={block}", self.own_link(id)), bytes).await;
    }

    /// Sends a blob in one piece as some other tool would.
    pub async fn put_whole(&self, id: &PackageId, bytes: &'static [u8]) {
        self.put(&self.own_link(id), bytes).await;
    }

    async fn put(&self, url: &str, bytes: &'static [u8]) {
        let mut request = versioned(Request::new(url.parse().unwrap(), Method::Put));
        request.insert_header("x-ms-blob-type", "BlockBlob");
        request.insert_header("content-length", bytes.len().to_string());
        request.set_body(bytes);
        let answer = self.gate.own(&request).await;
        assert_eq!(u16::from(answer.status()), 201);
    }

    /// Whether nodes could have this content: active, and the bytes are those.
    pub async fn assert_active(&self, id: &PackageId, packed: &Packed) {
        assert!(self.packages.package(id).await.unwrap().unwrap().active, "{id}");
        let (status, bytes, digest) = self.download(id).await;
        assert_eq!((status, digest.as_str()), (200, packed.sha256()));
        let mut wanted = Vec::new();
        packed.copy_to(&mut wanted).unwrap();
        assert!(bytes == wanted, "{id}: {} bytes instead of {}", bytes.len(), wanted.len());
    }
}

fn versioned(mut request: Request) -> Request {
    request.insert_header("x-ms-version", "2025-11-05");
    request
}

/// Container and blob of a package, as the simulator names them.
pub fn place(id: &PackageId) -> (String, String) {
    (format!("app-{}", id.application()), id.version().to_owned())
}

fn client(gate: Arc<Gate>, clock: Arc<dyn Clock>) -> ArmClient {
    ArmClient::new(ArmOptions {
        cloud: Cloud::public(),
        credential: SimTransport::credential(),
        transport: Some(gate),
        clock,
        seed: 1,
        retry: RetryPolicy::default(),
    })
}

pub fn id(application: &str, version: &str) -> PackageId {
    PackageId::new(application, version).unwrap()
}

/// A package of about so many bytes that do not get smaller; `seed` makes others.
pub fn packed(bytes: usize, seed: u64) -> Packed {
    let folder = tempfile::tempdir().unwrap();
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise.truncate(bytes);
    std::fs::write(folder.path().join("content"), noise).unwrap();
    pack(folder.path(), &batch_pool::packages::PackOptions::default(), "it", &NoReporter).unwrap()
}

/// The simulated Batch, whose links are signed as the test wants it.
#[derive(Debug)]
struct Signed {
    packages: BatchPackages,
    world: Arc<Mutex<World>>,
    signing: Arc<Mutex<Vec<Signing>>>,
}

impl Signed {
    fn link(&self, id: &PackageId) -> Link {
        let Signing { permissions, seconds } = next_signing(&self.signing);
        let (container, name) = place(id);
        let world = self.world.lock().unwrap();
        let until = world.now() + jiff::SignedDuration::from_secs(seconds);
        let url = world.blob_sas(ACCOUNT, &container, &name, permissions, until);
        Link::new(&url, Some(until)).unwrap()
    }
}

#[async_trait]
impl Packages for Signed {
    async fn storage(&self) -> Result<String, PushError> {
        self.packages.storage().await
    }
    async fn applications(&self) -> Result<Vec<Application>, PushError> {
        self.packages.applications().await
    }
    async fn make(&self, application: &str) -> Result<(), PushError> {
        self.packages.make(application).await
    }
    async fn packages(&self, application: &str) -> Result<Vec<Package>, PushError> {
        self.packages.packages(application).await
    }
    async fn package(&self, id: &PackageId) -> Result<Option<Package>, PushError> {
        let package = self.packages.package(id).await?;
        Ok(package.map(|package| Package { link: Some(self.link(id)), ..package }))
    }
    async fn offer(&self, id: &PackageId) -> Result<Link, PushError> {
        self.packages.offer(id).await.map(|_| self.link(id))
    }
    async fn activate(&self, id: &PackageId) -> Result<(), PushError> {
        self.packages.activate(id).await
    }
    async fn set_default(&self, id: &PackageId) -> Result<(), PushError> {
        self.packages.set_default(id).await
    }
    async fn remove(&self, id: &PackageId) -> Result<(), PushError> {
        self.packages.remove(id).await
    }
    async fn remove_application(&self, application: &str) -> Result<(), PushError> {
        self.packages.remove_application(application).await
    }
}
